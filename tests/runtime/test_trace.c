/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Recording: what a task did and when, what does not fit, and names that outlive their graph. */
#include "runtime/trace.h"

#include <stdio.h>
#include <string.h>

#include "runtime/memory.h"
#include "tests/support/suite.h"

static size_t allocations_left = SIZE_MAX; /* before one fails */
static size_t n_held;

void *__real_hl__allocate(size_t count, size_t size);
void *__wrap_hl__allocate(size_t count, size_t size);
void __real_hl__release(void *memory);
void __wrap_hl__release(void *memory);

void *__wrap_hl__allocate(size_t count, size_t size) {
    if (allocations_left == 0) return NULL;
    allocations_left--;
    n_held++;
    return __real_hl__allocate(count, size);
}

void __wrap_hl__release(void *memory) {
    n_held -= memory != NULL;
    __real_hl__release(memory);
}

typedef struct witness {
    hl__events *events;
    uint64_t began, ended;
    size_t n_runs, n_events; /* the second: recorded when the task ran last */
    uint32_t index[HL__TASK_GRID_RANK];
    void *scratch;
} witness;

static void run_witness(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    witness *w = *(witness *const *)argument;
    w->began = hl__trace_now();
    w->n_runs++;
    w->n_events = w->events->n_events;
    memcpy(w->index, index, sizeof w->index);
    w->scratch = scratch;
    w->ended = hl__trace_now();
}

START_TEST(TheClockNeverGoesBack) {
    uint64_t last = hl__trace_now();
    for (size_t i = 0; i < 100000; i++) {
        uint64_t now = hl__trace_now();
        ck_assert_uint_ge(now, last);
        last = now;
    }
}
END_TEST

START_TEST(AnEventHoldsWhatRanAndItsTimes) {
    hl__event room[4];
    hl__events events = {.event = room, .room = 4};
    witness w = {.events = &events}, *argument = &w;
    uint64_t last = 0;
    for (uint32_t i = 0; i < 4; i++) {
        hl__task task = {.run = run_witness, .argument = &argument, .index = {i, 2 * i, UINT32_MAX, 9}, .name = 3 + i};
        hl__trace_run(&events, 100, &task, &room[i]);
        ck_assert_uint_eq(events.n_events, i + 1);
        ck_assert_uint_eq(w.n_events, i); /* it is recorded once it has run */
        ck_assert_ptr_eq(w.scratch, &room[i]);
        ck_assert_mem_eq(w.index, task.index, sizeof w.index);
        ck_assert_uint_eq(room[i].name, 103 + i);
        ck_assert_mem_eq(room[i].index, task.index, sizeof task.index);
        ck_assert(last <= room[i].begin_ns && room[i].begin_ns <= w.began);
        ck_assert_uint_ge(room[i].end_ns, w.ended);
        last = room[i].end_ns;
    }
    ck_assert_uint_eq(events.n_dropped, 0);
}
END_TEST

START_TEST(WhatDoesNotFitRunsAndIsCounted) {
    hl__event room[3] = {{.name = 0}, {.name = 0}, {.name = 77}};
    hl__events events = {.event = room, .room = 2};
    witness w = {.events = &events}, *argument = &w;
    hl__task task = {.run = run_witness, .argument = &argument, .name = 1};
    for (size_t i = 0; i < 9; i++) hl__trace_run(&events, 0, &task, NULL);
    ck_assert_uint_eq(w.n_runs, 9);
    ck_assert_uint_eq(events.n_events, 2);
    ck_assert_uint_eq(events.n_dropped, 7);
    ck_assert_uint_eq(room[2].name, 77);
}
END_TEST

START_TEST(NamesOutliveTheirGraph) {
    hl__trace trace = {.origin_ns = 5};
    {
        char text[3][8] = {"one", "two", "three"};
        const char *names[4] = {text[0], text[1], text[2], NULL};
        hl__task_graph graph = {.names = names, .n_names = 4};
        ck_assert_int_eq(hl__trace_names(&trace, &graph), HL_OK);
        memset(text, 'x', sizeof text);
    }
    ck_assert_uint_eq(trace.n_names, 4);
    ck_assert_uint_eq(trace.first_name, 0);
    static const char *const kept[] = {"one", "two", "three", ""};
    for (size_t i = 0; i < 4; i++) ck_assert_str_eq(trace.names[i], kept[i]);
    hl__trace_clear_names(&trace);
    ck_assert_uint_eq(trace.n_names, 0);
    ck_assert_uint_eq(trace.n_sets, 0);
    ck_assert_uint_eq(trace.origin_ns, 5);
    hl__trace_clear_names(&trace);
    ck_assert_uint_eq(n_held, 0);
}
END_TEST

