/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The graphs of what is recorded. */
#include "runtime/trace.h"

#include <string.h>

#include "runtime/memory.h"

static bool make_room(hl__trace *trace, const hl__task_graph *graph) {
    return hl__grow(&trace->names, &trace->room_names, trace->n_names, trace->n_names + graph->n_names,
                    sizeof *trace->names) &&
           hl__grow(&trace->tasks, &trace->room_tasks, trace->n_tasks, trace->n_tasks + graph->n_tasks,
                    sizeof *trace->tasks) &&
           hl__grow(&trace->successors, &trace->room_successors, trace->n_successors,
                    trace->n_successors + graph->n_successors, sizeof *trace->successors) &&
           hl__grow(&trace->graphs, &trace->room_graphs, trace->n_graphs, trace->n_graphs + 1, sizeof *trace->graphs);
}

static bool copy_names(hl__trace *trace, const hl__task_graph *graph) {
    for (size_t i = 0; i < graph->n_names; i++) {
        char *copy = hl__copy_string(graph->names[i] ? graph->names[i] : "");
        trace->names[trace->n_names + i] = copy;
        if (copy) continue;
        while (i-- > 0) hl__release(trace->names[trace->n_names + i]);
        return false;
    }
    return true;
}

static void copy_tasks(hl__trace *trace, const hl__task_graph *graph) {
    for (size_t t = 0; t < graph->n_tasks; t++) {
        const hl__task *task = &graph->tasks[t];
        hl__traced_task *copy = &trace->tasks[trace->n_tasks + t];
        *copy =
            (hl__traced_task){.name = task->name < graph->n_names ? (uint32_t)trace->n_names + task->name : HL__NO_NAME,
                              .n_predecessors = task->n_predecessors,
                              .first_successor = task->first_successor,
                              .n_successors = task->n_successors};
        memcpy(copy->index, task->index, sizeof copy->index);
    }
}

hl_status hl__trace_graph(hl__trace *trace, const hl__task_graph *graph) {
    for (size_t i = trace->n_graphs; i-- > 0;) { /* the last that came first: older ones may be gone */
        if (trace->graphs[i].id != graph->id) continue;
        trace->first_task = (uint32_t)trace->graphs[i].first_task;
        return HL_OK;
    }
    if (graph->n_tasks >= UINT32_MAX - trace->n_tasks || graph->n_names >= UINT32_MAX - trace->n_names)
        return HL_OUT_OF_RANGE;
    if (!make_room(trace, graph) || !copy_names(trace, graph)) return HL_OUT_OF_MEMORY;
    copy_tasks(trace, graph);
    if (graph->n_successors > 0)
        memcpy(trace->successors + trace->n_successors, graph->successors,
               graph->n_successors * sizeof *graph->successors);
    trace->graphs[trace->n_graphs++] = (hl__traced_graph){.id = graph->id,
                                                          .first_task = trace->n_tasks,
                                                          .n_tasks = graph->n_tasks,
                                                          .first_successor = trace->n_successors};
    trace->first_task = (uint32_t)trace->n_tasks;
    trace->n_names += graph->n_names;
    trace->n_tasks += graph->n_tasks;
    trace->n_successors += graph->n_successors;
    return HL_OK;
}

void hl__trace_clear_graphs(hl__trace *trace) {
    for (size_t i = 0; i < trace->n_names; i++) hl__release(trace->names[i]);
    hl__release(trace->names);
    hl__release(trace->tasks);
    hl__release(trace->successors);
    hl__release(trace->graphs);
    *trace = (hl__trace){.clock = trace->clock};
}
