/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Emission: views cost nothing, layouts that a pass does not take get one dense copy, and outputs that are views of
 * what changes are copies taken before it does. */
#include "graph/emit.h"

#include "graph/graph.h"
#include "tests/graph/kit.h"
#include "tests/support/suite.h"

static const hl__value *value_of(const hl__ir *ir, const hl_tensor *tensor) {
    uint32_t id = hl__ir_find(ir, tensor);
    ck_assert_uint_ne(id, HL__NONE);
    return &ir->values[id];
}

START_TEST(ChainsOfViewsAreOneViewOfTheFirstBuffer) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(4, 6, 5)), *y = hl_scale(g, x, 2);
    hl_tensor *sliced = hl_slice(g, y, 1, 2, 5);                              /* [4, 3, 5] */
    hl_tensor *turned = hl_transpose(g, sliced, (size_t[]){1, 0, 2});         /* [3, 4, 5] */
    hl_tensor *inner = hl_slice(g, turned, 2, 1, 4), *out = hl_exp(g, inner); /* [3, 4, 3] */
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, g, &out, 1, KIT_DIFFERENTIATED), HL_OK);
    const hl__value *view = value_of(&ir, inner);
    ck_assert_uint_eq(view->base, hl__ir_find(&ir, y));
    ck_assert_uint_eq(view->offset, 2 * 5 + 1);
    ck_assert_uint_eq(view->stride[0], 5);
    ck_assert_uint_eq(view->stride[1], 30);
    ck_assert_uint_eq(view->stride[2], 1);
    ck_assert_uint_eq(kit_calls(&ir, "scale_0.forward"), 1);
    ck_assert_uint_eq(value_of(&ir, sliced)->base, value_of(&ir, turned)->base);
    for (size_t c = 0; c < ir.n_calls; c++) {
        ck_assert_ptr_null(strstr(ir.calls[c]->name, "slice"));
        ck_assert_ptr_null(strstr(ir.calls[c]->name, "transpose"));
    }
    hl__ir_clear(&ir);
    hl_graph_destroy(g);
}
END_TEST

START_TEST(ReshapeIsAViewOfDenseValuesAndACopyOfOthers) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(4, 6)), *flat = hl_reshape(g, x, HL_SHAPE(24));
    hl_tensor *turned = hl_transpose(g, x, (size_t[]){1, 0}), *mixed = hl_reshape(g, turned, HL_SHAPE(24));
    hl_tensor *outputs[] = {hl_exp(g, flat), hl_exp(g, mixed)};
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, g, outputs, 2, KIT_DIFFERENTIATED), HL_OK);
    ck_assert_uint_eq(value_of(&ir, flat)->base, hl__ir_find(&ir, x));
    ck_assert_uint_ne(value_of(&ir, mixed)->base, hl__ir_find(&ir, x));
    hl__ir_clear(&ir);
    hl_graph_destroy(g);
}
END_TEST

/* ---- passes that want dense operands ---- */

static hl_status infer_same(hl_inference *inference) {
    inference->output[0] = inference->input[0].shape;
    return HL_OK;
}

static void negate(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    const float *from = call->operand[0].data;
    float *to = call->operand[1].data;
    for (size_t i = 0; i < hl_shape_elements(&call->operand[0].shape); i++) to[i] = -from[i];
}

static const hl_pass negate_pass = {.name = "forward", .kernel = negate}; /* HL_LAYOUT_DENSE */
static const hl_operator negate_dense = {
    .name = "negate",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .infer = infer_same,
    .forward = {{.pass = &negate_pass, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}}};

