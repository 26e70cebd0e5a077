/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tiling: tiles are numbered row-major over the grid; grids without tiles or with too many and boxes outside of their
 * operands are refused by name; costs, scratch and prepared plans are what the passes say; the tiles of a built-in pass
 * write everything that the call writes. */
#include "graph/region.h"

#include <stdio.h>

#include "tests/graph/kit.h"
#include "tests/graph/training.h"
#include "tests/support/suite.h"

/* ---- an operator that does as it is told; x [6, 5], an optional second input -> y [6, 5] ---- */

typedef struct told {
    size_t grid[HL_GRID_RANK]; /* all zero: one tile */
    size_t operand, axis;      /* of the box that tile (0, 2, 0, 0) is given, where not both are zero: */
    size_t begin, end;
    size_t scratch;
    double flops, bytes; /* of tile t, times t + 1; without flops: as the boxes say */
    hl_status prepared;
    int *n_prepared;
} told;

static const told *told_of(const hl_call *call) { return call->options; }

static hl_status infer_told(hl_inference *inference) {
    inference->output[0] = inference->input[0].shape;
    return HL_OK;
}

static void told_grid(const hl_call *call, hl_grid *grid) {
    for (size_t i = 0; i < HL_GRID_RANK; i++) grid->extent[i] = told_of(call)->grid[i];
}

static void told_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const told *t = told_of(call);
    if (tile->index[1] != 2 || (t->begin == 0 && t->end == 0)) return;
    boxes[t->operand].begin[t->axis] = t->begin;
    boxes[t->operand].end[t->axis] = t->end;
}

static hl_cost told_cost(const hl_call *call, const hl_tile *tile) {
    return (hl_cost){told_of(call)->flops * (tile->index[1] + 1), told_of(call)->bytes * (tile->index[1] + 1)};
}

static size_t told_scratch(const hl_call *call) { return told_of(call)->scratch; }

typedef struct told_plan {
    hl_shape seen;
    char rest[500];
} told_plan;

static hl_status told_prepare(const hl_call *call, void *plan) {
    told_plan *made = plan;
    for (size_t i = 0; i < sizeof made->rest; i++) ck_assert_int_eq(made->rest[i], 0);
    ck_assert_ptr_eq(call->plan, plan);
    ck_assert_ptr_null(call->operand[0].data);
    made->seen = call->operand[0].shape;
    memset(made->rest, 1, sizeof made->rest);
    if (told_of(call)->n_prepared) ++*told_of(call)->n_prepared;
    return told_of(call)->prepared;
}

static const hl_pass told_pass = {.name = "forward",
                                  .grid = told_grid,
                                  .access = told_access,
                                  .scratch = told_scratch,
                                  .plan_bytes = sizeof(told_plan),
                                  .prepare = told_prepare,
                                  .layout = {HL_LAYOUT_ANY, HL_LAYOUT_ANY}};
static const hl_operator obedient = {
    .name = "obedient",
    .min_inputs = 1,
    .max_inputs = 2,
    .optional = 1u << 1,
    .n_outputs = 1,
    .options_bytes = sizeof(told),
    .infer = infer_told,
    .forward = {{.pass = &told_pass, .reads = {HL_IN(0), HL_IN(1)}, .writes = {HL_OUT(0)}}}};

static const hl_pass costly_pass = {.name = "forward", .grid = told_grid, .cost = told_cost};
static const hl_operator costly = {.name = "costly",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .n_outputs = 1,
                                   .options_bytes = sizeof(told),
                                   .infer = infer_told,
                                   .forward = {{.pass = &costly_pass, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}}};

static const hl_pass plain_pass = {.name = "forward"};
static const hl_operator plain = {.name = "plain",
                                  .min_inputs = 1,
                                  .max_inputs = 1,
                                  .n_outputs = 1,
                                  .infer = infer_told,
                                  .forward = {{.pass = &plain_pass, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}}};

static hl_tensor *apply(hl_graph *g, const hl_operator *op, const told *options) {
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(6, 5));
    return hl_name(g, hl_apply(g, op, &x, 1, options, NULL), "stubborn");
}

