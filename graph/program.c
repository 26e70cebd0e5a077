/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Programs: the pipeline from a graph to a frozen task graph, and what one can do with the result. The only file that
 * knows both the runtime and what a tile computes. */
#include "graph/program.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "graph/need.h"
#include "graph/place.h"
#include "graph/state.h"
#include "ops/ops.h"
#include "runtime/cancel.h"
#include "runtime/memory.h"
#include "runtime/run.h"

static void run_tile(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    const hl__call *call = argument;
    hl_tile tile = {.index = {index[0], index[1], index[2], index[3]}, .scratch = scratch};
    call->pass->kernel(&call->call, &tile);
}

/* ---- making ---- */

static hl_status compile(hl_program *program) {
    hl__ir *ir = &program->ir;
    hl_status status = hl__ir_build(ir, program->graph, program->outputs, program->n_outputs);
    if (status == HL_OK) status = hl__ir_fuse(ir);
    if (status == HL_OK) status = hl__ir_differentiate(ir);
    if (status == HL_OK) status = hl__ir_check_need(ir);
    if (status == HL_OK) status = hl__ir_tile(ir);
    if (status == HL_OK) status = hl__ir_place(ir, hl_runtime_nodes(program->runtime));
    if (status == HL_OK) status = hl__ir_plan(ir, &program->plan);
    if (status == HL_OK) status = hl__ir_link(ir, &program->plan, run_tile, &program->tasks, &program->counts);
    return status;
}

/* Binds what the first owners of divided bytes hold, and so what all later ones do. */
static void divide(hl_program *program) {
    const hl__plan *plan = &program->plan;
    for (size_t b = 0; b < plan->n_buffers; b++) {
        const hl__value *value = &program->ir.values[plan->buffers[b].value];
        if (value->home != HL__DIVIDED || plan->buffers[b].n_before > 0) continue;
        char *arena = program->arenas[hl__plan_arena(plan, value->home)];
        hl__arena_divide(program->runtime, arena + value->arena_offset, value->padded_bytes);
    }
}

static hl_status take_arenas(hl_program *program) {
    const hl__plan *plan = &program->plan;
    program->arenas = hl__store_take(&program->ir.store, plan->n_arenas, sizeof *program->arenas);
    if (!program->arenas) return hl__ir_no_memory(&program->ir);
    for (size_t a = 0; a < plan->n_arenas; a++) {
        if (plan->arena_bytes[a] == 0) continue;
        uint16_t node = a < program->ir.n_homes ? (uint16_t)a : HL__NO_NODE;
        program->arenas[a] = hl__arena_create(program->runtime, plan->arena_bytes[a], node);
        if (!program->arenas[a])
            return hl__ir_fail(&program->ir, HL_OUT_OF_MEMORY, "no memory for an arena of %zu bytes",
                               plan->arena_bytes[a]);
    }
    divide(program);
    return HL_OK;
}

/* What a buffer holds before anyone writes it: zeros already, unless it is a constant, or an index whose consumers do
 * not accept zero, which then is the accepted value next to it. */
static void fill(const hl__value *value) {
    size_t n = hl_shape_elements(&value->shape);
    if (value->elements) memcpy(value->data, value->elements, value->bytes);
    else if (value->kind == HL__VALUE_CONSTANT)
        for (size_t i = 0; i < n; i++) ((float *)value->data)[i] = value->constant;
    if (value->kind != HL__VALUE_INPUT || value->dtype != HL_I32) return;
    const hl_tensor *tensor = value->tensor;
    int32_t first = tensor->index_min > 0 ? tensor->index_min : tensor->index_max < 0 ? tensor->index_max : 0;
    for (size_t i = 0; first != 0 && i < n; i++) ((int32_t *)value->data)[i] = first;
}

/* Gives every operand its address and fills the buffers. */
static void set_addresses(hl_program *program) {
    hl__ir *ir = &program->ir;
    for (size_t v = 0; v < ir->n_values; v++) {
        hl__value *value = &ir->values[v];
        if (value->base != v || value->kind == HL__VALUE_STATE || value->first_call == HL__NONE) continue;
        value->data = (char *)program->arenas[hl__plan_arena(&program->plan, value->home)] + value->arena_offset;
        fill(value);
    }
    for (size_t c = 0; c < ir->n_calls; c++) {
        hl__call *call = ir->calls[c];
        for (size_t i = 0; i < call->call.n_reads + call->call.n_writes; i++) {
            if (call->operand[i] == HL__NONE) continue;
            const hl__value *value = &ir->values[call->operand[i]], *base = &ir->values[value->base];
            call->view[i].data = (char *)base->data + value->offset * hl_dtype_bytes(value->dtype);
        }
        program->writes_state |= hl__ir_writes_state(ir, call);
    }
}

