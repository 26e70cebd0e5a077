/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a case draws: numbers, shapes, names, values; and leaves of its graph. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/api/fuzz.h"

void fuzz_start(fuzz *f, uint64_t seed) {
    memset(f, 0, sizeof *f);
    f->seed = f->state = seed;
}

uint64_t fuzz_draw(fuzz *f) { /* splitmix64, Steele et al. 2014 */
    uint64_t z = f->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

size_t fuzz_below(fuzz *f, size_t n) { return n ? (size_t)(fuzz_draw(f) % n) : 0; }
bool fuzz_one_in(fuzz *f, unsigned n) { return n > 0 && fuzz_below(f, n) == 0; }
bool fuzz_odd(fuzz *f) { return fuzz_one_in(f, f->wild); }

float fuzz_uniform(fuzz *f, float low, float high) {
    return low + (high - low) * (float)((double)(fuzz_draw(f) >> 40) * 0x1p-24);
}

size_t fuzz_extent(fuzz *f) {
    static const size_t extents[] = {1, 1, 2, 2, 3, 4, 5, 7, 8, 12, 16, 17, 31, 33, 64, 65, 130};
    return extents[fuzz_below(f, fuzz_one_in(f, 3) ? FUZZ_COUNT(extents) : 9)];
}

static size_t any_size(fuzz *f) {
    static const size_t sizes[] = {0,
                                   0,
                                   1,
                                   2,
                                   6,
                                   7,
                                   17,
                                   4097,
                                   (size_t)1 << 20,
                                   (size_t)INT32_MAX,
                                   (size_t)INT32_MAX + 1,
                                   (size_t)1 << 32,
                                   (size_t)1 << 40,
                                   (size_t)1 << 62,
                                   SIZE_MAX / 2,
                                   SIZE_MAX / 2 + 1,
                                   SIZE_MAX - 1,
                                   SIZE_MAX};
    return sizes[fuzz_below(f, FUZZ_COUNT(sizes))];
}

size_t fuzz_size(fuzz *f, size_t fitting) {
    if (!fuzz_odd(f)) return fitting;
    return fuzz_one_in(f, 2) ? any_size(f) : fitting + fuzz_below(f, 3) - 1;
}

static float any_float(fuzz *f) {
    static const float floats[] = {0,       -0.0f,    1,       -1,        0.5f,       1e-30f,    1e30f, -1e30f,
                                   FLT_MAX, -FLT_MAX, FLT_MIN, 0x1p-149f, INFINITY,   -INFINITY, NAN,   -1e9f,
                                   88.8f,   -104,     1024,    16777216,  0.9999999f, 1.0000001f};
    return floats[fuzz_below(f, FUZZ_COUNT(floats))];
}

float fuzz_float(fuzz *f, float fitting) { return fuzz_odd(f) ? any_float(f) : fitting; }

hl_shape fuzz_shape(fuzz *f, size_t rank) {
    hl_shape shape = {.rank = fuzz_odd(f) ? any_size(f) : rank};
    size_t n = 1;
    for (size_t i = 0; i < HL_MAX_RANK; i++) {
        shape.extent[i] = fuzz_extent(f);
        if (n * shape.extent[i] > FUZZ_ORDINARY) shape.extent[i] = 1;
        if (i < shape.rank) n *= shape.extent[i];
        if (fuzz_one_in(f, f->wild * 2)) shape.extent[i] = any_size(f);
    }
    return shape;
}

const char *fuzz_name(fuzz *f, const char *kind) {
    static char text[1200];
    snprintf(text, sizeof text, "%s%zu", kind, f->n_names++);
    if (!fuzz_odd(f)) return text;
    switch (fuzz_below(f, 5)) {
    case 0: return NULL;
    case 1: return "";
    case 2: memset(text, 'x', sizeof text - 1); return text;
    case 3: return fuzz_one_in(f, 2) ? "step" : "%s%n\n\"\\<{|}>";
    default: /* one that there may be already */
        snprintf(text, sizeof text, "%s%zu", kind, fuzz_below(f, f->n_names));
        return text;
    }
}

static int32_t any_index(fuzz *f, const fuzz_leaf *leaf) {
    const int32_t indices[] = {leaf->low, leaf->high, 0, 1, -1, -2, INT32_MIN, INT32_MAX, leaf->high / 2 + 1};
    return indices[fuzz_below(f, FUZZ_COUNT(indices))];
}

void fuzz_fill(fuzz *f, const fuzz_leaf *leaf, void *values, size_t n) {
    if (hl_tensor_dtype(leaf->tensor) == HL_I32) {
        bool any = f->wild && fuzz_one_in(f, 4);
        uint64_t range = (uint64_t)((int64_t)leaf->high - leaf->low) + 1;
        for (size_t i = 0; i < n; i++)
            ((int32_t *)values)[i] =
                any && fuzz_one_in(f, 4) ? any_index(f, leaf) : (int32_t)(leaf->low + (int64_t)(fuzz_draw(f) % range));
        return;
    }
    bool any = !f->gentle && fuzz_one_in(f, 4);
    float size = f->gentle || fuzz_one_in(f, 2) ? 1 : fuzz_one_in(f, 2) ? 1e-3f : 100;
    unsigned one_in = 1 + (unsigned)fuzz_below(f, 20);
    for (size_t i = 0; i < n; i++)
        ((float *)values)[i] = any && fuzz_one_in(f, one_in) ? any_float(f) : fuzz_uniform(f, -size, size);
}