/* Tiled, with what tile.c says of it. */
static hl_status tile_told(hl__ir *ir, hl_graph *g, const hl_operator *op, const told *options) {
    hl_tensor *y = apply(g, op, options);
    return kit_stages(ir, g, &y, 1, KIT_TILED);
}

/* ---- numbers ---- */

START_TEST(TilesAreNumberedRowMajorOverTheGrid) {
    hl__call call = {.grid = {{2, 3, 1, 4}}, .n_tiles = 24};
    size_t number = 0;
    for (uint32_t a = 0; a < 2; a++)
        for (uint32_t b = 0; b < 3; b++)
            for (uint32_t d = 0; d < 4; d++) {
                hl_tile tile;
                hl__tile_at(&call, number++, &tile);
                ck_assert_uint_eq(tile.index[0], a);
                ck_assert_uint_eq(tile.index[1], b);
                ck_assert_uint_eq(tile.index[2], 0);
                ck_assert_uint_eq(tile.index[3], d);
                ck_assert_ptr_null(tile.scratch);
            }
}
END_TEST

START_TEST(APassWithoutGridAndAccessIsOneTileOfWholeOperands) {
    hl_graph *g = kit_graph();
    hl__ir ir = {0};
    ck_assert_int_eq(tile_told(&ir, g, &plain, NULL), HL_OK);
    const hl__call *call = ir.calls[0];
    ck_assert_uint_eq(call->n_tiles, 1);
    hl_tile tile;
    hl_box boxes[HL_MAX_OPERANDS];
    hl__tile_at(call, 0, &tile);
    hl__tile_boxes(call, &tile, boxes);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_uint_eq(boxes[i].begin[0] + boxes[i].begin[1], 0);
        ck_assert_uint_eq(boxes[i].end[0], 6);
        ck_assert_uint_eq(boxes[i].end[1], 5);
    }
    hl__ir_clear(&ir);
    hl_graph_destroy(g);
}
END_TEST

START_TEST(BoxesAreEmptyWhereAnAxisIs) {
    ck_assert(!hl__box_is_empty(&(hl_box){{0, 2}, {1, 3}}, 2));
    ck_assert(hl__box_is_empty(&(hl_box){{0, 3}, {1, 3}}, 2));
    ck_assert(hl__box_is_empty(&(hl_box){{0, 4}, {1, 3}}, 2));
    ck_assert(!hl__box_is_empty(&(hl_box){{0, 3}, {1, 3}}, 1));
    ck_assert(!hl__box_is_empty(&(hl_box){{0}, {0}}, 0)); /* a scalar has one element */
}
END_TEST

/* ---- refusals, seen where a user sees them ---- */

static void assert_refused(const told *options, hl_status status, const char *const parts[], size_t n_parts) {
    hl_graph *g = kit_graph();
    hl_runtime *runtime = kit_runtime(1);
    hl_state *state = kit_state();
    hl_tensor *y = apply(g, &obedient, options);
    ck_assert_ptr_nonnull(y);
    hl_program *untouched = (hl_program *)&runtime, *program = untouched;
    ck_assert_int_eq(hl_program_create(runtime, g, state, &y, 1, &program), status);
    ck_assert_ptr_eq(program, untouched);
    kit_assert_says(hl_graph_error(g), "stubborn.forward");
    for (size_t i = 0; i < n_parts; i++) kit_assert_says(hl_graph_error(g), parts[i]);
    ck_assert_int_eq(hl_graph_status(g), HL_OK); /* the graph itself is sound */
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    hl_graph_destroy(g);
}

START_TEST(GridsWithoutTilesAreRefused) {
    for (size_t axis = 0; axis < HL_GRID_RANK; axis++) {
        told options = {.grid = {3, 2, 4, 5}};
        options.grid[axis] = 0;
        assert_refused(&options, HL_OUT_OF_RANGE, (const char *[]){"grid"}, 1);
    }
}
END_TEST

