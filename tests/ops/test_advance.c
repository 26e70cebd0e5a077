/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Advance: the count of finished steps goes up by one in place, and comes out. */
#include <stdint.h>

#include "tests/support/op_check.h"
#include "tests/support/suite.h"

static void advance(const op_case *c, const double *const in[], double *const out[]) {
    (void)c;
    out[0][0] = out[OP_UPDATED(0)][0] = in[0][0] == INT32_MAX ? INT32_MIN : in[0][0] + 1;
}

static op_case case_of(const int32_t *step) {
    return (op_case){
        .op = HL__OP_advance, .inputs = {{.shape = HL_SCALAR, .dtype = HL_I32, .values = step}}, .oracle = advance};
}

START_TEST(TheStepGoesUpByOne) {
    int32_t steps[] = {0, 1, 41, 123456789, INT32_MAX - 1, -1};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        op_case c = case_of(&steps[i]);
        op_check(&c);
    }
}
END_TEST

START_TEST(BehindTheLargestNumberComesTheSmallest) {
    int32_t step = INT32_MAX; /* a signed overflow would be undefined */
    op_case c = case_of(&step);
    op_check(&c);
}
END_TEST

START_TEST(WhatIsNoCountIsRefused) {
    op_case c = case_of(NULL);
    c.inputs[0].dtype = HL_F32;
    op_check_refused(&c, HL_TYPE_MISMATCH);
    c = case_of(NULL);
    c.inputs[0].shape = HL_SHAPE(1);
    op_check_refused(&c, HL_SHAPE_MISMATCH);
}
END_TEST

int main(void) {
    return run_tests("advance",
                     TESTS(TheStepGoesUpByOne, BehindTheLargestNumberComesTheSmallest, WhatIsNoCountIsRefused));
}
