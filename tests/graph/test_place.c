/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Placement: tiles go to the nodes in equal shares that follow the serial order, so that a sequence stays on its node
 * from operator to operator; a buffer lives where all its writers do, or everywhere. */
#include "graph/place.h"

#include "tests/graph/linked.h"
#include "tests/support/suite.h"

START_TEST(SharesAreEqualAndRiseWithTheSerialOrder) {
    for (size_t n_homes = 1; n_homes <= 9; n_homes++)
        for (size_t n_tiles = 1; n_tiles <= 60; n_tiles++) {
            hl__call call = {.n_tiles = n_tiles};
            size_t counts[9] = {0}, previous = 0;
            for (size_t t = 0; t < n_tiles; t++) {
                size_t home = hl__tile_home(&call, t, n_homes);
                ck_assert_uint_lt(home, n_homes);
                ck_assert_uint_ge(home, previous);
                counts[home]++;
                previous = home;
            }
            for (size_t h = 0; h < n_homes; h++) {
                ck_assert_uint_ge(counts[h], n_tiles / n_homes);
                ck_assert_uint_le(counts[h], (n_tiles + n_homes - 1) / n_homes);
            }
        }
}
END_TEST

START_TEST(CallsOfAnySizeHaveTheirShares) {
    hl__call call = {.n_tiles = (size_t)1 << 28}; /* the most that a call may have */
    ck_assert_uint_eq(hl__tile_home(&call, 0, 4096), 0);
    ck_assert_uint_eq(hl__tile_home(&call, call.n_tiles - 1, 4096), 4095);
    ck_assert_uint_eq(hl__tile_home(&call, call.n_tiles / 2, 4096), 2048);
}
END_TEST

/* ---- sequences ---- */

#define SEQUENCES ((size_t)8)
#define TOKENS ((size_t)64)
#define WIDTH ((size_t)32)

static hl_tensor *block(hl_graph *g, hl_tensor *x) {
    hl_tensor *n = hl_layer_norm(g, x, kit_param(g, "gain", HL_SHAPE(WIDTH)), NULL, 0);
    hl_tensor *q = hl_project(g, n, kit_param(g, "wq", HL_SHAPE(WIDTH, 4, 8)), NULL);
    hl_tensor *k = hl_project(g, n, kit_param(g, "wk", HL_SHAPE(WIDTH, 4, 8)), NULL);
    hl_tensor *v = hl_project(g, n, kit_param(g, "wv", HL_SHAPE(WIDTH, 4, 8)), NULL);
    hl_tensor *p = hl_softmax(g, hl_score(g, q, k, &(hl_score_options){.mask = HL_MASK_CAUSAL}));
    hl_tensor *heads = hl_concat(g, hl_weight(g, p, v));
    return hl_add(g, x, hl_gelu(g, hl_dense(g, heads, kit_param(g, "wo", HL_SHAPE(WIDTH, WIDTH)), NULL)));
}

/* Forwards and backwards: a tile that writes a part of one sequence is where the sequence is. Written tensors that have
 * the sequences as first axis are looked at. */
START_TEST(ASequenceStaysOnItsNodeFromOperatorToOperator) {
    for (size_t n_homes = 2; n_homes <= 8; n_homes *= 2) {
        hl_graph *g = kit_graph();
        hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(SEQUENCES, TOKENS, WIDTH)), *y = block(g, block(g, x));
        hl_tensor *loss = hl_mean(g, hl_multiply(g, y, y), 0, false), *outputs[] = {loss, hl_gradient(g, loss, x)};
        hl__ir ir = {0};
        ck_assert_int_eq(kit_stages(&ir, g, outputs, 2, KIT_TILED), HL_OK);
        ck_assert_int_eq(hl__ir_place(&ir, n_homes), HL_OK);
        size_t n_looked_at = 0;
        for (size_t c = 0; c < ir.n_calls; c++) {
            const hl__call *call = ir.calls[c];
            for (size_t t = 0; t < call->n_tiles; t++) {
                hl_tile tile;
                hl_box boxes[HL_MAX_OPERANDS];
                hl__tile_at(call, t, &tile);
                hl__tile_boxes(call, &tile, boxes);
                for (size_t i = call->call.n_reads; i < call->call.n_reads + call->call.n_writes; i++) {
                    const hl_shape *shape = &call->view[i].shape;
                    if (!hl_view_present(&call->view[i]) || shape->rank < 3 || shape->extent[0] != SEQUENCES) continue;
                    if (hl__box_is_empty(&boxes[i], shape->rank)) continue;
                    ck_assert_msg(boxes[i].end[0] == boxes[i].begin[0] + 1, "%s: a tile of several sequences",
                                  call->name);
                    ck_assert_msg(hl__tile_home(call, t, n_homes) == boxes[i].begin[0] * n_homes / SEQUENCES,
                                  "%s: tile %zu of %zu", call->name, t, call->n_tiles);
                    n_looked_at++;
                }
            }
        }
        ck_assert_uint_gt(n_looked_at, 30 * SEQUENCES);
        hl__ir_clear(&ir);
        hl_graph_destroy(g);
    }
}
END_TEST

