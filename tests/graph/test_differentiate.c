/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reverse mode: the gradients of a whole model against central differences of its oracle in double; shares of a value
 * with several readers add up; what is not there to be differentiated is zero or refused by name. */
#include <math.h>

#include "graph/graph.h"
#include "graph/ir.h"
#include "tests/graph/kit.h"
#include "tests/support/suite.h"
#include "tests/support/two_block.h"

/* Creates a program of these outputs, writes `n` floats into input x, runs it and reads output i into result[i]. */
static void run_once(hl_graph *graph, hl_tensor *x, const float *data, size_t n, hl_tensor *const outputs[],
                     size_t n_outputs, float *const results[]) {
    hl_runtime *runtime = kit_runtime(2);
    hl_state *state = kit_state();
    hl_program *program = kit_program(runtime, graph, state, outputs, n_outputs);
    kit_write(program, x, data, n * sizeof *data);
    kit_run(program);
    for (size_t i = 0; i < n_outputs; i++) {
        hl_shape shape = hl_tensor_shape(outputs[i]);
        kit_read(program, outputs[i], results[i], hl_shape_elements(&shape) * sizeof(float));
    }
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
}

/* ---- a whole model ---- */

static const two_block_sizes sizes = {
    .batch = 3, .tokens = 5, .width = 8, .heads = 2, .hidden = 12, .classes = 5, .words = 7};

/* Widest reduction of the model: rows of a gradient of a weight, batch * tokens = 15, or 12 hidden units. */
#define WIDEST 16
/* Passes that a number goes through between a parameter and its gradient, both directions: embedding; in each of two
 * blocks norm, project, score, softmax, weight, dense, add, norm, dense, GELU, dense, add; norm, dense, loss: 28; the
 * same backwards. */
#define PASSES 56

/* Each pass is a reduction of at most WIDEST terms and a few roundings more. Gains are near 1 and weights below 0.5 in
 * size with fan-ins of 8 to 12, so that no pass makes the largest relative error of its operands much larger: these are
 * PASSES (WIDEST + 4) roundings of at most u of the numbers at hand. They go either way and add up as a random walk
 * does, to the root of their number; eight times that is not exceeded. 1.6e-5 of the largest number of the same tensor.
 * Central differences of the oracle with h = 1e-5 err by some h^2 / 6 f''' + 1e-16 / h = 1e-11 f''' + 1e-11, which is
 * nothing beside it where the largest gradient is as large as LEAST. */
static double tolerance(double largest) { return 8 * sqrt(PASSES * (WIDEST + 4)) * KIT_UNIT * largest; }
#define LEAST 1e-3

