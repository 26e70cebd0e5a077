/* SPDX-License-Identifier: BSD-3-Clause
 *
 * AdamW in place: moments, their correction at any step, and decay apart from the gradient. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "headloom/options.h"
#include "tests/support/op_check.h"
#include "tests/support/suite.h"

enum { P, M, V, G, RATE, COUNT };

/* Options are floats: what is written 0.9 is the float next to it. */
static void step(const op_case *c, const double *const in[], double *const out[], bool of_sizes) {
    const hl_adamw_config *config = c->options;
    double b1 = (double)(config->beta1 > 0 ? config->beta1 : 0.9f);
    double b2 = (double)(config->beta2 > 0 ? config->beta2 : 0.999f);
    double epsilon = (double)(config->epsilon > 0 ? config->epsilon : 1e-8f), rate = in[RATE][0], t = in[COUNT][0] + 1;
    for (size_t i = 0; i < hl_shape_elements(&c->inputs[P].shape); i++) {
        double g = in[G][i], p = in[P][i], m0 = b1 * in[M][i], m1 = (1 - b1) * g;
        double m = of_sizes ? fabs(m0) + fabs(m1) : m0 + m1, v = b2 * in[V][i] + (1 - b2) * g * g;
        if (v > (double)FLT_MAX) v = INFINITY; /* it is kept as a float, and the move, then, is 0 */
        double move = m / (1 - pow(b1, t)) / (sqrt(v / (1 - pow(b2, t))) + epsilon), decay = (double)config->decay * p;
        out[OP_UPDATED(M)][i] = m;
        out[OP_UPDATED(V)][i] = v;
        out[OP_UPDATED(P)][i] = of_sizes ? fabs(p) + rate * (move + fabs(decay)) : p - rate * (move + decay);
    }
}

/* A rate that is not finite changes nothing. */
static void adamw(const op_case *c, const double *const in[], double *const out[]) {
    if (isfinite(in[RATE][0])) step(c, in, out, false);
}

static void sizes(const op_case *c, const double *const in[], double *const out[]) {
    if (isfinite(in[RATE][0])) step(c, in, out, true);
}

/* In roundings, half a unit of FLT_EPSILON each, of the sum of sizes: 3 in m (1 - beta is exact from beta 1/2 on, else
 * one more), 4 in v, halved by the root; two corrections and their products, root, sum and quotient: 6; the product
 * with the rate, the sum with the decay and the difference: 3. */
static op_case case_of(hl_shape shape, const hl_adamw_config *config, const int32_t *step) {
    return (op_case){.op = HL__OP_adamw,
                     .options = config,
                     .inputs = {{.shape = shape},
                                {.shape = shape},
                                {.shape = shape, .low = 0, .high = 1},
                                {.shape = shape},
                                {.shape = HL_SCALAR, .low = 0.001, .high = 0.1},
                                {.shape = HL_SCALAR, .dtype = HL_I32, .values = step}},
                     .oracle = adamw,
                     .magnitude = sizes,
                     .value = {.relative = 7.5}};
}

static const hl_adamw_config preset = {.decay = 0};

START_TEST(AnyShapeCountAndOptions) {
    hl_adamw_config configs[] = {{.decay = 0},
                                 {.decay = 0.01f},
                                 {.beta1 = 0.5f, .beta2 = 0.9f, .epsilon = 0.1f, .decay = 0.3f},
                                 {.beta1 = 0.25f, .beta2 = 0.99f}};
    hl_shape shapes[] = {HL_SCALAR,       HL_SHAPE(1),       HL_SHAPE(7),
                         HL_SHAPE(5, 19), HL_SHAPE(130, 67), HL_SHAPE(2, 1, 3, 33)};
    int32_t steps[] = {0, 1, 9, 1000, 123456789, INT32_MAX};
    for (size_t i = 0; i < 4; i++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            op_case c = case_of(shapes[s], &configs[i], &steps[(s + i) % 6]);
            c.seed = s;
            op_check(&c);
        }
}
END_TEST

/* From moments of zero, each step from where the one before it led. */
START_TEST(StepsFollowOneAnother) {
    enum { N = 37 };
    hl_adamw_config config = {.decay = 0.1f};
    float p[N], m[N] = {0}, v[N] = {0}, g[N], rate = 0.05f;
    for (size_t i = 0; i < N; i++) p[i] = sinf((float)i);
    for (int32_t t = 0; t < 8; t++) {
        for (size_t i = 0; i < N; i++) g[i] = i == 3 ? 0 : 2 * p[i] + 0.1f * cosf((float)(i * 7) + (float)t);
        op_case c = case_of(HL_SHAPE(N), &config, &t);
        const float *values[] = {p, m, v, g, &rate};
        double in[5][N], next[3][N];
        double *out[OP_UPDATED(3)] = {[OP_UPDATED(P)] = next[0], [OP_UPDATED(M)] = next[1], [OP_UPDATED(V)] = next[2]};
        for (size_t input = P; input <= RATE; input++) {
            c.inputs[input].values = values[input];
            for (size_t i = 0; i < (input == RATE ? 1 : N); i++) in[input][i] = (double)values[input][i];
        }
        op_check(&c);
        step(&c, (const double *[]){in[P], in[M], in[V], in[G], in[RATE], (double[]){t}}, out, false);
        for (size_t i = 0; i < N; i++) {
            p[i] = (float)next[0][i];
            m[i] = (float)next[1][i];
            v[i] = (float)next[2][i];
        }
    }
    ck_assert(m[3] == 0 && v[3] == 0); /* no gradient: nothing but decay, (1 - 0.005)^8 of what it was */
    ck_assert_double_eq_tol((double)p[3], sin(3) * pow(1 - 0.005, 8), 1e-6);
}
END_TEST

