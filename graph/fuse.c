/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fusion, before differentiation, so that the fused operator's own backward is used:
 *
 *   score -> softmax [-> dropout] -> weight   becomes  attention (the weights, where somebody looks at them, are
 *                                             recomputed behind it by attention_weights)
 *   projections of one input                  become   one that is given all their matrices
 *   concat -> dense                           becomes  dense over heads, without a copy
 *   transpose -> dense's matrix               becomes  dense with a transposed matrix, without a copy
 *   dense -> scale                            becomes  dense with a scale
 *   dense -> ReLU | GELU | tanh | ...         becomes  dense with an activation
 *   dense -> add of as large a tensor         becomes  dense with a residual
 *
 * A value that must exist in itself (its gradient is asked for, or, but for attention weights, it is an output) is
 * never fused away. */
#include <math.h>
#include <string.h>

#include "graph/ir.h"
#include "ops/op.h"
#include "ops/ops.h"

typedef struct fusion {
    hl__ir *ir;
    hl__store scratch;
    uint32_t *producer;  /* node that makes a value, or HL__NONE */
    uint32_t *consumers; /* how many inputs of live nodes read a value */
    char *pinned;        /* a gradient with respect to the value, or of it, is asked for */
    char *in_loss;       /* node whose result some differentiated loss depends on */
} fusion;

static bool is_op(const hl__ir_node *node, hl__op op) { return node->op == hl__operator(op); }

static void count(fusion *f) {
    hl__ir *ir = f->ir;
    memset(f->consumers, 0, ir->n_values * sizeof *f->consumers);
    for (size_t v = 0; v < ir->n_values; v++) f->producer[v] = HL__NONE;
    for (size_t n = 0; n < ir->n_nodes; n++) {
        const hl__ir_node *node = &ir->nodes[n];
        if (node->removed) continue;
        for (size_t i = 0; i < node->n_inputs; i++)
            if (node->inputs[i] != HL__NONE) f->consumers[node->inputs[i]]++;
        for (size_t i = 0; i < node->n_outputs; i++) f->producer[node->outputs[i]] = (uint32_t)n;
    }
}

/* Room for the values and nodes that fusion itself adds: at most two values and one node for each node. */
static bool prepare(fusion *f) {
    hl__ir *ir = f->ir;
    size_t values = ir->n_values + 2 * ir->n_nodes, nodes = 2 * ir->n_nodes;
    f->producer = hl__store_take(&f->scratch, values, sizeof *f->producer);
    f->consumers = hl__store_take(&f->scratch, values, sizeof *f->consumers);
    f->pinned = hl__store_take(&f->scratch, values, 1);
    f->in_loss = hl__store_take(&f->scratch, nodes, 1);
    if (!f->producer || !f->consumers || !f->pinned || !f->in_loss) return false;
    count(f);
    char *value_in_loss = hl__store_take(&f->scratch, values, 1);
    if (!value_in_loss) return false;
    for (size_t g = 0; g < ir->n_gradients; g++) {
        f->pinned[ir->gradients[g].wrt] = f->pinned[ir->gradients[g].loss] = 1;
        value_in_loss[ir->gradients[g].loss] = 1;
    }
    for (size_t n = ir->n_nodes; n-- > 0;) {
        const hl__ir_node *node = &ir->nodes[n];
        for (size_t i = 0; i < node->n_outputs; i++) f->in_loss[n] |= value_in_loss[node->outputs[i]];
        for (size_t i = 0; f->in_loss[n] && i < node->n_inputs; i++)
            if (node->inputs[i] != HL__NONE) value_in_loss[node->inputs[i]] = 1;
    }
    return true;
}

/* The node that makes value, where it is op and nothing but one input reads the value. */
static hl__ir_node *sole_producer(const fusion *f, uint32_t value, hl__op op) {
    if (value == HL__NONE || f->producer[value] == HL__NONE) return NULL;
    hl__ir_node *node = &f->ir->nodes[f->producer[value]];
    if (node->removed || !is_op(node, op) || node->outputs[0] != value) return NULL;
    if (f->consumers[value] != 1 || f->pinned[value] || f->ir->values[value].output) return NULL;
    return node;
}

/* ---- attention ---- */