START_TEST(GradientsOfAWholeModelAgreeWithDifferencesOfItsOracle) {
    size_t n_params = two_block_offset(&sizes, TWO_BLOCK_PARAMS), rows = sizes.batch * sizes.tokens;
    int32_t words[64], labels[64], lengths[8];
    ck_assert_uint_le(rows, 64);
    two_block_data(&sizes, 1, words, labels, lengths);
    two_block m;
    two_block_build(&m, &sizes, kit_graph());
    hl_tensor *outputs[TWO_BLOCK_PARAMS + 1];
    for (size_t p = 0; p < TWO_BLOCK_PARAMS; p++) outputs[p] = hl_gradient(m.graph, m.loss, m.params[p]);
    outputs[TWO_BLOCK_PARAMS] = m.loss;
    hl_runtime *runtime = kit_runtime(2);
    hl_state *state = kit_state();
    hl_program *program = kit_program(runtime, m.graph, state, outputs, TWO_BLOCK_PARAMS + 1);
    kit_write(program, m.words, words, rows * sizeof *words);
    kit_write(program, m.labels, labels, rows * sizeof *labels);
    kit_write(program, m.lengths, lengths, sizes.batch * sizeof *lengths);
    kit_run(program);

    float loss, *values = calloc(2 * n_params, sizeof *values), *gradients = values + n_params;
    double *exact = calloc(2 * n_params, sizeof *exact), *differences = exact + n_params;
    kit_read(program, m.loss, &loss, sizeof loss);
    for (size_t p = 0; p < TWO_BLOCK_PARAMS; p++) {
        size_t at = two_block_offset(&sizes, p), n = two_block_offset(&sizes, p + 1) - at;
        kit_read(program, m.params[p], values + at, n * sizeof *values);
        kit_read(program, outputs[p], gradients + at, n * sizeof *values);
    }
    for (size_t i = 0; i < n_params; i++) exact[i] = (double)values[i];
    double wanted = two_block_loss(&sizes, exact, words, labels, lengths);
    ck_assert_double_le(fabs((double)loss - wanted), tolerance(wanted));
    for (size_t i = 0; i < n_params; i++) {
        double h = 1e-5, middle = exact[i];
        exact[i] = middle + h;
        double above = two_block_loss(&sizes, exact, words, labels, lengths);
        exact[i] = middle - h;
        differences[i] = (above - two_block_loss(&sizes, exact, words, labels, lengths)) / (2 * h);
        exact[i] = middle;
    }
    for (size_t p = 0; p < TWO_BLOCK_PARAMS; p++) {
        double most = 0;
        const char *name = hl_tensor_name(m.params[p]);
        /* softmax does not see what is added to all scores of a row: the bias of the keys has no gradient, and what
         * cancels in it is as large as in that of their matrix, the parameter before it */
        size_t of = strcmp(name, "0.bk") == 0 || strcmp(name, "1.bk") == 0 ? p - 1 : p;
        for (size_t i = two_block_offset(&sizes, of); i < two_block_offset(&sizes, of + 1); i++)
            most = fmax(most, fabs(differences[i]));
        ck_assert_msg(most > LEAST, "gradients of %s, up to %g, say nothing", name, most);
        for (size_t i = two_block_offset(&sizes, p); i < two_block_offset(&sizes, p + 1); i++)
            ck_assert_msg(fabs((double)gradients[i] - differences[i]) <= tolerance(most),
                          "gradient of %s: element %zu is %g, not %g", name, i - two_block_offset(&sizes, p),
                          (double)gradients[i], differences[i]);
    }
    free(values);
    free(exact);
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    hl_graph_destroy(m.graph);
}
END_TEST

/* Skip connections, and query, key and value of one input: their steps take shares. */
START_TEST(NoPassOfAModelOnlyAddsShares) {
    two_block m;
    two_block_build(&m, &sizes, kit_graph());
    hl_tensor *outputs[TWO_BLOCK_PARAMS];
    for (size_t p = 0; p < TWO_BLOCK_PARAMS; p++) outputs[p] = hl_gradient(m.graph, m.loss, m.params[p]);
    hl__ir ir = {0};
    ck_assert_msg(kit_stages(&ir, m.graph, outputs, TWO_BLOCK_PARAMS, KIT_DIFFERENTIATED) == HL_OK, "%s", ir.message);
    ck_assert_uint_eq(kit_calls(&ir, ".sum.forward"), 0);
    ck_assert_uint_eq(kit_calls(&ir, ".dx"),
                      2 * (1 + 3 + 2) + 2); /* projections, dense, norms; the norm and dense behind */
    hl__ir_clear(&ir);
    hl_graph_destroy(m.graph);
}
END_TEST

/* ---- small graphs, whose gradients are exact in float ---- */

static const float halves[] = {0.5f, -1, 2, 1.5f, -0.25f, 4};

START_TEST(SharesOfSeveralReadersAddUp) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 3));
    hl_tensor *three = hl_scale(g, x, 3), *minus = hl_scale(g, x, -5);
    hl_tensor *y = hl_add(g, hl_add(g, three, minus), hl_add(g, x, x));
    hl_tensor *loss = hl_sum(g, y, 0, false);
    hl_tensor *outputs[] = {hl_gradient(g, loss, x), hl_gradient(g, loss, three)};
    float dx[6], dthree[6];
    run_once(g, x, halves, 6, outputs, 2, (float *[]){dx, dthree});
    for (size_t i = 0; i < 6; i++) ck_assert_float_eq(dx[i], 3 - 5 + 2);
    for (size_t i = 0; i < 6; i++) ck_assert_float_eq(dthree[i], 1);
    hl_graph_destroy(g);
}
END_TEST

