/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Graph building: leaves are checked, the first error stays, nodes are named, the ranges of index inputs follow from
 * their consumers, a user's own operator passes the same checks as a built-in one. */
#include "graph/graph.h"

#include <limits.h>
#include <stdint.h>

#include "headloom/options.h"
#include "tests/graph/kit.h"
#include "tests/support/suite.h"

static void assert_failed(hl_graph *graph, const hl_tensor *result, hl_status status, const char *part) {
    ck_assert_ptr_null(result);
    ck_assert_msg(hl_graph_status(graph) == status, "%s, not %s", hl_status_string(hl_graph_status(graph)),
                  hl_status_string(status));
    kit_assert_says(hl_graph_error(graph), part);
    hl_graph_destroy(graph);
}

/* ---- leaves ---- */

START_TEST(LeavesAreWhatWasAskedFor) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_I32, HL_SHAPE(2, 3)), *s = hl_input(g, "s", HL_F32, HL_SCALAR);
    hl_tensor *w = hl_param(g, "w", HL_F32, HL_SHAPE(4));
    ck_assert_str_eq(hl_tensor_name(x), "x");
    ck_assert_int_eq(hl_tensor_dtype(x), HL_I32);
    ck_assert_uint_eq(hl_tensor_shape(x).extent[1], 3);
    ck_assert_uint_eq(hl_tensor_shape(s).rank, 0);
    ck_assert_ptr_eq(hl_param(g, "w", HL_F32, HL_SHAPE(4)), w);
    ck_assert_int_eq(hl_graph_status(g), HL_OK);
    ck_assert_str_eq(hl_graph_error(g), "");
    hl_graph_destroy(g);
}
END_TEST

START_TEST(LeavesWithoutNameTypeOrElementsAreRefused) {
    hl_graph *g = kit_graph();
    assert_failed(g, hl_input(g, NULL, HL_F32, HL_SCALAR), HL_INVALID_ARGUMENT, "name");
    g = kit_graph();
    assert_failed(g, hl_param(g, "", HL_F32, HL_SCALAR), HL_INVALID_ARGUMENT, "name");
    g = kit_graph();
    assert_failed(g, hl_input(g, "x", HL_NONE, HL_SCALAR), HL_INVALID_ARGUMENT, "'x'");
    g = kit_graph();
    assert_failed(g, hl_input(g, "x", (hl_dtype)77, HL_SCALAR), HL_INVALID_ARGUMENT, "77");
    g = kit_graph();
    assert_failed(g, hl_input(g, "x", HL_F32, (hl_shape){.rank = 7}), HL_INVALID_ARGUMENT, "rank 7");
    g = kit_graph();
    assert_failed(g, hl_input(g, "x", HL_F32, HL_SHAPE(2, 0, 3)), HL_OUT_OF_RANGE, "[2, 0, 3]");
    g = kit_graph();
    assert_failed(g, hl_param(g, "x", HL_F32, HL_SHAPE(SIZE_MAX / 2, 4)), HL_OUT_OF_RANGE, "'x'");
    g = kit_graph();
    assert_failed(g, hl_param(g, "w", HL_I32, HL_SCALAR), HL_UNSUPPORTED, "'w'");
    ck_assert_ptr_null(hl_input(NULL, "x", HL_F32, HL_SCALAR));
    ck_assert_ptr_null(hl_param(NULL, "x", HL_F32, HL_SCALAR));
}
END_TEST

START_TEST(ANameMeansOneLeaf) {
    hl_graph *g = kit_graph();
    hl_input(g, "x", HL_F32, HL_SCALAR);
    assert_failed(g, hl_input(g, "x", HL_F32, HL_SCALAR), HL_EXISTS, "'x'");
    g = kit_graph();
    hl_param(g, "w", HL_F32, HL_SHAPE(2, 3));
    hl_tensor *other = hl_param(g, "w", HL_F32, HL_SHAPE(3, 2));
    kit_assert_says(hl_graph_error(g), "[2, 3]");
    assert_failed(g, other, HL_SHAPE_MISMATCH, "[3, 2]");
    g = kit_graph();
    hl_input(g, "w", HL_F32, HL_SCALAR);
    assert_failed(g, hl_param(g, "w", HL_F32, HL_SCALAR), HL_EXISTS, "input");
    g = kit_graph();
    hl_param(g, "step", HL_F32, HL_SCALAR); /* the name of the counter of steps */
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(4));
    assert_failed(g, hl_dropout(g, x, 0.5f, 1), HL_EXISTS, "'step'");
}
END_TEST

