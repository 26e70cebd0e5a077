/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The file of a trace: strict JSON whatever the names hold, a row for each worker, and times to the nanosecond in any
 * locale. */
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/system.h"
#include "runtime/trace.h"
#include "tests/runtime/json.h"
#include "tests/support/suite.h"

#define ORIGIN 7000000123u

typedef struct written {
    char path[64];
    json *file;
} written;

static written write_trace(const hl__trace *trace, const hl__trace_row *rows, size_t n_rows) {
    written w;
    snprintf(w.path, sizeof w.path, "/tmp/headloom_trace_write_%ld.json", (long)getpid());
    ck_assert(hl__trace_write(trace, rows, n_rows, w.path));
    w.file = json_read(w.path);
    return w;
}

static void remove_trace(written *w) {
    json_free(w->file);
    unlink(w->path);
}

static const json *event_of(const written *w, size_t i) {
    const json *event = json_get(w->file, "traceEvents")->child;
    while (i-- > 0) event = event->next;
    return event;
}

START_TEST(EmptyTracesAreFiles) {
    hl__trace trace = {.clock.origin = {ORIGIN, ORIGIN}};
    written w = write_trace(&trace, NULL, 0);
    ck_assert_uint_eq(json_get(w.file, "traceEvents")->n_children, 1);
    ck_assert_str_eq(json_text(event_of(&w, 0), "name"), "process_name");
    ck_assert_str_eq(json_text(w.file, "displayTimeUnit"), "ns");
    remove_trace(&w);
}
END_TEST

START_TEST(EachWorkerHasARowWithItsTasks) {
    char *names[] = {"embed.forward", "loss.backward"};
    hl__traced_task tasks[] = {{0, {1, 2, 3, 4}, 0, 0, 0},
                               {1, {7, 8, 9, 10}, 0, 0, 0},
                               {1, {0, 0, 0, 0}, 0, 0, 0},
                               {0, {UINT32_MAX, 0, 0, 5}, 0, 0, 0}};
    hl__trace trace = {.clock.origin = {ORIGIN, ORIGIN}, .names = names, .n_names = 2, .tasks = tasks, .n_tasks = 4};
    hl__event mine[] = {
        {ORIGIN, ORIGIN + 1, 0, 0}, {ORIGIN + 999, ORIGIN + 1000, 2, 0}, {ORIGIN + 1234567, ORIGIN + 3234569, 3, 1}};
    hl__event yours[] = {{ORIGIN + 10, ORIGIN + 10, 1, 0}};
    hl__events events[] = {{mine, 3, 4, 0}, {NULL, 0, 4, 0}, {yours, 1, 1, 6}};
    hl__trace_row rows[] = {{&events[0], 0, 0}, {&events[1], 1, 0}, {&events[2], 2, 1}};
    written w = write_trace(&trace, rows, 3);
    ck_assert_uint_eq(json_get(w.file, "traceEvents")->n_children, 1 + 3 + 4);
    ck_assert_double_eq(json_number(json_get(w.file, "otherData"), "dropped_events"), 6);

    static const size_t row_at[] = {1, 5, 6};
    static const char *const row_names[] = {"worker 0 (node 0)", "worker 1 (node 0)", "worker 2 (node 1)"};
    for (size_t r = 0; r < 3; r++) {
        const json *row = event_of(&w, row_at[r]);
        ck_assert_str_eq(json_text(row, "ph"), "M");
        ck_assert_str_eq(json_text(row, "name"), "thread_name");
        ck_assert_double_eq(json_number(row, "tid"), (double)r);
        ck_assert_str_eq(json_text(json_get(row, "args"), "name"), row_names[r]);
        ck_assert_double_eq(json_number(json_get(row, "args"), "dropped_events"), r == 2 ? 6 : 0);
    }
    static const struct {
        size_t at, tid;
        const char *name, *ts, *dur;
        uint32_t index[4];
    } slices[] = {{2, 0, "embed.forward", "0.000", "0.001", {1, 2, 3, 4}},
                  {3, 0, "loss.backward", "0.999", "0.001", {0, 0, 0, 0}},
                  {4, 0, "embed.forward", "1234.567", "2000.002", {UINT32_MAX, 0, 0, 5}},
                  {7, 2, "loss.backward", "0.010", "0.000", {7, 8, 9, 10}}};
    for (size_t s = 0; s < 4; s++) {
        const json *slice = event_of(&w, slices[s].at);
        ck_assert_str_eq(json_text(slice, "ph"), "X");
        ck_assert_double_eq(json_number(slice, "pid"), 1);
        ck_assert_double_eq(json_number(slice, "tid"), (double)slices[s].tid);
        ck_assert_str_eq(json_text(slice, "name"), slices[s].name);
        ck_assert_str_eq(json_get(slice, "ts")->text, slices[s].ts); /* as text: not rounded on the way */
        ck_assert_str_eq(json_get(slice, "dur")->text, slices[s].dur);
        const json *index = json_get(json_get(slice, "args"), "index");
        ck_assert_uint_eq(index->n_children, 4);
        index = index->child;
        for (size_t i = 0; i < 4; i++, index = index->next) ck_assert_double_eq(index->value, slices[s].index[i]);
    }
    remove_trace(&w);
}
END_TEST

