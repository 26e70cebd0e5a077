/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a runtime says of itself: on machines made up here, every fact and the limit that decided; into any buffer. */
#include "runtime/describe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/memory.h"
#include "tests/runtime/fake_system.h"
#include "tests/runtime/kit.h"
#include "tests/support/suite.h"

#define TEXT_BYTES 8192

static size_t allocations_left = SIZE_MAX; /* before one fails */

void *__real_hl__allocate(size_t count, size_t size);
void *__wrap_hl__allocate(size_t count, size_t size);

void *__wrap_hl__allocate(size_t count, size_t size) {
    if (allocations_left == 0) return NULL;
    allocations_left -= allocations_left != SIZE_MAX;
    return __real_hl__allocate(count, size);
}

static const fake_pair nothing[] = {{NULL, NULL}};

/* The description of a runtime on this system; the caller frees it. */
static char *described(fake_system *fake, const hl_runtime_options *options) {
    hl_runtime *runtime = NULL;
    ck_assert_int_eq(hl__runtime_create_on(&fake->system, options, &runtime), HL_OK);
    char *made = malloc(TEXT_BYTES);
    hl__text text = {.text = made, .size = TEXT_BYTES};
    hl__runtime_describe(runtime, &text);
    ck_assert_uint_lt(text.length, TEXT_BYTES);
    ck_assert_uint_eq(strlen(made), text.length);
    hl_runtime_destroy(runtime);
    return made;
}

START_TEST(EveryFactHasItsLine) {
    static const fake_pair files[] = {{"/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"},
                                      {NULL, NULL}};
    static const char expected[] = "machine: 4 cores with 8 hardware threads may be used: CPUs 0-7\n"
                                   "NUMA node 0: CPUs 0-3, memory of 3.0 GiB, workers 0-1\n"
                                   "NUMA node 1: CPUs 4-7, memory of 3.0 GiB, workers 2-3\n"
                                   "cache: L3 of 8.0 MiB for CPUs 0-3, workers 0-1\n"
                                   "cache: L3 of 8.0 MiB for CPUs 4-7, workers 2-3\n"
                                   "control groups: no quota\n"
                                   "OMP_NUM_THREADS: not set\n"
                                   "OMP_PLACES: not set\n"
                                   "OMP_PROC_BIND: not set\n"
                                   "GOMP_CPU_AFFINITY: not set\n"
                                   "KMP_AFFINITY: not set\n"
                                   "workers: 4, as the options ask\n"
                                   "binding: by this runtime, each worker to its place\n"
                                   "worker 0: CPUs 0-1, NUMA node 0, pool 0\n"
                                   "worker 1: CPUs 2-3, NUMA node 0, pool 0\n"
                                   "worker 2: CPUs 4-5, NUMA node 1, pool 1\n"
                                   "worker 3: CPUs 6-7, NUMA node 1, pool 1\n"
                                   "victims of worker 0: 1, on other nodes 2 3\n"
                                   "policy: levels, steal seed 7\n"
                                   "huge pages: asked for from 2 MiB on, the kernel's setting is madvise\n"
                                   "trace: up to 100 events a worker\n"
                                   "clock of traces and profiles: CLOCK_MONOTONIC\n";
    fake_system fake;
    fake_system_init(&fake, "node:2(memory=3GiB) l3:1(size=8MiB) core:2 pu:2");
    fake.environment = nothing;
    fake.files = files;
    char *text = described(
        &fake, &(hl_runtime_options){.workers = 4, .policy = HL_POLICY_LEVELS, .steal_seed = 7, .trace_events = 100});
    char *others = strstr(text, "nodes 3 2\n"); /* as the seed has it */
    if (others) memcpy(others, "nodes 2 3", 9);
    ck_assert_str_eq(text, expected);
    free(text);
}
END_TEST

static void check_says(const char *text, const char *line) {
    ck_assert_msg(strstr(text, line) != NULL, "'%s' is not in: %s", line, text);
}