/* ---- buffers ---- */

START_TEST(OneNodeHoldsEverything) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(40, 40)), *y = hl_sum(g, hl_tanh(g, x), 0, false);
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, g, &y, 1, KIT_TILED), HL_OK);
    ck_assert_int_eq(hl__ir_place(&ir, 1), HL_OK);
    ck_assert_uint_eq(ir.n_homes, 1);
    for (size_t v = 0; v < ir.n_values; v++) ck_assert_uint_eq(ir.values[v].home, 0);
    hl__ir_clear(&ir);
    hl_graph_destroy(g);
}
END_TEST

static hl_status infer_twice(hl_inference *inference) {
    inference->output[0] = inference->temp[0] = inference->input[0].shape;
    return HL_OK;
}

static void four_tiles(const hl_call *call, hl_grid *grid) {
    (void)call;
    grid->extent[0] = 4;
}

/* A temporary that two passes write, one with a single tile and one with several, in either order. */
static const hl_pass single = {.name = "single"}, several = {.name = "several", .grid = four_tiles};
static const hl_operator single_first = {.name = "single_first",
                                         .min_inputs = 1,
                                         .max_inputs = 1,
                                         .n_outputs = 1,
                                         .infer = infer_twice,
                                         .forward = {{.pass = &single, .reads = {HL_IN(0)}, .writes = {HL_TEMP(0)}},
                                                     {.pass = &several, .reads = {HL_IN(0)}, .writes = {HL_TEMP(0)}},
                                                     {.pass = &single, .reads = {HL_TEMP(0)}, .writes = {HL_OUT(0)}}}};
static const hl_operator several_first = {
    .name = "several_first",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .infer = infer_twice,
    .forward = {{.pass = &several, .reads = {HL_IN(0)}, .writes = {HL_TEMP(0)}},
                {.pass = &single, .reads = {HL_IN(0)}, .writes = {HL_TEMP(0)}},
                {.pass = &several, .reads = {HL_TEMP(0)}, .writes = {HL_OUT(0)}}}};

START_TEST(ABufferLivesWhereAllItsWritersDoOrEverywhere) {
    for (size_t i = 0; i < 2; i++) {
        hl_graph *g = kit_graph();
        hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(8, 4));
        hl_tensor *y = hl_apply(g, i ? &several_first : &single_first, &x, 1, NULL, NULL);
        hl__ir ir = {0};
        ck_assert_int_eq(kit_stages(&ir, g, &y, 1, KIT_TILED), HL_OK);
        ck_assert_int_eq(hl__ir_place(&ir, 3), HL_OK);
        ck_assert_uint_eq(ir.values[hl__ir_find(&ir, x)].home, HL__INTERLEAVED);
        ck_assert_uint_eq(ir.values[ir.calls[0]->operand[1]].home, HL__INTERLEAVED);
        ck_assert_uint_eq(ir.values[hl__ir_find(&ir, y)].home, i ? HL__INTERLEAVED : 0);
        hl__ir_clear(&ir);
        hl_graph_destroy(g);
    }
}
END_TEST

int main(void) {
    return run_tests("graph/place", TESTS(SharesAreEqualAndRiseWithTheSerialOrder, CallsOfAnySizeHaveTheirShares,
                                          ASequenceStaysOnItsNodeFromOperatorToOperator, OneNodeHoldsEverything,
                                          ABufferLivesWhereAllItsWritersDoOrEverywhere));
}
