/* SPDX-License-Identifier: BSD-3-Clause
 *
 * By what rule workers take tasks. A policy is a table of functions over one runtime; the pool owns threads, sleep and
 * the end of a run, and knows nothing of how tasks are chosen. */
#ifndef HL_RUNTIME_POLICY_H
#define HL_RUNTIME_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "headloom/runtime.h"
#include "runtime/task.h"

struct hl__worker;

typedef struct hl__policy {
    const char *name;
    size_t state_bytes; /* of hl_runtime.policy_state: zeroed, 64-byte aligned */

    /* No run is on: makes room for graphs of n_tasks. NULL: nothing to do. */
    hl_status (*reserve)(hl_runtime *runtime, size_t n_tasks);

    /* In the caller's thread: runtime->graph (of at least one task) is to be run. Shows it to the workers and wakes
     * those that are needed. */
    void (*submit)(hl_runtime *runtime);

    /* In a worker: runs what it can get; returns when it finds nothing. The worker that finishes the last task of a run
     * calls hl__run_finished. */
    void (*work)(struct hl__worker *worker);

    /* In a worker: work() might find something. Sequentially consistent with whatever makes it true: a worker that has
     * announced its sleep and then gets false here sleeps until somebody wakes it. */
    bool (*ready)(const struct hl__worker *worker);
} hl__policy;

/* hl__policy_DATAFLOW and so on, each in a file of its own. */
#define HL__POLICY_DECLARE(name, value, text) extern const hl__policy hl__policy_##name;
HL_POLICY_LIST(HL__POLICY_DECLARE)
#undef HL__POLICY_DECLARE

/* NULL where the value is no policy. */
const hl__policy *hl__policy_find(hl_policy policy);

#endif
