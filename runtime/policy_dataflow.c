/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The dataflow policy: a task starts when its own predecessors are done. Each worker has two deques, for critical and
 * for background tasks, and runs the critical ones first. A finished task counts down its successors; one that it
 * releases runs next on the same worker, the others are pushed where thieves find them. Where there are several nodes,
 * a task whose home is another one goes to the inbox of the pool there, which other nodes leave its last task.
 *
 * The end of a run: workers count what they have finished on their own, and take it off the run's count when their
 * deques are empty; whoever brings it to zero was the last. Nobody else can hold a task then, so workers need not take
 * part in a run, nor leave it: those that sleep are woken as tasks turn up, and idle ones look at deques only, never at
 * the graph, which may be gone. */
#include <stdalign.h>
#include <stdint.h>

#include "runtime/atomic.h"
#include "runtime/memory.h"
#include "runtime/policy.h"
#include "runtime/pool.h"

#define CRITICAL 0
#define BACKGROUND 1
#define JOINS_AT_HAND 32  /* joins released but not yet followed; more are pushed like tasks */
#define LEAST_NEAR 1      /* tasks that a victim on the same node must have */
#define LEAST_REMOTE 2    /* the last one stays on its node, where its data is */
#define WOKEN_BY_CALLER 4 /* the rest is woken by the workers, each of which wakes another when it gets a root */

typedef struct dataflow_state {
    alignas(64) _Atomic uint64_t roots_left; /* the graph's roots from n_roots - roots_left on are still to be taken */
    alignas(64) _Atomic uint64_t n_unfinished; /* tasks that no worker has yet taken off */
} dataflow_state;

static hl_status reserve(hl_runtime *runtime, size_t n_tasks) {
    for (size_t w = 0; w < runtime->n_workers; w++) {
        hl__worker *worker = &runtime->workers[w];
        for (size_t d = 0; d < HL__N_DEQUES; d++) {
            if (hl__deque_capacity(&worker->deque[d]) >= n_tasks) continue;
            size_t bytes = hl__ring_bytes(n_tasks);
            void *memory = bytes > 0 ? hl__arena_create(runtime, bytes, worker->node) : NULL;
            if (!memory)
                return hl__error_set(&runtime->error, HL_OUT_OF_MEMORY, "a deque of %zu tasks for worker %zu of %zu",
                                     n_tasks, w, runtime->n_workers);
            hl__deque_install(&worker->deque[d], memory, bytes, n_tasks);
        }
    }
    for (size_t p = 0; p < runtime->n_pools && runtime->n_pools > 1; p++) {
        for (size_t i = 0; i < HL__N_DEQUES; i++) {
            hl__inbox *inbox = &runtime->pools[p].inbox[i];
            if (hl__inbox_capacity(inbox) >= n_tasks) continue;
            size_t bytes = hl__inbox_bytes(n_tasks); /* each task goes through an inbox once a run at most */
            void *memory = bytes > 0 ? hl__arena_create(runtime, bytes, (uint16_t)p) : NULL;
            if (!memory)
                return hl__error_set(&runtime->error, HL_OUT_OF_MEMORY, "an inbox of %zu tasks for node %zu of %zu",
                                     n_tasks, p, runtime->n_pools);
            hl__inbox_install(inbox, memory, bytes, n_tasks);
        }
    }
    return HL_OK;
}

static void submit(hl_runtime *runtime) {
    dataflow_state *state = runtime->policy_state;
    const hl__task_graph *graph = runtime->graph;
    /* relaxed: published by roots_left. */
    hl__atomic_store(flow_unfinished, &state->n_unfinished, graph->n_tasks, relaxed);
    /* seq_cst: publishes the run, and comes before the look for sleepers. */
    hl__atomic_store(flow_submit, &state->roots_left, graph->n_roots, seq_cst);
    hl__wake_anywhere(runtime, 0, graph->n_roots < WOKEN_BY_CALLER ? graph->n_roots : WOKEN_BY_CALLER);
}

