/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Graphs: dense, embedding, norms, the layers of nn, and attention by its parts, so that all that is fused is drawn. */
#include <math.h>

#include "tests/api/fuzz.h"

/* ---- layers ---- */

static size_t last_extent(const hl_tensor *x) {
    hl_shape shape = hl_tensor_shape(x);
    return shape.rank ? shape.extent[shape.rank - 1] : 1;
}

static float deviation(size_t n) { return 1.5f / sqrtf((float)n); }

static hl_tensor *optional(fuzz *f, hl_shape shape) {
    return fuzz_one_in(f, 3) ? NULL : fuzz_argument(f, fuzz_want(f, shape, 1));
}

static void dense(fuzz *f) {
    hl_tensor *x = fuzz_pick(f, 1, HL_MAX_RANK);
    size_t K = last_extent(x), N = fuzz_extent(f);
    hl_tensor *w = fuzz_want(f, HL_SHAPE(K, N), deviation(K)), *bias = optional(f, HL_SHAPE(N));
    float bound = 2 * fuzz_bound(f, x) + 1;
    x = fuzz_argument(f, x);
    hl_tensor *y = fuzz_made(f, "dense", hl_dense(f->graph, x, fuzz_argument(f, w), bias), bound);
    if (!y) return;
    if (fuzz_one_in(f, 3)) y = fuzz_made(f, "scale", hl_scale(f->graph, y, 0.5f), bound);
    if (y && fuzz_one_in(f, 3)) y = fuzz_made(f, "gelu", hl_gelu(f->graph, y), bound);
    hl_shape shape = hl_tensor_shape(y);
    if (y && fuzz_one_in(f, 3)) fuzz_made(f, "residual", hl_add(f->graph, y, fuzz_want(f, shape, 1)), 2 * bound);
}

static void embedding(fuzz *f) {
    size_t V = fuzz_extent(f), D = fuzz_extent(f);
    hl_tensor *table = fuzz_argument(f, fuzz_want(f, HL_SHAPE(V, D), 1));
    hl_tensor *index = fuzz_index(f, fuzz_shape(f, fuzz_below(f, 4)), 0, (int32_t)V - 1);
    fuzz_made(f, "embedding", hl_embedding(f->graph, table, fuzz_argument(f, index)), 1);
}

static float epsilon_of(fuzz *f) { return fuzz_float(f, f->gentle ? 0.1f : fuzz_one_in(f, 2) ? 0 : 1e-5f); }

static void layer_norm(fuzz *f) {
    hl_tensor *x = fuzz_pick(f, 1, HL_MAX_RANK);
    size_t C = last_extent(x);
    hl_tensor *gain = fuzz_argument(f, fuzz_want(f, HL_SHAPE(C), 1)), *bias = optional(f, HL_SHAPE(C));
    float epsilon = epsilon_of(f);
    fuzz_made(f, "layer_norm", hl_layer_norm(f->graph, fuzz_argument(f, x), gain, bias, epsilon), 3);
}

static hl_tensor *lengths_of(fuzz *f, size_t batch, size_t tokens) {
    if (fuzz_one_in(f, 2)) return NULL;
    return fuzz_argument(f, fuzz_index(f, HL_SHAPE(batch), 0, tokens < 1000 ? (int32_t)tokens : 1000));
}

static hl_tensor *bias_of(fuzz *f, size_t batch, size_t heads, size_t queries, size_t keys) {
    if (fuzz_one_in(f, 2)) return NULL;
    size_t B = fuzz_one_in(f, 2) ? batch : 1, H = fuzz_one_in(f, 2) ? heads : 1;
    return fuzz_argument(f, fuzz_want(f, HL_SHAPE(B, H, queries, keys), 1));
}

static hl_mask mask_of(fuzz *f) {
    return fuzz_odd(f) ? (hl_mask)(int)(fuzz_draw(f) & INT32_MAX) : (hl_mask)fuzz_below(f, 4);
}

static void distance_bias(fuzz *f, const hl_nn *nn) {
    size_t queries = fuzz_extent(f), keys = fuzz_extent(f), reach = 1 + fuzz_below(f, 6), heads = fuzz_extent(f);
    hl_tensor *index = fuzz_index(f, HL_SHAPE(queries, keys), 0, 2 * (int32_t)reach);
    index = fuzz_argument(f, index);
    heads = fuzz_size(f, heads);
    fuzz_made(f, "nn_distance_bias", hl_nn_distance_bias(nn, fuzz_name(f, "l"), index, heads, fuzz_size(f, reach)), 1);
}

