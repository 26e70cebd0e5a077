/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Runs, as their callers see them: reserve, submit, wait. The caller never works itself: it may be a thread of the
 * caller's own parallel region, bound anywhere, and which thread runs a task is the policy's business. */
#include "runtime/run.h"

#include <unistd.h>

#include "runtime/atomic.h"
#include "runtime/cancel.h"
#include "runtime/memory.h"
#include "runtime/pool.h"
#include "runtime/wait.h"

static const char forked_words[] = "the runtime belongs to the parent process: it owns no threads here";

hl_status hl__runtime_check(const hl_runtime *runtime) { return runtime->owner == getpid() ? HL_OK : HL_FORKED; }

static hl_status reserve_scratch(hl_runtime *runtime, size_t bytes) {
    for (size_t w = 0; w < runtime->n_workers; w++) {
        hl__worker *worker = &runtime->workers[w];
        if (worker->scratch_bytes >= bytes) continue;
        void *scratch = hl__arena_create(runtime, bytes, worker->node);
        if (!scratch)
            return hl__error_set(&runtime->error, HL_OUT_OF_MEMORY, "%zu bytes of scratch for worker %zu of %zu", bytes,
                                 w, runtime->n_workers);
        hl__arena_destroy(runtime, worker->scratch, worker->scratch_bytes);
        worker->scratch = scratch;
        worker->scratch_bytes = bytes;
    }
    return HL_OK;
}

/* With run_mutex held, so that no task has the old scratch in hand. Does nothing where enough was reserved before. */
static hl_status reserve(hl_runtime *runtime, const hl__task_graph *graph) {
    hl_status status = HL_OK;
    if (runtime->policy->reserve) status = runtime->policy->reserve(runtime, graph->n_tasks);
    if (status == HL_OK) status = reserve_scratch(runtime, graph->scratch_bytes);
    if (status != HL_OK || runtime->trace_room == 0) return status;
    status = hl__trace_graph(&runtime->trace, graph);
    if (status == HL_OK) return HL_OK;
    return hl__error_set(&runtime->error, status, "a copy of %zu tasks for the trace", graph->n_tasks);
}

/* Takes the run mutex: once other runs are over, or, for a kernel, only where none is on. */
static hl_status take_turn(hl_runtime *runtime) {
    if (!hl__called_by_kernel()) {
        pthread_mutex_lock(&runtime->run_mutex);
        return HL_OK;
    }
    if (pthread_mutex_trylock(&runtime->run_mutex) == 0) return HL_OK;
    return hl__error_set(&runtime->error, HL_BUSY, "a kernel called while a run is on: that run may be its own");
}

hl_status hl__runtime_reserve(hl_runtime *runtime, const hl__task_graph *graph) {
    hl_status status = hl__runtime_check(runtime);
    if (status == HL_OK) status = take_turn(runtime);
    if (status != HL_OK) return status;
    status = reserve(runtime, graph);
    pthread_mutex_unlock(&runtime->run_mutex);
    return status;
}

hl_status hl__runtime_run(hl_runtime *runtime, hl__task_graph *graph) {
    hl_status status = hl__runtime_check(runtime);
    if (status == HL_OK) status = take_turn(runtime);
    if (status != HL_OK) return status;
    bool begins = !hl__run_cancelled(graph); /* else all of its tasks would only be passed over */
    if (begins) status = reserve(runtime, graph);
    if (begins && status == HL_OK && graph->n_tasks > 0) {
        runtime->graph = graph;
        /* relaxed: workers write it only once they have got the run, which submit() publishes. */
        hl__atomic_store(run_reset, &runtime->done, 0, relaxed);
        hl__watch_begin(runtime, graph);
        hl__later_begin(runtime, graph);
        runtime->policy->submit(runtime);
        /* acquire: all that the tasks have written. */
        while (hl__atomic_load(run_wait, &runtime->done, acquire) == 0) hl__futex_wait(&runtime->done, 0);
        hl__watch_end(runtime, graph);
        status = hl__later_end(runtime, graph);
    }
    pthread_mutex_unlock(&runtime->run_mutex);
    return status;
}

void hl__run_finished(hl_runtime *runtime) {
    /* release: pairs with the caller's acquire. The last worker has itself acquired what the others did. */
    hl__atomic_store(run_done, &runtime->done, 1, release);
    hl__futex_wake(&runtime->done, 1);
}

const char *hl_runtime_error(const hl_runtime *runtime) {
    if (!runtime) return hl__error_unmade();
    return hl__runtime_check(runtime) == HL_OK ? hl__error_words(&runtime->error) : forked_words;
}

/* Takes the run mutex, unless a run is on. */
static hl_status begin_between_runs(hl_runtime *runtime) {
    if (!runtime) return HL_INVALID_ARGUMENT;
    hl_status status = hl__runtime_check(runtime);
    if (status != HL_OK) return status;
    if (runtime->trace_room == 0)
        return hl__error_set(&runtime->error, HL_UNSUPPORTED, "the runtime was made without trace_events");
    if (pthread_mutex_trylock(&runtime->run_mutex) != 0)
        return hl__error_set(&runtime->error, HL_BUSY, "a run is on: its trace is still being recorded");
    return HL_OK;
}

hl_status hl_runtime_trace_write(hl_runtime *runtime, const char *path) {
    hl_status status = begin_between_runs(runtime);
    if (status != HL_OK) return status;
    if (!path) {
        status = hl__error_set(&runtime->error, HL_INVALID_ARGUMENT, "hl_runtime_trace_write: the path is NULL");
        goto done;
    }
    hl__trace_row *rows = hl__allocate(runtime->n_workers, sizeof *rows);
    if (!rows) {
        status = hl__error_set(&runtime->error, HL_OUT_OF_MEMORY, "%zu rows of a trace", runtime->n_workers);
        goto done;
    }
    for (size_t w = 0; w < runtime->n_workers; w++)
        rows[w] = (hl__trace_row){.events = &runtime->workers[w].events, .worker = w, .node = runtime->workers[w].node};
    status = hl__trace_settle(&runtime->trace, rows, runtime->n_workers);
    if (status != HL_OK)
        hl__error_set(&runtime->error, status, "settling the times of a trace of graphs of %zu tasks",
                      runtime->trace.n_tasks);
    else if (!hl__trace_write(&runtime->trace, rows, runtime->n_workers, path))
        status = hl__error_set(&runtime->error, HL_SYSTEM, "the trace cannot be written to %s", path);
    hl__release(rows);
done:
    pthread_mutex_unlock(&runtime->run_mutex);
    return status;
}

hl_status hl_runtime_trace_clear(hl_runtime *runtime) {
    hl_status status = begin_between_runs(runtime);
    if (status != HL_OK) return status;
    for (size_t w = 0; w < runtime->n_workers; w++) {
        runtime->workers[w].events.n_events = 0;
        runtime->workers[w].events.n_dropped = 0;
    }
    hl__trace_clear_graphs(&runtime->trace);
    pthread_mutex_unlock(&runtime->run_mutex);
    return HL_OK;
}
