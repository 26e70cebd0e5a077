/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of tiles says of each tile what its pass says when it is asked again, and it keeps no box twice. Boxes are
 * there from tile to link, the columns as long as the program. */
#include "graph/tiles.h"

#include "tests/graph/linked.h"
#include "tests/graph/training.h"
#include "tests/support/suite.h"

/* ---- boxes by themselves ---- */

#define N_TILES ((size_t)5000)
#define N_DISTINCT ((size_t)1700)

/* Box number `at` of so many that differ in one coordinate, or in value. */
static hl__touch touch_of(size_t at, hl_box *box) {
    *box = (hl_box){{at % 7, at / 7 % 11}, {7 + at / 77, 11}};
    return (hl__touch){.n_tiles = N_TILES, .value = (uint32_t)(at % 2), .rank = 2, .box = box};
}

static bool is_box(const hl__boxes *boxes, uint32_t number, const hl__touch *part) {
    if (number >= boxes->n || boxes->list[number].value != part->value) return false;
    hl_box box = hl__boxes_get(boxes, number);
    return memcmp(&box, part->box, sizeof box) == 0;
}

START_TEST(EachTileGetsItsBoxAndEachBoxIsKeptOnce) {
    hl__boxes boxes;
    hl_box box;
    ck_assert(hl__boxes_make(&boxes, 2));
    for (size_t call = 0; call < 2; call++) { /* the second one finds all its boxes */
        ck_assert(hl__boxes_add_call(&boxes, call, 1));
        for (size_t t = 0; t < N_TILES; t++) {
            hl__touch part = touch_of(t * 31 % N_DISTINCT, &box);
            part.call = call;
            part.tile = t;
            ck_assert(hl__boxes_add(&boxes, &part));
        }
        ck_assert_uint_eq(boxes.n, N_DISTINCT);
        for (size_t t = 0; t < N_TILES; t++) {
            hl__touch part = touch_of(t * 31 % N_DISTINCT, &box);
            ck_assert(is_box(&boxes, hl__boxes_at(&boxes, call, 0, t), &part));
        }
    }
    hl__boxes_clear(&boxes);
    ck_assert_ptr_null(boxes.list);
}
END_TEST

/* Also where only the first tile, or only the last one, touches something else, or nothing. */
START_TEST(AnOperandThatAllTilesTouchAlikeIsOneNumber) {
    for (size_t odd = 0; odd <= N_TILES; odd += N_TILES / 4)
        for (int empty = 0; empty < 2; empty++) {
            hl__boxes boxes;
            hl_box box;
            ck_assert(hl__boxes_make(&boxes, 1));
            ck_assert(hl__boxes_add_call(&boxes, 0, 1));
            for (size_t t = 0; t < N_TILES; t++) {
                hl__touch part = touch_of(t == odd, &box);
                part.tile = t;
                if (empty && t == odd) part.box = NULL;
                ck_assert(hl__boxes_add(&boxes, &part));
            }
            ck_assert_int_eq(boxes.operand[0][0].each != NULL, odd < N_TILES);
            for (size_t t = 0; t < N_TILES; t++) {
                hl__touch part = touch_of(t == odd, &box);
                uint32_t at = hl__boxes_at(&boxes, 0, 0, t);
                if (empty && t == odd) ck_assert_uint_eq(at, HL__NO_BOX);
                else ck_assert(is_box(&boxes, at, &part));
            }
            hl__boxes_clear(&boxes);
        }
}
END_TEST

/* What a pass leaves in axes that an operand does not have is not part of a box. */
START_TEST(AxesBeyondTheRankDoNotCount) {
    hl__boxes boxes;
    hl_box box = {{1, 2, 3}, {4, 5, 6}}, other = {{1, 2, 9}, {4, 5, 8}};
    hl__touch part = {.n_tiles = 2, .rank = 2, .box = &box};
    ck_assert(hl__boxes_make(&boxes, 1));
    ck_assert(hl__boxes_add_call(&boxes, 0, 1));
    ck_assert(hl__boxes_add(&boxes, &part));
    part.tile = 1;
    part.box = &other;
    ck_assert(hl__boxes_add(&boxes, &part));
    ck_assert_uint_eq(boxes.n, 1);
    ck_assert_uint_eq(hl__boxes_get(&boxes, 0).end[2], 0);
    hl__boxes_clear(&boxes);
}
END_TEST