START_TEST(ATensorThatANodeReadsTwiceGetsBothShares) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 3));
    hl_tensor *square = hl_multiply(g, x, x), *loss = hl_sum(g, hl_multiply(g, square, x), 0, false);
    hl_tensor *outputs[] = {hl_gradient(g, loss, x), hl_gradient(g, loss, square)};
    float dx[6], dsquare[6];
    run_once(g, x, halves, 6, outputs, 2, (float *[]){dx, dsquare});
    for (size_t i = 0; i < 6; i++) ck_assert_float_eq(dx[i], 3 * halves[i] * halves[i]);
    ck_assert_mem_eq(dsquare, halves, sizeof halves);
    hl_graph_destroy(g);
}
END_TEST

START_TEST(GradientsFlowBackThroughViews) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 3));
    hl_tensor *turned = hl_transpose(g, x, (size_t[]){1, 0}); /* [3, 2] */
    hl_tensor *column = hl_reshape(g, hl_slice(g, turned, 0, 1, 3), HL_SHAPE(4));
    hl_tensor *weights = hl_input(g, "weights", HL_F32, HL_SHAPE(4)); /* zeros */
    hl_tensor *loss = hl_add(g, hl_sum(g, hl_multiply(g, column, column), 0, false),
                             hl_sum(g, hl_multiply(g, column, weights), 0, false));
    hl_tensor *outputs[] = {hl_gradient(g, loss, x), hl_gradient(g, loss, weights)};
    float dx[6], dweights[4];
    run_once(g, x, halves, 6, outputs, 2, (float *[]){dx, dweights});
    for (size_t i = 0; i < 6; i++) ck_assert_float_eq(dx[i], i % 3 == 0 ? 0 : 2 * halves[i]);
    float wanted[] = {halves[1], halves[4], halves[2], halves[5]};
    ck_assert_mem_eq(dweights, wanted, sizeof wanted);
    hl_graph_destroy(g);
}
END_TEST

START_TEST(ALossHasGradientOneWithRespectToItself) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 3)), *loss = hl_sum(g, x, 0, false);
    hl_tensor *outputs[] = {hl_gradient(g, loss, loss)};
    float one = 0;
    run_once(g, x, halves, 6, outputs, 1, (float *[]){&one});
    ck_assert_float_eq(one, 1);
    hl_graph_destroy(g);
}
END_TEST

START_TEST(WhatTheLossDoesNotDependOnHasGradientZero) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 3)), *other = hl_input(g, "other", HL_F32, HL_SHAPE(4));
    hl_tensor *loss = hl_sum(g, x, 0, false), *later = hl_scale(g, loss, 2);
    hl_tensor *outputs[] = {hl_gradient(g, loss, other), hl_gradient(g, loss, later), hl_gradient(g, loss, x)};
    float dother[4] = {9, 9, 9, 9}, dlater = 9, dx[6];
    run_once(g, x, halves, 6, outputs, 3, (float *[]){dother, &dlater, dx});
    for (size_t i = 0; i < 4; i++) ck_assert_float_eq(dother[i], 0);
    ck_assert_float_eq(dlater, 0);
    for (size_t i = 0; i < 6; i++) ck_assert_float_eq(dx[i], 1);
    hl_graph_destroy(g);
}
END_TEST

