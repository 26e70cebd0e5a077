/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Values and nodes of the intermediate form, and the first stage: the part of the graph that the outputs need. */
#include "graph/ir.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ops/op.h"
#include "runtime/memory.h"

hl_status hl__ir_fail(hl__ir *ir, hl_status status, const char *format, ...) {
    if (ir->status != HL_OK) return ir->status;
    ir->status = status;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(ir->message, sizeof ir->message, format, arguments);
    va_end(arguments);
    return status;
}

hl_status hl__ir_no_memory(hl__ir *ir) { return hl__ir_fail(ir, HL_OUT_OF_MEMORY, "no memory for the program"); }

void hl__ir_clear(hl__ir *ir) {
    hl__release(ir->values);
    hl__release(ir->nodes);
    hl__release(ir->calls);
    hl__boxes_clear(&ir->boxes);
    hl__store_clear(&ir->store);
    *ir = (hl__ir){0};
}

uint32_t hl__ir_value(hl__ir *ir, hl__value_kind kind, const char *name, hl_dtype dtype, const hl_shape *shape) {
    if (!hl__grow(&ir->values, &ir->room_values, ir->n_values, ir->n_values + 1, sizeof *ir->values)) {
        hl__ir_no_memory(ir);
        return HL__NONE;
    }
    uint32_t id = (uint32_t)ir->n_values++;
    hl_view view = {.shape = *shape};
    hl__dense_strides(&view);
    hl__value *value = &ir->values[id];
    *value = (hl__value){.name = name,
                         .kind = kind,
                         .dtype = dtype,
                         .shape = *shape,
                         .base = id,
                         .dense = HL__NONE,
                         .first_call = HL__NONE,
                         .bytes = hl_shape_elements(shape) * hl_dtype_bytes(dtype)};
    memcpy(value->stride, view.stride, sizeof value->stride);
    return id;
}

hl__ir_node *hl__ir_add_node(hl__ir *ir) {
    if (!hl__grow(&ir->nodes, &ir->room_nodes, ir->n_nodes, ir->n_nodes + 1, sizeof *ir->nodes)) {
        hl__ir_no_memory(ir);
        return NULL;
    }
    hl__ir_node *node = &ir->nodes[ir->n_nodes++];
    *node = (hl__ir_node){0};
    return node;
}

hl_view hl__ir_view(const hl__ir *ir, uint32_t id) {
    hl_view view = {.dtype = HL_NONE};
    if (id == HL__NONE) return view;
    const hl__value *value = &ir->values[id];
    view.dtype = value->dtype;
    view.shape = value->shape;
    memcpy(view.stride, value->stride, sizeof view.stride);
    return view;
}

bool hl__ir_dense(const hl__value *value) {
    hl_view view = {.shape = value->shape};
    memcpy(view.stride, value->stride, sizeof view.stride);
    return hl__view_dense(&view);
}

bool hl__ir_writes_state(const hl__ir *ir, const hl__call *call) {
    for (size_t i = 0; i < call->call.n_writes; i++) {
        uint32_t id = call->operand[call->call.n_reads + i];
        if (id != HL__NONE && ir->values[ir->values[id].base].kind == HL__VALUE_STATE) return true;
    }
    return false;
}

void hl__ir_become_view(hl__ir *ir, uint32_t view, uint32_t of) {
    hl__value *value = &ir->values[view];
    const hl__value *seen = &ir->values[of];
    value->base = seen->base;
    value->offset = seen->offset;
    memcpy(value->stride, seen->stride, sizeof value->stride);
    if (value->output) ir->values[value->base].output = true;
}

uint32_t hl__ir_find(const hl__ir *ir, const hl_tensor *tensor) {
    if (!tensor || tensor->id >= ir->n_tensors) return HL__NONE;
    uint32_t id = ir->value_of[tensor->id];
    return id != HL__NONE && ir->values[id].tensor == tensor ? id : HL__NONE;
}

/* ---- build ---- */

typedef struct selection {
    hl_tensor **tensors; /* by id */
    hl__node **nodes;    /* by id */
    char *tensor_needed, *node_needed;
    uint32_t *value; /* of a tensor, by id */
} selection;

static bool select_prepare(hl__ir *ir, hl_graph *graph, hl__store *scratch, selection *s) {
    s->tensors = hl__store_take(scratch, graph->n_tensors, sizeof *s->tensors);
    s->nodes = hl__store_take(scratch, graph->n_nodes, sizeof *s->nodes);
    s->tensor_needed = hl__store_take(scratch, graph->n_tensors, 1);
    s->node_needed = hl__store_take(scratch, graph->n_nodes, 1);
    s->value = hl__store_take(&ir->store, graph->n_tensors, sizeof *s->value);
    if (!s->tensors || !s->nodes || !s->tensor_needed || !s->node_needed || !s->value) return false;
    for (hl_tensor *t = graph->tensors; t; t = t->next) s->tensors[t->id] = t;
    for (hl__node *n = graph->nodes; n; n = n->next) s->nodes[n->id] = n;
    for (size_t i = 0; i < graph->n_tensors; i++) s->value[i] = HL__NONE;
    ir->value_of = s->value;
    ir->n_tensors = graph->n_tensors;
    return true;
}

static void need_node(selection *s, const hl__node *node) {
    s->node_needed[node->id] = 1;
    for (size_t i = 0; i < node->n_inputs; i++)
        if (node->inputs[i]) s->tensor_needed[node->inputs[i]->id] = 1;
    for (size_t i = 0; i < node->n_outputs; i++) s->tensor_needed[node->outputs[i]->id] = 1;
    for (size_t i = 0; i < node->n_after; i++)
        if (!s->node_needed[node->after[i]->id]) need_node(s, node->after[i]);
}

