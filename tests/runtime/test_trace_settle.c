/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Settled times: never below what was read, never above what was true, in the order of edges, workers and runs; and no
 * higher than that asks for. */
#include <stdlib.h>
#include <string.h>

#include "runtime/trace.h"
#include "tests/runtime/dag.h"
#include "tests/runtime/kit.h"
#include "tests/support/scarce_memory.h"
#include "tests/support/suite.h"

#define MOST_WORKERS 3

void *__wrap_hl__allocate(size_t count, size_t size); /* tests/support/scarce_memory.h */
void __wrap_hl__release(void *memory);

static void nothing(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    (void)argument;
    (void)index;
    (void)scratch;
}

/* ---- by hand ---- */

typedef struct expected { /* an event, and its settled times */
    hl__event read;
    uint64_t begin, end;
} expected;

/* Events of up to two workers; those of a worker end with one that ends at 0. */
static void check_settled(const hl__trace *trace, const expected *first, const expected *second) {
    const expected *list[] = {first, second};
    hl__event event[2][8];
    hl__events events[2];
    hl__trace_row rows[2];
    for (size_t w = 0; w < 2; w++) {
        size_t n = 0;
        for (; list[w] && list[w][n].read.end > 0; n++) event[w][n] = list[w][n].read;
        events[w] = (hl__events){.event = event[w], .n_events = n, .room = 8};
        rows[w] = (hl__trace_row){.events = &events[w], .worker = w};
    }
    for (size_t time = 0; time < 2; time++) { /* the second time nothing is left to do */
        ck_assert_int_eq(hl__trace_settle(trace, rows, 2), HL_OK);
        for (size_t w = 0; w < 2; w++) {
            for (size_t e = 0; e < events[w].n_events; e++) {
                ck_assert_uint_eq(event[w][e].begin, list[w][e].begin);
                ck_assert_uint_eq(event[w][e].end, list[w][e].end);
                ck_assert_uint_eq(event[w][e].task, list[w][e].read.task);
                ck_assert_uint_eq(event[w][e].run, list[w][e].read.run);
            }
        }
    }
}

static hl__task_graph graph_of(size_t n_tasks, const char *joins, const kit_edge *edges, size_t n_edges) {
    hl__task tasks[8];
    for (uint32_t t = 0; t < n_tasks; t++)
        tasks[t] = (hl__task){.run = strchr(joins, '0' + (int)t) ? NULL : nothing, .home = HL__NO_NODE};
    return kit_graph(tasks, n_tasks, edges, n_edges);
}

static hl__trace trace_of(size_t n_tasks, const char *joins, const kit_edge *edges, size_t n_edges) {
    hl__trace trace = {0};
    hl__task_graph graph = graph_of(n_tasks, joins, edges, n_edges);
    ck_assert_int_eq(hl__trace_graph(&trace, &graph), HL_OK);
    hl__task_graph_clear(&graph);
    return trace;
}

START_TEST(WhatIsInOrderStays) {
    hl__trace trace = trace_of(3, "", (const kit_edge[]){{0, 1}, {0, 2}}, 2);
    check_settled(&trace, (const expected[]){{{10, 20, 0, 0}, 10, 20}, {{20, 30, 1, 0}, 20, 30}, {{0}, 0, 0}},
                  (const expected[]){{{20, 20, 2, 0}, 20, 20}, {{0}, 0, 0}});
    check_settled(&trace, NULL, NULL);
    hl__trace_clear_graphs(&trace);
}
END_TEST

START_TEST(ATaskBeginsBehindThoseThatItWaitedFor) {
    hl__trace trace = trace_of(4, "", (const kit_edge[]){{0, 2}, {1, 2}, {2, 3}}, 3);
    /* 2 reads 18, and waited for 0, up to 20, and 1, up to 25; 3 began within 2, and ended even before that. */
    check_settled(&trace, (const expected[]){{{10, 20, 0, 0}, 10, 20}, {{26, 27, 3, 0}, 30, 30}, {{0}, 0, 0}},
                  (const expected[]){{{12, 25, 1, 0}, 12, 25}, {{18, 30, 2, 0}, 25, 30}, {{0}, 0, 0}});
    hl__trace_clear_graphs(&trace);
}
END_TEST

