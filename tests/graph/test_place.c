/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Placement: whole sequences stay on their node from operator to operator, forwards and backwards, else whole heads,
 * else rows; a weight's gradient is where its update is; what shapes say nothing of goes in equal shares. A buffer
 * lives where all its writers do, or everywhere. */
#include "graph/place.h"

#include "tests/graph/linked.h"
#include "tests/support/suite.h"

static const hl_pass nowhere = {.name = "nowhere"}; /* a call without operands */
static const hl_box *const none[HL_MAX_OPERANDS];

START_TEST(SharesAreEqualAndRiseWithTheSerialOrder) {
    for (size_t n_homes = 1; n_homes <= 9; n_homes++)
        for (size_t n_tiles = 1; n_tiles <= 60; n_tiles++) {
            hl__call call = {.pass = &nowhere, .grid = {{n_tiles, 1, 1, 1}}, .n_tiles = n_tiles};
            size_t counts[9] = {0}, previous = 0;
            for (size_t t = 0; t < n_tiles; t++) {
                size_t home = hl__tile_home(&call, t, none, n_homes);
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
    size_t most = (size_t)1 << 28; /* that a call may have */
    hl__call call = {.pass = &nowhere, .grid = {{most, 1, 1, 1}}, .n_tiles = most};
    ck_assert_uint_eq(hl__tile_home(&call, 0, none, 4096), 0);
    ck_assert_uint_eq(hl__tile_home(&call, call.n_tiles - 1, none, 4096), 4095);
    ck_assert_uint_eq(hl__tile_home(&call, call.n_tiles / 2, none, 4096), 2048);
}
END_TEST

/* ---- sequences, heads, rows ---- */

#define WIDTH ((size_t)32)
#define WORDS 40

typedef struct model {
    size_t sequences, heads, tokens;
    size_t n_homes;
    size_t head_size;
} model;

static hl_tensor *block(const model *m, hl_graph *g, hl_tensor *x) {
    hl_tensor *n = hl_layer_norm(g, x, kit_param(g, "gain", HL_SHAPE(WIDTH)), NULL, 0);
    hl_tensor *q = hl_project(g, n, kit_param(g, "wq", HL_SHAPE(WIDTH, m->heads, m->head_size)), NULL);
    hl_tensor *k = hl_project(g, n, kit_param(g, "wk", HL_SHAPE(WIDTH, m->heads, m->head_size)), NULL);
    hl_tensor *v = hl_project(g, n, kit_param(g, "wv", HL_SHAPE(WIDTH, m->heads, m->head_size)), NULL);
    hl_tensor *p = hl_softmax(g, hl_score(g, q, k, &(hl_score_options){.mask = HL_MASK_CAUSAL}));
    hl_tensor *heads = hl_concat(g, hl_weight(g, p, v));
    return hl_add(g, x,
                  hl_gelu(g, hl_dense(g, heads, kit_param(g, "wo", HL_SHAPE(m->heads * m->head_size, WIDTH)), NULL)));
}

/* The node of unit number `at` of n units. */
static size_t node_of(const model *m, size_t at, size_t n) { return at * m->n_homes / n; }

/* Whether a tile that writes this box of a tensor of all sequences runs where it should. */
static bool at_home(const model *m, const hl_shape *shape, const hl_box *box, size_t home) {
    bool headed = shape->rank == 4;
    if (m->sequences >= m->n_homes)
        return box->end[0] == box->begin[0] + 1 && home == node_of(m, box->begin[0], m->sequences);
    size_t n_heads = m->sequences * m->heads, head = box->begin[0] * m->heads + box->begin[1];
    size_t last_head = box->begin[0] * m->heads + box->end[1] - 1;
    if (headed && n_heads >= m->n_homes && head == last_head) return home == node_of(m, head, n_heads);
    if (headed && n_heads >= m->n_homes) /* of several heads together: on one of the nodes that have their share */
        return node_of(m, head, n_heads) <= home && home <= node_of(m, last_head + 1, n_heads);
    size_t rows = headed ? n_heads * m->tokens : m->sequences * m->tokens, axis = headed ? 2 : 1;
    size_t first = (headed ? head : box->begin[0]) * m->tokens + box->begin[axis];
    size_t last = (headed ? last_head : box->begin[0]) * m->tokens + box->end[axis] - 1;
    return node_of(m, first, rows) <= home && home <= node_of(m, last, rows);
}

/* Looks at each tile that writes a part of a tensor whose first axis is the sequences; gives how many there are. Rows
 * of several tensors may be written that lie on different nodes, as those of queries and of keys: then one decides. */
static size_t check_call(const model *m, const hl__call *call) {
    size_t n_looked_at = 0;
    for (size_t t = 0; t < call->n_tiles; t++) {
        hl_tile tile;
        hl_box boxes[HL_MAX_OPERANDS];
        hl__tile_at(call, t, &tile);
        hl__tile_boxes(call, &tile, boxes);
        size_t home = linked_home(call, t, m->n_homes), n_written = 0, n_at_home = 0;
        bool rows = m->sequences * m->heads < m->n_homes;
        for (size_t i = call->call.n_reads; i < call->call.n_reads + call->call.n_writes; i++) {
            const hl_shape *shape = &call->view[i].shape;
            if (!hl_view_present(&call->view[i]) || shape->rank < 3 || shape->extent[0] != m->sequences) continue;
            if (shape->rank == 3 && shape->extent[1] != m->tokens) continue; /* what is kept of the rows of heads */
            if (hl__box_is_empty(&boxes[i], shape->rank)) continue;
            n_written++;
            n_at_home += at_home(m, shape, &boxes[i], home);
        }
        ck_assert_msg(rows && n_written > 0 ? n_at_home > 0 : n_at_home == n_written,
                      "%zu sequences, %zu heads, %zu nodes: tile %zu of %zu of %s is on %zu", m->sequences, m->heads,
                      m->n_homes, t, call->n_tiles, call->name, home);
        n_looked_at += n_written > 0;
    }
    return n_looked_at;
}

static void check_model(const model *m) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(m->sequences, m->tokens, WIDTH)), *y = block(m, g, block(m, g, x));
    hl_tensor *labels = hl_input(g, "labels", HL_I32, HL_SHAPE(m->sequences, m->tokens));
    hl_tensor *loss = hl_cross_entropy(g, hl_dense(g, y, kit_param(g, "words", HL_SHAPE(WIDTH, WORDS)), NULL), labels);
    hl_tensor *outputs[] = {loss, hl_gradient(g, loss, x)};
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, g, outputs, 2, KIT_TILED), HL_OK);
    ck_assert_int_eq(hl__ir_place(&ir, m->n_homes), HL_OK);
    size_t n_looked_at = 0;
    for (size_t c = 0; c < ir.n_calls; c++) n_looked_at += check_call(m, ir.calls[c]);
    ck_assert_uint_gt(n_looked_at, 25 * m->sequences);
    hl__ir_clear(&ir);
    hl_graph_destroy(g);
}

