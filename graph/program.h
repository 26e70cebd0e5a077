/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A compiled program. */
#ifndef HL_GRAPH_PROGRAM_H
#define HL_GRAPH_PROGRAM_H

#include <stdatomic.h>

#include "graph/ir.h"
#include "graph/link.h"
#include "graph/plan.h"
#include "headloom/program.h"

struct hl_program {
    hl_runtime *runtime;
    hl_graph *graph;
    hl_state *state;
    hl__ir ir;
    hl__plan plan;
    hl__task_graph tasks;
    hl__link_counts counts;
    void **arenas; /* plan.n_arenas */
    hl_tensor **outputs;
    size_t n_outputs;
    bool writes_state;
    atomic_flag busy;
    char message[640];
};

#endif