static hl_attention_options attention_options(fuzz *f, const hl_tensor *x, hl_tensor **weights) {
    hl_shape shape = hl_tensor_shape(x);
    size_t B = shape.extent[0], T = shape.extent[1], W = shape.extent[2];
    hl_attention_options options = {.mask = mask_of(f), .window = fuzz_size(f, 1 + fuzz_below(f, T))};
    size_t heads = fuzz_one_in(f, 3) ? 0 : 1 + fuzz_below(f, 4), groups = fuzz_one_in(f, 2) ? 0 : 1;
    options.heads = fuzz_size(f, heads);
    options.kv_heads = fuzz_size(f, heads % 2 == 0 && groups ? heads / 2 : groups ? 1 : 0);
    options.size = fuzz_size(f, heads && (W % heads != 0 || fuzz_one_in(f, 3)) ? 1 + fuzz_below(f, 9) : 0);
    options.lengths = lengths_of(f, B, T);
    options.bias = bias_of(f, B, heads ? heads : 1, T, T);
    options.dropout = fuzz_float(f, fuzz_one_in(f, 2) ? 0 : 0.25f);
    options.no_bias = fuzz_one_in(f, 2);
    options.weights = fuzz_one_in(f, 2) ? weights : NULL;
    return options;
}

/* x, or what it is made to: [batch, tokens, width]. */
static hl_tensor *sequences(fuzz *f) {
    hl_tensor *x = fuzz_pick(f, 3, 3);
    hl_shape shape = hl_tensor_shape(x);
    return hl_shape_elements(&shape) <= FUZZ_ORDINARY / 4 || f->wild ? x : NULL;
}

static void keep_weights(fuzz *f, hl_tensor *weights) {
    if (weights && f->n_weights < FUZZ_COUNT(f->weights)) f->weights[f->n_weights++] = weights;
}

static void ladder(fuzz *f, const hl_nn *nn) {
    hl_tensor *x = sequences(f), *weights = NULL, *y = NULL;
    if (!x) return;
    hl_attention_options options = attention_options(f, x, &weights);
    const char *name = fuzz_name(f, "l");
    size_t which = fuzz_below(f, 4);
    if (which < 2) {
        if (!fuzz_odd(f)) {
            options.heads = options.kv_heads = options.size = 0;
            options.bias =
                bias_of(f, hl_tensor_shape(x).extent[0], 1, hl_tensor_shape(x).extent[1], hl_tensor_shape(x).extent[1]);
        }
        x = fuzz_argument(f, x);
        y = which == 0 ? hl_nn_weightless_attention(nn, x, &options)
                       : hl_nn_single_head_attention(nn, name, x, fuzz_odd(f) ? NULL : &options);
    } else if (which == 2) {
        y = hl_nn_multi_head_attention(nn, name, fuzz_argument(f, x), &options);
    } else {
        hl_block_options block = {.attention = options,
                                  .hidden = fuzz_size(f, fuzz_one_in(f, 2) ? 0 : fuzz_extent(f)),
                                  .activation = (hl_activation)(fuzz_odd(f) ? fuzz_below(f, 100) : fuzz_below(f, 7)),
                                  .dropout = fuzz_float(f, fuzz_one_in(f, 2) ? 0 : 0.25f),
                                  .epsilon = epsilon_of(f),
                                  .no_bias = fuzz_one_in(f, 2)};
        if (f->gentle && block.activation <= HL_ACTIVATION_RELU) block.activation = HL_ACTIVATION_SILU;
        y = hl_nn_block(nn, name, fuzz_argument(f, x), fuzz_odd(f) ? NULL : &block);
    }
    fuzz_made(f, "nn attention", y, 3);
    if (y) keep_weights(f, weights);
}

static hl_init init_of(fuzz *f) {
    if (f->gentle || fuzz_one_in(f, 2)) return (hl_init){0};
    return (hl_init){(hl_init_kind)(fuzz_odd(f) ? fuzz_below(f, 100) : fuzz_below(f, 8)), fuzz_float(f, 0.5f)};
}

