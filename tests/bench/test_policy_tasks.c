/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The tasks policy: OpenMP's tasks keep the graph's order and nothing more than that, all workers run them, each with
 * what is its own, and neither the number of tasks nor the number of edges of one nor that of runs is too much. */
#include "bench/peers/policy_tasks.h"

#include <malloc.h>
#include <omp.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "tests/runtime/dag.h"
#include "tests/runtime/kit.h"
#include "tests/support/suite.h"

static hl_runtime *tasks_runtime(fake_system *fake, size_t workers, size_t trace_events) {
    fake_system_init(fake, "node:2 core:2 pu:1");
    hl_runtime_options options = {.workers = workers, .trace_events = trace_events};
    hl_runtime *runtime = NULL;
    ck_assert_int_eq(hl__runtime_create_with(&fake->system, &bench_policy_tasks, &options, &runtime), HL_OK);
    ck_assert_uint_eq(hl_runtime_workers(runtime), workers);
    return runtime;
}

typedef struct scene {
    const hl_runtime *runtime;
    _Atomic size_t n_begun, n_wrong;
    int worker[64];
} scene;

/* index: number, how many must have begun before it ends. */
static void meet(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    scene *s = *(scene *const *)argument;
    int number = omp_get_thread_num();
    s->worker[index[0]] = number;
    if (scratch != s->runtime->workers[number].scratch) atomic_fetch_add(&s->n_wrong, 1);
    atomic_fetch_add(&s->n_begun, 1);
    while (atomic_load(&s->n_begun) < index[1]) sched_yield();
}

/* Without edges one worker after the other gets a task, also those that slept; each writes into its own trace. */
START_TEST(AllWorkersRunTasksWithScratchAndTraceOfTheirOwn) {
    enum { N_REPLAYS = 20 };
    for (size_t w = 0; w < N_KIT_WORKERS; w++) {
        uint32_t n = (uint32_t)kit_workers[w];
        fake_system fake;
        hl_runtime *runtime = tasks_runtime(&fake, n, N_REPLAYS);
        scene s = {.runtime = runtime}, *argument = &s;
        hl__task tasks[64];
        for (uint32_t t = 0; t < n; t++)
            tasks[t] = (hl__task){.run = meet, .argument = &argument, .index = {t, n}, .background = t % 2};
        hl__task_graph graph = kit_graph(tasks, n, NULL, 0);
        graph.scratch_bytes = 100;
        for (size_t replay = 0; replay < N_REPLAYS; replay++) {
            if (replay % 4 == 0) kit_wait_for_sleep(runtime);
            atomic_store(&s.n_begun, 0);
            ck_assert_int_eq(hl__runtime_run(runtime, &graph), HL_OK);
            ck_assert_uint_eq(atomic_load(&s.n_begun), n);
            for (size_t t = 0; t < n; t++) {
                const hl__events *events = &runtime->workers[s.worker[t]].events;
                ck_assert_uint_eq(events->n_events, replay + 1); /* one a run */
                ck_assert_uint_eq(events->event[replay].task, t);
            }
        }
        ck_assert_uint_eq(atomic_load(&s.n_wrong), 0);
        hl__task_graph_clear(&graph);
        hl_runtime_destroy(runtime);
    }
}
END_TEST

/* A chain of four beside a task that ends only when the last of them has begun: it hangs with a barrier between. */
START_TEST(NothingButItsOwnInputsHoldsATaskUp) {
    static const kit_edge edges[] = {{1, 2}, {2, 3}, {3, 4}};
    for (size_t w = 1; w < N_KIT_WORKERS; w++) {
        fake_system fake;
        hl_runtime *runtime = tasks_runtime(&fake, kit_workers[w], 0);
        scene s = {.runtime = runtime}, *argument = &s;
        hl__task tasks[5];
        for (uint32_t t = 0; t < 5; t++)
            tasks[t] = (hl__task){.run = meet, .argument = &argument, .index = {t, t == 0 ? 4 : 0}};
        tasks[2].run = NULL; /* and through a join */
        hl__task_graph graph = kit_graph(tasks, 5, edges, 3);
        for (size_t replay = 0; replay < 20; replay++) {
            atomic_store(&s.n_begun, 0);
            ck_assert_int_eq(hl__runtime_run(runtime, &graph), HL_OK);
            ck_assert_uint_eq(atomic_load(&s.n_begun), 4);
        }
        hl__task_graph_clear(&graph);
        hl_runtime_destroy(runtime);
    }
}
END_TEST

/* More than any OpenMP runtime queues: then tasks run where they are generated, when their turn has come. */
START_TEST(AnyNumberOfTasksIsRun) {
    static const dag_options shapes[] = {
        {.n_tasks = 3000, .seed = 1},
        {.n_tasks = 2000, .n_edges = 4000, .reach = 1, .seed = 2},
        {.n_tasks = 2000, .n_edges = 6000, .reach = 30, .join_one_in = 5, .background_one_in = 3, .seed = 3}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        dag *d = dag_create(&shapes[i]);
        size_t n_runs = 0;
        for (size_t w = 0; w < N_KIT_WORKERS; w++) {
            fake_system fake;
            hl_runtime *runtime = tasks_runtime(&fake, kit_workers[w], 0);
            for (size_t replay = 0; replay < 3; replay++) {
                ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
                dag_check(d, ++n_runs);
            }
            hl_runtime_destroy(runtime);
        }
        dag_destroy(d);
    }
}
END_TEST

