/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A worker: a thread of the team, its deques, its scratch, and how it goes to sleep and is woken. */
#ifndef HL_RUNTIME_WORKER_H
#define HL_RUNTIME_WORKER_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "headloom/runtime.h"
#include "runtime/deque.h"
#include "runtime/inbox.h"
#include "runtime/trace.h"
#include "runtime/watch.h"

#define HL__N_DEQUES 2 /* indexed by hl__task.background */

typedef struct hl__worker {
    /* What others look at. */
    hl__deque deque[HL__N_DEQUES];
    alignas(64) _Atomic uint32_t parked; /* 1: announced its sleep and nobody has claimed it since; futex */

    /* What only this worker uses while a run is on. */
    alignas(64) hl_runtime *runtime;
    uint32_t number;
    uint16_t node;
    uint64_t run_seen; /* policies that number their runs: the last that this worker has taken part in */
    uint32_t next;     /* the task that follows the one just done, plus one; 0: none */
    uint32_t at, end;  /* what this worker has taken of a range of tasks, and not yet been given */
    bool polls;        /* it is hl__later.poller */
    size_t n_finished; /* tasks done and not yet counted off */
    void *scratch;
    size_t scratch_bytes;
    hl__timing timing;
    size_t n_taken[HL__N_SOURCES]; /* in the run that is on */
    hl__events events;
    uint16_t *victims; /* all other workers in the order in which to try them; the first n_near share our node */
    size_t n_near, n_victims;
} hl__worker;

/* A pool: the workers of one NUMA node. */
typedef struct hl__pool {
    alignas(64) _Atomic uint32_t n_parked;
    uint16_t *members;
    size_t n_members;
    hl__inbox inbox[HL__N_DEQUES]; /* tasks of this home from elsewhere; used where there are several pools */
} hl__pool;

/* Works and sleeps until the runtime stops. */
void hl__worker_main(hl__worker *worker);

/* Wakes up to n sleeping workers of one pool; gives how many. Call after what they are to find has been published by a
 * sequentially consistent operation. */
size_t hl__wake_in_pool(hl_runtime *runtime, size_t pool, size_t n);

/* The same over all pools, nearest to `pool` first as their numbers go. */
size_t hl__wake_anywhere(hl_runtime *runtime, size_t pool, size_t n);

/* Wakes this worker if it sleeps. */
bool hl__wake_worker(hl_runtime *runtime, hl__worker *worker);

/* Runs one task that is no join, and nothing else; or passes over it, where the run has been cancelled. False: it was
 * started, and is done later. */
bool hl__worker_run(hl__worker *worker, const hl__task *task);

/* HL__WORKER_LOOP(name, next, done): a function that runs the tasks that a policy gives, until it gives none. */
#define HL__WORKER_LOOP(name, next, done)                                         \
    static void name(hl__worker *worker) {                                        \
        for (uint32_t number; (number = next(worker)) != HL__NO_TASK;) {          \
            const hl__task *task = &worker->runtime->graph->tasks[number];        \
            if (!task->run || hl__worker_run(worker, task)) done(worker, number); \
        }                                                                         \
    }

#endif
