/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A program: the part of a graph that given outputs need, fused, differentiated, cut into tiles, planned in memory and
 * linked into a task graph that can be run again and again without allocating.
 *
 * Thread safety: one thread at a time may use one program (HL_BUSY otherwise), but for hl_program_cancel; different
 * programs may be used from different threads. Runs on one runtime follow one another. From kernels: see runtime.h. */
#ifndef HEADLOOM_PROGRAM_H
#define HEADLOOM_PROGRAM_H

#include "headloom/graph.h"
#include "headloom/runtime.h"
#include "headloom/state.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hl_program hl_program;

/* Compiles the graph for these outputs. runtime, graph and state are borrowed and must outlive the program. On failure
 * *program is untouched and hl_graph_error(graph) says why: also for errors found here (a tensor of another graph, an
 * operator without gradient, a state tensor of another type or shape: HL_TYPE_MISMATCH, HL_SHAPE_MISMATCH; HL_BUSY: a
 * kernel calls, as in runtime.h). Outputs are kept from run to run and can be read. */
HL_PUBLIC hl_status hl_program_create(hl_runtime *runtime, hl_graph *graph, hl_state *state, hl_tensor *const outputs[],
                                      size_t n_outputs, hl_program **program);
HL_PUBLIC void hl_program_destroy(hl_program *program); /* NULL is harmless; kept where a kernel of its own run calls */

/* The state tensors that the program uses, and whether the state held them when the program was made (found) or they
 * were made then: a parameter that was expected to be loaded and was not found has another name in what was loaded (see
 * hl_state_used). name: borrowed from the program; may be NULL, as may found. HL_OUT_OF_RANGE: no such index. */
HL_PUBLIC size_t hl_program_state_count(const hl_program *program);
HL_PUBLIC hl_status hl_program_state(const hl_program *program, size_t index, const char **name, bool *found);

/* Copies an input's values in, dense row-major; bytes must be the tensor's exact size. They stay until written again;
 * inputs that were never written are zeros (an index: the value next to zero that is accepted). HL_OUT_OF_RANGE: an
 * index that some consumer does not accept, a rate of an optimiser that is not finite (nothing is written then).
 * HL_NOT_FOUND: no input of this program. HL_SHAPE_MISMATCH: bytes. HL_BUSY. */
HL_PUBLIC hl_status hl_program_write(hl_program *program, hl_tensor *tensor, const void *data, size_t bytes);

/* Runs once. Allocates nothing. HL_NOT_FINITE: a scalar output is infinite or not a number after the run (which was
 * completed), or the rate of an optimiser, which then has changed nothing. HL_CANCELLED: see hl_program_cancel.
 * HL_BUSY: also where a kernel calls and the runtime has a run on, or the state is in use. HL_FORKED. */
HL_PUBLIC hl_status hl_program_run(hl_program *program);

/* Cancels the run that is on, from any thread, also from a kernel or a signal handler; it does not wait for the run. A
 * run is on from the moment at which hl_program_run takes the program, so also while it waits for the state or for
 * other runs. Parameters, moments and counts are never torn: a run either writes all of its state, or none.
 *
 * HL_OK: no state has been written and none will be. Tiles that have begun are finished, the others are passed over;
 * hl_program_run returns HL_CANCELLED, and the program can be run again: that run gives the bits that it would have
 * given without the cancelled one. Until a run is completed the outputs are undefined, and hl_program_read refuses them
 * (HL_CANCELLED). Once a run is cancelled, further calls say HL_OK.
 * HL_TOO_LATE: the run has begun to write state; it is completed, and hl_program_run returns what it would have.
 * HL_NOT_RUNNING: no run is on. This is not remembered: a run that begins later is not cancelled.
 * HL_FORKED. None of these leaves words in the program. The program must not be destroyed meanwhile. */
HL_PUBLIC hl_status hl_program_cancel(hl_program *program);

/* Copies an output, an input, a constant or a state tensor out, dense row-major. HL_NO_VALUE: an output, before any run
 * has been completed; HL_CANCELLED: after a run that was cancelled. A run that fails otherwise has not begun, and
 * outputs are those of the last one that was completed; HL_NOT_FINITE is a completed run. HL_FORKED: a state tensor, in
 * a child that was forked while the state was in use. HL_NOT_FOUND, HL_SHAPE_MISMATCH, HL_BUSY. */
HL_PUBLIC hl_status hl_program_read(hl_program *program, hl_tensor *tensor, void *data, size_t bytes);

/* Words of the last failure on this program; "" where there was none. Borrowed until the next call. */
HL_PUBLIC const char *hl_program_error(const hl_program *program);

typedef struct hl_program_sizes {
    size_t calls; /* passes applied to tensors */
    size_t tasks; /* tiles and joins */
    size_t joins;
    size_t edges;
    size_t arena_bytes;     /* what the plan needs */
    size_t unplanned_bytes; /* what it would need without reuse */
    double flops;           /* of one run */
    double bytes;           /* read and written by kernels in one run */
} hl_program_sizes;

HL_PUBLIC hl_status hl_program_measure(const hl_program *program, hl_program_sizes *sizes);

/* name, value, what the dump shows */
#define HL_STAGE_LIST(X)                                         \
    X(BUILD, 0, "nodes that the outputs need, with shapes")      \
    X(FUSE, 1, "nodes after fusion")                             \
    X(DIFFERENTIATE, 2, "calls of passes, forward and backward") \
    X(TILE, 3, "each call's grid")                               \
    X(PLACE, 4, "homes of tiles and buffers")                    \
    X(PLAN, 5, "buffers: lifetime, offset, bytes")               \
    X(LINK, 6, "tasks and edges")

typedef enum hl_stage {
#define HL_STAGE_ENUM(name, value, text) HL_STAGE_##name = (value),
    HL_STAGE_LIST(HL_STAGE_ENUM)
#undef HL_STAGE_ENUM
} hl_stage;

/* Writes a stage of the pipeline as text. HL_SYSTEM: path cannot be written. */
HL_PUBLIC hl_status hl_program_dump(const hl_program *program, hl_stage stage, const char *path);

/* Draws the tiles and the edges between them in Graphviz's language, one cluster a call. */
HL_PUBLIC hl_status hl_program_dump_dot(const hl_program *program, const char *path);

#ifdef __cplusplus
}
#endif
#endif
