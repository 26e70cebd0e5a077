/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Values, steps and calls, as graph/ does them but with nothing shared: what is wrong there can't hide here. The
 * watching of tiles is in op_watch.c. */
#include "tests/support/op_engine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/op.h"
#include "tests/support/op_watch.h"

bool op_fail(op_engine *e, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(e->words, e->words_size, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- values ---- */

static void *take(size_t bytes) {
    void *made = aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
    if (!made) abort(); /* a test machine without memory: nothing to report to */
    return made;
}

op_value op_take(op_engine *e, hl_dtype dtype, const hl_shape *shape, hl_layout layout) {
    op_value value = {.view = {.dtype = dtype, .shape = *shape}};
    size_t stride = layout == HL_LAYOUT_ANY ? 3 : 1;
    for (size_t i = shape->rank; i-- > 0;) {
        value.view.stride[i] = stride;
        stride *= shape->extent[i];
        if (layout != HL_LAYOUT_DENSE) stride += 5; /* a gap behind each row, matrix, ... */
    }
    op_memory *memory = take(sizeof *memory);
    *memory =
        (op_memory){.n_words = stride + 2 * OP_FENCE, .index = dtype == HL_I32, .poison = {0x7fc0dead, 0x7149f2ca}};
    memory->words = take(memory->n_words * sizeof(uint32_t));
    for (size_t i = 0; i < memory->n_words; i++) memory->words[i] = memory->index ? 0 : memory->poison[0];
    if (e->n_all == sizeof e->all / sizeof e->all[0]) abort();
    e->all[e->n_all++] = memory;
    value.memory = memory;
    return value;
}

void op_free(op_engine *e) {
    for (size_t i = 0; i < e->n_all; i++) {
        free(e->all[i]->words);
        free(e->all[i]);
    }
    e->n_all = 0;
}

/* Copies between a value and dense words, in either direction. */
static void move(const op_value *value, uint32_t *dense, bool in) {
    const hl_view *view = &value->view;
    size_t n = hl_shape_elements(&view->shape), index[HL_MAX_RANK] = {0};
    uint32_t *at = value->memory->words + OP_FENCE + value->offset;
    for (size_t i = 0; i < n; i++) {
        if (in) *at = dense[i];
        else dense[i] = *at;
        for (size_t axis = view->shape.rank; axis-- > 0;) { /* to the next element, from the last axis on */
            if (++index[axis] < view->shape.extent[axis]) {
                at += view->stride[axis];
                break;
            }
            at -= (view->shape.extent[axis] - 1) * view->stride[axis];
            index[axis] = 0;
        }
    }
}

void op_fill(const op_value *value, const void *dense) { move(value, (uint32_t *)dense, true); }
void op_dense(const op_value *value, void *dense) { move(value, dense, false); }

/* ---- steps ---- */

static op_value *resolve(op_engine *e, uint16_t code) {
    static op_value absent;
    size_t i = code & 0xff;
    switch (code & 0xff00) {
    case HL_IN(0): return i < e->n_inputs ? &e->input[i] : &absent;
    case HL_OUT(0): return i < e->n_outputs ? &e->output[i] : &absent;
    case HL_DOUT(0): return i < e->n_outputs ? &e->d_output[i] : &absent;
    case HL_DIN(0): return i < e->n_inputs ? &e->d_input[i] : &absent;
    case HL_SHARE(0): return i < e->n_inputs ? &e->share[i] : &absent;
    case HL_TEMP(0):
        if (i >= HL_MAX_TEMPS) return &absent;
        if (!e->temp[i].memory) e->temp[i] = op_take(e, HL_F32, &e->temp_shape[i], HL_LAYOUT_DENSE);
        return &e->temp[i];
    default: return &absent;
    }
}

static bool fits(const op_value *value, hl_layout layout) {
    const hl_view *view = &value->view;
    if (!value->memory || layout == HL_LAYOUT_ANY || hl__view_dense(view)) return true;
    size_t rank = view->shape.rank;
    return layout == HL_LAYOUT_ROWS && (rank == 0 || view->shape.extent[rank - 1] == 1 || view->stride[rank - 1] == 1);
}

/* Makes the step's first result a view of what it reads first, where the operator says so. */
static bool try_alias(op_engine *e, const hl_step *step, op_value *const values[], size_t n_reads) {
    op_value *from = values[0], *to = values[n_reads];
    if (!step->alias || !from->memory || !to->memory) return false;
    hl_view views[HL_MAX_OPERANDS], view = to->view;
    for (size_t i = 0; i <= n_reads; i++) views[i] = values[i]->view;
    hl_call call = {.operand = views, .n_reads = n_reads, .n_writes = 1, .options = e->options, .node_id = e->node_id};
    size_t offset = 0;
    memset(view.stride, 0, sizeof view.stride);
    if (!step->alias(&call, &from->view, &view, &offset)) return false;
    to->memory = from->memory;
    to->offset = from->offset + offset;
    memcpy(to->view.stride, view.stride, sizeof view.stride);
    return true;
}

static op_value dense_copy(op_engine *e, const op_value *value) {
    op_value copy = op_take(e, value->view.dtype, &value->view.shape, HL_LAYOUT_DENSE);
    memcpy(copy.memory->poison, value->memory->poison, sizeof copy.memory->poison);
    uint32_t *words = take(hl_shape_elements(&value->view.shape) * sizeof(uint32_t));
    op_dense(value, words);
    op_fill(&copy, words);
    free(words);
    return copy;
}

static bool run_step(op_engine *e, const hl_step *step) {
    op_value *values[HL_MAX_OPERANDS], operands[HL_MAX_OPERANDS];
    size_t n_reads = 0, n_writes = 0;
    for (const uint16_t *code = step->reads; *code; code++) values[n_reads++] = resolve(e, *code);
    for (const uint16_t *code = step->writes; *code; code++) values[n_reads + n_writes++] = resolve(e, *code);
    if (try_alias(e, step, values, n_reads)) return true;
    for (size_t i = 0; i < n_reads + n_writes; i++) {
        bool copy = i < n_reads && !fits(values[i], step->pass->layout[i]);
        operands[i] = copy ? dense_copy(e, values[i]) : *values[i];
    }
    return op_run_call(e, step->pass, operands, n_reads, n_writes);
}

bool op_run_forward(op_engine *e) {
    memset(e->temp, 0, sizeof e->temp);
    for (const hl_step *step = e->op->forward; step < e->op->forward + HL_MAX_STEPS && step->pass; step++)
        if (!run_step(e, step)) return false;
    return true;
}

static bool is_code(uint16_t code, uint16_t first) { return (code & 0xff00) == (first & 0xff00); }

bool op_run_backward(op_engine *e) {
    bool run[HL_MAX_STEPS] = {false}, temp_needed[HL_MAX_TEMPS] = {false};
    const hl_step *steps = e->op->backward;
    size_t n = 0;
    memset(e->temp, 0, sizeof e->temp);
    while (n < HL_MAX_STEPS && steps[n].pass) n++;
    for (size_t s = n; s-- > 0;) {
        for (const uint16_t *code = steps[s].writes; *code; code++) {
            if (is_code(*code, HL_TEMP(0))) run[s] |= temp_needed[*code & 0xff];
            if (is_code(*code, HL_DIN(0))) run[s] |= resolve(e, *code)->memory != NULL;
        }
        for (const uint16_t *code = steps[s].reads; run[s] && *code; code++)
            if (is_code(*code, HL_TEMP(0))) temp_needed[*code & 0xff] = true;
    }
    for (size_t s = 0; s < n; s++)
        if (run[s] && !run_step(e, &steps[s])) return false;
    return true;
}
