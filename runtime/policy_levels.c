/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The levels policy: all workers run the tasks of one level, meet, and go on to the next. No edge joins two tasks of
 * one level and joins need nothing done, so edges are not looked at: this is the baseline with a barrier after each
 * operator, and an oracle for the dataflow policy. */
#include <sched.h>
#include <stdalign.h>
#include <stdint.h>

#include "runtime/atomic.h"
#include "runtime/policy.h"
#include "runtime/pool.h"
#include "runtime/wait.h"

#define SPIN_PAUSES 256 /* at a barrier, before sleeping: some microseconds */
#define YIELDS 4        /* the same where workers outnumber CPUs: see worker.c */
#define CHUNKS_PER_WORKER \
    8 /* of a level: enough that uneven tasks even out, few enough that the cursor is not fought for */

typedef struct levels_state {
    _Atomic uint64_t run;                 /* number of the last run submitted */
    alignas(64) _Atomic size_t cursor;    /* into level_order: next task to take */
    alignas(64) _Atomic uint32_t epoch;   /* barriers passed; futex */
    _Atomic uint32_t n_sleeping;          /* of those who wait for epoch */
    alignas(64) _Atomic size_t n_arrived; /* at the barrier; at the end, of the run */
} levels_state;

static void submit(hl_runtime *runtime) {
    levels_state *state = runtime->policy_state;
    /* relaxed, both: published by run. */
    hl__atomic_store(levels_cursor, &state->cursor, 0, relaxed);
    hl__atomic_store(levels_arrived, &state->n_arrived, 0, relaxed);
    /* seq_cst: publishes the graph, and comes before the look for sleepers. */
    hl__atomic_fetch_add(levels_submit, &state->run, 1, seq_cst);
    hl__wake_anywhere(runtime, 0, runtime->n_workers);
}

static bool ready(const hl__worker *worker) {
    const levels_state *state = worker->runtime->policy_state;
    /* seq_cst: as policy.h asks. */
    return hl__atomic_load(levels_ready, &state->run, seq_cst) != worker->run_seen;
}

/* True for the last worker to arrive. */
static bool arrive(hl__worker *worker, levels_state *state, size_t n_workers) {
    hl__watch_idle(worker);
    /* acq_rel: the last one has seen all that the others did before they arrived. */
    return hl__atomic_fetch_add(levels_arrive, &state->n_arrived, 1, acq_rel) + 1 == n_workers;
}

/* Waits for all workers; the last one sets the cursor to where the next level begins. */
static void meet(hl__worker *worker, levels_state *state, size_t n_workers, size_t next_begin) {
    /* relaxed: it can't move before we have arrived, and what it was last was acquired at the barrier before. */
    uint32_t epoch = hl__atomic_load(levels_epoch, &state->epoch, relaxed);
    if (arrive(worker, state, n_workers)) {
        /* relaxed, both: published by epoch. */
        hl__atomic_store(levels_next, &state->cursor, next_begin, relaxed);
        hl__atomic_store(levels_rearm, &state->n_arrived, 0, relaxed);
        /* seq_cst: release for all of the level; and before the look for sleepers, who count themselves before they
         * look at epoch. */
        hl__atomic_store(levels_pass, &state->epoch, epoch + 1, seq_cst);
        if (hl__atomic_load(levels_sleepers, &state->n_sleeping, seq_cst) > 0) hl__futex_wake_all(&state->epoch);
        return;
    }
    bool crowded = worker->runtime->topology->crowded;
    for (size_t i = 0; i < (crowded ? YIELDS : SPIN_PAUSES); i++) {
        /* acquire: pairs with the last one's release. */
        if (hl__atomic_load(levels_spin, &state->epoch, acquire) != epoch) return;
        if (crowded) sched_yield();
        else hl__pause();
    }
    /* seq_cst: see above. */
    hl__atomic_fetch_add(levels_doze, &state->n_sleeping, 1, seq_cst);
    while (hl__atomic_load(levels_sleep, &state->epoch, seq_cst) == epoch) hl__futex_wait(&state->epoch, epoch);
    /* relaxed: one sleeper too many costs a needless call. */
    hl__atomic_fetch_sub(levels_woken, &state->n_sleeping, 1, relaxed);
}

static void run_level(hl__worker *worker, const hl__task_graph *graph, size_t begin, size_t end) {
    levels_state *state = worker->runtime->policy_state;
    size_t chunk = (end - begin) / (worker->runtime->n_workers * CHUNKS_PER_WORKER);
    if (chunk == 0) chunk = 1;
    for (;;) {
        /* relaxed: it only deals out numbers; the barrier orders the tasks. */
        size_t first = hl__atomic_fetch_add(levels_take, &state->cursor, chunk, relaxed);
        if (first >= end) return;
        size_t last = end - first < chunk ? end : first + chunk;
        for (size_t i = first; i < last; i++) {
            const hl__task *task = &graph->tasks[graph->level_order[i]];
            if (task->run) hl__worker_run(worker, task);
        }
    }
}

static void work(hl__worker *worker) {
    if (!ready(worker)) return;
    worker->run_seen++; /* the next run waits for this one, and this one for us: at most one is new */
    hl_runtime *runtime = worker->runtime;
    levels_state *state = runtime->policy_state;
    const hl__task_graph *graph = runtime->graph;
    size_t begin = 0, n_tasks = graph->n_tasks;
    for (size_t level = 0; level < graph->n_levels; level++) {
        size_t end = graph->level_begin[level + 1];
        if (end == begin) continue; /* an empty level needs no barrier, and all workers see that it is empty */
        run_level(worker, graph, begin, end);
        begin = end;
        if (end == n_tasks) break;
        meet(worker, state, runtime->n_workers, end);
    }
    if (arrive(worker, state, runtime->n_workers)) hl__run_finished(runtime);
}

const hl__policy hl__policy_LEVELS = {
    .name = "levels",
    .state_bytes = sizeof(levels_state),
    .submit = submit,
    .work = work,
    .ready = ready,
};
