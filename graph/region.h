/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Regions: which part of which buffer a tile touches. A tile speaks of boxes in its operands; an operand may be a view
 * into another value's buffer, so boxes are carried over to the buffer's own coordinates. There every buffer is cut
 * into cells at all the coordinates where some box begins or ends; two tiles depend on each other where they share a
 * cell. */
#ifndef HL_GRAPH_REGION_H
#define HL_GRAPH_REGION_H

#include "graph/ir.h"

/* Tile number `number` of the call, row-major over the grid. */
void hl__tile_at(const hl__call *call, size_t number, hl_tile *tile);
/* The boxes of its operands, in the operands' coordinates. */
void hl__tile_boxes(const hl__call *call, const hl_tile *tile, hl_box boxes[HL_MAX_OPERANDS]);
bool hl__box_is_empty(const hl_box *box, size_t rank);

/* A box of the buffer `base` that holds every element of `box`, which is not empty, of the view `value`. It is the
 * smallest one wherever each axis of the view lies within one of the buffer's or runs over whole ones; axes that were
 * merged and then split elsewhere may give a larger one, which costs edges and nothing else. */
hl_box hl__region_of(const hl__value *value, const hl__value *base, const hl_box *box);

/* The cells of one buffer. */
typedef struct hl__cells {
    size_t rank;
    size_t *cuts[HL_MAX_RANK]; /* rising; the first is 0, the last the extent */
    size_t count[HL_MAX_RANK]; /* cells along each axis */
    size_t n_cells;
} hl__cells;

/* Cuts every buffer where the boxes of ir->boxes begin and end: cells[v] for each base v. In scratch. */
hl_status hl__cells_make(hl__ir *ir, hl__store *scratch, hl__cells **cells);

/* The cells that a box overlaps, as a box of cell coordinates. */
hl_box hl__cells_range(const hl__cells *cells, const hl_box *box);

#endif
