/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The tensors of a case's graph: what every constructor must have done, leaves, and the choice of arguments among them.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/api/fuzz.h"

static const char *shape_text(const hl_tensor *tensor) {
    static char text[HL_SHAPE_TEXT];
    hl_shape shape = hl_tensor_shape(tensor);
    return hl_shape_text(&shape, text, sizeof text);
}

bool fuzz_small(const hl_tensor *tensor) {
    hl_shape shape = hl_tensor_shape(tensor);
    size_t n = hl_shape_elements(&shape);
    return n > 0 && n <= FUZZ_ELEMENTS;
}

/* An error of the graph stays the first one, in status and words. */
static void check_graph(fuzz *f, const char *call) {
    hl_status status = hl_graph_status(f->graph);
    if (f->first == HL_OK && status != HL_OK) {
        f->first = status;
        snprintf(f->words, sizeof f->words, "%s", hl_graph_error(f->graph));
        fuzz_status(f, call, status, FUZZ_REFUSED, f->words);
        fuzz_check(f, f->wild || f->short_of_memory, "%s refuses what fits: %s", call, f->words);
        fuzz_check(f, status != HL_OUT_OF_MEMORY || f->short_of_memory || f->wild, "%s takes too much", call);
    }
    fuzz_check(f, status == f->first, "%s changes the graph's first error", call);
    if (f->first != HL_OK)
        fuzz_check(f, strncmp(hl_graph_error(f->graph), f->words, sizeof f->words - 1) == 0,
                   "%s changes the words of the graph's first error", call);
}

static void keep(fuzz *f, hl_tensor *tensor, float bound) {
    size_t place = f->n_tensors < FUZZ_TENSORS ? f->n_tensors++ : fuzz_below(f, FUZZ_TENSORS);
    f->tensor[place] = tensor;
    f->bound[place] = bound;
}

hl_tensor *fuzz_made(fuzz *f, const char *call, hl_tensor *tensor, float bound) {
    bool closed = f->first != HL_OK;
    check_graph(f, call);
    fuzz_say(f, "%s -> %s\n", call, tensor ? shape_text(tensor) : f->words);
    fuzz_check(f, !closed || !tensor, "%s makes a tensor of a graph that has failed", call);
    fuzz_check(f, tensor != NULL || f->first != HL_OK, "%s gives NULL and no error", call);
    if (!tensor) return NULL;
    fuzz_check(f, f->first == HL_OK, "%s gives a tensor and an error", call);
    hl_shape shape = hl_tensor_shape(tensor);
    fuzz_check(f, shape.rank <= HL_MAX_RANK && hl_shape_elements(&shape) > 0, "%s: no such shape", call);
    fuzz_check(f, hl_tensor_name(tensor) && *hl_tensor_name(tensor), "%s: no name", call);
    if (hl_tensor_dtype(tensor) != HL_F32) return tensor;
    if (f->gentle && !(bound < 4)) {
        tensor = fuzz_one_in(f, 3) ? hl_scale(f->graph, tensor, 4 / bound) : hl_tanh(f->graph, tensor);
        check_graph(f, "what keeps values small");
        bound = 4;
        if (!tensor) return NULL;
    }
    if (hl_shape_elements(&shape) <= FUZZ_ORDINARY || fuzz_odd(f)) keep(f, tensor, bound);
    return tensor;
}

float fuzz_bound(const fuzz *f, const hl_tensor *tensor) {
    for (size_t i = 0; i < f->n_tensors; i++)
        if (f->tensor[i] == tensor) return f->bound[i];
    return 1;
}

/* ---- leaves ---- */

static void keep_leaf(fuzz *f, hl_tensor *tensor, bool input, int32_t low, int32_t high) {
    if (tensor && f->n_leaves < FUZZ_LEAVES)
        f->leaf[f->n_leaves++] = (fuzz_leaf){.tensor = tensor, .input = input, .low = low, .high = high};
}

static float values[FUZZ_ELEMENTS];

static hl_tensor *constant_of(fuzz *f, hl_dtype dtype, hl_shape shape, int32_t low, int32_t high) {
    size_t n = shape.rank <= HL_MAX_RANK ? hl_shape_elements(&shape) : 0;
    bool given = n > 0 && n <= FUZZ_ELEMENTS && !fuzz_odd(f);
    if (dtype == HL_I32 && given)
        for (size_t i = 0; i < n; i++)
            ((int32_t *)(void *)values)[i] =
                (int32_t)(low + (int64_t)(fuzz_draw(f) % ((uint64_t)((int64_t)high - low) + 1)));
    else if (given)
        for (size_t i = 0; i < n; i++) values[i] = f->gentle ? fuzz_uniform(f, -1, 1) : fuzz_float(f, 0.5f);
    const char *name = fuzz_one_in(f, 4) ? NULL : fuzz_name(f, "c");
    return hl_constant(f->graph, name, dtype, shape, given ? values : NULL);
}

