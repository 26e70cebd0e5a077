/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Emission of calls: codes become values, aliases become views, awkward views become dense copies. */
#include "graph/emit.h"

#include <string.h>

#include "ops/op.h"
#include "ops/ops.h"
#include "runtime/memory.h"

void hl__emission_of(hl__ir *ir, const hl__ir_node *node, hl__emission *e) {
    *e = (hl__emission){.ir = ir,
                        .op = node->op,
                        .options = node->options,
                        .name = node->name,
                        .id = node->id,
                        .n_inputs = node->n_inputs,
                        .n_outputs = node->n_outputs};
    memcpy(e->inputs, node->inputs, sizeof e->inputs);
    memcpy(e->outputs, node->outputs, sizeof e->outputs);
    memcpy(e->temp_shapes, node->temps, sizeof e->temp_shapes);
    for (size_t i = 0; i < HL_MAX_INPUTS; i++) e->d_inputs[i] = e->shares[i] = HL__NONE;
    for (size_t i = 0; i < HL_MAX_OUTPUTS; i++) e->d_outputs[i] = HL__NONE;
    for (size_t i = 0; i < HL_MAX_TEMPS; i++) e->temps[i] = HL__NONE;
}

static uint32_t temporary(hl__emission *e, size_t i, bool backward) {
    if (e->temps[i] == HL__NONE) {
        const char *name = hl__store_format(&e->ir->store, "%s.%stemp%zu", e->name, backward ? "d" : "", i);
        if (name) e->temps[i] = hl__ir_value(e->ir, HL__VALUE_COMPUTED, name, HL_F32, &e->temp_shapes[i]);
        else hl__ir_no_memory(e->ir);
    }
    return e->temps[i];
}

/* The value behind a code; HL__NONE where it is absent. */
static uint32_t resolve(hl__emission *e, uint16_t code, bool backward) {
    size_t i = code & 0xff;
    switch (code & 0xff00) {
    case HL_IN(0): return i < e->n_inputs ? e->inputs[i] : HL__NONE;
    case HL_OUT(0): return i < e->n_outputs ? e->outputs[i] : HL__NONE;
    case HL_DOUT(0): return i < e->n_outputs ? e->d_outputs[i] : HL__NONE;
    case HL_DIN(0): return i < e->n_inputs ? e->d_inputs[i] : HL__NONE;
    case HL_SHARE(0): return i < e->n_inputs ? e->shares[i] : HL__NONE;
    default: return i < HL_MAX_TEMPS ? temporary(e, i, backward) : HL__NONE;
    }
}

static hl_status append(hl__ir *ir, const hl_pass *pass, const char *node_name, const hl__emission *e,
                        const uint32_t *operands, size_t n_reads, size_t n_writes) {
    hl__call *call = hl__store_take(&ir->store, 1, sizeof *call);
    const char *name = hl__store_format(&ir->store, "%s.%s", node_name, pass->name);
    if (!call || !name || !hl__grow(&ir->calls, &ir->room_calls, ir->n_calls, ir->n_calls + 1, sizeof *ir->calls))
        return hl__ir_no_memory(ir);
    call->pass = pass;
    call->name = name;
    call->background = pass->background;
    memcpy(call->operand, operands, (n_reads + n_writes) * sizeof *operands);
    call->call = (hl_call){.operand = call->view,
                           .n_reads = n_reads,
                           .n_writes = n_writes,
                           .options = e ? e->options : NULL,
                           .node_id = e ? e->id : 0};
    ir->calls[ir->n_calls++] = call;
    return HL_OK;
}

hl_status hl__emit_copy(hl__ir *ir, uint32_t from, uint32_t to) {
    return append(ir, hl__operator(HL__OP_copy)->forward[0].pass, ir->values[to].name, NULL, (uint32_t[]){from, to}, 1,
                  1);
}

