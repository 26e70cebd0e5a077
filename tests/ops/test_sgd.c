/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Stochastic gradient descent in place: with and without momentum and decay. */
#include <math.h>

#include "headloom/options.h"
#include "tests/support/op_check.h"
#include "tests/support/suite.h"

enum { P, V, G, RATE, COUNT };

static void step(const op_case *c, const double *const in[], double *const out[], bool of_sizes) {
    const hl_sgd_config *config = c->options;
    double sign = of_sizes ? 1 : -1;
    for (size_t i = 0; i < hl_shape_elements(&c->inputs[P].shape); i++) {
        double terms[] = {in[V] ? (double)config->momentum * in[V][i] : 0, in[G][i], (double)config->decay * in[P][i]};
        double v = 0, p = of_sizes ? fabs(in[P][i]) : in[P][i];
        for (size_t k = 0; k < 3; k++) v += of_sizes ? fabs(terms[k]) : terms[k];
        if (in[V]) out[OP_UPDATED(V)][i] = v;
        out[OP_UPDATED(P)][i] = p + sign * in[RATE][0] * v;
    }
}

/* A rate that is not finite changes nothing. */
static void sgd(const op_case *c, const double *const in[], double *const out[]) {
    if (isfinite(in[RATE][0])) step(c, in, out, false);
}

static void sizes(const op_case *c, const double *const in[], double *const out[]) {
    if (isfinite(in[RATE][0])) step(c, in, out, true);
}

/* Two products and two sums in v, one more of each in p: 6 roundings of the sum of sizes, half a unit of FLT_EPSILON
 * each. */
static op_case case_of(hl_shape shape, const hl_sgd_config *config) {
    return (op_case){.op = HL__OP_sgd,
                     .options = config,
                     .inputs = {{.shape = shape},
                                {.shape = shape, .absent = config->momentum == 0},
                                {.shape = shape},
                                {.shape = HL_SCALAR, .low = 0.01, .high = 0.5},
                                {.shape = HL_SCALAR, .dtype = HL_I32, .low = 0, .high = 9}},
                     .oracle = sgd,
                     .magnitude = sizes,
                     .value = {.relative = 3}};
}

START_TEST(MomentumAndDecayAtAnyShape) {
    hl_sgd_config configs[] = {
        {.momentum = 0}, {.decay = 0.01f}, {.momentum = 0.9f}, {.momentum = 0.5f, .decay = 0.1f}};
    hl_shape shapes[] = {HL_SCALAR,       HL_SHAPE(1),       HL_SHAPE(7),
                         HL_SHAPE(5, 19), HL_SHAPE(130, 67), HL_SHAPE(2, 1, 3, 33)};
    for (size_t i = 0; i < 4; i++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            op_case c = case_of(shapes[s], &configs[i]);
            c.seed = s;
            op_check(&c);
        }
}
END_TEST

/* A velocity that is given without momentum holds the last step. */
START_TEST(VelocityWithoutMomentumIsTheStep) {
    hl_sgd_config config = {.decay = 0.01f};
    op_case c = case_of(HL_SHAPE(3, 19), &config);
    c.inputs[V].absent = false;
    op_check(&c);
}
END_TEST

/* Vectors, matrices, and matrices of heads, which are cut as their gradients are. */
START_TEST(EightTilesAtLeast) {
    hl_sgd_config config = {.momentum = 0.9f};
    hl_shape shapes[] = {HL_SHAPE(40),         HL_SHAPE(200, 300),    HL_SHAPE(130, 9),     HL_SHAPE(70, 5, 20),
                         HL_SHAPE(130, 7, 30), HL_SHAPE(140, 2, 300), HL_SHAPE(3, 4, 1, 33)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        op_case c = case_of(shapes[i], &config);
        c.min_tiles = 8;
        op_check(&c);
    }
}
END_TEST

START_TEST(StridedGradientsAreRead) {
    hl_sgd_config config = {.momentum = 0.9f};
    hl_layout layouts[] = {HL_LAYOUT_ROWS, HL_LAYOUT_ANY};
    for (size_t i = 0; i < 2; i++) {
        op_case c = case_of(HL_SHAPE(3, 4, 19), &config);
        c.inputs[G].layout = layouts[i];
        op_check(&c);
    }
}
END_TEST

/* Whoever does not count has no count to give. */
START_TEST(TheCountIsNotLookedAt) {
    hl_sgd_config config = {.momentum = 0.9f};
    op_case c = case_of(HL_SHAPE(5, 19), &config);
    c.inputs[COUNT].absent = true;
    op_check(&c);
    c.n_inputs = COUNT;
    op_check(&c);
}
END_TEST

START_TEST(ARateThatIsNotFiniteChangesNothing) {
    float rates[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        hl_sgd_config config = {.momentum = 0.9f};
        op_case c = case_of(HL_SHAPE(5, 19), &config);
        c.inputs[RATE].values = &rates[i];
        c.magnitude = NULL;
        c.value = (op_bound){0};
        op_check(&c);
    }
}
END_TEST

START_TEST(WhatDoesNotFitIsRefused) {
    hl_sgd_config good = {.momentum = 0.9f}, wrong[] = {{.momentum = 1},  {.momentum = -0.1f}, {.momentum = NAN},
                                                        {.decay = -0.1f}, {.decay = NAN},      {.decay = INFINITY}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        op_case c = case_of(HL_SHAPE(3, 4), &wrong[i]);
        op_check_refused(&c, HL_OUT_OF_RANGE);
    }
    hl_shape shapes[] = {HL_SCALAR, HL_SHAPE(12), HL_SHAPE(3, 1), HL_SHAPE(3, 4, 1)};
    for (size_t i = 0; i < 8; i++) {
        op_case c = case_of(HL_SHAPE(3, 4), &good);
        c.inputs[i % 2 ? G : V].shape = shapes[i / 2];
        op_check_refused(&c, HL_SHAPE_MISMATCH);
    }
    for (size_t input = P; input <= COUNT; input++) {
        op_case c = case_of(HL_SHAPE(3, 4), &good);
        c.inputs[input].dtype = input == COUNT ? HL_F32 : HL_I32;
        op_check_refused(&c, HL_TYPE_MISMATCH);
    }
    op_case c = case_of(HL_SHAPE(3, 4), &good);
    c.inputs[RATE].shape = HL_SHAPE(1);
    op_check_refused(&c, HL_SHAPE_MISMATCH);
    c = case_of(HL_SHAPE(3, 4), &good);
    c.inputs[V].absent = true;
    op_check_refused(&c, HL_INVALID_ARGUMENT);
}
END_TEST

START_TEST(ExtremesAreAsInDouble) {
    hl_sgd_config config = {.momentum = 0.9f, .decay = 0.01f};
    op_case c = case_of(HL_SHAPE(3, 21), &config);
    op_extremes(&c);
}
END_TEST

int main(void) {
    return run_tests("sgd", TESTS(ExtremesAreAsInDouble, MomentumAndDecayAtAnyShape, VelocityWithoutMomentumIsTheStep,
                                  EightTilesAtLeast, StridedGradientsAreRead, TheCountIsNotLookedAt,
                                  ARateThatIsNotFiniteChangesNothing, WhatDoesNotFitIsRefused));
}