void fuzz_layer(fuzz *f) {
    hl_nn nn = {.graph = fuzz_odd(f) && fuzz_odd(f) ? NULL : f->graph,
                .seed = fuzz_draw(f),
                .training = fuzz_one_in(f, 2),
                .share = fuzz_one_in(f, 4),
                .init = init_of(f),
                .residual = init_of(f)};
    float epsilon = epsilon_of(f);
    if (!nn.graph) {
        fuzz_check(f, !hl_nn_dense(&nn, "l", NULL, 1, true) && !hl_nn_dense(NULL, "l", NULL, 1, true), "no graph");
        return;
    }
    hl_tensor *x = fuzz_pick(f, 1, HL_MAX_RANK);
    float bound = 2 * fuzz_bound(f, x) + 1;
    size_t width = fuzz_size(f, fuzz_extent(f));
    switch (fuzz_below(f, 10)) {
    case 0: dense(f); break;
    case 1: embedding(f); break;
    case 2: layer_norm(f); break;
    case 3:
        x = fuzz_argument(f, x);
        fuzz_made(f, "nn_dense", hl_nn_dense(&nn, fuzz_name(f, "l"), x, width, fuzz_one_in(f, 2)), bound);
        break;
    case 4: {
        size_t rows = fuzz_extent(f);
        hl_tensor *index = fuzz_argument(f, fuzz_index(f, fuzz_shape(f, fuzz_below(f, 4)), 0, (int32_t)rows - 1));
        rows = fuzz_size(f, rows);
        fuzz_made(f, "nn_embedding", hl_nn_embedding(&nn, fuzz_name(f, "l"), index, rows, width, fuzz_float(f, 0.5f)),
                  2);
        break;
    }
    case 5:
        x = fuzz_argument(f, x);
        fuzz_made(f, "nn_layer_norm", hl_nn_layer_norm(&nn, fuzz_name(f, "l"), x, fuzz_one_in(f, 2), epsilon), 3);
        break;
    case 6:
        x = fuzz_argument(f, x);
        fuzz_made(f, "nn_dropout", hl_nn_dropout(&nn, x, fuzz_float(f, 0.25f)), 2 * bound);
        break;
    case 7: distance_bias(f, &nn); break;
    default: ladder(f, &nn); break;
    }
}

/* ---- attention by its parts ---- */

static hl_tensor *heads_of(fuzz *f, hl_tensor *x, size_t heads, size_t size) {
    size_t K = last_extent(x);
    if (fuzz_one_in(f, 6)) { /* given as they are */
        hl_shape shape = hl_tensor_shape(x);
        return fuzz_argument(f, fuzz_want(f, HL_SHAPE(shape.extent[0], heads, shape.extent[1], size), 1));
    }
    hl_tensor *w = fuzz_argument(f, fuzz_want(f, HL_SHAPE(K, heads, size), deviation(K)));
    hl_tensor *bias = optional(f, HL_SHAPE(heads, size));
    return fuzz_made(f, "project", hl_project(f->graph, fuzz_argument(f, x), w, bias), 2 * fuzz_bound(f, x) + 1);
}

void fuzz_attention(fuzz *f) {
    hl_tensor *x = sequences(f);
    if (!x) return;
    hl_shape shape = hl_tensor_shape(x);
    size_t B = shape.extent[0], Tq = shape.extent[1], Tk = Tq, D = fuzz_extent(f), E = fuzz_extent(f);
    size_t groups = 1 + fuzz_below(f, 3), Hk = 1 + fuzz_below(f, 2), H = groups * Hk;
    hl_tensor *context = x;
    if (fuzz_one_in(f, 3)) {
        Tk = fuzz_extent(f);
        context = fuzz_want(f, HL_SHAPE(B, Tk, fuzz_extent(f)), 1);
    }
    hl_tensor *query = heads_of(f, x, H, D), *key = heads_of(f, context, Hk, D), *value = heads_of(f, context, Hk, E);
    hl_score_options options = {.scale = fuzz_float(f, fuzz_one_in(f, 2) ? 0 : 0.3f),
                                .mask = mask_of(f),
                                .window = fuzz_size(f, 1 + fuzz_below(f, Tk + 2)),
                                .lengths = lengths_of(f, B, Tk),
                                .bias = bias_of(f, B, H, Tq, Tk)};
    bool defaults = fuzz_one_in(f, 8);
    hl_tensor *s = hl_score(f->graph, fuzz_argument(f, query), fuzz_argument(f, key), defaults ? NULL : &options);
    if (!s) {
        fuzz_made(f, "score", s, 1);
        return;
    }
    if (f->wild && fuzz_odd(f)) fuzz_made(f, "score", s, 1); /* minus infinity where masked: not for the gentle */
    hl_tensor *p = fuzz_made(f, "softmax", hl_softmax(f->graph, s), 1);
    keep_weights(f, p);
    if (fuzz_one_in(f, 3)) p = fuzz_made(f, "dropout", hl_dropout(f->graph, p, 0.3f, fuzz_draw(f)), 2);
    hl_tensor *y = fuzz_made(f, "weight", hl_weight(f->graph, fuzz_argument(f, p), fuzz_argument(f, value)), 3);
    if (!y || fuzz_one_in(f, 6)) return;
    y = fuzz_made(f, "concat", hl_concat(f->graph, fuzz_argument(f, y)), 3);
    if (!y || fuzz_one_in(f, 3)) return;
    size_t N = fuzz_extent(f);
    hl_tensor *w = fuzz_want(f, HL_SHAPE(H * E, N), deviation(H * E));
    fuzz_made(f, "dense", hl_dense(f->graph, y, w, optional(f, HL_SHAPE(N))), 4);
}