static void initialise(fuzz *f, hl_tensor *param, float size) {
    hl_tensor *done = param;
    switch (fuzz_below(f, 5)) {
    case 0: done = hl_init_constant(f->graph, param, fuzz_float(f, size / 2)); break;
    case 1: done = hl_init_normal(f->graph, param, fuzz_float(f, 0), fuzz_float(f, size / 3), fuzz_draw(f)); break;
    default: done = hl_init_uniform(f->graph, param, fuzz_float(f, -size), fuzz_float(f, size), fuzz_draw(f)); break;
    }
    check_graph(f, "an initialiser");
    if (fuzz_one_in(f, 8)) hl_param_decay(f->graph, param, fuzz_one_in(f, 2));
    fuzz_check(f, !done || hl_param_find(f->graph, hl_tensor_name(param)) == param, "hl_param_find finds another");
    if (done && fuzz_one_in(f, 8)) hl_param_freeze(f->graph, param);
    check_graph(f, "hl_param_freeze");
}

hl_tensor *fuzz_leaf_of(fuzz *f, hl_shape shape, float bound) {
    hl_dtype dtype = fuzz_odd(f) ? (hl_dtype)fuzz_below(f, 4) : HL_F32;
    hl_tensor *leaf;
    bool large = shape.rank <= HL_MAX_RANK && hl_shape_elements(&shape) > FUZZ_ELEMENTS;
    size_t kind = large && !f->wild ? 0 : fuzz_below(f, 10);
    if (kind < 4) {
        leaf = hl_input(f->graph, fuzz_name(f, "x"), dtype, shape);
        keep_leaf(f, leaf, true, INT32_MIN, INT32_MAX);
    } else if (kind < 5) {
        leaf = constant_of(f, dtype, shape, -5, 5);
        keep_leaf(f, leaf, false, -5, 5);
    } else {
        leaf = hl_param(f->graph, fuzz_name(f, "w"), dtype, shape);
        if (leaf && !fuzz_one_in(f, f->gentle ? 0 : 6)) initialise(f, leaf, bound);
        if (hl_graph_status(f->graph) != HL_OK) leaf = NULL;
        keep_leaf(f, leaf, false, INT32_MIN, INT32_MAX);
    }
    return fuzz_made(f, kind < 4 ? "input" : kind < 5 ? "constant" : "param", leaf, kind < 5 ? 1 : bound);
}

hl_tensor *fuzz_index(fuzz *f, hl_shape shape, int32_t low, int32_t high) {
    hl_dtype dtype = fuzz_odd(f) ? (hl_dtype)fuzz_below(f, 4) : HL_I32;
    bool large = shape.rank <= HL_MAX_RANK && hl_shape_elements(&shape) > FUZZ_ELEMENTS;
    bool constant = fuzz_one_in(f, 5) && (!large || f->wild);
    hl_tensor *leaf =
        constant ? constant_of(f, dtype, shape, low, high) : hl_input(f->graph, fuzz_name(f, "i"), dtype, shape);
    fuzz_made(f, constant ? "index constant" : "index input", leaf, 1);
    keep_leaf(f, leaf, !constant, low, high);
    return leaf;
}

/* ---- choice ---- */

hl_tensor *fuzz_pick(fuzz *f, size_t min_rank, size_t max_rank) {
    size_t start = f->n_tensors ? fuzz_below(f, f->n_tensors) : 0;
    bool late = fuzz_one_in(f, 2); /* chains grow from what was made last */
    for (size_t i = 0; i < f->n_tensors; i++) {
        hl_tensor *tensor = f->tensor[late ? f->n_tensors - 1 - i : (start + i) % f->n_tensors];
        size_t rank = hl_tensor_shape(tensor).rank;
        if (rank >= min_rank && rank <= max_rank) return tensor;
    }
    return fuzz_leaf_of(f, fuzz_shape(f, min_rank + fuzz_below(f, max_rank - min_rank + 1)), 1);
}

static bool same_shape(const hl_shape *a, const hl_shape *b) {
    return a->rank == b->rank && a->rank <= HL_MAX_RANK &&
           memcmp(a->extent, b->extent, a->rank * sizeof a->extent[0]) == 0;
}

hl_tensor *fuzz_want(fuzz *f, hl_shape shape, float bound) {
    size_t start = f->n_tensors ? fuzz_below(f, f->n_tensors) : 0;
    for (size_t i = 0; i < f->n_tensors && !fuzz_one_in(f, 3); i++) {
        size_t at = (start + i) % f->n_tensors;
        hl_shape there = hl_tensor_shape(f->tensor[at]);
        if (same_shape(&there, &shape) && (!f->gentle || f->bound[at] <= 2 * bound)) return f->tensor[at];
    }
    return fuzz_leaf_of(f, shape, bound);
}

hl_tensor *fuzz_argument(fuzz *f, hl_tensor *fitting) {
    if (!fuzz_odd(f)) return fitting;
    switch (fuzz_below(f, 6)) {
    case 0: return NULL;
    case 1: return f->foreign;
    case 2: return f->n_leaves ? f->leaf[fuzz_below(f, f->n_leaves)].tensor : NULL;
    case 3: return fuzz_leaf_of(f, fuzz_shape(f, fuzz_below(f, HL_MAX_RANK + 1)), 1);
    default: return f->n_tensors ? f->tensor[fuzz_below(f, f->n_tensors)] : NULL;
    }
}
