/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Every typed constructor: the shape that it gives, and what it refuses (an operand that is NULL, of another graph, of
 * the wrong type, of a shape that does not fit the others), always with a message that names operator, node and
 * shapes. One table, one row a constructor. */
#include "graph/graph.h"

#include <stdio.h>

#include "tests/graph/kit.h"
#include "tests/support/suite.h"

typedef struct operand {
    hl_dtype dtype;
    hl_shape shape;
} operand;

#define F(rank, ...)              \
    {                             \
        HL_F32, {                 \
            rank, { __VA_ARGS__ } \
        }                         \
    }
#define I(rank, ...)              \
    {                             \
        HL_I32, {                 \
            rank, { __VA_ARGS__ } \
        }                         \
    }
#define MAX_OPERANDS 4

typedef struct row {
    const char *op;
    hl_tensor *(*make)(hl_graph *graph, hl_tensor *const x[]);
    size_t n;
    operand good[MAX_OPERANDS];
    hl_shape result;
    unsigned optional; /* bit i: operand i may be NULL */
    struct {           /* operand `at` with this shape does not fit; a row ends with a shape of rank 0 */
        size_t at;
        hl_shape shape;
    } bad[3];
} row;

/* ---- the constructors, operands in a list ---- */

static hl_tensor *project(hl_graph *g, hl_tensor *const x[]) { return hl_project(g, x[0], x[1], x[2]); }
static hl_tensor *score(hl_graph *g, hl_tensor *const x[]) {
    return hl_score(g, x[0], x[1], &(hl_score_options){.bias = x[2], .lengths = x[3]});
}
static hl_tensor *softmax(hl_graph *g, hl_tensor *const x[]) { return hl_softmax(g, x[0]); }
static hl_tensor *weight(hl_graph *g, hl_tensor *const x[]) { return hl_weight(g, x[0], x[1]); }
static hl_tensor *concat(hl_graph *g, hl_tensor *const x[]) { return hl_concat(g, x[0]); }
static hl_tensor *dense(hl_graph *g, hl_tensor *const x[]) { return hl_dense(g, x[0], x[1], x[2]); }
static hl_tensor *embedding(hl_graph *g, hl_tensor *const x[]) { return hl_embedding(g, x[0], x[1]); }
static hl_tensor *norm(hl_graph *g, hl_tensor *const x[]) { return hl_layer_norm(g, x[0], x[1], x[2], 0); }
static hl_tensor *dropout(hl_graph *g, hl_tensor *const x[]) { return hl_dropout(g, x[0], 0.5f, 1); }
static hl_tensor *gelu(hl_graph *g, hl_tensor *const x[]) { return hl_gelu(g, x[0]); }
static hl_tensor *relu(hl_graph *g, hl_tensor *const x[]) { return hl_relu(g, x[0]); }
static hl_tensor *gelu_erf(hl_graph *g, hl_tensor *const x[]) { return hl_gelu_erf(g, x[0]); }
static hl_tensor *sigmoid(hl_graph *g, hl_tensor *const x[]) { return hl_sigmoid(g, x[0]); }
static hl_tensor *silu(hl_graph *g, hl_tensor *const x[]) { return hl_silu(g, x[0]); }
static hl_tensor *tangent(hl_graph *g, hl_tensor *const x[]) { return hl_tanh(g, x[0]); }
static hl_tensor *add(hl_graph *g, hl_tensor *const x[]) { return hl_add(g, x[0], x[1]); }
static hl_tensor *subtract(hl_graph *g, hl_tensor *const x[]) { return hl_subtract(g, x[0], x[1]); }
static hl_tensor *multiply(hl_graph *g, hl_tensor *const x[]) { return hl_multiply(g, x[0], x[1]); }
static hl_tensor *divide(hl_graph *g, hl_tensor *const x[]) { return hl_divide(g, x[0], x[1]); }
static hl_tensor *scale(hl_graph *g, hl_tensor *const x[]) { return hl_scale(g, x[0], 2); }
static hl_tensor *minimum(hl_graph *g, hl_tensor *const x[]) { return hl_minimum(g, x[0], x[1]); }
static hl_tensor *maximum(hl_graph *g, hl_tensor *const x[]) { return hl_maximum(g, x[0], x[1]); }
static hl_tensor *less(hl_graph *g, hl_tensor *const x[]) { return hl_less(g, x[0], x[1]); }
static hl_tensor *less_equal(hl_graph *g, hl_tensor *const x[]) { return hl_less_equal(g, x[0], x[1]); }
static hl_tensor *equal(hl_graph *g, hl_tensor *const x[]) { return hl_equal(g, x[0], x[1]); }
static hl_tensor *choose(hl_graph *g, hl_tensor *const x[]) { return hl_select(g, x[0], x[1], x[2]); }
static hl_tensor *clamp(hl_graph *g, hl_tensor *const x[]) { return hl_clamp(g, x[0], -1, 2); }
static hl_tensor *absolute(hl_graph *g, hl_tensor *const x[]) { return hl_abs(g, x[0]); }
static hl_tensor *exponential(hl_graph *g, hl_tensor *const x[]) { return hl_exp(g, x[0]); }
static hl_tensor *logarithm(hl_graph *g, hl_tensor *const x[]) { return hl_log(g, x[0]); }
static hl_tensor *root(hl_graph *g, hl_tensor *const x[]) { return hl_sqrt(g, x[0]); }
static hl_tensor *sum(hl_graph *g, hl_tensor *const x[]) { return hl_sum(g, x[0], 1u << 1, false); }
static hl_tensor *mean(hl_graph *g, hl_tensor *const x[]) { return hl_mean(g, x[0], 1u << 1, true); }
static hl_tensor *reshape(hl_graph *g, hl_tensor *const x[]) { return hl_reshape(g, x[0], HL_SHAPE(3, 4)); }
static hl_tensor *view(hl_graph *g, hl_tensor *const x[]) { return hl_view_as(g, x[0], HL_SHAPE(3, 4)); }
static hl_tensor *turn(hl_graph *g, hl_tensor *const x[]) { return hl_transpose(g, x[0], (size_t[]){2, 0, 1}); }
static hl_tensor *slice(hl_graph *g, hl_tensor *const x[]) { return hl_slice(g, x[0], 1, 2, 5); }
static hl_tensor *split(hl_graph *g, hl_tensor *const x[]) {
    hl_tensor *parts[3] = {NULL, NULL, NULL};
    return hl_split(g, x[0], 1, 3, parts) == HL_OK ? parts[2] : NULL;
}
static hl_tensor *append(hl_graph *g, hl_tensor *const x[]) { return hl_append(g, x, 3, 1); }
static hl_tensor *gather(hl_graph *g, hl_tensor *const x[]) { return hl_gather(g, x[0], x[1], 1); }
static hl_tensor *entropy(hl_graph *g, hl_tensor *const x[]) { return hl_cross_entropy(g, x[0], x[1]); }
static hl_tensor *squared(hl_graph *g, hl_tensor *const x[]) { return hl_squared_error(g, x[0], x[1]); }