#define REPLACED "\xEF\xBF\xBD"

START_TEST(AnyNameIsAString) {
    static const char *const names[][2] = {
        {"", ""},
        {"plain", "plain"},
        {"\"quoted\\\" \\", "\"quoted\\\" \\"},
        {"line\nbreak\ttab\rreturn\b\f\x01\x1F\x7F", "line\nbreak\ttab\rreturn\b\f\x01\x1F\x7F"},
        {"G\xC3\xBCte \xE2\x82\xAC \xF0\x9D\x84\x9E", "G\xC3\xBCte \xE2\x82\xAC \xF0\x9D\x84\x9E"},
        {"\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF", NULL}, /* ends of the ranges */
        {"\xED\x9F\xBF\xEE\x80\x80", NULL},                                                 /* beside the surrogates */
        {"a\x80z", "a" REPLACED "z"}, /* a second byte without a first */
        {"\xC3", REPLACED},           /* cut short */
        {"\xE2\x82", REPLACED REPLACED},
        {"\xF0\x9D\x84", REPLACED REPLACED REPLACED},
        {"\xC3(", REPLACED "("},
        {"\xC0\xAF", REPLACED REPLACED}, /* overlong */
        {"\xE0\x9F\xBF", REPLACED REPLACED REPLACED},
        {"\xF0\x8F\xBF\xBF", REPLACED REPLACED REPLACED REPLACED},
        {"\xED\xA0\x80", REPLACED REPLACED REPLACED},              /* a surrogate */
        {"\xF4\x90\x80\x80", REPLACED REPLACED REPLACED REPLACED}, /* above U+10FFFF */
        {"\xFF\xFEok", REPLACED REPLACED "ok"},
    };
    enum { N = sizeof names / sizeof *names };
    char *copies[N];
    hl__traced_task tasks[N];
    hl__event event[N];
    for (uint32_t i = 0; i < N; i++) {
        copies[i] = (char *)names[i][0];
        tasks[i] = (hl__traced_task){.name = i};
        event[i] = (hl__event){.begin = ORIGIN, .end = ORIGIN, .task = i};
    }
    hl__trace trace = {.clock.origin = {ORIGIN, ORIGIN}, .names = copies, .n_names = N, .tasks = tasks, .n_tasks = N};
    hl__events events = {event, N, N, 0};
    written w = write_trace(&trace, &(hl__trace_row){&events, 0, 0}, 1);
    for (size_t i = 0; i < N; i++)
        ck_assert_str_eq(json_text(event_of(&w, 2 + i), "name"), names[i][1] ? names[i][1] : names[i][0]);
    remove_trace(&w);
}
END_TEST

START_TEST(EventsWithoutANameAreWritten) {
    char *other = "other";
    hl__traced_task task = {.name = HL__NO_NAME};
    hl__trace trace = {.clock.origin = {ORIGIN, ORIGIN}, .names = &other, .n_names = 1, .tasks = &task, .n_tasks = 1};
    hl__event event = {.begin = ORIGIN, .end = ORIGIN};
    hl__events events = {&event, 1, 1, 0};
    written w = write_trace(&trace, &(hl__trace_row){&events, 0, 0}, 1);
    ck_assert_str_eq(json_text(event_of(&w, 2), "name"), "");
    remove_trace(&w);
}
END_TEST

/* By the counter: times are as the rate has them between the clock's start and the writing, and slices that touch
 * still do. */
