/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Graphs, one call of a constructor after the other: elements, axes, shapes, losses, gradients and optimisers. Layers
 * and attention are in fuzz_layers.c, operators by name and of the caller's own in fuzz_operators.c. */
#include <math.h>

#include "tests/api/fuzz.h"

typedef void builder(fuzz *f);

static hl_tensor *argument(fuzz *f, size_t min_rank, size_t max_rank) {
    return fuzz_argument(f, fuzz_pick(f, min_rank, max_rank));
}

/* ---- elements ---- */

typedef hl_tensor *unary_constructor(hl_graph *, hl_tensor *);

static void unary(fuzz *f) {
    static const struct {
        const char *name;
        unary_constructor *make;
    } all[] = {
        {"gelu", hl_gelu}, {"gelu_erf", hl_gelu_erf}, {"sigmoid", hl_sigmoid}, {"silu", hl_silu}, {"tanh", hl_tanh},
        {"exp", hl_exp},   {"log", hl_log},           {"sqrt", hl_sqrt},       {"relu", hl_relu}, {"abs", hl_abs}};
    size_t n = f->gentle ? 5 : FUZZ_COUNT(all),
           which = fuzz_below(f, n); /* the smooth ones that are bounded everywhere */
    fuzz_made(f, all[which].name, all[which].make(f->graph, argument(f, 0, HL_MAX_RANK)), 1);
}

/* Shapes that broadcast to the given one: axes of one element, axes left out in front. */
static hl_shape broadcast_shape(fuzz *f, hl_shape shape) {
    hl_shape small = {0};
    if (shape.rank > HL_MAX_RANK) return shape;
    size_t skipped = fuzz_one_in(f, 2) ? 0 : fuzz_below(f, shape.rank + 1);
    for (size_t i = skipped; i < shape.rank; i++) small.extent[small.rank++] = fuzz_one_in(f, 3) ? 1 : shape.extent[i];
    return small;
}

typedef hl_tensor *binary_constructor(hl_graph *, hl_tensor *, hl_tensor *);

static void binary(fuzz *f) {
    static const struct {
        const char *name;
        binary_constructor *make;
    } all[] = {{"add", hl_add},       {"subtract", hl_subtract}, {"multiply", hl_multiply},
               {"divide", hl_divide}, {"minimum", hl_minimum},   {"maximum", hl_maximum}};
    hl_tensor *a = fuzz_pick(f, 0, HL_MAX_RANK);
    hl_shape shape = hl_tensor_shape(a);
    hl_tensor *b = fuzz_want(f, fuzz_one_in(f, 2) ? shape : broadcast_shape(f, shape), 1);
    float bound = 2 * fmaxf(fuzz_bound(f, a), fuzz_bound(f, b));
    if (fuzz_one_in(f, 4)) {
        hl_tensor *c = a;
        a = b;
        b = c;
    }
    size_t which = fuzz_below(f, f->gentle ? 3 : FUZZ_COUNT(all));
    hl_tensor *left = fuzz_argument(f, a);
    fuzz_made(f, all[which].name, all[which].make(f->graph, left, fuzz_argument(f, b)), bound * bound);
}

/* A mask that is compared, or in gentle cases one that no rounding changes. */
static hl_tensor *mask(fuzz *f, hl_shape shape) {
    static const struct {
        const char *name;
        binary_constructor *make;
    } all[] = {{"less", hl_less}, {"less_equal", hl_less_equal}, {"equal", hl_equal}};
    if (f->gentle || fuzz_one_in(f, 3)) return fuzz_index(f, shape, 0, 1);
    size_t which = fuzz_below(f, FUZZ_COUNT(all));
    hl_tensor *a = fuzz_argument(f, fuzz_want(f, shape, 1)), *b = fuzz_want(f, broadcast_shape(f, shape), 1);
    return fuzz_made(f, all[which].name, all[which].make(f->graph, a, fuzz_argument(f, b)), 1);
}

static void choose(fuzz *f) {
    hl_tensor *a = fuzz_pick(f, 0, HL_MAX_RANK);
    hl_shape shape = hl_tensor_shape(a);
    hl_tensor *b = fuzz_want(f, broadcast_shape(f, shape), 1), *which = mask(f, broadcast_shape(f, shape));
    float bound = fmaxf(fuzz_bound(f, a), fuzz_bound(f, b));
    which = fuzz_argument(f, which);
    a = fuzz_argument(f, a);
    fuzz_made(f, "select", hl_select(f->graph, which, a, fuzz_argument(f, b)), bound);
}