static const row rows[] = {
    {"project",
     project,
     3,
     {F(3, 2, 5, 8), F(3, 8, 3, 4), F(2, 3, 4)},
     {4, {2, 3, 5, 4}},
     1u << 2,
     {{1, {3, {7, 3, 4}}}, {2, {2, {3, 5}}}, {0, {2, {5, 8}}}}},
    {"score",
     score,
     4,
     {F(4, 2, 3, 5, 4), F(4, 2, 3, 7, 4), F(4, 1, 3, 5, 7), I(1, 2)},
     {4, {2, 3, 5, 7}},
     1u << 2 | 1u << 3,
     {{1, {4, {2, 3, 7, 6}}}, {2, {4, {2, 3, 5, 6}}}, {3, {1, {3}}}}},
    {"softmax", softmax, 1, {F(4, 2, 3, 5, 7)}, {4, {2, 3, 5, 7}}, 0, {{0, {0}}}},
    {"weight",
     weight,
     2,
     {F(4, 2, 3, 5, 7), F(4, 2, 3, 7, 4)},
     {4, {2, 3, 5, 4}},
     0,
     {{1, {4, {2, 3, 6, 4}}}, {1, {4, {2, 4, 7, 4}}}}},
    {"concat", concat, 1, {F(4, 2, 3, 5, 4)}, {3, {2, 5, 12}}, 0, {{0, {3, {2, 5, 4}}}}},
    {"dense",
     dense,
     3,
     {F(3, 2, 5, 8), F(2, 8, 3), F(1, 3)},
     {3, {2, 5, 3}},
     1u << 2,
     {{1, {2, {7, 3}}}, {2, {1, {4}}}}},
    {"embedding", embedding, 2, {F(2, 10, 4), I(2, 2, 3)}, {3, {2, 3, 4}}, 0, {{0, {1, {10}}}}},
    {"layer_norm", norm, 3, {F(3, 2, 5, 8), F(1, 8), F(1, 8)}, {3, {2, 5, 8}}, 1u << 2, {{1, {1, {7}}}, {2, {1, {9}}}}},
    {"dropout", dropout, 1, {F(2, 5, 8)}, {2, {5, 8}}, 0, {{0, {0}}}},
    {"gelu", gelu, 1, {F(2, 5, 8)}, {2, {5, 8}}, 0, {{0, {0}}}},
    {"relu", relu, 1, {F(2, 5, 8)}, {2, {5, 8}}, 0, {{0, {0}}}},
    {"gelu_erf", gelu_erf, 1, {F(2, 5, 8)}, {2, {5, 8}}, 0, {{0, {0}}}},
    {"sigmoid", sigmoid, 1, {F(2, 5, 8)}, {2, {5, 8}}, 0, {{0, {0}}}},
    {"silu", silu, 1, {F(2, 5, 8)}, {2, {5, 8}}, 0, {{0, {0}}}},
    {"tanh", tangent, 1, {F(2, 5, 8)}, {2, {5, 8}}, 0, {{0, {0}}}},
    {"add", add, 2, {F(3, 2, 5, 8), F(2, 5, 1)}, {3, {2, 5, 8}}, 0, {{1, {2, {4, 8}}}}},
    {"subtract", subtract, 2, {F(3, 2, 5, 8), F(2, 5, 1)}, {3, {2, 5, 8}}, 0, {{1, {2, {4, 8}}}}},
    {"multiply", multiply, 2, {F(3, 2, 5, 8), F(2, 5, 1)}, {3, {2, 5, 8}}, 0, {{1, {2, {4, 8}}}}},
    {"divide", divide, 2, {F(3, 2, 5, 8), F(2, 5, 1)}, {3, {2, 5, 8}}, 0, {{1, {2, {4, 8}}}}},
    {"scale", scale, 1, {F(2, 5, 8)}, {2, {5, 8}}, 0, {{0, {0}}}},
    {"minimum", minimum, 2, {F(3, 2, 5, 8), F(2, 5, 1)}, {3, {2, 5, 8}}, 0, {{1, {2, {4, 8}}}}},
    {"maximum", maximum, 2, {F(3, 2, 5, 8), F(2, 5, 1)}, {3, {2, 5, 8}}, 0, {{1, {2, {4, 8}}}}},
    {"less", less, 2, {F(3, 2, 5, 8), F(2, 5, 1)}, {3, {2, 5, 8}}, 0, {{1, {2, {4, 8}}}}},
    {"less_equal", less_equal, 2, {F(3, 2, 5, 8), F(2, 5, 1)}, {3, {2, 5, 8}}, 0, {{1, {2, {4, 8}}}}},
    {"equal", equal, 2, {F(3, 2, 5, 8), F(2, 5, 1)}, {3, {2, 5, 8}}, 0, {{1, {2, {4, 8}}}}},
    {"select", choose, 3, {I(2, 5, 1), F(3, 2, 5, 8), F(1, 8)}, {3, {2, 5, 8}}, 0, {{0, {2, {4, 8}}}, {2, {1, {7}}}}},
    {"clamp", clamp, 1, {F(2, 5, 8)}, {2, {5, 8}}, 0, {{0, {0}}}},
    {"abs", absolute, 1, {F(2, 5, 8)}, {2, {5, 8}}, 0, {{0, {0}}}},
    {"exp", exponential, 1, {F(2, 5, 8)}, {2, {5, 8}}, 0, {{0, {0}}}},
    {"log", logarithm, 1, {F(2, 5, 8)}, {2, {5, 8}}, 0, {{0, {0}}}},
    {"sqrt", root, 1, {F(2, 5, 8)}, {2, {5, 8}}, 0, {{0, {0}}}},
    {"sum", sum, 1, {F(3, 2, 5, 8)}, {2, {2, 8}}, 0, {{0, {1, {5}}}}},
    {"mean", mean, 1, {F(3, 2, 5, 8)}, {3, {2, 1, 8}}, 0, {{0, {1, {5}}}}},
    {"reshape", reshape, 1, {F(2, 2, 6)}, {2, {3, 4}}, 0, {{0, {2, {2, 7}}}}},
    {"reshape", view, 1, {F(2, 2, 6)}, {2, {3, 4}}, 0, {{0, {2, {2, 7}}}}},
    {"transpose", turn, 1, {F(3, 2, 5, 8)}, {3, {8, 2, 5}}, 0, {{0, {2, {2, 5}}}}},
    {"slice", slice, 1, {F(2, 4, 6)}, {2, {4, 3}}, 0, {{0, {2, {4, 4}}}, {0, {1, {6}}}}},
    {"split", split, 1, {F(2, 4, 6)}, {2, {4, 2}}, 0, {{0, {2, {4, 5}}}, {0, {1, {6}}}}},
    {"append", append, 3, {F(2, 4, 6), F(2, 4, 2), F(2, 4, 1)}, {2, {4, 9}}, 0, {{1, {2, {3, 2}}}, {2, {1, {4}}}}},
    {"gather", gather, 2, {F(3, 4, 6, 3), I(2, 2, 5)}, {4, {4, 2, 5, 3}}, 0, {{0, {1, {4}}}}},
    {"cross_entropy", entropy, 2, {F(3, 2, 5, 9), I(2, 2, 5)}, {0}, 0, {{1, {2, {2, 4}}}}},
    {"squared_error", squared, 2, {F(2, 2, 5), F(2, 2, 5)}, {0}, 0, {{1, {2, {2, 4}}}}},
};

