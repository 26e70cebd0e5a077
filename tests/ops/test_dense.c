/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Dense: a matrix for every token, or for every token over its heads, with or without bias, scale and residual, and
 * each activation with its gradient. */
#include <float.h>
#include <math.h>

#include "headloom/options.h"
#include "tests/support/activation_oracle.h"
#include "tests/support/long_sums.h"
#include "tests/support/suite.h"

enum { X, W, BIAS, RESIDUAL };

static size_t inner_of(const op_case *c) {
    const hl_dense_config *config = c->options;
    return c->inputs[W].shape.extent[config->transposed ? 1 : 0];
}

/* Offset in x of token t (counted over everything outside) and column k. */
static size_t place_of(const op_case *c, size_t t, size_t k) {
    const hl_dense_config *config = c->options;
    const size_t *x = c->inputs[X].shape.extent;
    if (!config->heads) return t * inner_of(c) + k;
    size_t H = x[1], T = x[2], D = x[3];
    return ((t / T * H + k / D) * T + t % T) * D + k % D;
}

static double scale_of(const hl_dense_config *config) { return config->scale != 0 ? (double)config->scale : 1; }

/* z of token t and column n; *size is the same of sizes. */
static double sum_of(const op_case *c, const double *const in[], size_t t, size_t n, double *size) {
    const hl_dense_config *config = c->options;
    size_t K = inner_of(c), N = c->inputs[W].shape.extent[config->transposed ? 0 : 1];
    double z = in[BIAS] ? in[BIAS][n] : 0;
    *size = fabs(z);
    for (size_t k = 0; k < K; k++) {
        double product = in[X][place_of(c, t, k)] * in[W][config->transposed ? n * K + k : k * N + n];
        z += product;
        *size += fabs(product);
    }
    *size *= fabs(scale_of(config));
    return z * scale_of(config);
}

/* In units of FLT_EPSILON, two roundings: K products, sums and the bias are off by as many halves of their sizes
 * (Higham 2002, section 3.1), and so is a scale; one rounding is left for the residual. */
static double sum_units(const op_case *c) {
    const hl_dense_config *config = c->options;
    return 1.01 * ((double)(inner_of(c) + 2) / 2 + (config->scale != 0 ? 0.5 : 0));
}

static void results(const op_case *c, const double *const in[], double *y, bool of_sizes) {
    const hl_dense_config *config = c->options;
    size_t N = hl_shape_elements(&c->inputs[W].shape) / inner_of(c);
    size_t tokens = hl_shape_elements(&c->inputs[X].shape) / inner_of(c);
    for (size_t t = 0; t < tokens; t++)
        for (size_t n = 0; n < N; n++) {
            double residual = in[RESIDUAL] ? in[RESIDUAL][t * N + n] : 0, size, z = sum_of(c, in, t, n, &size);
            y[t * N + n] = activation_value(config->activation, z) + residual;
            if (!of_sizes) continue;
            double off = (double)FLT_EPSILON * sum_units(c);
            if (size > (double)FLT_MAX) size = INFINITY; /* the sum may overflow on its way, either way */
            else if (config->activation > HL_ACTIVATION_RELU)
                size = activation_value_error(config->activation, z, off * size) / off;
            y[t * N + n] = size + fabs(residual);
        }
}

static void dense(const op_case *c, const double *const in[], double *const out[]) { results(c, in, out[0], false); }
static void sizes(const op_case *c, const double *const in[], double *const out[]) { results(c, in, out[0], true); }

/* dz = dy act'(z) scale; dx = dz w^T, dw = x^T dz, and sums of dz. of_sizes: sums of the sizes of their terms, and of
 * what the slopes are off by because z is and because they round, in parts of the case's bound. */
