/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A task is idle, starting, started, posted, or done (also when it was aborted). While its function runs it is neither
 * taken as done nor aborted, so that the function may look at what it likes: the run is not over, and the device has
 * the task as a whole or not at all. Who sleeps misses nothing: a worker announces
 * its sleep and then looks whether somebody has to poll; who starts a task, or gives up polling, publishes that and
 * then looks for sleepers. Both are sequentially consistent, as in worker.c. */
#include "runtime/later.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "runtime/atomic.h"
#include "runtime/cancel.h"
#include "runtime/clock.h"
#include "runtime/pool.h"
#include "runtime/wait.h"

enum { IDLE, STARTING, POSTED_EARLY, STARTED, POSTED, DONE }; /* POSTED_EARLY: while it was starting */

#define POLLS_PER_LOOK 64 /* at the clock */

void hl__later_begin(hl_runtime *runtime, const hl__task_graph *graph) {
    if (!graph->later) return;
    hl__later *later = &runtime->later;
    pthread_mutex_lock(&later->mutex);
    later->run++;
    later->n_posted = later->next_abort = 0;
    later->status = HL_OK;
    memset(graph->later->state, IDLE, graph->n_tasks);
    pthread_mutex_unlock(&later->mutex);
}

hl_status hl__later_end(hl_runtime *runtime, const hl__task_graph *graph) {
    if (!graph->later) return HL_OK;
    hl__later *later = &runtime->later;
    pthread_mutex_lock(&later->mutex);
    later->run++;
    hl_status status = later->status;
    pthread_mutex_unlock(&later->mutex);
    if (status == HL_OK) return HL_OK;
    return hl__error_set(&runtime->error, status, "'%s' failed%s%s", graph->names[graph->tasks[later->failed].name],
                         *later->words ? ": " : "", later->words);
}

/* With the lock held: the first failure counts, and drains the run unless it has begun to write state. */
static void fail(hl_runtime *runtime, uint32_t task, hl_status status, const char *words) {
    hl__later *later = &runtime->later;
    if (later->status != HL_OK) return;
    later->status = status;
    later->failed = task;
    snprintf(later->words, sizeof later->words, "%s", words ? words : "");
    hl__run_decide(runtime->graph, HL__RUN_CANCELLED);
}

hl_status hl__later_post(const hl__ticket *ticket, hl_status status, const char *words) {
    hl_runtime *runtime = ticket->runtime;
    hl__later *later = &runtime->later;
    pthread_mutex_lock(&later->mutex);
    hl__later_tasks *tasks = ticket->run == later->run ? runtime->graph->later : NULL;
    uint8_t *state = tasks ? &tasks->state[ticket->task] : NULL;
    bool counts = state && (*state == STARTING || *state == STARTED);
    if (counts) {
        if (*state == STARTED) tasks->posted[later->n_posted++] = ticket->task;
        *state = *state == STARTED ? POSTED : POSTED_EARLY;
        later->last_ns = hl__clock_monotonic();
        if (status != HL_OK) fail(runtime, ticket->task, status, words);
    }
    pthread_mutex_unlock(&later->mutex);
    return counts ? HL_OK : HL_TOO_LATE;
}

bool hl__later_wants(const hl_runtime *runtime) {
    /* seq_cst, both: see above. */
    return hl__atomic_load(later_wants, &runtime->later.n_outstanding, seq_cst) > 0 &&
           hl__atomic_load(later_poller, &runtime->later.poller, seq_cst) == 0;
}

void hl__later_start(hl__worker *worker, const hl__task *task) {
    hl_runtime *runtime = worker->runtime;
    hl__later *later = &runtime->later;
    hl__later_tasks *tasks = runtime->graph->later;
    hl__ticket ticket = {.runtime = runtime, .task = (uint32_t)(task - runtime->graph->tasks)};
    uint8_t *state = &tasks->state[ticket.task];
    pthread_mutex_lock(&later->mutex);
    ticket.run = later->run;
    *state = STARTING;
    later->last_ns = hl__clock_monotonic();
    pthread_mutex_unlock(&later->mutex);
    /* seq_cst: see above. */
    hl__atomic_fetch_add(later_start, &later->n_outstanding, 1, seq_cst);
    task->run(task->argument, task->index, &ticket);
    pthread_mutex_lock(&later->mutex);
    if (*state == POSTED_EARLY) tasks->posted[later->n_posted++] = ticket.task;
    *state = *state == POSTED_EARLY ? POSTED : STARTED;
    pthread_mutex_unlock(&later->mutex);
    /* From here on the run may be over. */
    if (hl__later_wants(runtime)) hl__wake_anywhere(runtime, worker->node, 1);
}