/* True where every reader of the weights p other than `reader` only looks: it lies outside any differentiated loss. */
static bool others_only_look(const fusion *f, uint32_t p, const hl__ir_node *reader) {
    for (size_t n = 0; n < f->ir->n_nodes; n++) {
        const hl__ir_node *node = &f->ir->nodes[n];
        if (node->removed || node == reader || !f->in_loss[n]) continue;
        for (size_t i = 0; i < node->n_inputs; i++)
            if (node->inputs[i] == p) return false;
    }
    return true;
}

/* attention's inputs are query, key, value, bias, lengths, step; its outputs o and what it saves of the rows of scores.
 */
static hl_status fuse_attention(fusion *f, size_t weight_index) {
    hl__ir *ir = f->ir;
    hl__ir_node *weight = &ir->nodes[weight_index];
    uint32_t p = weight->inputs[0], value = weight->inputs[1];
    hl__ir_node *dropout = sole_producer(f, p, HL__OP_dropout), *reader = weight;
    if (dropout) {
        p = dropout->inputs[0];
        reader = dropout;
    }
    if (p == HL__NONE || f->producer[p] == HL__NONE || f->pinned[p]) return HL_OK;
    hl__ir_node *softmax = &ir->nodes[f->producer[p]];
    if (softmax->removed || !is_op(softmax, HL__OP_softmax) || !others_only_look(f, p, reader)) return HL_OK;
    hl__ir_node *score = sole_producer(f, softmax->inputs[0], HL__OP_score);
    if (!score) return HL_OK;
    const hl_shape *k = &ir->values[score->inputs[1]].shape, *v = &ir->values[value].shape;
    if (k->extent[1] != v->extent[1]) return HL_OK; /* keys are shared in other groups than values */
    bool looked_at = ir->values[p].output || f->consumers[p] > 1;

    hl_attention_config *config = hl__store_take(&ir->store, 1, sizeof *config);
    if (!config) return hl__ir_no_memory(ir);
    config->score = *(const hl_score_config *)score->options;
    if (dropout) config->dropout = *(const hl_dropout_config *)dropout->options;
    const hl_shape *s = &ir->values[p].shape;
    hl_shape shape = HL_SHAPE(s->extent[0], s->extent[1], score->inputs[2] != HL__NONE ? 3 : 2, s->extent[2]);
    const char *name = hl__store_format(&ir->store, "%s.rows", weight->name);
    uint32_t rows = name ? hl__ir_value(ir, HL__VALUE_COMPUTED, name, HL_F32, &shape) : HL__NONE;
    if (rows == HL__NONE) return hl__ir_no_memory(ir);

    hl__ir_node fused = {.op = hl__operator(HL__OP_attention),
                         .options = config,
                         .name = weight->name,
                         .id = dropout ? dropout->id : weight->id,
                         .inputs = {score->inputs[0], score->inputs[1], value, score->inputs[2], score->inputs[3],
                                    dropout ? dropout->inputs[1] : HL__NONE},
                         .n_inputs = 6,
                         .outputs = {weight->outputs[0], rows},
                         .n_outputs = 2};
    memcpy(fused.temps, weight->temps, sizeof fused.temps);
    hl__ir_node look = {.op = hl__operator(HL__OP_attention_weights),
                        .options = config,
                        .name = softmax->name,
                        .id = softmax->id,
                        .inputs = {score->inputs[0], score->inputs[1], score->inputs[2], score->inputs[3], rows},
                        .n_inputs = 5,
                        .outputs = {p},
                        .n_outputs = 1};
    score->removed = softmax->removed = true;
    if (dropout) dropout->removed = true;
    *weight = fused;
    if (looked_at) {
        hl__ir_node *made = hl__ir_add_node(ir);
        if (!made) return ir->status;
        *made = look;
    }
    count(f);
    return HL_OK;
}

/* ---- projections ---- */

/* Nothing in the graph makes the matrix and the bias, so that no other order of nodes is asked for. */
static bool has_own_matrix(const fusion *f, const hl__ir_node *project) {
    for (size_t i = 1; i < project->n_inputs; i++)
        if (project->inputs[i] != HL__NONE && f->producer[project->inputs[i]] != HL__NONE) return false;
    return true;
}

/* Both want the gradients of their matrices, or neither does: else one would be computed in vain. */
static bool project_alike(const fusion *f, const hl__ir_node *a, const hl__ir_node *b) {
    uint32_t w_a = a->inputs[1], w_b = b->inputs[1];
    return a->inputs[0] == b->inputs[0] && has_own_matrix(f, b) && f->pinned[w_a] == f->pinned[w_b] &&
           hl__shape_equal(&f->ir->values[w_a].shape, &f->ir->values[w_b].shape);
}

