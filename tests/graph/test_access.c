/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What linking remembers of cells and readers, driven step by step on one buffer: random readers and writers of random
 * boxes are ordered exactly as looking at every cell says, also by joins made earlier; a buffer is left behind all of
 * its last accesses; whatever is waited for twice gives one edge. */
#include "graph/access.h"

#include "runtime/memory.h"
#include "tests/graph/linked.h"
#include "tests/support/suite.h"

#define ROWS 7
#define COLUMNS 9
#define MAX_TASKS 400
#define BASE 0

/* A linker over one value [ROWS, COLUMNS] with a cell for each element, and which tile touched which cell how. */
typedef struct bench {
    hl__ir ir;
    hl__plan plan;
    hl__linker l;
    hl__cells cells;
    hl__task_graph graph;
    uint32_t entry, leave;
    bool read[MAX_TASKS][ROWS * COLUMNS], written[MAX_TASKS][ROWS * COLUMNS];
} bench;

static bench *bench_open(void) {
    bench *b = calloc(1, sizeof *b);
    hl__linker *l = &b->l;
    *l = (hl__linker){.ir = &b->ir, .plan = &b->plan, .cells = &b->cells};
    b->cells.rank = 2;
    b->cells.count[0] = ROWS;
    b->cells.count[1] = COLUMNS;
    b->cells.n_cells = (size_t)ROWS * COLUMNS;
    b->entry = b->leave = HL__NONE;
    l->cell = hl__store_take(&l->scratch, 1, sizeof *l->cell);
    l->cell[BASE] = hl__store_take(&l->scratch, b->cells.n_cells, sizeof **l->cell);
    l->writes = hl__store_take(&l->scratch, 1, sizeof *l->writes);
    l->entry = &b->entry;
    l->leave = &b->leave;
    for (size_t c = 0; c < b->cells.n_cells; c++) l->cell[BASE][c] = (hl__cell){HL__NONE, HL__NONE};
    ck_assert_int_eq(hl__task_builder_create(&l->builder), HL_OK);
    return b;
}

static void bench_freeze(bench *b) {
    ck_assert(!b->l.failed);
    ck_assert_int_eq(hl__task_builder_freeze(b->l.builder, &b->graph), HL_OK);
    ck_assert_uint_eq(b->graph.n_tasks, b->l.n_tasks);
}

static void bench_close(bench *b) {
    hl__linker *l = &b->l;
    hl__task_graph_clear(&b->graph);
    hl__task_builder_destroy(l->builder);
    hl__release(l->groups);
    hl__release(l->items);
    hl__release(l->regions);
    hl__release(l->buckets);
    hl__release(l->before);
    hl__release(l->mark);
    hl__release(l->level);
    hl__store_clear(&l->scratch);
    free(b);
}

static hl_box box_of(size_t row, size_t row_end, size_t column, size_t column_end) {
    return (hl_box){{row, column}, {row_end, column_end}};
}

static uint32_t add_tile(bench *b) { return hl__link_task(&b->l, &(hl__task){.run = linked_tile, .home = 0}, 0); }

static uint32_t region_of(bench *b, const hl_box *box) {
    uint32_t region = hl__link_region(&b->l, BASE, box);
    ck_assert_uint_ne(region, HL__NONE);
    return region;
}

/* One tile, as linking does it; a box without rows is left out. */
static uint32_t tile(bench *b, const hl_box *read, const hl_box *write) {
    hl__linker *l = &b->l;
    bool reads = read->begin[0] < read->end[0], writes = write->begin[0] < write->end[0];
    uint32_t from = reads ? region_of(b, read) : HL__NONE, to = writes ? region_of(b, write) : HL__NONE;
    if (reads) hl__prepare_read(l, from);
    if (writes) hl__prepare_write(l, to);
    if (reads) hl__wait_to_read(l, from);
    if (writes) hl__wait_to_write(l, to);
    uint32_t task = add_tile(b);
    ck_assert_uint_lt(task, MAX_TASKS);
    if (reads) hl__record_read(l, from, task);
    if (writes) hl__record_write(l, to, task);
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < COLUMNS; j++) {
            size_t cell = i * COLUMNS + j;
            b->read[task][cell] =
                reads && i >= read->begin[0] && i < read->end[0] && j >= read->begin[1] && j < read->end[1];
            b->written[task][cell] =
                writes && i >= write->begin[0] && i < write->end[0] && j >= write->begin[1] && j < write->end[1];
        }
    return task;
}