/* loss = sum of max(x w, 1 - w), written with a mask that depends on w itself. */
START_TEST(GradientsGoToWhatAMaskChoosesAndNotThroughIt) {
    const float x[4] = {3, 1, 1, 2}, w[4] = {0.5f, 0.25f, -2, 0.5f}, one = 1;
    hl_runtime *runtime = kit_runtime(1);
    hl_state *state = kit_state();
    hl_graph *g = kit_graph();
    hl_tensor *weights = hl_param(g, "w", HL_F32, HL_SHAPE(4));
    hl_tensor *a = hl_multiply(g, hl_constant(g, NULL, HL_F32, HL_SHAPE(4), x), weights);
    hl_tensor *b = hl_subtract(g, hl_constant(g, NULL, HL_F32, HL_SCALAR, &one), weights), *mask = hl_less(g, b, a);
    hl_tensor *loss = hl_sum(g, hl_select(g, mask, a, b), 0, false);
    hl_tensor *made[] = {loss, hl_gradient(g, loss, weights), mask};
    ck_assert_int_eq(hl_state_enter(state, "w", HL_F32, HL_SHAPE(4), w, sizeof w), HL_OK);
    hl_program *program = kit_program(runtime, g, state, made, 3);
    kit_run(program);
    float total, gradient[4];
    int32_t chosen[4];
    kit_read(program, made[0], &total, sizeof total);
    kit_read(program, made[1], gradient, sizeof gradient);
    kit_read(program, made[2], chosen, sizeof chosen);
    ck_assert_mem_eq(chosen, ((int32_t[]){1, 0, 0, 1}), sizeof chosen);
    ck_assert(total == 1.5f + 0.75f + 3 + 1);
    ck_assert_mem_eq(gradient, ((float[]){3, -1, -1, 2}), sizeof gradient);
    hl_program_destroy(program);
    hl_graph_destroy(g);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
}
END_TEST

START_TEST(SeveralLossesAreKeptApart) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 3)), *y = hl_scale(g, x, 2);
    hl_tensor *first = hl_sum(g, y, 0, false), *second = hl_sum(g, hl_multiply(g, y, x), 0, false);
    hl_tensor *outputs[] = {hl_gradient(g, first, x), hl_gradient(g, second, x), hl_gradient(g, second, y)};
    float d1[6], d2[6], dy[6];
    run_once(g, x, halves, 6, outputs, 3, (float *[]){d1, d2, dy});
    for (size_t i = 0; i < 6; i++) {
        ck_assert_float_eq(d1[i], 2);
        ck_assert_float_eq(d2[i], 4 * halves[i]);
        ck_assert_float_eq(dy[i], halves[i]);
    }
    hl_graph_destroy(g);
}
END_TEST

/* What is computed from gradients runs behind them. */
START_TEST(GradientsCanBeComputedWith) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 3));
    hl_tensor *dx = hl_gradient(g, hl_sum(g, hl_multiply(g, x, x), 0, false), x);
    hl_tensor *outputs[] = {hl_sum(g, hl_multiply(g, dx, dx), 0, false), hl_add(g, dx, x)};
    float norm, sum[6], wanted = 0;
    run_once(g, x, halves, 6, outputs, 2, (float *[]){&norm, sum});
    for (size_t i = 0; i < 6; i++) wanted += 4 * halves[i] * halves[i]; /* exact: few bits each */
    ck_assert_float_eq(norm, wanted);
    for (size_t i = 0; i < 6; i++) ck_assert_float_eq(sum[i], 3 * halves[i]);
    hl_graph_destroy(g);
}
END_TEST

/* ---- shares that a step takes: y = 2 a + 3 b ---- */

static hl_status infer_same(hl_inference *inference) {
    inference->output[0] = inference->input[0].shape;
    return HL_OK;
}

/* Operand `to` = factor * operand `from` + more * operand `added`, where either is there. */
static void combine(const hl_call *call, float factor, size_t from, float more, size_t added, size_t to) {
    const float *a = call->operand[from].data, *b = call->operand[added].data;
    hl_shape shape = call->operand[to].shape;
    for (size_t i = 0; hl_view_present(&call->operand[to]) && i < hl_shape_elements(&shape); i++)
        ((float *)call->operand[to].data)[i] =
            factor * a[i] + (hl_view_present(&call->operand[added]) ? more * b[i] : 0);
}

static void pair_kernel(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    combine(call, 2, 0, 3, 1, 2);
}

static void da_kernel(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    combine(call, 2, 0, 1, 1, 2);
}

static void db_kernel(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    combine(call, 3, 0, 1, 1, 2);
}

static void both_kernel(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    combine(call, 2, 0, 1, 1, 3);
    combine(call, 3, 0, 1, 2, 4);
}

/* Adds to what an earlier step has written. */
static void late_kernel(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    combine(call, 1, 0, 1, 1, 1);
}

static bool view_of_dy(const hl_call *call, const hl_view *source, hl_view *view, size_t *offset) {
    (void)call;
    (void)offset;
    memcpy(view->stride, source->stride, sizeof view->stride);
    return true;
}

