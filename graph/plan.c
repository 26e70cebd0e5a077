/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lifetimes over the serial order of calls become offsets in arenas: the largest buffers first, each at the lowest
 * offset that is free during its whole life (greedy by size, Pisarchyk and Lee 2020). Inputs, constants and outputs
 * live through the whole run. Divided buffers are bound share by share, once and for all: they hand their bytes on to
 * others of their size only. */
#include "graph/plan.h"

#include <stdlib.h>

#include "graph/place.h"
#include "runtime/run.h"

#define LINE ((size_t)64)

/* A buffer is handed on only this many calls after its last use: tasks run out of the serial order, and gradients of
 * weights, which wait behind everything else, would otherwise hold up whoever takes over their operands. */
#define SLACK_CALLS 12

size_t hl__plan_arena(const hl__plan *plan, uint16_t home) {
    if (home == HL__DIVIDED) return plan->n_arenas - 1;
    return home == HL__INTERLEAVED ? plan->n_arenas - 2 : home;
}

static void touch(hl__ir *ir, uint32_t id, uint32_t call) {
    if (id == HL__NONE) return;
    hl__value *base = &ir->values[ir->values[id].base];
    if (base->first_call == HL__NONE) base->first_call = call;
    base->last_call = call;
}

static void find_lifetimes(hl__ir *ir) {
    for (uint32_t c = 0; c < ir->n_calls; c++)
        for (size_t i = 0; i < ir->calls[c]->call.n_reads + ir->calls[c]->call.n_writes; i++)
            touch(ir, ir->calls[c]->operand[i], c);
    for (size_t v = 0; v < ir->n_values; v++) {
        hl__value *value = &ir->values[v];
        if (value->base != v) continue;
        bool persistent = value->kind == HL__VALUE_INPUT || value->kind == HL__VALUE_CONSTANT || value->output;
        if (value->kind == HL__VALUE_STATE || (!persistent && value->first_call == HL__NONE)) continue;
        if (persistent) {
            value->first_call = 0;
            value->last_call = HL__NONE - 1;
        }
    }
}

static bool planned(const hl__ir *ir, uint32_t v) {
    const hl__value *value = &ir->values[v];
    return value->base == v && value->kind != HL__VALUE_STATE && value->first_call != HL__NONE;
}

static size_t padded(const hl__value *value, size_t n_homes) {
    size_t unit = value->home == HL__DIVIDED ? hl__arena_unit(value->bytes, n_homes) : LINE;
    return (value->bytes + unit - 1) / unit * unit;
}

/* True where the two may not share bytes: their lives, the slack included, overlap. */
static bool alive_together(const hl__value *a, const hl__value *b) {
    size_t a_end = (size_t)a->last_call + SLACK_CALLS, b_end = (size_t)b->last_call + SLACK_CALLS;
    return a->first_call <= b_end && b->first_call <= a_end;
}

/* True where one may take the other's place, if it does not live at the same time. */
static bool may_share_bytes(const hl__value *a, const hl__value *b) {
    return a->home != HL__DIVIDED || a->padded_bytes == b->padded_bytes;
}

static bool share_bytes(const hl__value *a, const hl__value *b) {
    return a->home == b->home && a->arena_offset < b->arena_offset + b->padded_bytes &&
           b->arena_offset < a->arena_offset + a->padded_bytes;
}

typedef struct by_size {
    size_t bytes;
    uint32_t value;
} by_size;

static int larger_first(const void *a, const void *b) {
    const by_size *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return (x->value > y->value) - (x->value < y->value);
}

/* Lowest free offset for `value` among the n placed ones, which are sorted by offset in `order`. Divided ones come one
 * size behind the other without holes, the largest first: where they take over from each other they do so whole, and
 * offsets are multiples of their units. */
static size_t find_offset(const hl__ir *ir, const hl__value *value, const uint32_t *order, size_t n) {
    size_t offset = 0;
    for (size_t i = 0; i < n; i++) {
        const hl__value *other = &ir->values[order[i]];
        if (other->arena_offset >= offset + value->padded_bytes) break;
        if (other->home != value->home) continue;
        if (!alive_together(value, other) && may_share_bytes(value, other)) continue;
        size_t end = other->arena_offset + other->padded_bytes;
        if (end > offset) offset = end;
    }
    return offset;
}

