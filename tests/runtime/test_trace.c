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

START_TEST(AnEventHoldsWhatRanAndItsTimes) {
    hl__event room[4];
    hl__events events = {.event = room, .room = 4};
    for (uint32_t i = 0; i < 4; i++) {
        hl__task task = {.index = {i, 2 * i, UINT32_MAX, 9}, .name = 3 + i};
        hl__trace_keep(&events, 100, &task, 10 * i, 10 * i + 7);
        ck_assert_uint_eq(events.n_events, i + 1);
        ck_assert_uint_eq(room[i].name, 103 + i);
        ck_assert_mem_eq(room[i].index, task.index, sizeof task.index);
        ck_assert_uint_eq(room[i].begin, 10 * i);
        ck_assert_uint_eq(room[i].end, 10 * i + 7);
    }
    ck_assert_uint_eq(events.n_dropped, 0);
}
END_TEST

START_TEST(WhatDoesNotFitIsCounted) {
    hl__event room[3] = {{.name = 0}, {.name = 0}, {.name = 77}};
    hl__events events = {.event = room, .room = 2};
    hl__task task = {.name = 1};
    for (size_t i = 0; i < 9; i++) hl__trace_keep(&events, 0, &task, i, i);
    ck_assert_uint_eq(events.n_events, 2);
    ck_assert_uint_eq(events.n_dropped, 7);
    ck_assert_uint_eq(room[2].name, 77);
}
END_TEST

START_TEST(NamesOutliveTheirGraph) {
    hl__trace trace = {.clock.origin = {5, 6}};
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
    ck_assert(trace.clock.origin.ticks == 5 && trace.clock.origin.ns == 6);
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
    return run_tests("trace", TESTS(AnEventHoldsWhatRanAndItsTimes, WhatDoesNotFitIsCounted, NamesOutliveTheirGraph,
                                    EachGraphsNamesAreCopiedOnce, AnotherGraphAtTheSameAddressHasItsOwnNames,
                                    FailedAllocationsLeaveWhatWasThere));
}
