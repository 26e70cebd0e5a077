/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Dropout masks from a counter: Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
 * 1, 2, 3", 2011). Element (plane, i, j) is kept or not by 16 bits of
 *
 *   word j / 4 mod 4 of Philox(counter {4 (j / 32) + j mod 4, i, plane, step}),
 *
 * the lower half where j / 16 is even, else the upper one: so that a mask is the same whenever it is computed again,
 * whole, in blocks or transposed, and is never stored. The key is made of the seed and the node's id, so that the nodes
 * of a graph draw different numbers.
 *
 * 32 columns of a row are four counters, whose words lie side by side: first the halves of columns 0 to 15, above them
 * those of columns 16 to 31. So a vector of decisions is one load and one comparison, and as many counters as there are
 * lanes are encrypted together, along a row or down a column. Random123 gives the same words, one counter at a time, at
 * more than twice the time, also where the compiler makes vectors of its loops. */
#ifndef HL_OPS_RANDOM_H
#define HL_OPS_RANDOM_H

#include <Random123/philox.h>
#include <string.h>

#include "ops/kernels/vector.h"
#include "ops/op.h"

#define HL__PHILOX_ROUNDS 10
#define HL__DROPOUT_COLUMNS 32 /* of a row, which four counters decide */
#define HL__DROPOUT_WORDS 16   /* of four counters */

typedef struct hl__dropout {
    uint64_t key[HL__PHILOX_ROUNDS][2]; /* of each round */
    uint32_t step;
    uint32_t threshold; /* upper halves below it become zeroes */
    float scale;        /* 1 / (1 - rate) */
} hl__dropout;

/* The mask of one node at one step. The node's key is what Philox makes of its id under the seed: seeds and ids close
 * to each other, as they are in practice, then share no numbers. The rate is taken down to a multiple of 2^-16. */
static inline hl__dropout hl__dropout_of(const hl_dropout_config *config, uint32_t node_id, int32_t step) {
    philox4x32_key_t seed = {{(uint32_t)config->seed, (uint32_t)(config->seed >> 32)}};
    philox4x32_ctr_t node = {{node_id, 0, 0, 0}};
    philox4x32_ctr_t mixed = philox4x32(node, seed);
    uint32_t zeroes = (uint32_t)((double)config->rate * 0x1p16); /* of 65,536 */
    hl__dropout d = {.step = (uint32_t)step, .threshold = zeroes << 16};
    d.scale = (float)(0x1p16 / (0x1p16 - (double)zeroes));
    for (uint32_t r = 0; r < HL__PHILOX_ROUNDS; r++) {
        d.key[r][0] = mixed.v[0] + r * PHILOX_W32_0;
        d.key[r][1] = mixed.v[1] + r * PHILOX_W32_1;
    }
    return d;
}

/* Words of as many counters {c0, c1, plane, step} as there are lanes. Even and odd lanes are encrypted apart, in the
 * lower halves of wide lanes, since a product of two words is two words; upper halves hold nothing that counts. */
static inline void hl__philox(const hl__dropout *d, hl__bits c0, hl__bits c1, uint32_t plane, hl__bits word[4]) {
    const hl__wides by0 = (hl__wides){0} + PHILOX_M4x32_0, by1 = (hl__wides){0} + PHILOX_M4x32_1;
    hl__wides even[4] = {(hl__wides)c0, (hl__wides)c1, (hl__wides){0} + plane, (hl__wides){0} + d->step};
    hl__wides odd[4] = {(hl__wides)c0 >> 32, (hl__wides)c1 >> 32, even[2], even[3]};
#pragma GCC unroll 10
    for (size_t r = 0; r < HL__PHILOX_ROUNDS; r++) {
        hl__wides even0 = hl__multiply_lower(even[0], by0), even1 = hl__multiply_lower(even[2], by1);
        hl__wides odd0 = hl__multiply_lower(odd[0], by0), odd1 = hl__multiply_lower(odd[2], by1);
        even[0] = (even1 >> 32) ^ even[1] ^ d->key[r][0];
        odd[0] = (odd1 >> 32) ^ odd[1] ^ d->key[r][0];
        even[1] = even1;
        odd[1] = odd1;
        even[2] = (even0 >> 32) ^ even[3] ^ d->key[r][1];
        odd[2] = (odd0 >> 32) ^ odd[3] ^ d->key[r][1];
        even[3] = even0;
        odd[3] = odd0;
    }
    for (size_t w = 0; w < 4; w++) word[w] = (hl__bits)((even[w] & UINT32_MAX) | (odd[w] << 32));
}

