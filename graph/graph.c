/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Building: leaves, nodes, the first error. The typed constructors are in construct.c. */
#include "graph/graph.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ops/ops.h"
#include "runtime/memory.h"

void *hl__graph_fail(hl_graph *graph, hl_status status, const char *format, ...) {
    if (!graph || graph->status != HL_OK) return NULL;
    graph->status = status;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(graph->message, sizeof graph->message, format, arguments);
    va_end(arguments);
    return NULL;
}

static void *fail_memory(hl_graph *graph) { return hl__graph_fail(graph, HL_OUT_OF_MEMORY, "no memory for the graph"); }

bool hl__graph_open(hl_graph *graph) { return graph && graph->status == HL_OK; }

hl_status hl_graph_create(hl_graph **graph) {
    if (!graph) return HL_INVALID_ARGUMENT;
    hl_graph *made = hl__allocate(1, sizeof *made);
    if (!made) return HL_OUT_OF_MEMORY;
    pthread_mutex_init(&made->unmade.mutex, NULL);
    *graph = made;
    return HL_OK;
}

void hl_graph_destroy(hl_graph *graph) {
    if (!graph) return;
    hl__store_clear(&graph->store);
    pthread_mutex_destroy(&graph->unmade.mutex);
    hl__release(graph);
}

hl_status hl_graph_status(const hl_graph *graph) { return graph ? graph->status : HL_INVALID_ARGUMENT; }

const char *hl_graph_error(const hl_graph *graph) {
    if (!graph) return "the graph is NULL";
    return graph->status != HL_OK ? graph->message : hl__error_words(&graph->unmade);
}

hl_tensor *hl__graph_tensor(hl_graph *graph, hl__tensor_kind kind, const char *name, hl_dtype dtype, hl_shape shape) {
    hl_tensor *tensor = hl__store_take(&graph->store, 1, sizeof *tensor);
    const char *copy = hl__store_string(&graph->store, name);
    if (!tensor || !copy) return fail_memory(graph);
    *tensor = (hl_tensor){.graph = graph,
                          .id = graph->n_tensors++,
                          .kind = kind,
                          .name = copy,
                          .dtype = dtype,
                          .shape = shape,
                          .index_min = INT32_MIN,
                          .index_max = INT32_MAX};
    if (graph->last_tensor) graph->last_tensor->next = tensor;
    else graph->tensors = tensor;
    graph->last_tensor = tensor;
    return tensor;
}

/* ---- leaves ---- */

static bool leaf_valid(hl_graph *graph, const char *what, const char *name, hl_dtype dtype, const hl_shape *shape) {
    char text[HL_SHAPE_TEXT];
    if (!name || !*name) hl__graph_fail(graph, HL_INVALID_ARGUMENT, "%s: the name is NULL or empty", what);
    else if (hl_dtype_bytes(dtype) == 0)
        hl__graph_fail(graph, HL_INVALID_ARGUMENT, "%s '%s': %d is no element type", what, name, (int)dtype);
    else if (shape->rank > HL_MAX_RANK)
        hl__graph_fail(graph, HL_INVALID_ARGUMENT, "%s '%s': rank %zu is above %d", what, name, shape->rank,
                       HL_MAX_RANK);
    else if (hl_shape_elements(shape) == 0 || hl_shape_elements(shape) > SIZE_MAX / 8)
        hl__graph_fail(graph, HL_OUT_OF_RANGE, "%s '%s': shape %s has no elements, or more than fit", what, name,
                       hl_shape_text(shape, text, sizeof text));
    return graph->status == HL_OK;
}

static hl_tensor *find_leaf(hl_graph *graph, const char *name) {
    for (hl_tensor *tensor = graph->tensors; tensor; tensor = tensor->next)
        if (tensor->kind <= HL__TENSOR_STATE && strcmp(tensor->name, name) == 0) return tensor;
    return NULL;
}

static const char *leaf_kind(const hl_tensor *leaf) {
    if (leaf->kind == HL__TENSOR_INPUT) return "input";
    return leaf->kind == HL__TENSOR_CONSTANT ? "constant" : "state tensor";
}

static bool same_shape(const hl_shape *a, const hl_shape *b) {
    return a->rank == b->rank && memcmp(a->extent, b->extent, a->rank * sizeof a->extent[0]) == 0;
}

