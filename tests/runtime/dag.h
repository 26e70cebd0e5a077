/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Random task graphs that check themselves: each task computes a value from those of all tasks that it waits for (with
 * plain loads and stores, so that a sanitizer sees an order that is missing), and notes when it began and ended. */
#ifndef HL_TESTS_RUNTIME_DAG_H
#define HL_TESTS_RUNTIME_DAG_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/run.h"

struct dag;

typedef struct dag_task {
    struct dag *dag;
    uint32_t number;
    uint64_t value;
    size_t n_runs;
    size_t began, ended; /* by the dag's clock; of the last run */
    uint32_t *before;    /* tasks, no joins, that it must come after */
    size_t n_before;
} dag_task;

typedef struct dag {
    hl__task_graph graph;
    dag_task *task; /* graph.n_tasks */
    _Atomic size_t clock;
} dag;

typedef struct dag_options {
    size_t n_tasks;
    size_t n_edges;       /* drawn, so some may fall together */
    uint32_t reach;       /* an edge goes at most that far up in the serial order; 0: anywhere */
    unsigned join_one_in; /* of so many tasks one is a join; 0: none */
    unsigned background_one_in;
    uint16_t n_homes; /* homes are drawn from these and HL__NO_NODE; 0: none has a home */
    uint64_t seed;
} dag_options;

dag *dag_create(const dag_options *options);
void dag_destroy(dag *d);

/* Fails the test unless all tasks have run n_runs times, in the last of them each after those that it waits for, and
 * have the values of a serial run. */
void dag_check(const dag *d, size_t n_runs);

/* The next number of a sequence. */
uint64_t dag_draw(uint64_t *state);

#endif