static hl_tensor *leaf(hl_graph *graph, size_t i, const operand *what) {
    static const char *const names[MAX_OPERANDS] = {"alpha", "beta", "gamma", "delta"};
    hl_tensor *made = hl_input(graph, names[i], what->dtype, what->shape);
    ck_assert_ptr_nonnull(made);
    return made;
}

/* Makes the row's operands, but operand `skip` is left to the caller. */
static void leaves(hl_graph *graph, const row *r, hl_tensor *x[MAX_OPERANDS], size_t skip) {
    for (size_t i = 0; i < r->n; i++) x[i] = i == skip ? NULL : leaf(graph, i, &r->good[i]);
}

static void assert_refused(hl_graph *graph, const row *r, const hl_tensor *made, const char *what) {
    ck_assert_msg(made == NULL && hl_graph_status(graph) != HL_OK, "%s took %s", r->op, what);
    kit_assert_says(hl_graph_error(graph), r->op);
}

static bool makes_mask(const row *r) { return r->make == less || r->make == less_equal || r->make == equal; }

START_TEST(EveryConstructorGivesTheShapeThatItPromises) {
    for (const row *r = rows; r < rows + KIT_COUNT(rows); r++) {
        hl_graph *g = kit_graph();
        hl_tensor *x[MAX_OPERANDS];
        leaves(g, r, x, MAX_OPERANDS);
        hl_tensor *made = r->make(g, x);
        ck_assert_msg(made != NULL, "%s: %s", r->op, hl_graph_error(g));
        hl_shape shape = hl_tensor_shape(made);
        char text[HL_SHAPE_TEXT], wanted[HL_SHAPE_TEXT];
        ck_assert_str_eq(hl_shape_text(&shape, text, sizeof text), hl_shape_text(&r->result, wanted, sizeof wanted));
        ck_assert_int_eq(hl_tensor_dtype(made), makes_mask(r) ? HL_I32 : HL_F32);
        ck_assert_str_eq(made->node->op->name, r->op);
        for (size_t i = 0; i < r->n; i++) ck_assert_ptr_eq(made->node->inputs[i], x[i]);
        hl_graph_destroy(g);
    }
}
END_TEST

