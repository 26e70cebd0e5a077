/* SPDX-License-Identifier: BSD-3-Clause
 *
 * NUMA homes. Grids are row-major with the batch or the heads outermost (rows of a weight in updates), so equal shares
 * of each call's serial order keep one sequence, head or row on one node from operator to operator. A buffer lives
 * where all its writers live, and is interleaved where they differ. Placement changes speed, never values. */
#include "graph/place.h"

uint16_t hl__tile_home(const hl__call *call, size_t tile, size_t n_homes) {
    return n_homes > 1 ? (uint16_t)(tile * n_homes / call->n_tiles) : 0;
}

/* Sets the home of what the call writes. */
static void place_writes(hl__ir *ir, const hl__call *call, uint16_t home) {
    for (size_t i = 0; i < call->call.n_writes; i++) {
        uint32_t id = call->operand[call->call.n_reads + i];
        if (id != HL__NONE) ir->values[ir->values[id].base].home = home;
    }
}

hl_status hl__ir_place(hl__ir *ir, size_t n_homes) {
    ir->n_homes = n_homes;
    for (size_t v = 0; v < ir->n_values; v++) ir->values[v].home = n_homes > 1 ? HL__INTERLEAVED : 0;
    if (n_homes <= 1) return HL_OK;
    for (size_t c = 0; c < ir->n_calls; c++)
        if (ir->calls[c]->n_tiles == 1) place_writes(ir, ir->calls[c], hl__tile_home(ir->calls[c], 0, n_homes));
    for (size_t c = 0; c < ir->n_calls; c++) /* more than one tile: written from several nodes */
        if (ir->calls[c]->n_tiles > 1) place_writes(ir, ir->calls[c], HL__INTERLEAVED);
    return HL_OK;
}