START_TEST(JoinsHandOnTheLatestEnd) {
    hl__trace trace = trace_of(6, "234", (const kit_edge[]){{0, 2}, {1, 2}, {2, 3}, {3, 5}, {4, 5}}, 5);
    for (uint64_t later = 0; later < 2; later++) {
        uint64_t ends[] = {later ? 40 : 30, later ? 30 : 40};
        check_settled(&trace, (const expected[]){{{10, ends[0], 0, 0}, 10, ends[0]}, {{0}, 0, 0}},
                      (const expected[]){{{10, ends[1], 1, 0}, 10, ends[1]}, {{35, 50, 5, 0}, 40, 50}, {{0}, 0, 0}});
    }
    hl__trace_clear_graphs(&trace);
}
END_TEST

/* 1 was dropped, or passed over. */
START_TEST(WhatLeftNoEventHandsOnWhatItWaitedFor) {
    hl__trace trace = trace_of(3, "", (const kit_edge[]){{0, 1}, {1, 2}}, 2);
    check_settled(&trace, (const expected[]){{{10, 20, 0, 0}, 10, 20}, {{0}, 0, 0}},
                  (const expected[]){{{15, 30, 2, 0}, 20, 30}, {{0}, 0, 0}});
    hl__trace_clear_graphs(&trace);
}
END_TEST

/* No edge joins 1 and 3, 2 and 3, or 3 and 4. */
START_TEST(AWorkerDoesOneThingAtATime) {
    hl__trace trace = trace_of(5, "", (const kit_edge[]){{0, 1}}, 1);
    check_settled(&trace, (const expected[]){{{10, 40, 0, 0}, 10, 40}, {{0}, 0, 0}},
                  (const expected[]){{{5, 6, 4, 0}, 5, 6},
                                     {{20, 25, 1, 0}, 40, 40},
                                     {{26, 50, 3, 0}, 40, 50},
                                     {{50, 51, 2, 0}, 50, 51},
                                     {{0}, 0, 0}});
    hl__trace_clear_graphs(&trace);
}
END_TEST

/* Numbers of runs have gaps; a worker may take no part in a run. */
START_TEST(ARunBeginsBehindTheOneBefore) {
    hl__trace trace = trace_of(2, "", (const kit_edge[]){{0, 1}}, 1);
    check_settled(
        &trace, (const expected[]){{{10, 40, 0, 0}, 10, 40}, {{39, 50, 0, 2}, 40, 50}, {{0}, 0, 0}},
        (const expected[]){{{20, 21, 1, 0}, 40, 40}, {{49, 60, 1, 2}, 50, 60}, {{59, 61, 0, 9}, 60, 61}, {{0}, 0, 0}});
    const expected outer[] = {{{10, 40, 0, 0}, 10, 40}, {{45, 60, 0, 2}, 50, 60}, {{0}, 0, 0}},
                   inner[] = {{{30, 50, 0, 1}, 40, 50}, {{0}, 0, 0}};
    check_settled(&trace, outer, inner);
    check_settled(&trace, inner, outer);
    hl__trace_clear_graphs(&trace);
}
END_TEST

START_TEST(EachRunGoesByTheEdgesOfItsGraph) {
    hl__trace trace = trace_of(3, "1", (const kit_edge[]){{0, 1}, {1, 2}}, 2);
    hl__task_graph none = graph_of(0, "", NULL, 0), loose = graph_of(2, "", NULL, 0),
                   tied = graph_of(2, "", (const kit_edge[]){{0, 1}}, 1);
    ck_assert_int_eq(hl__trace_graph(&trace, &none), HL_OK); /* takes no number */
    ck_assert_int_eq(hl__trace_graph(&trace, &loose), HL_OK);
    ck_assert_uint_eq(trace.first_task, 3);
    ck_assert_int_eq(hl__trace_graph(&trace, &tied), HL_OK);
    ck_assert_uint_eq(trace.first_task, 5);
    check_settled(&trace,
                  (const expected[]){{{10, 20, 3, 0}, 10, 20},
                                     {{30, 40, 5, 2}, 30, 40},
                                     {{50, 60, 0, 4}, 50, 60},
                                     {{70, 80, 5, 6}, 70, 80},
                                     {{0}, 0, 0}},
                  (const expected[]){{{15, 16, 4, 0}, 15, 16},
                                     {{35, 36, 6, 2}, 40, 40},
                                     {{55, 56, 2, 4}, 60, 60},
                                     {{75, 90, 6, 6}, 80, 90},
                                     {{0}, 0, 0}});
    hl__task_graph_clear(&none);
    hl__task_graph_clear(&loose);
    hl__task_graph_clear(&tied);
    hl__trace_clear_graphs(&trace);
}
END_TEST