static const hl_pass pair_pass = {.name = "forward", .kernel = pair_kernel},
                     da_pass = {.name = "da", .kernel = da_kernel}, db_pass = {.name = "db", .kernel = db_kernel},
                     late_pass = {.name = "late", .kernel = late_kernel},
                     both_pass = {.name = "both", .kernel = both_kernel};
static const hl_operator pair = {
    .name = "pair",
    .min_inputs = 2,
    .max_inputs = 2,
    .n_outputs = 1,
    .infer = infer_same,
    .forward = {{.pass = &pair_pass, .reads = {HL_IN(0), HL_IN(1)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &da_pass, .reads = {HL_DOUT(0), HL_SHARE(0)}, .writes = {HL_DIN(0)}},
                 {.pass = &db_pass, .reads = {HL_DOUT(0), HL_SHARE(1)}, .writes = {HL_DIN(1)}}}};

/* The gradient of sum(y + more x) with respect to x, of y = op(x, x) or of op(x, other), which is the same everywhere;
 * n_sums: calls that add shares. The reader behind y has its share ready before y's step runs. */
static float gradient_of(const hl_operator *op, bool twice, float more, size_t *n_sums) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 3)), *other = hl_input(g, "other", HL_F32, HL_SHAPE(2, 3));
    hl_tensor *y = hl_apply(g, op, (hl_tensor *[]){x, twice ? x : other}, 2, NULL, NULL);
    if (more != 0) y = hl_add(g, y, hl_scale(g, x, more));
    hl_tensor *loss = hl_sum(g, y, 0, false), *dx = hl_gradient(g, loss, x);
    hl__ir ir = {0};
    ck_assert_msg(kit_stages(&ir, g, &dx, 1, KIT_DIFFERENTIATED) == HL_OK, "%s", ir.message);
    *n_sums = kit_calls(&ir, ".sum.forward");
    hl__ir_clear(&ir);
    float values[6];
    run_once(g, x, halves, 6, &dx, 1, (float *[]){values});
    for (size_t i = 1; i < 6; i++) ck_assert_float_eq(values[i], values[0]);
    hl_graph_destroy(g);
    return values[0];
}

START_TEST(AStepThatTakesSharesMakesTheSum) {
    size_t n_sums;
    ck_assert_float_eq(gradient_of(&pair, false, 0, &n_sums), 2); /* nothing to take */
    ck_assert_uint_eq(n_sums, 0);
    ck_assert_float_eq(gradient_of(&pair, false, 5, &n_sums), 2 + 5);
    ck_assert_uint_eq(n_sums, 0);
}
END_TEST

/* The sums so far of a value that has a buffer to itself; a view's is the next one's business. */
START_TEST(AGradientMayLieOntoItsShare) {
    hl_operator onto = pair;
    onto.backward[0].onto_share = onto.backward[1].onto_share = true;
    size_t n_sums, n_buffers = 0;
    ck_assert_float_eq(gradient_of(&onto, false, 0, &n_sums), 2); /* nothing to lie onto */
    ck_assert_float_eq(gradient_of(&onto, false, 5, &n_sums), 2 + 5);
    ck_assert_float_eq(gradient_of(&onto, true, 5, &n_sums), 2 + 3 + 5);
    ck_assert_uint_eq(n_sums, 0);

    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 3)), *other = hl_input(g, "other", HL_F32, HL_SHAPE(2, 3));
    hl_tensor *y = hl_apply(g, &onto, (hl_tensor *[]){x, other}, 2, NULL, NULL);
    hl_tensor *dx = hl_gradient(g, hl_sum(g, hl_add(g, y, hl_scale(g, x, 5)), 0, false), x);
    hl__ir ir = {0};
    ck_assert_msg(kit_stages(&ir, g, &dx, 1, KIT_DIFFERENTIATED) == HL_OK, "%s", ir.message);
    for (size_t v = 0; v < ir.n_values; v++)
        n_buffers += strcmp(ir.values[v].name, "d.x") == 0 && ir.values[v].base == v;
    ck_assert_uint_eq(n_buffers, 1);
    hl__ir_clear(&ir);
    hl_graph_destroy(g);
}
END_TEST