static hl_tensor *state_leaf(hl_graph *graph, hl__tensor_kind kind, const char *name, hl_dtype dtype, hl_shape shape) {
    hl_tensor *old = find_leaf(graph, name);
    if (!old) return hl__graph_tensor(graph, kind, name, dtype, shape);
    hl_status status = old->kind != kind                  ? HL_EXISTS
                       : old->dtype != dtype              ? HL_TYPE_MISMATCH
                       : !same_shape(&old->shape, &shape) ? HL_SHAPE_MISMATCH
                                                          : HL_OK;
    char ours[HL_SHAPE_TEXT], theirs[HL_SHAPE_TEXT];
    if (status != HL_OK)
        return hl__graph_fail(graph, status, "'%s' %s %s is already there as %s %s %s", name, hl_dtype_name(dtype),
                              hl_shape_text(&shape, ours, sizeof ours), leaf_kind(old), hl_dtype_name(old->dtype),
                              hl_shape_text(&old->shape, theirs, sizeof theirs));
    return old;
}

hl_tensor *hl_input(hl_graph *graph, const char *name, hl_dtype dtype, hl_shape shape) {
    if (!hl__graph_open(graph) || !leaf_valid(graph, "input", name, dtype, &shape)) return NULL;
    if (find_leaf(graph, name)) return hl__graph_fail(graph, HL_EXISTS, "input '%s': the name is taken", name);
    return hl__graph_tensor(graph, HL__TENSOR_INPUT, name, dtype, shape);
}

hl_tensor *hl_constant(hl_graph *graph, const char *name, hl_dtype dtype, hl_shape shape, const void *values) {
    if (!hl__graph_open(graph)) return NULL;
    const char *given = name ? name : hl__store_format(&graph->store, "constant_%u", (unsigned)graph->n_tensors);
    if (!given) return fail_memory(graph);
    if (!leaf_valid(graph, "constant", given, dtype, &shape)) return NULL;
    if (!values) return hl__graph_fail(graph, HL_INVALID_ARGUMENT, "constant '%s': the values are NULL", given);
    if (find_leaf(graph, given)) return hl__graph_fail(graph, HL_EXISTS, "constant '%s': the name is taken", given);
    const void *copy = hl__store_copy(&graph->store, values, hl_shape_elements(&shape) * hl_dtype_bytes(dtype));
    if (!copy) return fail_memory(graph);
    hl_tensor *constant = hl__graph_tensor(graph, HL__TENSOR_CONSTANT, given, dtype, shape);
    if (constant) constant->values = copy;
    return constant;
}

hl_tensor *hl_param(hl_graph *graph, const char *name, hl_dtype dtype, hl_shape shape) {
    if (!hl__graph_open(graph) || !leaf_valid(graph, "parameter", name, dtype, &shape)) return NULL;
    if (dtype != HL_F32) return hl__graph_fail(graph, HL_UNSUPPORTED, "parameter '%s': only f32 can be trained", name);
    hl_tensor *last = graph->last_tensor, *param = state_leaf(graph, HL__TENSOR_PARAM, name, dtype, shape);
    if (param && graph->last_tensor != last) param->decays = shape.rank >= 2;
    return param;
}

hl_tensor *hl_param_find(hl_graph *graph, const char *name) {
    hl_tensor *leaf = graph && name ? find_leaf(graph, name) : NULL;
    return leaf && leaf->kind == HL__TENSOR_PARAM ? leaf : NULL;
}

hl_tensor *hl__graph_state(hl_graph *graph, const char *name, hl_dtype dtype, hl_shape shape) {
    if (!hl__graph_open(graph)) return NULL;
    return state_leaf(graph, HL__TENSOR_STATE, name, dtype, shape);
}

hl_tensor *hl__graph_step(hl_graph *graph) { return hl__graph_state(graph, "step", HL_I32, HL_SCALAR); }

static bool is_param(hl_graph *graph, const hl_tensor *param, const char *call) {
    if (!hl__graph_open(graph)) return false;
    if (param && param->graph == graph && param->kind == HL__TENSOR_PARAM) return true;
    hl__graph_fail(graph, HL_INVALID_ARGUMENT, "%s: '%s' is no parameter of this graph", call, hl_tensor_name(param));
    return false;
}

hl_tensor *hl_param_init(hl_graph *graph, hl_tensor *param, hl_init_function function, const void *context,
                         size_t bytes) {
    if (!is_param(graph, param, "hl_param_init")) return NULL;
    if (!context && bytes > 0)
        return hl__graph_fail(graph, HL_INVALID_ARGUMENT, "hl_param_init of '%s': %zu bytes of context, but it is NULL",
                              param->name, bytes);
    void *copy = hl__store_copy(&graph->store, context, bytes);
    if (!copy) return fail_memory(graph);
    param->init = function;
    param->init_context = copy;
    return param;
}

