/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What ran when and where: a fixed buffer of events a worker, and the names of tasks, copied so that they outlive their
 * graph. */
#ifndef HL_RUNTIME_TRACE_H
#define HL_RUNTIME_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "runtime/clock.h"
#include "runtime/task.h"

typedef struct hl__event {
    uint64_t begin, end; /* ticks of the trace's clock */
    uint32_t name;       /* into hl__trace.names */
    uint32_t index[HL__TASK_GRID_RANK];
} hl__event;

typedef struct hl__events { /* of one worker, written by it alone */
    hl__event *event;
    size_t n_events, room; /* room 0: no trace */
    uint64_t n_dropped;
} hl__events;

/* The names of one graph: n_names of the trace's names from first on. */
typedef struct hl__name_set {
    const hl__task_graph *graph;
    size_t first, n_names;
} hl__name_set;

typedef struct hl__trace {
    hl__clock clock; /* its origin is time 0 of what is written */
    char **names;
    size_t n_names, room_names;
    hl__name_set *sets;
    size_t n_sets, room_sets;
    uint32_t first_name; /* of the graph that runs */
} hl__trace;

/* One row of a trace that is written. */
typedef struct hl__trace_row {
    const hl__events *events;
    size_t worker, node;
} hl__trace_row;

/* Finds the names of a graph, or copies them, and makes them the current ones. HL_OUT_OF_MEMORY. */
hl_status hl__trace_names(hl__trace *trace, const hl__task_graph *graph);
void hl__trace_clear_names(hl__trace *trace);

/* Keeps the times of a task; what does not fit is counted. */
static inline void hl__trace_keep(hl__events *events, uint32_t first_name, const hl__task *task, uint64_t begin,
                                  uint64_t end) {
    if (events->n_events == events->room) {
        events->n_dropped++;
        return;
    }
    hl__event *event = &events->event[events->n_events++];
    event->begin = begin;
    event->end = end;
    event->name = first_name + task->name;
    memcpy(event->index, task->index, sizeof event->index);
}

/* Chrome's trace format. False where the file cannot be written. */
bool hl__trace_write(const hl__trace *trace, const hl__trace_row *rows, size_t n_rows, const char *path);

#endif
