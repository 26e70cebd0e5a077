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
    bool undefined; /* the outputs: the last run was cancelled */
    atomic_flag busy;
    char message[640];
};

/* One thread at a time has the program; the message is its own, so a caller that finds it taken leaves no words. */
static inline bool hl__program_take(hl_program *program) {
    /* acquire: what the last one has done. */
    return !atomic_flag_test_and_set_explicit(&program->busy, memory_order_acquire);
}

static inline void hl__program_give_back(hl_program *program) {
    atomic_flag_clear_explicit(&program->busy, memory_order_release); /* for the next one's acquire */
}

#endif
