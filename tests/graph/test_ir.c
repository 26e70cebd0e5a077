/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Values, views, and the first stage: a program is built from what its outputs need and from nothing else. */
#include "graph/ir.h"
#include "tests/graph/kit.h"
#include "tests/support/suite.h"

/* Two branches over shared parameters, a loss on one of them. */
typedef struct model {
    hl_graph *graph;
    hl_tensor *x, *z, *w, *v, *target, *rate, *left, *right, *loss;
} model;

static model make_model(void) {
    model m = {.graph = kit_graph()};
    m.x = hl_input(m.graph, "x", HL_F32, HL_SHAPE(4, 3));
    m.z = hl_input(m.graph, "z", HL_F32, HL_SHAPE(4, 3));
    m.w = kit_param(m.graph, "w", HL_SHAPE(3, 2));
    m.v = kit_param(m.graph, "v", HL_SHAPE(3, 2));
    m.target = hl_input(m.graph, "target", HL_F32, HL_SHAPE(4, 2));
    m.rate = hl_input(m.graph, "rate", HL_F32, HL_SCALAR);
    m.left = hl_name(m.graph, hl_tanh(m.graph, hl_dense(m.graph, m.x, m.w, NULL)), "left");
    m.right = hl_name(m.graph, hl_exp(m.graph, hl_dense(m.graph, m.z, m.v, NULL)), "right");
    m.loss = hl_squared_error(m.graph, m.left, m.target);
    kit_assert_ok(m.graph, hl_graph_status(m.graph));
    return m;
}

static bool has(const hl__ir *ir, const hl_tensor *tensor) { return hl__ir_find(ir, tensor) != HL__NONE; }

START_TEST(AProgramHoldsWhatItsOutputsNeedAndNothingElse) {
    model m = make_model();
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, m.graph, &m.left, 1, KIT_BUILT), HL_OK);
    ck_assert(has(&ir, m.x) && has(&ir, m.w) && has(&ir, m.left));
    ck_assert(!has(&ir, m.z) && !has(&ir, m.v) && !has(&ir, m.right) && !has(&ir, m.loss) && !has(&ir, m.target));
    ck_assert_uint_eq(ir.n_nodes, 2);
    ck_assert(ir.values[hl__ir_find(&ir, m.left)].output);
    ck_assert(!ir.values[hl__ir_find(&ir, m.x)].output);
    hl__ir_clear(&ir);
    hl_graph_destroy(m.graph);
}
END_TEST

START_TEST(AGradientBringsItsLossAndItsTensor) {
    model m = make_model();
    hl_tensor *outputs[] = {hl_gradient(m.graph, m.loss, m.w), hl_gradient(m.graph, m.loss, m.v)};
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, m.graph, outputs, 1, KIT_BUILT), HL_OK);
    ck_assert(has(&ir, m.loss) && has(&ir, m.target) && has(&ir, m.w));
    ck_assert(!has(&ir, m.v) && !has(&ir, m.right));
    ck_assert_uint_eq(ir.n_gradients, 1);
    ck_assert_uint_eq(ir.gradients[0].loss, hl__ir_find(&ir, m.loss));
    ck_assert_uint_eq(ir.gradients[0].wrt, hl__ir_find(&ir, m.w));
    ck_assert_uint_eq(ir.gradients[0].value, hl__ir_find(&ir, outputs[0]));
    hl__ir_clear(&ir);
    /* also where the loss does not depend on it */
    ck_assert_int_eq(kit_stages(&ir, m.graph, outputs + 1, 1, KIT_BUILT), HL_OK);
    ck_assert(has(&ir, m.loss) && has(&ir, m.v) && !has(&ir, m.right));
    hl__ir_clear(&ir);
    hl_graph_destroy(m.graph);
}
END_TEST

START_TEST(AStepBringsItsUpdates) {
    model m = make_model();
    hl_tensor *step = hl_adamw(m.graph, m.loss, &(hl_adamw_options){.rate = m.rate});
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, m.graph, &m.loss, 1, KIT_BUILT), HL_OK);
    ck_assert_uint_eq(kit_nodes(&ir, "adamw") + kit_nodes(&ir, "advance"), 0);
    hl__ir_clear(&ir);
    ck_assert_int_eq(kit_stages(&ir, m.graph, &step, 1, KIT_BUILT), HL_OK);
    ck_assert_uint_eq(kit_nodes(&ir, "adamw"), 1);
    ck_assert_uint_eq(kit_nodes(&ir, "advance"), 2); /* the updates of the parameter, and the step */
    ck_assert(has(&ir, m.rate) && has(&ir, m.loss) && !has(&ir, m.v));
    for (size_t n = 0; n < ir.n_nodes; n++) {
        bool in_place = strcmp(ir.nodes[n].op->name, "adamw") == 0 || strcmp(ir.nodes[n].op->name, "advance") == 0;
        ck_assert_int_eq(ir.nodes[n].keep, in_place);
    }
    hl__ir_clear(&ir);
    hl_graph_destroy(m.graph);
}
END_TEST

