/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Gradients are placeholders, made once for each pair; optimisers choose their parameters, name their moments, leave
 * frozen parameters alone and count the step behind all updates. */
#include "graph/graph.h"

#include <math.h>

#include "tests/graph/kit.h"
#include "tests/support/suite.h"

/* loss = squared error of x w + b against a target; `other` is a parameter that it does not depend on. */
typedef struct model {
    hl_graph *graph;
    hl_tensor *x, *w, *b, *other, *target, *rate, *y, *loss;
} model;

static model make_model(void) {
    model m = {.graph = kit_graph()};
    m.x = hl_input(m.graph, "x", HL_F32, HL_SHAPE(4, 3));
    m.w = kit_param(m.graph, "w", HL_SHAPE(3, 2));
    m.b = kit_param(m.graph, "b", HL_SHAPE(2));
    m.other = kit_param(m.graph, "other", HL_SHAPE(5));
    m.target = hl_input(m.graph, "target", HL_F32, HL_SHAPE(4, 2));
    m.rate = hl_input(m.graph, "rate", HL_F32, HL_SCALAR);
    m.y = hl_dense(m.graph, m.x, m.w, m.b);
    m.loss = hl_squared_error(m.graph, m.y, m.target);
    kit_assert_ok(m.graph, hl_graph_status(m.graph));
    return m;
}

static void assert_failed(model *m, const hl_tensor *made, hl_status status, const char *part) {
    ck_assert_ptr_null(made);
    ck_assert_int_eq(hl_graph_status(m->graph), status);
    kit_assert_says(hl_graph_error(m->graph), part);
    hl_graph_destroy(m->graph);
    *m = make_model();
}

/* ---- gradients ---- */

START_TEST(AGradientIsMadeOnceAndShapedLikeItsTensor) {
    model m = make_model();
    hl_tensor *dw = hl_gradient(m.graph, m.loss, m.w), *db = hl_gradient(m.graph, m.loss, m.b);
    ck_assert_ptr_nonnull(dw);
    ck_assert_ptr_ne(dw, db);
    ck_assert_ptr_eq(hl_gradient(m.graph, m.loss, m.w), dw);
    ck_assert_uint_eq(hl_tensor_shape(dw).rank, 2);
    ck_assert_uint_eq(hl_tensor_shape(dw).extent[0], 3);
    ck_assert_int_eq(hl_tensor_dtype(dw), HL_F32);
    hl_tensor *half = hl_scale(m.graph, m.loss, 0.5f);
    ck_assert_ptr_ne(hl_gradient(m.graph, half, m.w), dw); /* another loss */
    uint32_t before = m.graph->n_tensors;
    hl_adamw(m.graph, m.loss, &(hl_adamw_options){.rate = m.rate});
    for (hl_tensor *t = m.graph->tensors; t; t = t->next)
        ck_assert(t->id < before || t->kind != HL__TENSOR_GRADIENT); /* the optimiser took those */
    hl_graph_destroy(m.graph);
}
END_TEST

START_TEST(GradientsOfWhatIsNoLossAreRefused) {
    model m = make_model();
    assert_failed(&m, hl_gradient(m.graph, m.y, m.w), HL_SHAPE_MISMATCH, "[4, 2]");
    assert_failed(&m, hl_gradient(m.graph, NULL, m.w), HL_INVALID_ARGUMENT, "gradient");
    assert_failed(&m, hl_gradient(m.graph, m.loss, NULL), HL_INVALID_ARGUMENT, "gradient");
    hl_tensor *index = hl_input(m.graph, "index", HL_I32, HL_SHAPE(4));
    assert_failed(&m, hl_gradient(m.graph, m.loss, index), HL_TYPE_MISMATCH, "'index'");
    index = hl_input(m.graph, "count", HL_I32, HL_SCALAR);
    assert_failed(&m, hl_gradient(m.graph, index, m.w), HL_SHAPE_MISMATCH, "'count'");
    model other = make_model();
    assert_failed(&m, hl_gradient(m.graph, m.loss, other.other), HL_INVALID_ARGUMENT, "'other'");
    hl_graph_destroy(other.graph);
    hl_graph_destroy(m.graph);
}
END_TEST

/* ---- which parameters ---- */

static const hl_tensor *input_of(const hl__node *node, const char *name) {
    for (size_t i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] && strcmp(node->inputs[i]->name, name) == 0) return node->inputs[i];
    return NULL;
}