static void slopes_of(const op_case *c, const double *const in[], const double *dy, double *const d_in[],
                      bool of_sizes) {
    const hl_dense_config *config = c->options;
    size_t K = inner_of(c), N = c->inputs[W].shape.extent[config->transposed ? 0 : 1];
    size_t tokens = hl_shape_elements(&c->inputs[X].shape) / K;
    double off = (double)FLT_EPSILON * sum_units(c), units = (double)FLT_EPSILON * c->gradient.relative;
    for (size_t e = 0; e < tokens * N; e++) {
        size_t t = e / N, n = e % N;
        double size, z = sum_of(c, in, t, n, &size), scale = scale_of(config);
        double dz = activation_slope(config->activation, dy[e], z) * scale;
        if (of_sizes) {
            dz = fabs(dz);
            if (fmax(size, dz) > (double)FLT_MAX) dz = INFINITY;                       /* of floats, too */
            else if (config->activation > HL_ACTIVATION_RELU || fabs(z) <= off * size) /* ReLU is off near 0 alone */
                dz += fabs(dy[e] * scale) * activation_slope_error(config->activation, z, off * size) / units;
        }
        for (size_t k = 0; k < K; k++) {
            size_t at_x = place_of(c, t, k), at_w = config->transposed ? n * K + k : k * N + n;
            double dx = dz * in[W][at_w], dw = dz * in[X][at_x];
            if (d_in[X]) d_in[X][at_x] += of_sizes ? fabs(dx) : dx;
            if (d_in[W]) d_in[W][at_w] += of_sizes ? fabs(dw) : dw;
        }
        if (d_in[BIAS]) d_in[BIAS][n] += dz;
        if (d_in[RESIDUAL]) d_in[RESIDUAL][e] = of_sizes ? fabs(dy[e]) : dy[e];
    }
}

static void slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    slopes_of(c, in, d_out[0], d_in, false);
}

static void slope_sizes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    slopes_of(c, in, d_out[0], d_in, true);
}

/* Gradients sum dz over N columns or over tokens, (n + 1) / 2 units of their sizes, and a scale rounds dz. Weights are
 * within -reach .. reach. */
static op_case case_of(hl_shape x, size_t N, double reach, const hl_dense_config *config) {
    size_t K = config->heads ? x.extent[1] * x.extent[3] : x.extent[x.rank - 1];
    double tokens = (double)(hl_shape_elements(&x) / K), once = config->scale != 0 ? 0.5 : 0;
    op_case c = {
        .op = HL__OP_dense,
        .options = config,
        .inputs = {{.shape = x},
                   {.shape = config->transposed ? HL_SHAPE(N, K) : HL_SHAPE(K, N), .low = -reach, .high = reach},
                   {.shape = HL_SHAPE(N)},
                   {.absent = true}},
        .oracle = dense,
        .magnitude = sizes,
        .slopes = slopes,
        .slope_sizes = slope_sizes,
        .gradient = {.relative = 1.01 * ((fmax((double)N, tokens) + 2) / 2 + once)},
        .samples = 30};
    c.value.relative = sum_units(&c);
    return c;
}

static const hl_dense_config plain = {.activation = HL_ACTIVATION_NONE}, headed = {.heads = true},
                             turned = {.transposed = true};

START_TEST(AnyRankAndExtents) {
    struct {
        hl_shape x;
        size_t N;
    } shapes[] = {{HL_SHAPE(1), 1},
                  {HL_SHAPE(5), 3},
                  {HL_SHAPE(7, 9), 17},
                  {HL_SHAPE(65, 64), 65},
                  {HL_SHAPE(129, 33), 2},
                  {HL_SHAPE(3, 21, 16), 64},
                  {HL_SHAPE(5, 1, 70), 66},
                  {HL_SHAPE(2, 66, 3), 5},
                  {HL_SHAPE(2, 3, 4, 5), 6},
                  {HL_SHAPE(3, 9, 30, 2), 3},
                  {HL_SHAPE(2, 2, 5, 13, 3), 4},
                  {HL_SHAPE(2, 1, 2, 1, 3, 5), 19}};
    for (size_t i = 0; i < 2 * sizeof shapes / sizeof *shapes; i++) {
        op_case c = case_of(shapes[i / 2].x, shapes[i / 2].N, 1, &plain);
        c.inputs[BIAS].absent = i % 2;
        op_check(&c);
    }
}
END_TEST

