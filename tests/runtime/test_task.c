/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Frozen task graphs: edges, counters, roots and levels. */
#include "runtime/task.h"

#include <string.h>

#include "runtime/memory.h"
#include "tests/support/suite.h"

static void nothing(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    (void)argument;
    (void)index;
    (void)scratch;
}

static hl__task_builder *new_builder(void) {
    hl__task_builder *builder = NULL;
    ck_assert_int_eq(hl__task_builder_create(&builder), HL_OK);
    return builder;
}

static uint32_t add(hl__task_builder *builder, hl__task_function run, uint32_t level) {
    uint32_t number = 0;
    hl__task task = {.run = run, .level = level, .home = HL__NO_NODE};
    ck_assert_int_eq(hl__task_builder_add(builder, &task, &number), HL_OK);
    return number;
}

static void edge(hl__task_builder *builder, uint32_t before, uint32_t after) {
    ck_assert_int_eq(hl__task_builder_edge(builder, before, after), HL_OK);
}

static hl__task_graph freeze(hl__task_builder *builder) {
    hl__task_graph graph = {0};
    ck_assert_int_eq(hl__task_builder_freeze(builder, &graph), HL_OK);
    hl__task_builder_destroy(builder);
    return graph;
}

START_TEST(TasksKeepWhatTheyWereGiven) {
    hl__task_builder *builder = new_builder();
    int argument = 0;
    hl__task task = {.run = nothing,
                     .argument = &argument,
                     .index = {1, 2, 3, 4},
                     .name = 5,
                     .home = 6,
                     .level = 7,
                     .background = true,
                     .writes_state = true};
    uint32_t first = 9, second = 9;
    ck_assert_int_eq(hl__task_builder_add(builder, &task, &first), HL_OK);
    ck_assert_int_eq(hl__task_builder_add(builder, &task, &second), HL_OK);
    ck_assert_uint_eq(first, 0);
    ck_assert_uint_eq(second, 1);
    hl__task_graph graph = freeze(builder);
    const hl__task *kept = &graph.tasks[1];
    ck_assert(kept->run == nothing && kept->background && kept->writes_state);
    ck_assert_uint_eq(atomic_load(&graph.outcome), 0); /* no run is on */
    ck_assert_ptr_eq(kept->argument, &argument);
    for (uint32_t i = 0; i < 4; i++) ck_assert_uint_eq(kept->index[i], i + 1);
    ck_assert_uint_eq(kept->name, 5);
    ck_assert_uint_eq(kept->home, 6);
    ck_assert_uint_eq(kept->level, 7);
    hl__task_graph_clear(&graph);
}
END_TEST

START_TEST(SuccessorsAreSortedAndUnique) {
    hl__task_builder *builder = new_builder();
    for (uint32_t t = 0; t < 5; t++) add(builder, nothing, t);
    static const uint32_t edges[][2] = {{2, 4}, {0, 3}, {0, 1}, {2, 3}, {0, 3}, {0, 2}, {2, 4}, {0, 1}};
    for (size_t e = 0; e < 8; e++) edge(builder, edges[e][0], edges[e][1]);
    hl__task_graph graph = freeze(builder);
    static const uint32_t successors[] = {1, 2, 3, 3, 4}, first[] = {0, 3, 3, 5, 5}, n[] = {3, 0, 2, 0, 0},
                          waits[] = {0, 1, 1, 2, 1};
    ck_assert_uint_eq(graph.n_successors, 5);
    ck_assert_mem_eq(graph.successors, successors, sizeof successors);
    for (uint32_t t = 0; t < 5; t++) {
        ck_assert_uint_eq(graph.tasks[t].first_successor, first[t]);
        ck_assert_uint_eq(graph.tasks[t].n_successors, n[t]);
        ck_assert_uint_eq(graph.tasks[t].n_predecessors, waits[t]);
        ck_assert_uint_eq(atomic_load(&graph.tasks[t].pending), waits[t]);
    }
    hl__task_graph_clear(&graph);
}
END_TEST

START_TEST(RootsAreInSerialOrder) {
    hl__task_builder *builder = new_builder();
    for (uint32_t t = 0; t < 6; t++) add(builder, nothing, t);
    edge(builder, 0, 2);
    edge(builder, 1, 4);
    edge(builder, 3, 4);
    hl__task_graph graph = freeze(builder);
    static const uint32_t roots[] = {0, 1, 3, 5};
    ck_assert_uint_eq(graph.n_roots, 4);
    ck_assert_mem_eq(graph.roots, roots, sizeof roots);
    hl__task_graph_clear(&graph);
}
END_TEST

START_TEST(JoinsTakeTheHighestLevelBeforeThem) {
    hl__task_builder *builder = new_builder();
    add(builder, nothing, 3);
    add(builder, nothing, 1);
    add(builder, NULL, 9); /* what a join says of its level is not heard */
    add(builder, NULL, 0);
    add(builder, nothing, 4);
    add(builder, NULL, 8);
    edge(builder, 0, 2);
    edge(builder, 1, 2);
    edge(builder, 2, 3);
    edge(builder, 3, 4);
    hl__task_graph graph = freeze(builder);
    static const uint32_t levels[] = {3, 1, 3, 3, 4, 0};
    for (uint32_t t = 0; t < 6; t++) ck_assert_uint_eq(graph.tasks[t].level, levels[t]);
    ck_assert_uint_eq(graph.n_levels, 5);
    hl__task_graph_clear(&graph);
}
END_TEST