static void clamp(fuzz *f) {
    if (f->gentle) return;
    hl_tensor *x = argument(f, 0, HL_MAX_RANK);
    float low = fuzz_float(f, -0.5f);
    fuzz_made(f, "clamp", hl_clamp(f->graph, x, low, fuzz_float(f, 0.5f)), 1);
}

static void scale(fuzz *f) {
    hl_tensor *x = argument(f, 0, HL_MAX_RANK);
    fuzz_made(f, "scale", hl_scale(f->graph, x, fuzz_float(f, fuzz_uniform(f, -1.5f, 1.5f))), 1.5f * fuzz_bound(f, x));
}

static void dropout(fuzz *f) {
    hl_tensor *x = argument(f, 0, HL_MAX_RANK);
    float rate = fuzz_float(f, fuzz_one_in(f, 4) ? 0 : fuzz_uniform(f, 0, 0.6f));
    fuzz_made(f, "dropout", hl_dropout(f->graph, x, rate, fuzz_draw(f)), 2 * fuzz_bound(f, x));
}

/* ---- axes ---- */

static void reduce(fuzz *f) {
    hl_tensor *x = fuzz_pick(f, 0, HL_MAX_RANK);
    hl_shape shape = hl_tensor_shape(x);
    uint32_t axes = fuzz_odd(f) ? (uint32_t)fuzz_draw(f) : (uint32_t)(fuzz_draw(f) & ((1u << shape.rank) - 1));
    bool keep = fuzz_one_in(f, 2), mean = f->gentle || fuzz_one_in(f, 2);
    float bound = fuzz_bound(f, x);
    x = fuzz_argument(f, x);
    if (mean) fuzz_made(f, "mean", hl_mean(f->graph, x, axes, keep), bound);
    else fuzz_made(f, "sum", hl_sum(f->graph, x, axes, keep), bound);
}

static void softmax(fuzz *f) { fuzz_made(f, "softmax", hl_softmax(f->graph, argument(f, 1, HL_MAX_RANK)), 1); }

static void reshape(fuzz *f) {
    hl_tensor *x = fuzz_pick(f, 0, HL_MAX_RANK);
    float bound = fuzz_bound(f, x);
    hl_shape from = hl_tensor_shape(x), to = {0};
    for (size_t i = 0; i < from.rank; i++) { /* neighbours merge; axes of one element come in */
        if (to.rank + from.rank - i < HL_MAX_RANK && fuzz_one_in(f, 5)) to.extent[to.rank++] = 1;
        if (to.rank > 0 && fuzz_one_in(f, 3)) to.extent[to.rank - 1] *= from.extent[i];
        else to.extent[to.rank++] = from.extent[i];
    }
    if (fuzz_odd(f)) to = fuzz_shape(f, fuzz_below(f, HL_MAX_RANK + 1));
    x = fuzz_argument(f, x);
    fuzz_made(f, "reshape", fuzz_one_in(f, 2) ? hl_reshape(f->graph, x, to) : hl_view_as(f->graph, x, to), bound);
}

static void transpose(fuzz *f) {
    hl_tensor *x = fuzz_pick(f, 0, HL_MAX_RANK);
    size_t rank = hl_tensor_shape(x).rank, order[HL_MAX_RANK] = {0};
    for (size_t i = 0; i < rank; i++) order[i] = i;
    for (size_t i = rank; i > 1; i--) {
        size_t j = fuzz_below(f, i), last = order[i - 1];
        order[i - 1] = order[j];
        order[j] = last;
    }
    if (fuzz_odd(f)) order[fuzz_below(f, HL_MAX_RANK)] = fuzz_below(f, 8);
    fuzz_made(f, "transpose", hl_transpose(f->graph, fuzz_argument(f, x), fuzz_odd(f) ? NULL : order),
              fuzz_bound(f, x));
}

