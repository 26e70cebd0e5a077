/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Grids of tiles: each waits for those that its pattern names and for nobody else, and what does not run once, behind
 * them, is found out. */
#include "bench/subjects/grid_graph.h"

#include "bench/instruments/peak.h"
#include "tests/bench/kit.h"

/* ---- lies: of one call, counted from 1; 0: none ---- */

static size_t skipped_run, doubled_run, skipped_write;
static size_t n_runs, n_writes;

hl_status __real_hl_program_run(hl_program *program);
hl_status __wrap_hl_program_run(hl_program *program);
hl_status __real_hl_program_write(hl_program *program, hl_tensor *tensor, const void *data, size_t bytes);
hl_status __wrap_hl_program_write(hl_program *program, hl_tensor *tensor, const void *data, size_t bytes);

hl_status __wrap_hl_program_run(hl_program *program) {
    n_runs++;
    if (n_runs == skipped_run) return HL_OK;
    if (n_runs == doubled_run) __real_hl_program_run(program);
    return __real_hl_program_run(program);
}

hl_status __wrap_hl_program_write(hl_program *program, hl_tensor *tensor, const void *data, size_t bytes) {
    return ++n_writes == skipped_write ? HL_OK : __real_hl_program_write(program, tensor, data, bytes);
}

static hl_runtime *open_runtime(size_t workers, hl_policy policy) {
    hl_runtime *runtime;
    ck_assert_int_eq(hl_runtime_create(&(hl_runtime_options){.workers = workers, .policy = policy}, &runtime), HL_OK);
    return runtime;
}

/* ---- patterns ---- */

static void check_parents(grid_pattern pattern, size_t n_before, size_t n, size_t tile, size_t first, size_t last) {
    size_t begin, end;
    grid_parents(pattern, n_before, n, tile, &begin, &end);
    ck_assert_msg(begin == first && end == last + 1, "%d: tile %zu of %zu reads [%zu, %zu) of %zu", pattern, tile, n,
                  begin, end, n_before);
}

START_TEST(ATileReadsItsNeighboursItsParentOrItsChildren) {
    check_parents(GRID_STENCIL, 8, 8, 0, 0, 1);
    check_parents(GRID_STENCIL, 8, 8, 3, 2, 4);
    check_parents(GRID_STENCIL, 8, 8, 7, 6, 7);
    check_parents(GRID_STENCIL, 1, 1, 0, 0, 0);
    check_parents(GRID_NEAREST5, 8, 8, 1, 0, 3);
    check_parents(GRID_NEAREST5, 8, 8, 4, 2, 6);
    check_parents(GRID_NEAREST5, 8, 8, 7, 5, 7);
    check_parents(GRID_NEAREST5, 3, 3, 1, 0, 2);
    check_parents(GRID_CHAINS, 8, 8, 0, 0, 0);
    check_parents(GRID_CHAINS, 8, 8, 7, 7, 7);
    check_parents(GRID_TREE, 1, 2, 1, 0, 0);
    check_parents(GRID_TREE, 4, 8, 5, 2, 2);
    check_parents(GRID_TREE, 8, 4, 3, 6, 7);
    check_parents(GRID_TREE, 2, 1, 0, 0, 1);
    check_parents(GRID_TREE, 4, 6, 1, 0, 1); /* a width that is no power of two: shares overlap */
    check_parents(GRID_TREE, 6, 4, 3, 4, 5);
}
END_TEST

START_TEST(ATreeFansOutAndIn) {
    static const size_t eight[] = {1, 2, 4, 8, 4, 2, 1, 2}, six[] = {1, 2, 4, 6, 4, 2, 1, 2};
    for (size_t r = 0; r < 8; r++) {
        ck_assert_uint_eq(grid_row_width(&(grid_shape){GRID_TREE, 8, 8}, r), eight[r]);
        ck_assert_uint_eq(grid_row_width(&(grid_shape){GRID_TREE, 6, 8}, r), six[r]);
        ck_assert_uint_eq(grid_row_width(&(grid_shape){GRID_TREE, 1, 8}, r), 1);
        ck_assert_uint_eq(grid_row_width(&(grid_shape){GRID_STENCIL, 5, 8}, r), 5);
    }
    grid_shape tree = {GRID_TREE, 8, 8};
    ck_assert_uint_eq(grid_tasks(&tree), 24);
    ck_assert_uint_eq(grid_edges(&tree), 2 + 4 + 8 + 8 + 4 + 2 + 2); /* out: one a tile; in: two a tile */
    ck_assert_uint_eq(grid_edges(&(grid_shape){GRID_STENCIL, 64, 1000}), (size_t)999 * 190); /* 3 * 64 - 2 a row */
    ck_assert_uint_eq(grid_edges(&(grid_shape){GRID_NEAREST5, 64, 3}), (size_t)2 * 314);     /* 5 * 64 - 6 a row */
    ck_assert_uint_eq(grid_edges(&(grid_shape){GRID_STENCIL, 3, 1}), 0);
    ck_assert_uint_eq(grid_edges(&(grid_shape){GRID_CHAINS, 5, 4}), 3 * 5);
}
END_TEST