START_TEST(LevelOrderIsStable) {
    hl__task_builder *builder = new_builder();
    static const uint32_t levels[] = {4, 0, 2, 0, 4, 2, 0};
    for (size_t t = 0; t < 7; t++) add(builder, nothing, levels[t]);
    hl__task_graph graph = freeze(builder);
    static const uint32_t order[] = {1, 3, 6, 2, 5, 0, 4}, begin[] = {0, 3, 3, 5, 5, 7};
    ck_assert_uint_eq(graph.n_levels, 5);
    ck_assert_mem_eq(graph.level_order, order, sizeof order);
    ck_assert_mem_eq(graph.level_begin, begin, sizeof begin);
    hl__task_graph_clear(&graph);
}
END_TEST

START_TEST(EmptyGraphsCanBeFrozen) {
    hl__task_graph graph = freeze(new_builder());
    ck_assert_uint_eq(graph.n_tasks, 0);
    ck_assert_uint_eq(graph.n_roots, 0);
    ck_assert_uint_eq(graph.n_levels, 0);
    hl__task_graph_clear(&graph);
    hl__task_graph_clear(&graph);
    hl__task_builder_destroy(NULL);
}
END_TEST

START_TEST(FreezingTwiceGivesTheSameGraph) {
    hl__task_builder *builder = new_builder();
    for (uint32_t t = 0; t < 4; t++) add(builder, nothing, t);
    edge(builder, 1, 3);
    edge(builder, 0, 3);
    edge(builder, 0, 3);
    hl__task_graph first = {0}, second = {0};
    ck_assert_int_eq(hl__task_builder_freeze(builder, &first), HL_OK);
    ck_assert_int_eq(hl__task_builder_freeze(builder, &second), HL_OK);
    hl__task_builder_destroy(builder);
    ck_assert_uint_eq(first.n_successors, second.n_successors);
    ck_assert_uint_eq(first.n_roots, second.n_roots);
    ck_assert_uint_eq(first.tasks[3].n_predecessors, 2);
    ck_assert_uint_eq(second.tasks[3].n_predecessors, 2);
    hl__task_graph_clear(&first);
    hl__task_graph_clear(&second);
}
END_TEST

/* More edges than a block of them holds, in an order that is nobody's, some of them twice. */
START_TEST(ManyEdgesInAnyOrderAreSortedAndUnique) {
    enum { N = 173, N_PAIRS = N * (N - 1) / 2, STEP = 7919 }; /* a prime: every pair is met */
    hl__task_builder *builder = new_builder();
    for (uint32_t t = 0; t < N; t++) add(builder, nothing, t);
    static uint32_t pairs[N_PAIRS][2];
    size_t n = 0;
    for (uint32_t after = 1; after < N; after++)
        for (uint32_t before = 0; before < after; before++, n++) {
            pairs[n][0] = before;
            pairs[n][1] = after;
        }
    for (size_t e = 0; e < N_PAIRS + N_PAIRS / 3; e++) {
        const uint32_t *pair = pairs[e * STEP % N_PAIRS];
        edge(builder, pair[0], pair[1]);
    }
    hl__task_graph graph = freeze(builder);
    ck_assert_uint_eq(graph.n_successors, N_PAIRS);
    ck_assert_uint_eq(graph.n_roots, 1);
    for (uint32_t t = 0; t < N; t++) {
        ck_assert_uint_eq(graph.tasks[t].n_predecessors, t);
        ck_assert_uint_eq(graph.tasks[t].n_successors, N - 1 - t);
        for (uint32_t s = 0; s < N - 1 - t; s++)
            ck_assert_uint_eq(graph.successors[graph.tasks[t].first_successor + s], t + 1 + s);
    }
    hl__task_graph_clear(&graph);
}
END_TEST

/* Also where one takes the place of another. */
START_TEST(EachGraphHasAnIdOfItsOwn) {
    enum { N = 20 };
    uint64_t ids[N];
    for (size_t i = 0; i < N; i++) {
        hl__task_builder *builder = new_builder();
        add(builder, nothing, 0);
        hl__task_graph graph = freeze(builder);
        ids[i] = graph.id;
        ck_assert_uint_ne(ids[i], 0);
        for (size_t j = 0; j < i; j++) ck_assert_uint_ne(ids[i], ids[j]);
        hl__task_graph_clear(&graph);
        ck_assert_uint_eq(graph.id, 0);
    }
}
END_TEST

int main(void) {
    return run_tests("task", TESTS(TasksKeepWhatTheyWereGiven, SuccessorsAreSortedAndUnique, RootsAreInSerialOrder,
                                   JoinsTakeTheHighestLevelBeforeThem, LevelOrderIsStable, EmptyGraphsCanBeFrozen,
                                   FreezingTwiceGivesTheSameGraph, ManyEdgesInAnyOrderAreSortedAndUnique,
                                   EachGraphHasAnIdOfItsOwn));
}