START_TEST(AViewIsMadeDenseOnceForAllWhoNeedIt) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 3)), *turned = hl_transpose(g, x, (size_t[]){1, 0});
    hl_tensor *first = hl_apply(g, &negate_dense, &turned, 1, NULL, NULL);
    hl_tensor *second = hl_apply(g, &negate_dense, &turned, 1, NULL, NULL);
    hl_tensor *straight = hl_apply(g, &negate_dense, &x, 1, NULL, NULL);
    hl_tensor *outputs[] = {first, second, straight};
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, g, outputs, 3, KIT_DIFFERENTIATED), HL_OK);
    ck_assert_uint_eq(ir.n_calls, 4); /* three and one copy */
    ck_assert_uint_eq(ir.calls[0]->operand[0], hl__ir_find(&ir, turned));
    ck_assert_uint_eq(ir.calls[0]->operand[1], value_of(&ir, turned)->dense);
    ck_assert_uint_eq(ir.calls[1]->operand[0], value_of(&ir, turned)->dense);
    ck_assert_uint_eq(ir.calls[2]->operand[0], value_of(&ir, turned)->dense);
    ck_assert_uint_eq(ir.calls[3]->operand[0], hl__ir_find(&ir, x));
    ck_assert(hl__ir_dense(&ir.values[value_of(&ir, turned)->dense]));
    hl__ir_clear(&ir);
    hl_graph_destroy(g);
}
END_TEST

START_TEST(KernelsSeeTheLayoutThatTheyAskFor) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 3)), *turned = hl_transpose(g, x, (size_t[]){1, 0});
    hl_tensor *y = hl_apply(g, &negate_dense, &turned, 1, NULL, NULL);
    hl_runtime *runtime = kit_runtime(2);
    hl_state *state = kit_state();
    hl_program *program = kit_program(runtime, g, state, &y, 1);
    float data[] = {1, 2, 3, 4, 5, 6}, read[6], wanted[] = {-1, -4, -2, -5, -3, -6};
    kit_write(program, x, data, sizeof data);
    kit_run(program);
    kit_read(program, y, read, sizeof read);
    ck_assert_mem_eq(read, wanted, sizeof read);
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    hl_graph_destroy(g);
}
END_TEST

/* ---- outputs ---- */

/* Views of what a program computes are read in place; the buffer is kept. */
START_TEST(AnOutputMayBeAViewOfAComputedValue) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 3)), *y = hl_scale(g, x, 2);
    hl_tensor *column = hl_slice(g, hl_transpose(g, y, (size_t[]){1, 0}), 1, 1, 2); /* [3, 1] */
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, g, &column, 1, KIT_DIFFERENTIATED), HL_OK);
    ck_assert_uint_eq(ir.n_calls, 1);
    ck_assert(value_of(&ir, y)->output);
    hl__ir_clear(&ir);
    hl_runtime *runtime = kit_runtime(2);
    hl_state *state = kit_state();
    hl_program *program = kit_program(runtime, g, state, &column, 1);
    float data[] = {1, 2, 3, 4, 5, 6}, read[3], wanted[] = {8, 10, 12};
    kit_write(program, x, data, sizeof data);
    kit_run(program);
    kit_read(program, column, read, sizeof read);
    ck_assert_mem_eq(read, wanted, sizeof read);
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    hl_graph_destroy(g);
}
END_TEST

START_TEST(AnOutputThatIsAViewOfAParameterIsCopiedBeforeTheUpdate) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(4, 3)), *w = kit_param(g, "w", HL_SHAPE(3, 2));
    hl_tensor *rate = hl_input(g, "rate", HL_F32, HL_SCALAR), *turned = hl_transpose(g, w, (size_t[]){1, 0});
    hl_tensor *flat = hl_reshape(g, w, HL_SHAPE(6));
    hl_tensor *loss = hl_sum(g, hl_dense(g, x, w, NULL), 0, false);
    hl_tensor *outputs[] = {turned, hl_sgd(g, loss, &(hl_sgd_options){.rate = rate}), flat, loss};
    hl_runtime *runtime = kit_runtime(2);
    hl_state *state = kit_state();
    hl_program *program = kit_program(runtime, g, state, outputs, 4);
    float data[12], one = 1, before[6], after[6], seen[6], seen_flat[6];
    for (size_t i = 0; i < 12; i++) data[i] = 1;
    kit_write(program, x, data, sizeof data);
    kit_write(program, rate, &one, sizeof one);
    for (int run = 0; run < 3; run++) {
        kit_read(program, w, before, sizeof before);
        kit_run(program);
        kit_read(program, turned, seen, sizeof seen);
        kit_read(program, flat, seen_flat, sizeof seen_flat);
        kit_read(program, w, after, sizeof after);
        ck_assert_mem_eq(seen_flat, before, sizeof before);
        for (size_t i = 0; i < 6; i++) {
            ck_assert_float_eq(seen[i % 2 * 3 + i / 2], before[i]);
            ck_assert_float_eq(after[i], before[i] - 4); /* four rows of ones, rate 1 */
        }
    }
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    hl_graph_destroy(g);
}
END_TEST