START_TEST(OnlySoManyTasksAreTaken) {
    char words[160] = "";
    ck_assert(grid_shape_agrees(&(grid_shape){GRID_STENCIL, 1 << 12, 1 << 10}, words, sizeof words));
    ck_assert(grid_shape_agrees(&(grid_shape){GRID_STENCIL, 1, GRID_MOST_TASKS}, words, sizeof words));
    ck_assert_str_eq(words, "");
    ck_assert(!grid_shape_agrees(&(grid_shape){GRID_STENCIL, 1 << 12, (1 << 10) + 1}, words, sizeof words));
    ck_assert_str_eq(words, "1025 steps of 4096 tasks are more than 4194304 tasks");
    ck_assert(!grid_shape_agrees(&(grid_shape){GRID_TREE, UINT32_MAX, UINT32_MAX}, words, sizeof words));
    ck_assert(!grid_shape_agrees(&(grid_shape){GRID_STENCIL, 1, UINT32_MAX}, words, sizeof words));
}
END_TEST

/* ---- programs: creating one compares its tasks and edges with the pattern's ---- */

static const grid_shape shapes[] = {{GRID_STENCIL, 1, 1},    {GRID_STENCIL, 1, 7},  {GRID_STENCIL, 2, 9},
                                    {GRID_STENCIL, 33, 40},  {GRID_NEAREST5, 1, 3}, {GRID_NEAREST5, 4, 9},
                                    {GRID_NEAREST5, 16, 30}, {GRID_TREE, 1, 3},     {GRID_TREE, 6, 13},
                                    {GRID_TREE, 16, 41},     {GRID_CHAINS, 7, 20}};
#define N_SHAPES (sizeof shapes / sizeof shapes[0])

START_TEST(EachTaskRunsOnceBehindItsParents) {
    static const hl_policy policies[] = {HL_POLICY_DATAFLOW, HL_POLICY_LEVELS, HL_POLICY_SERIAL};
    for (size_t p = 0; p < 3; p++) {
        for (size_t workers = 1; workers <= 3; workers++) {
            hl_runtime *runtime = open_runtime(workers, policies[p]);
            for (size_t i = 0; i < N_SHAPES; i++) ck_assert(grid_graph_check(runtime, &shapes[i]));
            hl_runtime_destroy(runtime);
        }
    }
}
END_TEST

START_TEST(EmptyGraphsHaveTheSameEdges) {
    hl_runtime *runtime = open_runtime(2, HL_POLICY_DATAFLOW);
    for (size_t i = 0; i < N_SHAPES; i++) {
        grid_graph made;
        ck_assert(grid_graph_create(runtime, &shapes[i], GRID_EMPTY, &made));
        ck_assert_int_eq(__real_hl_program_run(made.program), HL_OK);
        grid_graph_destroy(&made);
    }
    hl_runtime_destroy(runtime);
}
END_TEST

/* The last of three runs, so that nothing later could make up for it. */
static void check_found_out(size_t *lie) {
    hl_runtime *runtime = open_runtime(2, HL_POLICY_DATAFLOW);
    for (size_t at = 1; at <= 3; at++) {
        n_runs = n_writes = 0;
        *lie = at;
        ck_assert_msg(!grid_graph_check(runtime, &(grid_shape){GRID_STENCIL, 4, 5}), "call %zu", at);
        *lie = 0;
    }
    ck_assert(grid_graph_check(runtime, &(grid_shape){GRID_STENCIL, 4, 5}));
    hl_runtime_destroy(runtime);
}

START_TEST(TasksThatDoNotRunAreFoundOut) { check_found_out(&skipped_run); }
END_TEST

START_TEST(TasksThatRunTwiceAreFoundOut) { check_found_out(&doubled_run); }
END_TEST

/* What a tile reads has not been written yet: as if it had run before its parents. */
START_TEST(TasksThatRunBeforeTheirParentsAreFoundOut) { check_found_out(&skipped_write); }
END_TEST

START_TEST(TilesDoTheRoundsThatTheyAreGiven) {
    hl_runtime *runtime = open_runtime(2, HL_POLICY_DATAFLOW);
    grid_graph made;
    ck_assert(grid_graph_create(runtime, &(grid_shape){GRID_STENCIL, 3, 4}, GRID_FMA, &made));
    static const size_t rounds[] = {1, 7, 2000};
    for (size_t i = 0; i < 3; i++) {
        float cells[3][16], expected = (float)bench_fma_chosen()->run(rounds[i]);
        ck_assert(grid_graph_set_rounds(&made, rounds[i]));
        ck_assert_int_eq(__real_hl_program_run(made.program), HL_OK);
        for (size_t r = 0; r < 4; r++) {
            ck_assert_int_eq(hl_program_read(made.program, made.row[r], cells, sizeof cells), HL_OK);
            for (size_t c = 0; c < 48; c++) ck_assert_float_eq(cells[c / 16][c % 16], expected);
        }
    }
    ck_assert_double_eq(grid_graph_flops_of_round(), bench_fma_chosen()->flops_per_round);
    grid_graph_destroy(&made);
    hl_runtime_destroy(runtime);
}
END_TEST

int main(void) {
    return run_tests("grid_graph",
                     TESTS(ATileReadsItsNeighboursItsParentOrItsChildren, ATreeFansOutAndIn, OnlySoManyTasksAreTaken,
                           EachTaskRunsOnceBehindItsParents, EmptyGraphsHaveTheSameEdges, TasksThatDoNotRunAreFoundOut,
                           TasksThatRunTwiceAreFoundOut, TasksThatRunBeforeTheirParentsAreFoundOut,
                           TilesDoTheRoundsThatTheyAreGiven));
}
