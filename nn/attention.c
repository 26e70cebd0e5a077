/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The ladder of attention, rungs (a) to (c): each is the one before it with one more thing to learn. All of them end in
 * the same chain, score -> softmax -> dropout -> weight -> concat, which the graph fuses. */
#include "headloom/nn.h"
#include "nn/common.h"

typedef enum rung { WEIGHTLESS, SINGLE_HEAD, MULTI_HEAD } rung;

static const char *const rung_names[] = {"weightless attention", "single-head attention", "multi-head attention"};

/* The caller's options with the defaults filled in; false where they fit neither rung nor x. */
static bool settle(const hl_nn *nn, rung which, const char *name, const hl_tensor *x,
                   const hl_attention_options *options, hl_attention_options *settled) {
    const char *layer = rung_names[which];
    if (!hl__nn_ready(nn, layer, name, x, 3, true)) return false;
    size_t width = hl_tensor_shape(x).extent[2];
    *settled = options ? *options : (hl_attention_options){0};
    if (settled->heads == 0) settled->heads = 1;
    if (which != MULTI_HEAD && settled->heads != 1)
        return hl__nn_refuse(nn->graph, HL_INVALID_ARGUMENT, "%s '%s': has one head, not %zu", layer, name,
                             settled->heads);
    if (settled->kv_heads == 0) settled->kv_heads = settled->heads;
    if (which != MULTI_HEAD && settled->kv_heads != 1)
        return hl__nn_refuse(nn->graph, HL_INVALID_ARGUMENT, "%s '%s': has one key and value head, not %zu", layer,
                             name, settled->kv_heads);
    if (settled->heads % settled->kv_heads != 0)
        return hl__nn_refuse(nn->graph, HL_SHAPE_MISMATCH,
                             "%s '%s': %zu key and value heads do not divide the %zu heads", layer, name,
                             settled->kv_heads, settled->heads);
    if (settled->size == 0 && width % settled->heads != 0)
        return hl__nn_refuse(nn->graph, HL_SHAPE_MISMATCH, "%s '%s': %zu heads do not divide the width %zu", layer,
                             name, settled->heads, width);
    if (settled->size == 0) settled->size = width / settled->heads;
    if (which != MULTI_HEAD && settled->size != width)
        return hl__nn_refuse(nn->graph, HL_SHAPE_MISMATCH, "%s '%s': the head has the width %zu, not %zu", layer, name,
                             width, settled->size);
    return true;
}

/* query [batch, heads, tokens, size], key and value [batch, kv_heads, tokens, size] -> [batch, tokens, heads * size].
 */
static hl_tensor *attend(const hl_nn *nn, hl_tensor *query, hl_tensor *key, hl_tensor *value,
                         const hl_attention_options *options) {
    hl_score_options score = {
        .mask = options->mask, .window = options->window, .bias = options->bias, .lengths = options->lengths};
    hl_tensor *p = hl_softmax(nn->graph, hl_score(nn->graph, query, key, &score));
    hl_tensor *dropped = p ? hl_nn_dropout(nn, p, options->dropout) : NULL;
    hl_tensor *y = hl_concat(nn->graph, hl_weight(nn->graph, dropped, value));
    if (y && options->weights) *options->weights = p;
    return y;
}

hl_tensor *hl_nn_weightless_attention(const hl_nn *nn, hl_tensor *x, const hl_attention_options *options) {
    hl_attention_options settled;
    if (!settle(nn, WEIGHTLESS, hl_tensor_name(x), x, options, &settled)) return NULL;
    hl_shape shape = hl_tensor_shape(x);
    hl_tensor *head = hl_reshape(nn->graph, x, HL_SHAPE(shape.extent[0], 1, shape.extent[1], shape.extent[2]));
    return attend(nn, head, head, head, &settled);
}

/* "<name>.w<part>" and "<name>.b<part>". */
static hl_tensor *project(const hl_nn *nn, const char *name, hl_tensor *x, char part, size_t heads,
                          const hl_attention_options *options) {
    char w[] = {'w', part, 0}, b[] = {'b', part, 0};
    size_t width = hl_tensor_shape(x).extent[2], size = options->size;
    hl_tensor *weight = hl__nn_matrix(nn, name, w, HL_SHAPE(width, heads, size), width);
    hl_tensor *bias = options->no_bias ? NULL : hl__nn_vector(nn, name, b, HL_SHAPE(heads, size), 0);
    return hl_project(nn->graph, x, weight, bias);
}

static hl_tensor *attend_projected(const hl_nn *nn, const char *name, hl_tensor *x,
                                   const hl_attention_options *options) {
    hl_tensor *query = project(nn, name, x, 'q', options->heads, options);
    hl_tensor *key = project(nn, name, x, 'k', options->kv_heads, options);
    hl_tensor *value = project(nn, name, x, 'v', options->kv_heads, options);
    return attend(nn, query, key, value, options);
}

hl_tensor *hl_nn_single_head_attention(const hl_nn *nn, const char *name, hl_tensor *x,
                                       const hl_attention_options *options) {
    hl_attention_options settled;
    if (!settle(nn, SINGLE_HEAD, name, x, options, &settled)) return NULL;
    return attend_projected(nn, name, x, &settled);
}

hl_tensor *hl_nn_multi_head_attention(const hl_nn *nn, const char *name, hl_tensor *x,
                                      const hl_attention_options *options) {
    hl_attention_options settled;
    if (!settle(nn, MULTI_HEAD, name, x, options, &settled)) return NULL;
    size_t width = hl_tensor_shape(x).extent[2], inner = settled.heads * settled.size;
    hl_tensor *y = attend_projected(nn, name, x, &settled);
    if (!y) return NULL;
    hl_nn out = hl__nn_residual(nn);
    hl_tensor *wo = hl__nn_matrix(&out, name, "wo", HL_SHAPE(inner, width), inner);
    hl_tensor *bo = settled.no_bias ? NULL : hl__nn_vector(nn, name, "bo", HL_SHAPE(width), 0);
    return hl_dense(nn->graph, y, wo, bo);
}