START_TEST(WithoutMemoryNoTimeChanges) {
    hl__trace trace = trace_of(2, "", (const kit_edge[]){{0, 1}}, 1);
    size_t held = n_held, n = 0;
    for (hl_status status = HL_OUT_OF_MEMORY; status != HL_OK; n++) {
        ck_assert_uint_lt(n, 10);
        hl__event event[] = {{10, 20, 0, 0}}, other[] = {{15, 30, 1, 0}};
        hl__events events[] = {{event, 1, 1, 0}, {other, 1, 1, 0}};
        hl__trace_row rows[] = {{&events[0], 0, 0}, {&events[1], 1, 0}};
        allocations_left = n;
        status = hl__trace_settle(&trace, rows, 2);
        allocations_left = SIZE_MAX;
        if (status != HL_OK) ck_assert_int_eq(status, HL_OUT_OF_MEMORY);
        ck_assert_uint_eq(other[0].begin, status == HL_OK ? 20 : 15);
        ck_assert_uint_eq(n_held, held);
    }
    ck_assert_uint_gt(n, 1);
    hl__trace_clear_graphs(&trace);
    ck_assert_uint_eq(n_held, 0);
}
END_TEST

/* ---- drawn ---- */

typedef struct drawn_run {
    const hl__task_graph *graph;
    size_t first_task;
} drawn_run;

typedef struct drawn {
    hl__event truth[MOST_WORKERS][2000], read[MOST_WORKERS][2000], settled[MOST_WORKERS][2000];
    size_t n_events[MOST_WORKERS];
    uint64_t state;
} drawn;

/* What a reading may be early by: rarely, and then by much. */
static uint64_t earliness(drawn *d) { return dag_draw(&d->state) % 4 ? 0 : dag_draw(&d->state) % 30; }

/* A run as it might have been, from `now` on: tasks in their order, each on any worker; some leave no event. Gives the
 * time of its end. */
static uint64_t draw_run(drawn *d, const drawn_run *run, uint32_t number, uint64_t now) {
    size_t n = run->graph->n_tasks;
    uint64_t *ready = calloc(n, sizeof *ready), free_at[MOST_WORKERS], last = now;
    for (size_t w = 0; w < MOST_WORKERS; w++) free_at[w] = now;
    for (size_t t = 0; t < n; t++) {
        const hl__task *task = &run->graph->tasks[t];
        uint64_t end = ready[t] > now ? ready[t] : now;
        size_t w = dag_draw(&d->state) % MOST_WORKERS;
        if (task->run) {
            hl__event *truth = &d->truth[w][d->n_events[w]], *read = &d->read[w][d->n_events[w]];
            truth->begin = (end > free_at[w] ? end : free_at[w]) + dag_draw(&d->state) % 3;
            end = free_at[w] = truth->end = truth->begin + dag_draw(&d->state) % 20;
            truth->task = (uint32_t)(run->first_task + t);
            truth->run = number;
            *read = *truth;
            read->begin -= earliness(d);
            read->end -= earliness(d);
            d->n_events[w] += dag_draw(&d->state) % 8 != 0;
        }
        if (end > last) last = end;
        for (uint32_t s = 0; s < task->n_successors; s++) {
            uint64_t *next = &ready[run->graph->successors[task->first_successor + s]];
            if (*next < end) *next = end;
        }
    }
    free(ready);
    return last;
}

/* By the definition: times are raised, one after the other, until there is nothing to raise. */
static bool raise(uint64_t *time, uint64_t least) {
    bool low = *time < least;
    if (low) *time = least;
    return low;
}

static uint64_t settle_plainly(const drawn_run *run, hl__event *of[], hl__event *after[], uint64_t last) {
    size_t n = run->graph->n_tasks;
    uint64_t *ready = calloc(n, sizeof *ready), end = last;
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t t = n; t-- > 0;) { /* against the order of the edges */
            changed |= raise(&ready[t], last);
            if (of[t]) changed |= raise(&of[t]->begin, ready[t]) || raise(&of[t]->end, of[t]->begin);
            uint64_t time = of[t] ? of[t]->end : ready[t];
            raise(&end, time);
            if (after[t]) changed |= raise(&after[t]->begin, time);
            const hl__task *task = &run->graph->tasks[t];
            for (uint32_t s = 0; s < task->n_successors; s++)
                changed |= raise(&ready[run->graph->successors[task->first_successor + s]], time);
        }
    }
    free(ready);
    return end;
}

