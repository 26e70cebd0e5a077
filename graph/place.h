/* SPDX-License-Identifier: BSD-3-Clause
 *
 * NUMA homes of tiles and buffers. */
#ifndef HL_GRAPH_PLACE_H
#define HL_GRAPH_PLACE_H

#include "graph/ir.h"

#define HL__INTERLEAVED UINT16_MAX   /* a buffer over all nodes, page by page */
#define HL__DIVIDED (UINT16_MAX - 1) /* in equal shares: the first on the first node, and so on */

/* Home of tile number `number` of a call: the index of a pool. boxes: what it touches of each operand, NULL: nothing.
 */
uint16_t hl__tile_home(const hl__call *call, size_t number, const hl_box *const boxes[], size_t n_homes);

#endif