START_TEST(ASequenceStaysOnItsNodeFromOperatorToOperator) {
    static const size_t sequences[] = {2, 4, 8, 12, 13, 18}, nodes[] = {2, 4, 12};
    for (size_t s = 0; s < KIT_COUNT(sequences); s++)
        for (size_t n = 0; n < KIT_COUNT(nodes); n++)
            if (sequences[s] >= nodes[n]) check_model(&(model){sequences[s], 4, 64, nodes[n], 8});
}
END_TEST

/* With fewer sequences than nodes. */
START_TEST(AHeadStaysOnItsNodeWhereSequencesAreTooFew) {
    static const model models[] = {
        {1, 2, 256, 2, 64}, {1, 4, 256, 4, 64}, {2, 3, 256, 4, 64}, {1, 12, 256, 12, 64}, {3, 5, 256, 12, 64}};
    for (size_t i = 0; i < KIT_COUNT(models); i++) check_model(&models[i]);
}
END_TEST

START_TEST(RowsGoToNodesWhereHeadsAreTooFew) {
    static const model models[] = {{1, 1, 256, 2, 8}, {1, 2, 256, 4, 8}, {1, 1, 768, 12, 8}, {2, 4, 384, 12, 8}};
    for (size_t i = 0; i < KIT_COUNT(models); i++) check_model(&models[i]);
}
END_TEST

