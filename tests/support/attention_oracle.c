/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Attention in double, straight from the definitions. */
#include "tests/support/attention_oracle.h"

#include <Random123/philox.h>
#include <math.h>

static bool sees(const hl_score_config *config, size_t Tq, size_t Tk, double length, size_t i, size_t j) {
    double position = (double)i + (double)Tk - (double)Tq, key = (double)j;
    if (key >= length) return false;
    switch (config->mask) {
    case HL_MASK_CAUSAL: return key <= position;
    case HL_MASK_WINDOW: return fabs(position - key) < (double)config->window;
    case HL_MASK_CAUSAL_WINDOW: return key <= position && position - key < (double)config->window;
    case HL_MASK_NONE: break;
    }
    return true;
}

static double bias_at(const hl_shape *shape, const double *bias, size_t b, size_t h, size_t i, size_t j) {
    size_t index[] = {b, h, i, j}, offset = 0;
    for (size_t axis = 0; axis < 4; axis++)
        offset = offset * shape->extent[axis] + (shape->extent[axis] == 1 ? 0 : index[axis]);
    return bias[offset];
}

bool oracle_exists(const op_case *c, const hl_score_config *config, size_t bias, size_t lengths,
                   const double *const in[], size_t plane, size_t i, size_t j) {
    const size_t *q = c->inputs[0].shape.extent, *k = c->inputs[1].shape.extent;
    size_t b = plane / q[1], h = plane % q[1];
    double length = lengths && in[lengths] ? in[lengths][b] : (double)k[2];
    if (!sees(config, q[2], k[2], length, i, j)) return false;
    return !bias || !in[bias] || bias_at(&c->inputs[bias].shape, in[bias], b, h, i, j) != -INFINITY;
}

size_t oracle_shared_plane(size_t plane, size_t heads, size_t shared) {
    return plane / heads * shared + plane % heads * shared / heads;
}

void oracle_scores(const op_case *c, const hl_score_config *config, size_t bias, size_t lengths,
                   const double *const in[], double *s) {
    const size_t *q = c->inputs[0].shape.extent, *k = c->inputs[1].shape.extent;
    size_t B = q[0], H = q[1], Tq = q[2], Tk = k[2], D = q[3];
    double scale = config->scale != 0 ? (double)config->scale : 1 / sqrt((double)D);
    for (size_t b = 0; b < B; b++)
        for (size_t h = 0; h < H; h++)
            for (size_t i = 0; i < Tq; i++)
                for (size_t j = 0; j < Tk; j++, s++) {
                    size_t plane = b * H + h, shared = oracle_shared_plane(plane, H, k[1]);
                    double dot = 0;
                    for (size_t d = 0; d < D; d++)
                        dot += in[0][(plane * Tq + i) * D + d] * in[1][(shared * Tk + j) * D + d];
                    *s = scale * dot;
                    if (bias && in[bias]) *s += bias_at(&c->inputs[bias].shape, in[bias], b, h, i, j);
                    if (!oracle_exists(c, config, bias, lengths, in, plane, i, j)) *s = -INFINITY;
                }
}

void oracle_score_sizes(const op_case *c, const hl_score_config *config, size_t bias, const double *const in[],
                        double *s) {
    const size_t *q = c->inputs[0].shape.extent, *k = c->inputs[1].shape.extent;
    size_t B = q[0], H = q[1], Tq = q[2], Tk = k[2], D = q[3];
    double scale = config->scale != 0 ? fabs((double)config->scale) : 1 / sqrt((double)D);
    for (size_t e = 0; e < B * H * Tq * Tk; e++, s++) {
        size_t plane = e / Tk / Tq, i = e / Tk % Tq, j = e % Tk, shared = oracle_shared_plane(plane, H, k[1]);
        *s = 0;
        for (size_t d = 0; d < D; d++)
            *s += scale * fabs(in[0][(plane * Tq + i) * D + d] * in[1][(shared * Tk + j) * D + d]);
        if (bias && in[bias]) *s += fabs(bias_at(&c->inputs[bias].shape, in[bias], plane / H, plane % H, i, j));
    }
}

void oracle_softmax(const double *s, size_t rows, size_t n, double *p, double *lse) {
    for (size_t row = 0; row < rows; row++, s += n, p += n) {
        double max = -INFINITY, sum = 0;
        bool masked = true; /* fmax passes over NaN */
        for (size_t j = 0; j < n; j++) masked &= s[j] == -INFINITY;
        for (size_t j = 0; j < n; j++) max = fmax(max, s[j]);
        for (size_t j = 0; j < n; j++) sum += masked ? 0 : exp(s[j] - max);
        for (size_t j = 0; j < n; j++) p[j] = masked ? 0 : exp(s[j] - max) / sum;
        if (lse) lse[row] = masked ? INFINITY : max + log(sum);
    }
}

double oracle_dropout(const hl_dropout_config *config, uint32_t node_id, int32_t step, size_t plane, size_t i,
                      size_t j) {
    philox4x32_key_t seed = {{(uint32_t)config->seed, (uint32_t)(config->seed >> 32)}};
    philox4x32_ctr_t node = {{node_id, 0, 0, 0}}, mixed = philox4x32(node, seed);
    philox4x32_key_t key = {{mixed.v[0], mixed.v[1]}};
    philox4x32_ctr_t counter = {{(uint32_t)(j / 32 * 4 + j % 4), (uint32_t)i, (uint32_t)plane, (uint32_t)step}};
    uint32_t word = philox4x32(counter, key).v[j / 4 % 4], half = j / 16 % 2 ? word >> 16 : word & 0xffff;
    double zeroes = floor((double)config->rate * 65536);
    return half >= zeroes ? 65536 / (65536 - zeroes) : 0;
}

size_t oracle_size(const op_case *c, size_t input) { return hl_shape_elements(&c->inputs[input].shape); }
