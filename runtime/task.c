/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Task graphs: the builder collects tasks and edges, freezing sorts them into the arrays that workers read. Both sorts
 * are counting sorts, so freezing is linear in tasks + edges. */
#include "runtime/task.h"

#include <assert.h>
#include <string.h>

#include "runtime/atomic.h"
#include "runtime/memory.h"
#include "runtime/watch.h"

_Static_assert(sizeof(hl__task) == 64, "a task is one cache line");

typedef struct edge {
    uint32_t before, after;
} edge;

struct hl__task_builder {
    hl__task *tasks;
    size_t n_tasks, room_tasks;
    edge *edges;
    size_t n_edges, room_edges;
};

hl_status hl__task_builder_create(hl__task_builder **builder) {
    hl__task_builder *made = hl__allocate(1, sizeof *made);
    if (!made) return HL_OUT_OF_MEMORY;
    *builder = made;
    return HL_OK;
}

void hl__task_builder_destroy(hl__task_builder *builder) {
    if (!builder) return;
    hl__release(builder->tasks);
    hl__release(builder->edges);
    hl__release(builder);
}

hl_status hl__task_builder_add(hl__task_builder *builder, const hl__task *task, uint32_t *number) {
    /* The largest number is left free: it stands for "no task" where numbers are kept. */
    if (builder->n_tasks >= UINT32_MAX - 1) return HL_OUT_OF_RANGE;
    if (!hl__grow(&builder->tasks, &builder->room_tasks, builder->n_tasks, builder->n_tasks + 1, sizeof *task))
        return HL_OUT_OF_MEMORY;
    hl__task *made = &builder->tasks[builder->n_tasks];
    made->run = task->run;
    made->argument = task->argument;
    memcpy(made->index, task->index, sizeof made->index);
    made->level = task->level;
    made->name = task->name;
    made->home = task->home;
    made->background = task->background;
    made->writes_state = task->writes_state;
    *number = (uint32_t)builder->n_tasks++;
    return HL_OK;
}

hl_status hl__task_builder_edge(hl__task_builder *builder, uint32_t before, uint32_t after) {
    assert(before < after && after < builder->n_tasks && "every edge rises in the serial order");
    if (builder->n_edges >= UINT32_MAX) return HL_OUT_OF_RANGE; /* first_successor counts them */
    if (!hl__grow(&builder->edges, &builder->room_edges, builder->n_edges, builder->n_edges + 1, sizeof(edge)))
        return HL_OUT_OF_MEMORY;
    builder->edges[builder->n_edges++] = (edge){before, after};
    return HL_OK;
}

/* Sorts edges by .before, or by .after, into sorted; stable. begin: n_tasks + 1 zeroed counters, changed. */
static void sort_edges(const edge *edges, size_t n_edges, bool by_before, uint32_t *begin, size_t n_tasks,
                       edge *sorted) {
    for (size_t e = 0; e < n_edges; e++) begin[(by_before ? edges[e].before : edges[e].after) + 1]++;
    for (size_t t = 0; t < n_tasks; t++) begin[t + 1] += begin[t];
    for (size_t e = 0; e < n_edges; e++) sorted[begin[by_before ? edges[e].before : edges[e].after]++] = edges[e];
}

/* Leaves the builder's edges sorted by task, then by successor, each once. */
static hl_status tidy_edges(hl__task_builder *builder) {
    size_t n_tasks = builder->n_tasks, n_edges = builder->n_edges;
    edge *spare = hl__allocate(n_edges, sizeof *spare);
    uint32_t *begin = hl__allocate(n_tasks + 1, sizeof *begin);
    if (!spare || !begin) {
        hl__release(spare);
        hl__release(begin);
        return HL_OUT_OF_MEMORY;
    }
    sort_edges(builder->edges, n_edges, false, begin, n_tasks, spare);
    memset(begin, 0, (n_tasks + 1) * sizeof *begin);
    sort_edges(spare, n_edges, true, begin, n_tasks, builder->edges);
    size_t kept = 0;
    for (size_t e = 0; e < n_edges; e++) {
        edge at = builder->edges[e];
        if (kept > 0 && at.before == builder->edges[kept - 1].before && at.after == builder->edges[kept - 1].after)
            continue;
        builder->edges[kept++] = at;
    }
    builder->n_edges = kept;
    hl__release(spare);
    hl__release(begin);
    return HL_OK;
}