hl_tensor *hl_param_freeze(hl_graph *graph, hl_tensor *param) {
    if (!is_param(graph, param, "hl_param_freeze")) return NULL;
    param->frozen = true;
    return param;
}

hl_tensor *hl_param_decay(hl_graph *graph, hl_tensor *param, bool decays) {
    if (!is_param(graph, param, "hl_param_decay")) return NULL;
    param->decays = decays;
    return param;
}

/* ---- tensors ---- */

hl_tensor *hl_name(hl_graph *graph, hl_tensor *tensor, const char *name) {
    if (!hl__graph_open(graph) || !tensor) return NULL;
    if (!name || !*name || tensor->graph != graph)
        return hl__graph_fail(graph, HL_INVALID_ARGUMENT, "hl_name: no name, or a tensor of another graph");
    if (tensor->kind != HL__TENSOR_OUTPUT)
        return hl__graph_fail(graph, HL_INVALID_ARGUMENT, "hl_name: '%s' is no node's output", tensor->name);
    const char *copy = hl__store_string(&graph->store, name);
    if (!copy) return fail_memory(graph);
    tensor->name = copy;
    if (tensor->output == 0) tensor->node->name = copy;
    return tensor;
}

const char *hl_tensor_name(const hl_tensor *tensor) { return tensor ? tensor->name : "(null)"; }
hl_shape hl_tensor_shape(const hl_tensor *tensor) { return tensor ? tensor->shape : HL_SCALAR; }
hl_dtype hl_tensor_dtype(const hl_tensor *tensor) { return tensor ? tensor->dtype : HL_NONE; }

/* ---- nodes ---- */

/* True where a forward step updates input i in place. */
static bool updates_input(const hl_operator *op, size_t i) {
    for (const hl_step *step = op->forward; step < op->forward + HL_MAX_STEPS && step->pass; step++)
        for (const uint16_t *code = step->writes; *code; code++)
            if (*code == HL_IN(i)) return true;
    return false;
}

static bool is_state(const hl_tensor *tensor) {
    return tensor->kind == HL__TENSOR_PARAM || tensor->kind == HL__TENSOR_STATE;
}

static bool inputs_valid(hl_graph *graph, const hl_operator *op, hl_tensor *const inputs[], size_t n,
                         const void *options) {
    if (n < op->min_inputs || n > op->max_inputs || n > HL_MAX_INPUTS)
        hl__graph_fail(graph, HL_INVALID_ARGUMENT, "%s: takes %zu to %zu inputs, got %zu", op->name, op->min_inputs,
                       op->max_inputs, n);
    else if (n > 0 && !inputs)
        hl__graph_fail(graph, HL_INVALID_ARGUMENT, "%s: %zu inputs, but their list is NULL", op->name, n);
    else if (op->options_bytes && !options)
        hl__graph_fail(graph, HL_INVALID_ARGUMENT, "%s: the options are NULL", op->name);
    for (size_t i = 0; i < n && graph->status == HL_OK; i++) {
        if (!inputs[i] && !(op->optional >> i & 1))
            hl__graph_fail(graph, HL_INVALID_ARGUMENT, "%s: input %zu is NULL", op->name, i);
        else if (inputs[i] && inputs[i]->graph != graph)
            hl__graph_fail(graph, HL_INVALID_ARGUMENT, "%s: input %zu ('%s') belongs to another graph", op->name, i,
                           inputs[i]->name);
        else if (inputs[i] && updates_input(op, i) && !is_state(inputs[i]))
            hl__graph_fail(graph, HL_INVALID_ARGUMENT, "%s: updates input %zu in place, and '%s' is no state tensor",
                           op->name, i, inputs[i]->name);
    }
    return graph->status == HL_OK;
}

static void dense_view(const hl_tensor *tensor, hl_view *view) {
    *view = (hl_view){.dtype = HL_NONE};
    if (!tensor) return;
    view->dtype = tensor->dtype;
    view->shape = tensor->shape;
    size_t stride = 1;
    for (size_t i = tensor->shape.rank; i-- > 0;) {
        view->stride[i] = stride;
        stride *= tensor->shape.extent[i];
    }
}

static bool moves_elements(const hl_operator *op) {
    static const hl__op movers[] = {HL__OP_copy,    HL__OP_append,    HL__OP_slice, HL__OP_split,
                                    HL__OP_reshape, HL__OP_transpose, HL__OP_gather};
    for (size_t i = 0; i < sizeof movers / sizeof movers[0]; i++)
        if (op == hl__operator(movers[i])) return true;
    return false;
}

