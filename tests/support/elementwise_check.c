/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Oracles and shapes for elementwise operators and sums. */
#include "tests/support/elementwise_check.h"

#include <check.h>
#include <stdlib.h>

#include "headloom/options.h"
#include "tests/support/long_sums.h"
#include "tests/support/op_engine.h"

/* Sums are made in double precision, in parts: half a unit for each part, half for the whole. */
#define SUMMED 1.01

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- oracles ---- */

void oracle_unary(const op_case *c, const double *const in[], double *const out[], double (*f)(double)) {
    for (size_t e = 0; e < hl_shape_elements(&c->inputs[0].shape); e++) out[0][e] = f(in[0][e]);
}

void oracle_unary_slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[],
                         double (*slope)(double d, double x)) {
    for (size_t e = 0; e < hl_shape_elements(&c->inputs[0].shape); e++) d_in[0][e] = slope(d_out[0][e], in[0][e]);
}

/* Extent of the k-th axis from the end: 1 where there is none. */
static size_t extent_from_end(const hl_shape *shape, size_t k) {
    return k < shape->rank ? shape->extent[shape->rank - 1 - k] : 1;
}

static hl_shape broadcast(const hl_shape *a, const hl_shape *b) {
    hl_shape y = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (size_t k = 0; k < y.rank; k++) {
        size_t one = extent_from_end(a, k), other = extent_from_end(b, k);
        y.extent[y.rank - 1 - k] = one > other ? one : other;
    }
    return y;
}

/* Element of an operand that goes into element e of y. */
static size_t source_of(size_t e, const hl_shape *y, const hl_shape *operand) {
    size_t source = 0, step = 1;
    for (size_t k = 0; k < y->rank; k++) {
        size_t extent = extent_from_end(operand, k), at = e % extent_from_end(y, k);
        e /= extent_from_end(y, k);
        source += extent == 1 ? 0 : at * step;
        step *= extent;
    }
    return source;
}

void oracle_binary(const op_case *c, const double *const in[], double *const out[], double (*f)(double, double)) {
    const hl_shape *a = &c->inputs[0].shape, *b = &c->inputs[1].shape;
    hl_shape y = broadcast(a, b);
    for (size_t e = 0; e < hl_shape_elements(&y); e++)
        out[0][e] = f(in[0][source_of(e, &y, a)], in[1][source_of(e, &y, b)]);
}

void oracle_binary_slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[],
                          double (*slope_a)(double, double, double), double (*slope_b)(double, double, double)) {
    const hl_shape *a = &c->inputs[0].shape, *b = &c->inputs[1].shape;
    hl_shape y = broadcast(a, b);
    for (size_t e = 0; e < hl_shape_elements(&y); e++) {
        size_t at_a = source_of(e, &y, a), at_b = source_of(e, &y, b);
        d_in[0][at_a] += slope_a(d_out[0][e], in[0][at_a], in[1][at_b]);
        d_in[1][at_b] += slope_b(d_out[0][e], in[0][at_a], in[1][at_b]);
    }
}

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

/* ---- one operand ---- */

void check_unary(const op_case *c) {
    const struct {
        hl_shape shape;
        hl_layout layout, d_layout;
        size_t min_tiles;
    } runs[] = {
        {HL_SCALAR, HL_LAYOUT_DENSE, HL_LAYOUT_DENSE, 1},
        {HL_SHAPE(1), HL_LAYOUT_DENSE, HL_LAYOUT_DENSE, 1},
        {HL_SHAPE(67), HL_LAYOUT_ANY, HL_LAYOUT_DENSE, 8},
        {HL_SHAPE(5, 1, 3), HL_LAYOUT_DENSE, HL_LAYOUT_ANY, 8},
        {HL_SHAPE(4, 19, 32), HL_LAYOUT_DENSE, HL_LAYOUT_DENSE, 8},
        {HL_SHAPE(17, 130), HL_LAYOUT_ROWS, HL_LAYOUT_ROWS, 8},
        {HL_SHAPE(7, 33, 5), HL_LAYOUT_ANY, HL_LAYOUT_ANY, 8},
        {HL_SHAPE(2, 1, 3, 5, 2, 9), HL_LAYOUT_ROWS, HL_LAYOUT_ANY, 8},
        {HL_SHAPE(3, 45001), HL_LAYOUT_DENSE, HL_LAYOUT_DENSE, 18}, /* tiles of full size */
    };
    for (size_t i = 0; i < COUNT(runs); i++) {
        op_case run = *c;
        run.inputs[0].shape = runs[i].shape;
        run.inputs[0].layout = runs[i].layout;
        run.d_output_layout = runs[i].d_layout;
        run.min_tiles = runs[i].min_tiles;
        run.samples = 30;
        op_check(&run);
    }
}