START_TEST(ParametersAreFoundByTheirNames) {
    hl_graph *g = kit_graph();
    hl_tensor *w = hl_param(g, "w", HL_F32, HL_SHAPE(4));
    hl_input(g, "x", HL_F32, HL_SCALAR);
    ck_assert_ptr_eq(hl_param_find(g, "w"), w);
    ck_assert_ptr_null(hl_param_find(g, "x"));
    ck_assert_ptr_null(hl_param_find(g, "v"));
    ck_assert_ptr_null(hl_param_find(g, NULL));
    ck_assert_ptr_null(hl_param_find(NULL, "w"));
    kit_assert_ok(g, hl_graph_status(g));
    hl_graph_destroy(g);
}
END_TEST

START_TEST(ConstantsAreLeavesWithValues) {
    hl_graph *g = kit_graph();
    hl_tensor *c = hl_constant(g, "c", HL_I32, HL_SHAPE(2, 2), (int32_t[]){1, 2, 3, -4});
    hl_tensor *unnamed = hl_constant(g, NULL, HL_F32, HL_SCALAR, &(float){2});
    hl_tensor *other = hl_constant(g, NULL, HL_F32, HL_SCALAR, &(float){2});
    ck_assert_str_eq(hl_tensor_name(c), "c");
    ck_assert_int_eq(hl_tensor_dtype(c), HL_I32);
    ck_assert_uint_eq(hl_tensor_shape(c).rank, 2);
    ck_assert_str_eq(hl_tensor_name(unnamed), "constant_1");
    ck_assert_str_eq(hl_tensor_name(other), "constant_2");
    kit_assert_ok(g, hl_graph_status(g));
    hl_graph_destroy(g);
    ck_assert_ptr_null(hl_constant(NULL, "c", HL_F32, HL_SCALAR, &(float){2}));
}
END_TEST

START_TEST(ConstantsWithoutValuesTypeElementsOrANameOfTheirOwnAreRefused) {
    hl_graph *g = kit_graph();
    assert_failed(g, hl_constant(g, "c", HL_F32, HL_SCALAR, NULL), HL_INVALID_ARGUMENT, "'c': the values are NULL");
    g = kit_graph();
    assert_failed(g, hl_constant(g, "", HL_F32, HL_SCALAR, &(float){1}), HL_INVALID_ARGUMENT, "name");
    g = kit_graph();
    assert_failed(g, hl_constant(g, "c", HL_NONE, HL_SCALAR, &(float){1}), HL_INVALID_ARGUMENT, "'c'");
    g = kit_graph();
    assert_failed(g, hl_constant(g, "c", HL_F32, HL_SHAPE(2, 0), &(float){1}), HL_OUT_OF_RANGE, "[2, 0]");
    g = kit_graph();
    hl_param(g, "w", HL_F32, HL_SCALAR);
    assert_failed(g, hl_constant(g, "w", HL_F32, HL_SCALAR, &(float){1}), HL_EXISTS, "'w'");
    g = kit_graph();
    hl_constant(g, "c", HL_F32, HL_SCALAR, &(float){1});
    assert_failed(g, hl_input(g, "c", HL_F32, HL_SCALAR), HL_EXISTS, "'c'");
    g = kit_graph();
    hl_constant(g, "c", HL_F32, HL_SCALAR, &(float){1});
    assert_failed(g, hl_param(g, "c", HL_F32, HL_SCALAR), HL_EXISTS, "constant");
    g = kit_graph();
    hl_tensor *c = hl_constant(g, "c", HL_F32, HL_SCALAR, &(float){1});
    assert_failed(g, hl_param_freeze(g, c), HL_INVALID_ARGUMENT, "'c'");
}
END_TEST