/* Boxes that differ only above 32 bits, beside ones that lie below. */
START_TEST(CoordinatesMayBeOfAnySize) {
    hl__boxes boxes;
    static const hl_box wide[] = {{{5, 7}, {6, 8}},
                                  {{5, 7 + ((size_t)1 << 32)}, {6, 8 + ((size_t)1 << 32)}},
                                  {{5, 7 + ((size_t)1 << 33)}, {6, 8 + ((size_t)1 << 33)}},
                                  {{5, 7}, {6, UINT32_MAX}},
                                  {{5, 7}, {6, (size_t)UINT32_MAX + 1}}};
    ck_assert(hl__boxes_make(&boxes, 1));
    ck_assert(hl__boxes_add_call(&boxes, 0, 1));
    for (size_t t = 0; t < 3 * KIT_COUNT(wide); t++) {
        hl__touch part = {.tile = t, .n_tiles = 3 * KIT_COUNT(wide), .rank = 2, .box = &wide[t % KIT_COUNT(wide)]};
        ck_assert(hl__boxes_add(&boxes, &part));
        ck_assert(is_box(&boxes, hl__boxes_at(&boxes, 0, 0, t), &part));
    }
    ck_assert_uint_eq(boxes.n, KIT_COUNT(wide));
    hl__boxes_clear(&boxes);
}
END_TEST

/* ---- the table of a program ---- */

static void check_tile(const hl__ir *ir, size_t c, size_t number, hl_cost *sum) {
    const hl__call *call = ir->calls[c];
    hl_tile tile;
    hl_box boxes[HL_MAX_OPERANDS];
    hl_cost cost = {0, 0};
    hl__tile_at(call, number, &tile);
    hl__tile_boxes(call, &tile, boxes);
    for (size_t i = 0; i < call->call.n_reads + call->call.n_writes; i++) {
        uint32_t at = hl__boxes_at(&ir->boxes, c, i, number);
        size_t rank = call->view[i].shape.rank, n = 1;
        if (call->operand[i] == HL__NONE || hl__box_is_empty(&boxes[i], rank)) {
            ck_assert_uint_eq(at, HL__NO_BOX);
            continue;
        }
        ck_assert_uint_lt(at, ir->boxes.n);
        ck_assert_uint_eq(ir->boxes.list[at].value, call->operand[i]);
        hl_box box = hl__boxes_get(&ir->boxes, at);
        for (size_t axis = 0; axis < rank; axis++) {
            ck_assert_uint_eq(box.begin[axis], boxes[i].begin[axis]);
            ck_assert_uint_eq(box.end[axis], boxes[i].end[axis]);
            n *= boxes[i].end[axis] - boxes[i].begin[axis];
        }
        cost.bytes += (double)(n * hl_dtype_bytes(call->view[i].dtype));
    }
    if (call->pass->cost) cost = call->pass->cost(&call->call, &tile);
    ck_assert_float_eq(ir->tiles.flops[call->first_tile + number], (float)cost.flops);
    ck_assert_float_eq(ir->tiles.bytes[call->first_tile + number], (float)cost.bytes);
    sum->flops += cost.flops;
    sum->bytes += cost.bytes;
}

typedef struct numbered {
    uint32_t value;
    hl_box box;
} numbered;

static int by_value_and_box(const void *a, const void *b) {
    const numbered *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return memcmp(&x->box, &y->box, sizeof x->box);
}

static void check_distinct(const hl__boxes *boxes) {
    numbered *list = calloc(boxes->n, sizeof *list);
    for (uint32_t b = 0; b < boxes->n; b++)
        list[b] = (numbered){.value = boxes->list[b].value, .box = hl__boxes_get(boxes, b)};
    qsort(list, boxes->n, sizeof *list, by_value_and_box);
    for (size_t b = 1; b < boxes->n; b++) ck_assert_int_ne(by_value_and_box(&list[b - 1], &list[b]), 0);
    free(list);
}