static const hl_box nothing = {{0}, {0}};
static const hl_box everything = {{0, 0}, {ROWS, COLUMNS}};

static uint32_t reader(bench *b, hl_box box) { return tile(b, &box, &nothing); }
static uint32_t writer(bench *b, hl_box box) { return tile(b, &nothing, &box); }

static bool conflict(const bench *b, size_t later, size_t earlier) {
    for (size_t c = 0; c < (size_t)ROWS * COLUMNS; c++)
        if ((b->written[later][c] && (b->read[earlier][c] || b->written[earlier][c])) ||
            (b->read[later][c] && b->written[earlier][c]))
            return true;
    return false;
}

/* Every conflict has a path; every edge, joins looked through, is a conflict. */
static void check(const bench *b) {
    follows paths = follows_paths(&b->graph), direct = follows_direct(&b->graph);
    for (size_t later = 0; later < paths.n; later++) {
        if (!b->graph.tasks[later].run) continue;
        for (size_t earlier = 0; earlier < later; earlier++) {
            if (!b->graph.tasks[earlier].run) continue;
            bool wanted = conflict(b, later, earlier);
            ck_assert_msg(!wanted || follows_has(&paths, later, earlier), "%zu does not follow %zu", later, earlier);
            ck_assert_msg(wanted || !follows_has(&direct, later, earlier), "%zu waits for %zu", later, earlier);
        }
    }
    free(paths.bits);
    free(direct.bits);
}

static hl_box random_box(uint64_t *seed) {
    size_t i = kit_below(seed, ROWS), j = kit_below(seed, COLUMNS);
    return box_of(i, i + 1 + kit_below(seed, ROWS - i), j, j + 1 + kit_below(seed, COLUMNS - j));
}

/* Boxes come from a few, so that the same regions are read and written again and again, and from anywhere. */
START_TEST(RandomReadersAndWritersAreOrderedExactly) {
    for (uint64_t seed = 0; seed < 60; seed++) {
        bench *b = bench_open();
        uint64_t random = seed;
        hl_box few[4];
        for (size_t i = 0; i < 4; i++) few[i] = random_box(&random);
        for (uint32_t call = 0; call < 12; call++) {
            hl_box read[10], write[10];
            size_t n = 1 + kit_below(&random, 10), kind = kit_below(&random, 4);
            for (size_t i = 0; i < n; i++) {
                read[i] = kit_below(&random, 4) ? few[kit_below(&random, 4)] : random_box(&random);
                write[i] = kit_below(&random, 4) ? few[kit_below(&random, 4)] : random_box(&random);
                if (kind == 0) read[i] = nothing;
                if (kind == 1 || kind == 2) write[i] = nothing;
                if (read[i].end[0] > 0) hl__expect_read(&b->l, call, region_of(b, &read[i]));
            }
            for (size_t i = 0; i < n; i++) tile(b, &read[i], &write[i]);
        }
        bench_freeze(b);
        check(b);
        bench_close(b);
    }
}
END_TEST

/* ---- waiting ---- */

START_TEST(WhatIsWaitedForTwiceGivesOneEdge) {
    bench *b = bench_open();
    uint32_t first = add_tile(b), second = add_tile(b);
    for (int i = 0; i < 3; i++) {
        hl__wait_for(&b->l, second);
        hl__wait_for(&b->l, first);
        hl__wait_for(&b->l, HL__NONE);
    }
    ck_assert_uint_eq(b->l.n_before, 2);
    uint32_t third = add_tile(b);
    ck_assert_uint_eq(b->l.n_before, 0);
    hl__wait_for(&b->l, first); /* again, for another task */
    ck_assert_uint_eq(b->l.n_before, 1);
    uint32_t fourth = add_tile(b);
    bench_freeze(b);
    ck_assert_uint_eq(b->graph.tasks[third].n_predecessors, 2);
    ck_assert_uint_eq(b->graph.tasks[fourth].n_predecessors, 1);
    ck_assert_uint_eq(b->graph.n_successors, 3);
    bench_close(b);
}
END_TEST