START_TEST(TheLimitThatDecidedIsNamed) {
    static const fake_pair quota[] = {{"/proc/self/mountinfo", "30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"},
                                      {"/proc/self/cgroup", "0::/job\n"},
                                      {"/sys/fs/cgroup/job/cpu.max", "250000 100000\n"},
                                      {NULL, NULL}};
    static const fake_pair three[] = {{"OMP_NUM_THREADS", "3,2"}, {NULL, NULL}};
    static const fake_pair none[] = {{"OMP_NUM_THREADS", " "}, {NULL, NULL}};
    static const struct {
        const fake_pair *environment, *files;
        const char *cpus;
        size_t asked;
        const char *lines[3];
    } cases[] = {
        {nothing, nothing, NULL, 0, {"workers: 6, one for each CPU that may be used\n"}},
        {nothing, nothing, "1,4-5", 0, {"workers: 3, one for each", "3 hardware threads may be used: CPUs 1,4-5\n"}},
        {nothing, quota, NULL, 0, {"workers: 3, as the quota", "control groups: a quota of 3 CPUs\n"}},
        {nothing, quota, "0-1", 0, {"workers: 2, one for each", "control groups: a quota of 3 CPUs\n"}},
        {three, quota, "0-1", 0, {"workers: 3, as OMP_NUM_THREADS asks\n", "OMP_NUM_THREADS: 3,2\n"}},
        {none, nothing, NULL, 0, {"workers: 6, one for each", "OMP_NUM_THREADS:  \n"}},
        {three, quota, NULL, 5, {"workers: 5, as the options ask\n", "OMP_NUM_THREADS: 3,2\n", "quota of 3"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_system fake;
        fake_system_init(&fake, "pu:6");
        fake.environment = cases[i].environment;
        fake.files = cases[i].files;
        fake.process_cpus = cases[i].cpus;
        char *text = described(&fake, &(hl_runtime_options){.workers = cases[i].asked});
        for (size_t l = 0; l < 3 && cases[i].lines[l]; l++) check_says(text, cases[i].lines[l]);
        free(text);
    }
}
END_TEST

START_TEST(WhoBindsIsSaid) {
    static const fake_pair variables[][2] = {{{"OMP_PROC_BIND", "close"}, {NULL, NULL}},
                                             {{"OMP_PLACES", "{0},{1}"}, {NULL, NULL}},
                                             {{"GOMP_CPU_AFFINITY", "0-1"}, {NULL, NULL}},
                                             {{"KMP_AFFINITY", ""}, {NULL, NULL}}};
    for (size_t i = 0; i < 4; i++) {
        fake_system fake;
        fake_system_init(&fake, "pu:2");
        fake.environment = variables[i];
        char line[64], *text = described(&fake, &(hl_runtime_options){.workers = 2});
        snprintf(line, sizeof line, "\n%s: %s\n", variables[i][0].key, variables[i][0].value);
        check_says(text, line);
        check_says(text, "\nbinding: by the OpenMP runtime");
        free(text);
    }
}
END_TEST

/* Nodes without CPUs stay in sight, as do those whose CPUs may not be used; a list of one is no list of victims. */
START_TEST(WhatIsNotThereIsSaid) {
    fake_system fake;
    fake_system_init(&fake, "node:3 pu:2");
    fake.process_cpus = "2";
    fake.environment = nothing;
    char *text = described(&fake, &(hl_runtime_options){.workers = 1});
    check_says(text, "machine: 1 hardware threads may be used: CPUs 2\n");
    check_says(text, "NUMA node 0: no CPUs, memory of 1.0 GiB, no workers\n");
    check_says(text, "NUMA node 1: CPUs 2, memory of 1.0 GiB, workers 0\n");
    check_says(text, "NUMA node 2: no CPUs, memory of 1.0 GiB, no workers\n");
    check_says(text, "worker 0: CPUs 2, NUMA node 1, pool 0\n");
    check_says(text, "\nvictims of worker 0: none\n");
    check_says(text, "the kernel's setting is unknown\n");
    check_says(text, "\ntrace: off\n");
    ck_assert_ptr_null(strstr(text, "cache: "));
    free(text);
}
END_TEST

START_TEST(ThreadsThatDidNotComeAreSaid) {
    fake_system fake;
    hl_runtime *runtime = kit_runtime(&fake, "pu:2", &(hl_runtime_options){.workers = 2});
    char made[TEXT_BYTES];
    hl__text text = {.text = made, .size = sizeof made};
    runtime->room_workers = 5; /* as if so many had been asked for */
    hl__runtime_describe(runtime, &text);
    runtime->room_workers = 2;
    check_says(made, "\nworkers: 5, as the options ask, but no more than 2 threads were to be had\n");
    check_says(made, "\nworker 1: ");
    ck_assert_ptr_null(strstr(made, "\nworker 2: "));
    hl_runtime_destroy(runtime);
}
END_TEST

START_TEST(LongVariablesAreCut) {
    char value[HL__VARIABLE_BYTES + 50];
    for (size_t length = HL__VARIABLE_BYTES - 3; length < sizeof value - 1; length++) {
        memset(value, 'x', length);
        value[length] = '\0';
        const fake_pair variables[] = {{"OMP_PLACES", value}, {NULL, NULL}};
        fake_system fake;
        fake_system_init(&fake, "pu:1");
        fake.environment = variables;
        hl__findings findings;
        ck_assert_int_eq(hl__findings_keep(&findings, &fake.system, 9), HL_OK);
        ck_assert(findings.workers == 9 && findings.is_set[HL__VARIABLE_OMP_PLACES]);
        ck_assert(!findings.is_set[HL__VARIABLE_OMP_NUM_THREADS]);
        const char *kept = findings.variable[HL__VARIABLE_OMP_PLACES];
        if (length < HL__VARIABLE_BYTES) {
            ck_assert_str_eq(kept, value);
        } else {
            ck_assert_uint_eq(strlen(kept), HL__VARIABLE_BYTES - 1);
            ck_assert_str_eq(kept + HL__VARIABLE_BYTES - 4, "...");
            ck_assert_int_eq(strncmp(kept, value, HL__VARIABLE_BYTES - 4), 0);
        }
    }
}
END_TEST

START_TEST(WithoutMemoryNothingIsKept) {
    fake_system fake;
    fake_system_init(&fake, "pu:1");
    hl__findings findings;
    allocations_left = 0;
    hl_status status = hl__findings_keep(&findings, &fake.system, 0);
    allocations_left = SIZE_MAX;
    ck_assert_int_eq(status, HL_OUT_OF_MEMORY);
}
END_TEST

/* Whatever fits of the text is there, ended by a zero; the length is always that of the whole; nothing is written
 * beyond the buffer. */
START_TEST(AnyBufferIsFilledAsFarAsItGoes) {
    fake_system fake;
    hl_runtime *runtime = kit_runtime(&fake, "node:2 l3:1 core:2 pu:1", &(hl_runtime_options){.workers = 4});
    char whole[TEXT_BYTES], part[TEXT_BYTES];
    hl__text all = {.text = whole, .size = sizeof whole};
    hl__runtime_describe(runtime, &all);
    for (size_t size = 0; size <= all.length + 2; size++) {
        memset(part, '#', sizeof part);
        hl__text text = {.text = size > 0 ? part : NULL, .size = size};
        hl__runtime_describe(runtime, &text);
        ck_assert_uint_eq(text.length, all.length);
        ck_assert_int_eq(part[size], '#');
        if (size == 0) continue;
        size_t fits = size <= all.length ? size - 1 : all.length;
        ck_assert_uint_eq(strlen(part), fits);
        ck_assert_int_eq(memcmp(part, whole, fits), 0);
    }
    hl_runtime_destroy(runtime);
}
END_TEST

int main(void) {
    return run_tests("describe", TESTS(EveryFactHasItsLine, TheLimitThatDecidedIsNamed, WhoBindsIsSaid,
                                       WhatIsNotThereIsSaid, ThreadsThatDidNotComeAreSaid, LongVariablesAreCut,
                                       WithoutMemoryNothingIsKept, AnyBufferIsFilledAsFarAsItGoes));
}