static void insert_by_offset(const hl__ir *ir, uint32_t value, uint32_t *order, size_t n) {
    size_t at = n;
    while (at > 0 && ir->values[order[at - 1]].arena_offset > ir->values[value].arena_offset) {
        order[at] = order[at - 1];
        at--;
    }
    order[at] = value;
}

/* The earlier owners of the buffer's bytes, but for those that another one has waited for already. */
static hl_status find_before(hl__ir *ir, hl__plan *plan, size_t b, uint32_t *found) {
    hl__buffer *buffer = &plan->buffers[b];
    const hl__value *value = &ir->values[buffer->value];
    size_t n = 0;
    for (size_t e = b; e-- > 0;) {
        const hl__value *earlier = &ir->values[plan->buffers[e].value];
        if (earlier->last_call >= value->first_call || !share_bytes(value, earlier)) continue;
        bool implied = false;
        for (size_t i = 0; i < n && !implied; i++) {
            const hl__buffer *later = &plan->buffers[found[i]];
            for (size_t j = 0; j < later->n_before && !implied; j++)
                implied = later->before[j] == plan->buffers[e].value;
        }
        if (!implied) found[n++] = (uint32_t)e;
    }
    buffer->before = hl__store_take(&ir->store, n, sizeof *buffer->before);
    if (!buffer->before) return hl__ir_no_memory(ir);
    buffer->n_before = n;
    for (size_t i = 0; i < n; i++) buffer->before[i] = plan->buffers[found[i]].value;
    return HL_OK;
}

static int earlier_first(const void *a, const void *b) {
    const by_size *x = a, *y = b; /* bytes holds the first call here */
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
    return (x->value > y->value) - (x->value < y->value);
}

static void assign_offsets(hl__ir *ir, hl__plan *plan, by_size *list, uint32_t *order) {
    qsort(list, plan->n_buffers, sizeof *list, larger_first);
    for (size_t i = 0; i < plan->n_buffers; i++) {
        hl__value *value = &ir->values[list[i].value];
        value->arena_offset = find_offset(ir, value, order, i);
        insert_by_offset(ir, list[i].value, order, i);
        size_t *bytes = &plan->arena_bytes[hl__plan_arena(plan, value->home)],
               end = value->arena_offset + value->padded_bytes;
        if (end > *bytes) *bytes = end;
        plan->unplanned_bytes += value->padded_bytes;
    }
}

hl_status hl__ir_plan(hl__ir *ir, hl__plan *plan) {
    *plan = (hl__plan){.n_arenas = ir->n_homes + 2};
    find_lifetimes(ir);
    for (uint32_t v = 0; v < ir->n_values; v++) plan->n_buffers += planned(ir, v);
    hl__store scratch = {0};
    by_size *list = hl__store_take(&scratch, plan->n_buffers, sizeof *list);
    uint32_t *order = hl__store_take(&scratch, plan->n_buffers, sizeof *order);
    plan->arena_bytes = hl__store_take(&ir->store, plan->n_arenas, sizeof *plan->arena_bytes);
    plan->buffers = hl__store_take(&ir->store, plan->n_buffers, sizeof *plan->buffers);
    if (!list || !order || !plan->arena_bytes || !plan->buffers) {
        hl__store_clear(&scratch);
        return hl__ir_no_memory(ir);
    }
    size_t n = 0;
    for (uint32_t v = 0; v < ir->n_values; v++) {
        if (!planned(ir, v)) continue;
        ir->values[v].padded_bytes = padded(&ir->values[v], ir->n_homes);
        list[n++] = (by_size){.bytes = ir->values[v].padded_bytes, .value = v};
    }
    assign_offsets(ir, plan, list, order);
    for (size_t i = 0; i < n; i++) list[i].bytes = ir->values[list[i].value].first_call;
    qsort(list, n, sizeof *list, earlier_first);
    for (size_t i = 0; i < n; i++) plan->buffers[i].value = list[i].value;
    for (size_t i = 0; i < n && ir->status == HL_OK; i++) find_before(ir, plan, i, order);
    hl__store_clear(&scratch);
    return ir->status;
}
