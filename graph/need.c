/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Bytes that a program cannot do without, from the shapes of its values, before anything is cut. A bound from below:
 * what the plan adds, and what tasks take, is not in it. */
#include "graph/need.h"

#include <stdint.h>

/* Sums that cannot be counted stay so. */
static size_t plus(size_t a, size_t b) { return a > SIZE_MAX - b ? SIZE_MAX : a + b; }

static void add(hl__need *need, const hl__ir *ir, uint32_t v) {
    size_t bytes = ir->values[v].bytes;
    need->bytes = plus(need->bytes, bytes);
    if (need->largest != HL__NONE && bytes <= ir->values[need->largest].bytes) return;
    need->largest = v;
}

static bool persistent(const hl__value *value) { return value->kind != HL__VALUE_COMPUTED || value->output; }

/* Operands of a call that are there only while it and others need them, each buffer once. */
static hl__need need_of(const hl__ir *ir, const hl__call *call) {
    hl__need need = {.largest = HL__NONE};
    uint32_t counted[HL_MAX_OPERANDS];
    size_t n = 0;
    for (size_t i = 0; i < call->call.n_reads + call->call.n_writes; i++) {
        if (call->operand[i] == HL__NONE) continue;
        uint32_t base = ir->values[call->operand[i]].base;
        bool done = persistent(&ir->values[base]);
        for (size_t j = 0; j < n; j++) done |= counted[j] == base;
        if (done) continue;
        counted[n++] = base;
        add(&need, ir, base);
    }
    return need;
}

hl__need hl__ir_need(const hl__ir *ir) {
    hl__need need = {.largest = HL__NONE}, most = {.largest = HL__NONE};
    for (uint32_t v = 0; v < ir->n_values; v++)
        if (ir->values[v].base == v && persistent(&ir->values[v])) add(&need, ir, v);
    for (size_t c = 0; c < ir->n_calls; c++) {
        hl__need call = need_of(ir, ir->calls[c]);
        if (call.bytes > most.bytes) most = call;
    }
    need.bytes = plus(need.bytes, most.bytes);
    if (most.largest != HL__NONE &&
        (need.largest == HL__NONE || ir->values[most.largest].bytes > ir->values[need.largest].bytes))
        need.largest = most.largest;
    return need;
}

hl_status hl__ir_check_need(hl__ir *ir) {
    hl__need need = hl__ir_need(ir);
    if (!ir->limit || need.bytes <= ir->limit->bytes) return HL_OK;
    const hl__value *largest = &ir->values[need.largest];
    char text[HL_SHAPE_TEXT];
    return hl__ir_fail(
        ir, HL_OUT_OF_MEMORY,
        "'%s' %s %s is %zu bytes, and with what else is there at the same time it is at least %zu; %s is "
        "%zu",
        largest->name, hl_dtype_name(largest->dtype), hl_shape_text(&largest->shape, text, sizeof text), largest->bytes,
        need.bytes, ir->limit->of, ir->limit->bytes);
}