START_TEST(OptionalOperandsMayBeNullAndOthersMayNot) {
    for (const row *r = rows; r < rows + KIT_COUNT(rows); r++) {
        for (size_t i = 0; i < r->n; i++) {
            hl_graph *g = kit_graph();
            hl_tensor *x[MAX_OPERANDS];
            leaves(g, r, x, i);
            hl_tensor *made = r->make(g, x);
            if (r->optional >> i & 1) {
                ck_assert_msg(made != NULL, "%s without operand %zu: %s", r->op, i, hl_graph_error(g));
            } else {
                assert_refused(g, r, made, "NULL");
                ck_assert_int_eq(hl_graph_status(g), HL_INVALID_ARGUMENT);
            }
            hl_graph_destroy(g);
        }
    }
}
END_TEST

START_TEST(TensorsOfAnotherGraphAreRefusedByName) {
    for (const row *r = rows; r < rows + KIT_COUNT(rows); r++) {
        for (size_t i = 0; i < r->n; i++) {
            hl_graph *g = kit_graph(), *other = kit_graph();
            hl_tensor *x[MAX_OPERANDS];
            leaves(g, r, x, i);
            x[i] = hl_input(other, "stranger", r->good[i].dtype, r->good[i].shape);
            assert_refused(g, r, r->make(g, x), "a tensor of another graph");
            ck_assert_int_eq(hl_graph_status(g), HL_INVALID_ARGUMENT);
            kit_assert_says(hl_graph_error(g), "'stranger'");
            ck_assert_int_eq(hl_graph_status(other), HL_OK);
            hl_graph_destroy(g);
            hl_graph_destroy(other);
        }
    }
}
END_TEST

