/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The memory plan: which buffers share bytes, and who has to wait for whom because of it. */
#ifndef HL_GRAPH_PLAN_H
#define HL_GRAPH_PLAN_H

#include "graph/ir.h"

/* One buffer that the plan places: the base value, and the earlier buffers whose bytes it takes over. */
typedef struct hl__buffer {
    uint32_t value;
    uint32_t *before; /* values whose every access comes before this buffer's first write */
    size_t n_before;
} hl__buffer;

typedef struct hl__plan {
    size_t *arena_bytes; /* n_homes arenas, then the interleaved and the divided one */
    size_t n_arenas;
    size_t unplanned_bytes; /* without reuse */
    hl__buffer *buffers;
    size_t n_buffers;
} hl__plan;

/* Which arena a home's buffers are in. */
size_t hl__plan_arena(const hl__plan *plan, uint16_t home);

/* Sets first_call, last_call, arena_offset of every base that some call touches. Everything is in ir->store. */
hl_status hl__ir_plan(hl__ir *ir, hl__plan *plan);

#endif