START_TEST(InitialisersAndFreezingAreForParameters) {
    uint64_t seed = 1;
    hl_graph *g = kit_graph(), *h = kit_graph();
    hl_tensor *w = hl_param(g, "w", HL_F32, HL_SHAPE(4));
    ck_assert_ptr_eq(hl_param_init(g, w, kit_init, &seed, sizeof seed), w);
    ck_assert_ptr_eq(hl_param_freeze(g, w), w);
    seed = 2; /* the context was copied */
    ck_assert_uint_eq(*(const uint64_t *)w->init_context, 1);
    hl_tensor *foreign = hl_param(h, "theirs", HL_F32, HL_SCALAR), *x = hl_input(h, "x", HL_F32, HL_SCALAR);
    assert_failed(g, hl_param_freeze(g, foreign), HL_INVALID_ARGUMENT, "'theirs'");
    assert_failed(h, hl_param_init(h, x, kit_init, &seed, sizeof seed), HL_INVALID_ARGUMENT, "'x'");
    g = kit_graph();
    assert_failed(g, hl_param_freeze(g, NULL), HL_INVALID_ARGUMENT, "hl_param_freeze");
    g = kit_graph();
    w = hl_param(g, "w", HL_F32, HL_SHAPE(4));
    assert_failed(g, hl_param_init(g, w, kit_init, NULL, 8), HL_INVALID_ARGUMENT, "'w'");
}
END_TEST

/* ---- errors ---- */

START_TEST(TheFirstErrorStaysAndLaterConstructorsReturnNull) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 3)), *w = hl_param(g, "w", HL_F32, HL_SHAPE(4, 5));
    hl_tensor *y = hl_dense(g, x, w, NULL), *outputs[2];
    ck_assert_ptr_null(y);
    char first[640];
    strcpy(first, hl_graph_error(g));
    hl_status status = hl_graph_status(g);
    ck_assert_int_eq(status, HL_SHAPE_MISMATCH);
    ck_assert_ptr_null(hl_relu(g, y));
    ck_assert_ptr_null(hl_relu(g, x));
    ck_assert_ptr_null(hl_input(g, "z", HL_F32, HL_SCALAR));
    ck_assert_ptr_null(hl_param(g, "w", HL_F32, HL_SHAPE(4, 5)));
    ck_assert_ptr_null(hl_param_freeze(g, w));
    ck_assert_ptr_null(hl_name(g, x, "other"));
    ck_assert_ptr_null(hl_transpose(g, x, NULL));
    ck_assert_ptr_null(hl_append(g, NULL, 0, 0));
    ck_assert_ptr_null(hl_dropout(g, x, 7, 0));
    ck_assert_ptr_null(hl_gradient(g, x, x));
    ck_assert_ptr_null(hl_sgd(g, x, NULL));
    ck_assert_ptr_null(hl_adamw(g, x, NULL));
    ck_assert_int_eq(hl_split(g, x, 0, 2, outputs), status);
    ck_assert_int_eq(hl_graph_status(g), status);
    ck_assert_str_eq(hl_graph_error(g), first);
    hl_graph_destroy(g);
}
END_TEST

START_TEST(NullGraphsAreHarmless) {
    ck_assert_int_eq(hl_graph_create(NULL), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_graph_status(NULL), HL_INVALID_ARGUMENT);
    ck_assert_str_ne(hl_graph_error(NULL), "");
    ck_assert_ptr_null(hl_relu(NULL, NULL));
    ck_assert_ptr_null(hl_gradient(NULL, NULL, NULL));
    ck_assert_ptr_null(hl_name(NULL, NULL, "x"));
    ck_assert_ptr_null(hl_apply(NULL, hl_operator_find("relu"), NULL, 0, NULL, NULL));
    hl_graph_destroy(NULL);
}
END_TEST

/* ---- tensors ---- */

