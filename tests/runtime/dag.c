/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Random task graphs that check themselves. */
#include "tests/runtime/dag.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

uint64_t dag_draw(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static uint64_t mix(uint64_t sum, uint64_t value) {
    sum = (sum ^ value) * 0x9E3779B97F4A7C15u;
    return sum ^ sum >> 29;
}

static uint64_t value_of(const dag_task *task) {
    uint64_t sum = task->number + 1;
    for (size_t i = 0; i < task->n_before; i++) sum = mix(sum, task->dag->task[task->before[i]].value);
    return sum;
}

static void run_task(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    (void)scratch;
    dag *d = ((const dag_task *)argument)->dag;
    dag_task *task = &d->task[index[0]];
    /* relaxed: the clock must not itself order the tasks. */
    task->began = atomic_fetch_add_explicit(&d->clock, 1, memory_order_relaxed);
    task->value = value_of(task);
    task->n_runs++;
    task->ended = atomic_fetch_add_explicit(&d->clock, 1, memory_order_relaxed);
}

static void *take(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    ck_assert_ptr_nonnull(memory);
    return memory;
}

/* What task t waits for, joins replaced by what those wait for. edge: n x n. */
static void find_before(dag *d, const bool *edge, const bool *join, bool *waits, size_t n) {
    for (size_t t = 0; t < n; t++) {
        bool *row = waits + t * n;
        for (size_t p = 0; p < t; p++) {
            if (!edge[p * n + t]) continue;
            if (!join[p]) row[p] = true;
            else
                for (size_t q = 0; q < p; q++) row[q] |= waits[p * n + q];
        }
        d->task[t].before = take(n, sizeof(uint32_t));
        for (size_t p = 0; p < t; p++)
            if (row[p]) d->task[t].before[d->task[t].n_before++] = (uint32_t)p;
    }
}

/* The least level of task t: above all that it has an edge from; a join is on the level of what it waits for. */
static uint32_t least_level(const bool *edge, const bool *join, const uint32_t *level, size_t n, size_t t) {
    uint32_t least = 0;
    for (size_t p = 0; p < t; p++)
        if (edge[p * n + t] && level[p] + !join[t] > least) least = level[p] + !join[t];
    return least;
}

static void draw_edges(const dag_options *o, uint64_t *state, bool *edge) {
    for (size_t e = 0; e < o->n_edges && o->n_tasks > 1; e++) {
        size_t after = 1 + dag_draw(state) % (o->n_tasks - 1);
        size_t reach = o->reach && o->reach < after ? o->reach : after;
        edge[(after - 1 - dag_draw(state) % reach) * o->n_tasks + after] = true;
    }
}

static void build(dag *d, const dag_options *o, uint64_t *state, const bool *edge, const bool *join) {
    hl__task_builder *builder = NULL;
    ck_assert_int_eq(hl__task_builder_create(&builder), HL_OK);
    uint32_t *level = take(o->n_tasks, sizeof *level);
    for (size_t t = 0; t < o->n_tasks; t++) {
        level[t] = least_level(edge, join, level, o->n_tasks, t);
        if (dag_draw(state) % 8 == 0 && !join[t]) level[t]++; /* leaves some levels empty */
        uint16_t home = (uint16_t)(dag_draw(state) % (o->n_homes + 1u));
        hl__task task = {.run = join[t] ? NULL : run_task,
                         .argument = &d->task[t],
                         .index = {(uint32_t)t},
                         .level = level[t],
                         .home = home == o->n_homes ? HL__NO_NODE : home,
                         .background = o->background_one_in && dag_draw(state) % o->background_one_in == 0};
        uint32_t number;
        ck_assert_int_eq(hl__task_builder_add(builder, &task, &number), HL_OK);
    }
    for (size_t e = 0; e < o->n_tasks * o->n_tasks; e++)
        if (edge[e])
            ck_assert_int_eq(hl__task_builder_edge(builder, (uint32_t)(e / o->n_tasks), (uint32_t)(e % o->n_tasks)),
                             HL_OK);
    ck_assert_int_eq(hl__task_builder_freeze(builder, &d->graph), HL_OK);
    hl__task_builder_destroy(builder);
    free(level);
}

dag *dag_create(const dag_options *options) {
    size_t n = options->n_tasks;
    uint64_t state = options->seed;
    dag *d = take(1, sizeof *d);
    d->task = take(n, sizeof *d->task);
    bool *edge = take(n * n, sizeof *edge), *waits = take(n * n, sizeof *waits), *join = take(n, sizeof *join);
    for (size_t t = 0; t < n; t++) {
        d->task[t].dag = d;
        d->task[t].number = (uint32_t)t;
        join[t] = options->join_one_in && dag_draw(&state) % options->join_one_in == 0;
    }
    draw_edges(options, &state, edge);
    find_before(d, edge, join, waits, n);
    build(d, options, &state, edge, join);
    free(edge);
    free(waits);
    free(join);
    return d;
}

void dag_destroy(dag *d) {
    for (size_t t = 0; t < d->graph.n_tasks; t++) free(d->task[t].before);
    free(d->task);
    hl__task_graph_clear(&d->graph);
    free(d);
}

void dag_check(const dag *d, size_t n_runs) {
    for (size_t t = 0; t < d->graph.n_tasks; t++) {
        const dag_task *task = &d->task[t];
        if (!d->graph.tasks[t].run) continue;
        ck_assert_uint_eq(task->n_runs, n_runs);
        ck_assert_uint_eq(task->value, value_of(task));
        for (size_t i = 0; i < task->n_before; i++) ck_assert_uint_lt(d->task[task->before[i]].ended, task->began);
    }
}