/* The share is a view of the gradient of y, which the other input's step reads, too. */
START_TEST(AGradientLiesOntoNoView) {
    hl_operator onto = pair;
    onto.backward[0].onto_share = onto.backward[1].onto_share = true;
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 3)), *other = hl_input(g, "other", HL_F32, HL_SHAPE(2, 3));
    hl_tensor *y = hl_apply(g, &onto, (hl_tensor *[]){x, other}, 2, NULL, NULL);
    hl_tensor *loss = hl_sum(g, hl_add(g, y, x), 0, false);
    hl_tensor *outputs[] = {hl_gradient(g, loss, x), hl_gradient(g, loss, other), hl_gradient(g, loss, y)};
    float dx[6], d_other[6], dy[6];
    run_once(g, x, halves, 6, outputs, 3, (float *[]){dx, d_other, dy});
    for (size_t i = 0; i < 6; i++) ck_assert(dx[i] == 2 + 1 && d_other[i] == 3 && dy[i] == 1);
    hl_graph_destroy(g);
}
END_TEST

/* The second step of a node takes what the first one made; of two gradients that one step makes, one takes the sum. */
START_TEST(ANodeThatReadsATensorTwiceAddsBothShares) {
    size_t n_sums;
    ck_assert_float_eq(gradient_of(&pair, true, 0, &n_sums), 2 + 3);
    ck_assert_uint_eq(n_sums, 0);
    ck_assert_float_eq(gradient_of(&pair, true, 5, &n_sums), 2 + 3 + 5);
    ck_assert_uint_eq(n_sums, 0);
    hl_operator first = pair, at_once = pair;
    first.backward[1].reads[1] = HL_SHARE(HL_MAX_INPUTS - 1); /* never there: only the first step takes shares */
    ck_assert_float_eq(gradient_of(&first, true, 5, &n_sums), 2 + 3 + 5);
    ck_assert_uint_eq(n_sums, 1);
    at_once.backward[0] = (hl_step){
        .pass = &both_pass, .reads = {HL_DOUT(0), HL_SHARE(0), HL_SHARE(1)}, .writes = {HL_DIN(0), HL_DIN(1)}};
    at_once.backward[1] = (hl_step){.pass = NULL};
    ck_assert_float_eq(gradient_of(&at_once, true, 5, &n_sums), 2 + 3 + 5);
    ck_assert_uint_eq(n_sums, 1);
    ck_assert_float_eq(gradient_of(&at_once, false, 5, &n_sums), 2 + 5);
    ck_assert_uint_eq(n_sums, 0);
}
END_TEST

START_TEST(ViewsAndGradientsOfSeveralStepsTakeNoShares) {
    size_t n_sums;
    hl_operator viewed = pair, several = pair;
    viewed.backward[0].alias = view_of_dy;
    ck_assert_float_eq(gradient_of(&viewed, false, 0, &n_sums), 1);
    ck_assert_float_eq(gradient_of(&viewed, false, 5, &n_sums), 1 + 5);
    ck_assert_uint_eq(n_sums, 1);
    several.backward[2] = (hl_step){.pass = &late_pass, .reads = {HL_DOUT(0)}, .writes = {HL_DIN(0)}};
    ck_assert_float_eq(gradient_of(&several, false, 0, &n_sums), 1 + 2);
    ck_assert_float_eq(gradient_of(&several, false, 5, &n_sums), 1 + 2 + 5);
    ck_assert_uint_eq(n_sums, 1);
}
END_TEST

/* ---- refusals ---- */

static void copy_first(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    hl_shape shape = call->operand[0].shape;
    memcpy(call->operand[1].data, call->operand[0].data, hl_shape_elements(&shape) * sizeof(float));
}

static const hl_pass opaque_pass = {.name = "forward", .kernel = copy_first};
static const hl_operator opaque = {.name = "opaque",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .n_outputs = 1,
                                   .infer = infer_same,
                                   .forward = {{.pass = &opaque_pass, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}}};