START_TEST(AccessorsTakeNull) {
    ck_assert_str_eq(hl_tensor_name(NULL), "(null)");
    ck_assert_uint_eq(hl_tensor_shape(NULL).rank, 0);
    ck_assert_int_eq(hl_tensor_dtype(NULL), HL_NONE);
}
END_TEST

START_TEST(ANameIsTheNodesTooAndAppearsInErrors) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 3));
    char name[] = "hidden";
    hl_tensor *h = hl_relu(g, x);
    ck_assert_str_eq(hl_tensor_name(h), "relu_0");
    ck_assert_ptr_eq(hl_name(g, h, name), h);
    name[0] = 'x'; /* copied */
    ck_assert_str_eq(hl_tensor_name(h), "hidden");
    ck_assert_str_eq(h->node->name, "hidden");
    ck_assert_ptr_null(hl_name(g, NULL, "nothing"));
    ck_assert_int_eq(hl_graph_status(g), HL_OK);
    assert_failed(g, hl_name(g, x, "leaf"), HL_INVALID_ARGUMENT, "'x'");
    g = kit_graph();
    h = hl_relu(g, hl_input(g, "x", HL_F32, HL_SHAPE(2, 3)));
    assert_failed(g, hl_name(g, h, ""), HL_INVALID_ARGUMENT, "hl_name");
}
END_TEST

/* ---- any operator ---- */

START_TEST(EveryBuiltInOperatorIsFoundByName) {
    for (int op = 0; op < HL__N_OPS; op++) {
        const hl_operator *built_in = hl__operator((hl__op)op);
        ck_assert_ptr_eq(hl_operator_find(built_in->name), built_in);
    }
    ck_assert_ptr_null(hl_operator_find("conv2d"));
    ck_assert_ptr_null(hl_operator_find(NULL));
}
END_TEST

static hl_status infer_nothing(hl_inference *inference) {
    inference->n_outputs = 0;
    return HL_OK;
}

static const hl_pass increment = {.name = "forward"};
static const hl_operator increments = {.name = "increments",
                                       .min_inputs = 1,
                                       .max_inputs = 1,
                                       .infer = infer_nothing,
                                       .forward = {{.pass = &increment, .writes = {HL_IN(0)}}}};

START_TEST(OnlyStateIsUpdatedInPlace) {
    hl_graph *g = kit_graph();
    hl_tensor *w = hl_param(g, "w", HL_F32, HL_SHAPE(2));
    hl_apply(g, &increments, &w, 1, NULL, NULL);
    kit_assert_ok(g, hl_graph_status(g));
    hl_tensor *c = hl_constant(g, "c", HL_F32, HL_SHAPE(2), (float[]){1, 2});
    assert_failed(g, hl_apply(g, &increments, &c, 1, NULL, NULL), HL_INVALID_ARGUMENT, "'c' is no state tensor");
    g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2));
    assert_failed(g, hl_apply(g, &increments, &x, 1, NULL, NULL), HL_INVALID_ARGUMENT, "'x'");
    g = kit_graph();
    hl_tensor *y = hl_tanh(g, hl_param(g, "w", HL_F32, HL_SHAPE(2)));
    assert_failed(g, hl_apply(g, &increments, &y, 1, NULL, NULL), HL_INVALID_ARGUMENT, "input 0");
}
END_TEST

/* What the shape rule of `odd` gives out; set by each test. */
typedef struct odd_options {
    size_t n_outputs;
    hl_shape output;
} odd_options;

static hl_status infer_odd(hl_inference *inference) {
    const odd_options *options = inference->options;
    if (options->n_outputs) inference->n_outputs = options->n_outputs;
    for (size_t i = 0; i < HL_MAX_OUTPUTS; i++) inference->output[i] = options->output;
    if (options->output.rank == 1 && options->output.extent[0] == 13)
        return hl_refuse(inference, HL_UNSUPPORTED, "%zu is unlucky", options->output.extent[0]);
    return HL_OK;
}