START_TEST(GridsWithTooManyTilesAreRefusedAlsoWhereTheProductOverflows) {
    static const size_t grids[][HL_GRID_RANK] = {{((size_t)1 << 28) + 1, 1, 1, 1},
                                                 {1, 1, 1, SIZE_MAX},
                                                 {(size_t)1 << 14, (size_t)1 << 15, 1, 1},
                                                 {(size_t)1 << 16, (size_t)1 << 16, (size_t)1 << 16, (size_t)1 << 16},
                                                 {SIZE_MAX / 2 + 1, 2, 1, 1},
                                                 {3, SIZE_MAX / 3 * 2, SIZE_MAX / 5, 7}};
    for (size_t i = 0; i < KIT_COUNT(grids); i++) {
        told options = {.grid = {0}};
        memcpy(options.grid, grids[i], sizeof options.grid);
        assert_refused(&options, HL_OUT_OF_RANGE, (const char *[]){"grid", "268435456"}, 2);
    }
}
END_TEST

START_TEST(BoxesOutsideOfTheirOperandsAreRefusedWithTileAndOperand) {
    for (size_t operand = 0; operand < 3; operand += 2) /* 1 is left out */
        for (size_t axis = 0; axis < 2; axis++) {
            size_t extent = axis ? 5 : 6;
            told options = {.grid = {1, 4, 1, 1}, .operand = operand, .axis = axis, .begin = 1, .end = extent + 1};
            char words[32];
            snprintf(words, sizeof words, "operand %zu", operand);
            assert_refused(&options, HL_OUT_OF_RANGE, (const char *[]){"(0, 2, 0, 0)", words, "[6, 5]"}, 3);
            options.end = SIZE_MAX;
            assert_refused(&options, HL_OUT_OF_RANGE, (const char *[]){"(0, 2, 0, 0)", words, "[6, 5]"}, 3);
        }
}
END_TEST

START_TEST(APassThatCannotBePreparedIsRefused) {
    told options = {.grid = {1, 1, 1, 1}, .prepared = HL_UNSUPPORTED};
    assert_refused(&options, HL_UNSUPPORTED, (const char *[]){"kernel"}, 1);
    options.prepared = HL_OUT_OF_MEMORY;
    assert_refused(&options, HL_OUT_OF_MEMORY, (const char *[]){"kernel"}, 1);
}
END_TEST

static hl_status tile_within(hl_graph *g, hl_tensor *const outputs[], size_t n, size_t bytes, char words[640]) {
    hl__memory_limit limit = {.bytes = bytes, .of = "the allowance"};
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, g, outputs, n, KIT_DIFFERENTIATED), HL_OK);
    ir.limit = &limit;
    hl_status status = hl__ir_tile(&ir);
    snprintf(words, 640, "%s", ir.message);
    hl__ir_clear(&ir);
    return status;
}

/* Before any tile is looked at: this one has too many for that. */
START_TEST(TilesBeyondMemoryAreRefusedAtOnce) {
    char words[640];
    hl_graph *g = kit_graph();
    told options = {.grid = {(size_t)1 << 14, (size_t)1 << 14, 1, 1}};
    hl_tensor *y = apply(g, &obedient, &options);
    ck_assert_int_eq(tile_within(g, &y, 1, ((size_t)64 << 28) - 1, words), HL_OUT_OF_MEMORY);
    kit_assert_says(words, "stubborn.forward is 268435456 tiles");
    kit_assert_says(words, "the allowance is 17179869183");
    hl_graph_destroy(g);
    g = kit_graph();
    options = (told){.grid = {1, 4, 1, 1}};
    y = apply(g, &obedient, &options);
    ck_assert_int_eq(tile_within(g, &y, 1, 4 * 64, words), HL_OK);
    ck_assert_int_eq(tile_within(g, &y, 1, 4 * 64 - 1, words), HL_OUT_OF_MEMORY);
    hl_graph_destroy(g);
}
END_TEST