/* Fills successors, both counts, and the levels of joins: edges are sorted, so predecessors come first. */
static void connect(const hl__task_builder *builder, hl__task_graph *graph) {
    for (size_t t = 0; t < graph->n_tasks; t++) {
        graph->tasks[t] = builder->tasks[t];
        if (!graph->tasks[t].run) graph->tasks[t].level = 0;
    }
    size_t e = 0;
    for (size_t t = 0; t < graph->n_tasks; t++) {
        hl__task *before = &graph->tasks[t];
        before->first_successor = (uint32_t)e;
        for (; e < builder->n_edges && builder->edges[e].before == t; e++) {
            hl__task *after = &graph->tasks[builder->edges[e].after];
            graph->successors[e] = builder->edges[e].after;
            after->n_predecessors++;
            if (!after->run && after->level < before->level) after->level = before->level;
            assert((!after->run || after->level > before->level) && "levels rise along every edge");
        }
        before->n_successors = (uint32_t)e - before->first_successor;
    }
    graph->n_successors = e;
    size_t n_roots = 0;
    for (size_t t = 0; t < graph->n_tasks; t++) {
        hl__task *task = &graph->tasks[t];
        atomic_init(&task->pending, task->n_predecessors);
        if (task->n_predecessors == 0) graph->roots[n_roots++] = (uint32_t)t;
    }
}

static void sort_levels(hl__task_graph *graph) {
    uint32_t *begin = graph->level_begin;
    for (size_t t = 0; t < graph->n_tasks; t++) begin[graph->tasks[t].level + 1]++;
    for (size_t level = 0; level < graph->n_levels; level++) begin[level + 1] += begin[level];
    for (size_t t = 0; t < graph->n_tasks; t++) graph->level_order[begin[graph->tasks[t].level]++] = (uint32_t)t;
    /* Each begin has become its level's end: shift them back. */
    for (size_t level = graph->n_levels; level > 0; level--) begin[level] = begin[level - 1];
    begin[0] = 0;
}

static void count_roots_and_levels(const hl__task_builder *builder, hl__task_graph *graph) {
    size_t n_levels = 0;
    for (size_t t = 0; t < builder->n_tasks; t++)
        if (builder->tasks[t].run && builder->tasks[t].level >= n_levels)
            n_levels = (size_t)builder->tasks[t].level + 1;
    graph->n_levels = n_levels == 0 && builder->n_tasks > 0 ? 1 : n_levels; /* joins alone stand at level 0 */
    size_t n_waiting = 0;
    for (size_t e = 0; e < builder->n_edges; e++) {
        hl__task *after = &builder->tasks[builder->edges[e].after];
        n_waiting += after->n_predecessors++ == 0;
    }
    for (size_t t = 0; t < builder->n_tasks; t++) builder->tasks[t].n_predecessors = 0;
    graph->n_roots = builder->n_tasks - n_waiting;
}

/* What a graph is known by when it is gone, and another lives at its address. Nothing is computed from it. */
static uint64_t draw_id(void) {
    static _Atomic uint64_t n_drawn;
    /* relaxed: no two are alike in any order. */
    return hl__atomic_fetch_add(graph_id, &n_drawn, 1, relaxed) + 1;
}

hl_status hl__task_builder_freeze(hl__task_builder *builder, hl__task_graph *graph) {
    hl_status status = tidy_edges(builder);
    if (status != HL_OK) return status;
    hl__task_graph made = {.n_tasks = builder->n_tasks};
    count_roots_and_levels(builder, &made);
    made.tasks = hl__allocate(made.n_tasks, sizeof *made.tasks);
    made.successors = hl__allocate(builder->n_edges, sizeof *made.successors);
    made.roots = hl__allocate(made.n_roots, sizeof *made.roots);
    made.level_order = hl__allocate(made.n_tasks, sizeof *made.level_order);
    made.level_begin = hl__allocate(made.n_levels + 1, sizeof *made.level_begin);
    if (!made.tasks || !made.successors || !made.roots || !made.level_order || !made.level_begin) {
        hl__task_graph_clear(&made);
        return HL_OUT_OF_MEMORY;
    }
    connect(builder, &made);
    sort_levels(&made);
    made.id = draw_id();
    *graph = made;
    return HL_OK;
}

void hl__task_graph_clear(hl__task_graph *graph) {
    hl__watch_stop(graph);
    hl__release(graph->tasks);
    hl__release(graph->successors);
    hl__release(graph->roots);
    hl__release(graph->level_order);
    hl__release(graph->level_begin);
    *graph = (hl__task_graph){0};
}