/* ---- getting a task ---- */

/* Wakes workers for n tasks that were pushed. The pushes are sequentially consistent, so a worker that we don't see
 * asleep here sees them before it sleeps: see worker.c. */
static void wake_for(hl__worker *worker, size_t n) {
    hl_runtime *runtime = worker->runtime;
    /* seq_cst: after the pushes. */
    if (hl__atomic_load(flow_sleepers, &runtime->n_parked, seq_cst) == 0) return;
    n -= hl__wake_in_pool(runtime, worker->node, n);
    if (n == 0) return;
    /* Other nodes only take what leaves one behind. */
    if (hl__deque_size(&worker->deque[CRITICAL]) >= LEAST_REMOTE ||
        hl__deque_size(&worker->deque[BACKGROUND]) >= LEAST_REMOTE)
        hl__wake_anywhere(runtime, worker->node, n);
}

/* True where the task's home is another node. With one pool tasks are at home there, or nowhere. */
static bool is_away(const hl__worker *worker, const hl__task *task) {
    return task->home != worker->node && task->home < worker->runtime->n_pools;
}

/* Hands a task to the workers of its home. */
static void send_home(hl__worker *worker, const hl__task *task, uint32_t number) {
    hl_runtime *runtime = worker->runtime;
    size_t home = task->home;
    hl__inbox *inbox = &runtime->pools[home].inbox[task->background];
    hl__inbox_put(inbox, number);
    /* From here on the task is somebody else's: if we have none ourselves, its graph may be gone. */
    /* seq_cst: after the put, as in wake_for. */
    if (hl__atomic_load(home_sleepers, &runtime->n_parked, seq_cst) == 0) return;
    if (hl__wake_in_pool(runtime, home, 1) == 0 && hl__inbox_size(inbox) >= LEAST_REMOTE)
        hl__wake_anywhere(runtime, home, 1);
}

/* Puts a task where it waits; gives how many were pushed onto a deque of this worker's. */
static size_t put_away(hl__worker *worker, const hl__task *task, uint32_t number) {
    if (is_away(worker, task)) {
        send_home(worker, task, number);
        return 0;
    }
    hl__deque_push(&worker->deque[task->background], number);
    return 1;
}

static bool take_from_inbox(hl__worker *worker, size_t which, uint32_t *task) {
    hl_runtime *runtime = worker->runtime;
    if (runtime->n_pools == 1 || !hl__inbox_take(&runtime->pools[worker->node].inbox[which], LEAST_NEAR, task))
        return false;
    worker->n_taken[HL__FROM_INBOX]++;
    return true;
}

static bool take_any_root(hl__worker *worker, uint32_t *task) {
    hl_runtime *runtime = worker->runtime;
    dataflow_state *state = runtime->policy_state;
    /* relaxed: only a guess for the exchange. */
    uint64_t left = hl__atomic_load(root_guess, &state->roots_left, relaxed);
    do {
        if (left == 0) return false;
        /* acquire on success: the run that submit published (reached through other takers, too, since exchanges
         * continue its release). seq_cst is not needed: whoever takes a root need not be seen. */
    } while (!hl__atomic_exchange_if_weak(root_claim, &state->roots_left, &left, left - 1, acq_rel, relaxed));
    /* Only now: before, the graph could have been that of an earlier run. */
    const hl__task_graph *graph = runtime->graph;
    *task = graph->roots[graph->n_roots - left];
    /* relaxed: a sleeper that is missed costs time only, and has itself looked at roots_left before it slept. */
    if (left > 1 && hl__atomic_load(root_sleepers, &runtime->n_parked, relaxed) > 0)
        hl__wake_anywhere(runtime, worker->node, 1);
    return true;
}

/* Background roots wait with the other background tasks: critical ones may be behind them, or have been released. Those
 * of other nodes go there. */
