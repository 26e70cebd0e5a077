/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Task graphs: the builder collects tasks and edges, freezing sorts them into the arrays that workers read. Edges are
 * put behind their earlier tasks by counting; where those to lower tasks came first, as they do from linking, each
 * task's successors then are in order, so that freezing is linear in tasks + edges. */
#include "runtime/task.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/atomic.h"
#include "runtime/later.h"
#include "runtime/memory.h"
#include "runtime/watch.h"

_Static_assert(sizeof(hl__task) == 64, "a task is one cache line");

typedef struct edge {
    uint32_t before, after;
} edge;

/* Edges are many, and read in the order in which they came: blocks of doubling size, which never move. */
#define FIRST_BLOCK ((size_t)4000)
#define LARGEST_BLOCK ((size_t)1 << 20)

typedef struct edge_block {
    struct edge_block *next;
    size_t n, room;
    edge edges[];
} edge_block;

struct hl__task_builder {
    hl__task *tasks;
    size_t n_tasks, room_tasks;
    edge_block *first, *last;
    size_t n_edges;
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
    for (edge_block *block = builder->first, *next; block; block = next) {
        next = block->next;
        hl__release(block);
    }
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
    made->later = task->later;
    *number = (uint32_t)builder->n_tasks++;
    return HL_OK;
}

hl_status hl__task_builder_edge(hl__task_builder *builder, uint32_t before, uint32_t after) {
    assert(before < after && after < builder->n_tasks && "every edge rises in the serial order");
    if (builder->n_edges >= UINT32_MAX) return HL_OUT_OF_RANGE; /* first_successor counts them */
    if (!builder->last || builder->last->n == builder->last->room) {
        size_t room = builder->last ? builder->last->room * 2 : FIRST_BLOCK;
        if (room > LARGEST_BLOCK) room = LARGEST_BLOCK;
        edge_block *block = hl__allocate(1, sizeof *block + room * sizeof(edge));
        if (!block) return HL_OUT_OF_MEMORY;
        block->room = room;
        if (builder->last) builder->last->next = block;
        else builder->first = block;
        builder->last = block;
    }
    builder->last->edges[builder->last->n++] = (edge){before, after};
    builder->n_edges++;
    return HL_OK;
}

/* Puts the later task of each edge behind those of lower earlier tasks. end: n_tasks zeroed counters; afterwards where
 * each task's successors end. */
static void sort_edges(const hl__task_builder *builder, uint32_t *end, uint32_t *successors) {
    for (const edge_block *block = builder->first; block; block = block->next)
        for (size_t e = 0; e < block->n; e++) end[block->edges[e].before]++;
    for (size_t t = 0, sum = 0; t < builder->n_tasks; t++) {
        size_t begin = sum;
        sum += end[t];
        end[t] = (uint32_t)begin;
    }
    for (const edge_block *block = builder->first; block; block = block->next)
        for (size_t e = 0; e < block->n; e++) successors[end[block->edges[e].before]++] = block->edges[e].after;
}

static int compare(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Moves n successors to `to`, at or before `from`, in order and each once; how many are left. */
static uint32_t tidy(uint32_t *to, uint32_t *from, size_t n) {
    bool rising = true;
    for (size_t i = 1; i < n && rising; i++) rising = from[i - 1] < from[i];
    if (!rising) qsort(from, n, sizeof *from, compare);
    uint32_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || to[kept - 1] != from[i]) to[kept++] = from[i];
    return kept;
}

/* Fills successors, both counts, and the levels of joins: a task's predecessors come before it. end: as sort_edges
 * leaves it. */
static void connect(const hl__task_builder *builder, const uint32_t *end, hl__task_graph *graph) {
    for (size_t t = 0; t < graph->n_tasks; t++) {
        graph->tasks[t] = builder->tasks[t];
        if (!graph->tasks[t].run) graph->tasks[t].level = 0;
    }
    uint32_t kept = 0;
    for (size_t t = 0; t < graph->n_tasks; t++) {
        hl__task *before = &graph->tasks[t];
        size_t begin = t > 0 ? end[t - 1] : 0;
        before->first_successor = kept;
        before->n_successors = tidy(graph->successors + kept, graph->successors + begin, end[t] - begin);
        kept += before->n_successors;
        for (size_t e = before->first_successor; e < kept; e++) {
            hl__task *after = &graph->tasks[graph->successors[e]];
            after->n_predecessors++;
            if (!after->run && after->level < before->level) after->level = before->level;
            assert((!after->run || after->level > before->level) && "levels rise along every edge");
        }
    }
    graph->n_successors = kept;
    for (size_t t = 0; t < graph->n_tasks; t++) {
        atomic_init(&graph->tasks[t].pending, graph->tasks[t].n_predecessors);
        graph->n_roots += graph->tasks[t].n_predecessors == 0;
    }
}

static void list_roots(hl__task_graph *graph) {
    size_t n_roots = 0;
    for (size_t t = 0; t < graph->n_tasks; t++)
        if (graph->tasks[t].n_predecessors == 0) graph->roots[n_roots++] = (uint32_t)t;
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

static size_t count_levels(const hl__task_builder *builder) {
    size_t n_levels = 0;
    for (size_t t = 0; t < builder->n_tasks; t++)
        if (builder->tasks[t].run && builder->tasks[t].level >= n_levels)
            n_levels = (size_t)builder->tasks[t].level + 1;
    return n_levels == 0 && builder->n_tasks > 0 ? 1 : n_levels; /* joins alone stand at level 0 */
}

/* What a graph is known by when it is gone, and another lives at its address. Nothing is computed from it. */
static uint64_t draw_id(void) {
    static _Atomic uint64_t n_drawn;
    /* relaxed: no two are alike in any order. */
    return hl__atomic_fetch_add(graph_id, &n_drawn, 1, relaxed) + 1;
}

/* False where there is no memory. */
static bool make_later(const hl__task_builder *builder, hl__task_graph *graph) {
    size_t n = 0;
    for (size_t t = 0; t < builder->n_tasks; t++) n += builder->tasks[t].run && builder->tasks[t].later;
    if (n == 0) return true;
    graph->later = hl__allocate(1, sizeof *graph->later + builder->n_tasks);
    if (!graph->later) return false;
    graph->later->posted = hl__allocate(n, sizeof *graph->later->posted);
    return graph->later->posted;
}

hl_status hl__task_builder_freeze(hl__task_builder *builder, hl__task_graph *graph) {
    hl__task_graph made = {.n_tasks = builder->n_tasks, .n_levels = count_levels(builder)};
    uint32_t *end = hl__allocate(made.n_tasks, sizeof *end);
    made.tasks = hl__allocate(made.n_tasks, sizeof *made.tasks);
    made.successors = hl__allocate(builder->n_edges, sizeof *made.successors);
    made.level_order = hl__allocate(made.n_tasks, sizeof *made.level_order);
    made.level_begin = hl__allocate(made.n_levels + 1, sizeof *made.level_begin);
    bool good = end && made.tasks && made.successors && made.level_order && made.level_begin;
    if (good) {
        sort_edges(builder, end, made.successors);
        connect(builder, end, &made);
        made.roots = hl__allocate(made.n_roots, sizeof *made.roots);
    }
    hl__release(end);
    if (!good || !made.roots || !make_later(builder, &made)) {
        hl__task_graph_clear(&made);
        return HL_OUT_OF_MEMORY;
    }
    list_roots(&made);
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
    if (graph->later) hl__release(graph->later->posted);
    hl__release(graph->later);
    *graph = (hl__task_graph){0};
}
