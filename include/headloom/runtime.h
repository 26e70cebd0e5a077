/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The runtime: the machine's topology, one pool of workers a NUMA node, and the policy by which they run task graphs.
 *
 * Thread safety: every call may be made from any thread, also from inside the caller's own parallel region; runs that
 * are submitted at the same time are run one after the other. hl_runtime_destroy must be the last call. A thread that
 * calls needs no more than 128 KiB of stack, and neither does a worker (OMP_STACKSIZE), but for what callbacks take.
 *
 * A kernel may call, too, but nothing waits for it, since it would wait for a run that waits for the kernel: what
 * another run has in use is refused with HL_BUSY (a runtime that has a run on; a state that is written, or about to
 * be). So a kernel may make and run programs of other runtimes, which are idle, and none of its own. Threads that a
 * kernel starts are not known to be its own: it must not wait for one that makes such a call.
 *
 * After fork the child owns no workers: every call on a runtime of the parent returns HL_FORKED. */
#ifndef HEADLOOM_RUNTIME_H
#define HEADLOOM_RUNTIME_H

#include "headloom/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hl_runtime hl_runtime;

/* name, value, meaning */
#define HL_POLICY_LIST(X)                                                         \
    X(DATAFLOW, 0, "a tile starts when its own inputs are ready; work is stolen") \
    X(LEVELS, 1, "a barrier after each operator")                                 \
    X(SERIAL, 2, "one worker, in the reference order")

typedef enum hl_policy {
#define HL_POLICY_ENUM(name, value, text) HL_POLICY_##name = (value),
    HL_POLICY_LIST(HL_POLICY_ENUM)
#undef HL_POLICY_ENUM
} hl_policy;

typedef struct hl_runtime_options {
    size_t workers;      /* 0: as OMP_NUM_THREADS, or else the affinity mask and the cgroup quota, say */
    hl_policy policy;    /* how programs run */
    uint64_t steal_seed; /* order in which victims are tried: results never depend on it */
    size_t trace_events; /* events that each worker can record; 0: no trace */
} hl_runtime_options;

/* Starts the workers. options: NULL for defaults. *runtime is the caller's to destroy. hl_runtime_error(NULL) says why
 * there is none.
 * HL_INVALID_ARGUMENT: runtime is NULL, policy unknown, workers > 4096; or the environment is asked for the number, and
 * OMP_NUM_THREADS is no whole number from 1 to 4096, nor a list that begins with one (an empty one asks for nothing).
 * HL_SYSTEM: no thread could be started, or the machine could not be read. HL_OUT_OF_MEMORY.
 * Fewer threads than asked for is no error (ask hl_runtime_workers). Where the system has only some left, a fifth of
 * them, at least one, is left to others. */
HL_PUBLIC hl_status hl_runtime_create(const hl_runtime_options *options, hl_runtime **runtime);

/* Stops the workers and frees everything. No program of this runtime may be left. NULL is harmless. In a forked child
 * the memory is kept (its threads are not there to be joined) and nothing else is done. Nothing at all is done for a
 * kernel while a run is on. */
HL_PUBLIC void hl_runtime_destroy(hl_runtime *runtime);

HL_PUBLIC size_t hl_runtime_workers(const hl_runtime *runtime);
HL_PUBLIC size_t hl_runtime_nodes(const hl_runtime *runtime); /* NUMA nodes with workers */

/* Says in words, line by line, what was found on the machine when the runtime was made and what was decided: CPUs, NUMA
 * nodes, caches, quotas, the OpenMP variables; how many workers and why, who binds them, the place of each, whom worker
 * 0 steals from; policy, huge pages, trace, kernels. For people: the words may change. Writes at most size bytes,
 * always terminated where size > 0 (text may be NULL where it is 0), and returns the length of the whole, as snprintf
 * does: text holds all of it where that is below size. 0 for NULL. Works in a forked child, too. */
HL_PUBLIC size_t hl_runtime_describe(const hl_runtime *runtime, char *text, size_t size);

/* Words of the last failure on this runtime in the calling thread's view; "" where there was none. Borrowed, valid
 * until the next call on the runtime. NULL: of the last hl_runtime_create that failed in the calling thread, valid
 * until it calls that again. */
HL_PUBLIC const char *hl_runtime_error(const hl_runtime *runtime);

/* Writes what was recorded since the last hl_runtime_trace_clear as a Chrome trace (JSON; Perfetto opens it): one row
 * a worker, one slice a tile, named node.pass, with the tile's index. Times in microseconds; no slice begins before the
 * end of those that its tile waited for.
 * HL_UNSUPPORTED: the runtime was made without trace_events. HL_SYSTEM: path cannot be written. HL_BUSY: a run is on.
 * HL_OUT_OF_MEMORY: no room to put the times in order; the trace is kept, and no file is touched. */
HL_PUBLIC hl_status hl_runtime_trace_write(hl_runtime *runtime, const char *path);
HL_PUBLIC hl_status hl_runtime_trace_clear(hl_runtime *runtime);

#ifdef __cplusplus
}
#endif
#endif