START_TEST(TicksAreWrittenAsMicroseconds) {
    hl__clock clock;
    hl__clock_start(&clock, &hl__native_system);
    char *name = "t";
    hl__traced_task task = {.name = 0};
    hl__trace trace = {.clock = clock, .names = &name, .n_names = 1, .tasks = &task, .n_tasks = 1};
    hl__event event[] = {{.begin = clock.origin.ticks, .end = clock.origin.ticks + 333},
                         {.begin = clock.origin.ticks + 333, .end = clock.origin.ticks + 1000}};
    hl__events events = {event, 2, 2, 0};
    written w = write_trace(&trace, &(hl__trace_row){&events, 0, 0}, 1);
    hl__rate later = hl__clock_rate(&clock);
    const json *first = event_of(&w, 2), *second = event_of(&w, 3);
    ck_assert_str_eq(json_get(first, "ts")->text, "0.000");
    ck_assert_str_eq(json_get(first, "dur")->text, json_get(second, "ts")->text);
    double end_us = json_number(second, "ts") + json_number(second, "dur");
    double expected_us = (double)hl__clock_ns(&later, 1000) * 1e-3;
    /* Half as much or twice: the rate of an earlier look, microseconds behind the start, may be off by some percent. */
    ck_assert(end_us > expected_us / 2 && end_us < expected_us * 2);
    remove_trace(&w);
}
END_TEST

START_TEST(LongTracesKeepEveryEvent) {
    enum { N = 3000 };
    static hl__event event[N];
    static hl__traced_task tasks[N];
    char *name = "t";
    for (uint32_t i = 0; i < N; i++) {
        event[i] = (hl__event){.begin = ORIGIN + 10 * i, .end = ORIGIN + 10 * i + 7, .task = i};
        tasks[i].index[0] = i;
    }
    hl__trace trace = {.clock.origin = {ORIGIN, ORIGIN}, .names = &name, .n_names = 1, .tasks = tasks, .n_tasks = N};
    hl__events events = {event, N, N, 0};
    written w = write_trace(&trace, &(hl__trace_row){&events, 0, 0}, 1);
    const json *slice = event_of(&w, 2);
    for (uint32_t i = 0; i < N; i++, slice = slice->next)
        ck_assert_double_eq(json_get(json_get(slice, "args"), "index")->child->value, i);
    ck_assert_ptr_null(slice);
    remove_trace(&w);
}
END_TEST

START_TEST(WhatCannotBeWrittenIsSaid) {
    hl__trace trace = {.clock.origin = {ORIGIN, ORIGIN}};
    ck_assert(!hl__trace_write(&trace, NULL, 0, "/nowhere/at/all.json"));
    ck_assert(!hl__trace_write(&trace, NULL, 0, "/tmp"));
    ck_assert(!hl__trace_write(&trace, NULL, 0, "/dev/full")); /* found out when the file is closed */
    static hl__event event[10000];
    trace.tasks = &(hl__traced_task){.name = HL__NO_NAME};
    trace.n_tasks = 1;
    hl__events events = {event, 10000, 10000, 0};
    ck_assert(!hl__trace_write(&trace, &(hl__trace_row){&events, 0, 0}, 1, "/dev/full")); /* and on the way */
}
END_TEST

/* The first locale of the machine that puts a comma into numbers; without one there is nothing to show. */
START_TEST(NoLocalePutsACommaIntoNumbers) {
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "nl_NL.UTF-8", "es_ES.UTF-8"};
    for (size_t i = 0; i < 4 && !setlocale(LC_ALL, names[i]); i++) continue;
    char *name = "t";
    hl__event event = {.begin = ORIGIN + 1234567, .end = ORIGIN + 2234568};
    hl__traced_task task = {.name = 0};
    hl__trace trace = {.clock.origin = {ORIGIN, ORIGIN}, .names = &name, .n_names = 1, .tasks = &task, .n_tasks = 1};
    hl__events events = {&event, 1, 1, 0};
    char path[64];
    snprintf(path, sizeof path, "/tmp/headloom_trace_locale_%ld.json", (long)getpid());
    bool done = hl__trace_write(&trace, &(hl__trace_row){&events, 0, 0}, 1, path);
    setlocale(LC_ALL, "C");
    ck_assert(done);
    written w = {.file = json_read(path)};
    ck_assert_str_eq(json_get(event_of(&w, 2), "ts")->text, "1234.567");
    ck_assert_str_eq(json_get(event_of(&w, 2), "dur")->text, "1000.001");
    json_free(w.file);
    unlink(path);
}
END_TEST

int main(void) {
    return run_tests("trace_write",
                     TESTS(EmptyTracesAreFiles, EachWorkerHasARowWithItsTasks, AnyNameIsAString,
                           EventsWithoutANameAreWritten, TicksAreWrittenAsMicroseconds, LongTracesKeepEveryEvent,
                           WhatCannotBeWrittenIsSaid, NoLocalePutsACommaIntoNumbers));
}
