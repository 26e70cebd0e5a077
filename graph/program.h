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
#include "ops/kernels/gemm.h"
#include "runtime/code.h"
#include "runtime/memory_limit.h"

/* A tensor of the state that the program uses. */
typedef struct hl__binding {
    uint32_t value;
    bool found; /* else it was made with the program */
} hl__binding;

struct hl_program {
    hl_runtime *runtime;
    hl_graph *graph;
    hl_state *state;
    hl__ir ir;
    hl__plan plan;
    hl__task_graph tasks;
    hl__link_counts counts;
    struct hl_code code;  /* where its passes find room for kernels, */
    hl__code_lease lease; /* and what it holds there */
    hl__memory_limit limit;
    void **arenas; /* plan.n_arenas */
    hl_tensor **outputs;
    size_t n_outputs;
    hl__binding *bindings; /* one a state tensor */
    size_t n_bindings;
    bool writes_state;
    hl_status outputs_status; /* HL_OK: they can be read; HL_NO_VALUE before a run, HL_CANCELLED after such a one */
    atomic_flag busy;
    char message[640];
};

/* Finds the program's state tensors in the state, or enters them with their first values: all of them or none. Errors
 * are in program->ir. */
hl_status hl__program_bind(hl_program *program);

/* One thread at a time has the program; the message is its own, so a caller that finds it taken leaves no words. */
static inline bool hl__program_take(hl_program *program) {
    /* acquire: what the last one has done. */
    return !atomic_flag_test_and_set_explicit(&program->busy, memory_order_acquire);
}

static inline void hl__program_give_back(hl_program *program) {
    atomic_flag_clear_explicit(&program->busy, memory_order_release); /* for the next one's acquire */
}

#endif