/* The update of a parameter among those that a step waits for, or NULL. */
static const hl__node *update_of(const hl_tensor *step, const hl_tensor *param) {
    for (size_t i = 0; i < step->node->n_after; i++)
        if (input_of(step->node->after[i], param->name) == param) return step->node->after[i];
    return NULL;
}

START_TEST(OptimisersChooseWhatTheLossDependsOnAndIsNotFrozen) {
    model m = make_model();
    hl_param_freeze(m.graph, m.b);
    hl_tensor *step = hl_adamw(m.graph, m.loss, &(hl_adamw_options){.rate = m.rate});
    kit_assert_ok(m.graph, hl_graph_status(m.graph));
    ck_assert_int_eq(hl_tensor_dtype(step), HL_I32);
    ck_assert_uint_eq(hl_tensor_shape(step).rank, 0);
    ck_assert_uint_eq(step->node->n_after, 2); /* an update, and the count of the step */
    ck_assert_ptr_null(update_of(step, m.b));
    ck_assert_ptr_nonnull(update_of(step, hl__graph_step(m.graph)));
    const hl__node *update = update_of(step, m.w);
    ck_assert_ptr_nonnull(update);
    ck_assert_str_eq(update->op->name, "adamw");
    ck_assert_str_eq(update->inputs[1]->name, "adamw.m/w");
    ck_assert_str_eq(update->inputs[2]->name, "adamw.v/w");
    ck_assert_ptr_eq(update->inputs[3], hl_gradient(m.graph, m.loss, m.w));
    ck_assert_str_eq(update->inputs[5]->name, "adamw.t/w");
    ck_assert_ptr_nonnull(input_of(step->node, "adamw.t/w"));
    hl_graph_destroy(m.graph);
}
END_TEST

START_TEST(ParametersThatAreAskedForAreTrainedOnceEvenIfFrozen) {
    model m = make_model();
    hl_param_freeze(m.graph, m.b);
    hl_tensor *asked[] = {m.b, m.b, m.other};
    hl_tensor *step =
        hl_sgd(m.graph, m.loss, &(hl_sgd_options){.rate = m.rate, .momentum = 0.9f, .params = asked, .n_params = 3});
    kit_assert_ok(m.graph, hl_graph_status(m.graph));
    ck_assert_uint_eq(step->node->n_after, 3); /* two updates, and the count of the step */
    ck_assert_ptr_nonnull(update_of(step, m.b));
    ck_assert_ptr_nonnull(update_of(step, m.other));
    ck_assert_str_eq(update_of(step, m.b)->inputs[1]->name, "sgd.v/b");
    hl_graph_destroy(m.graph);
}
END_TEST

START_TEST(DecayIsForMatricesUnlessTheirMakerSaysOtherwise) {
    model m = make_model();
    hl_tensor *step = hl_adamw(m.graph, m.loss, &(hl_adamw_options){.rate = m.rate, .decay = 0.1f, .beta2 = 0.98f});
    kit_assert_ok(m.graph, hl_graph_status(m.graph));
    const hl_adamw_config *w = update_of(step, m.w)->options, *b = update_of(step, m.b)->options;
    ck_assert_float_eq(w->decay, 0.1f);
    ck_assert_float_eq(b->decay, 0);
    ck_assert_float_eq(w->beta2, 0.98f);
    ck_assert_ptr_eq(hl_param_decay(m.graph, m.w, false), m.w);
    ck_assert_ptr_eq(hl_param_decay(m.graph, m.b, true), m.b);
    ck_assert_ptr_eq(hl_param(m.graph, "w", HL_F32, HL_SHAPE(3, 2)), m.w); /* asking for it again changes nothing */
    step = hl_adamw(m.graph, m.loss, &(hl_adamw_options){.rate = m.rate, .decay = 0.1f});
    ck_assert_float_eq(((const hl_adamw_config *)update_of(step, m.w)->options)->decay, 0);
    ck_assert_float_eq(((const hl_adamw_config *)update_of(step, m.b)->options)->decay, 0.1f);
    assert_failed(&m, hl_param_decay(m.graph, m.x, true), HL_INVALID_ARGUMENT, "'x' is no parameter");
    assert_failed(&m, hl_param_decay(m.graph, NULL, true), HL_INVALID_ARGUMENT, "hl_param_decay");
    step = hl_sgd(m.graph, m.loss, &(hl_sgd_options){.rate = m.rate, .decay = 0.1f});
    kit_assert_ok(m.graph, hl_graph_status(m.graph));
    const hl_sgd_config *plain = update_of(step, m.w)->options;
    ck_assert_float_eq(plain->decay, 0.1f);
    ck_assert_float_eq(((const hl_sgd_config *)update_of(step, m.b)->options)->decay, 0);
    ck_assert_ptr_null(update_of(step, m.w)->inputs[1]); /* no momentum, no velocity */
    hl_graph_destroy(m.graph);
}
END_TEST