static const hl_operator odd = {.name = "odd",
                                .min_inputs = 1,
                                .max_inputs = 3,
                                .optional = 1u << 1,
                                .n_outputs = 3,
                                .n_saved = 1,
                                .options_bytes = sizeof(odd_options),
                                .infer = infer_odd};

START_TEST(AnOperatorOfOnesOwnGivesItsVisibleOutputs) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2)), *outputs[3] = {NULL, NULL, x};
    odd_options options = {.output = HL_SHAPE(4, 5)};
    hl_tensor *first = hl_apply(g, &odd, (hl_tensor *[]){x, NULL, x}, 3, &options, outputs);
    options.output = HL_SHAPE(9); /* copied */
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_eq(outputs[0], first);
    ck_assert_ptr_nonnull(outputs[1]);
    ck_assert_ptr_eq(outputs[2], x); /* the saved output is not given out */
    ck_assert_uint_eq(hl_tensor_shape(outputs[1]).extent[1], 5);
    ck_assert_uint_eq(((const odd_options *)first->node->options)->output.rank, 2);
    ck_assert_ptr_nonnull(hl_apply(g, &odd, (hl_tensor *[]){x}, 1, &options, NULL));
    hl_graph_destroy(g);
}
END_TEST

START_TEST(AnOperatorOfOnesOwnIsCheckedAsAnyOther) {
    odd_options options = {.output = HL_SHAPE(4, 5)};
    hl_graph *g = kit_graph(), *h = kit_graph();
    hl_tensor *theirs = hl_input(h, "theirs", HL_F32, HL_SCALAR);
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2));
    assert_failed(g, hl_apply(g, NULL, &x, 1, NULL, NULL), HL_INVALID_ARGUMENT, "hl_apply");
    g = kit_graph();
    assert_failed(g, hl_apply(g, &odd, NULL, 0, &options, NULL), HL_INVALID_ARGUMENT, "1 to 3 inputs, got 0");
    g = kit_graph();
    assert_failed(g, hl_apply(g, &odd, NULL, 2, &options, NULL), HL_INVALID_ARGUMENT, "their list is NULL");
    g = kit_graph();
    x = hl_input(g, "x", HL_F32, HL_SHAPE(2));
    assert_failed(g, hl_apply(g, &odd, (hl_tensor *[]){x, x, x, x}, 4, &options, NULL), HL_INVALID_ARGUMENT, "got 4");
    g = kit_graph();
    assert_failed(g, hl_apply(g, &odd, (hl_tensor *[]){NULL}, 1, &options, NULL), HL_INVALID_ARGUMENT,
                  "odd: input 0 is NULL");
    g = kit_graph();
    x = hl_input(g, "x", HL_F32, HL_SHAPE(2));
    assert_failed(g, hl_apply(g, &odd, &x, 1, NULL, NULL), HL_INVALID_ARGUMENT, "options");
    g = kit_graph();
    assert_failed(g, hl_apply(g, &odd, &theirs, 1, &options, NULL), HL_INVALID_ARGUMENT, "'theirs'");
    hl_graph_destroy(h);
}
END_TEST

static void assert_rule_refused(odd_options options, hl_status status, const char *part) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2)), *outputs[HL_MAX_OUTPUTS] = {NULL};
    hl_tensor *made = hl_apply(g, &odd, &x, 1, &options, outputs);
    ck_assert_ptr_null(outputs[0]);
    kit_assert_says(hl_graph_error(g), "odd 'odd_0'");
    assert_failed(g, made, status, part);
}

START_TEST(WhatAShapeRuleGivesOutIsChecked) {
    assert_rule_refused((odd_options){.output = HL_SHAPE(13)}, HL_UNSUPPORTED, "13 is unlucky");
    assert_rule_refused((odd_options){.output = HL_SHAPE(3, 0)}, HL_OUT_OF_RANGE, "[3, 0]");
    assert_rule_refused((odd_options){.output = HL_SHAPE(SIZE_MAX / 2, 8)}, HL_OUT_OF_RANGE, "output 0");
    assert_rule_refused((odd_options){.output = {.rank = 9}}, HL_OUT_OF_RANGE, "output 0");
    assert_rule_refused((odd_options){.n_outputs = HL_MAX_OUTPUTS + 1, .output = HL_SHAPE(3)}, HL_OUT_OF_RANGE,
                        "9 outputs");
}
END_TEST

