/* SPDX-License-Identifier: BSD-3-Clause
 *
 * By what rule workers take tasks. A policy is a table of functions over one runtime: it says which task is next, and
 * is told which one is done. It runs none itself, never waits, and reads no clock: worker.c has the one loop that does.
 * Policies wake sleepers (worker.h), say when a worker has nothing left (hl__watch_idle) and when a run is over
 * (hl__run_finished), and know nothing else of threads. */
#ifndef HL_RUNTIME_POLICY_H
#define HL_RUNTIME_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "headloom/runtime.h"
#include "runtime/task.h"

#define HL__NO_TASK UINT32_MAX

struct hl__worker;

typedef struct hl__policy {
    const char *name;
    size_t state_bytes; /* of hl_runtime.policy_state: zeroed, 64-byte aligned */

    /* No run is on: makes room for graphs of n_tasks. NULL: nothing to do. */
    hl_status (*reserve)(hl_runtime *runtime, size_t n_tasks);

    /* In the caller's thread: runtime->graph (of at least one task) is to be run. Shows it to the workers and wakes
     * those that are needed. */
    void (*submit)(hl_runtime *runtime);

    /* In a worker: number of the task of runtime->graph that it is to run now, or HL__NO_TASK where there is none for
     * it at the moment. The graph may be looked at only once this has given a task. */
    uint32_t (*next)(struct hl__worker *worker);

    /* In a worker: task `number`, which next() gave to this worker, is done: it has been run, or passed over where the
     * run was cancelled, or is a join. Releases what waited for it. Whoever counts off the last task of a run, here or
     * in next(), calls hl__run_finished; before a worker counts off what it has done it calls hl__watch_idle. */
    void (*done)(struct hl__worker *worker, uint32_t number);

    /* HL__WORKER_LOOP (worker.h) of these two: compiled together, since calls would cost some nanoseconds per task. */
    void (*loop)(struct hl__worker *worker);

    /* In a worker that was given nothing: next() might give a task now. Sequentially consistent with whatever makes it
     * true: a worker that has announced its sleep and then gets false here sleeps until somebody wakes it. */
    bool (*ready)(const struct hl__worker *worker);
} hl__policy;

/* hl__policy_DATAFLOW and so on, each in a file of its own. */
#define HL__POLICY_DECLARE(name, value, text) extern const hl__policy hl__policy_##name;
HL_POLICY_LIST(HL__POLICY_DECLARE)
#undef HL__POLICY_DECLARE

/* NULL where the value is no policy. */
const hl__policy *hl__policy_find(hl_policy policy);

#endif