/* Words of a failure to make a program: in the graph, whose first error stays what it is. */
static hl_status fail_create(hl_graph *graph, hl_status status, const char *words) {
    if (graph->status == HL_OK) hl__error_set(&graph->unmade, status, "%s", words);
    return status;
}

static hl_status check_create(hl_runtime *runtime, hl_graph *graph, hl_state *state, hl_tensor *const outputs[],
                              size_t n_outputs, hl_program **program) {
    if (!graph) return HL_INVALID_ARGUMENT;
    if (graph->status != HL_OK) return graph->status;
    if (!runtime || !state || !outputs || !program || n_outputs == 0)
        return fail_create(graph, HL_INVALID_ARGUMENT,
                           "hl_program_create: runtime, state, outputs or program is NULL, or there are no outputs");
    hl_status status = hl__runtime_check(runtime);
    if (status != HL_OK) return fail_create(graph, status, hl_status_string(status));
    char message[160] = "";
    status = hl__isa_status(message, sizeof message);
    return status == HL_OK ? HL_OK : fail_create(graph, status, message);
}

/* Frees a program that nobody uses. */
static void release(hl_program *program) {
    for (size_t a = 0; program->arenas && a < program->plan.n_arenas; a++)
        if (program->arenas[a]) hl__arena_destroy(program->runtime, program->arenas[a], program->plan.arena_bytes[a]);
    /* In a forked child the mutex of the code may be held for ever. */
    if (hl__runtime_check(program->runtime) == HL_OK) hl__code_end(&program->lease);
    hl__task_graph_clear(&program->tasks);
    hl__ir_clear(&program->ir);
    hl__release(program);
}

static const char *reserve_words(hl_status status) {
    return status == HL_BUSY ? "a kernel makes a program for a runtime that has a run on, which may be its own"
                             : "the runtime has no memory for this program's tasks";
}

hl_status hl_program_create(hl_runtime *runtime, hl_graph *graph, hl_state *state, hl_tensor *const outputs[],
                            size_t n_outputs, hl_program **program) {
    hl_status status = check_create(runtime, graph, state, outputs, n_outputs, program);
    if (status != HL_OK) return status;
    hl_program *made = hl__allocate(1, sizeof *made);
    if (!made) return fail_create(graph, HL_OUT_OF_MEMORY, "no memory for the program");
    made->runtime = runtime;
    made->graph = graph;
    made->state = state;
    made->n_outputs = n_outputs;
    made->outputs_status = HL_NO_VALUE;
    atomic_flag_clear(&made->busy);
    made->lease.code = hl__runtime_code(runtime);
    made->code = (struct hl_code){.place = hl__code_place, .room = &made->lease};
    made->ir.code = &made->code;
    made->limit = hl__runtime_memory_limit(runtime);
    made->ir.limit = &made->limit;
    made->outputs = hl__store_copy(&made->ir.store, outputs, n_outputs * sizeof *outputs);
    status = made->outputs ? compile(made) : hl__ir_no_memory(&made->ir);
    if (status == HL_OK) status = take_arenas(made);
    if (status == HL_OK && (status = hl__runtime_reserve(runtime, &made->tasks)) != HL_OK)
        hl__ir_fail(&made->ir, status, "%s", reserve_words(status));
    if (status == HL_OK) status = hl__program_bind(made);
    if (status != HL_OK) {
        fail_create(graph, status, made->ir.message);
        release(made);
        return status;
    }
    set_addresses(made);
    *program = made;
    return HL_OK;
}

void hl_program_destroy(hl_program *program) {
    if (!program) return;
    if (hl__called_by_kernel() && !hl__program_take(program)) return; /* its own run goes on when the kernel returns */
    release(program);
}

/* ---- using ---- */