/* Row r is the numbers turned by r places, 19 and more of them so that some fill no register. */
void check_unary_values(const op_case *c, const float *values, size_t n) {
    enum { ROWS = 17 };
    size_t length = (19 + n - 1) / n * n + 1;
    float *turned = malloc(ROWS * length * sizeof *turned);
    if (!turned) abort();
    for (size_t r = 0; r < ROWS; r++)
        for (size_t j = 0; j < length; j++) turned[r * length + j] = values[(r + j) % n];
    op_case run = *c;
    run.inputs[0].shape = HL_SHAPE(ROWS, length);
    run.inputs[0].values = turned;
    run.forward_only = true;
    op_check(&run);
    free(turned);
}

void check_unary_refused(hl__op op, const void *options) {
    op_case integer = {.op = op, .options = options, .inputs = {{.shape = HL_SHAPE(3, 4), .dtype = HL_I32}}};
    op_check_refused(&integer, HL_TYPE_MISMATCH);
}

/* ---- two operands ---- */

void check_binary(const op_case *c) {
    const struct {
        hl_shape a, b;
        hl_layout layout, d_layout;
        size_t min_tiles;
    } runs[] = {
        {HL_SCALAR, HL_SCALAR, HL_LAYOUT_DENSE, HL_LAYOUT_DENSE, 1},
        {HL_SHAPE(1), HL_SCALAR, HL_LAYOUT_DENSE, HL_LAYOUT_DENSE, 1},
        {HL_SHAPE(7, 33, 5), HL_SHAPE(7, 33, 5), HL_LAYOUT_DENSE, HL_LAYOUT_DENSE, 8},
        {HL_SHAPE(17, 131), HL_SHAPE(17, 131), HL_LAYOUT_ANY, HL_LAYOUT_ROWS, 8},
        {HL_SHAPE(23, 131), HL_SHAPE(131), HL_LAYOUT_DENSE, HL_LAYOUT_DENSE, 8}, /* a bias */
        {HL_SHAPE(131), HL_SHAPE(23, 131), HL_LAYOUT_ROWS, HL_LAYOUT_ANY, 8},
        {HL_SHAPE(29, 19), HL_SHAPE(29, 1), HL_LAYOUT_DENSE, HL_LAYOUT_ROWS, 8},
        {HL_SHAPE(9, 1), HL_SHAPE(1, 21), HL_LAYOUT_ANY, HL_LAYOUT_ANY, 8},
        {HL_SHAPE(5, 67), HL_SCALAR, HL_LAYOUT_ROWS, HL_LAYOUT_DENSE, 8},
        {HL_SHAPE(1, 1, 1), HL_SHAPE(3, 70), HL_LAYOUT_DENSE, HL_LAYOUT_ANY, 8},
        {HL_SHAPE(4, 1, 40, 1), HL_SHAPE(3, 1, 17), HL_LAYOUT_ANY, HL_LAYOUT_DENSE, 8},
        {HL_SHAPE(2, 1, 3, 1, 5, 3), HL_SHAPE(4, 3, 2, 1, 3), HL_LAYOUT_ROWS, HL_LAYOUT_ROWS, 8},
        {HL_SHAPE(3, 45001), HL_SHAPE(45001), HL_LAYOUT_DENSE, HL_LAYOUT_DENSE, 16},
    };
    for (size_t i = 0; i < COUNT(runs); i++) {
        hl_shape y = broadcast(&runs[i].a, &runs[i].b);
        size_t n = hl_shape_elements(&y), na = hl_shape_elements(&runs[i].a), nb = hl_shape_elements(&runs[i].b);
        op_case run = *c;
        run.inputs[0].shape = runs[i].a;
        run.inputs[1].shape = runs[i].b;
        run.inputs[0].layout = run.inputs[1].layout = runs[i].layout;
        run.d_output_layout = runs[i].d_layout;
        if (na < n || nb < n) run.gradient.relative += SUMMED;
        run.min_tiles = runs[i].min_tiles;
        run.few_tiles[0] = "combine"; /* of as many elements as the operand has */
        run.samples = 25;
        op_check(&run);
    }
}

