/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Traces of runs, from the public calls to the file: when they are refused, and what they show. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/memory.h"
#include "runtime/run.h"
#include "tests/runtime/dag.h"
#include "tests/runtime/json.h"
#include "tests/runtime/kit.h"
#include "tests/support/policies.h"
#include "tests/support/suite.h"

#define N_TRACED 120 /* tasks of the graph that is traced */

static _Atomic size_t allocations_left = SIZE_MAX; /* before one fails */

void *__real_hl__allocate(size_t count, size_t size);
void *__wrap_hl__allocate(size_t count, size_t size);

void *__wrap_hl__allocate(size_t count, size_t size) {
    if (atomic_load(&allocations_left) == 0) return NULL;
    atomic_fetch_sub(&allocations_left, 1);
    return __real_hl__allocate(count, size);
}

static hl_runtime *small_runtime(fake_system *fake, size_t workers, hl_policy policy, size_t trace_events) {
    return kit_runtime(fake, "node:2 core:2 pu:1",
                       &(hl_runtime_options){.workers = workers, .policy = policy, .trace_events = trace_events});
}

START_TEST(WithoutRoomForEventsThereIsNoTrace) {
    fake_system fake;
    hl_runtime *runtime = small_runtime(&fake, 2, 0, 0);
    ck_assert_str_eq(hl_runtime_error(runtime), "");
    ck_assert_int_eq(hl_runtime_trace_write(runtime, "/dev/null"), HL_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(hl_runtime_error(runtime), "trace_events"));
    ck_assert_int_eq(hl_runtime_trace_clear(runtime), HL_UNSUPPORTED);
    ck_assert_int_eq(hl_runtime_trace_write(NULL, "/dev/null"), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_runtime_trace_clear(NULL), HL_INVALID_ARGUMENT);
    hl_runtime_destroy(runtime);
}
END_TEST

START_TEST(TracesThatCannotBeWrittenSayWhere) {
    fake_system fake;
    hl_runtime *runtime = small_runtime(&fake, 2, 0, 10);
    ck_assert_int_eq(hl_runtime_trace_write(runtime, "/nowhere/trace.json"), HL_SYSTEM);
    ck_assert_ptr_nonnull(strstr(hl_runtime_error(runtime), "/nowhere/trace.json"));
    ck_assert_int_eq(hl_runtime_trace_write(runtime, NULL), HL_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(hl_runtime_error(runtime), "the path is NULL"));
    hl_runtime_destroy(runtime);
}
END_TEST

START_TEST(TracesForWhichThereIsNoMemorySaySo) {
    static const char *const words[] = {"rows", "settling the times"};
    fake_system fake;
    hl_runtime *runtime = small_runtime(&fake, 2, 0, 1000);
    dag *d = dag_create(&(dag_options){.n_tasks = 10, .n_edges = 10});
    ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
    size_t n = 0;
    for (hl_status status = HL_OUT_OF_MEMORY; status != HL_OK; n++) {
        ck_assert_uint_lt(n, 10);
        atomic_store(&allocations_left, n);
        status = hl_runtime_trace_write(runtime, "/dev/null");
        atomic_store(&allocations_left, SIZE_MAX);
        if (status == HL_OK) continue;
        ck_assert_int_eq(status, HL_OUT_OF_MEMORY);
        ck_assert_ptr_nonnull(strstr(hl_runtime_error(runtime), words[n > 0]));
        ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK); /* nothing is left locked */
    }
    ck_assert_uint_gt(n, 2);
    dag_destroy(d);
    hl_runtime_destroy(runtime);
}
END_TEST

START_TEST(RunsWithoutRoomForACopyOfTheirGraphAreRefused) {
    fake_system fake;
    hl_runtime *runtime = small_runtime(&fake, 2, 0, 1000);
    dag *d = dag_create(&(dag_options){.n_tasks = 10, .n_edges = 10});
    ck_assert_int_eq(hl__runtime_reserve(runtime, &d->graph), HL_OK);
    ck_assert_int_eq(hl_runtime_trace_clear(runtime), HL_OK);
    atomic_store(&allocations_left, 0);
    hl_status status = hl__runtime_run(runtime, &d->graph);
    atomic_store(&allocations_left, SIZE_MAX);
    ck_assert_int_eq(status, HL_OUT_OF_MEMORY);
    ck_assert_ptr_nonnull(strstr(hl_runtime_error(runtime), "a copy of 10 tasks"));
    for (size_t t = 0; t < 10; t++) ck_assert_uint_eq(d->task[t].n_runs, 0);
    ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
    dag_destroy(d);
    hl_runtime_destroy(runtime);
}
END_TEST

typedef struct intruder {
    hl_runtime *runtime;
    hl_status write, clear;
} intruder;

static void intrude(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    (void)index;
    (void)scratch;
    intruder *i = *(intruder *const *)argument;
    i->write = hl_runtime_trace_write(i->runtime, "/dev/null");
    i->clear = hl_runtime_trace_clear(i->runtime);
}