static bool take_root(hl__worker *worker, uint32_t *task) {
    size_t n_pushed = 0;
    bool found;
    while ((found = take_any_root(worker, task))) {
        const hl__task *root = &worker->runtime->graph->tasks[*task];
        if (!root->background && !is_away(worker, root)) break;
        n_pushed += put_away(worker, root, *task);
    }
    if (n_pushed > 0) wake_for(worker, n_pushed);
    return found;
}

static bool steal(hl__worker *worker, size_t which, size_t begin, size_t end, int64_t least, uint32_t *task) {
    for (size_t v = begin; v < end; v++) {
        if (!hl__deque_steal(&worker->runtime->workers[worker->victims[v]].deque[which], least, task)) continue;
        worker->n_taken[v < worker->n_near ? HL__FROM_NODE : HL__FROM_OTHERS]++;
        return true;
    }
    return false;
}

/* From the inboxes of other nodes, nearest first: each is tried where the first worker of its pool comes up. */
static bool steal_from_inboxes(hl__worker *worker, size_t which, uint32_t *task) {
    hl_runtime *runtime = worker->runtime;
    for (size_t v = worker->n_near; v < worker->n_victims; v++) {
        hl__pool *pool = &runtime->pools[runtime->workers[worker->victims[v]].node];
        if (pool->members[0] != worker->victims[v]) continue;
        if (!hl__inbox_take(&pool->inbox[which], LEAST_REMOTE, task)) continue;
        worker->n_taken[HL__FROM_OTHERS]++;
        return true;
    }
    return false;
}

/* Takes what this worker has finished off the run's count. */
static void count_finished(hl__worker *worker) {
    if (worker->n_finished == 0) return;
    dataflow_state *state = worker->runtime->policy_state;
    size_t n = worker->n_finished;
    worker->n_finished = 0;
    hl__watch_idle(worker);
    /* acq_rel: the last worker sees what all others did, and hands it on to the caller. */
    if (hl__atomic_fetch_sub(flow_finished, &state->n_unfinished, n, acq_rel) == n) hl__run_finished(worker->runtime);
}

/* Critical tasks first, near ones first; own background tasks before another node's critical ones, since fetching those
 * moves data. */
static bool find(hl__worker *worker, uint32_t *task) {
    if (hl__deque_pop(&worker->deque[CRITICAL], task) || take_from_inbox(worker, CRITICAL, task) ||
        take_root(worker, task) || steal(worker, CRITICAL, 0, worker->n_near, LEAST_NEAR, task) ||
        hl__deque_pop(&worker->deque[BACKGROUND], task) || take_from_inbox(worker, BACKGROUND, task))
        return true;
    count_finished(worker);
    return steal_from_inboxes(worker, CRITICAL, task) ||
           steal(worker, CRITICAL, worker->n_near, worker->n_victims, LEAST_REMOTE, task) ||
           steal(worker, BACKGROUND, 0, worker->n_near, LEAST_NEAR, task) ||
           steal_from_inboxes(worker, BACKGROUND, task) ||
           steal(worker, BACKGROUND, worker->n_near, worker->n_victims, LEAST_REMOTE, task);
}

static bool holds(const hl__inbox inbox[HL__N_DEQUES], int64_t least) {
    for (size_t i = 0; i < HL__N_DEQUES; i++)
        if (hl__inbox_size(&inbox[i]) >= least) return true;
    return false;
}