START_TEST(OperandsComeBeforeResults) {
    model m = make_model();
    hl_tensor *outputs[] = {m.right, m.loss, hl_adamw(m.graph, m.loss, &(hl_adamw_options){.rate = m.rate})};
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, m.graph, outputs, 3, KIT_BUILT), HL_OK);
    char *made = calloc(ir.n_values, 1);
    for (uint32_t v = 0; v < ir.n_values; v++) made[v] = ir.values[v].kind != HL__VALUE_COMPUTED;
    for (size_t g = 0; g < ir.n_gradients; g++) made[ir.gradients[g].value] = 1;
    for (size_t n = 0; n < ir.n_nodes; n++) {
        for (size_t i = 0; i < ir.nodes[n].n_inputs; i++)
            ck_assert(ir.nodes[n].inputs[i] == HL__NONE || made[ir.nodes[n].inputs[i]]);
        for (size_t i = 0; i < ir.nodes[n].n_outputs; i++) made[ir.nodes[n].outputs[i]] = 1;
    }
    free(made);
    hl__ir_clear(&ir);
    hl_graph_destroy(m.graph);
}
END_TEST

START_TEST(KindsFollowFromTensors) {
    model m = make_model();
    hl_tensor *dropped = hl_dropout(m.graph, m.left, 0.5f, 1);
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, m.graph, &dropped, 1, KIT_BUILT), HL_OK);
    ck_assert_int_eq(ir.values[hl__ir_find(&ir, m.x)].kind, HL__VALUE_INPUT);
    ck_assert_int_eq(ir.values[hl__ir_find(&ir, m.w)].kind, HL__VALUE_STATE);
    ck_assert_int_eq(ir.values[hl__ir_find(&ir, m.left)].kind, HL__VALUE_COMPUTED);
    size_t n_states = 0;
    for (size_t v = 0; v < ir.n_values; v++) n_states += ir.values[v].kind == HL__VALUE_STATE;
    ck_assert_uint_eq(n_states, 2); /* w and the count of steps */
    hl__ir_clear(&ir);
    hl_graph_destroy(m.graph);
}
END_TEST

START_TEST(OutputsOfAnotherGraphAreRefused) {
    model m = make_model(), other = make_model();
    hl__ir ir = {0};
    ck_assert_int_eq(hl__ir_build(&ir, m.graph, (hl_tensor *[]){m.left, other.right}, 2), HL_INVALID_ARGUMENT);
    kit_assert_says(ir.message, "output 1 ('right')");
    hl__ir_clear(&ir);
    ck_assert_int_eq(hl__ir_build(&ir, m.graph, (hl_tensor *[]){NULL}, 1), HL_INVALID_ARGUMENT);
    kit_assert_says(ir.message, "output 0");
    hl__ir_clear(&ir);
    hl_graph_destroy(m.graph);
    hl_graph_destroy(other.graph);
}
END_TEST

START_TEST(TensorsMadeAfterAProgramAreNotFoundInIt) {
    model m = make_model();
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, m.graph, &m.left, 1, KIT_BUILT), HL_OK);
    ck_assert(!has(&ir, hl_relu(m.graph, m.left)));
    ck_assert(!has(&ir, NULL));
    hl__ir_clear(&ir);
    hl_graph_destroy(m.graph);
}
END_TEST

START_TEST(ValuesAreDenseAndNeverLoseTheirPlaces) {
    hl__ir ir = {0};
    hl_shape shape = HL_SHAPE(2, 3, 5);
    for (uint32_t i = 0; i < 100; i++) ck_assert_uint_eq(hl__ir_value(&ir, HL__VALUE_COMPUTED, "t", HL_F32, &shape), i);
    const hl__value *value = &ir.values[42];
    ck_assert_uint_eq(value->bytes, 120);
    ck_assert_uint_eq(value->base, 42);
    ck_assert_uint_eq(value->stride[0], 15);
    ck_assert_uint_eq(value->stride[1], 5);
    ck_assert_uint_eq(value->stride[2], 1);
    ck_assert(hl__ir_dense(value));
    hl_view view = hl__ir_view(&ir, 42), absent = hl__ir_view(&ir, HL__NONE);
    ck_assert(hl_view_present(&view) && !hl_view_present(&absent));
    ck_assert_ptr_null(view.data);
    hl__ir_clear(&ir);
    ck_assert_uint_eq(ir.n_values, 0);
    hl__ir_clear(&ir);
}
END_TEST

