/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The serial order of the calls. Calls that write state in place (updates) move forward to the first place where their
 * operands are computed and every other reader of what they overwrite has run; calls that read what an update computes
 * follow it; the others keep their order. So a gradient is consumed soon after it is made, and everything else sees the
 * state as it was before the update. */
#include <string.h>

#include "graph/emit.h"
#include "ops/op.h"

typedef struct ordering {
    hl__ir *ir;
    hl__store scratch;
    uint32_t *writers_left;  /* base: calls still to come that compute it */
    uint32_t *readers_left;  /* base: calls still to come that read it */
    char *late;              /* base: computed by an update, or from what one computes */
    char *moves;             /* call: an update, or reads a late base */
    const hl__call **writer; /* base of state: the call that updates it */
    hl__call **updates;      /* calls that move and are not yet placed, in their order */
    size_t n_updates;
    hl__call **ordered;
    size_t n_ordered;
} ordering;

static uint32_t base_of(const hl__ir *ir, uint32_t value) {
    return value == HL__NONE ? HL__NONE : ir->values[value].base;
}

/* In the order of the calls: whether this one moves, and then what it computes is late. */
static bool find_late(ordering *o, const hl__call *call) {
    size_t n_reads = call->call.n_reads;
    bool moves = hl__ir_writes_state(o->ir, call);
    for (size_t i = 0; i < n_reads && !moves; i++) {
        uint32_t base = base_of(o->ir, call->operand[i]);
        moves = base != HL__NONE && o->late[base];
    }
    for (size_t i = 0; moves && i < call->call.n_writes; i++) {
        uint32_t base = base_of(o->ir, call->operand[n_reads + i]);
        if (base != HL__NONE && o->ir->values[base].kind == HL__VALUE_COMPUTED) o->late[base] = 1;
    }
    return moves;
}

/* Two nodes that update one tensor would each start from what the other has made of it, or not. */
static hl_status note_writer(ordering *o, const hl__call *call) {
    for (size_t i = 0; i < call->call.n_writes; i++) {
        uint32_t base = base_of(o->ir, call->operand[call->call.n_reads + i]);
        if (base == HL__NONE || o->ir->values[base].kind != HL__VALUE_STATE) continue;
        const hl__call *other = o->writer[base];
        if (other && other->call.node_id != call->call.node_id)
            return hl__ir_fail(o->ir, HL_UNSUPPORTED,
                               "'%s' is updated by '%s' and by '%s': a program updates a tensor once",
                               o->ir->values[base].name, other->name, call->name);
        o->writer[base] = call;
    }
    return HL_OK;
}

static void count_uses(ordering *o, const hl__call *call, int change) {
    size_t n_reads = call->call.n_reads;
    for (size_t i = 0; i < n_reads + call->call.n_writes; i++) {
        uint32_t base = base_of(o->ir, call->operand[i]);
        if (base == HL__NONE) continue;
        if (i < n_reads) o->readers_left[base] += (uint32_t)change;
        else o->writers_left[base] += (uint32_t)change;
    }
}

static void place(ordering *o, hl__call *call) {
    o->ordered[o->n_ordered++] = call;
    count_uses(o, call, -1);
}

static bool ready(const ordering *o, const hl__call *call) {
    size_t n_reads = call->call.n_reads;
    for (size_t i = 0; i < n_reads; i++) {
        uint32_t base = base_of(o->ir, call->operand[i]);
        if (base != HL__NONE && o->ir->values[base].kind == HL__VALUE_COMPUTED && o->writers_left[base] > 0)
            return false;
    }
    for (size_t i = 0; i < call->call.n_writes; i++) {
        uint32_t base = base_of(o->ir, call->operand[n_reads + i]);
        if (base == HL__NONE || o->ir->values[base].kind != HL__VALUE_STATE) continue;
        uint32_t own = 0;
        for (size_t j = 0; j < n_reads; j++) own += base_of(o->ir, call->operand[j]) == base;
        if (o->readers_left[base] > own) return false;
    }
    return true;
}

static bool touches(const hl__ir *ir, const hl__call *call, uint32_t base, bool writes) {
    size_t n_reads = call->call.n_reads;
    for (size_t i = writes ? n_reads : 0; i < n_reads + (writes ? call->call.n_writes : 0); i++)
        if (base_of(ir, call->operand[i]) == base) return true;
    return false;
}

/* A call that follows updates: ready where none of the n calls before it that wait too has to come first, and what else
 * it reads is computed. */
static bool follows(const ordering *o, const hl__call *call, size_t n) {
    size_t n_reads = call->call.n_reads;
    for (size_t i = 0; i < n_reads + call->call.n_writes; i++) {
        uint32_t base = base_of(o->ir, call->operand[i]);
        if (base == HL__NONE) continue;
        for (size_t earlier = 0; earlier < n; earlier++)
            if (touches(o->ir, o->updates[earlier], base, true) ||
                (i >= n_reads && touches(o->ir, o->updates[earlier], base, false)))
                return false;
        if (i < n_reads && o->ir->values[base].kind == HL__VALUE_COMPUTED && !o->late[base] && o->writers_left[base])
            return false;
    }
    return true;
}

static void place_ready_updates(ordering *o) {
    for (bool changed = true; changed;) {
        changed = false;
        size_t kept = 0;
        for (size_t i = 0; i < o->n_updates; i++) {
            hl__call *call = o->updates[i];
            bool now = hl__ir_writes_state(o->ir, call) ? ready(o, call) : follows(o, call, kept);
            if (now) {
                place(o, call);
                changed = true;
            } else {
                o->updates[kept++] = call;
            }
        }
        o->n_updates = kept;
    }
}

hl_status hl__order_calls(hl__ir *ir) {
    ordering o = {.ir = ir};
    o.writers_left = hl__store_take(&o.scratch, ir->n_values, sizeof *o.writers_left);
    o.readers_left = hl__store_take(&o.scratch, ir->n_values, sizeof *o.readers_left);
    o.late = hl__store_take(&o.scratch, ir->n_values, 1);
    o.moves = hl__store_take(&o.scratch, ir->n_calls, 1);
    o.writer = hl__store_take(&o.scratch, ir->n_values, sizeof *o.writer);
    o.updates = hl__store_take(&o.scratch, ir->n_calls, sizeof *o.updates);
    o.ordered = hl__store_take(&o.scratch, ir->n_calls, sizeof *o.ordered);
    if (!o.writers_left || !o.readers_left || !o.late || !o.moves || !o.writer || !o.updates || !o.ordered) {
        hl__store_clear(&o.scratch);
        return hl__ir_no_memory(ir);
    }
    for (size_t c = 0; c < ir->n_calls; c++) {
        note_writer(&o, ir->calls[c]);
        count_uses(&o, ir->calls[c], 1);
        o.moves[c] = find_late(&o, ir->calls[c]);
        if (o.moves[c]) o.updates[o.n_updates++] = ir->calls[c];
    }
    place_ready_updates(&o);
    for (size_t c = 0; c < ir->n_calls; c++) {
        if (o.moves[c]) continue;
        place(&o, ir->calls[c]);
        if (o.n_updates) place_ready_updates(&o);
    }
    if (o.n_updates)
        hl__ir_fail(ir, HL_UNSUPPORTED, "'%s' overwrites a state tensor that another update still has to read",
                    o.updates[0]->name);
    else if (ir->n_calls) memcpy(ir->calls, o.ordered, ir->n_calls * sizeof *ir->calls); /* else calls is NULL */
    hl__store_clear(&o.scratch);
    return ir->status;
}