START_TEST(MoreTilesThanTasksHaveNumbersAreRefusedAtOnce) {
    char words[640];
    hl_graph *g = kit_graph();
    hl_tensor *outputs[9];
    told options = {.grid = {(size_t)1 << 28, 1, 1, 1}};
    for (size_t i = 0; i < 9; i++) {
        char name[8];
        snprintf(name, sizeof name, "x%zu", i);
        hl_tensor *x = hl_input(g, name, HL_F32, HL_SHAPE(6, 5));
        outputs[i] = hl_apply(g, &obedient, &x, 1, &options, NULL);
    }
    ck_assert_int_eq(tile_within(g, outputs, 9, SIZE_MAX, words), HL_OUT_OF_RANGE);
    kit_assert_says(words, "all calls are 2415919104, more than 2147483648");
    hl_graph_destroy(g);
}
END_TEST

/* ---- what passes say ---- */

/* Boxes as large as the operand, empty ones, and whatever is said of an operand that is left out are fine. */
START_TEST(BoxesInsideAndBoxesOfAbsentOperandsAreTaken) {
    static const told taken[] = {{.grid = {1, 4, 1, 1}, .operand = 0, .axis = 0, .begin = 0, .end = 6},
                                 {.grid = {1, 4, 1, 1}, .operand = 0, .axis = 1, .begin = 4, .end = 5},
                                 {.grid = {1, 4, 1, 1}, .operand = 2, .axis = 1, .begin = 3, .end = 3},
                                 {.grid = {1, 4, 1, 1}, .operand = 1, .axis = 0, .begin = 1, .end = 99}};
    static const double bytes[] = {(4 * 30 + 4 * 30) * 4, (3 * 30 + 6 + 4 * 30) * 4, (4 * 30 + 3 * 30) * 4,
                                   (4 * 30 + 4 * 30) * 4};
    for (size_t i = 0; i < KIT_COUNT(taken); i++) {
        hl_graph *g = kit_graph();
        hl__ir ir = {0};
        ck_assert_int_eq(tile_told(&ir, g, &obedient, &taken[i]), HL_OK);
        ck_assert_uint_eq(ir.calls[0]->n_tiles, 4);
        ck_assert_double_eq(ir.calls[0]->bytes, bytes[i]); /* each tile: the elements of its boxes, 4 bytes each */
        ck_assert_double_eq(ir.calls[0]->flops, 0);
        hl__ir_clear(&ir);
        hl_graph_destroy(g);
    }
}
END_TEST

START_TEST(CostsAreSummedOverTheTiles) {
    hl_graph *g = kit_graph();
    hl__ir ir = {0};
    ck_assert_int_eq(tile_told(&ir, g, &costly, &(told){.grid = {1, 4, 1, 1}, .flops = 100, .bytes = 7}), HL_OK);
    ck_assert_double_eq(ir.calls[0]->flops, 1000);
    ck_assert_double_eq(ir.calls[0]->bytes, 70);
    hl__ir_clear(&ir);
    hl_graph_destroy(g);
}
END_TEST

START_TEST(ScratchIsWhatTheHungriestCallNeeds) {
    hl_graph *g = kit_graph();
    hl_tensor *y = hl_input(g, "x", HL_F32, HL_SHAPE(6, 5));
    static const size_t scratch[] = {64, 5000, 0, 4999};
    for (size_t i = 0; i < KIT_COUNT(scratch); i++)
        y = hl_apply(g, &obedient, &y, 1, &(told){.grid = {1, 1, 1, 1}, .scratch = scratch[i]}, NULL);
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, g, &y, 1, KIT_TILED), HL_OK);
    ck_assert_uint_eq(ir.scratch_bytes, 5000);
    hl__ir_clear(&ir);
    hl_graph_destroy(g);
}
END_TEST