void check_binary_long(const op_case *c) {
    const struct {
        hl_shape a, b;
    } runs[] = {{HL_SHAPE(LONG_SUM, 1), HL_SHAPE(1)},
                {HL_SHAPE(3), HL_SHAPE(60000, 3)},
                {HL_SHAPE(3, 60000), HL_SHAPE(3, 1)},
                {HL_SHAPE(1, 2, 1), HL_SHAPE(3000, 2, 20)}};
    for (size_t i = 0; i < COUNT(runs) * LONG_SUM_TERMS; i++) {
        op_case run = *c;
        for (size_t k = 0; k < 2; k++) {
            run.inputs[k].shape = k ? runs[i / LONG_SUM_TERMS].b : runs[i / LONG_SUM_TERMS].a;
            run.inputs[k].low = run.inputs[k].high = 1;
        }
        run.d_low = long_sum_terms[i % LONG_SUM_TERMS].low;
        run.d_high = long_sum_terms[i % LONG_SUM_TERMS].high;
        run.gradient.relative += SUMMED;
        run.unwatched = true;
        run.samples = 2;
        op_check(&run);
    }
}

void check_binary_values(const op_case *c, const float *values, size_t n) {
    op_case run = *c;
    run.inputs[0].shape = HL_SHAPE(n, 1);
    run.inputs[1].shape = HL_SHAPE(n);
    run.inputs[0].values = run.inputs[1].values = values;
    run.forward_only = true;
    op_check(&run);
}

void check_binary_bits(hl__op op, const float *a, const float *b, const float *y, size_t n) {
    const float *const values[] = {a, b};
    hl_shape shape = HL_SHAPE(n);
    float *got = malloc(n * sizeof *got);
    if (!got) abort();
    for (int isa = 0; isa < HL__N_ISAS; isa++) {
        char words[256] = "";
        op_engine e = {.op = hl__operator_for(op, (hl__isa)isa), .words = words, .words_size = sizeof words};
        if (!e.op) continue;
        e.n_inputs = 2;
        e.n_outputs = 1;
        for (size_t i = 0; i < 2; i++) {
            e.input[i] = op_take(&e, HL_F32, &shape, HL_LAYOUT_DENSE);
            op_fill(&e.input[i], values[i]);
        }
        e.output[0] = op_take(&e, HL_F32, &shape, HL_LAYOUT_DENSE);
        ck_assert_msg(op_run_forward(&e), "%s: %s", hl__isa_name((hl__isa)isa), words);
        op_dense(&e.output[0], got);
        ck_assert_mem_eq(got, y, n * sizeof *got);
        op_free(&e);
    }
    free(got);
}

void check_binary_extremes(const op_case *c) {
    const hl_shape shapes[][2] = {
        {HL_SHAPE(3, 21), HL_SHAPE(3, 21)}, {HL_SHAPE(3, 21), HL_SHAPE(21)}, {HL_SHAPE(3, 1), HL_SHAPE(1, 21)}};
    for (size_t i = 0; i < COUNT(shapes); i++) {
        op_case run = *c;
        run.inputs[0].shape = shapes[i][0];
        run.inputs[1].shape = shapes[i][1];
        run.gradient.relative += SUMMED;
        op_extremes(&run);
    }
}

void check_binary_refused(hl__op op) {
    const hl_shape misfits[][2] = {{HL_SHAPE(3, 4), HL_SHAPE(3)},
                                   {HL_SHAPE(2), HL_SHAPE(3)},
                                   {HL_SHAPE(2, 3, 4), HL_SHAPE(3, 3, 4)},
                                   {HL_SHAPE(4, 3), HL_SHAPE(2, 1, 4)}};
    for (size_t i = 0; i < COUNT(misfits); i++) {
        op_case misfit = {.op = op, .inputs = {{.shape = misfits[i][0]}, {.shape = misfits[i][1]}}};
        op_check_refused(&misfit, HL_SHAPE_MISMATCH);
    }
    for (size_t k = 0; k < 2; k++) {
        op_case integer = {.op = op, .inputs = {{.shape = HL_SHAPE(3)}, {.shape = HL_SHAPE(3)}}};
        integer.inputs[k].dtype = HL_I32;
        op_check_refused(&integer, HL_TYPE_MISMATCH);
    }
}

/* ---- sums ---- */

/* Whole numbers: sums of these are exact, in any order, so that an element too few or too many shows. */
static float *whole_numbers(size_t n) {
    float *values = malloc(n * sizeof *values);
    if (!values) abort();
    for (size_t e = 0; e < n; e++) values[e] = (float)(e * 37 % 29) - 11;
    return values;
}

void check_sum(const op_case *c) {
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

void check_sum_long(const op_case *c) {
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

void check_sum_refused(hl__op op) {
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