/* True where the consumer takes every element; else the graph's error names the first one that it does not. */
static bool constant_fits(const hl_tensor *constant, const hl__node *user, int32_t low, int32_t high) {
    const int32_t *values = constant->values;
    char text[HL_SHAPE_TEXT];
    for (size_t i = 0; i < hl_shape_elements(&constant->shape); i++) {
        if (values[i] >= low && values[i] <= high) continue;
        hl__graph_fail(constant->graph, HL_OUT_OF_RANGE, "%s '%s': constant '%s' %s: element %zu is %d, not in %d..%d",
                       user->op->name, user->name, constant->name, hl_shape_text(&constant->shape, text, sizeof text),
                       i, (int)values[i], (int)low, (int)high);
        return false;
    }
    return true;
}

/* Index tensors pass through operators that only move elements; the inputs behind them take the narrowest range, and
 * constants are looked at. False where the values come from somewhere else, or no value fits every consumer. */
static bool narrow_index(hl_tensor *index, const hl__node *user, int32_t low, int32_t high) {
    if (low == INT32_MIN && high == INT32_MAX) return true;
    if (index->kind == HL__TENSOR_OUTPUT && moves_elements(index->node->op)) {
        bool all = index->node->op == hl__operator(HL__OP_append); /* the others move elements of input 0 alone */
        for (size_t i = 0; i < (all ? index->node->n_inputs : 1); i++)
            if (!narrow_index(index->node->inputs[i], user, low, high)) return false;
        return true;
    }
    if (index->kind == HL__TENSOR_STATE) return low <= 0 && high == INT32_MAX; /* counts: hl_state_write sees to it */
    if (index->kind == HL__TENSOR_CONSTANT) return constant_fits(index, user, low, high);
    if (index->kind != HL__TENSOR_INPUT) return false;
    if (low <= index->index_min && high >= index->index_max) return true;
    if (low > index->index_min) index->index_min = low;
    if (high < index->index_max) index->index_max = high;
    index->index_user = user;
    return index->index_min <= index->index_max;
}

static bool narrow_indices(hl_graph *graph, hl__node *node, const hl_inference *rule) {
    for (size_t i = 0; i < node->n_inputs; i++) {
        if (!node->inputs[i] || node->inputs[i]->dtype != HL_I32) continue;
        if (narrow_index(node->inputs[i], node, rule->index_min[i], rule->index_max[i])) continue;
        hl__graph_fail(graph, HL_OUT_OF_RANGE, "%s '%s': index '%s' cannot be checked to lie in %d..%d", node->op->name,
                       node->name, node->inputs[i]->name, (int)rule->index_min[i], (int)rule->index_max[i]);
        return false;
    }
    return true;
}

/* What has to be finite: inputs, also behind operators that only move elements, are checked when they are written, and
 * constants at once; what else makes numbers is looked at when it has. */
static void mark_finite(hl_tensor *tensor, const hl__node *user) {
    if (tensor->kind == HL__TENSOR_OUTPUT && moves_elements(tensor->node->op)) {
        bool all = tensor->node->op == hl__operator(HL__OP_append);
        for (size_t i = 0; i < (all ? tensor->node->n_inputs : 1); i++) mark_finite(tensor->node->inputs[i], user);
    } else if (tensor->kind == HL__TENSOR_INPUT) {
        tensor->finite_user = user;
    } else if (tensor->kind == HL__TENSOR_CONSTANT) {
        const float *values = tensor->values;
        for (size_t i = 0; i < hl_shape_elements(&tensor->shape); i++)
            if (!isfinite(values[i]))
                hl__graph_fail(tensor->graph, HL_OUT_OF_RANGE, "%s '%s': constant '%s' is %g, which is not finite",
                               user->op->name, user->name, tensor->name, (double)values[i]);
    }
}

static bool mark_finite_inputs(hl_graph *graph, hl__node *node, const hl_inference *rule) {
    for (size_t i = 0; i < node->n_inputs; i++) {
        const hl_tensor *input = node->inputs[i];
        if (!(rule->finite >> i & 1) || !input || input->dtype != HL_F32 || input->shape.rank != 0) continue;
        node->finite |= 1u << i;
        mark_finite(node->inputs[i], node);
    }
    return graph->status == HL_OK;
}