/* The same runs, settled plainly, in place of what was read. */
static void settle_all_plainly(drawn *d, const drawn_run *runs, size_t n_runs) {
    size_t done[MOST_WORKERS] = {0};
    uint64_t last = 0;
    for (uint32_t r = 0; r < n_runs; r++) {
        size_t n = runs[r].graph->n_tasks;
        hl__event **of = calloc(n, sizeof(hl__event *)), **after = calloc(n, sizeof(hl__event *));
        for (size_t w = 0; w < MOST_WORKERS; w++) {
            for (; done[w] < d->n_events[w] && d->read[w][done[w]].run == 3 * r; done[w]++) {
                hl__event *event = &d->read[w][done[w]];
                of[event->task - runs[r].first_task] = event;
                if (done[w] + 1 < d->n_events[w] && event[1].run == event->run)
                    after[event->task - runs[r].first_task] = &event[1];
            }
        }
        last = settle_plainly(&runs[r], of, after, last);
        free(of);
        free(after);
    }
}

START_TEST(DrawnRunsAreSettledAsTheDefinitionSays) {
    static drawn d;
    size_t n_raised = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        memset(&d, 0, sizeof d);
        d.state = seed;
        dag *a = dag_create(&(dag_options){.n_tasks = 60, .n_edges = 100, .join_one_in = 4, .seed = seed}),
            *b = dag_create(&(dag_options){.n_tasks = 40, .n_edges = 60, .reach = 5, .join_one_in = 9, .seed = seed});
        hl__trace trace = {0};
        drawn_run runs[6];
        uint64_t now = 1000;
        for (uint32_t r = 0; r < 6; r++) {
            runs[r].graph = dag_draw(&d.state) % 2 ? &a->graph : &b->graph;
            ck_assert_int_eq(hl__trace_graph(&trace, runs[r].graph), HL_OK);
            runs[r].first_task = trace.first_task;
            now = draw_run(&d, &runs[r], 3 * r, now);
        }
        hl__events events[MOST_WORKERS];
        hl__trace_row rows[MOST_WORKERS];
        for (size_t w = 0; w < MOST_WORKERS; w++) {
            memcpy(d.settled[w], d.read[w], d.n_events[w] * sizeof(hl__event));
            events[w] = (hl__events){.event = d.settled[w], .n_events = d.n_events[w], .room = 2000};
            rows[w] = (hl__trace_row){.events = &events[w], .worker = w};
        }
        ck_assert_int_eq(hl__trace_settle(&trace, rows, MOST_WORKERS), HL_OK);
        for (size_t w = 0; w < MOST_WORKERS; w++) {
            for (size_t e = 0; e < d.n_events[w]; e++) {
                const hl__event *read = &d.read[w][e], *settled = &d.settled[w][e], *truth = &d.truth[w][e];
                ck_assert(read->begin <= settled->begin && settled->begin <= truth->begin);
                ck_assert(read->end <= settled->end && settled->end <= truth->end && settled->begin <= settled->end);
                n_raised += settled->begin > read->begin;
            }
        }
        settle_all_plainly(&d, runs, 6);
        for (size_t w = 0; w < MOST_WORKERS; w++)
            ck_assert_mem_eq(d.settled[w], d.read[w], d.n_events[w] * sizeof(hl__event));
        hl__trace_clear_graphs(&trace);
        dag_destroy(a);
        dag_destroy(b);
    }
    ck_assert_uint_gt(n_raised, 0);
}
END_TEST

int main(void) {
    return run_tests("trace_settle",
                     TESTS(WhatIsInOrderStays, ATaskBeginsBehindThoseThatItWaitedFor, JoinsHandOnTheLatestEnd,
                           WhatLeftNoEventHandsOnWhatItWaitedFor, AWorkerDoesOneThingAtATime,
                           ARunBeginsBehindTheOneBefore, EachRunGoesByTheEdgesOfItsGraph, WithoutMemoryNoTimeChanges,
                           DrawnRunsAreSettledAsTheDefinitionSays));
}
