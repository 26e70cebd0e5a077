/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Watched runs: every task is timed once; what the workers did adds up to the run, tick by tick; the critical path is
 * the longest chain, by times behind all that a task waits for, and no longer than the run. */
#include "runtime/watch.h"

#include <string.h>

#include "runtime/cancel.h"
#include "tests/runtime/dag.h"
#include "tests/runtime/kit.h"
#include "tests/support/policies.h"
#include "tests/support/scarce_memory.h"
#include "tests/support/suite.h"

#define N_NAMES 3
#define N_RUNS 5

void *__wrap_hl__allocate(size_t count, size_t size); /* tests/support/scarce_memory.h */
void __wrap_hl__release(void *memory);

static dag *named_dag(const dag_options *options) {
    static const char *const names[N_NAMES] = {"a", "b", "c"};
    dag *d = dag_create(options);
    for (size_t t = 0; t < d->graph.n_tasks; t++) d->graph.tasks[t].name = t % N_NAMES;
    d->graph.names = names;
    d->graph.n_names = N_NAMES;
    return d;
}

/* ---- what must hold of any run ---- */

/* No task that is no join begins before all those have ended for which it waits, through joins. Times are as read: only
 * where there is no counter, since clock_gettime is not done early. */
static void check_order(const dag *d) {
    const hl__watch *watch = d->graph.watch;
    for (size_t t = 0; t < d->graph.n_tasks; t++) {
        if (!d->graph.tasks[t].run) continue;
        const hl__span *span = &watch->spans[t];
        ck_assert(watch->last.begin <= span->begin && span->begin <= span->end && span->end <= watch->last.end);
        for (size_t i = 0; i < d->task[t].n_before; i++)
            ck_assert_uint_le(watch->spans[d->task[t].before[i]].end, span->begin);
    }
}

static void check_sums(const dag *d, const hl_runtime *runtime, size_t n_runs) {
    const hl__watch *watch = d->graph.watch;
    size_t n_tasks[N_NAMES] = {0}, n_run = 0, n_all = 0;
    for (size_t t = 0; t < d->graph.n_tasks; t++) n_tasks[t % N_NAMES] += d->graph.tasks[t].run != NULL;
    uint64_t ticks = 0, work = 0;
    for (size_t i = 0; i < N_NAMES; i++) {
        ck_assert_uint_eq(watch->names[i].n_tasks, n_tasks[i] * n_runs);
        ticks += watch->names[i].ticks;
        n_all += n_tasks[i] * n_runs;
    }
    ck_assert_uint_eq(watch->n_runs, n_runs);
    ck_assert_uint_eq(watch->n_workers, runtime->n_workers);
    for (size_t w = 0; w < watch->n_workers; w++) {
        const hl__worker_sum *sum = &watch->workers[w];
        ck_assert_uint_le(sum->work + sum->idle, watch->wall);
        if (sum->n_tasks == 0) ck_assert(sum->work == 0 && sum->idle == watch->wall);
        for (size_t i = 0; i < HL__N_SOURCES; i++) ck_assert_uint_le(sum->n_taken[i], n_runs * d->graph.n_tasks);
        if (watch->n_workers == 1) ck_assert_uint_eq(sum->n_taken[HL__FROM_NODE] + sum->n_taken[HL__FROM_OTHERS], 0);
        work += sum->work;
        n_run += sum->n_tasks;
    }
    ck_assert_uint_eq(work, ticks);
    ck_assert_uint_eq(n_run, n_all);
}

