/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The runtime as its own files see it. */
#ifndef HL_RUNTIME_POOL_H
#define HL_RUNTIME_POOL_H

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "runtime/code.h"
#include "runtime/describe.h"
#include "runtime/error.h"
#include "runtime/later.h"
#include "runtime/memory_limit.h"
#include "runtime/policy.h"
#include "runtime/run.h"
#include "runtime/topology.h"
#include "runtime/trace.h"
#include "runtime/worker.h"

struct hl_runtime {
    pid_t owner; /* process that has the threads */
    const hl__policy *policy;
    void *policy_state;
    hl__topology *topology;
    hl__worker *workers;
    size_t n_workers;    /* threads that came */
    size_t room_workers; /* threads that were asked for */
    hl__pool *pools;     /* one a NUMA node with workers, numbered like topology->nodes */
    size_t n_pools;
    uint64_t steal_seed;
    hl__findings findings; /* what the number of workers and their binding follow from */

    pthread_t host; /* enters the parallel region that is the team */
    hl_status team_status;
    _Atomic uint32_t team_state; /* futex: see pool.c */

    pthread_mutex_t run_mutex; /* held over a run, and over all that must not happen during one */
    hl__task_graph *graph;     /* that runs; read by workers once they have got one of its tasks */
    size_t trace_room;         /* events a worker; 0: no trace */
    hl__trace trace;
    bool timed; /* the last run that was submitted: its workers' timing is on */
    hl__error error;
    hl__code *code; /* generated for the programs of this runtime */
    hl__later later;

    alignas(64) _Atomic uint32_t done; /* futex: the run is over */
    alignas(
        64) _Atomic uint32_t n_parked; /* workers that sleep, in all pools; written when one falls asleep or wakes */
    atomic_bool stopping;
};

/* hl_runtime_create on any system: tests put synthetic topologies behind it. system must outlive the runtime. */
hl_status hl__runtime_create_on(const hl__system *system, const hl_runtime_options *options, hl_runtime **runtime);

/* The same with this policy, whatever the options say: one that is none of the public ones, too. It must outlive the
 * runtime. NULL is refused as an unknown options->policy is. */
hl_status hl__runtime_create_with(const hl__system *system, const hl__policy *policy, const hl_runtime_options *options,
                                  hl_runtime **runtime);

/* By the worker that has finished the last task of a run. */
void hl__run_finished(hl_runtime *runtime);

/* Orders every worker's victims: same cache, same node, then by distance; shuffled by seed within each group. */
hl_status hl__order_victims(hl_runtime *runtime, uint64_t seed);

#endif