/* The next task that is done, or has to be aborted, which `doomed` names then; HL__NO_TASK: none. */
static uint32_t take(hl_runtime *runtime, hl__ticket *doomed) {
    hl__later *later = &runtime->later;
    const hl__task_graph *graph = runtime->graph;
    hl__later_tasks *tasks = graph->later;
    uint32_t task = HL__NO_TASK;
    pthread_mutex_lock(&later->mutex);
    bool drained = later->status != HL_OK || hl__run_cancelled(graph);
    if (later->n_posted > 0) {
        task = tasks->posted[--later->n_posted];
    } else if (drained) {
        while (later->next_abort < graph->n_tasks && tasks->state[later->next_abort] != STARTED) later->next_abort++;
        if (later->next_abort < graph->n_tasks) {
            task = later->next_abort;
            *doomed = (hl__ticket){.runtime = runtime, .run = later->run, .task = task};
        }
    }
    if (task != HL__NO_TASK) tasks->state[task] = DONE;
    pthread_mutex_unlock(&later->mutex);
    return task;
}

/* Gives up on a run in which nothing has been posted for too long. */
static void look_at_clock(hl_runtime *runtime) {
    hl__later *later = &runtime->later;
    const hl__task_graph *graph = runtime->graph;
    uint64_t patience = graph->device->patience_ns;
    if (patience == 0) return;
    pthread_mutex_lock(&later->mutex);
    if (later->n_posted == 0 && hl__clock_monotonic() - later->last_ns > patience) {
        char words[64];
        snprintf(words, sizeof words, "not done after %g s", (double)patience * 1e-9);
        uint32_t task = 0;
        while (task < graph->n_tasks && graph->later->state[task] != STARTED) task++;
        if (task < graph->n_tasks) fail(runtime, task, HL_SYSTEM, words);
    }
    pthread_mutex_unlock(&later->mutex);
}

bool hl__later_turn(hl__worker *worker) {
    hl_runtime *runtime = worker->runtime;
    hl__later *later = &runtime->later;
    /* acquire: the graph, of whoever started the task. It lives on while one is outstanding, which only the polling
     * worker changes. */
    if (hl__atomic_load(later_look, &later->n_outstanding, acquire) == 0) {
        if (worker->polls) hl__later_hand_over(worker);
        return false;
    }
    if (!worker->polls) {
        uint32_t none = 0;
        /* seq_cst: one order with the looks of those who fall asleep; relaxed on failure: another polls. */
        if (!hl__atomic_exchange_if(later_take_over, &later->poller, &none, worker->number + 1, seq_cst, relaxed))
            return false;
        worker->polls = true;
        return true; /* what is outstanding may have changed: looked at again, as the polling worker */
    }
    hl__ticket doomed = {0};
    uint32_t task = take(runtime, &doomed);
    const hl__device *device = runtime->graph->device;
    if (task == HL__NO_TASK) {
        for (size_t i = 0; i < POLLS_PER_LOOK; i++) {
            if (device->poll) device->poll(device->context);
            else hl__pause();
        }
        look_at_clock(runtime);
        sched_yield(); /* whoever completes it may need this CPU */
        return true;
    }
    if (doomed.runtime) device->cancel(device->context, &doomed);
    /* seq_cst: see above. */
    hl__atomic_fetch_sub(later_taken, &later->n_outstanding, 1, seq_cst);
    runtime->policy->done(worker, task);
    return true;
}

void hl__later_hand_over(hl__worker *worker) {
    hl_runtime *runtime = worker->runtime;
    worker->polls = false;
    /* seq_cst: see above. */
    hl__atomic_store(later_hand_over, &runtime->later.poller, 0, seq_cst);
    if (hl__later_wants(runtime)) hl__wake_anywhere(runtime, worker->node, 1);
}
