/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The typed constructors: each one names the operator, its inputs in order and its options. All checks are the
 * operator's own. */
#include "graph/graph.h"
#include "ops/ops.h"

static hl_tensor *apply(hl_graph *graph, hl__op op, hl_tensor *const inputs[], size_t n, const void *options) {
    return hl_apply(graph, hl__operator(op), inputs, n, options, NULL);
}

static hl_tensor *unary(hl_graph *graph, hl__op op, hl_tensor *x) {
    return apply(graph, op, (hl_tensor *[]){x}, 1, NULL);
}

static hl_tensor *binary(hl_graph *graph, hl__op op, hl_tensor *a, hl_tensor *b) {
    return apply(graph, op, (hl_tensor *[]){a, b}, 2, NULL);
}

/* ---- attention ---- */

hl_tensor *hl_project(hl_graph *graph, hl_tensor *x, hl_tensor *w, hl_tensor *bias) {
    return apply(graph, HL__OP_project, (hl_tensor *[]){x, w, bias}, 3, NULL);
}

hl_tensor *hl_score(hl_graph *graph, hl_tensor *query, hl_tensor *key, const hl_score_options *options) {
    hl_score_options given = options ? *options : (hl_score_options){0};
    hl_score_config config = {.scale = given.scale, .mask = given.mask, .window = given.window};
    return apply(graph, HL__OP_score, (hl_tensor *[]){query, key, given.bias, given.lengths}, 4, &config);
}

hl_tensor *hl_softmax(hl_graph *graph, hl_tensor *x) { return unary(graph, HL__OP_softmax, x); }

hl_tensor *hl_weight(hl_graph *graph, hl_tensor *p, hl_tensor *value) { return binary(graph, HL__OP_weight, p, value); }

hl_tensor *hl_concat(hl_graph *graph, hl_tensor *heads) { return unary(graph, HL__OP_concat, heads); }

/* ---- layers ---- */

hl_tensor *hl_dense(hl_graph *graph, hl_tensor *x, hl_tensor *w, hl_tensor *bias) {
    return apply(graph, HL__OP_dense, (hl_tensor *[]){x, w, bias}, 3, &(hl_dense_config){0});
}

hl_tensor *hl_embedding(hl_graph *graph, hl_tensor *table, hl_tensor *index) {
    return binary(graph, HL__OP_embedding, table, index);
}

hl_tensor *hl_layer_norm(hl_graph *graph, hl_tensor *x, hl_tensor *gain, hl_tensor *bias, float epsilon) {
    return apply(graph, HL__OP_layer_norm, (hl_tensor *[]){x, gain, bias}, 3, &(hl_norm_config){.epsilon = epsilon});
}

hl_tensor *hl_dropout(hl_graph *graph, hl_tensor *x, float rate, uint64_t seed) {
    if (!hl__graph_open(graph)) return NULL;
    if (!(rate >= 0 && rate < 1))
        return hl__graph_fail(graph, HL_OUT_OF_RANGE, "dropout of '%s': rate %g is not in [0, 1)", hl_tensor_name(x),
                              (double)rate);
    if (rate == 0 && x && x->graph == graph && x->dtype == HL_F32) return x; /* any other is refused below */
    return apply(graph, HL__OP_dropout, (hl_tensor *[]){x, hl__graph_step(graph)}, 2,
                 &(hl_dropout_config){.rate = rate, .seed = seed});
}

hl_tensor *hl_gelu(hl_graph *graph, hl_tensor *x) { return unary(graph, HL__OP_gelu, x); }
hl_tensor *hl_gelu_erf(hl_graph *graph, hl_tensor *x) { return unary(graph, HL__OP_gelu_erf, x); }
hl_tensor *hl_sigmoid(hl_graph *graph, hl_tensor *x) { return unary(graph, HL__OP_sigmoid, x); }
hl_tensor *hl_silu(hl_graph *graph, hl_tensor *x) { return unary(graph, HL__OP_silu, x); }
hl_tensor *hl_relu(hl_graph *graph, hl_tensor *x) { return unary(graph, HL__OP_relu, x); }
hl_tensor *hl_tanh(hl_graph *graph, hl_tensor *x) { return unary(graph, HL__OP_tanh, x); }

/* ---- arithmetic ---- */

hl_tensor *hl_add(hl_graph *graph, hl_tensor *a, hl_tensor *b) { return binary(graph, HL__OP_add, a, b); }
hl_tensor *hl_subtract(hl_graph *graph, hl_tensor *a, hl_tensor *b) { return binary(graph, HL__OP_subtract, a, b); }
hl_tensor *hl_multiply(hl_graph *graph, hl_tensor *a, hl_tensor *b) { return binary(graph, HL__OP_multiply, a, b); }
hl_tensor *hl_divide(hl_graph *graph, hl_tensor *a, hl_tensor *b) { return binary(graph, HL__OP_divide, a, b); }
hl_tensor *hl_exp(hl_graph *graph, hl_tensor *x) { return unary(graph, HL__OP_exp, x); }
hl_tensor *hl_log(hl_graph *graph, hl_tensor *x) { return unary(graph, HL__OP_log, x); }
hl_tensor *hl_sqrt(hl_graph *graph, hl_tensor *x) { return unary(graph, HL__OP_sqrt, x); }

