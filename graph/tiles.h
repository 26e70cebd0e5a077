/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is known of each tile. The table of tiles stays as long as its program: cost, home and task of each. The boxes
 * that tiles touch are computed once, when calls are cut, and released when tasks are linked; each box of a value is
 * stored once, however many tiles touch it, and an operand of which all tiles of a call touch the same is one number.
 */
#ifndef HL_GRAPH_TILES_H
#define HL_GRAPH_TILES_H

#include <stdbool.h>
#include <stdint.h>

#include "graph/store.h"
#include "headloom/operator.h"

#define HL__NO_BOX UINT32_MAX /* the tile touches nothing of the operand */

/* Columns by tile: those of a call stand together, in the order of its grid, from its first_tile on. */
typedef struct hl__tiles {
    size_t n;
    float *flops, *bytes; /* cost; the calls' sums are taken in double, before rounding */
    uint16_t *home;       /* index of a pool, set by place */
    uint32_t *task;       /* number in the task graph, set by link */
} hl__tiles;

/* Columns for n tiles, zeroed, in a store; false where there is no memory. */
bool hl__tiles_make(hl__tiles *tiles, hl__store *store, size_t n);

/* A box of one value, in the value's own coordinates. They are begin and end of each axis, from a word on: one word a
 * coordinate, or two, the lower one first, where one word is too small for some coordinate of the box. */
typedef struct hl__value_box {
    uint32_t value, hash;
    uint32_t word;
    uint16_t rank;
    bool wide;
} hl__value_box;

/* Numbers of the boxes that the tiles of a call touch of one operand, or HL__NO_BOX. */
typedef struct hl__operand_boxes {
    uint32_t all;   /* of every tile; */
    uint32_t *each; /* by tile, where not NULL */
} hl__operand_boxes;

typedef struct hl__boxes {
    hl__store store;
    hl__value_box *list; /* without duplicates, none empty */
    size_t n, room;
    uint32_t *words;
    size_t n_words, room_words;
    uint32_t *buckets;           /* open addressing: numbers of boxes, or HL__NO_BOX */
    size_t n_buckets;            /* a power of two */
    hl__operand_boxes **operand; /* by call, then by operand */
} hl__boxes;

bool hl__boxes_make(hl__boxes *boxes, size_t n_calls);
/* Room for the operands of a call. */
bool hl__boxes_add_call(hl__boxes *boxes, size_t call, size_t n_operands);

/* Which part of a value a tile touches. */
typedef struct hl__touch {
    size_t call, operand, tile, n_tiles;
    uint32_t value;
    size_t rank;
    const hl_box *box; /* not empty; NULL: nothing */
} hl__touch;

/* Enters one; tiles of a call come in rising order, none left out. False where there is no memory. */
bool hl__boxes_add(hl__boxes *boxes, const hl__touch *touch);
void hl__boxes_clear(hl__boxes *boxes);

/* Box number `number`; axes beyond its rank are zero. */
hl_box hl__boxes_get(const hl__boxes *boxes, uint32_t number);

/* The number of the box that a tile touches of an operand, or HL__NO_BOX. */
static inline uint32_t hl__boxes_at(const hl__boxes *boxes, size_t call, size_t operand, size_t tile) {
    const hl__operand_boxes *of = &boxes->operand[call][operand];
    return of->each ? of->each[tile] : of->all;
}

#endif
