/* SPDX-License-Identifier: BSD-3-Clause
 *
 * clamp: numbers within a range, NaN as it is; the gradient passes inside and at both ends. */
#include <math.h>

#include "headloom/options.h"
#include "tests/support/elementwise_check.h"

static double clamp_to(double x, double low, double high) { return x < low ? low : x > high ? high : x; }

static void clamp(const op_case *c, const double *const in[], double *const out[]) {
    const hl_clamp_config *config = c->options;
    for (size_t e = 0; e < hl_shape_elements(&c->inputs[0].shape); e++)
        out[0][e] = clamp_to(in[0][e], (double)config->low, (double)config->high);
}

static const hl_clamp_config narrow = {.low = -0.5f, .high = 0.25f};

static double dx(double d, double x) {
    bool inside = x >= (double)narrow.low && x <= (double)narrow.high;
    return inside || isnan(x) ? inside ? d : x : 0;
}

/* Nothing is rounded: the bounds are 0. */
static const op_case any = {
    .op = HL__OP_clamp, .options = &narrow, .unary = &(const unary_equation){.dx = dx}, .oracle = clamp};

/* The same values at these elements, but the ends are further out: differences at the ends are those of the inside. */
static void clamp_further_out(const op_case *c, const double *const in[], double *const out[]) {
    const hl_clamp_config *config = c->options;
    for (size_t e = 0; e < hl_shape_elements(&c->inputs[0].shape); e++) {
        double low = (double)config->low, high = (double)config->high, x = in[0][e];
        out[0][e] = x > low - 0.1 && x < high + 0.1 ? x : clamp_to(x, low, high);
    }
}

START_TEST(TheGradientPassesAtBothEnds) {
    const float values[] = {-0.5f, 0.25f, -1, 1, 0};
    op_case c = any;
    c.oracle = clamp_further_out;
    check_unary_turns(&c, values, 5);
}
END_TEST

START_TEST(RangesOfOneNumberAndOfAll) {
    const hl_clamp_config one = {.low = 0.5f, .high = 0.5f}, all = {.low = -INFINITY, .high = INFINITY},
                          above = {.low = 0, .high = INFINITY};
    const hl_clamp_config *const ranges[] = {&narrow, &one, &all, &above};
    const float values[] = {0x1p-149f,        0,        0.25f,     0.5f, -0.5f, 0x1.fffffep127f,
                            -0x1.fffffep127f, INFINITY, -INFINITY, NAN};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        op_case c = any;
        c.options = ranges[i];
        check_unary_values(&c, values, sizeof values / sizeof *values);
    }
}
END_TEST

START_TEST(RangesThatAreNoneAreRefused) {
    const hl_clamp_config none[] = {{.low = 1, .high = 0}, {.low = NAN, .high = 1}, {.low = 0, .high = NAN}};
    for (size_t i = 0; i < 3; i++) {
        op_case c = {.op = HL__OP_clamp, .options = &none[i], .inputs = {{.shape = HL_SHAPE(3)}}};
        op_check_refused(&c, HL_OUT_OF_RANGE);
    }
}
END_TEST

int main(void) {
    return run_unary_tests("clamp", &any,
                           TESTS(TheGradientPassesAtBothEnds, RangesOfOneNumberAndOfAll, RangesThatAreNoneAreRefused));
}