START_TEST(ExtentsThatOverflowByBroadcastingAreRefused) {
    hl_graph *g = kit_graph();
    size_t n = (size_t)1 << 33;
    hl_tensor *a = hl_input(g, "a", HL_F32, HL_SHAPE(n, 1)), *b = hl_input(g, "b", HL_F32, HL_SHAPE(1, n));
    ck_assert_int_eq(hl_graph_status(g), HL_OK);
    ck_assert_ptr_null(hl_add(g, a, b));
    ck_assert_int_ne(hl_graph_status(g), HL_OK);
    kit_assert_says(hl_graph_error(g), "add");
    hl_graph_destroy(g);
}
END_TEST

/* ---- ranges of index inputs ---- */

static void assert_range(const hl_tensor *index, int32_t low, int32_t high) {
    ck_assert_int_eq(index->index_min, low);
    ck_assert_int_eq(index->index_max, high);
}

START_TEST(AnInputWithoutConsumersTakesAnyIndex) {
    hl_graph *g = kit_graph();
    assert_range(hl_input(g, "i", HL_I32, HL_SHAPE(3)), INT32_MIN, INT32_MAX);
    hl_graph_destroy(g);
}
END_TEST

START_TEST(ConsumersNarrowTheRangeOfAnIndexInput) {
    hl_graph *g = kit_graph();
    hl_tensor *table = hl_param(g, "table", HL_F32, HL_SHAPE(10, 4)), *small = hl_param(g, "s", HL_F32, HL_SHAPE(6, 4));
    hl_tensor *i = hl_input(g, "i", HL_I32, HL_SHAPE(3));
    hl_embedding(g, table, i);
    assert_range(i, 0, 9);
    hl_embedding(g, small, i);
    assert_range(i, 0, 5);
    hl_embedding(g, table, i); /* wider: changes nothing */
    assert_range(i, 0, 5);

    hl_tensor *labels = hl_input(g, "labels", HL_I32, HL_SHAPE(3));
    hl_cross_entropy(g, hl_embedding(g, table, i), labels);
    assert_range(labels, HL_IGNORED, 3);

    hl_tensor *at = hl_input(g, "at", HL_I32, HL_SHAPE(5));
    hl_gather(g, table, at, 1);
    assert_range(at, 0, 3);

    hl_tensor *q = hl_input(g, "q", HL_F32, HL_SHAPE(2, 1, 4, 8)), *k = hl_input(g, "k", HL_F32, HL_SHAPE(2, 1, 7, 8));
    hl_tensor *lengths = hl_input(g, "lengths", HL_I32, HL_SHAPE(2));
    hl_score(g, q, k, &(hl_score_options){.lengths = lengths});
    assert_range(lengths, 0, 7);
    kit_assert_ok(g, hl_graph_status(g));
    hl_graph_destroy(g);
}
END_TEST

START_TEST(RangesReachTheInputBehindViews) {
    hl_graph *g = kit_graph();
    hl_tensor *table = hl_param(g, "table", HL_F32, HL_SHAPE(10, 4));
    hl_tensor *i = hl_input(g, "i", HL_I32, HL_SHAPE(4, 6));
    hl_tensor *turned = hl_transpose(g, hl_slice(g, i, 1, 2, 5), (size_t[]){1, 0});
    hl_embedding(g, table, hl_reshape(g, turned, HL_SHAPE(12)));
    kit_assert_ok(g, hl_graph_status(g));
    assert_range(i, 0, 9);
    hl_tensor *j = hl_input(g, "j", HL_I32, HL_SHAPE(4, 6)), *halves[2];
    hl_split(g, j, 1, 2, halves);
    hl_embedding(g, table, halves[1]);
    kit_assert_ok(g, hl_graph_status(g));
    assert_range(j, 0, 9);
    hl_graph_destroy(g);
}
END_TEST