/* Vectors, matrices, and matrices of heads, which are cut as their gradients are. */
START_TEST(EightTilesAtLeast) {
    int32_t step = 3;
    hl_shape shapes[] = {HL_SHAPE(40),         HL_SHAPE(200, 300),    HL_SHAPE(130, 9),     HL_SHAPE(70, 5, 20),
                         HL_SHAPE(130, 7, 30), HL_SHAPE(140, 2, 300), HL_SHAPE(3, 4, 1, 33)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        op_case c = case_of(shapes[i], &preset, &step);
        c.min_tiles = 8;
        op_check(&c);
    }
}
END_TEST

START_TEST(StridedGradientsAreRead) {
    int32_t step = 3;
    hl_layout layouts[] = {HL_LAYOUT_ROWS, HL_LAYOUT_ANY};
    for (size_t i = 0; i < 2; i++) {
        op_case c = case_of(HL_SHAPE(3, 4, 19), &preset, &step);
        c.inputs[G].layout = layouts[i];
        op_check(&c);
    }
}
END_TEST

/* Neither parameter nor moments: what they hold outlives the rate. */
START_TEST(ARateThatIsNotFiniteChangesNothing) {
    int32_t count = 2;
    float rates[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        op_case c = case_of(HL_SHAPE(5, 19), &preset, &count);
        c.inputs[RATE].values = &rates[i];
        c.magnitude = NULL;
        c.value = (op_bound){0};
        op_check(&c);
    }
}
END_TEST

START_TEST(WhatDoesNotFitIsRefused) {
    int32_t step = 0;
    hl_adamw_config wrong[] = {{.beta1 = 1},  {.beta2 = 1},    {.beta1 = -0.1f},   {.beta2 = NAN},
                               {.beta2 = -1}, {.epsilon = -1}, {.epsilon = NAN},   {.epsilon = INFINITY},
                               {.decay = -1}, {.decay = NAN},  {.decay = INFINITY}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        op_case c = case_of(HL_SHAPE(3, 4), &wrong[i], &step);
        op_check_refused(&c, HL_OUT_OF_RANGE);
    }
    for (size_t input = M; input <= COUNT; input++) {
        op_case c = case_of(HL_SHAPE(3, 4), &preset, &step);
        c.inputs[input].shape = HL_SHAPE(4, 3);
        op_check_refused(&c, HL_SHAPE_MISMATCH);
        c.inputs[input].shape = HL_SHAPE(1);
        op_check_refused(&c, HL_SHAPE_MISMATCH);
    }
    for (size_t input = P; input <= COUNT; input++) {
        op_case c = case_of(HL_SHAPE(3, 4), &preset, &step);
        c.inputs[input].dtype = input == COUNT ? HL_F32 : HL_I32;
        op_check_refused(&c, HL_TYPE_MISMATCH);
    }
}
END_TEST

/* After -1 updates the corrections would divide by 1 - 1. */
START_TEST(CountsBelowZeroAreKeptOut) {
    hl_view views[6];
    for (size_t i = 0; i < 6; i++) views[i] = (hl_view){.dtype = i == COUNT ? HL_I32 : HL_F32, .shape = HL_SCALAR};
    hl_inference rule = {.options = &preset, .n_inputs = 6, .input = views, .index_min = {[COUNT] = INT32_MIN}};
    ck_assert_int_eq(hl__operator(HL__OP_adamw)->infer(&rule), HL_OK);
    ck_assert_int_eq(rule.index_min[COUNT], 0);
    ck_assert_uint_eq(rule.finite, 1u << RATE);
}
END_TEST

START_TEST(ExtremesAreAsInDouble) {
    const int32_t count = 3;
    op_case c = case_of(HL_SHAPE(3, 21), &preset, &count);
    c.never_extreme = 1u << M | 1u << V; /* which this operator alone makes */
    op_extremes(&c);
}
END_TEST

int main(void) {
    return run_tests("adamw", TESTS(ExtremesAreAsInDouble, CountsBelowZeroAreKeptOut, AnyShapeCountAndOptions,
                                    StepsFollowOneAnother, EightTilesAtLeast, StridedGradientsAreRead,
                                    ARateThatIsNotFiniteChangesNothing, WhatDoesNotFitIsRefused));
}
