/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Recording: what a task did and when, what does not fit, and copies that outlive their graph. */
#include "runtime/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/runtime/kit.h"
#include "tests/support/scarce_memory.h"
#include "tests/support/suite.h"

void *__wrap_hl__allocate(size_t count, size_t size); /* tests/support/scarce_memory.h */
void __wrap_hl__release(void *memory);

static void nothing(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    (void)argument;
    (void)index;
    (void)scratch;
}

START_TEST(AnEventHoldsWhatRanAndItsTimes) {
    hl__event room[4];
    hl__events events = {.event = room, .room = 4};
    for (uint32_t i = 0; i < 4; i++) {
        hl__trace_keep(&events, 103 + i, 5 * i, 10 * i, 10 * i + 7);
        ck_assert_uint_eq(events.n_events, i + 1);
        ck_assert_uint_eq(room[i].task, 103 + i);
        ck_assert_uint_eq(room[i].run, 5 * i);
        ck_assert_uint_eq(room[i].begin, 10 * i);
        ck_assert_uint_eq(room[i].end, 10 * i + 7);
    }
    ck_assert_uint_eq(events.n_dropped, 0);
}
END_TEST

START_TEST(WhatDoesNotFitIsCounted) {
    hl__event room[3] = {{.task = 0}, {.task = 0}, {.task = 77}};
    hl__events events = {.event = room, .room = 2};
    for (size_t i = 0; i < 9; i++) hl__trace_keep(&events, 1, 0, i, i);
    ck_assert_uint_eq(events.n_events, 2);
    ck_assert_uint_eq(events.n_dropped, 7);
    ck_assert_uint_eq(room[2].task, 77);
}
END_TEST

/* ---- copies of graphs ---- */

/* 0 -> 1 -> join 2 -> 3, 0 -> 2: tasks with indices from `mark` on. The names are the caller's. */
static hl__task_graph small_graph(const char *const *names, size_t n_names, uint32_t mark) {
    hl__task tasks[4];
    for (uint32_t t = 0; t < 4; t++)
        tasks[t] = (hl__task){.run = t == 2 ? NULL : nothing,
                              .index = {mark + t, 2 * t, UINT32_MAX, 9},
                              .name = t == 3,
                              .home = HL__NO_NODE};
    hl__task_graph graph = kit_graph(tasks, 4, (const kit_edge[]){{0, 1}, {0, 2}, {1, 2}, {2, 3}}, 4);
    graph.names = names;
    graph.n_names = n_names;
    return graph;
}

/* The trace holds this, `first` tasks after the beginning, whatever has become of the graph. */
static void check_copy(const hl__trace *trace, size_t first, uint32_t mark, const char *const names[2]) {
    static const uint32_t n_predecessors[] = {0, 1, 2, 1}, n_successors[] = {2, 1, 1, 0}, successors[] = {1, 2, 2, 3};
    const hl__traced_graph *graph = NULL;
    for (size_t i = 0; i < trace->n_graphs; i++)
        if (trace->graphs[i].first_task == first) graph = &trace->graphs[i];
    ck_assert_ptr_nonnull(graph);
    ck_assert_uint_eq(graph->n_tasks, 4);
    ck_assert_mem_eq(trace->successors + graph->first_successor, successors, sizeof successors);
    for (uint32_t t = 0, at = 0; t < 4; at += n_successors[t++]) {
        const hl__traced_task *task = &trace->tasks[first + t];
        const uint32_t index[] = {mark + t, 2 * t, UINT32_MAX, 9};
        ck_assert_mem_eq(task->index, index, sizeof index);
        ck_assert_uint_eq(task->n_predecessors, n_predecessors[t]);
        ck_assert_uint_eq(task->first_successor, at);
        ck_assert_uint_eq(task->n_successors, n_successors[t]);
        const char *name = names[t == 3];
        if (!name) ck_assert_uint_eq(task->name, HL__NO_NAME);
        else ck_assert_str_eq(trace->names[task->name], name);
    }
}