START_TEST(HeadsAreConcatenatedWithoutACopy) {
    struct {
        hl_shape x;
        size_t N;
    } shapes[] = {{HL_SHAPE(1, 1, 1, 1), 1},  {HL_SHAPE(2, 3, 5, 4), 7},   {HL_SHAPE(1, 5, 67, 3), 65},
                  {HL_SHAPE(9, 2, 7, 33), 4}, {HL_SHAPE(3, 4, 1, 16), 20}, {HL_SHAPE(2, 2, 64, 65), 17}};
    for (size_t i = 0; i < 2 * sizeof shapes / sizeof *shapes; i++) {
        op_case c = case_of(shapes[i / 2].x, shapes[i / 2].N, 1, &headed);
        c.inputs[BIAS].absent = i % 2;
        c.samples = 12;
        op_check(&c);
    }
}
END_TEST

/* What is read in rows otherwise is read in columns, forward and backward. */
START_TEST(TransposedMatrices) {
    struct {
        hl_shape x;
        size_t N;
    } shapes[] = {{HL_SHAPE(1), 1},           {HL_SHAPE(7, 9), 17},        {HL_SHAPE(65, 64), 65},
                  {HL_SHAPE(3, 21, 16), 64},  {HL_SHAPE(33, 400), 70},     {HL_SHAPE(20, 5), 450},
                  {HL_SHAPE(450, 2), 260},    {HL_SHAPE(2, 3, 5, 4), 7},   {HL_SHAPE(1, 5, 67, 3), 65},
                  {HL_SHAPE(2, 65, 9, 3), 4}, {HL_SHAPE(2, 2, 64, 65), 17}};
    for (size_t i = 0; i < 2 * sizeof shapes / sizeof *shapes; i++) {
        hl_dense_config config = {.transposed = true,
                                  .heads = i / 2 >= 7,
                                  .activation = i % 4 == 3 ? HL_ACTIVATION_GELU : HL_ACTIVATION_NONE};
        op_case c = case_of(shapes[i / 2].x, shapes[i / 2].N, config.activation ? 0.25 : 1, &config);
        c.inputs[BIAS].absent = i % 2;
        c.samples = 5;
        op_check(&c);
    }
    hl_dense_config config = {.transposed = true};
    op_case c = case_of(HL_SHAPE(7, 24), 5, 1, &config);
    c.inputs[W].shape = HL_SHAPE(24, 5);
    op_check_refused(&c, HL_SHAPE_MISMATCH);
}
END_TEST

/* Its gradient is dy, and costs nothing. */
START_TEST(ResidualsAreAdded) {
    struct {
        hl_shape x;
        size_t N;
        hl_dense_config config;
    } cases[] = {{HL_SHAPE(1), 1, plain},
                 {HL_SHAPE(65, 64), 65, plain},
                 {HL_SHAPE(3, 21, 16), 64, plain},
                 {HL_SHAPE(2, 3, 4, 5), 6, plain},
                 {HL_SHAPE(450, 2), 260, plain},
                 {HL_SHAPE(2, 3, 5, 4), 7, headed},
                 {HL_SHAPE(1, 5, 67, 3), 65, headed},
                 {HL_SHAPE(33, 20), 70, {.transposed = true}},
                 {HL_SHAPE(450, 2), 260, {.transposed = true}},
                 {HL_SHAPE(2, 2, 64, 65), 17, {.transposed = true, .heads = true}}};
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        op_case c = case_of(cases[i / 2].x, cases[i / 2].N, 1, &cases[i / 2].config);
        hl_shape x = c.inputs[X].shape, y = x;
        if (cases[i / 2].config.heads) y = HL_SHAPE(x.extent[0], x.extent[2], 0);
        y.extent[y.rank - 1] = cases[i / 2].N;
        c.inputs[RESIDUAL] = (op_input){.shape = y, .layout = i % 4 == 1 ? HL_LAYOUT_ANY : HL_LAYOUT_DENSE};
        c.inputs[BIAS].absent = i % 2;
        c.samples = 9;
        op_check(&c);
    }
}
END_TEST

