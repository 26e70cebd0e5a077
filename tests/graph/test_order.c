/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The serial order of calls: an update comes behind every other reader of what it overwrites, updates are counted when
 * they have run and the step behind all of them, what reads an update's result follows it, and nothing else moves. */
#include "graph/emit.h"
#include "graph/graph.h"
#include "tests/graph/kit.h"
#include "tests/support/suite.h"
#include "tests/support/two_block.h"

static uint32_t base_of(const hl__ir *ir, uint32_t value) {
    return value == HL__NONE ? HL__NONE : ir->values[value].base;
}

static bool reads(const hl__ir *ir, const hl__call *call, uint32_t base) {
    for (size_t i = 0; i < call->call.n_reads; i++)
        if (base_of(ir, call->operand[i]) == base) return true;
    return false;
}

static bool writes(const hl__ir *ir, const hl__call *call, uint32_t base) {
    for (size_t i = 0; i < call->call.n_writes; i++)
        if (base_of(ir, call->operand[call->call.n_reads + i]) == base) return true;
    return false;
}

static bool updates(const hl__ir *ir, const hl__call *call) {
    for (uint32_t v = 0; v < ir->n_values; v++)
        if (ir->values[v].kind == HL__VALUE_STATE && writes(ir, call, v)) return true;
    return false;
}

/* What must hold of any order. */
static void assert_ordered(const hl__ir *ir) {
    for (size_t late = 0; late < ir->n_calls; late++) {
        for (size_t i = 0; i < ir->calls[late]->call.n_reads; i++) {
            uint32_t base = base_of(ir, ir->calls[late]->operand[i]);
            if (base == HL__NONE || ir->values[base].kind != HL__VALUE_COMPUTED) continue;
            bool written = false;
            for (size_t early = 0; early < late; early++) written |= writes(ir, ir->calls[early], base);
            ck_assert_msg(written, "%s reads %s before it is written", ir->calls[late]->name, ir->values[base].name);
        }
    }
    for (uint32_t v = 0; v < ir->n_values; v++) {
        if (ir->values[v].kind != HL__VALUE_STATE) continue;
        size_t written = SIZE_MAX;
        for (size_t c = 0; c < ir->n_calls; c++) {
            ck_assert_msg(c <= written || !reads(ir, ir->calls[c], v), "%s reads %s after %s has overwritten it",
                          ir->calls[c]->name, ir->values[v].name, ir->calls[written]->name);
            if (writes(ir, ir->calls[c], v)) written = c;
        }
    }
}

static two_block make_model(void) {
    static const two_block_sizes sizes = {
        .batch = 2, .tokens = 4, .width = 8, .heads = 2, .hidden = 8, .classes = 3, .words = 5, .dropout = 0.1f};
    two_block m;
    two_block_build(&m, &sizes, kit_graph());
    return m;
}

static bool counts(const hl__call *call) { return strstr(call->name, "advance_") == call->name; }

START_TEST(UpdatesComeBehindAllOtherReadersAndTheStepIsCountedLast) {
    two_block m = make_model();
    hl_tensor *step = hl_adamw(m.graph, m.loss, &(hl_adamw_options){.rate = m.rate});
    hl_tensor *turned = hl_transpose(m.graph, m.params[3], (size_t[]){2, 0, 1}); /* a copy behind everything */
    hl_tensor *outputs[] = {step, m.loss, turned};
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, m.graph, outputs, 3, KIT_DIFFERENTIATED), HL_OK);
    assert_ordered(&ir);
    size_t n_updates = 0, n_counting = 0, most = HL_MAX_INPUTS - 3; /* counts of a call */
    for (size_t c = 0; c < ir.n_calls; c++) {
        n_counting += counts(ir.calls[c]);
        n_updates += updates(&ir, ir.calls[c]) && !counts(ir.calls[c]);
    }
    ck_assert_uint_eq(n_updates, TWO_BLOCK_PARAMS);
    ck_assert_uint_eq(n_counting, (TWO_BLOCK_PARAMS + most - 1) / most + 1);
    const hl__call *last = ir.calls[ir.n_calls - 1], *before = ir.calls[ir.n_calls - 2];
    ck_assert(writes(&ir, last, hl__ir_find(&ir, hl__graph_step(m.graph))));
    ck_assert(writes(&ir, before, hl__ir_find(&ir, step)));
    hl__ir_clear(&ir);
    hl_graph_destroy(m.graph);
}
END_TEST

