/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Oracles, shapes and cases for sums over axes. */
#include "tests/support/sum_check.h"

#include <check.h>
#include <stdlib.h>

#include "headloom/options.h"
#include "tests/support/long_sums.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- oracles ---- */

static bool is_summed(const hl_axes_config *config, size_t axis) {
    return config->axes == 0 || (config->axes & 1u << axis);
}

/* Element of y that element e of x goes into. */
static size_t summed_into(const op_case *c, size_t e) {
    const hl_shape *x = &c->inputs[0].shape;
    size_t y = 0, step = 1;
    for (size_t axis = x->rank; axis-- > 0; e /= x->extent[axis]) {
        if (is_summed(c->options, axis)) continue;
        y += e % x->extent[axis] * step;
        step *= x->extent[axis];
    }
    return y;
}

void oracle_sum(const op_case *c, const double *const in[], double *const out[], double (*f)(double)) {
    for (size_t e = 0; e < hl_shape_elements(&c->inputs[0].shape); e++) out[0][summed_into(c, e)] += f(in[0][e]);
}

void oracle_sum_slopes(const op_case *c, const double *const d_out[], double *const d_in[], double factor) {
    const hl_shape *x = &c->inputs[0].shape;
    for (size_t e = 0; e < hl_shape_elements(x); e++) d_in[0][e] = factor * d_out[0][summed_into(c, e)];
}

size_t oracle_summed(const op_case *c) {
    const hl_shape *x = &c->inputs[0].shape;
    size_t n = 1;
    for (size_t axis = 0; axis < x->rank; axis++)
        if (is_summed(c->options, axis)) n *= x->extent[axis];
    return n;
}

/* ---- checks ---- */

/* Whole numbers: sums of these are exact, in any order, so that an element too few or too many shows. */
static float *whole_numbers(size_t n) {
    float *values = malloc(n * sizeof *values);
    if (!values) abort();
    for (size_t e = 0; e < n; e++) values[e] = (float)(e * 37 % 29) - 11;
    return values;
}

static void check_sum(const op_case *c) {
    const struct {
        hl_shape shape;
        uint32_t axes;
        hl_layout layout, d_layout;
        size_t min_tiles;
    } runs[] = {
        {HL_SCALAR, 0, HL_LAYOUT_DENSE, HL_LAYOUT_DENSE, 1},
        {HL_SHAPE(1), 1, HL_LAYOUT_DENSE, HL_LAYOUT_DENSE, 1},
        {HL_SHAPE(67), 0, HL_LAYOUT_ANY, HL_LAYOUT_DENSE, 8},
        {HL_SHAPE(7, 33, 5), 0, HL_LAYOUT_ROWS, HL_LAYOUT_DENSE, 8},
        {HL_SHAPE(23, 131), 1, HL_LAYOUT_DENSE, HL_LAYOUT_DENSE, 8},
        {HL_SHAPE(131, 23), 2, HL_LAYOUT_DENSE, HL_LAYOUT_ANY, 8},
        {HL_SHAPE(131, 37), 2, HL_LAYOUT_ANY, HL_LAYOUT_ANY, 8},
        {HL_SHAPE(3, 20, 5, 17), 5, HL_LAYOUT_ROWS, HL_LAYOUT_ROWS, 8},
        {HL_SHAPE(3, 20, 5, 17), 10, HL_LAYOUT_ANY, HL_LAYOUT_DENSE, 8},
        {HL_SHAPE(3, 1, 5, 2, 1, 9), 18, HL_LAYOUT_ROWS, HL_LAYOUT_ANY, 8}, /* axes of extent 1 alone */
        {HL_SHAPE(2, 3, 5, 2, 3, 7), 44, HL_LAYOUT_DENSE, HL_LAYOUT_ROWS, 8},
        {HL_SHAPE(3, 45001), 1, HL_LAYOUT_DENSE, HL_LAYOUT_DENSE, 16},
    };
    for (size_t i = 0; i < 2 * COUNT(runs); i++) {
        size_t k = i / 2;
        hl_axes_config config = {.axes = runs[k].axes, .keep = i % 2};
        op_case run = *c;
        run.options = &config;
        run.inputs[0].shape = runs[k].shape;
        run.inputs[0].layout = runs[k].layout;
        run.d_output_layout = runs[k].d_layout;
        run.min_tiles = runs[k].min_tiles;
        run.few_tiles[0] = "combine"; /* of as many elements as y has */
        run.samples = 20;
        float *whole = whole_numbers(hl_shape_elements(&runs[k].shape));
        run.inputs[0].values = whole;
        op_check(&run);
        run.inputs[0].values = NULL;
        run.value.relative += SUMMED;
        op_check(&run);
        free(whole);
    }
}