hl_status hl__emit_own(hl__ir *ir, uint32_t id) {
    hl__value seen = ir->values[id];
    uint32_t view = hl__ir_value(ir, seen.kind, seen.name, seen.dtype, &seen.shape);
    if (view == HL__NONE) return ir->status;
    hl__value *value = &ir->values[view];
    value->base = seen.base;
    value->offset = seen.offset;
    memcpy(value->stride, seen.stride, sizeof value->stride);
    /* Calls so far go on reading the view under its new number; whoever asks for the value finds the copy. */
    for (size_t c = 0; c < ir->n_calls; c++)
        for (size_t i = 0; i < ir->calls[c]->call.n_reads + ir->calls[c]->call.n_writes; i++)
            if (ir->calls[c]->operand[i] == id) ir->calls[c]->operand[i] = view;
    hl_view dense = {.shape = seen.shape};
    hl__dense_strides(&dense);
    ir->values[id].base = id;
    ir->values[id].offset = 0;
    memcpy(ir->values[id].stride, dense.stride, sizeof dense.stride);
    return hl__emit_copy(ir, view, id);
}

static bool layout_fits(const hl__value *value, hl_layout layout) {
    if (layout == HL_LAYOUT_ANY || hl__ir_dense(value)) return true;
    size_t rank = value->shape.rank;
    return layout == HL_LAYOUT_ROWS &&
           (rank == 0 || value->shape.extent[rank - 1] == 1 || value->stride[rank - 1] == 1);
}

/* Value `id`, or a dense copy of it where the layout does not fit. */
static uint32_t fit_layout(hl__ir *ir, uint32_t id, hl_layout layout) {
    if (id == HL__NONE || layout_fits(&ir->values[id], layout)) return id;
    if (ir->values[id].dense != HL__NONE) return ir->values[id].dense;
    hl__value seen = ir->values[id];
    const char *name = hl__store_format(&ir->store, "%s.dense", seen.name);
    uint32_t dense = name ? hl__ir_value(ir, HL__VALUE_COMPUTED, name, seen.dtype, &seen.shape) : HL__NONE;
    if (dense == HL__NONE) {
        hl__ir_no_memory(ir);
        return HL__NONE;
    }
    ir->values[id].dense = dense;
    hl__emit_copy(ir, id, dense);
    return dense;
}

/* True where the step's first result has become a view of what the step reads first. */
static bool try_alias(hl__emission *e, const hl_step *step, const uint32_t *operands, size_t n_reads) {
    hl__ir *ir = e->ir;
    uint32_t from = operands[0], to = operands[n_reads];
    if (!step->alias || from == HL__NONE || to == HL__NONE) return false;
    hl_view views[HL_MAX_OPERANDS], source = hl__ir_view(ir, from), view = hl__ir_view(ir, to);
    for (size_t i = 0; i <= n_reads; i++) views[i] = hl__ir_view(ir, operands[i]);
    hl_call call = {.operand = views, .n_reads = n_reads, .n_writes = 1, .options = e->options, .node_id = e->id};
    size_t offset = 0;
    memset(view.stride, 0, sizeof view.stride);
    if (!step->alias(&call, &source, &view, &offset)) return false;
    hl__value *result = &ir->values[to];
    result->base = ir->values[from].base;
    result->offset = ir->values[from].offset + offset;
    memcpy(result->stride, view.stride, sizeof result->stride);
    return true;
}

hl_status hl__emit_step(hl__emission *e, const hl_step *step, bool backward) {
    hl__ir *ir = e->ir;
    uint32_t operands[HL_MAX_OPERANDS];
    size_t n_reads = 0, n_writes = 0;
    for (const uint16_t *code = step->reads; *code; code++) operands[n_reads++] = resolve(e, *code, backward);
    for (const uint16_t *code = step->writes; *code; code++)
        operands[n_reads + n_writes++] = resolve(e, *code, backward);
    if (ir->status != HL_OK || try_alias(e, step, operands, n_reads)) return ir->status;
    for (size_t i = 0; i < n_reads; i++) operands[i] = fit_layout(ir, operands[i], step->pass->layout[i]);
    if (ir->status != HL_OK) return ir->status;
    return append(ir, step->pass, e->name, e, operands, n_reads, n_writes);
}