START_TEST(AnOutputThatIsAViewOfAnInputKeepsTheRunsValues) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 3)), *flat = hl_reshape(g, x, HL_SHAPE(6));
    hl_runtime *runtime = kit_runtime(2);
    hl_state *state = kit_state();
    hl_program *program = kit_program(runtime, g, state, &flat, 1);
    float data[] = {1, 2, 3, 4, 5, 6}, other[6] = {0}, read[6];
    kit_write(program, x, data, sizeof data);
    kit_run(program);
    kit_write(program, x, other, sizeof other);
    kit_read(program, flat, read, sizeof read);
    ck_assert_mem_eq(read, data, sizeof data);
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    hl_graph_destroy(g);
}
END_TEST

/* A gradient may stand for a view of an input: d sum(x * c) / dx is c itself where multiply's backward says so, and the
 * gradient of a reshaped tensor is a view of another gradient. Whatever it is, it can be read. */
START_TEST(GradientsThatAreViewsCanBeRead) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 3)), *c = hl_input(g, "c", HL_F32, HL_SHAPE(3, 2));
    hl_tensor *turned = hl_transpose(g, x, (size_t[]){1, 0}), *loss = hl_sum(g, hl_multiply(g, turned, c), 0, false);
    hl_tensor *outputs[] = {hl_gradient(g, loss, x), hl_gradient(g, loss, turned)};
    hl_runtime *runtime = kit_runtime(2);
    hl_state *state = kit_state();
    hl_program *program = kit_program(runtime, g, state, outputs, 2);
    float data[] = {1, 2, 3, 4, 5, 6}, other[6] = {0}, dx[6], dturned[6], wanted[] = {1, 3, 5, 2, 4, 6};
    kit_write(program, c, data, sizeof data);
    kit_run(program);
    kit_write(program, c, other, sizeof other);
    kit_read(program, outputs[0], dx, sizeof dx);
    kit_read(program, outputs[1], dturned, sizeof dturned);
    ck_assert_mem_eq(dx, wanted, sizeof dx);
    ck_assert_mem_eq(dturned, data, sizeof data);
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    hl_graph_destroy(g);
}
END_TEST

START_TEST(CallsAreNamedAfterNodeAndPass) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 3));
    hl_tensor *y = hl_name(g, hl_apply(g, &negate_dense, &x, 1, NULL, NULL), "minus");
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, g, &y, 1, KIT_DIFFERENTIATED), HL_OK);
    ck_assert_str_eq(ir.calls[0]->name, "minus.forward");
    ck_assert_uint_eq(ir.calls[0]->call.node_id, y->node->id);
    ck_assert_uint_eq(ir.calls[0]->call.n_reads, 1);
    ck_assert_uint_eq(ir.calls[0]->call.n_writes, 1);
    hl__ir_clear(&ir);
    hl_graph_destroy(g);
}
END_TEST

int main(void) {
    return run_tests("graph/emit",
                     TESTS(ChainsOfViewsAreOneViewOfTheFirstBuffer, ReshapeIsAViewOfDenseValuesAndACopyOfOthers,
                           AViewIsMadeDenseOnceForAllWhoNeedIt, KernelsSeeTheLayoutThatTheyAskFor,
                           AnOutputMayBeAViewOfAComputedValue, AnOutputThatIsAViewOfAParameterIsCopiedBeforeTheUpdate,
                           AnOutputThatIsAViewOfAnInputKeepsTheRunsValues, GradientsThatAreViewsCanBeRead,
                           CallsAreNamedAfterNodeAndPass));
}