START_TEST(ElementsOfConstantsAreCheckedByEachConsumer) {
    const int32_t values[6] = {0, 9, 3, 5, 9, 0};
    hl_graph *g = kit_graph();
    hl_tensor *table = hl_param(g, "table", HL_F32, HL_SHAPE(10, 4)), *small = hl_param(g, "s", HL_F32, HL_SHAPE(6, 4));
    hl_tensor *c = hl_constant(g, "c", HL_I32, HL_SHAPE(2, 3), values);
    hl_tensor *part = hl_slice(g, c, 0, 1, 2);
    hl_embedding(g, table, c);
    hl_embedding(g, table, part);
    kit_assert_ok(g, hl_graph_status(g));
    hl_tensor *refused = hl_embedding(g, small, part);
    kit_assert_says(hl_graph_error(g), "embedding 'embedding_3': constant 'c' [2, 3]: element 1 is 9, not in 0..5");
    assert_failed(g, refused, HL_OUT_OF_RANGE, "'c'");
    g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(3, 4));
    c = hl_constant(g, "labels", HL_I32, HL_SHAPE(3), (int32_t[]){HL_IGNORED, 3, -2});
    assert_failed(g, hl_cross_entropy(g, x, c), HL_OUT_OF_RANGE, "'labels' [3]: element 2 is -2, not in -1..3");
}
END_TEST

static hl_status infer_same(hl_inference *inference) {
    inference->output[0] = inference->input[0].shape;
    inference->output_dtype[0] = inference->input[0].dtype;
    return HL_OK;
}

static const hl_operator negate_index = {
    .name = "negate_index", .min_inputs = 1, .max_inputs = 1, .n_outputs = 1, .infer = infer_same};

START_TEST(IndicesThatCannotBeCheckedWhenWrittenAreRefused) {
    hl_graph *g = kit_graph();
    hl_tensor *table = hl_param(g, "table", HL_F32, HL_SHAPE(10, 4));
    hl_tensor *step = hl__graph_step(g);
    hl_tensor *made = hl_embedding(g, table, step);
    kit_assert_says(hl_graph_error(g), "0..9");
    assert_failed(g, made, HL_OUT_OF_RANGE, "'step'");
    /* what an operator of one's own makes of its input is not known */
    g = kit_graph();
    table = hl_param(g, "table", HL_F32, HL_SHAPE(10, 4));
    hl_tensor *i = hl_input(g, "i", HL_I32, HL_SHAPE(4));
    hl_tensor *negated = hl_apply(g, &negate_index, &i, 1, NULL, NULL);
    ck_assert_ptr_nonnull(negated);
    assert_failed(g, hl_embedding(g, table, negated), HL_OUT_OF_RANGE, "0..9");
}
END_TEST

int main(void) {
    return run_tests("graph/graph",
                     TESTS(LeavesAreWhatWasAskedFor, LeavesWithoutNameTypeOrElementsAreRefused, ANameMeansOneLeaf,
                           ParametersAreFoundByTheirNames, ConstantsAreLeavesWithValues,
                           ConstantsWithoutValuesTypeElementsOrANameOfTheirOwnAreRefused, OnlyStateIsUpdatedInPlace,
                           ElementsOfConstantsAreCheckedByEachConsumer, InitialisersAndFreezingAreForParameters,
                           TheFirstErrorStaysAndLaterConstructorsReturnNull, NullGraphsAreHarmless, AccessorsTakeNull,
                           ANameIsTheNodesTooAndAppearsInErrors, EveryBuiltInOperatorIsFoundByName,
                           AnOperatorOfOnesOwnGivesItsVisibleOutputs, AnOperatorOfOnesOwnIsCheckedAsAnyOther,
                           WhatAShapeRuleGivesOutIsChecked, ExtentsThatOverflowByBroadcastingAreRefused,
                           AnInputWithoutConsumersTakesAnyIndex, ConsumersNarrowTheRangeOfAnIndexInput,
                           RangesReachTheInputBehindViews, IndicesThatCannotBeCheckedWhenWrittenAreRefused));
}
