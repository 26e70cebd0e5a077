/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cancelling a run. One word of the task graph (hl__task_graph.outcome) decides it, once a run:
 *
 *   NO_RUN -> OPEN         a run begins that may be cancelled
 *   OPEN   -> COMMITTED    the first task that writes state, before it runs: now every task runs
 *   OPEN   -> CANCELLED    whoever cancels: no task runs any more, and none that writes state ever did
 *   any    -> NO_RUN       the run is over
 *
 * A cancelled run goes on as any other, but that tasks are passed over: their successors are released all the same, so
 * that every counter is at its start value when the run is over. A graph that was never opened runs as a whole. */
#ifndef HL_RUNTIME_CANCEL_H
#define HL_RUNTIME_CANCEL_H

#include <stdbool.h>

#include "runtime/atomic.h"
#include "runtime/task.h"

/* hl__task_graph.outcome */
enum { HL__NO_RUN = 0, HL__RUN_OPEN = 1, HL__RUN_COMMITTED = 2, HL__RUN_CANCELLED = 3 };

/* By the thread that is about to run the graph: from now on the run may be cancelled, also while it waits for its turn.
 * No run of the graph is on. */
void hl__run_open(hl__task_graph *graph);

/* By the same thread, when the run is over or could not begin. True where it was cancelled: then no task that writes
 * state has run, and some of the others may not have. */
bool hl__run_close(hl__task_graph *graph);

/* By any thread, also in a task or a signal handler, while the graph lives. HL_OK: the run that is on is cancelled, by
 * this call or an earlier one, and hl__run_close says so. HL_TOO_LATE: it has begun to write state, and runs to its
 * end. HL_NOT_RUNNING: there is none, and a later one is not touched. */
hl_status hl__run_cancel(hl__task_graph *graph);

/* Whether the run was cancelled: it need not be begun. */
bool hl__run_cancelled(const hl__task_graph *graph);

/* OPEN -> to. Gives what the word is then. */
static inline uint32_t hl__run_decide(hl__task_graph *graph, uint32_t to) {
    uint32_t outcome = HL__RUN_OPEN;
    /* relaxed, both: exchanges of one word are in one order anyway. */
    return hl__atomic_exchange_if(decide_outcome, &graph->outcome, &outcome, to, relaxed, relaxed) ? to : outcome;
}

/* By a worker, before each task of the run: whether it is run, or only passed over. Inline, exchange and all, so that
 * who calls it for each task need not save registers for a call that comes once a run. */
static inline bool hl__run_admits(hl__task_graph *graph, const hl__task *task) {
    /* relaxed: only the word itself matters. It was opened before the run was published, so what an earlier run left is
     * not seen. Who reads OPEN too late runs a task in vain; a task that writes state does not trust what it reads. The
     * word lies beside what every worker reads of the graph, and changes once a run: it costs a load from the cache. */
    uint32_t outcome = hl__atomic_load(admits_outcome, &graph->outcome, relaxed);
    if (__builtin_expect(outcome == HL__RUN_CANCELLED, 0)) return false;
    return !task->writes_state || outcome != HL__RUN_OPEN ||
           hl__run_decide(graph, HL__RUN_COMMITTED) == HL__RUN_COMMITTED;
}

#endif