/* Takes the projections behind the first one in: its input is read once for all, and their gradients of it are one sum
 * that leaves the cache once. */
static void fuse_projections(fusion *f, size_t index) {
    hl__ir *ir = f->ir;
    hl__ir_node *first = &ir->nodes[index];
    if (!has_own_matrix(f, first)) return;
    for (size_t n = index + 1; n < ir->n_nodes; n++) {
        hl__ir_node *other = &ir->nodes[n];
        size_t end = 1 + 2 * first->n_outputs;
        if (other->removed || !is_op(other, HL__OP_project) || other->n_outputs != 1) continue;
        if (end >= first->op->max_inputs || !project_alike(f, first, other)) continue;
        first->inputs[end] = other->inputs[1];
        first->inputs[end + 1] = other->inputs[2];
        first->n_inputs = end + 2;
        first->outputs[first->n_outputs++] = other->outputs[0];
        other->removed = true;
    }
    count(f);
}

/* ---- dense ---- */

static hl_status dense_config(hl__ir *ir, hl__ir_node *dense, hl_dense_config **config) {
    *config = hl__store_copy(&ir->store, dense->options, sizeof **config);
    if (!*config) return hl__ir_no_memory(ir);
    dense->options = *config;
    return HL_OK;
}

static hl_status fuse_heads(fusion *f, size_t index) {
    hl__ir *ir = f->ir;
    hl__ir_node *dense = &ir->nodes[index];
    uint32_t x = dense->inputs[0];
    if (f->producer[x] == HL__NONE || f->pinned[x]) return HL_OK;
    const hl__ir_node *concat = &ir->nodes[f->producer[x]];
    if (concat->removed || !is_op(concat, HL__OP_concat)) return HL_OK;
    hl_dense_config *config;
    if (dense_config(ir, dense, &config) != HL_OK) return ir->status;
    config->heads = true;
    dense->inputs[0] = concat->inputs[0];
    count(f);
    return HL_OK;
}

/* A transposed matrix need not be copied: dense multiplies by either. */
static hl_status fuse_transposed(fusion *f, size_t index) {
    hl__ir *ir = f->ir;
    hl__ir_node *dense = &ir->nodes[index];
    uint32_t w = dense->inputs[1];
    if (f->producer[w] == HL__NONE || f->pinned[w]) return HL_OK;
    const hl__ir_node *transpose = &ir->nodes[f->producer[w]];
    if (transpose->removed || !is_op(transpose, HL__OP_transpose)) return HL_OK;
    if (((const hl_order_config *)transpose->options)->order[0] != 1) return HL_OK; /* a matrix in its own order */
    hl_dense_config *config;
    if (dense_config(ir, dense, &config) != HL_OK) return ir->status;
    config->transposed = !config->transposed;
    dense->inputs[1] = transpose->inputs[0];
    count(f);
    return HL_OK;
}

/* The dense makes what the node behind it made. */
static void take_in(fusion *f, hl__ir_node *dense, hl__ir_node *node) {
    dense->outputs[0] = node->outputs[0];
    node->removed = true;
    count(f);
}

static bool has_residual(const hl__ir_node *dense) { return dense->inputs[3] != HL__NONE; }

/* A factor that is not a normal number stays by itself: 0 would mean none, and what underflows has lost its digits. */
static hl_status fuse_scale(fusion *f, size_t index) {
    hl__ir *ir = f->ir;
    hl__ir_node *node = &ir->nodes[index];
    hl__ir_node *dense = sole_producer(f, node->inputs[0], HL__OP_dense);
    if (!dense || has_residual(dense)) return HL_OK;
    const hl_dense_config *given = dense->options;
    float factor = ((const hl_scale_config *)node->options)->factor;
    float scale = given->scale != 0 ? given->scale * factor : factor;
    if (given->activation != HL_ACTIVATION_NONE || !isnormal(scale)) return HL_OK;
    hl_dense_config *config;
    if (dense_config(ir, dense, &config) != HL_OK) return ir->status;
    config->scale = scale;
    take_in(f, dense, node);
    return HL_OK;
}