static void slice(fuzz *f) {
    hl_tensor *x = fuzz_pick(f, 1, HL_MAX_RANK);
    hl_shape shape = hl_tensor_shape(x);
    if (shape.rank == 0) return;
    size_t axis = fuzz_below(f, shape.rank), begin = fuzz_below(f, shape.extent[axis]);
    size_t end = begin + 1 + fuzz_below(f, shape.extent[axis] - begin);
    float bound = fuzz_bound(f, x);
    axis = fuzz_size(f, axis);
    begin = fuzz_size(f, begin);
    fuzz_made(f, "slice", hl_slice(f->graph, fuzz_argument(f, x), axis, begin, fuzz_size(f, end)), bound);
}

static void split(fuzz *f) {
    hl_tensor *x = fuzz_pick(f, 1, HL_MAX_RANK), *parts[HL_MAX_OUTPUTS];
    hl_shape shape = hl_tensor_shape(x);
    if (shape.rank == 0) return;
    size_t axis = fuzz_below(f, shape.rank), n = 1;
    for (size_t i = 2; i <= HL_MAX_OUTPUTS; i++)
        if (shape.extent[axis] % i == 0 && fuzz_one_in(f, 2)) n = i;
    float bound = fuzz_bound(f, x);
    hl_tensor *untouched = (hl_tensor *)(void *)&parts;
    for (size_t i = 0; i < FUZZ_COUNT(parts); i++) parts[i] = untouched;
    axis = fuzz_size(f, axis);
    hl_status status = hl_split(f->graph, fuzz_argument(f, x), axis, fuzz_size(f, n), fuzz_odd(f) ? NULL : parts);
    for (size_t i = 0; i < n && status == HL_OK && parts[i] != untouched; i++) fuzz_made(f, "split", parts[i], bound);
    if (status == HL_OK) return;
    fuzz_made(f, "split", NULL, bound);
    for (size_t i = 0; i < FUZZ_COUNT(parts); i++)
        fuzz_check(f, parts[i] == untouched, "split writes its outputs when it fails");
}

static void append(fuzz *f) {
    hl_tensor *x = fuzz_pick(f, 1, HL_MAX_RANK), *inputs[20];
    hl_shape shape = hl_tensor_shape(x);
    if (shape.rank == 0) return;
    size_t axis = fuzz_below(f, shape.rank), n = 1 + fuzz_below(f, fuzz_one_in(f, 8) ? HL_MAX_INPUTS : 3);
    float bound = 2 * fmaxf(1, fuzz_bound(f, x));
    for (size_t i = 0; i < FUZZ_COUNT(inputs); i++) {
        inputs[i] = x;
        if (i >= n || fuzz_one_in(f, 3)) continue;
        hl_shape other = shape;
        if (fuzz_one_in(f, 2)) other.extent[axis] = fuzz_extent(f);
        inputs[i] = fuzz_argument(f, fuzz_want(f, other, 1));
    }
    if (fuzz_odd(f)) n = fuzz_below(f, FUZZ_COUNT(inputs) + 1);
    bool given = !fuzz_odd(f);
    fuzz_made(f, "append", hl_append(f->graph, given ? inputs : NULL, n, fuzz_size(f, axis)), bound);
}

static void gather(fuzz *f) {
    hl_tensor *x = fuzz_pick(f, 1, HL_MAX_RANK);
    hl_shape shape = hl_tensor_shape(x);
    if (shape.rank == 0) return;
    size_t axis = fuzz_below(f, shape.rank), rank = fuzz_below(f, HL_MAX_RANK + 2 - shape.rank);
    int32_t last = shape.extent[axis] < 1000 ? (int32_t)shape.extent[axis] - 1 : 1000;
    hl_tensor *index = fuzz_index(f, fuzz_shape(f, rank), 0, last);
    float bound = fuzz_bound(f, x);
    x = fuzz_argument(f, x);
    hl_shape indices = hl_tensor_shape(index);
    if (f->wild || hl_shape_elements(&indices) * hl_shape_elements(&shape) <= FUZZ_ELEMENTS)
        fuzz_made(f, "gather", hl_gather(f->graph, x, fuzz_argument(f, index), fuzz_size(f, axis)), bound);
}

/* ---- losses, gradients, optimisers ---- */

