/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Two readings of the clock a task. Work, idle time and what remains add up to a run's wall time exactly, whatever the
 * clock does: a worker's readings are held to rise from the run's beginning on, and its end is not before any of them.
 *
 * A reading may be a little early, so that a task seems to begin before what it waited for on other workers has ended.
 * Times are settled where the order matters, in the critical path as in a trace: runtime/trace.h says how and why. The
 * sums are of the times as read, for workers and names alike; nothing is added to a run for them. Why the end of a task
 * does not stand for the beginning of the next: what lies between, the release of successors, would count as work, and
 * it may wake a worker, which takes microseconds. */
#include "runtime/watch.h"

#include <string.h>

#include "runtime/memory.h"
#include "runtime/pool.h"

#define NO_TASK UINT32_MAX

static uint64_t later(uint64_t a, uint64_t b) { return a > b ? a : b; }

void hl__watch_task(hl__worker *worker, const hl__task *task) {
    hl_runtime *runtime = worker->runtime;
    const hl__clock *clock = &runtime->trace.clock;
    hl__timing *timing = &worker->timing;
    uint64_t begin = later(hl__clock_ticks(clock), timing->last);
    if (timing->idle) timing->idle_ticks += begin - timing->last;
    timing->idle = false;
    task->run(task->argument, task->index, worker->scratch);
    uint64_t end = later(hl__clock_ticks(clock), begin);
    timing->last = end;
    timing->work += end - begin;
    timing->n_tasks++;
    uint32_t number = (uint32_t)(task - runtime->graph->tasks);
    if (timing->spans) timing->spans[number] = (hl__span){begin, end};
    if (worker->events.room > 0) hl__trace_keep(&worker->events, timing->first_task + number, timing->run, begin, end);
}

void hl__watch_idle(hl__worker *worker) {
    hl__timing *timing = &worker->timing;
    if (!timing->on || timing->idle) return;
    timing->last = later(hl__clock_ticks(&worker->runtime->trace.clock), timing->last);
    timing->idle = true;
}

/* ---- runs ---- */

void hl__watch_begin(hl_runtime *runtime, hl__task_graph *graph) {
    hl__watch *watch = graph->watch;
    bool on = runtime->trace_room > 0 || watch;
    if (!on && !runtime->timed) return;
    runtime->timed = on;
    uint64_t now = hl__clock_ticks(&runtime->trace.clock);
    size_t n_events = 0;
    for (size_t w = 0; w < runtime->n_workers; w++) n_events += runtime->workers[w].events.n_events;
    for (size_t w = 0; w < runtime->n_workers; w++) {
        hl__worker *worker = &runtime->workers[w];
        worker->timing = (hl__timing){.on = on,
                                      .idle = true,
                                      .first_task = runtime->trace.first_task,
                                      .run = (uint32_t)n_events,
                                      .spans = watch ? watch->spans : NULL,
                                      .last = now};
        memset(worker->n_taken, 0, sizeof worker->n_taken);
    }
    if (watch) watch->last = (hl__span){now, now};
}

/* In the last run: not a join, nor passed over. */
static bool has_run(const hl__task_graph *graph, size_t task) {
    return graph->tasks[task].run && graph->watch->spans[task].begin >= graph->watch->last.begin;
}

void hl__watch_end(hl_runtime *runtime, hl__task_graph *graph) {
    hl__watch *watch = graph->watch;
    if (!watch) return;
    uint64_t end = hl__clock_ticks_behind(&runtime->trace.clock);
    for (size_t w = 0; w < runtime->n_workers; w++) end = later(end, runtime->workers[w].timing.last);
    watch->last.end = end;
    watch->wall += end - watch->last.begin;
    watch->n_runs++;
    for (size_t w = 0; w < runtime->n_workers; w++) {
        const hl__worker *worker = &runtime->workers[w];
        const hl__timing *timing = &worker->timing;
        hl__worker_sum *sum = &watch->workers[w];
        sum->work += timing->work;
        sum->idle += timing->idle_ticks + (timing->idle ? end - timing->last : 0);
        sum->n_tasks += timing->n_tasks;
        for (size_t i = 0; i < HL__N_SOURCES; i++) sum->n_taken[i] += worker->n_taken[i];
    }
    for (size_t t = 0; t < graph->n_tasks; t++) {
        const hl__span *span = &watch->spans[t];
        if (!has_run(graph, t)) continue;
        hl__name_sum *sum = &watch->names[graph->tasks[t].name];
        sum->ticks += span->end - span->begin;
        sum->n_tasks++;
    }
}