static hl_activation activation_of(const hl__ir_node *node) {
    static const struct {
        hl__op op;
        hl_activation activation;
    } known[] = {{HL__OP_relu, HL_ACTIVATION_RELU},       {HL__OP_gelu, HL_ACTIVATION_GELU},
                 {HL__OP_tanh, HL_ACTIVATION_TANH},       {HL__OP_gelu_erf, HL_ACTIVATION_GELU_ERF},
                 {HL__OP_sigmoid, HL_ACTIVATION_SIGMOID}, {HL__OP_silu, HL_ACTIVATION_SILU}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (is_op(node, known[i].op)) return known[i].activation;
    return HL_ACTIVATION_NONE;
}

static hl_status fuse_activation(fusion *f, size_t index) {
    hl__ir *ir = f->ir;
    hl__ir_node *node = &ir->nodes[index];
    hl_activation activation = activation_of(node);
    if (activation == HL_ACTIVATION_NONE) return HL_OK;
    hl__ir_node *dense = sole_producer(f, node->inputs[0], HL__OP_dense);
    if (!dense || ((const hl_dense_config *)dense->options)->activation != HL_ACTIVATION_NONE) return HL_OK;
    hl_dense_config *config;
    if (dense_config(ir, dense, &config) != HL_OK) return ir->status;
    config->activation = activation;
    take_in(f, dense, node);
    return HL_OK;
}

/* A skip connection: the dense takes the place of the sum, where the other operand is there. */
static hl_status fuse_residual(fusion *f, size_t index) {
    hl__ir *ir = f->ir;
    hl__ir_node *sum = &ir->nodes[index];
    const hl_shape *shape = &ir->values[sum->outputs[0]].shape;
    for (size_t made = 2; made-- > 0;) {
        hl__ir_node *dense = sole_producer(f, sum->inputs[made], HL__OP_dense);
        uint32_t residual = sum->inputs[1 - made];
        if (!dense || has_residual(dense)) continue;
        if (((const hl_dense_config *)dense->options)->activation != HL_ACTIVATION_NONE) continue;
        if (!hl__shape_equal(&ir->values[sum->inputs[made]].shape, shape) ||
            !hl__shape_equal(&ir->values[residual].shape, shape))
            continue;
        hl__ir_node fused = *dense;
        fused.inputs[3] = residual;
        fused.n_inputs = 4;
        fused.outputs[0] = sum->outputs[0];
        dense->removed = true;
        *sum = fused;
        count(f);
        return HL_OK;
    }
    return HL_OK;
}

/* ---- */

/* The fused nodes' own shape rules give temporaries and saved outputs; they can't refuse what their parts accepted. */
static hl_status infer_again(hl__ir *ir, hl__ir_node *node) {
    hl_view views[HL_MAX_INPUTS] = {{.dtype = HL_NONE}};
    hl_inference rule = {
        .options = node->options, .n_inputs = node->n_inputs, .input = views, .n_outputs = node->op->n_outputs};
    for (size_t i = 0; i < node->n_inputs; i++) views[i] = hl__ir_view(ir, node->inputs[i]);
    for (size_t i = 0; i < HL_MAX_OUTPUTS; i++) rule.output_dtype[i] = HL_F32;
    hl_status status = node->op->infer(&rule);
    if (status != HL_OK) return hl__ir_fail(ir, status, "%s '%s': %s", node->op->name, node->name, rule.message);
    memcpy(node->temps, rule.temp, sizeof node->temps);
    for (size_t i = node->n_outputs; i < rule.n_outputs; i++) {
        const char *name = hl__store_format(&ir->store, "%s.saved%zu", node->name, i);
        uint32_t value =
            name ? hl__ir_value(ir, HL__VALUE_COMPUTED, name, rule.output_dtype[i], &rule.output[i]) : HL__NONE;
        if (value == HL__NONE) return hl__ir_no_memory(ir);
        node->outputs[i] = value;
    }
    node->n_outputs = rule.n_outputs;
    for (size_t i = 0; i < node->n_outputs; i++) {
        hl__value *value = &ir->values[node->outputs[i]];
        if (value->shape.rank == rule.output[i].rank &&
            memcmp(value->shape.extent, rule.output[i].extent, value->shape.rank * sizeof(size_t)) == 0)
            continue;
        if (i < node->n_outputs - node->op->n_saved)
            return hl__ir_fail(ir, HL_SHAPE_MISMATCH, "%s '%s': fusion changed the shape of output %zu", node->op->name,
                               node->name, i);
        uint32_t fresh = hl__ir_value(ir, HL__VALUE_COMPUTED, value->name, rule.output_dtype[i], &rule.output[i]);
        if (fresh == HL__NONE) return ir->status;
        node->outputs[i] = fresh;
    }
    return HL_OK;
}

/* Drops nodes whose results nobody needs any more. */
static void drop_dead(fusion *f) {
    hl__ir *ir = f->ir;
    for (bool changed = true; changed;) {
        changed = false;
        count(f);
        for (size_t n = ir->n_nodes; n-- > 0;) {
            hl__ir_node *node = &ir->nodes[n];
            bool needed = node->removed || node->keep;
            for (size_t i = 0; !needed && i < node->n_outputs; i++) {
                uint32_t v = node->outputs[i];
                needed = f->consumers[v] > 0 || f->pinned[v] || ir->values[v].output;
            }
            if (!needed) node->removed = changed = true;
        }
    }
}

/* Stable topological order, without the removed nodes: fusion moves results behind their readers. */
static hl_status sort_nodes(fusion *f) {
    hl__ir *ir = f->ir;
    hl__ir_node *sorted = hl__store_take(&f->scratch, ir->n_nodes, sizeof *sorted);
    char *done = hl__store_take(&f->scratch, ir->n_nodes, 1);
    if (!sorted || !done) return hl__ir_no_memory(ir);
    count(f);
    size_t n_sorted = 0;
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t n = 0; n < ir->n_nodes; n++) {
            const hl__ir_node *node = &ir->nodes[n];
            bool ready = !done[n] && !node->removed;
            for (size_t i = 0; ready && i < node->n_inputs; i++)
                if (node->inputs[i] != HL__NONE && f->producer[node->inputs[i]] != HL__NONE)
                    ready = done[f->producer[node->inputs[i]]];
            if (!ready) continue;
            sorted[n_sorted++] = *node;
            done[n] = 1;
            changed = true;
        }
    }
    if (n_sorted) memcpy(ir->nodes, sorted, n_sorted * sizeof *sorted);
    ir->n_nodes = n_sorted;
    return HL_OK;
}

