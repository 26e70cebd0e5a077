/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The oracle: the same block in double, by another way, and the comparison with it. A row of it never makes the keys
 * and values of all tokens: with q = x_t Wq + bq for one head,
 *
 *     score_j = (q . (x_j Wk + bk)) / sqrt(D) = (x_j . (Wk q) + q . bk) / sqrt(D)
 *     sum_j p_j (x_j Wv + bv)                 = (sum_j p_j x_j) Wv + bv
 *
 * so that a row costs T W instead of T W^2, and some rows can be checked before every measurement. */
#include "bench/block_oracle.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ROWS 8          /* compared in the forward pass */
#define MAX_GRADIENT_ROWS 2 /* rows of y that the checked loss has */

static double dot(const double *a, const double *b, size_t n) {
    double sums[4] = {0};
    for (size_t i = 0; i < n; i++) sums[i % 4] += a[i] * b[i];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/* score: the keys that the mask leaves; becomes their softmax. */
static void softmax(double *score, size_t n) {
    double largest = -INFINITY, sum = 0;
    for (size_t j = 0; j < n; j++) largest = fmax(largest, score[j]);
    for (size_t j = 0; j < n; j++) sum += score[j] = exp(score[j] - largest);
    for (size_t j = 0; j < n; j++) score[j] /= sum;
}

/* o [size] of head h; room: [tokens] + 2 [width] + [size]. */
static void oracle_head(const block_shape *shape, double *const part[BLOCK_N_WRT], size_t b, size_t t, size_t h,
                        double *o, double *room) {
    size_t T = shape->tokens, W = shape->width, D = W / shape->heads;
    const double *x = part[BLOCK_X] + b * T * W, *x_t = x + t * W;
    double *score = room, *key = score + T, *mix = key + W, *q = mix + W;
    size_t keys = shape->mask == HL_MASK_CAUSAL ? t + 1 : T;

    memcpy(q, part[BLOCK_BQ] + h * D, D * sizeof q[0]);
    for (size_t i = 0; i < W; i++)
        for (size_t d = 0; d < D; d++) q[d] += x_t[i] * part[BLOCK_WQ][i * W + h * D + d];
    for (size_t i = 0; i < W; i++) key[i] = dot(part[BLOCK_WK] + i * W + h * D, q, D);
    double constant = dot(q, part[BLOCK_BK] + h * D, D);
    for (size_t j = 0; j < keys; j++) score[j] = (dot(x + j * W, key, W) + constant) / sqrt((double)D);
    softmax(score, keys);

    memset(mix, 0, W * sizeof mix[0]);
    for (size_t j = 0; j < keys; j++)
        for (size_t i = 0; i < W; i++) mix[i] += score[j] * x[j * W + i];
    memcpy(o, part[BLOCK_BV] + h * D, D * sizeof o[0]);
    for (size_t i = 0; i < W; i++)
        for (size_t d = 0; d < D; d++) o[d] += mix[i] * part[BLOCK_WV][i * W + h * D + d];
}

bool block_oracle_row(const block_shape *shape, double *const part[BLOCK_N_WRT], size_t b, size_t t, double *y,
                      double *magnitude) {
    size_t W = shape->width, D = W / shape->heads;
    double *o = calloc(W + shape->tokens + 2 * W + D, sizeof o[0]);
    if (!o) return false;
    for (size_t h = 0; h < shape->heads; h++) oracle_head(shape, part, b, t, h, o + h * D, o + W);
    for (size_t j = 0; j < W; j++) {
        y[j] = part[BLOCK_BO][j];
        magnitude[j] = fabs(y[j]);
    }
    for (size_t i = 0; i < W; i++) {
        for (size_t j = 0; j < W; j++) {
            double term = o[i] * part[BLOCK_WO][i * W + j];
            y[j] += term;
            magnitude[j] += fabs(term);
        }
    }
    free(o);
    return true;
}

/* ---- the comparison ---- */

typedef struct checker {
    block_work *work;
    double *part[BLOCK_N_WRT];
    float *r;       /* as it was */
    float *product; /* a tensor of the program's, the largest of them at most */
    double *y, *magnitude;
    double unit; /* relative error that rounding may make */
} checker;

/* Four products are chained, of inner lengths W, D, T and W. Errors of rounding add up like a random walk, to about
 * sqrt(n) u relative to the magnitudes summed (Higham and Mary 2019); four times that leaves room for its tail and for
 * exp, which turns an error of a score, of magnitude 1 here, into a relative one of the same size. */
static double rounding(const block_shape *shape) {
    size_t D = shape->width / shape->heads;
    return 4 * sqrt((double)(2 * shape->width + D + shape->tokens)) * FLT_EPSILON / 2;
}

static bool read_parts(checker *check) {
    block_work *work = check->work;
    for (int i = 0; i < BLOCK_N_WRT; i++) {
        size_t n = block_part_elements(&work->shape, i);
        check->part[i] = calloc(n, sizeof(double));
        float *values = calloc(n, sizeof(float));
        bool good = check->part[i] && values &&
                    hl_program_read(work->both, work->wrt[i], values, n * sizeof values[0]) == HL_OK;
        for (size_t j = 0; good && j < n; j++) check->part[i][j] = values[j];
        free(values);
        if (!good) return false;
    }
    return true;
}

static bool check_open(block_work *work, checker *check) {
    size_t n_x = block_part_elements(&work->shape, BLOCK_X), n_w = block_part_elements(&work->shape, BLOCK_WO);
    size_t W = work->shape.width;
    *check = (checker){.work = work,
                       .r = calloc(n_x, sizeof(float)),
                       .product = calloc(n_x > n_w ? n_x : n_w, sizeof(float)),
                       .y = calloc(W, sizeof(double)),
                       .magnitude = calloc(W, sizeof(double)),
                       .unit = rounding(&work->shape)};
    return check->r && check->product && check->y && check->magnitude && read_parts(check) &&
           hl_program_read(work->both, work->r, check->r, n_x * sizeof check->r[0]) == HL_OK;
}

static void check_close(checker *check) {
    for (int i = 0; i < BLOCK_N_WRT; i++) free(check->part[i]);
    free(check->r);
    free(check->product);
    free(check->y);
    free(check->magnitude);
}

/* Row number i of n, spread over batch and tokens so that the first and the last are among them. */
static size_t row_of(const block_shape *shape, size_t i, size_t n) {
    size_t rows = shape->batch * shape->tokens;
    return n == 1 ? rows - 1 : i * (rows - 1) / (n - 1);
}

static size_t row_count(const block_shape *shape, size_t most) {
    size_t rows = shape->batch * shape->tokens;
    return rows < most ? rows : most;
}

static bool check_forward(checker *check, block_errors *errors) {
    const block_shape *shape = &check->work->shape;
    size_t W = shape->width, n = row_count(shape, MAX_ROWS);
    if (block_run(check->work->forward) < 0) return false;
    if (hl_program_read(check->work->forward, check->work->y, check->product,
                        shape->batch * shape->tokens * W * sizeof(float)) != HL_OK)
        return false;
    errors->rows = n;
    for (size_t i = 0; i < n; i++) {
        size_t row = row_of(shape, i, n);
        if (!block_oracle_row(shape, check->part, row / shape->tokens, row % shape->tokens, check->y, check->magnitude))
            return false;
        for (size_t j = 0; j < W; j++) {
            double error =
                fabs((double)check->product[row * W + j] - check->y[j]) / (check->unit * check->magnitude[j]);
            if (!(error <= errors->forward)) errors->forward = error; /* also where it is no number */
        }
    }
    return true;
}

/* The loss over the rows that r is kept in. */
static bool oracle_loss(checker *check, double *loss) {
    const block_shape *shape = &check->work->shape;
    size_t W = shape->width, n = row_count(shape, MAX_GRADIENT_ROWS);
    *loss = 0;
    for (size_t i = 0; i < n; i++) {
        size_t row = row_of(shape, i, n);
        if (!block_oracle_row(shape, check->part, row / shape->tokens, row % shape->tokens, check->y, check->magnitude))
            return false;
        for (size_t j = 0; j < W; j++) *loss += check->y[j] * (double)check->r[row * W + j];
    }
    return true;
}

static double sign_of(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 63 ? 1 : -1;
}

/* Adds step times the direction (a random sign for each element) to x and the parameters. */
static void move(checker *check, double step) {
    uint64_t state = 1;
    for (int i = 0; i < BLOCK_N_WRT; i++) {
        size_t n = block_part_elements(&check->work->shape, i);
        for (size_t j = 0; j < n; j++) check->part[i][j] += step * sign_of(&state);
    }
}

/* The gradients' share along the direction, and their norm. */
static bool product_slope(checker *check, double *slope, double *norm) {
    uint64_t state = 1;
    double square = 0;
    *slope = 0;
    for (int i = 0; i < BLOCK_N_WRT; i++) {
        size_t n = block_part_elements(&check->work->shape, i);
        if (hl_program_read(check->work->both, check->work->gradient[i], check->product, n * sizeof(float)) != HL_OK)
            return false;
        for (size_t j = 0; j < n; j++) {
            double g = check->product[j];
            *slope += g * sign_of(&state);
            square += g * g;
        }
    }
    *norm = sqrt(square);
    return true;
}

/* A loss with few rows has gradients for everything, and an oracle that can be afforded. A direction of random signs
 * weighs all elements alike, so that the slope is about as large as the norm, and errors of rounding, some more sums of
 * the same lengths, stay 4 units below it. The central difference itself is exact to about 1e-9. */
static bool check_gradient(checker *check, block_errors *errors) {
    const double step = 0x1p-20;
    const block_shape *shape = &check->work->shape;
    size_t W = shape->width, n = row_count(shape, MAX_GRADIENT_ROWS), n_x = block_part_elements(shape, BLOCK_X);
    memset(check->product, 0, n_x * sizeof(float));
    for (size_t i = 0; i < n; i++) {
        size_t at = row_of(shape, i, n) * W;
        memcpy(check->product + at, check->r + at, W * sizeof(float));
    }
    double slope, norm, above, below;
    bool good = block_write_r(check->work, check->product) && block_run(check->work->both) >= 0 &&
                product_slope(check, &slope, &norm) && block_write_r(check->work, check->r);
    if (!good) return false;
    move(check, step);
    if (!oracle_loss(check, &above)) return false;
    move(check, -2 * step);
    if (!oracle_loss(check, &below)) return false;
    double error = fabs((above - below) / (2 * step) - slope) / (4 * check->unit * norm);
    errors->gradient = error >= 0 ? error : INFINITY;
    return true;
}

bool block_check(block_work *work, block_errors *errors) {
    checker check;
    *errors = (block_errors){0};
    bool good = check_open(work, &check) && check_forward(&check, errors) && check_gradient(&check, errors);
    check_close(&check);
    return good;
}