START_TEST(DuringARunATraceIsBusy) {
    for (size_t p = 0; p < N_POLICIES; p++) {
        fake_system fake;
        intruder i = {.runtime = small_runtime(&fake, 2, policies[p].policy, 10)}, *argument = &i;
        hl__task_graph graph = kit_graph(&(hl__task){.run = intrude, .argument = &argument}, 1, NULL, 0);
        ck_assert_int_eq(hl__runtime_run(i.runtime, &graph), HL_OK);
        ck_assert_int_eq(i.write, HL_BUSY);
        ck_assert_int_eq(i.clear, HL_BUSY);
        ck_assert_int_eq(hl_runtime_trace_write(i.runtime, "/dev/null"), HL_OK);
        ck_assert_int_eq(hl_runtime_trace_clear(i.runtime), HL_OK);
        hl__task_graph_clear(&graph);
        hl_runtime_destroy(i.runtime);
    }
}
END_TEST

static void write_trace(hl_runtime *runtime, char path[64]) {
    snprintf(path, 64, "/tmp/headloom_test_run_%ld.json", (long)getpid());
    ck_assert_int_eq(hl_runtime_trace_write(runtime, path), HL_OK);
}

static json *trace_of(hl_runtime *runtime) {
    char path[64];
    write_trace(runtime, path);
    json *file = json_read(path);
    unlink(path);
    return file;
}

static uint64_t nanoseconds(const json *slice, const char *key) {
    const char *text = json_get(slice, key)->text, *point = strchr(text, '.');
    ck_assert_ptr_nonnull(point);
    ck_assert_uint_eq(strlen(point), 4);
    return strtoull(text, NULL, 10) * 1000 + strtoull(point + 1, NULL, 10);
}

/* One row a worker; in it slices in order, none over another. count: slices of each task, added to. */
static void check_trace(const json *file, const hl_runtime *runtime, const char *const *names, size_t *count) {
    size_t n_rows = 0;
    uint64_t end = 0;
    for (const json *event = json_get(file, "traceEvents")->child; event; event = event->next) {
        if (strcmp(json_text(event, "name"), "process_name") == 0) continue;
        if (strcmp(json_text(event, "ph"), "M") == 0) {
            char row[64];
            snprintf(row, sizeof row, "worker %zu (node %u)", n_rows, (unsigned)runtime->workers[n_rows].node);
            ck_assert_str_eq(json_text(json_get(event, "args"), "name"), row);
            ck_assert_double_eq(json_number(event, "tid"), (double)n_rows++);
            end = 0;
            continue;
        }
        ck_assert_str_eq(json_text(event, "ph"), "X");
        ck_assert_double_eq(json_number(event, "tid"), (double)n_rows - 1);
        ck_assert_uint_ge(nanoseconds(event, "ts"), end);
        end = nanoseconds(event, "ts") + nanoseconds(event, "dur");
        const json *index = json_get(json_get(event, "args"), "index");
        ck_assert_uint_eq(index->n_children, HL__TASK_GRID_RANK);
        size_t task = (size_t)index->child->value;
        ck_assert_uint_lt(task, N_TRACED);
        ck_assert_str_eq(json_text(event, "name"), names[task % 3]);
        for (const json *rest = index->child->next; rest; rest = rest->next) ck_assert_double_eq(rest->value, 0);
        count[task]++;
    }
    ck_assert_uint_eq(n_rows, runtime->n_workers);
}

static dag *traced_dag(const char *const *names) {
    dag *d = dag_create(&(dag_options){.n_tasks = N_TRACED, .n_edges = 200, .join_one_in = 6});
    for (size_t t = 0; t < N_TRACED; t++) d->graph.tasks[t].name = t % 3;
    d->graph.names = names;
    d->graph.n_names = 3;
    return d;
}

START_TEST(ATraceShowsEachTaskOnce) {
    static const char *const first_names[] = {"dense.forward", "softmax \"1\"", "loss.backward"};
    static const char *const second_names[] = {"other", "names", "here"};
    for (size_t p = 0; p < N_POLICIES; p++) {
        fake_system fake;
        hl_runtime *runtime = small_runtime(&fake, 4, policies[p].policy, 1000);
        dag *d = traced_dag(first_names);
        for (size_t replay = 1; replay <= 3; replay++) { /* what was recorded stays until it is cleared */
            size_t count[N_TRACED] = {0};
            ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
            json *file = trace_of(runtime);
            check_trace(file, runtime, first_names, count);
            for (size_t t = 0; t < N_TRACED; t++) ck_assert_uint_eq(count[t], d->graph.tasks[t].run ? replay : 0);
            json_free(file);
        }
        ck_assert_int_eq(hl_runtime_trace_clear(runtime), HL_OK);
        size_t count[N_TRACED] = {0};
        json *file = trace_of(runtime);
        check_trace(file, runtime, first_names, count);
        for (size_t t = 0; t < N_TRACED; t++) ck_assert_uint_eq(count[t], 0);
        json_free(file);
        dag_destroy(d); /* names are read when a trace is written, long after graphs may have gone */

        d = traced_dag(second_names);
        ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
        dag_destroy(d);
        file = trace_of(runtime);
        check_trace(file, runtime, second_names, count);
        json_free(file);
        hl_runtime_destroy(runtime);
    }
}
END_TEST