/* The message names the node ("add_0") and every shape that took part in the check. */
START_TEST(ShapesThatDoNotFitAreRefusedWithOperatorNodeAndShapes) {
    for (const row *r = rows; r < rows + KIT_COUNT(rows); r++) {
        for (size_t b = 0; b < KIT_COUNT(r->bad) && r->bad[b].shape.rank > 0; b++) {
            hl_graph *g = kit_graph();
            hl_tensor *x[MAX_OPERANDS];
            size_t at = r->bad[b].at;
            leaves(g, r, x, at);
            x[at] = leaf(g, at, &(operand){r->good[at].dtype, r->bad[b].shape});
            char text[HL_SHAPE_TEXT], node[64];
            assert_refused(g, r, r->make(g, x), hl_shape_text(&r->bad[b].shape, text, sizeof text));
            snprintf(node, sizeof node, "%s '%s_0'", r->op, r->op);
            kit_assert_says(hl_graph_error(g), node);
            kit_assert_says(hl_graph_error(g), text);
            /* The other side of the check: the first operand, or the result that an optional one has to fit. */
            char first[HL_SHAPE_TEXT], result[HL_SHAPE_TEXT];
            hl_shape_text(&r->good[0].shape, first, sizeof first);
            hl_shape_text(&r->result, result, sizeof result);
            ck_assert_msg(at == 0 || strstr(hl_graph_error(g), first) || strstr(hl_graph_error(g), result),
                          "'%s' contains neither '%s' nor '%s'", hl_graph_error(g), first, result);
            ck_assert_msg(hl_graph_status(g) == HL_SHAPE_MISMATCH || hl_graph_status(g) == HL_OUT_OF_RANGE, "%s: %s",
                          r->op, hl_status_string(hl_graph_status(g)));
            hl_graph_destroy(g);
        }
    }
}
END_TEST

/* Operators that only move elements take both types; all others take the one in their row. */
static bool moves(const char *op) {
    static const char *const movers[] = {"reshape", "transpose", "slice", "split", "append", "gather"};
    for (size_t i = 0; i < KIT_COUNT(movers); i++)
        if (strcmp(op, movers[i]) == 0) return true;
    return false;
}

START_TEST(OperandsOfTheWrongTypeAreRefused) {
    for (const row *r = rows; r < rows + KIT_COUNT(rows); r++) {
        for (size_t i = 0; i < r->n; i++) {
            if (moves(r->op) && r->good[i].dtype == HL_F32) continue;
            hl_graph *g = kit_graph();
            hl_tensor *x[MAX_OPERANDS];
            leaves(g, r, x, i);
            x[i] = leaf(g, i, &(operand){r->good[i].dtype == HL_F32 ? HL_I32 : HL_F32, r->good[i].shape});
            assert_refused(g, r, r->make(g, x), "an operand of the wrong type");
            ck_assert_msg(hl_graph_status(g) == HL_TYPE_MISMATCH, "%s", hl_graph_error(g));
            hl_graph_destroy(g);
        }
    }
}
END_TEST