START_TEST(EachCallIsPreparedOnceOnItsOwnZeroedPlan) {
    hl_graph *g = kit_graph();
    int n_prepared = 0;
    told options = {.grid = {1, 3, 1, 1}, .n_prepared = &n_prepared};
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(6, 5)), *turned = hl_transpose(g, x, (size_t[]){1, 0});
    hl_tensor *outputs[] = {hl_apply(g, &obedient, &x, 1, &options, NULL),
                            hl_apply(g, &obedient, &turned, 1, &options, NULL)};
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, g, outputs, 2, KIT_TILED), HL_OK);
    ck_assert_int_eq(n_prepared, 2);
    ck_assert_uint_eq(ir.n_calls, 2);
    const told_plan *first = ir.calls[0]->call.plan, *second = ir.calls[1]->call.plan;
    ck_assert_ptr_ne(first, second);
    ck_assert_uint_eq(first->seen.extent[0], 6);
    ck_assert_uint_eq(second->seen.extent[0], 5); /* the view's shape, */
    ck_assert_uint_eq(ir.calls[1]->view[0].stride[0], 1);
    ck_assert_uint_eq(ir.calls[1]->view[0].stride[1], 5); /* and its strides */
    hl__ir_clear(&ir);
    hl_graph_destroy(g);
}
END_TEST

/* ---- built-in passes ---- */

static void mark(const hl_box *box, const hl_shape *shape, char *written) {
    size_t at[HL_MAX_RANK];
    memcpy(at, box->begin, sizeof at);
    for (bool more = !hl__box_is_empty(box, shape->rank); more;) {
        size_t offset = 0;
        for (size_t i = 0; i < shape->rank; i++) offset = offset * shape->extent[i] + at[i];
        written[offset] = 1;
        more = false;
        for (size_t i = shape->rank; i-- > 0 && !more;) {
            if (++at[i] < box->end[i]) more = true;
            else at[i] = box->begin[i];
        }
    }
}

START_TEST(TheTilesOfACallWriteAllThatItWrites) {
    two_block_sizes sizes = {.batch = 3, .tokens = 21, .width = 24, .heads = 3, .hidden = 40, .classes = 5, .words = 9};
    training t = training_open(&sizes, 1);
    hl_tensor *outputs[] = {t.model.loss, t.adamw, t.model.weights[0], t.model.weights[1]};
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, t.model.graph, outputs, 4, KIT_TILED), HL_OK);
    ck_assert_uint_gt(ir.n_calls, 100);
    for (size_t c = 0; c < ir.n_calls; c++) {
        const hl__call *call = ir.calls[c];
        for (size_t i = call->call.n_reads; i < call->call.n_reads + call->call.n_writes; i++) {
            if (!hl_view_present(&call->view[i])) continue;
            size_t n = hl_shape_elements(&call->view[i].shape), n_written = 0;
            char *written = calloc(n, 1);
            for (size_t number = 0; number < call->n_tiles; number++) {
                hl_tile tile;
                hl_box boxes[HL_MAX_OPERANDS];
                hl__tile_at(call, number, &tile);
                hl__tile_boxes(call, &tile, boxes);
                mark(&boxes[i], &call->view[i].shape, written);
            }
            for (size_t k = 0; k < n; k++) n_written += written[k] != 0;
            ck_assert_msg(n_written == n, "%s writes %zu of %zu elements", call->name, n_written, n);
            free(written);
        }
    }
    hl__ir_clear(&ir);
    training_close(&t);
}
END_TEST

int main(void) {
    return run_tests("graph/tile",
                     TESTS(TilesAreNumberedRowMajorOverTheGrid, APassWithoutGridAndAccessIsOneTileOfWholeOperands,
                           BoxesAreEmptyWhereAnAxisIs, GridsWithoutTilesAreRefused,
                           GridsWithTooManyTilesAreRefusedAlsoWhereTheProductOverflows,
                           BoxesOutsideOfTheirOperandsAreRefusedWithTileAndOperand, APassThatCannotBePreparedIsRefused,
                           TilesBeyondMemoryAreRefusedAtOnce, MoreTilesThanTasksHaveNumbersAreRefusedAtOnce,
                           BoxesInsideAndBoxesOfAbsentOperandsAreTaken, CostsAreSummedOverTheTiles,
                           ScratchIsWhatTheHungriestCallNeeds, EachCallIsPreparedOnceOnItsOwnZeroedPlan,
                           TheTilesOfACallWriteAllThatItWrites));
}