static hl_status fail(hl_program *program, hl_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static hl_status fail(hl_program *program, hl_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(program->message, sizeof program->message, format, arguments);
    va_end(arguments);
    return status;
}

/* The value of a tensor that may be written or read, of exactly this size. */
static hl_status find_value(hl_program *program, const char *call, const hl_tensor *tensor, const void *data,
                            size_t bytes, hl__value **found) {
    if (!tensor || !data) return fail(program, HL_INVALID_ARGUMENT, "%s: tensor or data is NULL", call);
    uint32_t id = tensor->graph == program->graph ? hl__ir_find(&program->ir, tensor) : HL__NONE;
    hl__value *value = id == HL__NONE ? NULL : &program->ir.values[id];
    bool held = value && (value->kind != HL__VALUE_COMPUTED || value->output);
    if (!held)
        return fail(program, HL_NOT_FOUND, "%s: '%s' is no input, output or state of this program", call, tensor->name);
    char text[HL_SHAPE_TEXT];
    if (value->bytes != bytes)
        return fail(program, HL_SHAPE_MISMATCH, "%s: '%s' is %s %s, %zu bytes, not %zu", call, tensor->name,
                    hl_dtype_name(value->dtype), hl_shape_text(&value->shape, text, sizeof text), value->bytes, bytes);
    *found = value;
    return HL_OK;
}

/* data may stand anywhere, as in a file in memory. */
static hl_status check_indices(hl_program *program, const hl_tensor *tensor, const void *data) {
    size_t n = hl_shape_elements(&tensor->shape);
    for (size_t i = 0; i < n; i++) {
        int32_t index;
        memcpy(&index, (const char *)data + i * sizeof index, sizeof index);
        if (index >= tensor->index_min && index <= tensor->index_max) continue;
        char text[HL_SHAPE_TEXT];
        return fail(program, HL_OUT_OF_RANGE, "'%s' %s: element %zu is %d; '%s' takes %d to %d", tensor->name,
                    hl_shape_text(&tensor->shape, text, sizeof text), i, (int)index, tensor->index_user->name,
                    (int)tensor->index_min, (int)tensor->index_max);
    }
    return HL_OK;
}

static hl_status check_finite(hl_program *program, const hl_tensor *tensor, const void *data) {
    size_t n = hl_shape_elements(&tensor->shape);
    for (size_t i = 0; i < n; i++) {
        float number;
        memcpy(&number, (const char *)data + i * sizeof number, sizeof number);
        if (isfinite(number)) continue;
        return fail(program, HL_OUT_OF_RANGE, "'%s': element %zu is %g; '%s' takes finite numbers", tensor->name, i,
                    (double)number, tensor->finite_user->name);
    }
    return HL_OK;
}

static hl_status write_value(hl_program *program, hl_tensor *tensor, const void *data, size_t bytes) {
    hl__value *value = NULL;
    hl_status status = find_value(program, "hl_program_write", tensor, data, bytes, &value);
    if (status != HL_OK) return status;
    if (value->kind != HL__VALUE_INPUT)
        return fail(program, HL_NOT_FOUND, "hl_program_write: '%s' is no input", tensor->name);
    if (value->dtype == HL_I32 && tensor->index_user && (status = check_indices(program, tensor, data)) != HL_OK)
        return status;
    if (tensor->finite_user && (status = check_finite(program, tensor, data)) != HL_OK) return status;
    memcpy(value->data, data, bytes);
    return HL_OK;
}

hl_status hl_program_write(hl_program *program, hl_tensor *tensor, const void *data, size_t bytes) {
    if (!program) return HL_INVALID_ARGUMENT;
    if (!hl__program_take(program)) return HL_BUSY;
    hl_status status = write_value(program, tensor, data, bytes);
    hl__program_give_back(program);
    return status;
}

/* Copies a strided view out, row-major. */
static void copy_out(const char *from, const hl__value *value, size_t axis, size_t offset, char **to) {
    size_t size = hl_dtype_bytes(value->dtype);
    if (axis == value->shape.rank) {
        memcpy(*to, from + offset * size, size);
        *to += size;
        return;
    }
    for (size_t i = 0; i < value->shape.extent[axis]; i++)
        copy_out(from, value, axis + 1, offset + i * value->stride[axis], to);
}

static hl_status read_value(hl_program *program, const hl_tensor *tensor, void *data, size_t bytes) {
    hl__value *value = NULL;
    hl_status status = find_value(program, "hl_program_read", tensor, data, bytes, &value);
    if (status != HL_OK) return status;
    if (program->outputs_status != HL_OK && value->kind == HL__VALUE_COMPUTED)
        return fail(program, program->outputs_status, "hl_program_read: '%s' is undefined: %s", tensor->name,
                    program->outputs_status == HL_NO_VALUE ? "no run has been completed"
                                                           : "the last run was cancelled");
    const char *from = program->ir.values[value->base].data;
    bool in_state = value->kind == HL__VALUE_STATE;
    if (in_state && (status = hl__state_hold(program->state, false)) != HL_OK)
        return fail(program, status, "hl_program_read: %s", hl__state_refusal(status));
    if (hl__ir_dense(value)) memcpy(data, from + value->offset * hl_dtype_bytes(value->dtype), bytes);
    else copy_out(from, value, 0, value->offset, &(char *){data});
    if (in_state) hl__state_let_go(program->state);
    return HL_OK;
}

hl_status hl_program_read(hl_program *program, hl_tensor *tensor, void *data, size_t bytes) {
    if (!program) return HL_INVALID_ARGUMENT;
    if (!hl__program_take(program)) return HL_BUSY;
    hl_status status = read_value(program, tensor, data, bytes);
    hl__program_give_back(program);
    return status;
}

/* What the program has computed that had to be finite. */
static hl_status check_watched(hl_program *program) {
    const hl__ir *ir = &program->ir;
    for (size_t i = 0; i < ir->n_watched; i++) {
        const hl__ir_watched *watched = &ir->watched[i];
        const hl__value *value = &ir->values[watched->value];
        float scalar = ((const float *)ir->values[value->base].data)[value->offset];
        if (!isfinite(scalar))
            return fail(program, HL_NOT_FINITE, "'%s' is %g after the run; '%s' takes finite numbers", watched->name,
                        (double)scalar, watched->user);
    }
    return HL_OK;
}

static hl_status check_scalars(hl_program *program) {
    for (size_t i = 0; i < program->n_outputs; i++) {
        const hl_tensor *tensor = program->outputs[i];
        if (tensor->shape.rank != 0 || tensor->dtype != HL_F32) continue;
        float scalar;
        hl_status status = read_value(program, tensor, &scalar, sizeof scalar);
        if (status == HL_OK && !isfinite(scalar))
            status = fail(program, HL_NOT_FINITE, "'%s' is %g after the run", tensor->name, (double)scalar);
        if (status != HL_OK) return status;
    }
    return HL_OK;
}

/* Whoever cancels gets HL_OK just where this gives HL_CANCELLED, whatever else has become of the run. */
static hl_status run(hl_program *program) {
    hl__run_open(&program->tasks); /* before it waits, for the state or for other runs */
    hl_status held = hl__state_hold(program->state, program->writes_state), status = held;
    if (held == HL_OK) status = hl__runtime_run(program->runtime, &program->tasks);
    if (hl__run_close(&program->tasks)) status = HL_CANCELLED;
    if (held == HL_OK) hl__state_let_go(program->state);
    if (status == HL_OK || status == HL_CANCELLED) program->outputs_status = status;
    return status;
}

hl_status hl_program_run(hl_program *program) {
    if (!program) return HL_INVALID_ARGUMENT;
    if (!hl__program_take(program)) return HL_BUSY;
    hl_status status = hl__runtime_check(program->runtime); /* a forked child may find the state held for ever */
    if (status == HL_OK) status = run(program);
    const char *words = hl_status_string(status);
    if (status == HL_BUSY)
        words = "a kernel calls while the runtime or the state is in use by a run that may be its own";
    if (status != HL_OK) fail(program, status, "hl_program_run: %s", words);
    else if ((status = check_watched(program)) == HL_OK) status = check_scalars(program);
    hl__program_give_back(program);
    return status;
}

/* The program is busy with the run and its words are the runner's: nothing is touched but the word that decides. */
hl_status hl_program_cancel(hl_program *program) {
    if (!program) return HL_INVALID_ARGUMENT;
    hl_status status = hl__runtime_check(program->runtime); /* a forked child may find a run on for ever */
    return status == HL_OK ? hl__run_cancel(&program->tasks) : status;
}

const char *hl_program_error(const hl_program *program) { return program ? program->message : "the program is NULL"; }

hl_status hl_program_measure(const hl_program *program, hl_program_sizes *sizes) {
    if (!program || !sizes) return HL_INVALID_ARGUMENT;
    hl_program_sizes made = {.calls = program->ir.n_calls,
                             .tasks = program->tasks.n_tasks,
                             .joins = program->counts.joins,
                             .edges = program->tasks.n_successors,
                             .unplanned_bytes = program->plan.unplanned_bytes};
    for (size_t a = 0; a < program->plan.n_arenas; a++) made.arena_bytes += program->plan.arena_bytes[a];
    for (size_t c = 0; c < program->ir.n_calls; c++) {
        made.flops += program->ir.calls[c]->flops;
        made.bytes += program->ir.calls[c]->bytes;
    }
    *sizes = made;
    return HL_OK;
}