START_TEST(WrongLossRateAndParametersAreRefused) {
    model m = make_model(), other = make_model();
    hl_adamw_options rated = {.rate = m.rate};
    assert_failed(&m, hl_adamw(m.graph, m.loss, NULL), HL_INVALID_ARGUMENT, "adamw: the rate");
    assert_failed(&m, hl_adamw(m.graph, m.loss, &(hl_adamw_options){.rate = m.x}), HL_INVALID_ARGUMENT, "'x'");
    assert_failed(&m, hl_sgd(m.graph, m.loss, &(hl_sgd_options){.rate = other.rate}), HL_INVALID_ARGUMENT, "'rate'");
    rated.rate = m.rate;
    assert_failed(&m, hl_adamw(m.graph, m.y, &rated), HL_INVALID_ARGUMENT, m.y->name);
    rated.rate = m.rate;
    assert_failed(&m, hl_adamw(m.graph, NULL, &rated), HL_INVALID_ARGUMENT, "loss");
    hl_tensor *input = m.x, *none = NULL;
    assert_failed(&m, hl_sgd(m.graph, m.loss, &(hl_sgd_options){.rate = m.rate, .params = &input, .n_params = 1}),
                  HL_INVALID_ARGUMENT, "'x' is no parameter");
    assert_failed(&m, hl_sgd(m.graph, m.loss, &(hl_sgd_options){.rate = m.rate, .params = &none, .n_params = 1}),
                  HL_INVALID_ARGUMENT, "is no parameter");
    assert_failed(&m, hl_sgd(m.graph, m.loss, &(hl_sgd_options){.rate = m.rate, .params = &other.w, .n_params = 1}),
                  HL_INVALID_ARGUMENT, "'w' is no parameter of this graph");
    assert_failed(&m, hl_sgd(m.graph, m.loss, &(hl_sgd_options){.rate = m.rate, .params = &m.w}), HL_INVALID_ARGUMENT,
                  "0 parameters");
    assert_failed(&m, hl_sgd(m.graph, m.loss, &(hl_sgd_options){.rate = m.rate, .n_params = 2}), HL_INVALID_ARGUMENT,
                  "2 parameters");
    hl_param_freeze(m.graph, m.w);
    hl_param_freeze(m.graph, m.b);
    rated.rate = m.rate;
    assert_failed(&m, hl_adamw(m.graph, m.loss, &rated), HL_INVALID_ARGUMENT, "depends on no parameter");
    hl_graph_destroy(m.graph);
    hl_graph_destroy(other.graph);
}
END_TEST

typedef struct wrong_option {
    const char *named; /* operator, option and value */
    hl_adamw_options adamw;
    hl_sgd_options sgd;
} wrong_option;

