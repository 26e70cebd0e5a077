/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How a worker sleeps without missing anything. It announces its sleep (the counters, then parked), looks once more
 * whether there is something to do, and sleeps only if not. Whoever publishes work (or the end) does that first and
 * then looks at the counters and at parked. All of these are sequentially consistent, so in their one order either the
 * announcement comes before that look, and the publisher sees a sleeper to wake; or the publication comes before the
 * announcement, and thus before the sleeper's last look, which sees the work. A waker claims a sleeper by setting
 * parked from 1 to 0, so two wakers never wake the same one; the futex sleeps on parked itself, so a claim before the
 * system call is seen by it.
 *
 * The counters are never below the number of workers that can be claimed: they rise before parked is set and fall after
 * it was taken back. In the other order a claim could take back a count that its worker has yet to add, and a waker
 * that finds 0 for that moment would leave others asleep; a run by levels, or the end, would wait for them for ever. */
#include "runtime/worker.h"

#include <sched.h>

#include "runtime/atomic.h"
#include "runtime/cancel.h"
#include "runtime/pool.h"
#include "runtime/run.h"
#include "runtime/wait.h"

/* Looks for work that often before sleeping, with pauses between: together about the cost of being woken (some 10 us),
 * so that waiting is at most twice as dear as the better choice would have been. */
#define SPIN_LOOKS 64
#define SPIN_PAUSES 8

/* Where workers outnumber CPUs, those that spin take time from those that work: between looks they let others run,
 * which costs less than sleep. 16 workers on 2 CPUs: a training step of nanoGPT goes from 0.76 of the speed of 2 to
 * 0.98. */
#define YIELD_LOOKS 16

/* Of the calling thread: it is a worker. Whether a call comes from a kernel decides whether it may wait, and the thread
 * is all by which the call can be known. It is written once, by the thread itself; within the first threads' own block,
 * so that no look at it allocates. */
static _Thread_local bool works __attribute__((tls_model("initial-exec")));

bool hl__called_by_kernel(void) { return works; }

/* Takes a worker out of the sleepers' books. False where another was faster. */
static bool claim(hl_runtime *runtime, hl__worker *worker) {
    uint32_t parked = 1;
    /* seq_cst: part of the order described above; relaxed on failure, when nothing follows from it. */
    if (!hl__atomic_exchange_if(claim_parked, &worker->parked, &parked, 0, seq_cst, relaxed)) return false;
    /* seq_cst: also the counters belong to that order. */
    hl__atomic_fetch_sub(claim_pool_count, &runtime->pools[worker->node].n_parked, 1, seq_cst);
    hl__atomic_fetch_sub(claim_count, &runtime->n_parked, 1, seq_cst);
    return true;
}

bool hl__wake_worker(hl_runtime *runtime, hl__worker *worker) {
    /* seq_cst: see above. */
    if (hl__atomic_load(wake_look, &worker->parked, seq_cst) == 0 || !claim(runtime, worker)) return false;
    hl__futex_wake(&worker->parked, 1);
    return true;
}

size_t hl__wake_in_pool(hl_runtime *runtime, size_t pool, size_t n) {
    hl__pool *at = &runtime->pools[pool];
    size_t woken = 0;
    for (size_t i = 0; i < at->n_members && woken < n; i++) {
        /* seq_cst: see above. */
        if (hl__atomic_load(wake_pool_count, &at->n_parked, seq_cst) == 0) break;
        woken += hl__wake_worker(runtime, &runtime->workers[at->members[i]]);
    }
    return woken;
}

size_t hl__wake_anywhere(hl_runtime *runtime, size_t pool, size_t n) {
    size_t woken = 0;
    for (size_t i = 0; i < runtime->n_pools && woken < n; i++)
        woken += hl__wake_in_pool(runtime, (pool + i) % runtime->n_pools, n - woken);
    return woken;
}

static bool has_reason(const hl__worker *worker) {
    const hl_runtime *runtime = worker->runtime;
    /* seq_cst: the end is published like work. */
    return hl__atomic_load(reason_stopping, &runtime->stopping, seq_cst) || runtime->policy->ready(worker) ||
           hl__later_wants(runtime);
}

static void sleep_until_woken(hl__worker *worker) {
    hl_runtime *runtime = worker->runtime;
    /* seq_cst, all three: the announcement; parked last, see above. */
    hl__atomic_fetch_add(park_pool_count, &runtime->pools[worker->node].n_parked, 1, seq_cst);
    hl__atomic_fetch_add(park_count, &runtime->n_parked, 1, seq_cst);
    hl__atomic_store(park_announce, &worker->parked, 1, seq_cst);
    if (has_reason(worker) && claim(runtime, worker)) return; /* where the claim fails, a waker has woken us already */
    /* acquire: what the waker published. */
    while (hl__atomic_load(park_wait, &worker->parked, acquire) == 1) hl__futex_wait(&worker->parked, 1);
}

static void idle(hl__worker *worker) {
    bool crowded = worker->runtime->topology->crowded;
    size_t n_looks = crowded ? YIELD_LOOKS : SPIN_LOOKS, n_pauses = crowded ? 0 : SPIN_PAUSES;
    for (size_t look = 0; look < n_looks; look++) {
        if (has_reason(worker)) return;
        for (size_t pause = 0; pause < n_pauses; pause++) hl__pause();
        if (crowded) sched_yield();
    }
    sleep_until_woken(worker);
}

bool hl__worker_run(hl__worker *worker, const hl__task *task) {
    if (__builtin_expect(worker->polls, 0)) hl__later_hand_over(worker);
    if (!hl__run_admits(worker->runtime->graph, task)) return true;
    if (__builtin_expect(task->later, 0)) {
        hl__later_start(worker, task);
        return false;
    }
    if (__builtin_expect(!worker->timing.on, 1)) task->run(task->argument, task->index, worker->scratch);
    else hl__watch_task(worker, task);
    return true;
}

void hl__worker_main(hl__worker *worker) {
    hl_runtime *runtime = worker->runtime;
    works = true;
    /* relaxed: a stale false is found out by idle(). */
    while (!hl__atomic_load(main_stopping, &runtime->stopping, relaxed)) {
        runtime->policy->loop(worker);
        if (!hl__later_turn(worker)) idle(worker);
    }
    works = false; /* the OpenMP runtime keeps its threads, and may lend them to others */
}