/* An update follows its gradient closely: it does not wait for the end of the backward pass. */
START_TEST(UpdatesRunAsSoonAsTheyCan) {
    two_block m = make_model();
    hl_tensor *step = hl_adamw(m.graph, m.loss, &(hl_adamw_options){.rate = m.rate});
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, m.graph, &step, 1, KIT_DIFFERENTIATED), HL_OK);
    for (size_t c = 0; c < ir.n_calls; c++) {
        if (!updates(&ir, ir.calls[c]) || counts(ir.calls[c])) continue;
        /* with the call before it moved behind it, it would have come too early: that call, or another update that
         * became ready with it, made its gradient or was the last reader of its parameter */
        size_t before = c;
        while (before > 0 && updates(&ir, ir.calls[before - 1])) before--;
        ck_assert_uint_gt(before, 0);
        const hl__call *cause = ir.calls[before - 1];
        bool needed = false;
        for (size_t i = 0; i < ir.calls[c]->call.n_reads; i++) {
            uint32_t base = base_of(&ir, ir.calls[c]->operand[i]);
            if (base == HL__NONE) continue;
            needed |= writes(&ir, cause, base) || (ir.values[base].kind == HL__VALUE_STATE && reads(&ir, cause, base));
        }
        ck_assert_msg(needed, "%s could have run before %s", ir.calls[c]->name, cause->name);
    }
    hl__ir_clear(&ir);
    hl_graph_destroy(m.graph);
}
END_TEST

START_TEST(WithoutUpdatesNothingMoves) {
    two_block m = make_model();
    hl_tensor *outputs[] = {m.loss, hl_gradient(m.graph, m.loss, m.params[0])};
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, m.graph, outputs, 2, KIT_DIFFERENTIATED), HL_OK);
    assert_ordered(&ir);
    hl__call **before = calloc(ir.n_calls, sizeof *before);
    memcpy(before, ir.calls, ir.n_calls * sizeof *before);
    ck_assert_int_eq(hl__order_calls(&ir), HL_OK);
    ck_assert_mem_eq(before, ir.calls, ir.n_calls * sizeof *before);
    free(before);
    hl__ir_clear(&ir);
    hl_graph_destroy(m.graph);
}
END_TEST

/* ---- an operator of one's own that writes state ---- */

static hl_status infer_touch(hl_inference *inference) {
    inference->output[0] = inference->input[0].shape;
    return HL_OK;
}

/* out = w; w += 1 */
static void touch(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    float *w = call->operand[1].data, *out = call->operand[2].data;
    for (size_t i = 0; i < hl_shape_elements(&call->operand[1].shape); i++) {
        out[i] = w[i];
        w[i] += 1;
    }
}

static const hl_pass touch_pass = {.name = "forward", .kernel = touch};
static const hl_operator toucher = {
    .name = "touch",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .infer = infer_touch,
    .forward = {{.pass = &touch_pass, .reads = {HL_IN(0)}, .writes = {HL_IN(0), HL_OUT(0)}}}};

/* The update waits for a reader that comes late, the copy of the transposed parameter; what reads the update's result
 * must wait with it. */
START_TEST(WhatReadsAnUpdatesResultFollowsIt) {
    hl_graph *g = kit_graph();
    hl_tensor *w = hl_param(g, "w", HL_F32, HL_SHAPE(2, 3)), *turned = hl_transpose(g, w, (size_t[]){1, 0});
    hl_tensor *old = hl_apply(g, &toucher, &w, 1, NULL, NULL), *twice = hl_scale(g, hl_exp(g, hl_scale(g, old, 0)), 2);
    hl_tensor *plus = hl_add(g, old, twice), *outputs[] = {plus, turned};
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, g, outputs, 2, KIT_DIFFERENTIATED), HL_OK);
    assert_ordered(&ir);
    hl__ir_clear(&ir);
    hl_runtime *runtime = kit_runtime(2);
    hl_state *state = kit_state();
    hl_program *program = kit_program(runtime, g, state, outputs, 2);
    for (int run = 0; run < 3; run++) {
        float read[6], seen[6];
        kit_run(program);
        kit_read(program, plus, read, sizeof read);
        kit_read(program, turned, seen, sizeof seen);
        for (size_t i = 0; i < 6; i++) ck_assert_float_eq(read[i], (float)run + 2);
        for (size_t i = 0; i < 6; i++) ck_assert_float_eq(seen[i], (float)run);
    }
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    hl_graph_destroy(g);
}
END_TEST

START_TEST(TwoUpdatesThatOverwriteEachOtherAreRefusedByName) {
    hl_graph *g = kit_graph();
    hl_tensor *w = hl_param(g, "w", HL_F32, HL_SHAPE(2, 3));
    hl_tensor *outputs[] = {hl_name(g, hl_apply(g, &toucher, &w, 1, NULL, NULL), "first"),
                            hl_name(g, hl_apply(g, &toucher, &w, 1, NULL, NULL), "second")};
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, g, outputs, 1, KIT_DIFFERENTIATED), HL_OK);
    hl__ir_clear(&ir);
    ck_assert_int_eq(kit_stages(&ir, g, outputs, 2, KIT_DIFFERENTIATED), HL_UNSUPPORTED);
    kit_assert_says(ir.message, "'w' is updated by 'first.forward' and by 'second.forward'");
    hl__ir_clear(&ir);
    hl_graph_destroy(g);
}
END_TEST

int main(void) {
    return run_tests("graph/order",
                     TESTS(UpdatesComeBehindAllOtherReadersAndTheStepIsCountedLast, UpdatesRunAsSoonAsTheyCan,
                           WithoutUpdatesNothingMoves, WhatReadsAnUpdatesResultFollowsIt,
                           TwoUpdatesThatOverwriteEachOtherAreRefusedByName));
}