/* Whatever is trained: a bias that does not decay, too. */
START_TEST(OptionsOutOfRangeAreRefusedByNameAndValue) {
    static const wrong_option wrong[] = {{"beta1 -0.25 ", .adamw.beta1 = -0.25f},
                                         {"beta1 1 ", .adamw.beta1 = 1},
                                         {"beta1 nan ", .adamw.beta1 = NAN},
                                         {"beta2 -inf ", .adamw.beta2 = -INFINITY},
                                         {"beta2 1.5 ", .adamw.beta2 = 1.5f},
                                         {"epsilon -1e-08 ", .adamw.epsilon = -1e-8f},
                                         {"epsilon inf ", .adamw.epsilon = INFINITY},
                                         {"epsilon nan ", .adamw.epsilon = NAN},
                                         {"decay -0.5 ", .adamw.decay = -0.5f},
                                         {"decay nan ", .adamw.decay = NAN},
                                         {"decay inf ", .adamw.decay = INFINITY},
                                         {"momentum -0.5 ", .sgd.momentum = -0.5f},
                                         {"momentum 1 ", .sgd.momentum = 1},
                                         {"momentum nan ", .sgd.momentum = NAN},
                                         {"decay -2 ", .sgd.decay = -2},
                                         {"decay nan ", .sgd.decay = NAN}};
    model m = make_model();
    for (size_t i = 0; i < 2 * KIT_COUNT(wrong); i++) {
        const wrong_option *w = &wrong[i / 2];
        bool is_sgd = w >= &wrong[11];
        hl_adamw_options adamw = w->adamw;
        hl_sgd_options sgd = w->sgd;
        adamw.rate = sgd.rate = m.rate;
        adamw.params = sgd.params = i % 2 ? &m.b : NULL;
        adamw.n_params = sgd.n_params = i % 2;
        hl_tensor *made = is_sgd ? hl_sgd(m.graph, m.loss, &sgd) : hl_adamw(m.graph, m.loss, &adamw);
        kit_assert_says(hl_graph_error(m.graph), is_sgd ? "sgd" : "adamw");
        assert_failed(&m, made, HL_OUT_OF_RANGE, w->named);
    }
    hl_adamw_options adamw = {.rate = m.rate, .beta1 = -0.0f}; /* zero, the default */
    ck_assert_ptr_nonnull(hl_adamw(m.graph, m.loss, &adamw));
    hl_graph_destroy(m.graph);
}
END_TEST

/* ---- a step ---- */

START_TEST(AStepChangesWhatIsTrainedAndNothingElse) {
    model m = make_model();
    hl_param_freeze(m.graph, m.b);
    hl_tensor *step = hl_sgd(m.graph, m.loss, &(hl_sgd_options){.rate = m.rate});
    hl_runtime *runtime = kit_runtime(2);
    hl_state *state = kit_state();
    hl_tensor *outputs[] = {m.loss, step, hl_gradient(m.graph, m.loss, m.w)};
    hl_program *program = kit_program(runtime, m.graph, state, outputs, 3);
    float x[12], target[8], rate = 0.25f, w[6], b[2], dw[6], w_after[6], b_after[2];
    kit_fill(x, 12, 1);
    kit_fill(target, 8, 2);
    kit_write(program, m.x, x, sizeof x);
    kit_write(program, m.target, target, sizeof target);
    kit_write(program, m.rate, &rate, sizeof rate);
    for (int32_t run = 1, finished; run <= 3; run++) {
        ck_assert_int_eq(hl_state_read(state, "w", w, sizeof w), HL_OK);
        ck_assert_int_eq(hl_state_read(state, "b", b, sizeof b), HL_OK);
        kit_run(program);
        kit_read(program, step, &finished, sizeof finished);
        ck_assert_int_eq(finished, run);
        kit_read(program, outputs[2], dw, sizeof dw);
        ck_assert_int_eq(hl_state_read(state, "w", w_after, sizeof w_after), HL_OK);
        ck_assert_int_eq(hl_state_read(state, "b", b_after, sizeof b_after), HL_OK);
        ck_assert_mem_eq(b, b_after, sizeof b);
        /* w - rate dw rounds once with a fused multiply-add, else twice: at most 2 u of what is rounded */
        for (size_t i = 0; i < 6; i++) {
            double exact = (double)w[i] - 0.25 * (double)dw[i];
            double bound = 2 * KIT_UNIT * (fabs((double)w[i]) + fabs(exact));
            ck_assert_double_le(fabs((double)w_after[i] - exact), bound);
            ck_assert(w_after[i] != w[i]);
        }
    }
    ck_assert_int_eq(hl_state_read(state, "other", w, 20), HL_NOT_FOUND); /* the program does not need it */
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    hl_graph_destroy(m.graph);
}
END_TEST

int main(void) {
    return run_tests("graph/optimise",
                     TESTS(AGradientIsMadeOnceAndShapedLikeItsTensor, GradientsOfWhatIsNoLossAreRefused,
                           OptimisersChooseWhatTheLossDependsOnAndIsNotFrozen,
                           ParametersThatAreAskedForAreTrainedOnceEvenIfFrozen,
                           DecayIsForMatricesUnlessTheirMakerSaysOtherwise, WrongLossRateAndParametersAreRefused,
                           OptionsOutOfRangeAreRefusedByNameAndValue, AStepChangesWhatIsTrainedAndNothingElse));
}