/* Operands are older than results, and a gradient is younger than its loss, so one sweep from the youngest tensor to
 * the oldest reaches everything, but for the operands of updates, which hang behind a younger node: swept until
 * nothing is new. */
static void select_needed(hl_graph *graph, selection *s) {
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t id = graph->n_tensors; id-- > 0;) {
            if (!s->tensor_needed[id]) continue;
            const hl_tensor *tensor = s->tensors[id];
            if (tensor->kind == HL__TENSOR_GRADIENT) {
                changed |= !s->tensor_needed[tensor->loss->id] || !s->tensor_needed[tensor->wrt->id];
                s->tensor_needed[tensor->loss->id] = s->tensor_needed[tensor->wrt->id] = 1;
            } else if (tensor->kind == HL__TENSOR_OUTPUT && !s->node_needed[tensor->node->id]) {
                need_node(s, tensor->node);
                changed = true;
            }
        }
    }
}

static hl_status add_value(hl__ir *ir, selection *s, const hl_tensor *tensor) {
    hl__value_kind kind = HL__VALUE_COMPUTED;
    if (tensor->kind == HL__TENSOR_INPUT) kind = HL__VALUE_INPUT;
    else if (tensor->kind == HL__TENSOR_CONSTANT) kind = HL__VALUE_CONSTANT;
    else if (tensor->kind == HL__TENSOR_PARAM || tensor->kind == HL__TENSOR_STATE) kind = HL__VALUE_STATE;
    uint32_t id = hl__ir_value(ir, kind, tensor->name, tensor->dtype, &tensor->shape);
    if (id == HL__NONE) return ir->status;
    ir->values[id].tensor = tensor;
    ir->values[id].elements = tensor->values;
    s->value[tensor->id] = id;
    return HL_OK;
}

static bool writes_in_place(const hl_operator *op) {
    for (const hl_step *step = op->forward; step < op->forward + HL_MAX_STEPS && step->pass; step++)
        for (const uint16_t *w = step->writes; *w; w++)
            if (*w >= HL_IN(0) && *w < HL_OUT(0)) return true;
    return false;
}

static hl_status add_node(hl__ir *ir, const selection *s, const hl__node *node) {
    hl__ir_node *made = hl__ir_add_node(ir);
    if (!made) return ir->status;
    made->op = node->op;
    made->options = node->options;
    made->name = node->name;
    made->id = node->id;
    made->keep = writes_in_place(node->op);
    made->finite = node->finite;
    made->n_inputs = node->n_inputs;
    for (size_t i = 0; i < HL_MAX_INPUTS; i++) { /* what is left out at the end is absent like what is NULL */
        const hl_tensor *input = i < node->n_inputs ? node->inputs[i] : NULL;
        made->inputs[i] = input ? s->value[input->id] : HL__NONE;
    }
    made->n_outputs = node->n_outputs;
    for (size_t i = 0; i < node->n_outputs; i++) made->outputs[i] = s->value[node->outputs[i]->id];
    memcpy(made->temps, node->temps, sizeof made->temps);
    return HL_OK;
}

static hl_status build_selected(hl__ir *ir, hl_graph *graph, selection *s) {
    size_t n_gradients = 0;
    for (size_t id = 0; id < graph->n_tensors; id++) {
        if (!s->tensor_needed[id]) continue;
        if (add_value(ir, s, s->tensors[id]) != HL_OK) return ir->status;
        n_gradients += s->tensors[id]->kind == HL__TENSOR_GRADIENT;
    }
    ir->gradients = hl__store_take(&ir->store, n_gradients, sizeof *ir->gradients);
    if (!ir->gradients) return hl__ir_no_memory(ir);
    for (size_t id = 0; id < graph->n_tensors; id++) {
        const hl_tensor *t = s->tensors[id];
        if (!s->tensor_needed[id] || t->kind != HL__TENSOR_GRADIENT) continue;
        ir->gradients[ir->n_gradients++] =
            (hl__ir_gradient){.loss = s->value[t->loss->id], .wrt = s->value[t->wrt->id], .value = s->value[id]};
    }
    for (size_t id = 0; id < graph->n_nodes; id++)
        if (s->node_needed[id] && add_node(ir, s, s->nodes[id]) != HL_OK) return ir->status;
    return HL_OK;
}

hl_status hl__ir_build(hl__ir *ir, hl_graph *graph, hl_tensor *const outputs[], size_t n_outputs) {
    ir->ones = HL__NONE;
    hl__store scratch = {0};
    selection s = {0};
    if (!select_prepare(ir, graph, &scratch, &s)) {
        hl__store_clear(&scratch);
        return hl__ir_no_memory(ir);
    }
    for (size_t i = 0; i < n_outputs; i++) {
        if (!outputs[i] || outputs[i]->graph != graph) {
            hl__ir_fail(ir, HL_INVALID_ARGUMENT, "output %zu ('%s') is no tensor of this graph", i,
                        hl_tensor_name(outputs[i]));
            break;
        }
        s.tensor_needed[outputs[i]->id] = 1;
    }
    if (ir->status == HL_OK) {
        select_needed(graph, &s);
        build_selected(ir, graph, &s);
    }
    for (size_t i = 0; i < n_outputs && ir->status == HL_OK; i++) ir->values[s.value[outputs[i]->id]].output = true;
    hl__store_clear(&scratch);
    return ir->status;
}
