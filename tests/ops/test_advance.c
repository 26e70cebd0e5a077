/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Advance: counts go up by one in place, unless the rate says that nothing was done, and the least of them comes out.
 */
#include <math.h>
#include <stdint.h>

#include "tests/support/op_check.h"
#include "tests/support/suite.h"

enum { RATE, LEAST, BEHIND, COUNT, MOST_COUNTS = HL_MAX_INPUTS - COUNT };

static double next_of(double count) { return count == INT32_MAX ? INT32_MIN : count + 1; }

static void advance(const op_case *c, const double *const in[], double *const out[]) {
    (void)c;
    bool counts = !in[RATE] || isfinite(in[RATE][0]);
    out[0][0] = in[LEAST] ? in[LEAST][0] : INT32_MAX;
    for (size_t i = COUNT; i < HL_MAX_INPUTS && in[i]; i++) {
        double count = counts ? next_of(in[i][0]) : in[i][0];
        out[OP_UPDATED(i)][0] = count;
        out[0][0] = fmin(out[0][0], count);
    }
}

/* n counts, and nothing else. */
static op_case case_of(const int32_t *counts, size_t n) {
    op_case c = {.op = HL__OP_advance, .n_inputs = COUNT + n, .oracle = advance};
    for (size_t i = RATE; i < COUNT; i++)
        c.inputs[i] = (op_input){.shape = HL_SCALAR, .dtype = i == RATE ? HL_F32 : HL_I32, .absent = true};
    for (size_t i = 0; i < n; i++)
        c.inputs[COUNT + i] =
            (op_input){.shape = HL_SCALAR, .dtype = HL_I32, .values = counts ? &counts[i] : NULL, .low = 0, .high = 9};
    return c;
}

START_TEST(ACountGoesUpByOne) {
    int32_t steps[] = {0, 1, 41, 123456789, INT32_MAX - 1, -1};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        op_case c = case_of(&steps[i], 1);
        op_check(&c);
    }
}
END_TEST

START_TEST(BehindTheLargestNumberComesTheSmallest) {
    int32_t step = INT32_MAX; /* a signed overflow would be undefined */
    op_case c = case_of(&step, 1);
    op_check(&c);
}
END_TEST

/* With what came out of an earlier one below them, between them and above. */
START_TEST(TheLeastOfManyCountsComesOut) {
    int32_t counts[MOST_COUNTS], least[] = {3, 11, 100};
    for (size_t n = 1; n <= MOST_COUNTS; n++) {
        for (size_t i = 0; i < n; i++) counts[i] = (int32_t)(10 + (i * 7 + n) % MOST_COUNTS);
        op_case c = case_of(counts, n);
        op_check(&c);
        c.inputs[LEAST].absent = false;
        c.inputs[LEAST].values = &least[n % 3];
        c.inputs[BEHIND].absent = n % 2;
        c.inputs[BEHIND].values = &least[0];
        op_check(&c);
    }
}
END_TEST

START_TEST(WhatWasDoneAtNoRateIsNotCounted) {
    int32_t counts[] = {4, 0, 7};
    float rates[] = {0.5f, 0, -1, NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        op_case c = case_of(counts, 3);
        c.inputs[RATE].absent = false;
        c.inputs[RATE].values = &rates[i];
        op_check(&c);
    }
}
END_TEST

START_TEST(WhatIsNoCountIsRefused) {
    for (size_t i = RATE; i <= COUNT; i++) {
        op_case c = case_of(NULL, 1);
        c.inputs[i].absent = false;
        c.inputs[i].dtype = i == RATE ? HL_I32 : HL_F32;
        op_check_refused(&c, HL_TYPE_MISMATCH);
        c = case_of(NULL, 1);
        c.inputs[i].absent = false;
        c.inputs[i].shape = HL_SHAPE(1);
        op_check_refused(&c, HL_SHAPE_MISMATCH);
    }
}
END_TEST

int main(void) {
    return run_tests("advance",
                     TESTS(ACountGoesUpByOne, BehindTheLargestNumberComesTheSmallest, TheLeastOfManyCountsComesOut,
                           WhatWasDoneAtNoRateIsNotCounted, WhatIsNoCountIsRefused));
}
