/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The levels policy: no task begins before all of the levels below have ended, and a level's tasks are shared. */
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "runtime/team.h"
#include "tests/runtime/dag.h"
#include "tests/runtime/kit.h"
#include "tests/support/suite.h"

/* When the last task of each level ended must be before the first of the next began. */
static void check_levels(const dag *d) {
    const hl__task_graph *graph = &d->graph;
    size_t last_end = 0;
    bool any = false;
    for (size_t level = 0; level < graph->n_levels; level++) {
        size_t end = last_end;
        for (size_t i = graph->level_begin[level]; i < graph->level_begin[level + 1]; i++) {
            uint32_t t = graph->level_order[i];
            if (!graph->tasks[t].run) continue;
            if (any) ck_assert_uint_gt(d->task[t].began, last_end);
            if (d->task[t].ended > end) end = d->task[t].ended;
        }
        any |= end > last_end;
        last_end = end;
    }
}

static void run_checked(const char *topology, const dag_options *shape, size_t n_replays) {
    for (size_t w = 0; w < N_KIT_WORKERS; w++) {
        fake_system fake;
        hl_runtime *runtime =
            kit_runtime(&fake, topology, &(hl_runtime_options){.workers = kit_workers[w], .policy = HL_POLICY_LEVELS});
        dag *d = dag_create(shape);
        for (size_t replay = 1; replay <= KIT_ROUNDS(n_replays); replay++) {
            ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
            dag_check(d, replay);
            check_levels(d);
        }
        dag_destroy(d);
        hl_runtime_destroy(runtime);
    }
}

START_TEST(LevelsDoNotOverlap) {
    run_checked("pu:4", &(dag_options){.n_tasks = 300, .n_edges = 300, .seed = 1}, 10);
    run_checked("node:2 core:2 pu:1", &(dag_options){.n_tasks = 80, .n_edges = 300, .reach = 3, .seed = 2}, 5);
    run_checked("pu:4", &(dag_options){.n_tasks = 200, .n_edges = 400, .join_one_in = 3, .seed = 3}, 10);
    run_checked("pu:4", &(dag_options){.n_tasks = 100, .n_edges = 100, .background_one_in = 2, .n_homes = 3}, 10);
}
END_TEST

/* Far more tasks than workers, so that each takes several at a time, in numbers that no chunk divides. */
START_TEST(WideLevelsLoseNoTask) {
    static const size_t n_tasks[] = {55, 56, 57, 113, 399, 1000};
    for (size_t i = 0; i < 6; i++) run_checked("pu:4", &(dag_options){.n_tasks = n_tasks[i], .seed = i}, 5);
}
END_TEST

typedef struct scene {
    size_t n_needed;
    _Atomic size_t n_begun[8], n_ended[8]; /* of each level */
    int worker[64];
} scene;

/* index: number, level. Ends once all of its level have begun. */
static void meet(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    (void)scratch;
    scene *s = *(scene *const *)argument;
    s->worker[index[0]] = (int)hl__team_number();
    atomic_fetch_add(&s->n_begun[index[1]], 1);
    while (atomic_load(&s->n_begun[index[1]]) < s->n_needed) sched_yield();
}

START_TEST(ALevelOccupiesAllWorkers) {
    for (size_t w = 0; w < N_KIT_WORKERS; w++) {
        size_t n = kit_workers[w];
        fake_system fake;
        hl_runtime *runtime =
            kit_runtime(&fake, "node:2 pu:2", &(hl_runtime_options){.workers = n, .policy = HL_POLICY_LEVELS});
        scene s = {.n_needed = n}, *argument = &s;
        hl__task tasks[64];
        for (uint32_t t = 0; t < 4 * n; t++)
            tasks[t] = (hl__task){.run = meet, .argument = &argument, .index = {t, t / n}, .level = (uint32_t)(t / n)};
        hl__task_graph graph = kit_graph(tasks, 4 * n, NULL, 0);
        for (size_t replay = 0; replay < KIT_ROUNDS(20); replay++) {
            if (replay % 4 == 0) kit_wait_for_sleep(runtime);
            for (size_t level = 0; level < 4; level++) atomic_store(&s.n_begun[level], 0);
            ck_assert_int_eq(hl__runtime_run(runtime, &graph), HL_OK);
            for (size_t a = 0; a < 4 * n; a++)
                for (size_t b = a + 1; b < (a / n + 1) * n; b++) ck_assert_int_ne(s.worker[a], s.worker[b]);
        }
        hl__task_graph_clear(&graph);
        hl_runtime_destroy(runtime);
    }
}
END_TEST

/* index: number, level, and whether to take so long that the others go to sleep at the barrier. Nothing that a level
 * does is seen by it before all of the level below is. */
static void dawdle(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    (void)scratch;
    scene *s = *(scene *const *)argument;
    if (index[2]) usleep(2000);
    s->worker[index[0]] += index[1] == 0 || atomic_load(&s->n_ended[index[1] - 1]) == 4;
    atomic_fetch_add(&s->n_ended[index[1]], 1);
}

START_TEST(SleepersAtTheBarrierAreWoken) {
    fake_system fake;
    hl_runtime *runtime = kit_runtime(&fake, "pu:4", &(hl_runtime_options){.workers = 7, .policy = HL_POLICY_LEVELS});
    scene s = {.n_needed = 0}, *argument = &s;
    hl__task tasks[32];
    for (uint32_t t = 0; t < 32; t++)
        tasks[t] = (hl__task){.run = dawdle, .argument = &argument, .index = {t, t / 4, t % 4 == 1}, .level = t / 4};
    hl__task_graph graph = kit_graph(tasks, 32, NULL, 0);
    for (int replay = 1; replay <= KIT_ROUNDS(10); replay++) {
        for (size_t level = 0; level < 8; level++) atomic_store(&s.n_ended[level], 0);
        ck_assert_int_eq(hl__runtime_run(runtime, &graph), HL_OK);
        for (size_t t = 0; t < 32; t++) ck_assert_int_eq(s.worker[t], replay);
    }
    hl__task_graph_clear(&graph);
    hl_runtime_destroy(runtime);
}
END_TEST

START_TEST(EmptyLevelsAreSkipped) {
    fake_system fake;
    hl_runtime *runtime = kit_runtime(&fake, "pu:4", &(hl_runtime_options){.workers = 3, .policy = HL_POLICY_LEVELS});
    scene s = {.n_needed = 0}, *argument = &s;
    hl__task tasks[8];
    for (uint32_t t = 0; t < 8; t++)
        tasks[t] = (hl__task){.run = meet, .argument = &argument, .index = {t, 0}, .level = 7 + 100000 * (t / 2)};
    hl__task_graph graph = kit_graph(tasks, 8, NULL, 0);
    ck_assert_uint_eq(graph.n_levels, 300008);
    for (size_t replay = 1; replay <= 5; replay++) {
        ck_assert_int_eq(hl__runtime_run(runtime, &graph), HL_OK);
        ck_assert_uint_eq(atomic_load(&s.n_begun[0]), 8 * replay);
    }
    hl__task_graph_clear(&graph);
    hl_runtime_destroy(runtime);
}
END_TEST

int main(void) {
    return run_tests("policy_levels", TESTS(LevelsDoNotOverlap, WideLevelsLoseNoTask, ALevelOccupiesAllWorkers,
                                            SleepersAtTheBarrierAreWoken, EmptyLevelsAreSkipped));
}