/* Shapes that overflow, by broadcasting for instance, and mistakes of a user's own rule. */
static bool outputs_valid(hl_graph *graph, const hl__node *node, const hl_inference *rule) {
    if (rule->n_outputs > HL_MAX_OUTPUTS || rule->n_outputs < node->op->n_saved)
        hl__graph_fail(graph, HL_OUT_OF_RANGE, "%s '%s': the shape rule gives %zu outputs, %zu of them saved",
                       node->op->name, node->name, rule->n_outputs, node->op->n_saved);
    for (size_t i = 0; graph->status == HL_OK && i < rule->n_outputs; i++) {
        const hl_shape *shape = &rule->output[i];
        size_t elements = shape->rank <= HL_MAX_RANK ? hl_shape_elements(shape) : 0;
        char text[HL_SHAPE_TEXT];
        if (elements == 0 || elements > SIZE_MAX / 8 || hl_dtype_bytes(rule->output_dtype[i]) == 0)
            hl__graph_fail(graph, HL_OUT_OF_RANGE,
                           "%s '%s': output %zu, %s of rank %zu, has no element type, no elements, or more than fit",
                           node->op->name, node->name, i,
                           shape->rank <= HL_MAX_RANK ? hl_shape_text(shape, text, sizeof text) : "a shape",
                           shape->rank);
    }
    return graph->status == HL_OK;
}

static bool infer(hl_graph *graph, hl__node *node, hl_inference *rule) {
    hl_view views[HL_MAX_INPUTS] = {{.dtype = HL_NONE}}; /* those that are not given, too */
    for (size_t i = 0; i < node->n_inputs; i++) {
        dense_view(node->inputs[i], &views[i]);
        rule->index_min[i] = INT32_MIN;
        rule->index_max[i] = INT32_MAX;
    }
    rule->options = node->options;
    rule->n_inputs = node->n_inputs;
    rule->input = views;
    rule->n_outputs = node->op->n_outputs;
    for (size_t i = 0; i < HL_MAX_OUTPUTS; i++) rule->output_dtype[i] = HL_F32;
    hl_status status = node->op->infer(rule);
    rule->input = NULL;
    if (status == HL_OK) return outputs_valid(graph, node, rule);
    hl__graph_fail(graph, status, "%s '%s': %s", node->op->name, node->name, rule->message);
    return false;
}

hl__node *hl__graph_apply(hl_graph *graph, const hl_operator *op, hl_tensor *const inputs[], size_t n,
                          const void *options) {
    if (!hl__graph_open(graph)) return NULL;
    if (!op) return hl__graph_fail(graph, HL_INVALID_ARGUMENT, "hl_apply: the operator is NULL");
    if (!inputs_valid(graph, op, inputs, n, options)) return NULL;
    hl__node *node = hl__store_take(&graph->store, 1, sizeof *node);
    if (!node) return fail_memory(graph);
    node->graph = graph;
    node->op = op;
    node->n_inputs = n;
    for (size_t i = 0; i < n; i++) node->inputs[i] = inputs[i];
    node->name = hl__store_format(&graph->store, "%s_%u", op->name, (unsigned)graph->n_nodes);
    node->options = op->options_bytes ? hl__store_copy(&graph->store, options, op->options_bytes) : NULL;
    if (!node->name || (op->options_bytes && !node->options)) return fail_memory(graph);

    hl_inference rule = {0};
    if (!infer(graph, node, &rule) || !narrow_indices(graph, node, &rule) || !mark_finite_inputs(graph, node, &rule))
        return NULL;
    node->n_outputs = rule.n_outputs;
    memcpy(node->temps, rule.temp, sizeof node->temps);
    for (size_t i = 0; i < node->n_outputs; i++) {
        hl_tensor *output =
            hl__graph_tensor(graph, HL__TENSOR_OUTPUT, node->name, rule.output_dtype[i], rule.output[i]);
        if (!output) return NULL;
        output->node = node;
        output->output = i;
        node->outputs[i] = output;
    }
    node->id = graph->n_nodes++;
    if (graph->last_node) graph->last_node->next = node;
    else graph->nodes = node;
    graph->last_node = node;
    return node;
}

hl_tensor *hl_apply(hl_graph *graph, const hl_operator *op, hl_tensor *const inputs[], size_t n, const void *options,
                    hl_tensor *outputs[]) {
    hl__node *node = hl__graph_apply(graph, op, inputs, n, options);
    if (!node) return NULL;
    size_t visible = node->n_outputs - op->n_saved;
    for (size_t i = 0; outputs && i < visible; i++) outputs[i] = node->outputs[i];
    return visible ? node->outputs[0] : NULL;
}

const hl_operator *hl_operator_find(const char *name) {
    for (int op = 0; name && op < HL__N_OPS; op++)
        if (strcmp(hl__operator((hl__op)op)->name, name) == 0) return hl__operator((hl__op)op);
    return NULL;
}
