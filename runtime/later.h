/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tasks that are done later: somebody else (a network, an accelerator, a thread of another library) goes on with them
 * when their function has returned, and says so when they are done, or have failed.
 *
 * Such a task gets a ticket where others get scratch. Whoever completes it posts the ticket, from any thread; a worker
 * that has nothing else to run takes what was posted and releases what waited for it. While a task is outstanding one
 * worker polls instead of falling asleep, and hands over to another before it runs something. A run ends when all of
 * its tasks are done. Where it is cancelled, or a task fails, or nothing is posted for longer than the device allows,
 * what has not started is passed over and what is outstanding is aborted, by the polling worker, one after the other.
 * What is posted for a task that is done already, or for a run that is over, is dropped.
 *
 * One lock guards what is posted. It is taken when such a task starts or completes, never for others. */
#ifndef HL_RUNTIME_LATER_H
#define HL_RUNTIME_LATER_H

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "headloom/runtime.h"
#include "runtime/task.h"

struct hl__worker;

/* One task in one run. Plain data; good while the runtime lives. */
typedef struct hl__ticket {
    hl_runtime *runtime;
    uint64_t run;
    uint32_t task;
} hl__ticket;

/* Who does tasks later: hl__task_graph.device. Functions are called by workers, without any lock held. */
typedef struct hl__device {
    void *context;
    /* Looks whether something is done, and posts it. Called again and again by one worker at a time. NULL: others post.
     */
    void (*poll)(void *context);
    /* The task is to touch nothing any more once this returns. Called once for a task that is outstanding in a run that
     * is drained, behind the function that started it, perhaps while somebody posts it. */
    void (*cancel)(void *context, const hl__ticket *ticket);
    uint64_t patience_ns; /* from the last start or post to the next post, while any is outstanding; 0: for ever */
} hl__device;

/* Of a runtime: the run that is on. */
typedef struct hl__later {
    pthread_mutex_t mutex; /* guards all but the two counts and the poller */
    uint64_t run;          /* changes when a run begins and when it ends */
    uint32_t n_posted;     /* graph->later->posted */
    uint32_t next_abort;   /* tasks below have been aborted, or need not be */
    uint64_t last_ns;      /* of the last start or post */
    hl_status status;      /* of the first that failed */
    uint32_t failed;       /* which that was */
    char words[256];
    alignas(64) _Atomic uint32_t n_outstanding; /* started, and not yet taken as done */
    _Atomic uint32_t poller;                    /* number of a worker, plus one; 0: none */
} hl__later;

/* Of a graph that has such tasks, made when it is frozen. */
typedef struct hl__later_tasks {
    uint32_t *posted; /* as many as there are such tasks */
    uint8_t state[];  /* one per task of the graph */
} hl__later_tasks;

/* The task is done, or failed (status is not HL_OK; words say why, NULL for none, and are copied). From any thread,
 * also within the function that started it. HL_TOO_LATE: it was done already, aborted, or its run is over; nothing
 * happens. */
hl_status hl__later_post(const hl__ticket *ticket, hl_status status, const char *words);

/* ---- of the runtime ---- */

/* Around a run, by its caller: hl__later_end gives what the run has failed with, and the words to the runtime's error.
 */
void hl__later_begin(hl_runtime *runtime, const hl__task_graph *graph);
hl_status hl__later_end(hl_runtime *runtime, const hl__task_graph *graph);

/* By a worker: starts such a task. */
void hl__later_start(struct hl__worker *worker, const hl__task *task);

/* By a worker that was given nothing: takes one task as done, aborts one, or polls. False: none is outstanding, or
 * another worker polls. */
bool hl__later_turn(struct hl__worker *worker);

/* By the polling worker, which is about to run a task. */
void hl__later_hand_over(struct hl__worker *worker);

/* Somebody has to poll. Sequentially consistent, for the last look before sleep. */
bool hl__later_wants(const hl_runtime *runtime);

#endif
