/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Dropout masks from a counter: Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
 * 1, 2, 3", 2011). Element (plane, i, j) is kept or not by word j mod 4 of Philox(counter {j / 4, i, plane, step}), so
 * that a mask is the same whenever it is computed again, whole, in blocks or transposed, and is never stored. The key
 * is made of the seed and the node's id, so that the nodes of a graph draw different numbers.
 *
 * Counters are encrypted sixteen at a time, since one at a time costs as much as the products of attention. */
#ifndef HL_OPS_RANDOM_H
#define HL_OPS_RANDOM_H

#include <Random123/philox.h>
#include <string.h>

#include "ops/op.h"

#define HL__COUNTERS 16

typedef struct hl__dropout {
    philox4x32_key_t key;
    uint32_t step;
    uint32_t threshold; /* words below it become zeroes */
    float scale;        /* 1 / (1 - rate) */
} hl__dropout;

/* The mask of one node at one step. The node's key is what Philox makes of its id under the seed: seeds and ids close
 * to each other, as they are in practice, then share no numbers. */
static inline hl__dropout hl__dropout_of(const hl_dropout_config *config, uint32_t node_id, int32_t step) {
    philox4x32_key_t seed = {{(uint32_t)config->seed, (uint32_t)(config->seed >> 32)}};
    philox4x32_ctr_t node = {{node_id, 0, 0, 0}};
    philox4x32_ctr_t mixed = philox4x32(node, seed);
    return (hl__dropout){.key = {{mixed.v[0], mixed.v[1]}},
                         .step = (uint32_t)step,
                         .threshold = (uint32_t)((double)config->rate * 4294967296.0),
                         .scale = (float)(1 / (1 - (double)config->rate))};
}

/* Factors (0 or scale) of elements j0 .. j0 + n - 1 of row i; j0 is a multiple of 4. */
static inline void hl__dropout_row(const hl__dropout *dropout, uint32_t plane, size_t i, size_t j0, size_t n,
                                   float *factor) {
    const hl__dropout d = *dropout; /* a copy, so that no store may change it: else the loop is not vectorised */
    for (size_t j = 0; j < n; j += 4 * HL__COUNTERS) {
        float row[4 * HL__COUNTERS];
        const uint32_t quad = (uint32_t)((j0 + j) / 4), row_index = (uint32_t)i;
#pragma omp simd
        for (uint32_t l = 0; l < HL__COUNTERS; l++) {
            philox4x32_ctr_t counter = {{quad + l, row_index, plane, d.step}};
            philox4x32_ctr_t words = philox4x32(counter, d.key);
            row[4 * l] = words.v[0] >= d.threshold ? d.scale : 0;
            row[4 * l + 1] = words.v[1] >= d.threshold ? d.scale : 0;
            row[4 * l + 2] = words.v[2] >= d.threshold ? d.scale : 0;
            row[4 * l + 3] = words.v[3] >= d.threshold ? d.scale : 0;
        }
        memcpy(factor + j, row, hl__min(4 * HL__COUNTERS, n - j) * sizeof *row);
    }
}

/* The same for columns j .. j + 3 of rows i0 .. i0 + n - 1, transposed: factor[w * ld + x] belongs to row i0 + x and
 * column j + w. Writes sixteen at a time: ld is at least n rounded up to 16; j is a multiple of 4. */
static inline void hl__dropout_columns(const hl__dropout *dropout, uint32_t plane, size_t i0, size_t n, size_t j,
                                       float *factor, size_t ld) {
    const hl__dropout d = *dropout;
    for (size_t x = 0; x < n; x += HL__COUNTERS) {
        const uint32_t quad = (uint32_t)(j / 4), row = (uint32_t)(i0 + x);
        float *f0 = factor + x, *f1 = f0 + ld, *f2 = f1 + ld, *f3 = f2 + ld;
#pragma omp simd
        for (uint32_t l = 0; l < HL__COUNTERS; l++) {
            philox4x32_ctr_t counter = {{quad, row + l, plane, d.step}};
            philox4x32_ctr_t words = philox4x32(counter, d.key);
            f0[l] = words.v[0] >= d.threshold ? d.scale : 0;
            f1[l] = words.v[1] >= d.threshold ? d.scale : 0;
            f2[l] = words.v[2] >= d.threshold ? d.scale : 0;
            f3[l] = words.v[3] >= d.threshold ? d.scale : 0;
        }
    }
}

#endif
