/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Masks as options, and what they leave: for oracles and for counts of operations, apart from the product's own rule.
 */
#ifndef HL_BENCH_MASK_H
#define HL_BENCH_MASK_H

#include "bench/commands/options.h"
#include "headloom/headloom.h"

typedef struct bench_mask {
    hl_mask kind;
    size_t window; /* 0 where the mask has none */
} bench_mask;

extern const bench_word bench_masks[];

#define BENCH_MASK_OPTION(mask)                                                                                       \
    {                                                                                                                 \
        .name = "mask", .doc = "none, causal, window or causal-window", .kind = BENCH_CHOICE, .value = &(mask)->kind, \
        .words = bench_masks                                                                                          \
    }
#define BENCH_WINDOW_OPTION(mask)                                                                            \
    {                                                                                                        \
        .name = "window", .doc = "keys that a query sees to each side, itself included", .kind = BENCH_SIZE, \
        .value = &(mask)->window, .least = 1                                                                 \
    }

/* False, with words, where there is a window without its mask or the other way round. */
bool bench_mask_agrees(const bench_mask *mask, char *words, size_t size);

/* True where query t sees key j. */
bool bench_mask_sees(const bench_mask *mask, size_t t, size_t j);

/* Pairs of query and key, of `tokens` each, that are left. */
double bench_mask_pairs(const bench_mask *mask, size_t tokens);

#endif
