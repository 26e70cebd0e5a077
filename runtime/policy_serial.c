/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The serial policy: worker 0 runs all tasks in the order of the array. Edges rise in that order, so there is nothing
 * to count and nothing to wait for. */
#include <stdint.h>

#include "runtime/atomic.h"
#include "runtime/policy.h"
#include "runtime/pool.h"

typedef struct serial_state {
    _Atomic uint64_t run; /* number of the last run submitted */
} serial_state;

static void submit(hl_runtime *runtime) {
    serial_state *state = runtime->policy_state;
    /* seq_cst: publishes the graph, and comes before the look whether worker 0 sleeps. */
    hl__atomic_fetch_add(serial_submit, &state->run, 1, seq_cst);
    hl__wake_worker(runtime, &runtime->workers[0]);
}

static bool ready(const hl__worker *worker) {
    const serial_state *state = worker->runtime->policy_state;
    /* seq_cst: as policy.h asks. */
    return worker->number == 0 && hl__atomic_load(serial_ready, &state->run, seq_cst) != worker->run_seen;
}

static uint32_t next(hl__worker *worker) {
    if (worker->at == worker->end) {
        if (!ready(worker)) return HL__NO_TASK;
        worker->run_seen++; /* runs follow one another, so there is never more than one that is new */
        worker->at = 0;
        worker->end = (uint32_t)worker->runtime->graph->n_tasks;
    }
    return worker->at++;
}

static void done(hl__worker *worker, uint32_t number) {
    if (number + 1 < worker->end) return;
    hl__watch_idle(worker);
    hl__run_finished(worker->runtime);
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