START_TEST(EachGraphsNamesAreCopiedOnce) {
    hl__trace trace = {0};
    static const char *const first_names[] = {"a", "b"}, *const second_names[] = {"c"};
    hl__task_graph first = {.names = first_names, .n_names = 2}, second = {.names = second_names, .n_names = 1};
    for (size_t round = 0; round < 3; round++) {
        ck_assert_int_eq(hl__trace_names(&trace, &first), HL_OK);
        ck_assert_uint_eq(trace.first_name, 0);
        ck_assert_int_eq(hl__trace_names(&trace, &second), HL_OK);
        ck_assert_uint_eq(trace.first_name, 2);
        ck_assert_uint_eq(trace.n_names, 3);
    }
    allocations_left = 0; /* nothing is needed where they are known */
    ck_assert_int_eq(hl__trace_names(&trace, &first), HL_OK);
    ck_assert_uint_eq(trace.first_name, 0);
    allocations_left = SIZE_MAX;
    hl__trace_clear_names(&trace);
    ck_assert_uint_eq(n_held, 0);
}
END_TEST

/* A graph that lives where another did must not get the other's names. */
START_TEST(AnotherGraphAtTheSameAddressHasItsOwnNames) {
    hl__trace trace = {0};
    static const char *const names[][2] = {{"a", "b"}, {"a", "c"}, {"a", NULL}};
    hl__task_graph graph = {.n_names = 2};
    for (uint32_t i = 0; i < 3; i++) {
        graph.names = names[i];
        ck_assert_int_eq(hl__trace_names(&trace, &graph), HL_OK);
        ck_assert_uint_eq(trace.first_name, 2 * i);
        ck_assert_str_eq(trace.names[2 * i + 1], names[i][1] ? names[i][1] : "");
    }
    graph.n_names = 1;
    ck_assert_int_eq(hl__trace_names(&trace, &graph), HL_OK);
    ck_assert_uint_eq(trace.first_name, 6);
    hl__trace_clear_names(&trace);
    ck_assert_uint_eq(n_held, 0);
}
END_TEST

START_TEST(FailedAllocationsLeaveWhatWasThere) {
    char text[40][8];
    const char *names[40];
    for (size_t i = 0; i < 40; i++) {
        snprintf(text[i], sizeof text[i], "n%zu", i);
        names[i] = text[i];
    }
    hl__task_graph small = {.names = names, .n_names = 2}, large = {.names = names, .n_names = 40};
    bool made = false;
    for (size_t n = 0; !made; n++) {
        ck_assert_uint_lt(n, 100);
        hl__trace trace = {0};
        ck_assert_int_eq(hl__trace_names(&trace, &small), HL_OK);
        allocations_left = n;
        hl_status status = hl__trace_names(&trace, &large);
        allocations_left = SIZE_MAX;
        made = status == HL_OK;
        if (!made) {
            ck_assert_int_eq(status, HL_OUT_OF_MEMORY);
            ck_assert_uint_eq(trace.n_names, 2);
            ck_assert_uint_eq(trace.n_sets, 1);
            ck_assert_uint_eq(trace.first_name, 0);
            ck_assert_int_eq(hl__trace_names(&trace, &large), HL_OK);
        }
        ck_assert_uint_eq(trace.first_name, 2);
        for (size_t i = 0; i < 42; i++) ck_assert_str_eq(trace.names[i], text[i < 2 ? i : i - 2]);
        hl__trace_clear_names(&trace);
        ck_assert_uint_eq(n_held, 0);
    }
}
END_TEST

int main(void) {
    return run_tests("trace",
                     TESTS(TheClockNeverGoesBack, AnEventHoldsWhatRanAndItsTimes, WhatDoesNotFitRunsAndIsCounted,
                           NamesOutliveTheirGraph, EachGraphsNamesAreCopiedOnce,
                           AnotherGraphAtTheSameAddressHasItsOwnNames, FailedAllocationsLeaveWhatWasThere));
}
