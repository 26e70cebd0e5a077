/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The oracle: the same block in double, by another way. A row of it never makes the keys and values of all tokens: with
 * q = x_t Wq + bq for one head,
 *
 *     score_j = (q . (x_j Wk + bk)) / sqrt(D) = (x_j . (Wk q) + q . bk) / sqrt(D)
 *     sum_j p_j (x_j Wv + bv)                 = (sum_j p_j x_j) Wv + bv
 *
 * so that a row costs T W instead of T W^2, and some rows can be checked before every measurement. */
#include "bench/oracles/block_oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/oracles/check.h"
#include "bench/subjects/block_subject.h"

/* o [size] of head h; room: [tokens] + 2 [width] + [size]. */
static void oracle_head(const block_shape *shape, double *const part[], size_t b, size_t t, size_t h, double *o,
                        double *room) {
    size_t T = shape->tokens, W = shape->width, D = W / shape->heads;
    const double *x = part[BLOCK_X] + b * T * W, *x_t = x + t * W;
    double *score = room, *key = score + T, *mix = key + W, *q = mix + W;

    memcpy(q, part[BLOCK_BQ] + h * D, D * sizeof q[0]);
    for (size_t i = 0; i < W; i++)
        for (size_t d = 0; d < D; d++) q[d] += x_t[i] * part[BLOCK_WQ][i * W + h * D + d];
    for (size_t i = 0; i < W; i++) key[i] = bench_dot(part[BLOCK_WK] + i * W + h * D, q, D);
    double constant = bench_dot(q, part[BLOCK_BK] + h * D, D);
    for (size_t j = 0; j < T; j++)
        score[j] = bench_mask_sees(&shape->mask, t, j) ? (bench_dot(x + j * W, key, W) + constant) / sqrt((double)D)
                                                       : -INFINITY;
    bench_softmax(score, T);

    memset(mix, 0, W * sizeof mix[0]);
    for (size_t j = 0; j < T; j++)
        for (size_t i = 0; score[j] > 0 && i < W; i++) mix[i] += score[j] * x[j * W + i];
    memcpy(o, part[BLOCK_BV] + h * D, D * sizeof o[0]);
    for (size_t i = 0; i < W; i++)
        for (size_t d = 0; d < D; d++) o[d] += mix[i] * part[BLOCK_WV][i * W + h * D + d];
}

bool block_oracle_row(const bench_subject *subject, double *const part[], size_t row, double *y, double *magnitude) {
    const block_shape *shape = subject->context;
    size_t b = row / shape->tokens, t = row % shape->tokens;
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
