/* SPDX-License-Identifier: BSD-3-Clause
 *
 * NUMA homes. What a tile writes decides where it runs: in row-major order its part of the call's largest result begins
 * somewhere between the first element and the last, and there between the first node and the last is its home. Only
 * as many of the outermost axes are looked at as are needed for a part no larger than a node's share. So whole
 * sequences stay on one node from operator to operator where there are as many as nodes, else whole heads where tensors
 * have them, else runs of rows; and rows of a weight's gradient are where their update is. Nothing is asked of
 * operators but the boxes that they declare anyway. A buffer lives where all its writers do, and is interleaved where
 * they differ. Placement changes speed, never values. */
#include "graph/place.h"

#include "graph/region.h"

#define UNPLACED (HL__INTERLEAVED - 1) /* a buffer that nobody has written yet */

static size_t elements(const hl_view *view) { return hl_view_present(view) ? hl_shape_elements(&view->shape) : 0; }

/* The largest operand of which this tile writes something; HL_MAX_OPERANDS: there is none. */
static size_t decisive_write(const hl__call *call, const hl_box *boxes) {
    size_t found = HL_MAX_OPERANDS;
    for (size_t i = call->call.n_reads; i < call->call.n_reads + call->call.n_writes; i++) {
        if (elements(&call->view[i]) == 0 || hl__box_is_empty(&boxes[i], call->view[i].shape.rank)) continue;
        if (found == HL_MAX_OPERANDS || elements(&call->view[i]) > elements(&call->view[found])) found = i;
    }
    return found;
}

uint16_t hl__tile_home(const hl__call *call, size_t number, size_t n_homes) {
    if (n_homes <= 1) return 0;
    hl_tile tile;
    hl_box boxes[HL_MAX_OPERANDS];
    hl__tile_at(call, number, &tile);
    hl__tile_boxes(call, &tile, boxes);
    size_t begin = 0, part = 1, total = 1, write = decisive_write(call, boxes);
    const hl_shape *shape = write < HL_MAX_OPERANDS ? &call->view[write].shape : NULL;
    for (size_t axis = 0; shape && axis < shape->rank && part * n_homes > total; axis++) {
        size_t extent = shape->extent[axis], first = boxes[write].begin[axis];
        begin = begin * extent + part * first;
        part *= boxes[write].end[axis] - first;
        total *= extent;
    }
    /* Every tile writes all of it, or nothing: shares of the serial order, which is that of what they read. */
    if (part == total) return (uint16_t)(number * n_homes / call->n_tiles);
    return (uint16_t)(begin * n_homes / total);
}

/* Enters the home of a tile's call as a writer of its results. */
static void place_writes(hl__ir *ir, const hl__call *call, uint16_t home) {
    for (size_t i = 0; i < call->call.n_writes; i++) {
        uint32_t id = call->operand[call->call.n_reads + i];
        if (id == HL__NONE) continue;
        uint16_t *now = &ir->values[ir->values[id].base].home;
        *now = *now == UNPLACED || *now == home ? home : HL__INTERLEAVED;
    }
}

hl_status hl__ir_place(hl__ir *ir, size_t n_homes) {
    ir->n_homes = n_homes;
    for (size_t v = 0; v < ir->n_values; v++) ir->values[v].home = n_homes > 1 ? UNPLACED : 0;
    if (n_homes <= 1) return HL_OK;
    for (size_t c = 0; c < ir->n_calls; c++)
        for (size_t t = 0; t < ir->calls[c]->n_tiles; t++)
            place_writes(ir, ir->calls[c], hl__tile_home(ir->calls[c], t, n_homes));
    for (size_t v = 0; v < ir->n_values; v++) /* written by nobody: inputs, constants, what a state holds */
        if (ir->values[v].home == UNPLACED) ir->values[v].home = HL__INTERLEAVED;
    return HL_OK;
}