START_TEST(CopiesOutliveTheirGraph) {
    hl__trace trace = {.clock.origin = {5, 6}};
    static const char *const kept[] = {"one", ""};
    {
        char text[8] = "one";
        hl__task_graph graph = small_graph((const char *const[]){text, NULL}, 2, 10);
        ck_assert_int_eq(hl__trace_graph(&trace, &graph), HL_OK);
        memset(text, 'x', sizeof text);
        memset(graph.tasks, 0xEE, graph.n_tasks * sizeof *graph.tasks);
        memset(graph.successors, 0xEE, graph.n_successors * sizeof *graph.successors);
        hl__task_graph_clear(&graph);
    }
    ck_assert_uint_eq(trace.first_task, 0);
    check_copy(&trace, 0, 10, kept);
    hl__trace_clear_graphs(&trace);
    ck_assert(trace.n_names == 0 && trace.n_tasks == 0 && trace.n_successors == 0 && trace.n_graphs == 0);
    ck_assert(trace.clock.origin.ticks == 5 && trace.clock.origin.ns == 6);
    hl__trace_clear_graphs(&trace);
    ck_assert_uint_eq(n_held, 0);
}
END_TEST

START_TEST(EachGraphIsCopiedOnce) {
    hl__trace trace = {0};
    static const char *const first_names[] = {"a", "b"}, *const second_names[] = {"c", "d"};
    hl__task_graph first = small_graph(first_names, 2, 0), second = small_graph(second_names, 2, 50);
    for (size_t round = 0; round < 3; round++) {
        ck_assert_int_eq(hl__trace_graph(&trace, &first), HL_OK);
        ck_assert_uint_eq(trace.first_task, 0);
        ck_assert_int_eq(hl__trace_graph(&trace, &second), HL_OK);
        ck_assert_uint_eq(trace.first_task, 4);
        ck_assert_uint_eq(trace.n_graphs, 2);
        ck_assert_uint_eq(trace.n_names, 4);
        ck_assert_uint_eq(trace.n_successors, 8);
    }
    allocations_left = 0; /* nothing is needed where it is known */
    ck_assert_int_eq(hl__trace_graph(&trace, &first), HL_OK);
    ck_assert_uint_eq(trace.first_task, 0);
    allocations_left = SIZE_MAX;
    check_copy(&trace, 0, 0, first_names);
    check_copy(&trace, 4, 50, second_names);
    hl__trace_clear_graphs(&trace);
    hl__task_graph_clear(&first);
    hl__task_graph_clear(&second);
    ck_assert_uint_eq(n_held, 0);
}
END_TEST

/* A graph that lives where another did, and looks like it, is another. */
START_TEST(AnotherGraphAtTheSameAddressIsCopied) {
    hl__trace trace = {0};
    static const char *const names[][2] = {{"a", "b"}, {"a", "b"}, {"a", "c"}};
    hl__task_graph graph;
    for (uint32_t i = 0; i < 3; i++) {
        graph = small_graph(names[i], 2, 100 * i);
        ck_assert_int_eq(hl__trace_graph(&trace, &graph), HL_OK);
        ck_assert_uint_eq(trace.first_task, 4 * i);
        hl__task_graph_clear(&graph);
    }
    for (uint32_t i = 0; i < 3; i++) check_copy(&trace, 4 * i, 100 * i, names[i]);
    hl__trace_clear_graphs(&trace);
    ck_assert_uint_eq(n_held, 0);
}
END_TEST

/* Not that of another graph either. */
START_TEST(TasksWithoutANameGetNone) {
    hl__trace trace = {0};
    static const char *const names[] = {"a", "b"};
    hl__task_graph none = small_graph(NULL, 0, 0), one = small_graph(names, 1, 10), two = small_graph(names, 2, 20);
    ck_assert_int_eq(hl__trace_graph(&trace, &none), HL_OK);
    ck_assert_int_eq(hl__trace_graph(&trace, &one), HL_OK);
    ck_assert_int_eq(hl__trace_graph(&trace, &two), HL_OK);
    check_copy(&trace, 0, 0, (const char *const[]){NULL, NULL});
    check_copy(&trace, 4, 10, (const char *const[]){"a", NULL});
    check_copy(&trace, 8, 20, names);
    hl__trace_clear_graphs(&trace);
    hl__task_graph_clear(&none);
    hl__task_graph_clear(&one);
    hl__task_graph_clear(&two);
}
END_TEST