static bool ready(const hl__worker *worker) {
    const hl_runtime *runtime = worker->runtime;
    const dataflow_state *state = runtime->policy_state;
    /* seq_cst, here and in the sizes of deques and inboxes: as policy.h asks. The own deques are empty whenever this is
     * asked. */
    if (hl__atomic_load(flow_ready, &state->roots_left, seq_cst) > 0) return true;
    if (runtime->n_pools > 1 && holds(runtime->pools[worker->node].inbox, LEAST_NEAR)) return true;
    for (size_t v = 0; v < worker->n_victims; v++) {
        const hl__worker *victim = &runtime->workers[worker->victims[v]];
        int64_t least = v < worker->n_near ? LEAST_NEAR : LEAST_REMOTE;
        const hl__pool *pool = &runtime->pools[victim->node];
        if (v >= worker->n_near && pool->members[0] == worker->victims[v] && holds(pool->inbox, least)) return true;
        for (size_t d = 0; d < HL__N_DEQUES; d++)
            if (hl__deque_size(&victim->deque[d]) >= least) return true;
    }
    return false;
}

/* ---- releasing successors ---- */

/* Counts one predecessor down; true for the last. The count is set for the next run at once: nobody else touches it in
 * this one. */
static bool release_one(hl__task *task) {
    if (task->n_predecessors == 1) return true; /* the count is 1 and stays so */
    /* acquire: if all others have counted down, what they did is ours to hand on. Nobody else is left then, so the
     * count needs no exchange. */
    if (hl__atomic_load(release_peek, &task->pending, acquire) != 1 &&
        /* acq_rel: release of our own task's results, acquire of the others' where we turn out to be the last. */
        hl__atomic_fetch_sub(release_count, &task->pending, 1, acq_rel) != 1)
        return false;
    /* relaxed: the next run is published as a whole. */
    hl__atomic_store(release_reset, &task->pending, task->n_predecessors, relaxed);
    return true;
}

/* Whether the worker runs this task next instead of `next` (HL__NO_TASK: of nothing): at once, while what was written
 * for it is in cache. A background task only goes on behind another one (an update behind its tile of the gradient),
 * and gives way to one that is none. */
static bool goes_on_with(const hl__worker *worker, const hl__task_graph *graph, bool behind_background, uint32_t next,
                         const hl__task *task) {
    if (task->home != worker->node && task->home != HL__NO_NODE) return false;
    if (next != HL__NO_TASK) return graph->tasks[next].background && !task->background;
    return !task->background || behind_background;
}

/* Releases what waited for the task, through joins, and keeps the one that this worker is to run next. */
static void done(hl__worker *worker, uint32_t number) {
    const hl__task_graph *graph = worker->runtime->graph;
    uint32_t joins[JOINS_AT_HAND], next = HL__NO_TASK;
    size_t n_joins = 0, n_pushed = 0;
    bool behind = graph->tasks[number].background;
    for (;;) {
        worker->n_finished++;
        const hl__task *finished = &graph->tasks[number];
        const uint32_t *successor = graph->successors + finished->first_successor;
        for (uint32_t i = 0; i < finished->n_successors; i++) {
            hl__task *task = &graph->tasks[successor[i]];
            if (!release_one(task)) continue;
            if (!task->run && n_joins < JOINS_AT_HAND) {
                joins[n_joins++] = successor[i];
            } else if (goes_on_with(worker, graph, behind, next, task)) {
                if (next != HL__NO_TASK) hl__deque_push(&worker->deque[BACKGROUND], next);
                n_pushed += next != HL__NO_TASK;
                next = successor[i];
            } else {
                n_pushed += put_away(worker, task, successor[i]);
            }
        }
        if (n_joins == 0) break;
        number = joins[--n_joins];
    }
    if (n_pushed > 0) wake_for(worker, n_pushed);
    worker->next = next + 1; /* HL__NO_TASK becomes 0 */
}

static uint32_t next(hl__worker *worker) {
    uint32_t number = worker->next - 1;
    worker->next = 0;
    return number != HL__NO_TASK || find(worker, &number) ? number : HL__NO_TASK;
}

HL__WORKER_LOOP(loop, next, done)

const hl__policy hl__policy_DATAFLOW = {
    .name = "dataflow",
    .state_bytes = sizeof(dataflow_state),
    .reserve = reserve,
    .submit = submit,
    .next = next,
    .done = done,
    .loop = loop,
    .ready = ready,
};