START_TEST(AnOperatorWithoutGradientIsRefusedByName) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 3)), *scaled = hl_name(g, hl_scale(g, x, 2), "scaled");
    hl_tensor *y = hl_name(g, hl_apply(g, &opaque, &scaled, 1, NULL, NULL), "wall");
    hl_tensor *loss = hl_sum(g, y, 0, false);
    hl_tensor *good = hl_gradient(g, loss, y), *bad = hl_gradient(g, loss, x);
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, g, &good, 1, KIT_DIFFERENTIATED), HL_OK); /* does not go through it */
    hl__ir_clear(&ir);
    ck_assert_int_eq(kit_stages(&ir, g, &bad, 1, KIT_DIFFERENTIATED), HL_UNSUPPORTED);
    kit_assert_says(ir.message, "opaque 'wall'");
    kit_assert_says(ir.message, "'scaled'");
    hl__ir_clear(&ir);
    hl_graph_destroy(g);
}
END_TEST

START_TEST(ALossThatDependsOnAGradientIsRefusedByName) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 3));
    hl_tensor *dx = hl_gradient(g, hl_sum(g, hl_multiply(g, x, x), 0, false), x);
    hl_tensor *loss = hl_name(g, hl_sum(g, dx, 0, false), "second order"), *ddx = hl_gradient(g, loss, x);
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, g, &ddx, 1, KIT_DIFFERENTIATED), HL_UNSUPPORTED);
    kit_assert_says(ir.message, "'second order'");
    hl__ir_clear(&ir);
    hl_graph_destroy(g);
}
END_TEST

/* ---- only what is asked for is computed ---- */

START_TEST(NoStepRunsWhoseGradientNobodyAskedFor) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(4, 3)), *w = kit_param(g, "w", HL_SHAPE(3, 2));
    hl_tensor *loss = hl_sum(g, hl_name(g, hl_dense(g, x, w, NULL), "layer"), 0, false);
    hl_tensor *dw = hl_gradient(g, loss, w), *both[] = {dw, hl_gradient(g, loss, x)};
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, g, &loss, 1, KIT_DIFFERENTIATED), HL_OK);
    ck_assert_uint_eq(ir.n_calls, ir.n_forward);
    hl__ir_clear(&ir);
    size_t backward[2];
    for (size_t n = 0; n < 2; n++) {
        ck_assert_int_eq(kit_stages(&ir, g, both, n + 1, KIT_DIFFERENTIATED), HL_OK);
        backward[n] = ir.n_calls - ir.n_forward;
        bool writes_dx = false;
        for (size_t c = 0; c < ir.n_calls; c++)
            for (size_t i = ir.calls[c]->call.n_reads; i < ir.calls[c]->call.n_reads + ir.calls[c]->call.n_writes; i++)
                if (ir.calls[c]->operand[i] != HL__NONE)
                    writes_dx |= strcmp(ir.values[ir.values[ir.calls[c]->operand[i]].base].name, "d.x") == 0;
        ck_assert_int_eq(writes_dx, n == 1);
        hl__ir_clear(&ir);
    }
    ck_assert_uint_lt(backward[0], backward[1]);
    hl_graph_destroy(g);
}
END_TEST

int main(void) {
    return run_tests("graph/differentiate",
                     TESTS(GradientsOfAWholeModelAgreeWithDifferencesOfItsOracle, NoPassOfAModelOnlyAddsShares,
                           SharesOfSeveralReadersAddUp, ATensorThatANodeReadsTwiceGetsBothShares,
                           GradientsFlowBackThroughViews, ALossHasGradientOneWithRespectToItself,
                           WhatTheLossDoesNotDependOnHasGradientZero, GradientsGoToWhatAMaskChoosesAndNotThroughIt,
                           SeveralLossesAreKeptApart, GradientsCanBeComputedWith, AStepThatTakesSharesMakesTheSum,
                           AGradientMayLieOntoItsShare, AGradientLiesOntoNoView,
                           ANodeThatReadsATensorTwiceAddsBothShares, ViewsAndGradientsOfSeveralStepsTakeNoShares,
                           AnOperatorWithoutGradientIsRefusedByName, ALossThatDependsOnAGradientIsRefusedByName,
                           NoStepRunsWhoseGradientNobodyAskedFor));
}