hl_status hl__ir_fuse(hl__ir *ir) {
    fusion f = {.ir = ir};
    if (!prepare(&f)) hl__ir_no_memory(ir);
    size_t n_nodes = ir->n_nodes;
    for (size_t n = 0; n < n_nodes && ir->status == HL_OK; n++)
        if (!ir->nodes[n].removed && is_op(&ir->nodes[n], HL__OP_weight)) fuse_attention(&f, n);
    for (size_t n = 0; n < n_nodes && ir->status == HL_OK; n++)
        if (!ir->nodes[n].removed && is_op(&ir->nodes[n], HL__OP_project)) fuse_projections(&f, n);
    for (size_t n = 0; n < n_nodes && ir->status == HL_OK; n++)
        if (!ir->nodes[n].removed && is_op(&ir->nodes[n], HL__OP_dense)) fuse_heads(&f, n);
    for (size_t n = 0; n < n_nodes && ir->status == HL_OK; n++)
        if (!ir->nodes[n].removed && is_op(&ir->nodes[n], HL__OP_dense)) fuse_transposed(&f, n);
    for (size_t n = 0; n < n_nodes && ir->status == HL_OK; n++)
        if (!ir->nodes[n].removed && is_op(&ir->nodes[n], HL__OP_scale)) fuse_scale(&f, n);
    for (size_t n = 0; n < n_nodes && ir->status == HL_OK; n++)
        if (!ir->nodes[n].removed) fuse_activation(&f, n);
    for (size_t n = 0; n < n_nodes && ir->status == HL_OK; n++)
        if (!ir->nodes[n].removed && is_op(&ir->nodes[n], HL__OP_add)) fuse_residual(&f, n);
    if (ir->status == HL_OK) drop_dead(&f);
    for (size_t n = 0; n < ir->n_nodes && ir->status == HL_OK; n++)
        if (!ir->nodes[n].removed && (is_op(&ir->nodes[n], HL__OP_attention) || is_op(&ir->nodes[n], HL__OP_dense)))
            infer_again(ir, &ir->nodes[n]);
    if (ir->status == HL_OK) sort_nodes(&f);
    hl__store_clear(&f.scratch);
    return ir->status;
}
