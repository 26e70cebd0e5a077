/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Masks as options, and what they leave. */
#include "bench/subjects/mask.h"

#include <stdio.h>

const bench_word bench_masks[] = {{"none", HL_MASK_NONE},
                                  {"causal", HL_MASK_CAUSAL},
                                  {"window", HL_MASK_WINDOW},
                                  {"causal-window", HL_MASK_CAUSAL_WINDOW},
                                  {NULL, 0}};

bool bench_mask_agrees(const bench_mask *mask, char *words, size_t size) {
    bool windowed = mask->kind == HL_MASK_WINDOW || mask->kind == HL_MASK_CAUSAL_WINDOW;
    if (windowed == (mask->window > 0)) return true;
    if (windowed) snprintf(words, size, "a mask with a window needs --window");
    else snprintf(words, size, "--window needs --mask window or causal-window");
    return false;
}

bool bench_mask_sees(const bench_mask *mask, size_t t, size_t j) {
    size_t distance = t > j ? t - j : j - t;
    switch (mask->kind) {
    case HL_MASK_NONE: break;
    case HL_MASK_CAUSAL: return j <= t;
    case HL_MASK_WINDOW: return distance < mask->window;
    case HL_MASK_CAUSAL_WINDOW: return j <= t && distance < mask->window;
    }
    return true;
}

/* For each distance d of 1 to `reach`, tokens - d queries see a key that lies d to one side; each sees itself. */
double bench_mask_pairs(const bench_mask *mask, size_t tokens) {
    bool causal = mask->kind == HL_MASK_CAUSAL || mask->kind == HL_MASK_CAUSAL_WINDOW;
    bool windowed = mask->kind == HL_MASK_WINDOW || mask->kind == HL_MASK_CAUSAL_WINDOW;
    double n = (double)tokens, reach = n - 1;
    if (windowed && mask->window < tokens) reach = (double)mask->window - 1;
    return n + (causal ? 1 : 2) * (reach * n - reach * (reach + 1) / 2);
}
