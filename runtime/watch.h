/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where the time of runs goes: when each task began and ended, and what each worker did with the run between. A run is
 * timed where its runtime keeps a trace or its graph is watched, and then as a whole; otherwise each task costs one
 * look at a flag of its worker's.
 *
 * A worker's share of a run is its work (in tasks), its idle time (from having nothing left to its next task; from the
 * run's beginning, too, and to its end), and what remains: the time in which it had tasks and was not in one, looking
 * for the next and releasing what waited for the last. */
#ifndef HL_RUNTIME_WATCH_H
#define HL_RUNTIME_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "headloom/runtime.h"
#include "runtime/clock.h"
#include "runtime/task.h"

struct hl__worker;

typedef struct hl__span {
    uint64_t begin, end; /* ticks of the runtime's clock */
} hl__span;

/* Where a worker gets tasks that others have released. */
enum {
    HL__FROM_NODE,   /* stolen from a worker of the same node */
    HL__FROM_OTHERS, /* stolen from other nodes */
    HL__FROM_INBOX,  /* sent home by other nodes */
    HL__N_SOURCES
};

/* Of one worker in one run: written by the caller of the run before it is submitted, and by the worker while it holds
 * up the end of the run (it has a task, or has not yet counted one as finished). */
typedef struct hl__timing {
    bool on;
    bool idle;                /* since `last` */
    uint32_t first_task, run; /* hl__event.task of the graph's first task, hl__event.run */
    hl__span *spans;          /* one a task of the graph, or NULL */
    uint64_t last;            /* time is accounted for up to here: readings before it count as this */
    uint64_t work, idle_ticks;
    size_t n_tasks;
} hl__timing;

/* Sums over runs. Ticks throughout. */
typedef struct hl__worker_sum {
    uint64_t work, idle;
    size_t n_tasks, n_taken[HL__N_SOURCES];
} hl__worker_sum;

typedef struct hl__name_sum { /* of the tasks of one name */
    uint64_t ticks;
    size_t n_tasks;
} hl__name_sum;

typedef struct hl__watch { /* of a graph: hl__task_graph.watch */
    hl__span *spans;       /* of each task, as read; not of the last run where they begin before last.begin */
    hl__name_sum *names;
    hl__worker_sum *workers;
    size_t n_workers, n_runs;
    uint64_t wall;
    hl__span last; /* run */
} hl__watch;

/* The longest chain of tasks, each of which waited for the one before, by their times in the last run, settled as those
 * of a trace are (runtime/trace.h): it is never longer than the run. */
typedef struct hl__path {
    hl__name_sum *names; /* the chain's tasks of each name; graph->n_names */
    uint64_t ticks;
    size_t n_tasks; /* joins not counted */
} hl__path;

/* Watches a graph from its next run on; none is on. HL_OUT_OF_MEMORY. */
hl_status hl__watch_start(hl_runtime *runtime, hl__task_graph *graph);
void hl__watch_stop(hl__task_graph *graph); /* harmless where it is not watched */

/* HL_OUT_OF_MEMORY. path->names is the caller's to release. */
hl_status hl__watch_path(const hl__task_graph *graph, hl__path *path);

/* What the ticks of a watch are in nanoseconds (hl__clock_ns), as well as can be known now. */
hl__rate hl__watch_rate(const hl_runtime *runtime);

/* The pool of a worker. */
size_t hl__watch_node(const hl_runtime *runtime, size_t worker);

/* By the caller of a run, with the run mutex: before it is submitted, and when it is over. */
void hl__watch_begin(hl_runtime *runtime, hl__task_graph *graph);
void hl__watch_end(hl_runtime *runtime, hl__task_graph *graph);

/* By a worker whose timing is on: runs a task and keeps its times. */
void hl__watch_task(struct hl__worker *worker, const hl__task *task);

/* By a worker that has nothing left, before others may learn that it has finished what it had. */
void hl__watch_idle(struct hl__worker *worker);

#endif
