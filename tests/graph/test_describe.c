/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl_runtime_describe, as a user calls it: the runtime's part, and the kernels that operators run. */
#include <stdio.h>
#include <stdlib.h>

#include "headloom/runtime.h"
#include "headloom/version.h"
#include "ops/kernels/gemm.h"
#include "tests/graph/kit.h"
#include "tests/support/policies.h"
#include "tests/support/suite.h"

#define TEXT_BYTES 65536

START_TEST(TheRuntimeAndItsKernelsAreDescribed) {
    char *text = malloc(TEXT_BYTES), line[160];
    for (size_t i = 0; i < N_POLICIES; i++) {
        hl_runtime *runtime =
            kit_runtime_of(&(hl_runtime_options){.workers = 2, .policy = policies[i].policy, .trace_events = i});
        size_t length = hl_runtime_describe(runtime, text, TEXT_BYTES);
        ck_assert_uint_lt(length, TEXT_BYTES);
        ck_assert_uint_eq(strlen(text), length);
        snprintf(line, sizeof line, "headloom %s\nmachine: ", hl_version_string());
        ck_assert_int_eq(strncmp(text, line, strlen(line)), 0);
        kit_assert_says(text, "\nworkers: 2, as the options ask");
        kit_assert_says(text, "\nvictims of worker 0: 1\n");
        kit_assert_says(text, i > 0 ? "events a worker\n" : "\ntrace: off\n");
        snprintf(line, sizeof line, "\nkernels: %s", hl__isa_name(hl__isa_chosen()));
        kit_assert_says(text, line);
        snprintf(line, sizeof line, ", products by %s\n", hl__gemm_name());
        kit_assert_says(text, line);
        hl_runtime_destroy(runtime);
    }
    free(text);
}
END_TEST

START_TEST(TheLengthIsKnownWithoutABuffer) {
    hl_runtime *runtime = kit_runtime(1);
    size_t length = hl_runtime_describe(runtime, NULL, 0);
    char *text = malloc(length + 1);
    ck_assert_uint_eq(hl_runtime_describe(runtime, text, length + 1), length);
    ck_assert_uint_eq(strlen(text), length);
    ck_assert_uint_eq(hl_runtime_describe(runtime, text, 20), length);
    ck_assert_uint_eq(strlen(text), 19);
    free(text);
    hl_runtime_destroy(runtime);
}
END_TEST

START_TEST(OfNothingNothingIsSaid) {
    char text[4] = "abc";
    ck_assert_uint_eq(hl_runtime_describe(NULL, text, sizeof text), 0);
    ck_assert_str_eq(text, "");
    ck_assert_uint_eq(hl_runtime_describe(NULL, NULL, 0), 0);
}
END_TEST

int main(void) {
    return run_tests("graph/describe", TESTS(TheRuntimeAndItsKernelsAreDescribed, TheLengthIsKnownWithoutABuffer,
                                             OfNothingNothingIsSaid));
}