typedef struct funnel {
    _Atomic size_t n_before, n_wrong;
    size_t width;
} funnel;

/* index: 0 the first, 1 in the middle, 2 the last. */
static void flow(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    (void)scratch;
    funnel *f = *(funnel *const *)argument;
    size_t before = atomic_fetch_add(&f->n_before, 1);
    bool right = index[0] == 0 ? before == 0 : index[0] == 2 ? before == f->width + 1 : before > 0;
    if (!right) atomic_fetch_add(&f->n_wrong, 1);
}

START_TEST(OneTaskMayHaveAnyNumberOfEdges) {
    enum { WIDTH = 1500 };
    hl__task *tasks = calloc(WIDTH + 2, sizeof *tasks);
    kit_edge *edges = calloc((size_t)2 * WIDTH, sizeof *edges);
    ck_assert(tasks && edges);
    funnel f = {.width = WIDTH}, *argument = &f;
    for (uint32_t t = 0; t < WIDTH + 2; t++) {
        tasks[t] = (hl__task){.run = flow, .argument = &argument, .index = {t == 0 ? 0 : t <= WIDTH ? 1 : 2}};
        if (t == 0 || t > WIDTH) continue;
        edges[t - 1] = (kit_edge){0, t};
        edges[WIDTH + t - 1] = (kit_edge){t, WIDTH + 1};
    }
    hl__task_graph graph = kit_graph(tasks, WIDTH + 2, edges, (size_t)2 * WIDTH);
    for (size_t w = 0; w < N_KIT_WORKERS; w++) {
        fake_system fake;
        hl_runtime *runtime = tasks_runtime(&fake, kit_workers[w], 0);
        for (size_t replay = 0; replay < 3; replay++) {
            atomic_store(&f.n_before, 0);
            ck_assert_int_eq(hl__runtime_run(runtime, &graph), HL_OK);
            ck_assert_uint_eq(atomic_load(&f.n_before), WIDTH + 2);
            ck_assert_uint_eq(atomic_load(&f.n_wrong), 0);
        }
        hl_runtime_destroy(runtime);
    }
    hl__task_graph_clear(&graph);
    free(tasks);
    free(edges);
}
END_TEST

/* The counters of edges stay as they were frozen, so that another policy could go on with the graph. */
START_TEST(CountersAreLeftAlone) {
    fake_system fake, other;
    hl_runtime *runtimes[] = {tasks_runtime(&fake, 3, 0),
                              kit_runtime(&other, "pu:4", &(hl_runtime_options){.workers = 3})};
    dag *d = dag_create(&(dag_options){.n_tasks = 100, .n_edges = 400, .join_one_in = 4});
    for (size_t replay = 1; replay <= 10; replay++) {
        ck_assert_int_eq(hl__runtime_run(runtimes[replay % 2], &d->graph), HL_OK);
        dag_check(d, replay);
        for (size_t t = 0; t < d->graph.n_tasks; t++)
            ck_assert_uint_eq(atomic_load(&d->graph.tasks[t].pending), d->graph.tasks[t].n_predecessors);
    }
    dag_destroy(d);
    hl_runtime_destroy(runtimes[0]);
    hl_runtime_destroy(runtimes[1]);
}
END_TEST

/* A task takes some 200 bytes with its edges, so that what 1000 runs of 100 left behind would be 20 MB; a fiftieth is
 * granted to what the C library and the OpenMP runtime keep for the next time. Graphs come and go, so that places of
 * one are those of another, and new ones turn up. Under the sanitizers, which count for themselves, nothing is seen
 * here. */
START_TEST(WhatARunTakesItGivesBack) {
    fake_system fake;
    hl_runtime *runtime = tasks_runtime(&fake, 3, 0);
    size_t in_use[2] = {0};
    for (size_t round = 0; round < 110; round++) {
        if (round == 10) in_use[0] = mallinfo2().uordblks + mallinfo2().hblkhd;
        dag *d = dag_create(&(dag_options){.n_tasks = 100, .n_edges = 200, .seed = round});
        for (size_t replay = 1; replay <= 10; replay++) ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
        dag_check(d, 10);
        dag_destroy(d);
    }
    in_use[1] = mallinfo2().uordblks + mallinfo2().hblkhd;
    ck_assert_uint_le(in_use[1], in_use[0] + 400000);
    hl_runtime_destroy(runtime);
}
END_TEST

int main(void) {
    return run_tests("policy_tasks",
                     TESTS(AllWorkersRunTasksWithScratchAndTraceOfTheirOwn, NothingButItsOwnInputsHoldsATaskUp,
                           AnyNumberOfTasksIsRun, OneTaskMayHaveAnyNumberOfEdges, CountersAreLeftAlone,
                           WhatARunTakesItGivesBack));
}