/* The home of each row of a matrix of this shape that a call writes; false where it writes none. */
static bool homes_of_rows(const hl__call *call, size_t rows, size_t columns, size_t n_homes, size_t *homes) {
    bool found = false;
    for (size_t t = 0; t < call->n_tiles; t++) {
        hl_tile tile;
        hl_box boxes[HL_MAX_OPERANDS];
        hl__tile_at(call, t, &tile);
        hl__tile_boxes(call, &tile, boxes);
        for (size_t i = call->call.n_reads; i < call->call.n_reads + call->call.n_writes; i++) {
            const hl_shape *shape = &call->view[i].shape;
            if (shape->rank != 2 || shape->extent[0] != rows || shape->extent[1] != columns) continue;
            for (size_t row = boxes[i].begin[0]; row < boxes[i].end[0]; row++)
                homes[row] = linked_home(call, t, n_homes);
            found = true;
        }
    }
    return found;
}

/* The gradient of a matrix and its moments are divided among the nodes, itself lies everywhere: all tokens need it. */
static void check_matrices(const hl__ir *ir, size_t rows, size_t columns) {
    size_t n_divided = 0, n_interleaved = 0;
    for (size_t c = 0; c < ir->n_calls; c++) {
        const hl__call *call = ir->calls[c];
        for (size_t i = call->call.n_reads; i < call->call.n_reads + call->call.n_writes; i++) {
            if (call->operand[i] == HL__NONE) continue;
            const hl__value *base = &ir->values[ir->values[call->operand[i]].base];
            if (base->shape.rank != 2 || base->shape.extent[0] != rows || base->shape.extent[1] != columns) continue;
            bool parameter = base->kind == HL__VALUE_STATE && strcmp(base->name, "w") == 0;
            ck_assert_msg(base->home == (parameter ? HL__INTERLEAVED : HL__DIVIDED), "'%s' is at %d", base->name,
                          base->home);
            n_divided += !parameter;
            n_interleaved += parameter;
        }
    }
    ck_assert_uint_eq(n_divided, 3);
    ck_assert_uint_eq(n_interleaved, 1);
}

START_TEST(AnUpdateRunsWhereItsGradientIs) {
    enum { ROWS = 1536, COLUMNS = 128 };
    for (size_t n_homes = 2; n_homes <= 12; n_homes += 5) {
        hl_graph *g = kit_graph();
        hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(4, 128, ROWS));
        hl_tensor *y = hl_dense(g, x, kit_param(g, "w", HL_SHAPE(ROWS, COLUMNS)), NULL);
        hl_tensor *loss = hl_mean(g, hl_multiply(g, y, y), 0, false);
        hl_tensor *step = hl_adamw(g, loss, &(hl_adamw_options){.rate = hl_input(g, "rate", HL_F32, HL_SCALAR)});
        hl__ir ir = {0};
        ck_assert_int_eq(kit_stages(&ir, g, &step, 1, KIT_TILED), HL_OK);
        size_t homes[2][ROWS], n_found = 0, n_nodes = 1;
        for (size_t c = 0; c < ir.n_calls && n_found < 2; c++)
            n_found += homes_of_rows(ir.calls[c], ROWS, COLUMNS, n_homes, homes[n_found]);
        ck_assert_uint_eq(n_found, 2);
        ck_assert_mem_eq(homes[0], homes[1], sizeof homes[0]);
        for (size_t row = 1; row < ROWS; row++) n_nodes += homes[0][row] != homes[0][row - 1];
        ck_assert_uint_eq(n_nodes, n_homes); /* in one run each */
        ck_assert_int_eq(hl__ir_place(&ir, n_homes), HL_OK);
        check_matrices(&ir, ROWS, COLUMNS);
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
    return run_tests("graph/place",
                     TESTS(SharesAreEqualAndRiseWithTheSerialOrder, CallsOfAnySizeHaveTheirShares,
                           ASequenceStaysOnItsNodeFromOperatorToOperator, AHeadStaysOnItsNodeWhereSequencesAreTooFew,
                           RowsGoToNodesWhereHeadsAreTooFew, AnUpdateRunsWhereItsGradientIs, OneNodeHoldsEverything,
                           ABufferLivesWhereAllItsWritersDoOrEverywhere));
}