hl_tensor *hl_abs(hl_graph *graph, hl_tensor *x) { return unary(graph, HL__OP_abs, x); }
hl_tensor *hl_minimum(hl_graph *graph, hl_tensor *a, hl_tensor *b) { return binary(graph, HL__OP_minimum, a, b); }
hl_tensor *hl_maximum(hl_graph *graph, hl_tensor *a, hl_tensor *b) { return binary(graph, HL__OP_maximum, a, b); }
hl_tensor *hl_less(hl_graph *graph, hl_tensor *a, hl_tensor *b) { return binary(graph, HL__OP_less, a, b); }
hl_tensor *hl_less_equal(hl_graph *graph, hl_tensor *a, hl_tensor *b) { return binary(graph, HL__OP_less_equal, a, b); }
hl_tensor *hl_equal(hl_graph *graph, hl_tensor *a, hl_tensor *b) { return binary(graph, HL__OP_equal, a, b); }

hl_tensor *hl_select(hl_graph *graph, hl_tensor *mask, hl_tensor *a, hl_tensor *b) {
    return apply(graph, HL__OP_select, (hl_tensor *[]){mask, a, b}, 3, NULL);
}

hl_tensor *hl_clamp(hl_graph *graph, hl_tensor *x, float low, float high) {
    return apply(graph, HL__OP_clamp, (hl_tensor *[]){x}, 1, &(hl_clamp_config){.low = low, .high = high});
}

hl_tensor *hl_scale(hl_graph *graph, hl_tensor *x, float factor) {
    return apply(graph, HL__OP_scale, (hl_tensor *[]){x}, 1, &(hl_scale_config){.factor = factor});
}

hl_tensor *hl_sum(hl_graph *graph, hl_tensor *x, uint32_t axes, bool keep) {
    return apply(graph, HL__OP_sum, (hl_tensor *[]){x}, 1, &(hl_axes_config){.axes = axes, .keep = keep});
}

hl_tensor *hl_mean(hl_graph *graph, hl_tensor *x, uint32_t axes, bool keep) {
    return apply(graph, HL__OP_mean, (hl_tensor *[]){x}, 1, &(hl_axes_config){.axes = axes, .keep = keep});
}

/* ---- shape ---- */

hl_tensor *hl_reshape(hl_graph *graph, hl_tensor *x, hl_shape shape) {
    return apply(graph, HL__OP_reshape, (hl_tensor *[]){x}, 1, &(hl_shape_config){.shape = shape});
}

hl_tensor *hl_view_as(hl_graph *graph, hl_tensor *x, hl_shape shape) { return hl_reshape(graph, x, shape); }

hl_tensor *hl_transpose(hl_graph *graph, hl_tensor *x, const size_t order[]) {
    if (!hl__graph_open(graph) || !x)
        return apply(graph, HL__OP_transpose, (hl_tensor *[]){x}, 1, &(hl_order_config){0});
    if (!order) return hl__graph_fail(graph, HL_INVALID_ARGUMENT, "transpose of '%s': the order is NULL", x->name);
    hl_order_config config = {{0}};
    for (size_t i = 0; i < x->shape.rank; i++) config.order[i] = order[i];
    return apply(graph, HL__OP_transpose, (hl_tensor *[]){x}, 1, &config);
}

hl_tensor *hl_slice(hl_graph *graph, hl_tensor *x, size_t axis, size_t begin, size_t end) {
    return apply(graph, HL__OP_slice, (hl_tensor *[]){x}, 1,
                 &(hl_slice_config){.axis = axis, .begin = begin, .end = end});
}

hl_status hl_split(hl_graph *graph, hl_tensor *x, size_t axis, size_t parts, hl_tensor *outputs[]) {
    if (!graph) return HL_INVALID_ARGUMENT;
    if (!outputs) hl__graph_fail(graph, HL_INVALID_ARGUMENT, "split of '%s': outputs is NULL", hl_tensor_name(x));
    hl_apply(graph, hl__operator(HL__OP_split), (hl_tensor *[]){x}, 1, &(hl_axis_config){.axis = axis, .parts = parts},
             outputs);
    return graph->status;
}

hl_tensor *hl_append(hl_graph *graph, hl_tensor *const inputs[], size_t n, size_t axis) {
    if (hl__graph_open(graph) && !inputs) return hl__graph_fail(graph, HL_INVALID_ARGUMENT, "append: inputs is NULL");
    return apply(graph, HL__OP_append, inputs, n, &(hl_axis_config){.axis = axis});
}

hl_tensor *hl_gather(hl_graph *graph, hl_tensor *x, hl_tensor *index, size_t axis) {
    return apply(graph, HL__OP_gather, (hl_tensor *[]){x, index}, 2, &(hl_axis_config){.axis = axis});
}

/* ---- losses ---- */

hl_tensor *hl_cross_entropy(hl_graph *graph, hl_tensor *logits, hl_tensor *labels) {
    return binary(graph, HL__OP_cross_entropy, logits, labels);
}

hl_tensor *hl_squared_error(hl_graph *graph, hl_tensor *prediction, hl_tensor *target) {
    return binary(graph, HL__OP_squared_error, prediction, target);
}