static void check_table(const hl__ir *ir) {
    size_t n = 0, n_alike = 0;
    for (size_t c = 0; c < ir->n_calls; c++) {
        const hl__call *call = ir->calls[c];
        hl_cost sum = {0, 0};
        ck_assert_uint_eq(call->first_tile, n);
        for (size_t t = 0; t < call->n_tiles; t++) check_tile(ir, c, t, &sum);
        ck_assert_double_eq(call->flops, sum.flops);
        ck_assert_double_eq(call->bytes, sum.bytes);
        n += call->n_tiles;
        for (size_t i = 0; i < call->call.n_reads; i++) n_alike += call->n_tiles > 1 && !ir->boxes.operand[c][i].each;
    }
    ck_assert_uint_eq(ir->tiles.n, n);
    ck_assert_uint_gt(n_alike, 10); /* gains, scalars, keys of a head */
    check_distinct(&ir->boxes);
}

static const two_block_sizes sizes[] = {
    {.batch = 3, .tokens = 21, .width = 24, .heads = 3, .hidden = 40, .classes = 5, .words = 9},
    {.batch = 1, .tokens = 300, .width = 64, .heads = 2, .hidden = 256, .classes = 7, .words = 1100},
    {.batch = 8, .tokens = 1, .width = 8, .heads = 1, .hidden = 8, .classes = 2, .words = 3}};

START_TEST(TheTableSaysWhatPassesSay) {
    for (size_t s = 0; s < KIT_COUNT(sizes); s++) {
        training t = training_open(&sizes[s], 1);
        hl_tensor *outputs[] = {t.model.loss, t.adamw, t.gradients[0], t.model.weights[1]};
        hl__ir ir = {0};
        ck_assert_int_eq(kit_stages(&ir, t.model.graph, outputs, 4, KIT_TILED), HL_OK);
        check_table(&ir);
        hl__ir_clear(&ir);
        training_close(&t);
    }
}
END_TEST

START_TEST(LinkingKeepsTheColumnsAndReleasesTheBoxes) {
    static const size_t nodes[] = {1, 2, 3, 8};
    for (size_t s = 0; s < KIT_COUNT(sizes); s++)
        for (size_t n = 0; n < KIT_COUNT(nodes); n++) {
            training t = training_open(&sizes[s], 1);
            linked l;
            linked_make(&l, t.model.graph, (hl_tensor *[]){t.model.loss, t.adamw}, 2, nodes[n]);
            ck_assert_ptr_null(l.ir.boxes.list);
            ck_assert_uint_eq(l.ir.boxes.n, 0);
            for (size_t c = 0; c < l.ir.n_calls; c++) {
                const hl__call *call = l.ir.calls[c];
                for (size_t number = 0; number < call->n_tiles; number++) {
                    hl_tile tile;
                    hl__tile_at(call, number, &tile);
                    ck_assert_uint_lt(l.ir.tiles.task[call->first_tile + number], l.tasks.n_tasks);
                    const hl__task *task = &l.tasks.tasks[l.ir.tiles.task[call->first_tile + number]];
                    ck_assert_ptr_eq(task->argument, call);
                    ck_assert_mem_eq(task->index, tile.index, sizeof task->index);
                    ck_assert_uint_eq(l.ir.tiles.home[call->first_tile + number], linked_home(call, number, nodes[n]));
                    ck_assert_uint_eq(task->home, l.ir.tiles.home[call->first_tile + number]);
                }
            }
            linked_clear(&l);
            training_close(&t);
        }
}
END_TEST

int main(void) {
    return run_tests("graph/tiles",
                     TESTS(EachTileGetsItsBoxAndEachBoxIsKeptOnce, AnOperandThatAllTilesTouchAlikeIsOneNumber,
                           AxesBeyondTheRankDoNotCount, CoordinatesMayBeOfAnySize, TheTableSaysWhatPassesSay,
                           LinkingKeepsTheColumnsAndReleasesTheBoxes));
}