/* ---- options ---- */

static void assert_fails(hl_graph *graph, const hl_tensor *made, const char *part) {
    ck_assert_ptr_null(made);
    ck_assert_int_ne(hl_graph_status(graph), HL_OK);
    kit_assert_says(hl_graph_error(graph), part);
    hl_graph_destroy(graph);
}

START_TEST(OptionsOutOfRangeAreRefused) {
    static const float rates[] = {-0.1f, 1, 1.5f, __builtin_nanf("")};
    for (size_t i = 0; i < KIT_COUNT(rates); i++) {
        hl_graph *g = kit_graph();
        hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(4, 6));
        hl_tensor *made = hl_dropout(g, x, rates[i], 1);
        ck_assert_int_eq(hl_graph_status(g), HL_OUT_OF_RANGE);
        assert_fails(g, made, "'x'");
    }
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(4, 6));
    ck_assert_ptr_eq(hl_dropout(g, x, 0, 1), x);
    assert_fails(g, hl_slice(g, x, 0, 3, 3), "slice");
    g = kit_graph(); /* a rate of 0 lets nothing through that another would refuse */
    assert_fails(g, hl_dropout(g, NULL, 0, 1), "dropout");
    g = kit_graph();
    assert_fails(g, hl_dropout(g, hl_input(g, "whole", HL_I32, HL_SHAPE(4)), 0, 1), "dropout");
    g = kit_graph();
    x = hl_input(g, "x", HL_F32, HL_SHAPE(4, 6));
    assert_fails(g, hl_slice(g, x, 2, 0, 1), "slice");
    g = kit_graph();
    x = hl_input(g, "x", HL_F32, HL_SHAPE(4, 6));
    assert_fails(g, hl_transpose(g, x, (size_t[]){1, 1}), "transpose");
    g = kit_graph();
    x = hl_input(g, "x", HL_F32, HL_SHAPE(4, 6));
    assert_fails(g, hl_transpose(g, x, NULL), "transpose");
    g = kit_graph();
    x = hl_input(g, "x", HL_F32, HL_SHAPE(4, 6));
    assert_fails(g, hl_sum(g, x, 1u << 2, false), "sum");
    g = kit_graph();
    x = hl_input(g, "x", HL_F32, HL_SHAPE(4, 6));
    assert_fails(g, hl_append(g, NULL, 2, 0), "append");
    g = kit_graph();
    x = hl_input(g, "x", HL_F32, HL_SHAPE(4, 6));
    ck_assert_int_eq(hl_split(g, x, 1, 0, (hl_tensor *[1]){NULL}), hl_graph_status(g));
    assert_fails(g, NULL, "split");
    g = kit_graph();
    x = hl_input(g, "x", HL_F32, HL_SHAPE(4, 6));
    ck_assert_int_eq(hl_split(g, x, 1, 2, NULL), HL_INVALID_ARGUMENT);
    assert_fails(g, NULL, "outputs is NULL");
    ck_assert_int_eq(hl_split(NULL, NULL, 0, 1, NULL), HL_INVALID_ARGUMENT);
    g = kit_graph();
    hl_tensor *q = hl_input(g, "q", HL_F32, HL_SHAPE(1, 1, 4, 6));
    assert_fails(g, hl_score(g, q, q, &(hl_score_options){.mask = HL_MASK_WINDOW, .window = 0}), "score");
    g = kit_graph();
    q = hl_input(g, "q", HL_F32, HL_SHAPE(1, 1, 4, 6));
    assert_fails(g, hl_score(g, q, q, &(hl_score_options){.mask = (hl_mask)9}), "score");
}
END_TEST

int main(void) {
    return run_tests("graph/construct",
                     TESTS(EveryConstructorGivesTheShapeThatItPromises, OptionalOperandsMayBeNullAndOthersMayNot,
                           TensorsOfAnotherGraphAreRefusedByName, ShapesThatDoNotFitAreRefusedWithOperatorNodeAndShapes,
                           OperandsOfTheWrongTypeAreRefused, OptionsOutOfRangeAreRefused));
}