static void loss(fuzz *f) {
    if (fuzz_one_in(f, 2)) {
        hl_tensor *p = fuzz_pick(f, 0, HL_MAX_RANK), *q = fuzz_want(f, hl_tensor_shape(p), 1);
        p = fuzz_argument(f, p);
        fuzz_made(f, "squared_error", hl_squared_error(f->graph, p, fuzz_argument(f, q)), 9);
        return;
    }
    hl_tensor *logits = fuzz_pick(f, 1, HL_MAX_RANK);
    hl_shape labels = hl_tensor_shape(logits);
    if (labels.rank == 0) return;
    int32_t classes = labels.extent[labels.rank - 1] < 1000 ? (int32_t)labels.extent[labels.rank - 1] : 1000;
    labels.rank--;
    hl_tensor *index = fuzz_index(f, labels, HL_IGNORED, classes - 1);
    logits = fuzz_argument(f, logits);
    fuzz_made(f, "cross_entropy", hl_cross_entropy(f->graph, logits, fuzz_argument(f, index)), 3);
}

static hl_tensor *scalar(fuzz *f) {
    for (size_t i = f->n_tensors; i-- > 0;)
        if (hl_tensor_shape(f->tensor[i]).rank == 0 && !fuzz_one_in(f, 3)) return f->tensor[i];
    hl_tensor *x = fuzz_pick(f, 0, HL_MAX_RANK);
    float bound = fuzz_bound(f, x);
    return fuzz_made(f, "mean of all", hl_mean(f->graph, x, 0, false), bound);
}

static void gradient(fuzz *f) {
    hl_tensor *of = fuzz_argument(f, scalar(f)), *wrt = NULL;
    if (f->n_leaves && fuzz_one_in(f, 2)) {
        hl_tensor *leaf = f->leaf[fuzz_below(f, f->n_leaves)].tensor;
        if (hl_tensor_dtype(leaf) == HL_F32) wrt = leaf;
    }
    if (!wrt) wrt = fuzz_pick(f, 0, HL_MAX_RANK);
    hl_tensor *made = hl_gradient(f->graph, of, fuzz_argument(f, wrt));
    size_t n = f->n_tensors;
    fuzz_made(f, "gradient", made, 1);
    if (!fuzz_odd(f) && f->n_tensors > n) f->n_tensors = n; /* not to be computed with, most often */
    if (made && f->n_gradients < FUZZ_COUNT(f->gradient)) f->gradient[f->n_gradients++] = made;
}

/* A loss that depends on a parameter. */
static hl_tensor *trainable_loss(fuzz *f) {
    hl_tensor *x = fuzz_pick(f, 1, HL_MAX_RANK);
    hl_tensor *w = hl_param(f->graph, fuzz_name(f, "t"), HL_F32, broadcast_shape(f, hl_tensor_shape(x)));
    fuzz_made(f, "param", w, 1);
    if (w && f->n_leaves < FUZZ_LEAVES) f->leaf[f->n_leaves++] = (fuzz_leaf){.tensor = w};
    hl_tensor *y = fuzz_made(f, "multiply", hl_multiply(f->graph, x, w), 1);
    return fuzz_made(f, "squared_error", hl_squared_error(f->graph, y, x), 4);
}

/* No parameter, which would be trained at the rate of itself. */
static hl_tensor *rate_of(fuzz *f) {
    if (f->wild && fuzz_one_in(f, 2)) return fuzz_want(f, HL_SCALAR, 1);
    hl_tensor *rate = hl_input(f->graph, fuzz_name(f, "rate"), HL_F32, HL_SCALAR);
    fuzz_made(f, "rate", rate, 1);
    if (rate && f->n_leaves < FUZZ_LEAVES)
        f->leaf[f->n_leaves++] = (fuzz_leaf){.tensor = rate, .input = true, .low = INT32_MIN, .high = INT32_MAX};
    return rate;
}