START_TEST(AJoinOfOneIsThatTaskAndOfNoneIsNothing) {
    bench *b = bench_open();
    ck_assert_uint_eq(hl__link_join(&b->l), HL__NONE);
    uint32_t first = add_tile(b), second = add_tile(b);
    hl__wait_for(&b->l, first);
    ck_assert_uint_eq(hl__link_join(&b->l), first);
    ck_assert_uint_eq(b->l.n_before, 0);
    ck_assert_uint_eq(b->l.n_joins, 0);
    hl__wait_for(&b->l, first); /* not forgotten because it was joined */
    hl__wait_for(&b->l, second);
    uint32_t join = hl__link_join(&b->l);
    ck_assert_uint_eq(join, 2);
    ck_assert_uint_eq(b->l.n_joins, 1);
    bench_freeze(b);
    ck_assert(b->graph.tasks[join].run == NULL);
    ck_assert_uint_eq(b->graph.tasks[join].n_predecessors, 2);
    bench_close(b);
}
END_TEST

START_TEST(JoinsTakeTheLevelOfWhatTheyWaitForAndTilesTheNext) {
    bench *b = bench_open();
    uint32_t first = hl__link_task(&b->l, &(hl__task){.run = linked_tile}, 3);
    uint32_t second = hl__link_task(&b->l, &(hl__task){.run = linked_tile}, 5);
    hl__wait_for(&b->l, first);
    hl__wait_for(&b->l, second);
    uint32_t join = hl__link_join(&b->l);
    hl__wait_for(&b->l, join);
    uint32_t last = hl__link_task(&b->l, &(hl__task){.run = linked_tile}, 2);
    ck_assert_uint_eq(b->l.level[first], 3);
    ck_assert_uint_eq(b->l.level[join], 5);
    ck_assert_uint_eq(b->l.level[last], 6);
    bench_close(b);
}
END_TEST

/* ---- joins ---- */

/* Writers of the rows, then readers of everything: the first reader makes a join that serves the others, until
 * somebody writes. */
START_TEST(AJoinOfWritersServesEveryReaderUntilTheNextWrite) {
    bench *b = bench_open();
    for (size_t i = 0; i < ROWS; i++) writer(b, box_of(i, i + 1, 0, COLUMNS));
    for (int i = 0; i < 4; i++) hl__expect_read(&b->l, 1, region_of(b, &everything));
    for (int i = 0; i < 4; i++) reader(b, everything);
    ck_assert_uint_eq(b->l.n_joins, 1);
    for (int i = 0; i < 4; i++) hl__expect_read(&b->l, 2, region_of(b, &everything));
    for (int i = 0; i < 4; i++) reader(b, everything); /* of another call: the same join */
    ck_assert_uint_eq(b->l.n_joins, 1);
    uint32_t last = writer(b, box_of(2, 4, 1, 3));
    uint32_t late = reader(b, everything);
    bench_freeze(b);
    check(b);
    follows paths = follows_paths(&b->graph);
    ck_assert(follows_has(&paths, late, last));
    free(paths.bits);
    bench_close(b);
}
END_TEST

START_TEST(ReadersOfALargerRegionAreJoinedOnceForAllWriters) {
    bench *b = bench_open();
    writer(b, everything);
    for (size_t i = 0; i < 5; i++) reader(b, everything);
    ck_assert_uint_eq(b->l.n_joins, 0);
    for (size_t i = 0; i < ROWS; i++) writer(b, box_of(i, i + 1, 0, COLUMNS));
    ck_assert_uint_eq(b->l.n_joins, 1);
    bench_freeze(b);
    ck_assert_uint_eq(b->graph.n_successors, 5 + 5 + ROWS);
    check(b);
    bench_close(b);
}
END_TEST

/* A tile that reads what it overwrites is the writer that later readers wait for, and these are the readers that a
 * later writer waits for. */
