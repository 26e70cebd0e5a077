/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What ran when and where: a fixed buffer of events a worker, and what is needed of graphs to understand them, copied
 * so that it outlives them.
 *
 * The clock is read unfenced, so that a reading may be early (runtime/clock.h), and a task seem to begin before what it
 * waited for has ended: up to one edge in 200,000 of a stencil on two workers, by up to 1.5 us. Such times are settled
 * when the trace is written, where all edges are known. A reading is never late: what is recorded as a task's begin is
 * not above the true one. Nor is the end of anything that the task waited for. So the larger of the two is nearer to
 * the truth than the reading, and still not above it. A fence at each begin keeps the order, too, and was dearer by 40
 * ns an event of that stencil. */
#ifndef HL_RUNTIME_TRACE_H
#define HL_RUNTIME_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/clock.h"
#include "runtime/task.h"

#define HL__NO_NAME UINT32_MAX

typedef struct hl__event {
    uint64_t begin, end; /* ticks of the trace's clock */
    uint32_t task;       /* into hl__trace.tasks */
    uint32_t run;        /* events that there were when the run began: rises from run to run, as far as they left any */
} hl__event;

typedef struct hl__events { /* of one worker, written by it alone while a run is on; a run's events follow each other */
    hl__event *event;
    size_t n_events, room; /* room 0: no trace */
    uint64_t n_dropped;
} hl__events;

typedef struct hl__traced_task {
    uint32_t name; /* into hl__trace.names, or HL__NO_NAME */
    uint32_t index[HL__TASK_GRID_RANK];
    uint32_t n_predecessors;
    uint32_t first_successor, n_successors; /* behind those of the graph's first task */
} hl__traced_task;

/* Of the trace's tasks and successors those from first_task and first_successor on. Successors are numbered as in the
 * graph: 0 is first_task. */
typedef struct hl__traced_graph {
    uint64_t id; /* hl__task_graph.id */
    size_t first_task, n_tasks, first_successor;
} hl__traced_graph;

typedef struct hl__trace {
    hl__clock clock; /* its origin is time 0 of what is written */
    char **names;
    hl__traced_task *tasks;
    uint32_t *successors;
    hl__traced_graph *graphs; /* in the order of their tasks */
    size_t n_names, n_tasks, n_successors, n_graphs;
    size_t room_names, room_tasks, room_successors, room_graphs;
    uint32_t first_task; /* of the graph that runs */
} hl__trace;

/* One row of a trace that is written. */
typedef struct hl__trace_row {
    const hl__events *events;
    size_t worker, node;
} hl__trace_row;

/* Finds a graph, or copies it, and makes it the current one. HL_OUT_OF_MEMORY, HL_OUT_OF_RANGE: more than 2^32 - 2
 * tasks or names in all. */
hl_status hl__trace_graph(hl__trace *trace, const hl__task_graph *graph);
void hl__trace_clear_graphs(hl__trace *trace); /* no event is left */

/* Keeps the times of a task; what does not fit is counted. */
static inline void hl__trace_keep(hl__events *events, uint32_t task, uint32_t run, uint64_t begin, uint64_t end) {
    if (events->n_events == events->room) {
        events->n_dropped++;
        return;
    }
    events->event[events->n_events++] = (hl__event){.begin = begin, .end = end, .task = task, .run = run};
}

/* Raises the times of events until none begins before the end of what its task waited for, of what its worker did
 * before, or of an earlier run. Times that are settled already stay. HL_OUT_OF_MEMORY, and no time has changed. */
hl_status hl__trace_settle(const hl__trace *trace, const hl__trace_row *rows, size_t n_rows);

/* Chrome's trace format. False where the file cannot be written. */
bool hl__trace_write(const hl__trace *trace, const hl__trace_row *rows, size_t n_rows, const char *path);

#endif
