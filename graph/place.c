/* SPDX-License-Identifier: BSD-3-Clause
 *
 * NUMA homes. What a tile writes decides where it runs: in row-major order its part of the call's largest result begins
 * somewhere between the first element and the last, and there between the first node and the last is its home. Only
 * as many of the outermost axes are looked at as are needed for a part no larger than a node's share. So whole
 * sequences stay on one node from operator to operator where there are as many as nodes, else whole heads where tensors
 * have them, else runs of rows; and rows of a weight's gradient are where their update is. Nothing is asked of
 * operators but the boxes that they declare anyway. A buffer lives where all its writers do. Where they differ it is
 * divided among the nodes, if most of it is then written, and so later read, at home; else it is interleaved. What a
 * state holds is divided only where nobody but its writers needs it (moments): all nodes read parameters at once.
 * Placement changes speed, never values. */
#include "graph/place.h"

#include "runtime/run.h"

#define UNPLACED (HL__DIVIDED - 1) /* a buffer that nobody has written yet */

static size_t elements(const hl_view *view) { return hl_view_present(view) ? hl_shape_elements(&view->shape) : 0; }

/* The largest operand of which this tile writes something; HL_MAX_OPERANDS: there is none. */
static size_t decisive_write(const hl__call *call, const hl_box *const boxes[]) {
    size_t found = HL_MAX_OPERANDS;
    for (size_t i = call->call.n_reads; i < call->call.n_reads + call->call.n_writes; i++) {
        if (elements(&call->view[i]) == 0 || !boxes[i]) continue;
        if (found == HL_MAX_OPERANDS || elements(&call->view[i]) > elements(&call->view[found])) found = i;
    }
    return found;
}

uint16_t hl__tile_home(const hl__call *call, size_t number, const hl_box *const boxes[], size_t n_homes) {
    if (n_homes <= 1) return 0;
    size_t begin = 0, part = 1, total = 1, write = decisive_write(call, boxes);
    const hl_shape *shape = write < HL_MAX_OPERANDS ? &call->view[write].shape : NULL;
    for (size_t axis = 0; shape && axis < shape->rank && part * n_homes > total; axis++) {
        size_t extent = shape->extent[axis], first = boxes[write]->begin[axis];
        begin = begin * extent + part * first;
        part *= boxes[write]->end[axis] - first;
        total *= extent;
    }
    /* Every tile writes all of it, or nothing: shares of the serial order, which is that of what they read. */
    if (part == total) return (uint16_t)(number * n_homes / call->n_tiles);
    return (uint16_t)(begin * n_homes / total);
}

/* What is written of a buffer, in elements, and how many of them would be on the writer's node if it were divided. */
typedef struct writings {
    double all, at_home;
    bool read; /* by calls, too */
} writings;

/* Adds a box of a value that a tile writes. What of it lies in its node's share of the buffer: as much as of the run of
 * elements from its first to its last one. */
static void add_writing(const hl__value *value, const hl__value *base, const hl_box *box, double home, double n_homes,
                        writings *of) {
    size_t first = value->offset, last = value->offset;
    double n = 1, share = (double)hl_shape_elements(&base->shape) / n_homes;
    for (size_t axis = 0; axis < value->shape.rank; axis++) {
        n *= (double)(box->end[axis] - box->begin[axis]);
        first += box->begin[axis] * value->stride[axis];
        last += (box->end[axis] - 1) * value->stride[axis];
    }
    double begin = (double)first, end = (double)last + 1, from = home * share, to = from + share;
    if (from < begin) from = begin;
    if (to > end) to = end;
    of->all += n;
    if (from < to) of->at_home += n * (to - from) / (end - begin);
}

/* Gives a tile its home, and enters it as a writer of what it writes. */
static void place_tile(hl__ir *ir, size_t c, size_t number, writings *of) {
    const hl__call *call = ir->calls[c];
    hl_box written[HL_MAX_OPERANDS];
    const hl_box *boxes[HL_MAX_OPERANDS] = {NULL};
    for (size_t i = call->call.n_reads; i < call->call.n_reads + call->call.n_writes; i++) {
        uint32_t box = hl__boxes_at(&ir->boxes, c, i, number);
        if (box == HL__NO_BOX) continue;
        written[i] = hl__boxes_get(&ir->boxes, box);
        boxes[i] = &written[i];
    }
    uint16_t home = hl__tile_home(call, number, boxes, ir->n_homes);
    ir->tiles.home[call->first_tile + number] = home;
    for (size_t i = call->call.n_reads; i < call->call.n_reads + call->call.n_writes; i++) {
        uint32_t id = call->operand[i];
        if (id == HL__NONE) continue;
        const hl__value *value = &ir->values[id];
        hl__value *base = &ir->values[value->base];
        base->home = base->home == UNPLACED || base->home == home ? home : HL__INTERLEAVED;
        if (boxes[i]) add_writing(value, base, boxes[i], (double)home, (double)ir->n_homes, &of[value->base]);
    }
}

/* Where a buffer of several writers lives. */
static uint16_t shared_home(const hl__value *value, const writings *of, size_t n_homes) {
    bool for_all = value->kind == HL__VALUE_STATE && of->read;
    bool divided = 2 * of->at_home >= of->all && hl__arena_unit(value->bytes, n_homes) > 0;
    return divided && !for_all ? HL__DIVIDED : HL__INTERLEAVED;
}

hl_status hl__ir_place(hl__ir *ir, size_t n_homes) {
    ir->n_homes = n_homes;
    for (size_t v = 0; v < ir->n_values; v++) ir->values[v].home = n_homes > 1 ? UNPLACED : 0;
    if (n_homes <= 1) return HL_OK;
    hl__store scratch = {0};
    writings *of = hl__store_take(&scratch, ir->n_values, sizeof *of);
    if (!of) return hl__ir_no_memory(ir);
    for (size_t c = 0; c < ir->n_calls; c++) {
        const hl__call *call = ir->calls[c];
        for (size_t i = 0; i < call->call.n_reads; i++)
            if (call->operand[i] != HL__NONE) of[ir->values[call->operand[i]].base].read = true;
        for (size_t t = 0; t < call->n_tiles; t++) place_tile(ir, c, t, of);
    }
    for (size_t v = 0; v < ir->n_values; v++) {
        hl__value *value = &ir->values[v];
        if (value->home == UNPLACED) value->home = HL__INTERLEAVED; /* inputs, constants, what a state only lends */
        else if (value->home == HL__INTERLEAVED) value->home = shared_home(value, &of[v], n_homes);
    }
    hl__store_clear(&scratch);
    return HL_OK;
}