START_TEST(ReadersBehindAnInPlaceTileFormAnotherGroup) {
    bench *b = bench_open();
    writer(b, everything);
    hl_box part = box_of(1, 3, 2, 5);
    uint32_t update = tile(b, &part, &part), behind = reader(b, part), last = tile(b, &part, &part);
    bench_freeze(b);
    check(b);
    follows paths = follows_paths(&b->graph);
    ck_assert(follows_has(&paths, behind, update));
    ck_assert(follows_has(&paths, last, behind));
    free(paths.bits);
    bench_close(b);
}
END_TEST

/* ---- entering and leaving ---- */

START_TEST(FirstWritersOfACellWaitForTheEntryAndOthersForThem) {
    bench *b = bench_open();
    b->entry = add_tile(b);
    uint32_t first = writer(b, box_of(0, 2, 0, COLUMNS)), again = writer(b, box_of(0, 1, 0, COLUMNS));
    uint32_t other = writer(b, box_of(2, 3, 0, COLUMNS));
    bench_freeze(b);
    ck_assert_uint_eq(b->graph.tasks[first].n_predecessors, 1);
    ck_assert_uint_eq(b->graph.tasks[again].n_predecessors, 1);
    ck_assert_uint_eq(b->graph.tasks[other].n_predecessors, 1);
    follows direct = follows_direct(&b->graph);
    ck_assert(follows_has(&direct, first, b->entry));
    ck_assert(follows_has(&direct, other, b->entry));
    ck_assert(!follows_has(&direct, again, b->entry));
    free(direct.bits);
    bench_close(b);
}
END_TEST

START_TEST(ABufferIsLeftBehindEverybodyWhoTouchedIt) {
    for (uint64_t seed = 0; seed < 20; seed++) {
        bench *b = bench_open();
        uint64_t random = seed;
        uint32_t tiles[30];
        for (size_t i = 0; i < 30; i++)
            tiles[i] = kit_below(&random, 2) ? reader(b, random_box(&random)) : writer(b, random_box(&random));
        uint32_t leave = hl__leave_buffer(&b->l, BASE), n_tasks = b->l.n_tasks;
        ck_assert_uint_eq(hl__leave_buffer(&b->l, BASE), leave); /* made once */
        ck_assert_uint_eq(b->l.n_tasks, n_tasks);
        hl__wait_for(&b->l, leave);
        uint32_t next = add_tile(b);
        bench_freeze(b);
        follows paths = follows_paths(&b->graph);
        for (size_t i = 0; i < 30; i++) ck_assert(follows_has(&paths, next, tiles[i]));
        free(paths.bits);
        bench_close(b);
    }
}
END_TEST

START_TEST(ABufferThatWasNeverWrittenIsLeftBehindItsEntry) {
    bench *b = bench_open();
    b->entry = add_tile(b);
    ck_assert_uint_eq(hl__leave_buffer(&b->l, BASE), b->entry);
    bench_close(b);
    b = bench_open();
    b->l.cell[BASE] = NULL; /* nobody touched it at all */
    b->entry = add_tile(b);
    ck_assert_uint_eq(hl__leave_buffer(&b->l, BASE), b->entry);
    bench_close(b);
    b = bench_open();
    ck_assert_uint_eq(hl__leave_buffer(&b->l, BASE), HL__NONE);
    bench_close(b);
}
END_TEST

int main(void) {
    return run_tests("graph/access",
                     TESTS(RandomReadersAndWritersAreOrderedExactly, WhatIsWaitedForTwiceGivesOneEdge,
                           AJoinOfOneIsThatTaskAndOfNoneIsNothing, JoinsTakeTheLevelOfWhatTheyWaitForAndTilesTheNext,
                           AJoinOfWritersServesEveryReaderUntilTheNextWrite,
                           ReadersOfALargerRegionAreJoinedOnceForAllWriters, ReadersBehindAnInPlaceTileFormAnotherGroup,
                           FirstWritersOfACellWaitForTheEntryAndOthersForThem, ABufferIsLeftBehindEverybodyWhoTouchedIt,
                           ABufferThatWasNeverWrittenIsLeftBehindItsEntry));
}