static inline hl__bits hl__lane_numbers(void) {
    hl__bits lane;
    for (uint32_t l = 0; l < HL__LANES; l++) lane[l] = l;
    return lane;
}

/* How many words n columns of a row take, where whole vectors of counters are written. */
static inline size_t hl__dropout_row_words(size_t n) {
    return hl__ceil_div(n, HL__DROPOUT_COLUMNS * HL__LANES / 4) * (HL__DROPOUT_WORDS * HL__LANES / 4);
}

/* The words of elements j0 .. j0 + n - 1 of row i, 16 for each 32 columns; j0 is a multiple of 32. */
static inline void hl__dropout_row(const hl__dropout *d, uint32_t plane, size_t i, size_t j0, size_t n,
                                   uint32_t *words) {
    const hl__bits lane = hl__lane_numbers(), row = (hl__bits){0} + (uint32_t)i;
    for (size_t j = j0; j < j0 + n; j += HL__DROPOUT_COLUMNS * HL__LANES / 4) {
        hl__bits word[4];
        hl__philox(d, lane + (uint32_t)(j / HL__DROPOUT_COLUMNS * 4), row, plane, word);
        for (size_t w = 0; w < 4; w++)
            for (size_t four = 0; four < HL__LANES / 4; four++)
                memcpy(words + four * HL__DROPOUT_WORDS + 4 * w, (const uint32_t *)&word[w] + 4 * four,
                       4 * sizeof *words);
        words += HL__DROPOUT_WORDS * HL__LANES / 4;
    }
}

/* The words of columns j .. j + 31 of rows i0 .. i0 + n - 1, transposed: words[(j' mod 16) * ld + x] decides on row
 * i0 + x and column j'. Writes whole vectors: ld is at least n rounded up to 16; j is a multiple of 32. */
static inline void hl__dropout_columns(const hl__dropout *d, uint32_t plane, size_t i0, size_t n, size_t j,
                                       uint32_t *words, size_t ld) {
    const hl__bits lane = hl__lane_numbers();
    for (size_t x = 0; x < n; x += HL__LANES)
        for (uint32_t c = 0; c < 4; c++) {
            hl__bits word[4], counter = (hl__bits){0} + ((uint32_t)(j / HL__DROPOUT_COLUMNS * 4) + c);
            hl__philox(d, counter, lane + (uint32_t)(i0 + x), plane, word);
            for (size_t w = 0; w < 4; w++) memcpy(words + (4 * w + c) * ld + x, &word[w], sizeof word[w]);
        }
}

/* Factors, 0 or the scale, that the upper halves of some words decide on, or the lower ones. */
static inline hl__floats hl__dropout_factors(const hl__dropout *d, const uint32_t *words, bool upper) {
    hl__bits halves;
    memcpy(&halves, words, sizeof halves);
    hl__ints kept = (hl__ints)((upper ? halves : halves << 16) >= d->threshold);
    return (hl__floats)(kept & (hl__ints)hl__splat(d->scale));
}

/* The words of column j of a row that begins at column 0, and whether the upper halves count; j is a multiple of the
 * lanes. */
static inline const uint32_t *hl__dropout_words(const uint32_t *row, size_t j) {
    return row + j / HL__DROPOUT_COLUMNS * HL__DROPOUT_WORDS + j % HL__DROPOUT_WORDS;
}
static inline bool hl__dropout_upper(size_t j) { return j / HL__DROPOUT_WORDS % 2 != 0; }

#endif
