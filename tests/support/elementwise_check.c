/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Oracles, shapes and cases for elementwise operators. */
#include "tests/support/elementwise_check.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "tests/support/long_sums.h"
#include "tests/support/op_engine.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- oracles ---- */

static size_t n_elements(const op_case *c) { return hl_shape_elements(&c->inputs[0].shape); }

void oracle_unary(const op_case *c, const double *const in[], double *const out[]) {
    for (size_t e = 0; e < n_elements(c); e++) out[0][e] = c->unary->y(in[0][e]);
}

void oracle_unary_sizes(const op_case *c, const double *const in[], double *const out[]) {
    for (size_t e = 0; e < n_elements(c); e++) out[0][e] = c->unary->y_size(in[0][e]);
}

void oracle_unary_slopes(const op_case *c, const double *const in[], const double *const d_out[],
                         double *const d_in[]) {
    for (size_t e = 0; e < n_elements(c); e++) d_in[0][e] = c->unary->dx(d_out[0][e], in[0][e]);
}

void oracle_unary_slope_sizes(const op_case *c, const double *const in[], const double *const d_out[],
                              double *const d_in[]) {
    for (size_t e = 0; e < n_elements(c); e++) d_in[0][e] = c->unary->dx_size(d_out[0][e], in[0][e]);
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

/* Goes through y in row-major order, along with the elements of both operands that go into each. */
typedef struct walk {
    hl_shape y;
    size_t index[HL_MAX_RANK], step[2][HL_MAX_RANK]; /* of an operand along y's axes: 0 where it is broadcast */
    size_t at[2];
} walk;

static walk walk_of(const op_case *c) {
    walk w = {.y = broadcast(&c->inputs[0].shape, &c->inputs[1].shape)};
    for (size_t o = 0; o < 2; o++) {
        size_t step = 1;
        for (size_t k = 0; k < w.y.rank; k++) {
            size_t extent = extent_from_end(&c->inputs[o].shape, k);
            w.step[o][w.y.rank - 1 - k] = extent == 1 ? 0 : step;
            step *= extent;
        }
    }
    return w;
}

static void walk_on(walk *w) {
    for (size_t i = w->y.rank; i-- > 0;) {
        bool ends = ++w->index[i] == w->y.extent[i];
        for (size_t o = 0; o < 2; o++)
            w->at[o] = ends ? w->at[o] - (w->y.extent[i] - 1) * w->step[o][i] : w->at[o] + w->step[o][i];
        if (!ends) return;
        w->index[i] = 0;
    }
}

double oracle_passed(double d, double a, double b) {
    (void)a;
    (void)b;
    return d;
}

void oracle_binary(const op_case *c, const double *const in[], double *const out[]) {
    walk w = walk_of(c);
    for (size_t e = 0, n = hl_shape_elements(&w.y); e < n; e++, walk_on(&w))
        out[0][e] = c->binary->y(in[0][w.at[0]], in[1][w.at[1]]);
}

/* Adds a gradient's terms, or what their errors grow with, to the elements that they belong to. */
static void add_terms(const op_case *c, const double *const in[], const double *d_out, double *const d_in[],
                      bool sizes) {
    const binary_equation *f = c->binary;
    walk w = walk_of(c);
    for (size_t e = 0, n = hl_shape_elements(&w.y); e < n; e++, walk_on(&w)) {
        double d = d_out[e], a = in[0][w.at[0]], b = in[1][w.at[1]];
        double da = f->da(d, a, b), db = (sizes && f->db_size ? f->db_size : f->db)(d, a, b);
        d_in[0][w.at[0]] += sizes ? fabs(da) : da;
        d_in[1][w.at[1]] += sizes ? fabs(db) : db;
    }
}

void oracle_binary_slopes(const op_case *c, const double *const in[], const double *const d_out[],
                          double *const d_in[]) {
    add_terms(c, in, d_out[0], d_in, false);
}

void oracle_binary_slope_sizes(const op_case *c, const double *const in[], const double *const d_out[],
                               double *const d_in[]) {
    add_terms(c, in, d_out[0], d_in, true);
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

void check_unary_ranges(const op_case *c, const double *ranges, size_t n) {
    for (size_t i = 0; i < n; i++) {
        op_case run = *c;
        run.inputs[0] = (op_input){.shape = HL_SHAPE(11, 23), .low = -ranges[i], .high = ranges[i]};
        op_check(&run);
    }
}

void check_unary_alone(const op_case *c, const float *values, size_t n) {
    for (size_t i = 0; i < n; i++) {
        op_case run = *c;
        run.inputs[0] = (op_input){.shape = HL_SCALAR, .values = &values[i]};
        op_check(&run);
    }
}

void check_unary_turns(const op_case *c, const float *values, size_t n) {
    float x[5 * 7];
    for (size_t i = 0; i < COUNT(x); i++) x[i] = values[i % n];
    op_case run = *c;
    run.inputs[0] = (op_input){.shape = HL_SHAPE(5, 7), .values = x};
    op_check(&run);
}

/* A slope is off by so much of 1, its product with d by so much of d; that of NaN is NaN. */
static void sizes_of_d(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    for (size_t e = 0; e < n_elements(c); e++) d_in[0][e] = isnan(in[0][e]) ? in[0][e] : d_out[0][e];
}

void check_unary_extremes(const op_case *c) {
    op_case run = *c;
    run.inputs[0].shape = HL_SHAPE(3, 21);
    if (!c->slopes) {
        run.slopes = oracle_unary_slopes;
        if (c->gradient.absolute > 0) {
            run.slope_sizes = sizes_of_d;
            run.gradient = (op_bound){.relative = c->gradient.absolute};
        }
    }
    op_extremes(&run);
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

void check_binary_order(const op_case *c) {
    const float values[] = {INFINITY, -INFINITY, NAN, 0, -0.0f, 0x1p-149f, -0x1p-149f, 0x1.fffffep127f, -3, 7};
    check_binary_values(c, values, COUNT(values));
}

void check_binary_ties(const op_case *c) {
    float a[5 * 7], b[5 * 7];
    for (size_t i = 0; i < COUNT(a); i++) {
        a[i] = (float)(i % 3);
        b[i] = (float)(i % 4);
    }
    op_case run = *c;
    run.inputs[0] = (op_input){.shape = HL_SHAPE(5, 7), .values = a};
    run.inputs[1] = (op_input){.shape = HL_SHAPE(5, 7), .values = b};
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

static void check_binary_extremes(const op_case *c) {
    const hl_shape shapes[][2] = {
        {HL_SHAPE(3, 21), HL_SHAPE(3, 21)}, {HL_SHAPE(3, 21), HL_SHAPE(21)}, {HL_SHAPE(3, 1), HL_SHAPE(1, 21)}};
    for (size_t i = 0; i < COUNT(shapes); i++) {
        op_case run = *c;
        run.inputs[0].shape = shapes[i][0];
        run.inputs[1].shape = shapes[i][1];
        if (c->binary->da) {
            run.slopes = oracle_binary_slopes;
            run.slope_sizes = oracle_binary_slope_sizes;
        }
        run.gradient.relative += SUMMED;
        op_extremes(&run);
    }
}

static void check_binary_refused(hl__op op) {
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

/* ---- the cases of every operator ---- */

static const op_case *checked; /* by these cases, which Check calls without an argument */

START_TEST(ExtremesAreAsInDouble) {
    if (checked->binary) check_binary_extremes(checked);
    else check_unary_extremes(checked);
}
END_TEST

START_TEST(EveryShapeAndLayout) { check_unary(checked); }
END_TEST

START_TEST(IntegersAreRefused) { check_unary_refused(checked->op, checked->options); }
END_TEST

START_TEST(EveryBroadcastAndLayout) { check_binary(checked); }
END_TEST

START_TEST(IntegersAndMisfitsAreRefused) { check_binary_refused(checked->op); }
END_TEST

int run_unary_tests(const char *name, const op_case *any, const TTest *const *own) {
    checked = any;
    return run_tests_of_kind(name, TESTS(ExtremesAreAsInDouble, EveryShapeAndLayout, IntegersAreRefused), own);
}

int run_binary_tests(const char *name, const op_case *any, const TTest *const *own) {
    checked = any;
    return run_tests_of_kind(name, TESTS(ExtremesAreAsInDouble, EveryBroadcastAndLayout, IntegersAndMisfitsAreRefused),
                             own);
}