hl_status hl__watch_start(hl_runtime *runtime, hl__task_graph *graph) {
    hl__watch *made = hl__allocate(1, sizeof *made);
    if (!made) return HL_OUT_OF_MEMORY;
    made->n_workers = runtime->n_workers;
    made->spans = hl__allocate(graph->n_tasks, sizeof *made->spans);
    made->names = hl__allocate(graph->n_names, sizeof *made->names);
    made->workers = hl__allocate(runtime->n_workers, sizeof *made->workers);
    hl__watch *before = graph->watch;
    bool good = made->spans && made->names && made->workers;
    graph->watch = made;
    if (!good) {
        hl__watch_stop(graph);
        graph->watch = before;
        return HL_OUT_OF_MEMORY;
    }
    hl__task_graph old = {.watch = before};
    hl__watch_stop(&old);
    return HL_OK;
}

hl__rate hl__watch_rate(const hl_runtime *runtime) { return hl__clock_rate(&runtime->trace.clock); }

size_t hl__watch_node(const hl_runtime *runtime, size_t worker) { return runtime->workers[worker].node; }

void hl__watch_stop(hl__task_graph *graph) {
    hl__watch *watch = graph->watch;
    if (!watch) return;
    hl__release(watch->spans);
    hl__release(watch->names);
    hl__release(watch->workers);
    hl__release(watch);
    graph->watch = NULL;
}

/* ---- the critical path ---- */

typedef struct step {
    uint64_t chain;  /* ticks that the longest chain before this task took */
    uint64_t ready;  /* end of all that it waited for, settled */
    uint64_t ticks;  /* that it took itself, settled */
    uint32_t before; /* the last task of that chain, or NO_TASK */
} step;

/* Sets what the task took; gives its end. What has not run ends when it could have begun. */
static uint64_t settle(const hl__task_graph *graph, size_t task, step *at) {
    if (!has_run(graph, task)) return at->ready;
    const hl__span *span = &graph->watch->spans[task];
    uint64_t begin = later(span->begin, at->ready), end = later(span->end, begin);
    at->ticks = end - begin;
    return end;
}

/* Fills the steps of all tasks; gives the last task of the longest chain, the first of several. Edges rise, so what a
 * task waits for comes before it. */
static uint32_t measure_chains(const hl__task_graph *graph, step *steps) {
    uint32_t last = NO_TASK;
    uint64_t longest = 0;
    for (size_t t = 0; t < graph->n_tasks; t++) steps[t].before = NO_TASK;
    for (size_t t = 0; t < graph->n_tasks; t++) {
        const hl__task *task = &graph->tasks[t];
        uint64_t end = settle(graph, t, &steps[t]);
        uint64_t chain = steps[t].chain + steps[t].ticks;
        if (chain > longest) {
            longest = chain;
            last = (uint32_t)t;
        }
        for (uint32_t s = 0; s < task->n_successors; s++) {
            step *next = &steps[graph->successors[task->first_successor + s]];
            next->ready = later(next->ready, end);
            if (chain <= next->chain) continue;
            next->chain = chain;
            next->before = (uint32_t)t;
        }
    }
    return last;
}

hl_status hl__watch_path(const hl__task_graph *graph, hl__path *path) {
    hl__path found = {.names = hl__allocate(graph->n_names, sizeof *found.names)};
    step *steps = hl__allocate(graph->n_tasks, sizeof *steps);
    if (!found.names || !steps) {
        hl__release(found.names);
        hl__release(steps);
        return HL_OUT_OF_MEMORY;
    }
    for (uint32_t t = measure_chains(graph, steps); t != NO_TASK; t = steps[t].before) {
        if (!has_run(graph, t)) continue;
        hl__name_sum *sum = &found.names[graph->tasks[t].name];
        sum->n_tasks++;
        sum->ticks += steps[t].ticks;
        found.n_tasks++;
        found.ticks += steps[t].ticks;
    }
    hl__release(steps);
    *path = found;
    return HL_OK;
}
