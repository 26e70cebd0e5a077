/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Why state is never torn. COMMITTED and CANCELLED both come from OPEN by compare-and-swap, and neither leads to the
 * other, so a run sees one of them at most. A task that writes state runs only once the word is COMMITTED; tasks are
 * passed over only once it is CANCELLED. So where one such task has run, nothing was or will be passed over: all that
 * it needed was computed, and all other writes follow. Where anything was passed over, no state has been written.
 *
 * Every operation is relaxed: the word carries nothing but itself. What tasks have computed is handed on by the
 * policy's own releases and acquires, whether they run or are passed over. */
#include "runtime/cancel.h"

void hl__run_open(hl__task_graph *graph) {
    /* relaxed: the policy's submit publishes it to workers; who cancels meanwhile needs nothing but the word. */
    hl__atomic_store(open_outcome, &graph->outcome, HL__RUN_OPEN, relaxed);
}

bool hl__run_cancelled(const hl__task_graph *graph) {
    /* relaxed: as in hl__run_admits. */
    return hl__atomic_load(cancelled_outcome, &graph->outcome, relaxed) == HL__RUN_CANCELLED;
}

hl_status hl__run_cancel(hl__task_graph *graph) {
    switch (hl__run_decide(graph, HL__RUN_CANCELLED)) {
    case HL__RUN_CANCELLED: return HL_OK;
    case HL__RUN_COMMITTED: return HL_TOO_LATE;
    default: return HL_NOT_RUNNING;
    }
}

bool hl__run_close(hl__task_graph *graph) {
    /* relaxed, all: a cancel comes either before the exchange, which then reads it, or behind, and finds no run. */
    uint32_t outcome = hl__atomic_load(close_outcome, &graph->outcome, relaxed);
    while (!hl__atomic_exchange_if_weak(close_outcome, &graph->outcome, &outcome, HL__NO_RUN, relaxed, relaxed))
        continue;
    return outcome == HL__RUN_CANCELLED;
}