static void optimiser(fuzz *f) {
    hl_tensor *of = fuzz_argument(f, fuzz_one_in(f, 2) && f->wild ? scalar(f) : trainable_loss(f)), *chosen[4];
    hl_tensor *rate = fuzz_argument(f, rate_of(f)), *step = NULL;
    size_t n = 0;
    for (size_t i = 0; i < f->n_leaves && n < FUZZ_COUNT(chosen) && fuzz_odd(f); i++)
        chosen[n++] = fuzz_argument(f, f->leaf[fuzz_below(f, f->n_leaves)].tensor);
    bool none = fuzz_odd(f);
    if (fuzz_one_in(f, 2)) {
        hl_sgd_options options = {.rate = rate,
                                  .momentum = fuzz_float(f, fuzz_one_in(f, 2) ? 0 : 0.9f),
                                  .decay = fuzz_float(f, 0.01f),
                                  .params = n ? chosen : NULL,
                                  .n_params = n};
        step = hl_sgd(f->graph, of, none ? NULL : &options);
    } else {
        hl_adamw_options options = {.rate = rate,
                                    .beta1 = fuzz_float(f, fuzz_one_in(f, 2) ? 0 : 0.8f),
                                    .beta2 = fuzz_float(f, 0),
                                    .epsilon = fuzz_float(f, 0),
                                    .decay = fuzz_float(f, 0.01f),
                                    .params = n ? chosen : NULL,
                                    .n_params = n};
        step = hl_adamw(f->graph, of, none ? NULL : &options);
    }
    fuzz_made(f, "optimiser", step, 1);
    if (step && f->n_steps < FUZZ_COUNT(f->step)) f->step[f->n_steps++] = step;
}

/* Without a graph there is nothing to say, and nothing to be done. */
static void no_graph(fuzz *f) {
    hl_tensor *x = fuzz_pick(f, 0, HL_MAX_RANK), *y = NULL;
    hl_shape shape = hl_tensor_shape(x);
    bool none = !hl_gelu(NULL, x) && !hl_add(NULL, x, x) && !hl_dropout(NULL, x, 0, 1) && !hl_dense(NULL, x, x, x) &&
                !hl_gradient(NULL, x, x) && !hl_sgd(NULL, x, NULL) && !hl_adamw(NULL, x, NULL) &&
                !hl_input(NULL, "x", HL_F32, shape) && !hl_param(NULL, "x", HL_F32, shape) &&
                !hl_constant(NULL, "x", HL_F32, shape, NULL) && !hl_param_freeze(NULL, x) && !hl_name(NULL, x, "x") &&
                !hl_transpose(NULL, x, NULL) && !hl_append(NULL, &x, 1, 0) && !hl_score(NULL, x, x, NULL) &&
                !hl_init_constant(NULL, x, 1) && !hl_param_find(NULL, "x");
    fuzz_check(f, none && hl_split(NULL, x, 0, 1, &y) == HL_INVALID_ARGUMENT && !y, "something of no graph");
    fuzz_check(f, hl_graph_status(NULL) == HL_INVALID_ARGUMENT && *hl_graph_error(NULL), "no graph has no error");
    fuzz_check(f, hl_tensor_name(NULL) && hl_tensor_dtype(NULL) == HL_NONE, "no tensor");
    hl_graph_destroy(NULL);
}

static void leaf(fuzz *f) { fuzz_leaf_of(f, fuzz_shape(f, fuzz_below(f, HL_MAX_RANK + 1)), 1); }

static void name(fuzz *f) {
    if (!f->wild) return;
    hl_tensor *x = fuzz_argument(f, fuzz_pick(f, 0, HL_MAX_RANK));
    hl_tensor *named = hl_name(f->graph, x, fuzz_name(f, "name"));
    if (named) fuzz_check(f, named == x, "hl_name gives another tensor");
    if (named || f->first != HL_OK || hl_graph_status(f->graph) != HL_OK) fuzz_made(f, "name", named, 1);
}

void fuzz_build(fuzz *f, size_t n_calls) {
    static builder *const all[] = {
        leaf,       unary,          unary,          binary,   binary,     binary,     scale,
        dropout,    reduce,         softmax,        reshape,  transpose,  slice,      split,
        append,     gather,         loss,           gradient, fuzz_layer, fuzz_layer, fuzz_layer,
        fuzz_layer, fuzz_attention, fuzz_attention, choose,   clamp,      fuzz_apply, fuzz_user_operator,
        name,       no_graph,       optimiser};
    for (size_t i = 0; i < n_calls; i++) {
        builder *build = all[fuzz_below(f, FUZZ_COUNT(all))];
        if (build == optimiser && (f->gentle || f->n_steps > (f->wild ? 1 : 0))) continue;
        build(f);
        if (f->first != HL_OK && fuzz_one_in(f, 3)) return; /* what comes after an error must change nothing */
    }
}
