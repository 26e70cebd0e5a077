/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The oracle of attention: one query at a time, straight from the definitions. */
#include <Random123/philox.h>
#include <math.h>
#include <stdlib.h>

#include "bench/oracles/check.h"
#include "bench/subjects/attention_subject.h"

/* 0 or 1 / (1 - rate): what hl_dropout promises for element (plane, i, j) before the first step. */
static double dropout_factor(const attention_shape *shape, size_t plane, size_t i, size_t j) {
    philox4x32_key_t seed = {{ATTENTION_SEED, 0}};
    philox4x32_ctr_t node = {{ATTENTION_NODE, 0, 0, 0}};
    philox4x32_ctr_t mixed = philox4x32(node, seed);
    philox4x32_key_t key = {{mixed.v[0], mixed.v[1]}};
    philox4x32_ctr_t counter = {{(uint32_t)(j / 32 * 4 + j % 4), (uint32_t)i, (uint32_t)plane, 0}};
    uint32_t word = philox4x32(counter, key).v[j / 4 % 4], half = j / 16 % 2 ? word >> 16 : word & 0xffff;
    double zeroes = floor((double)(float)shape->dropout * 0x1p16);
    return half >= zeroes ? 0x1p16 / (0x1p16 - zeroes) : 0;
}

bool attention_oracle_row(const bench_subject *subject, double *const part[], size_t row, double *o,
                          double *magnitude) {
    const attention_shape *shape = subject->context;
    size_t T = shape->tokens, D = shape->head_size, plane = row / T, t = row % T;
    const double *q = part[ATTENTION_Q] + row * D;
    size_t H = shape->heads, kv_heads = attention_kv_heads(shape);
    size_t kv_plane = plane / H * kv_heads + plane % H / (H / kv_heads);
    const double *k = part[ATTENTION_K] + kv_plane * T * D, *v = part[ATTENTION_V] + kv_plane * T * D;
    double *p = calloc(T, sizeof p[0]);
    if (!p) return false;
    for (size_t j = 0; j < T; j++)
        p[j] = bench_mask_sees(&shape->mask, t, j) ? bench_dot(q, k + j * D, D) / sqrt((double)D) : -INFINITY;
    bench_softmax(p, T);
    for (size_t d = 0; d < D; d++) o[d] = magnitude[d] = 0;
    for (size_t j = 0; j < T; j++) {
        if (p[j] > 0 && shape->dropout > 0) p[j] *= dropout_factor(shape, plane, t, j);
        for (size_t d = 0; p[j] > 0 && d < D; d++) {
            o[d] += p[j] * v[j * D + d];
            magnitude[d] += fabs(p[j] * v[j * D + d]);
        }
    }
    free(p);
    return true;
}
