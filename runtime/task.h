/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A frozen task graph, as the runtime sees it: tasks, edges and counters, and nothing about tensors. The graph/ folder
 * builds one when a program is linked; the runtime replays it any number of times without allocating. */
#ifndef HL_RUNTIME_TASK_H
#define HL_RUNTIME_TASK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "headloom/status.h"

struct hl__device;
struct hl__later_tasks;
struct hl__watch;

#define HL__TASK_GRID_RANK 4
#define HL__NO_NODE UINT16_MAX /* a task without a NUMA home */

/* Runs one task. argument and index are the task's own; scratch is the worker's, 64-byte aligned, of the graph's
 * scratch_bytes, or the ticket (const hl__ticket *) of a task that is done later, good while the function runs. */
typedef void (*hl__task_function)(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch);

/* One cache line. pending counts predecessors still to finish; it returns to n_predecessors before the task runs, so
 * that the next run finds it set. */
typedef struct hl__task {
    hl__task_function run; /* NULL: a join, which only releases its successors */
    const void *argument;
    uint32_t index[HL__TASK_GRID_RANK];
    _Atomic uint32_t pending;
    uint32_t n_predecessors;
    uint32_t first_successor; /* into hl__task_graph.successors */
    uint32_t n_successors;
    uint32_t level;    /* for the levels policy: no edge joins two tasks of one level */
    uint32_t name;     /* into hl__task_graph.names, for traces */
    uint16_t home;     /* NUMA node (index among the runtime's pools) or HL__NO_NODE */
    bool background;   /* runs when no other task is ready, or straight behind a background task that it waited for */
    bool writes_state; /* what outlives the run: see runtime/cancel.h */
    bool later;        /* done when its ticket is posted, not when run returns: see runtime/later.h */
} hl__task;

/* Serial order is the order of the array: every edge goes from a lower to a higher task number. */
typedef struct hl__task_graph {
    uint64_t id; /* of this graph alone in the process, set by hl__task_builder_freeze; 0: none is there */
    hl__task *tasks;
    size_t n_tasks;
    uint32_t *successors;
    size_t n_successors;
    uint32_t *roots; /* tasks without predecessors, in serial order */
    size_t n_roots;
    const char *const *names; /* borrowed */
    size_t n_names;
    size_t scratch_bytes;            /* what the hungriest task needs */
    size_t n_levels;                 /* levels are 0 .. n_levels - 1 */
    uint32_t *level_order;           /* task numbers sorted by level, stable; made by hl__task_graph_freeze */
    uint32_t *level_begin;           /* n_levels + 1 positions in level_order */
    struct hl__watch *watch;         /* NULL: its runs are not watched, see runtime/watch.h */
    _Atomic uint32_t outcome;        /* of the run that is on: see runtime/cancel.h */
    struct hl__later_tasks *later;   /* NULL: none of the tasks is done later */
    const struct hl__device *device; /* borrowed; who does them, set before the first run */
} hl__task_graph;

/* An edge list under construction. Task numbers must rise along each edge. */
typedef struct hl__task_builder hl__task_builder;

hl_status hl__task_builder_create(hl__task_builder **builder);
void hl__task_builder_destroy(hl__task_builder *builder); /* NULL is harmless */

/* Appends a task (its run, argument, index, name, home, background, writes_state, later and level are taken from *task)
 * and returns its number in *number. Joins take the level of what they wait for. */
hl_status hl__task_builder_add(hl__task_builder *builder, const hl__task *task, uint32_t *number);

/* before must finish before after starts. Duplicates are dropped when frozen. before < after. */
hl_status hl__task_builder_edge(hl__task_builder *builder, uint32_t before, uint32_t after);

/* Makes the frozen graph (compressed successors, counters, roots, level order). The builder can be destroyed after. */
hl_status hl__task_builder_freeze(hl__task_builder *builder, hl__task_graph *graph);
void hl__task_graph_clear(hl__task_graph *graph);

#endif