START_TEST(ActivationsAndTheirGradients) {
    for (int i = 0; i < 42; i++) {
        hl_dense_config config = {.activation = (hl_activation)(i / 2 % 7), .heads = i >= 28};
        hl_shape shapes[] = {HL_SHAPE(2, 19, 21), HL_SHAPE(67, 18), HL_SHAPE(2, 3, 19, 7)};
        op_case c = case_of(shapes[i / 14], 37, 0.25, &config);
        c.inputs[BIAS].absent = i % 2;
        op_check(&c);
    }
}
END_TEST

/* Far from zero they are flat: 0, z or +-1, and nothing overflows on the way. */
START_TEST(ActivationsOfLargeNumbers) {
    for (int activation = HL_ACTIVATION_NONE; activation <= HL_ACTIVATION_SILU; activation++) {
        hl_dense_config config = {.activation = (hl_activation)activation};
        op_case c = case_of(HL_SHAPE(6, 9), 20, 40, &config);
        op_check(&c);
    }
}
END_TEST

/* Before activation and residual; the gradient of the residual has none of it. */
START_TEST(ScalesOfSums) {
    static const float factors[] = {0.3f, -1.7f, 1};
    for (int i = 0; i < 60; i++) {
        hl_dense_config config = {
            .activation =
                (hl_activation)(i % 5 % 4 + (i % 5 % 4 ? i / 15 % 2 * 3 : 0)), /* none comes twice: with a residual */
            .scale = factors[i / 5 % 3],
            .heads = i / 15 % 2,
            .transposed = i % 2};
        op_case c = case_of(config.heads ? HL_SHAPE(2, 3, 19, 7) : HL_SHAPE(2, 19, 21), 37, 0.25, &config);
        if (i % 5 == 4) c.inputs[RESIDUAL] = (op_input){.shape = HL_SHAPE(2, 19, 37)};
        c.inputs[BIAS].absent = i >= 30;
        c.d_output_layout = i % 4 == 3 ? HL_LAYOUT_ANY : HL_LAYOUT_DENSE;
        c.samples = 10;
        op_check(&c);
    }
}
END_TEST

/* Heads that share a tile and the one left over, sums in chunks of 384, tiles of 128 and 256 columns and of 128 tokens:
 * none of them changes what is computed. */
START_TEST(BlocksOfEverySize) {
    struct {
        hl_shape x;
        size_t N;
    } shapes[] = {{HL_SHAPE(33, 400), 70},      {HL_SHAPE(2, 9, 770), 3},     {HL_SHAPE(20, 5), 450},
                  {HL_SHAPE(450, 2), 260},      {HL_SHAPE(8200, 3), 5},       {HL_SHAPE(600, 20, 3), 2},
                  {HL_SHAPE(2, 65, 70, 3), 4},  {HL_SHAPE(3, 5, 9, 20), 7},   {HL_SHAPE(2, 7, 40, 30), 9},
                  {HL_SHAPE(1, 2, 20, 400), 3}, {HL_SHAPE(3, 2, 2740, 2), 3}, {HL_SHAPE(1, 5, 450, 60), 3}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        op_case c = case_of(shapes[i].x, shapes[i].N, 1, i < 7 ? &plain : &headed);
        c.samples = 3;
        op_check(&c);
    }
}
END_TEST

/* Weights whose rows are 4 KiB apart are copied behind the first 24 rows of a product: with tokens that are gathered
 * from short heads and without, and a last chunk. */
START_TEST(WeightsWhoseRowsMeetInCache) {
    hl_shape shapes[] = {HL_SHAPE(2, 3, 19, 7), HL_SHAPE(1, 30, 26, 9), HL_SHAPE(1, 2, 30, 130), HL_SHAPE(30, 400)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        hl_dense_config config = {.heads = shapes[i].rank == 4};
        op_case c = case_of(shapes[i], 1024, 0.25, &config);
        c.samples = 1;
        op_check(&c);
    }
}
END_TEST

START_TEST(LargerShapesMakeEightTiles) {
    for (int i = 0; i < 3; i++) {
        hl_dense_config config = {.activation = i == 1 ? HL_ACTIVATION_GELU : HL_ACTIVATION_NONE, .heads = i == 2};
        op_case c = case_of(i == 2 ? HL_SHAPE(2, 4, 70, 40) : HL_SHAPE(2, 70, 150), 190, 0.25, &config);
        c.min_tiles = 8;
        c.samples = 2;
        op_check(&c);
    }
}
END_TEST