START_TEST(MoreTasksThanNumbersAreRefused) {
    hl__trace trace = {0};
    hl__task_graph graph = {.id = 1, .n_tasks = UINT32_MAX}, names = {.id = 2, .n_names = UINT32_MAX};
    ck_assert_int_eq(hl__trace_graph(&trace, &graph), HL_OUT_OF_RANGE);
    ck_assert_int_eq(hl__trace_graph(&trace, &names), HL_OUT_OF_RANGE);
    ck_assert(trace.n_graphs == 0 && trace.n_tasks == 0);
    hl__trace_clear_graphs(&trace);
}
END_TEST

static hl__task_graph large_graph(const char *const *names, size_t n) {
    hl__task *tasks = calloc(n, sizeof *tasks);
    kit_edge *edges = calloc(n, sizeof *edges);
    for (uint32_t t = 0; t < n; t++) {
        tasks[t] = (hl__task){.run = nothing, .index = {t}, .name = t, .home = HL__NO_NODE};
        edges[t] = (kit_edge){t, t + 1};
    }
    hl__task_graph graph = kit_graph(tasks, n, edges, n - 1);
    graph.names = names;
    graph.n_names = n;
    free(tasks);
    free(edges);
    return graph;
}

START_TEST(FailedAllocationsLeaveWhatWasThere) {
    enum { N = 40 };
    char text[N][8];
    const char *names[N];
    for (size_t i = 0; i < N; i++) {
        snprintf(text[i], sizeof text[i], "n%zu", i);
        names[i] = text[i];
    }
    hl__task_graph small = small_graph(names, 2, 0), large = large_graph(names, N);
    size_t held = n_held, n = 0;
    for (bool made = false; !made; n++) {
        ck_assert_uint_lt(n, 100);
        hl__trace trace = {0};
        ck_assert_int_eq(hl__trace_graph(&trace, &small), HL_OK);
        size_t before = n_held;
        allocations_left = n;
        hl_status status = hl__trace_graph(&trace, &large);
        allocations_left = SIZE_MAX;
        made = status == HL_OK;
        if (!made) {
            ck_assert_int_eq(status, HL_OUT_OF_MEMORY);
            ck_assert(trace.n_names == 2 && trace.n_tasks == 4 && trace.n_successors == 4 && trace.n_graphs == 1);
            ck_assert_uint_eq(trace.first_task, 0);
            ck_assert_uint_eq(n_held, before); /* arrays that have grown took the place of others */
            ck_assert_int_eq(hl__trace_graph(&trace, &large), HL_OK);
        }
        ck_assert_uint_eq(trace.first_task, 4);
        check_copy(&trace, 0, 0, names);
        for (uint32_t t = 0; t < N; t++) {
            ck_assert_str_eq(trace.names[trace.tasks[4 + t].name], text[t]);
            ck_assert_uint_eq(trace.tasks[4 + t].index[0], t);
            if (t + 1 < N) ck_assert_uint_eq(trace.successors[4 + t], t + 1);
        }
        hl__trace_clear_graphs(&trace);
        ck_assert_uint_eq(n_held, held);
    }
    ck_assert_uint_gt(n, N); /* each name, at least */
    hl__task_graph_clear(&small);
    hl__task_graph_clear(&large);
}
END_TEST

int main(void) {
    return run_tests("trace",
                     TESTS(AnEventHoldsWhatRanAndItsTimes, WhatDoesNotFitIsCounted, CopiesOutliveTheirGraph,
                           EachGraphIsCopiedOnce, AnotherGraphAtTheSameAddressIsCopied, TasksWithoutANameGetNone,
                           MoreTasksThanNumbersAreRefused, FailedAllocationsLeaveWhatWasThere));
}
