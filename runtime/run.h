/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the runtime offers to graph/: running a frozen task graph, and memory with a NUMA home. */
#ifndef HL_RUNTIME_RUN_H
#define HL_RUNTIME_RUN_H

#include <stdbool.h>

#include "headloom/runtime.h"
#include "runtime/task.h"

/* The calling thread is a worker, of whatever runtime: the call comes from a kernel. It must not wait for anything that
 * a run may hold, since the run that it keeps waiting may be that very one, or one that waits for it. */
bool hl__called_by_kernel(void);

/* Runs every task of the graph once, each after its predecessors, and returns when the last has finished. The calling
 * thread waits; workers do the work. No allocation. Runs of one runtime are queued one after the other. Tasks that have
 * not started when the run is cancelled (runtime/cancel.h) are passed over.
 * Also what a task that was done later has failed with; its name and why are the runtime's error message.
 * HL_FORKED, HL_OUT_OF_MEMORY (scratch could not be reserved: see hl__runtime_reserve). HL_BUSY: the call comes from a
 * kernel, and the runtime has a run on. */
hl_status hl__runtime_run(hl_runtime *runtime, hl__task_graph *graph);

/* Makes sure that each worker has scratch_bytes of scratch on its own node, and deques that hold n_tasks ready tasks,
 * so that hl__runtime_run allocates nothing. HL_BUSY: as hl__runtime_run. */
hl_status hl__runtime_reserve(hl_runtime *runtime, const hl__task_graph *graph);

/* HL_OK, or HL_FORKED in a child of the process that made the runtime. */
hl_status hl__runtime_check(const hl_runtime *runtime);

/* bytes of zeroed, 64-byte aligned memory (huge pages where large). node: bound to that pool's NUMA node;
 * HL__NO_NODE: interleaved over all. NULL where there is no memory. */
void *hl__arena_create(hl_runtime *runtime, size_t bytes, uint16_t node);

/* What divided memory is made of: pages, huge ones where shares are large. 0: so little is not divided. */
size_t hl__arena_unit(size_t bytes, size_t n_nodes);

/* Divides memory that lies in an arena, and has not been touched, into equal shares in order, one bound to the node of
 * each pool, rounded to their hl__arena_unit. memory and bytes are multiples of small pages. */
void hl__arena_divide(hl_runtime *runtime, void *memory, size_t bytes);

/* runtime: NULL where it is gone already. */
void hl__arena_destroy(hl_runtime *runtime, void *memory, size_t bytes);

#endif
