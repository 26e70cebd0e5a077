/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From tiles and regions to tasks and edges. */
#ifndef HL_GRAPH_LINK_H
#define HL_GRAPH_LINK_H

#include "graph/ir.h"
#include "graph/plan.h"
#include "runtime/task.h"

typedef struct hl__link_counts {
    size_t joins;
} hl__link_counts;

/* Builds the frozen task graph: one task a tile, in the serial order of calls and grids, and joins where several tasks
 * are waited for by several. run is called for each tile with its hl__call as argument. Names are the calls' names,
 * then "join"; the array lives in ir->store. Sets ir->tiles.task and releases ir->boxes, also where it fails. */
hl_status hl__ir_link(hl__ir *ir, const hl__plan *plan, hl__task_function run, hl__task_graph *graph,
                      hl__link_counts *counts);

#endif
