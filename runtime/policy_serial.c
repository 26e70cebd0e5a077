/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The serial policy: worker 0 runs all tasks in the order of the array. Edges rise in that order, so there is nothing
 * to wait for but the task before, where that is done later. */
#include <stdint.h>

#include "runtime/atomic.h"
#include "runtime/policy.h"
#include "runtime/pool.h"

typedef struct serial_state {
    _Atomic uint64_t run;    /* number of the last run submitted */
    _Atomic uint32_t n_done; /* tasks of the run that is on */
} serial_state;

static void submit(hl_runtime *runtime) {
    serial_state *state = runtime->policy_state;
    /* seq_cst: publishes the graph, and comes before the look whether worker 0 sleeps. */
    hl__atomic_fetch_add(serial_submit, &state->run, 1, seq_cst);
    hl__wake_worker(runtime, &runtime->workers[0]);
}

/* Tasks before the next one are done: one that is done later may not be. */
static bool may_go_on(const hl__worker *worker) {
    const serial_state *state = worker->runtime->policy_state;
    /* seq_cst: as policy.h asks of ready(); what another worker took as done comes with it. */
    return hl__atomic_load(serial_done, &state->n_done, seq_cst) == worker->at;
}

static bool is_new(const hl__worker *worker) {
    const serial_state *state = worker->runtime->policy_state;
    /* seq_cst: as policy.h asks. */
    return hl__atomic_load(serial_ready, &state->run, seq_cst) != worker->run_seen;
}

static bool ready(const hl__worker *worker) {
    if (worker->number != 0) return false;
    return worker->at == worker->end ? is_new(worker) : may_go_on(worker);
}

static uint32_t next(hl__worker *worker) {
    if (!ready(worker)) return HL__NO_TASK;
    if (worker->at == worker->end) {
        serial_state *state = worker->runtime->policy_state;
        worker->run_seen++; /* runs follow one another, so there is never more than one that is new */
        worker->at = 0;
        worker->end = (uint32_t)worker->runtime->graph->n_tasks;
        /* relaxed: whoever is to store to it next has got a task of this worker's. */
        hl__atomic_store(serial_begin, &state->n_done, 0, relaxed);
    }
    return worker->at++;
}

static void done(hl__worker *worker, uint32_t number) {
    hl_runtime *runtime = worker->runtime;
    serial_state *state = runtime->policy_state;
    if (number + 1 == runtime->graph->n_tasks) {
        hl__watch_idle(worker);
        hl__run_finished(runtime);
    } else if (worker->number == 0) {
        /* relaxed: read by this thread alone. */
        hl__atomic_store(serial_own, &state->n_done, number + 1, relaxed);
    } else {
        /* seq_cst: comes before the look whether worker 0 sleeps. */
        hl__atomic_store(serial_other, &state->n_done, number + 1, seq_cst);
        hl__wake_worker(runtime, &runtime->workers[0]);
    }
}

HL__WORKER_LOOP(loop, next, done)

const hl__policy hl__policy_SERIAL = {
    .name = "serial",
    .state_bytes = sizeof(serial_state),
    .submit = submit,
    .next = next,
    .done = done,
    .loop = loop,
    .ready = ready,
};