static void check_sum_long(const op_case *c) {
    const struct {
        hl_shape shape;
        uint32_t axes;
    } runs[] = {{HL_SHAPE(LONG_SUM), 0},
                {HL_SHAPE(LONG_SUM, 1), 1},
                {HL_SHAPE(20000, 16), 1},
                {HL_SHAPE(16, 20000), 2},
                {HL_SHAPE(1000, 4, 60), 5}};
    for (size_t i = 0; i < COUNT(runs) * LONG_SUM_TERMS; i++) {
        hl_axes_config config = {.axes = runs[i / LONG_SUM_TERMS].axes};
        op_case run = *c;
        run.options = &config;
        run.inputs[0] = (op_input){.shape = runs[i / LONG_SUM_TERMS].shape,
                                   .low = long_sum_terms[i % LONG_SUM_TERMS].low,
                                   .high = long_sum_terms[i % LONG_SUM_TERMS].high};
        run.value.relative += SUMMED;
        run.unwatched = true;
        run.samples = 2;
        op_check(&run);
    }
}

static void check_sum_refused(hl__op op) {
    hl_axes_config config = {.axes = 4};
    op_case c = {.op = op, .options = &config, .inputs = {{.shape = HL_SHAPE(3, 4)}}};
    op_check_refused(&c, HL_OUT_OF_RANGE);
    config.axes = 0x80000001u;
    op_check_refused(&c, HL_OUT_OF_RANGE);
    c.inputs[0].shape = HL_SCALAR;
    config.axes = 1;
    op_check_refused(&c, HL_OUT_OF_RANGE);
    c.inputs[0] = (op_input){.shape = HL_SHAPE(3, 4), .dtype = HL_I32};
    op_check_refused(&c, HL_TYPE_MISMATCH);
}

static void check_sum_extremes(const op_case *c, op_slopes *slopes) {
    const uint32_t axes[] = {0, 1, 2};
    for (size_t i = 0; i < COUNT(axes); i++) {
        hl_axes_config config = {.axes = axes[i]};
        op_case run = *c;
        run.options = &config;
        run.inputs[0].shape = HL_SHAPE(5, 21);
        run.slopes = slopes;
        run.value.relative += SUMMED;
        op_extremes(&run);
    }
}

/* ---- the cases of every sum ---- */

static const op_case *checked; /* by these cases, which Check calls without an argument */
static op_slopes *checked_slopes;

START_TEST(ExtremesAreAsInDouble) { check_sum_extremes(checked, checked_slopes); }
END_TEST

START_TEST(AnyAxesKeptOrDropped) { check_sum(checked); }
END_TEST

START_TEST(LongSumsKeepTheirDigits) { check_sum_long(checked); }
END_TEST

START_TEST(IntegersAndAxesThatAreNoneAreRefused) { check_sum_refused(checked->op); }
END_TEST

int run_sum_tests(const char *name, const op_case *any, op_slopes *slopes, const TTest *const *own) {
    checked = any;
    checked_slopes = slopes;
    return run_tests_of_kind(name,
                             TESTS(ExtremesAreAsInDouble, AnyAxesKeptOrDropped, LongSumsKeepTheirDigits,
                                   IntegersAndAxesThatAreNoneAreRefused),
                             own);
}