/* Weight gradients of more than 512 tokens are added block after block. */
START_TEST(ManyTokensAreAddedInOrder) {
    hl_shape shapes[] = {HL_SHAPE(1100, 3), HL_SHAPE(3, 515, 4), HL_SHAPE(2, 41, 30, 3), HL_SHAPE(3, 2, 515, 2)};
    for (size_t i = 0; i < 4; i++) {
        op_case c = case_of(shapes[i], 5, 1, i == 3 ? &headed : &plain);
        c.samples = 9;
        op_check(&c);
    }
}
END_TEST

START_TEST(StridedOperandsAreRead) {
    for (int i = 0; i < 16; i++) {
        hl_dense_config config = {.activation = (hl_activation)(i % 4), .heads = i / 4 % 2};
        op_case c = case_of(config.heads ? HL_SHAPE(2, 3, 5, 4) : HL_SHAPE(2, 5, 12), 7, 0.5, &config);
        hl_layout layout = i < 8 ? HL_LAYOUT_ROWS : HL_LAYOUT_ANY;
        for (size_t input = X; input <= BIAS; input++) c.inputs[input].layout = layout;
        c.d_output_layout = layout;
        op_check(&c);
    }
}
END_TEST

static void check_long(hl_shape x, const hl_dense_config *config, size_t n_terms) {
    size_t tokens = hl_shape_elements(&x) / (config->heads ? x.extent[1] * x.extent[3] : x.extent[x.rank - 1]);
    for (size_t i = 0; i < n_terms; i++) {
        op_case c = case_of(x, 1, 1, config);
        if (long_sum_terms[i].low >= 0) c.inputs[X].low = c.inputs[X].high = 1;
        long_sum_check(&c, tokens, i);
    }
}

/* Blocks of 512 tokens: one less, and one more, than make a block and than make 64 blocks, from which on a tile takes
 * several. */
START_TEST(GradientsOfManyTokensKeepTheirDigits) {
    size_t tokens[] = {511, 512, 513, 1025, 64 * 512 - 1, 64 * 512, 64 * 512 + 1};
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
        check_long(HL_SHAPE(tokens[i], 1), i % 2 ? &turned : &plain, LONG_SUM_TERMS);
    check_long(HL_SHAPE(LONG_SUM, 1), &plain, 1);
}
END_TEST

/* Blocks that are filled by sequences, by parts of them, or by little: sequences behind a fourth axis are apart. */
START_TEST(GradientsOfManySequencesKeepTheirDigits) {
    check_long(HL_SHAPE(12000, 4, 1), &turned, 1);
    check_long(HL_SHAPE(160, 300, 1), &plain, 1);
    check_long(HL_SHAPE(10000, 1, 3, 1), &plain, 1);
    check_long(HL_SHAPE(12000, 1, 4, 1), &headed, 1);
    check_long(HL_SHAPE(50, 1, 1000, 1), &headed, 1);
}
END_TEST

/* More than 64 blocks of few tokens: each tile takes several. */
START_TEST(TilesOfSeveralBlocksTouchWhatTheyDeclare) {
    struct {
        hl_shape x;
        const hl_dense_config *config;
    } cases[] = {{HL_SHAPE(67, 1, 2, 35), &plain},
                 {HL_SHAPE(5, 13, 1, 3, 70), &turned},
                 {HL_SHAPE(3, 2, 5, 3, 1, 33), &plain},
                 {HL_SHAPE(66, 257, 2), &turned},
                 {HL_SHAPE(66, 2, 257, 1), &headed}};
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        op_case c = case_of(cases[i / 2].x, 5, 1, cases[i / 2].config);
        c.inputs[BIAS].absent = i % 2;
        c.samples = 3;
        op_check(&c);
    }
}
END_TEST