static uint64_t later(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* The longest chain, the plain way: the times of a task, from the end of those before it on, and of the longest chain
 * before it. */
static uint64_t longest_chain(const dag *d) {
    size_t n = d->graph.n_tasks;
    uint64_t *chain = calloc(n, sizeof *chain), *end = calloc(n, sizeof *end), longest = 0;
    for (size_t t = 0; t < n; t++) {
        if (!d->graph.tasks[t].run) continue;
        uint64_t begin = d->graph.watch->spans[t].begin;
        for (size_t i = 0; i < d->task[t].n_before; i++) {
            chain[t] = later(chain[t], chain[d->task[t].before[i]]);
            begin = later(begin, end[d->task[t].before[i]]);
        }
        end[t] = later(d->graph.watch->spans[t].end, begin);
        chain[t] += end[t] - begin;
        longest = later(longest, chain[t]);
    }
    free(chain);
    free(end);
    return longest;
}

static void check_path(const dag *d) {
    hl__path path;
    ck_assert_int_eq(hl__watch_path(&d->graph, &path), HL_OK);
    const hl__watch *watch = d->graph.watch;
    ck_assert_uint_eq(path.ticks, longest_chain(d));
    ck_assert_uint_le(path.ticks, watch->last.end - watch->last.begin);
    uint64_t ticks = 0;
    size_t n_tasks = 0;
    for (size_t i = 0; i < N_NAMES; i++) {
        ck_assert_uint_le(path.names[i].n_tasks, d->graph.n_tasks);
        ticks += path.names[i].ticks;
        n_tasks += path.names[i].n_tasks;
    }
    ck_assert_uint_eq(ticks, path.ticks);
    ck_assert_uint_eq(n_tasks, path.n_tasks);
    hl__release(path.names);
}

START_TEST(WhatWorkersDidAddsUpToTheRun) {
    for (size_t p = 0; p < N_POLICIES; p++) {
        for (size_t w = 0; w < N_KIT_WORKERS; w++) {
            fake_system fake;
            hl_runtime *runtime = kit_runtime(
                &fake, "node:2 core:4 pu:1",
                &(hl_runtime_options){.workers = kit_workers[w], .policy = policies[p].policy, .steal_seed = w});
            dag *d = named_dag(&(dag_options){.n_tasks = 300,
                                              .n_edges = 700,
                                              .reach = 60,
                                              .join_one_in = 7,
                                              .background_one_in = 5,
                                              .n_homes = 2,
                                              .seed = w});
            ck_assert_int_eq(hl__watch_start(runtime, &d->graph), HL_OK);
            for (size_t run = 1; run <= N_RUNS; run++) {
                ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
                dag_check(d, run);
                check_order(d);
                check_sums(d, runtime, run);
                check_path(d);
            }
            hl__watch_stop(&d->graph);
            dag_destroy(d);
            hl_runtime_destroy(runtime);
        }
    }
}
END_TEST

/* By the counter, where there is one: then a task may be read to begin too early, and chains to take longer than the
 * run. */
START_TEST(NoPathIsLongerThanItsRunByTheNativeClock) {
    for (size_t edges = 0; edges < 2; edges++) {
        hl_runtime *runtime = NULL;
        ck_assert_int_eq(hl_runtime_create(&(hl_runtime_options){.workers = 3}, &runtime), HL_OK);
        dag *d = named_dag(&(dag_options){
            .n_tasks = 2000, .n_edges = edges ? 4000 : 1500, .reach = 100, .join_one_in = 9, .seed = 5 + edges});
        ck_assert_int_eq(hl__watch_start(runtime, &d->graph), HL_OK);
        for (size_t run = 1; run <= 50; run++) {
            ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
            check_path(d);
        }
        check_sums(d, runtime, 50);
        hl__watch_stop(&d->graph);
        dag_destroy(d);
        hl_runtime_destroy(runtime);
    }
}
END_TEST

START_TEST(OneWorkerOfManyDoesASerialRun) {
    fake_system fake;
    hl_runtime *runtime = kit_runtime(&fake, "pu:3", &(hl_runtime_options){.workers = 3, .policy = HL_POLICY_SERIAL});
    dag *d = named_dag(&(dag_options){.n_tasks = 40, .n_edges = 60});
    ck_assert_int_eq(hl__watch_start(runtime, &d->graph), HL_OK);
    ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
    const hl__watch *watch = d->graph.watch;
    ck_assert_uint_eq(watch->workers[0].n_tasks, 40);
    for (size_t w = 1; w < 3; w++) ck_assert_uint_eq(watch->workers[w].idle, watch->wall);
    for (size_t w = 0; w < 3; w++) {
        const size_t *taken = watch->workers[w].n_taken;
        ck_assert_uint_eq(taken[HL__FROM_NODE] + taken[HL__FROM_OTHERS] + taken[HL__FROM_INBOX], 0);
    }
    hl__watch_stop(&d->graph);
    dag_destroy(d);
    hl_runtime_destroy(runtime);
}
END_TEST

/* ---- on and off ---- */

START_TEST(NothingIsTimedUnlessAskedFor) {
    fake_system fake;
    hl_runtime *runtime = kit_runtime(&fake, "pu:2", &(hl_runtime_options){.workers = 2});
    dag *watched = named_dag(&(dag_options){.n_tasks = 50, .n_edges = 60}),
        *other = named_dag(&(dag_options){.n_tasks = 50, .n_edges = 60});
    ck_assert_int_eq(hl__watch_start(runtime, &watched->graph), HL_OK);
    for (size_t round = 1; round <= 3; round++) {
        ck_assert_int_eq(hl__runtime_run(runtime, &other->graph), HL_OK);
        for (size_t w = 0; w < 2; w++) {
            ck_assert(!runtime->workers[w].timing.on);
            ck_assert_uint_eq(runtime->workers[w].timing.n_tasks, 0);
            ck_assert_ptr_null(runtime->workers[w].timing.spans);
        }
        ck_assert_int_eq(hl__runtime_run(runtime, &watched->graph), HL_OK);
        for (size_t w = 0; w < 2; w++) ck_assert(runtime->workers[w].timing.on);
        check_sums(watched, runtime, round);
    }
    hl__watch_stop(&watched->graph);
    hl__watch_stop(&watched->graph); /* harmless */
    ck_assert_ptr_null(watched->graph.watch);
    ck_assert_int_eq(hl__runtime_run(runtime, &watched->graph), HL_OK);
    for (size_t w = 0; w < 2; w++) ck_assert(!runtime->workers[w].timing.on);
    dag_destroy(watched);
    dag_destroy(other);
    hl_runtime_destroy(runtime);
}
END_TEST

START_TEST(StartingAgainForgets) {
    fake_system fake;
    hl_runtime *runtime = kit_runtime(&fake, "pu:2", &(hl_runtime_options){.workers = 2});
    dag *d = named_dag(&(dag_options){.n_tasks = 50, .n_edges = 60});
    for (size_t round = 0; round < 3; round++) {
        ck_assert_int_eq(hl__watch_start(runtime, &d->graph), HL_OK);
        check_sums(d, runtime, 0);
        for (size_t run = 0; run < 2; run++) ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
        check_sums(d, runtime, 2);
    }
    hl__watch_stop(&d->graph);
    dag_destroy(d);
    hl_runtime_destroy(runtime);
}
END_TEST

START_TEST(ATraceRecordsTheSameTimes) {
    fake_system fake;
    hl_runtime *runtime = kit_runtime(&fake, "pu:2", &(hl_runtime_options){.workers = 2, .trace_events = 1000});
    dag *d = named_dag(&(dag_options){.n_tasks = 100, .n_edges = 160, .join_one_in = 6});
    ck_assert_int_eq(hl__watch_start(runtime, &d->graph), HL_OK);
    ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
    for (size_t w = 0; w < 2; w++) {
        const hl__events *events = &runtime->workers[w].events;
        ck_assert_uint_eq(events->n_events, d->graph.watch->workers[w].n_tasks);
        for (size_t e = 0; e < events->n_events; e++) {
            const hl__span *span = &d->graph.watch->spans[events->event[e].task];
            ck_assert_uint_eq(runtime->trace.tasks[events->event[e].task].index[0], events->event[e].task);
            ck_assert(span->begin == events->event[e].begin && span->end == events->event[e].end);
        }
    }
    hl__watch_stop(&d->graph);
    dag_destroy(d);
    hl_runtime_destroy(runtime);
}
END_TEST

START_TEST(AllocationsThatFailLeaveTheWatchThatWas) {
    fake_system fake;
    hl_runtime *runtime = kit_runtime(&fake, "pu:1", &(hl_runtime_options){.workers = 1});
    dag *d = named_dag(&(dag_options){.n_tasks = 20, .n_edges = 20});
    ck_assert_int_eq(hl__watch_start(runtime, &d->graph), HL_OK);
    ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
    size_t held = atomic_load(&n_held);
    for (int call = 0; call < 2; call++) {
        hl_status status = HL_OUT_OF_MEMORY;
        for (size_t n = 0; status != HL_OK; n++) {
            ck_assert_uint_lt(n, 10);
            hl__path path = {.n_tasks = 7};
            hl__watch *before = d->graph.watch;
            atomic_store(&allocations_left, n);
            status = call == 0 ? hl__watch_path(&d->graph, &path) : hl__watch_start(runtime, &d->graph);
            atomic_store(&allocations_left, SIZE_MAX);
            if (status == HL_OK) {
                hl__release(path.names);
                continue;
            }
            ck_assert_int_eq(status, HL_OUT_OF_MEMORY);
            ck_assert_uint_eq(path.n_tasks, 7);
            ck_assert_ptr_eq(d->graph.watch, before);
            check_sums(d, runtime, 1);
            ck_assert_uint_eq(atomic_load(&n_held), held);
        }
        ck_assert_uint_eq(atomic_load(&n_held), held);
    }
    check_sums(d, runtime, 0);
    hl__watch_stop(&d->graph);
    dag_destroy(d);
    hl_runtime_destroy(runtime);
}
END_TEST

/* ---- chains ---- */

static void do_nothing(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    (void)argument;
    (void)index;
    (void)scratch;
}

/* 0 -> 1 -> 4 -> 5, 0 -> 2 -> join 3 -> 5: which way is longer is in the spans. */
START_TEST(ThePathIsTheLongestChain) {
    static const uint64_t way[][6] = {{10, 5, 4, 0, 3, 1}, {10, 5, 9, 0, 3, 1}, {0, 0, 0, 0, 0, 7}, {2, 0, 0, 0, 0, 0}};
    static const struct {
        uint64_t ticks;
        size_t n_tasks, named[2];
    } expected[] = {{19, 4, {2, 2}}, {20, 3, {2, 1}}, {7, 1, {0, 1}}, {2, 1, {1, 0}}};
    hl__task tasks[6];
    for (uint32_t t = 0; t < 6; t++)
        tasks[t] = (hl__task){.run = t == 3 ? NULL : do_nothing, .name = t == 1 || t == 5, .home = HL__NO_NODE};
    const kit_edge edges[] = {{0, 1}, {1, 4}, {4, 5}, {0, 2}, {2, 3}, {3, 5}};
    hl__task_graph graph = kit_graph(tasks, 6, edges, 6);
    graph.n_names = 2;
    for (size_t i = 0; i < sizeof way / sizeof *way; i++) {
        hl__span spans[6];
        hl__watch watch = {.spans = spans, .last = {1000, 2000}};
        for (size_t t = 0; t < 6; t++) spans[t] = (hl__span){1000 + 100 * t, 1000 + 100 * t + way[i][t]};
        if (i == 3) spans[1] = (hl__span){5, 999}; /* of an earlier run: this one passed the task over */
        graph.watch = &watch;
        hl__path path;
        ck_assert_int_eq(hl__watch_path(&graph, &path), HL_OK);
        ck_assert_uint_eq(path.ticks, expected[i].ticks);
        ck_assert_uint_eq(path.n_tasks, expected[i].n_tasks);
        for (size_t n = 0; n < 2; n++) ck_assert_uint_eq(path.names[n].n_tasks, expected[i].named[n]);
        hl__release(path.names);
    }
    graph.watch = NULL;
    hl__task_graph_clear(&graph);
}
END_TEST

/* 0 -> 1 -> join 2 -> 3 -> 4, read to overlap: only what lies behind the end of those before counts. */
START_TEST(ThePathIsByTimesInOrder) {
    static const struct {
        hl__span spans[5];
        uint64_t ticks, first; /* of the path, and of its tasks of the first name: 0 and 3 */
        size_t n_tasks;
    } way[] = {
        {{{1000, 1100}, {1100, 1200}, {0, 0}, {1200, 1210}, {1210, 1230}}, 230, 110, 4},
        {{{1000, 1100}, {1050, 1200}, {0, 0}, {1150, 1210}, {1205, 1230}}, 230, 110, 4},
        {{{1000, 1100}, {1050, 1060}, {0, 0}, {1070, 1080}, {1090, 1130}}, 130, 100, 4}, /* 1 and 3 took no time */
        {{{1000, 1100}, {400, 900}, {0, 0}, {1070, 1120}, {1110, 1130}}, 130, 120, 3},   /* 1 was passed over */
    };
    hl__task tasks[5];
    for (uint32_t t = 0; t < 5; t++)
        tasks[t] = (hl__task){.run = t == 2 ? NULL : do_nothing, .name = t == 1 || t == 4, .home = HL__NO_NODE};
    hl__task_graph graph = kit_graph(tasks, 5, (const kit_edge[]){{0, 1}, {1, 2}, {2, 3}, {3, 4}}, 4);
    graph.n_names = 2;
    for (size_t i = 0; i < sizeof way / sizeof *way; i++) {
        hl__span spans[5];
        memcpy(spans, way[i].spans, sizeof spans);
        graph.watch = &(hl__watch){.spans = spans, .last = {1000, 1230}};
        hl__path path;
        ck_assert_int_eq(hl__watch_path(&graph, &path), HL_OK);
        ck_assert_uint_eq(path.ticks, way[i].ticks);
        ck_assert_uint_eq(path.names[0].ticks, way[i].first);
        ck_assert_uint_eq(path.n_tasks, way[i].n_tasks);
        ck_assert_mem_eq(spans, way[i].spans, sizeof spans); /* as read */
        hl__release(path.names);
    }
    graph.watch = NULL;
    hl__task_graph_clear(&graph);
}
END_TEST

static void cancel(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    (void)scratch;
    hl__task_graph *graph = *(hl__task_graph *const *)argument;
    if (index[0] == 2) ck_assert_int_eq(hl__run_cancel(graph), HL_OK);
}

START_TEST(TasksThatARunPassedOverAreNotCounted) {
    fake_system fake;
    hl_runtime *runtime = kit_runtime(&fake, "pu:1", &(hl_runtime_options){.workers = 1});
    hl__task_graph graph, *argument = &graph;
    hl__task tasks[5];
    kit_edge edges[4];
    for (uint32_t t = 0; t < 5; t++) {
        tasks[t] = (hl__task){.run = cancel, .argument = &argument, .index = {t}, .home = HL__NO_NODE};
        if (t > 0) edges[t - 1] = (kit_edge){t - 1, t};
    }
    graph = kit_graph(tasks, 5, edges, 4);
    graph.names = (const char *const[]){"chain"};
    graph.n_names = 1;
    ck_assert_int_eq(hl__watch_start(runtime, &graph), HL_OK);
    for (size_t run = 1; run <= 2; run++) {
        hl__run_open(&graph);
        ck_assert_int_eq(hl__runtime_run(runtime, &graph), HL_OK);
        ck_assert(hl__run_close(&graph));
        ck_assert_uint_eq(graph.watch->names[0].n_tasks, 3 * run);
        ck_assert_uint_eq(graph.watch->workers[0].n_tasks, 3 * run);
        hl__path path;
        ck_assert_int_eq(hl__watch_path(&graph, &path), HL_OK);
        ck_assert_uint_le(path.n_tasks, 3);
        hl__release(path.names);
    }
    hl__watch_stop(&graph);
    hl__task_graph_clear(&graph);
    hl_runtime_destroy(runtime);
}
END_TEST

int main(void) {
    return run_tests("watch",
                     TESTS(WhatWorkersDidAddsUpToTheRun, NoPathIsLongerThanItsRunByTheNativeClock,
                           OneWorkerOfManyDoesASerialRun, NothingIsTimedUnlessAskedFor, StartingAgainForgets,
                           ATraceRecordsTheSameTimes, AllocationsThatFailLeaveTheWatchThatWas, ThePathIsTheLongestChain,
                           ThePathIsByTimesInOrder, TasksThatARunPassedOverAreNotCounted));
}
