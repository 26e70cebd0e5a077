/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The serial policy: worker 0 runs the tasks in the order of their array, whatever edges, levels, homes and background
 * tasks would allow. */
#include "runtime/team.h"
#include "tests/runtime/dag.h"
#include "tests/runtime/kit.h"
#include "tests/support/suite.h"

#define N_TASKS 64

typedef struct scene {
    uint32_t order[N_TASKS];
    size_t n_run;
    int worker;
    const void *scratch;
} scene;

static void note(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    scene *s = *(scene *const *)argument;
    s->order[s->n_run++] = index[0]; /* not atomic: nobody else runs anything */
    s->worker |= (int)hl__team_number();
    s->scratch = scratch;
}

START_TEST(TasksRunInTheOrderOfTheArrayOnWorker0) {
    for (size_t w = 0; w < N_KIT_WORKERS; w++) {
        fake_system fake;
        hl_runtime *runtime = kit_runtime(&fake, "node:2 core:2 pu:1",
                                          &(hl_runtime_options){.workers = kit_workers[w], .policy = HL_POLICY_SERIAL});
        scene s = {.n_run = 0}, *argument = &s;
        hl__task tasks[N_TASKS];
        for (uint32_t t = 0; t < N_TASKS; t++)
            tasks[t] = (hl__task){.run = t % 9 == 5 ? NULL : note,
                                  .argument = &argument,
                                  .index = {t},
                                  .level = (N_TASKS - t) % 5, /* without edges any will do */
                                  .home = (uint16_t)(t % 3),
                                  .background = t % 2};
        hl__task_graph graph = kit_graph(tasks, N_TASKS, NULL, 0);
        graph.scratch_bytes = 100;
        for (size_t replay = 0; replay < KIT_ROUNDS(20); replay++) {
            if (replay % 4 == 0) kit_wait_for_sleep(runtime);
            s.n_run = 0;
            ck_assert_int_eq(hl__runtime_run(runtime, &graph), HL_OK);
            size_t n_run = 0;
            for (uint32_t t = 0; t < N_TASKS; t++)
                if (tasks[t].run) ck_assert_uint_eq(s.order[n_run++], t);
            ck_assert_uint_eq(s.n_run, n_run);
            ck_assert_int_eq(s.worker, 0);
            ck_assert_ptr_eq(s.scratch, runtime->workers[0].scratch);
        }
        hl__task_graph_clear(&graph);
        hl_runtime_destroy(runtime);
    }
}
END_TEST

START_TEST(NoTwoTasksOverlap) {
    fake_system fake;
    hl_runtime *runtime = kit_runtime(&fake, "pu:4", &(hl_runtime_options){.workers = 7, .policy = HL_POLICY_SERIAL});
    dag *d = dag_create(&(dag_options){.n_tasks = 200, .n_edges = 300, .background_one_in = 3, .join_one_in = 5});
    for (size_t replay = 1; replay <= KIT_ROUNDS(10); replay++) {
        atomic_store(&d->clock, 0);
        ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
        dag_check(d, replay);
        size_t now = 0;
        for (size_t t = 0; t < d->graph.n_tasks; t++) {
            if (!d->graph.tasks[t].run) continue;
            ck_assert_uint_eq(d->task[t].began, now++);
            ck_assert_uint_eq(d->task[t].ended, now++);
        }
    }
    dag_destroy(d);
    hl_runtime_destroy(runtime);
}
END_TEST

/* The counters of edges stay as they were frozen, so that another policy could go on with the graph. */
START_TEST(CountersAreLeftAlone) {
    fake_system fake;
    hl_runtime *serial = kit_runtime(&fake, "pu:4", &(hl_runtime_options){.workers = 2, .policy = HL_POLICY_SERIAL});
    fake_system other;
    hl_runtime *dataflow = kit_runtime(&other, "pu:4", &(hl_runtime_options){.workers = 3});
    dag *d = dag_create(&(dag_options){.n_tasks = 100, .n_edges = 400, .join_one_in = 4});
    for (size_t replay = 1; replay <= KIT_ROUNDS(10); replay++) {
        ck_assert_int_eq(hl__runtime_run(replay % 2 ? serial : dataflow, &d->graph), HL_OK);
        dag_check(d, replay);
        for (size_t t = 0; t < d->graph.n_tasks; t++)
            ck_assert_uint_eq(atomic_load(&d->graph.tasks[t].pending), d->graph.tasks[t].n_predecessors);
    }
    dag_destroy(d);
    hl_runtime_destroy(serial);
    hl_runtime_destroy(dataflow);
}
END_TEST

int main(void) {
    return run_tests("policy_serial",
                     TESTS(TasksRunInTheOrderOfTheArrayOnWorker0, NoTwoTasksOverlap, CountersAreLeftAlone));
}