START_TEST(WhatDoesNotFitIsRefused) {
    struct {
        const hl_dense_config *config;
        size_t input;
        hl_shape shape;
    } wrong[] = {{&plain, X, HL_SCALAR},           {&plain, X, HL_SHAPE(3, 25)},    {&plain, W, HL_SHAPE(23, 5)},
                 {&plain, W, HL_SHAPE(24)},        {&plain, W, HL_SHAPE(2, 12, 5)}, {&plain, BIAS, HL_SHAPE(4)},
                 {&plain, BIAS, HL_SHAPE(1, 5)},   {&headed, X, HL_SHAPE(3, 24)},   {&headed, X, HL_SHAPE(2, 3, 7, 9)},
                 {&headed, X, HL_SHAPE(2, 7, 24)}, {&headed, W, HL_SHAPE(8, 5)},    {&headed, BIAS, HL_SCALAR}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        op_case c = case_of(wrong[i].config->heads ? HL_SHAPE(2, 3, 7, 8) : HL_SHAPE(2, 7, 24), 5, 1, wrong[i].config);
        c.inputs[wrong[i].input].shape = wrong[i].shape;
        op_check_refused(&c, HL_SHAPE_MISMATCH);
    }
    hl_shape residuals[] = {HL_SCALAR, HL_SHAPE(5), HL_SHAPE(7, 5), HL_SHAPE(2, 1, 5), HL_SHAPE(2, 7, 24)};
    for (size_t i = 0; i < sizeof residuals / sizeof *residuals; i++) {
        op_case c = case_of(HL_SHAPE(2, 7, 24), 5, 1, &plain);
        c.inputs[RESIDUAL] = (op_input){.shape = residuals[i]};
        op_check_refused(&c, HL_SHAPE_MISMATCH);
    }
    for (size_t input = X; input <= RESIDUAL; input++) {
        op_case c = case_of(HL_SHAPE(2, 7, 24), 5, 1, &plain);
        if (input == RESIDUAL) c.inputs[RESIDUAL] = (op_input){.shape = HL_SHAPE(2, 7, 5)};
        c.inputs[input].dtype = HL_I32;
        op_check_refused(&c, HL_TYPE_MISMATCH);
    }
    hl_dense_config unknown[] = {{.activation = (hl_activation)7},
                                 {.activation = (hl_activation)-1},
                                 {.scale = NAN},
                                 {.scale = INFINITY},
                                 {.scale = -INFINITY},
                                 {.activation = HL_ACTIVATION_RELU}}; /* the last one known, but not with a residual */
    for (size_t i = 0; i < 6; i++) {
        op_case c = case_of(HL_SHAPE(2, 7, 24), 5, 1, &unknown[i]);
        if (i == 5) c.inputs[RESIDUAL] = (op_input){.shape = HL_SHAPE(2, 7, 5)};
        op_check_refused(&c, HL_INVALID_ARGUMENT);
    }
}
END_TEST

START_TEST(ExtremesAreAsInDouble) {
    for (int i = 0; i < 14; i++) { /* each activation twice, with other weights and another scale */
        hl_dense_config config = {.activation = (hl_activation)(i % 7), .transposed = i / 7, .scale = i % 2 ? 2 : 0};
        op_case c = case_of(HL_SHAPE(3, 9), 19, 0.25, &config);
        if (config.activation == HL_ACTIVATION_NONE) c.inputs[RESIDUAL] = (op_input){.shape = HL_SHAPE(3, 19)};
        op_extremes(&c);
    }
}
END_TEST

int main(void) {
    return run_tests("dense",
                     TESTS(ExtremesAreAsInDouble, ScalesOfSums, WeightsWhoseRowsMeetInCache, TransposedMatrices,
                           AnyRankAndExtents, HeadsAreConcatenatedWithoutACopy, ResidualsAreAdded,
                           ActivationsAndTheirGradients, ActivationsOfLargeNumbers, BlocksOfEverySize,
                           LargerShapesMakeEightTiles, ManyTokensAreAddedInOrder, GradientsOfManyTokensKeepTheirDigits,
                           GradientsOfManySequencesKeepTheirDigits, TilesOfSeveralBlocksTouchWhatTheyDeclare,
                           StridedOperandsAreRead, WhatDoesNotFitIsRefused));
}
