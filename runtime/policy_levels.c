/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The levels policy: the tasks of one level are dealt out, and when all of them are done those of the next. No edge
 * joins two tasks of one level, so edges are not looked at: this is the baseline with a barrier after each operator,
 * and an oracle for the dataflow policy.
 *
 * One word says what is left of the open level. Workers take chunks of it, count what they have done on their own, and
 * take that off the level's count when they find no more; whoever brings it to zero opens the next level, or was the
 * last of the run. Nobody waits at the barrier: who is given nothing falls asleep as it would between runs, and is
 * woken when a level is opened. As in the dataflow policy nobody need take part in a run, nor leave it, and who holds
 * no task never looks at the graph. */
#include <stdalign.h>
#include <stdint.h>

#include "runtime/atomic.h"
#include "runtime/policy.h"
#include "runtime/pool.h"

/* Chunks per worker: enough that uneven tasks even out, few enough that the word is not fought for. They become smaller
 * as the level is used up. */
#define CHUNKS_PER_WORKER 4

typedef struct levels_state {
    alignas(64) _Atomic uint64_t open; /* of the open level: the next position in level_order, and the end << 32 */
    alignas(64) _Atomic uint64_t n_unfinished; /* tasks of the open level that no worker has yet taken off */
    size_t level; /* that is open: who opens the next one knows by the count that it is still this one */
} levels_state;

static uint32_t position(uint64_t open) { return (uint32_t)open; }
static uint32_t end_of(uint64_t open) { return (uint32_t)(open >> 32); }

/* Opens the first level from `level` on that has tasks; the last one has some. No other is open. */
static void open_level(hl_runtime *runtime, size_t level) {
    levels_state *state = runtime->policy_state;
    const hl__task_graph *graph = runtime->graph;
    while (graph->level_begin[level] == graph->level_begin[level + 1]) level++;
    uint64_t begin = graph->level_begin[level], end = graph->level_begin[level + 1];
    state->level = level;
    /* relaxed: published by open. */
    hl__atomic_store(levels_unfinished, &state->n_unfinished, end - begin, relaxed);
    /* seq_cst: publishes the level, and with the first one the graph; and comes before the look for sleepers. */
    hl__atomic_store(levels_open, &state->open, begin | end << 32, seq_cst);
}

static void submit(hl_runtime *runtime) {
    open_level(runtime, 0);
    hl__wake_anywhere(runtime, 0, runtime->n_workers);
}

static bool ready(const hl__worker *worker) {
    const levels_state *state = worker->runtime->policy_state;
    /* seq_cst: as policy.h asks. */
    uint64_t open = hl__atomic_load(levels_ready, &state->open, seq_cst);
    return position(open) < end_of(open);
}

static bool take_chunk(hl__worker *worker) {
    hl_runtime *runtime = worker->runtime;
    levels_state *state = runtime->policy_state;
    /* relaxed: only a guess for the exchange. */
    uint64_t open = hl__atomic_load(levels_guess, &state->open, relaxed);
    uint32_t left, chunk;
    do {
        left = end_of(open) - position(open);
        if (left == 0) return false;
        chunk = left / (uint32_t)(runtime->n_workers * CHUNKS_PER_WORKER);
        if (chunk == 0) chunk = 1;
        /* acquire on success: the level that was opened, and what the tasks before it have written (reached through
         * other takers, too, since exchanges continue the release of who opened it). */
    } while (!hl__atomic_exchange_if_weak(levels_claim, &state->open, &open, open + chunk, acq_rel, relaxed));
    worker->at = position(open);
    worker->end = worker->at + chunk;
    return true;
}

/* Takes what this worker has done off the level's count. The last one opens the next level, and wakes who sleeps. */
static void count_finished(hl__worker *worker) {
    if (worker->n_finished == 0) return;
    hl_runtime *runtime = worker->runtime;
    levels_state *state = runtime->policy_state;
    size_t n = worker->n_finished;
    worker->n_finished = 0;
    hl__watch_idle(worker);
    /* acq_rel: the last one sees what all others did, and hands it on to the next level, or to the caller. */
    if (hl__atomic_fetch_sub(levels_finished, &state->n_unfinished, n, acq_rel) != n) return;
    if (state->level + 1 == runtime->graph->n_levels) {
        hl__run_finished(runtime);
        return;
    }
    open_level(runtime, state->level + 1);
    hl__wake_anywhere(runtime, worker->node, runtime->n_workers);
}

static uint32_t next(hl__worker *worker) {
    if (worker->at == worker->end) {
        count_finished(worker);
        if (!take_chunk(worker)) return HL__NO_TASK;
    }
    return worker->runtime->graph->level_order[worker->at++];
}

static void done(hl__worker *worker, uint32_t number) {
    (void)number;
    worker->n_finished++;
}

HL__WORKER_LOOP(loop, next, done)

const hl__policy hl__policy_LEVELS = {
    .name = "levels",
    .state_bytes = sizeof(levels_state),
    .submit = submit,
    .next = next,
    .done = done,
    .loop = loop,
    .ready = ready,
};