static char *text_of(hl_runtime *runtime) {
    char path[64], *text = calloc(1, 1 << 20);
    write_trace(runtime, path);
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_lt(fread(text, 1, (1 << 20) - 1, file), (1 << 20) - 1);
    fclose(file);
    unlink(path);
    return text;
}

/* Collects the events by task; they are of one run, which had `number` events before it. */
static void find_events(const hl_runtime *runtime, uint32_t number, hl__event **of) {
    for (size_t w = 0; w < runtime->n_workers; w++) {
        for (size_t e = 0; e < runtime->workers[w].events.n_events; e++) {
            hl__event *event = &runtime->workers[w].events.event[e];
            if (event->run == number) of[event->task] = event;
        }
    }
}

/* A chain of which each task, in the second of two runs, is made to have been read as if it had begun with the first.
 */
START_TEST(WhatIsWrittenIsInOrder) {
    enum { N = 20 };
    static const char *const names[] = {"a", "b", "c"};
    for (size_t p = 0; p < N_POLICIES; p++) {
        fake_system fake;
        hl_runtime *runtime = small_runtime(&fake, 3, policies[p].policy, 1000);
        dag *d = dag_create(&(dag_options){.n_tasks = N, .n_edges = 200, .reach = 1});
        for (size_t t = 0; t < N; t++) d->graph.tasks[t].name = t % 3;
        d->graph.names = names;
        d->graph.n_names = 3;
        for (size_t run = 0; run < 2; run++) ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
        hl__event *first[N] = {NULL}, *second[N] = {NULL};
        find_events(runtime, 0, first);
        find_events(runtime, N, second);
        for (size_t t = 0; t < N; t++) {
            ck_assert(first[t] && second[t]);
            ck_assert_uint_eq(d->task[t].n_before, t > 0);
            second[t]->begin = first[0]->begin;
        }
        size_t count[N_TRACED] = {0};
        uint64_t begin_ns[N] = {0};
        json *file = trace_of(runtime);
        check_trace(file, runtime, names, count);
        for (const json *event = json_get(file, "traceEvents")->child; event; event = event->next) {
            if (strcmp(json_text(event, "ph"), "X") != 0) continue;
            uint64_t *begin = &begin_ns[(size_t)json_get(json_get(event, "args"), "index")->child->value];
            if (nanoseconds(event, "ts") > *begin) *begin = nanoseconds(event, "ts"); /* of the second run */
        }
        for (size_t t = 0; t < N; t++) {
            uint64_t ready = t > 0 ? second[t - 1]->end : first[N - 1]->end;
            ck_assert_uint_eq(count[t], 2);
            ck_assert_uint_eq(second[t]->begin, ready);
            ck_assert_uint_eq(begin_ns[t], ready - runtime->trace.clock.origin.ticks); /* no counter: nanoseconds */
        }
        json_free(file);
        char *once = text_of(runtime), *twice = text_of(runtime);
        ck_assert_str_eq(once, twice);
        free(once);
        free(twice);
        dag_destroy(d);
        hl_runtime_destroy(runtime);
    }
}
END_TEST

START_TEST(WhatATraceHasNoRoomForIsCounted) {
    static const char *const names[] = {"a", "b", "c"};
    fake_system fake;
    hl_runtime *runtime = small_runtime(&fake, 2, HL_POLICY_SERIAL, 7);
    dag *d = traced_dag(names);
    size_t n_tasks = 0, count[N_TRACED] = {0}, n_counted = 0;
    for (size_t t = 0; t < N_TRACED; t++) n_tasks += d->graph.tasks[t].run != NULL;
    ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
    dag_check(d, 1);
    json *file = trace_of(runtime);
    check_trace(file, runtime, names, count);
    for (size_t t = 0; t < N_TRACED; t++) n_counted += count[t];
    ck_assert_uint_eq(n_counted, 7);
    ck_assert_double_eq(json_number(json_get(file, "otherData"), "dropped_events"), (double)(n_tasks - 7));
    json_free(file);
    ck_assert_int_eq(hl_runtime_trace_clear(runtime), HL_OK);
    file = trace_of(runtime);
    ck_assert_double_eq(json_number(json_get(file, "otherData"), "dropped_events"), 0);
    json_free(file);
    dag_destroy(d);
    hl_runtime_destroy(runtime);
}
END_TEST

int main(void) {
    return run_tests("run_trace",
                     TESTS(WithoutRoomForEventsThereIsNoTrace, TracesThatCannotBeWrittenSayWhere,
                           TracesForWhichThereIsNoMemorySaySo, RunsWithoutRoomForACopyOfTheirGraphAreRefused,
                           DuringARunATraceIsBusy, ATraceShowsEachTaskOnce, WhatIsWrittenIsInOrder,
                           WhatATraceHasNoRoomForIsCounted));
}