START_TEST(AViewThatIsAnOutputKeepsItsBuffer) {
    hl__ir ir = {0};
    hl_shape shape = HL_SHAPE(2, 3);
    uint32_t root = hl__ir_value(&ir, HL__VALUE_COMPUTED, "root", HL_F32, &shape);
    uint32_t seen = hl__ir_value(&ir, HL__VALUE_COMPUTED, "seen", HL_F32, &shape);
    uint32_t out = hl__ir_value(&ir, HL__VALUE_COMPUTED, "out", HL_F32, &shape);
    ir.values[seen].base = root;
    ir.values[seen].offset = 2;
    ir.values[seen].stride[0] = 1;
    ir.values[seen].stride[1] = 2;
    ir.values[out].output = true;
    hl__ir_become_view(&ir, out, seen);
    ck_assert_uint_eq(ir.values[out].base, root); /* not the view in between */
    ck_assert_uint_eq(ir.values[out].offset, 2);
    ck_assert_uint_eq(ir.values[out].stride[1], 2);
    ck_assert(ir.values[root].output);
    ck_assert(!hl__ir_dense(&ir.values[out]));
    hl__ir_clear(&ir);
}
END_TEST

START_TEST(UpdatesWriteState) {
    model m = make_model();
    hl_tensor *step = hl_adamw(m.graph, m.loss, &(hl_adamw_options){.rate = m.rate});
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, m.graph, &step, 1, KIT_DIFFERENTIATED), HL_OK);
    size_t n_writers = 0;
    for (size_t c = 0; c < ir.n_calls; c++) {
        bool updates = strstr(ir.calls[c]->name, ".update") != NULL; /* adamw, two of advance */
        ck_assert_int_eq(hl__ir_writes_state(&ir, ir.calls[c]), updates);
        n_writers += updates;
    }
    ck_assert_uint_eq(n_writers, 3);
    hl__ir_clear(&ir);
    hl_graph_destroy(m.graph);
}
END_TEST

START_TEST(StateIsWrittenThroughAViewAndNotByReading) {
    hl__ir ir = {0};
    hl_shape shape = HL_SHAPE(2, 3);
    uint32_t state = hl__ir_value(&ir, HL__VALUE_STATE, "state", HL_F32, &shape);
    uint32_t seen = hl__ir_value(&ir, HL__VALUE_COMPUTED, "seen", HL_F32, &shape);
    uint32_t other = hl__ir_value(&ir, HL__VALUE_COMPUTED, "other", HL_F32, &shape);
    hl__ir_become_view(&ir, seen, state);
    const hl__call writes_it = {.operand = {other, other, seen}, .call = {.n_reads = 1, .n_writes = 2}};
    const hl__call reads_it = {.operand = {state, seen, other, HL__NONE}, .call = {.n_reads = 2, .n_writes = 2}};
    ck_assert(hl__ir_writes_state(&ir, &writes_it));
    ck_assert(!hl__ir_writes_state(&ir, &reads_it));
    hl__ir_clear(&ir);
}
END_TEST

START_TEST(TheFirstErrorStays) {
    hl__ir ir = {0};
    ck_assert_int_eq(hl__ir_fail(&ir, HL_UNSUPPORTED, "first %d", 1), HL_UNSUPPORTED);
    ck_assert_int_eq(hl__ir_no_memory(&ir), HL_UNSUPPORTED);
    ck_assert_str_eq(ir.message, "first 1");
    hl__ir_clear(&ir);
}
END_TEST

int main(void) {
    return run_tests("graph/ir",
                     TESTS(AProgramHoldsWhatItsOutputsNeedAndNothingElse, AGradientBringsItsLossAndItsTensor,
                           AStepBringsItsUpdates, OperandsComeBeforeResults, KindsFollowFromTensors,
                           OutputsOfAnotherGraphAreRefused, TensorsMadeAfterAProgramAreNotFoundInIt,
                           ValuesAreDenseAndNeverLoseTheirPlaces, AViewThatIsAnOutputKeepsItsBuffer, UpdatesWriteState,
                           StateIsWrittenThroughAViewAndNotByReading, TheFirstErrorStays));
}
