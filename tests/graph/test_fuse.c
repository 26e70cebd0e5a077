/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fusion: what is fused and what is not, that looking at attention weights changes nothing by a bit, and that fused and
 * unfused graphs agree within rounding. */
#include <math.h>

#include "graph/graph.h"
#include "graph/ir.h"
#include "tests/graph/kit.h"
#include "tests/support/suite.h"

/* One attention over inputs: B batches, H heads, T queries and keys, D wide. Keys and values have H heads or one. */
enum { B = 2, H = 2, T = 37, D = 8, ROWS = B * H * T };

typedef struct model {
    hl_graph *graph;
    hl_tensor *q, *k, *v, *lengths, *target, *scores, *p, *dropped, *y, *loss;
} model;

static model make_grouped(float dropout, size_t key_heads, size_t value_heads) {
    model m = {.graph = kit_graph()};
    hl_graph *g = m.graph;
    hl_shape heads = HL_SHAPE(B, H, T, D);
    m.q = hl_input(g, "q", HL_F32, heads);
    m.k = hl_input(g, "k", HL_F32, HL_SHAPE(B, key_heads, T, D));
    m.v = hl_input(g, "v", HL_F32, HL_SHAPE(B, value_heads, T, D));
    m.lengths = hl_input(g, "lengths", HL_I32, HL_SHAPE(B));
    m.target = hl_input(g, "target", HL_F32, heads);
    m.scores = hl_score(g, m.q, m.k, &(hl_score_options){.mask = HL_MASK_CAUSAL, .lengths = m.lengths});
    m.p = hl_name(g, hl_softmax(g, m.scores), "look");
    m.dropped = hl_dropout(g, m.p, dropout, 11);
    m.y = hl_name(g, hl_weight(g, m.dropped, m.v), "attend");
    m.loss = hl_squared_error(g, m.y, m.target);
    kit_assert_ok(g, hl_graph_status(g));
    return m;
}

static model make_model(float dropout) { return make_grouped(dropout, H, H); }

/* How the graph comes out of fusion: 1 where attention is fused, 2 where the weights are looked at too. */
static int fused(model *m, hl_tensor *const outputs[], size_t n) {
    hl__ir ir = {0};
    ck_assert_msg(kit_stages(&ir, m->graph, outputs, n, KIT_FUSED) == HL_OK, "%s", ir.message);
    size_t n_attention = kit_nodes(&ir, "attention"), n_looks = kit_nodes(&ir, "attention_weights");
    size_t n_parts = kit_nodes(&ir, "score") + kit_nodes(&ir, "softmax") + kit_nodes(&ir, "weight");
    ck_assert_uint_le(n_attention, 1);
    ck_assert_uint_le(n_looks, n_attention);
    ck_assert_uint_eq(n_parts, n_attention ? 0 : 3);
    if (n_attention) ck_assert_uint_eq(kit_nodes(&ir, "dropout"), 0);
    hl__ir_clear(&ir);
    return (int)(n_attention + n_looks);
}

START_TEST(AttentionIsFused) {
    for (int dropout = 0; dropout < 2; dropout++) {
        model m = make_model(dropout ? 0.3f : 0);
        hl_tensor *dq = hl_gradient(m.graph, m.loss, m.q);
        ck_assert_int_eq(fused(&m, &m.y, 1), 1);
        ck_assert_int_eq(fused(&m, &m.loss, 1), 1);
        ck_assert_int_eq(fused(&m, (hl_tensor *[]){m.loss, dq}, 2), 1);
        hl_graph_destroy(m.graph);
    }
}
END_TEST

START_TEST(SharedKeysAndValuesAreFusedWhereTheirGroupsAreTheSame) {
    size_t key_heads[] = {1, 1, H}, value_heads[] = {1, H, 1};
    for (size_t i = 0; i < 3; i++) {
        model m = make_grouped(0.3f, key_heads[i], value_heads[i]);
        hl_tensor *dk = hl_gradient(m.graph, m.loss, m.k);
        ck_assert_int_eq(fused(&m, &m.y, 1), i == 0);
        ck_assert_int_eq(fused(&m, (hl_tensor *[]){m.loss, dk, m.p}, 3), i == 0 ? 2 : 0);
        hl_graph_destroy(m.graph);
    }
}
END_TEST

START_TEST(TheFusedNodeTakesOverOperandsOptionsAndNames) {
    model m = make_model(0.3f);
    hl__ir ir = {0};
    hl_tensor *outputs[] = {m.y, m.p};
    ck_assert_int_eq(kit_stages(&ir, m.graph, outputs, 2, KIT_FUSED), HL_OK);
    for (size_t n = 0; n < ir.n_nodes; n++) {
        const hl__ir_node *node = &ir.nodes[n];
        const hl_attention_config *config = node->options;
        ck_assert_int_eq(config->score.mask, HL_MASK_CAUSAL);
        ck_assert_float_eq(config->dropout.rate, 0.3f);
        ck_assert_uint_eq(config->dropout.seed, 11);
        ck_assert_uint_eq(node->inputs[0], hl__ir_find(&ir, m.q));
        ck_assert_uint_eq(node->inputs[1], hl__ir_find(&ir, m.k));
        bool look = strcmp(node->op->name, "attention_weights") == 0;
        ck_assert_str_eq(node->name, look ? "look" : "attend");
        ck_assert_uint_eq(node->inputs[look ? 3 : 4], hl__ir_find(&ir, m.lengths));
        if (!look) ck_assert_uint_eq(node->id, m.dropped->node->id); /* the key of its random numbers */
        ck_assert_uint_eq(node->outputs[0], hl__ir_find(&ir, look ? m.p : m.y));
    }
    hl__ir_clear(&ir);
    hl_graph_destroy(m.graph);
}
END_TEST

START_TEST(LookingAtTheWeightsKeepsAttentionFused) {
    for (int dropout = 0; dropout < 2; dropout++) {
        model m = make_model(dropout ? 0.3f : 0);
        hl_tensor *dq = hl_gradient(m.graph, m.loss, m.q);
        ck_assert_int_eq(fused(&m, (hl_tensor *[]){m.y, m.p}, 2), 2);
        ck_assert_int_eq(fused(&m, (hl_tensor *[]){m.loss, dq, m.p}, 3), 2);
        hl_tensor *mean = hl_mean(m.graph, m.p, 1u << 1, false); /* a consumer outside the loss */
        ck_assert_int_eq(fused(&m, (hl_tensor *[]){m.loss, dq, mean}, 3), 2);
        ck_assert_int_eq(fused(&m, (hl_tensor *[]){m.loss, dq, mean, m.p}, 4), 2);
        hl_graph_destroy(m.graph);
    }
}
END_TEST

START_TEST(WhatTheLossNeedsInBetweenUnfuses) {
    model m = make_model(0);
    hl_tensor *dq = hl_gradient(m.graph, m.loss, m.q);
    ck_assert_int_eq(fused(&m, (hl_tensor *[]){m.loss, hl_gradient(m.graph, m.loss, m.scores)}, 2), 0);
    ck_assert_int_eq(fused(&m, (hl_tensor *[]){m.loss, hl_gradient(m.graph, m.loss, m.p)}, 2), 0);
    ck_assert_int_eq(fused(&m, (hl_tensor *[]){m.loss, dq, m.scores}, 3), 0);
    hl_tensor *penalty = hl_scale(m.graph, hl_sum(m.graph, hl_multiply(m.graph, m.p, m.p), 0, false), 0.01f);
    hl_tensor *loss = hl_add(m.graph, m.loss, penalty);
    ck_assert_int_eq(fused(&m, (hl_tensor *[]){loss, hl_gradient(m.graph, loss, m.q)}, 2), 0);
    ck_assert_int_eq(fused(&m, (hl_tensor *[]){m.loss, dq, penalty}, 3), 2); /* but not in a loss */
    hl_graph_destroy(m.graph);
    m = make_model(0.3f);
    ck_assert_int_eq(fused(&m, (hl_tensor *[]){m.loss, hl_gradient(m.graph, m.loss, m.dropped)}, 2), 0);
    ck_assert_int_eq(fused(&m, (hl_tensor *[]){m.loss, m.dropped}, 2), 0);
    hl_graph_destroy(m.graph);
}
END_TEST

/* Tied embeddings: one table looks words up and makes logits. */
START_TEST(ATransposedMatrixIsNotCopied) {
    hl_graph *g = kit_graph();
    hl_tensor *table = kit_param(g, "table", HL_SHAPE(9, 6));
    hl_tensor *index = hl_input(g, "index", HL_I32, HL_SHAPE(2, 5));
    hl_tensor *x = hl_embedding(g, table, index), *turned = hl_transpose(g, table, (size_t[]){1, 0});
    hl_tensor *loss = hl_cross_entropy(g, hl_dense(g, x, turned, NULL), index);
    hl_tensor *outputs[] = {loss, hl_gradient(g, loss, table)};
    hl__ir ir = {0};
    ck_assert_msg(kit_stages(&ir, g, outputs, 2, KIT_FUSED) == HL_OK, "%s", ir.message);
    ck_assert_uint_eq(kit_nodes(&ir, "transpose"), 0);
    ck_assert_uint_eq(kit_nodes(&ir, "dense"), 1);
    hl__ir_clear(&ir);
    /* nor is its gradient, of which the dense makes one share, added to the other one by a pass of its own */
    ck_assert_msg(kit_stages(&ir, g, outputs, 2, KIT_DIFFERENTIATED) == HL_OK, "%s", ir.message);
    ck_assert_uint_eq(kit_calls(&ir, ".sum.forward"), 0);
    hl__ir_clear(&ir);
    hl_tensor *pinned[] = {loss, hl_gradient(g, loss, turned)}; /* asked for, so it must be there */
    ck_assert_msg(kit_stages(&ir, g, pinned, 2, KIT_FUSED) == HL_OK, "%s", ir.message);
    ck_assert_uint_eq(kit_nodes(&ir, "transpose"), 1);
    hl__ir_clear(&ir);
    /* in its own order, a matrix is what it is */
    hl_tensor *same = hl_dense(g, x, hl_transpose(g, kit_param(g, "w", HL_SHAPE(6, 6)), (size_t[]){0, 1}), NULL);
    ck_assert_msg(kit_stages(&ir, g, &same, 1, KIT_FUSED) == HL_OK, "%s", ir.message);
    ck_assert_uint_eq(kit_nodes(&ir, "transpose"), 1);
    hl__ir_clear(&ir);
    hl_graph_destroy(g);
}
END_TEST

/* ---- what fused graphs compute ---- */

typedef struct values {
    float loss, y[ROWS * D], dq[ROWS * D], dk[ROWS * D], dv[ROWS * D];
} values;

static void run_model(model *m, hl_runtime *runtime, hl_tensor *more, float *p, values *out) {
    hl_graph *g = m->graph;
    hl_tensor *outputs[] = {
        m->loss, m->y, hl_gradient(g, m->loss, m->q), hl_gradient(g, m->loss, m->k), hl_gradient(g, m->loss, m->v),
        more};
    hl_state *state = kit_state();
    hl_program *program = kit_program(runtime, g, state, outputs, more ? 6 : 5);
    static float data[ROWS * D];
    hl_tensor *inputs[] = {m->q, m->k, m->v, m->target};
    for (uint64_t i = 0; i < 4; i++) {
        kit_fill(data, ROWS * D, i + 1);
        hl_shape shape = hl_tensor_shape(inputs[i]);
        kit_write(program, inputs[i], data, hl_shape_elements(&shape) * sizeof data[0]);
    }
    kit_write(program, m->lengths, (int32_t[]){T, T - 9}, B * sizeof(int32_t));
    kit_run(program);
    kit_read(program, outputs[0], &out->loss, sizeof out->loss);
    kit_read(program, outputs[1], out->y, sizeof out->y);
    kit_read(program, outputs[2], out->dq, sizeof out->dq);
    hl_shape k = hl_tensor_shape(m->k), v = hl_tensor_shape(m->v);
    kit_read(program, outputs[3], out->dk, hl_shape_elements(&k) * sizeof out->dk[0]);
    kit_read(program, outputs[4], out->dv, hl_shape_elements(&v) * sizeof out->dv[0]);
    if (p) kit_read(program, m->p, p, ROWS * T * sizeof *p);
    hl_program_destroy(program);
    hl_state_destroy(state);
}

START_TEST(LookingAtTheWeightsChangesNoBit) {
    hl_runtime *runtime = kit_runtime(2);
    for (int dropout = 0; dropout < 2; dropout++) {
        model m = make_model(dropout ? 0.3f : 0);
        static values blind, looking;
        static float p[ROWS * T];
        run_model(&m, runtime, NULL, NULL, &blind);
        run_model(&m, runtime, m.p, p, &looking);
        ck_assert_mem_eq(&blind, &looking, sizeof blind);
        ck_assert_float_eq(p[1], 0); /* causal */
        ck_assert_float_eq(p[0], 1);
        hl_graph_destroy(m.graph);
    }
    hl_runtime_destroy(runtime);
}
END_TEST

static void assert_close(const float *a, const float *b, size_t n, double bound, const char *what) {
    double largest = 0;
    for (size_t i = 0; i < n; i++) {
        double difference = fabs((double)a[i] - (double)b[i]);
        ck_assert_msg(difference <= bound, "%s %zu: %g and %g differ by more than %g", what, i, (double)a[i],
                      (double)b[i], bound);
        largest = fmax(largest, fabs((double)a[i]));
    }
    ck_assert_msg(largest > 10 * bound, "%s: the bound %g says nothing about values up to %g", what, bound, largest);
}

/* How far results of one form may be from exact ones; two forms then differ by at most twice that. In units u, with
 * q, k, v of at most 1, r = 1 / (1 - dropout), d the largest dy, c the largest column sum of p, and the largest sums of
 * sizes: S of the products of q with k, G of dy with v, V of v
 *   score: D products and sums, one scaling                                    e_s = (D + 2) S / sqrt(D) u
 *   p: exp (good to 4 u) of a difference of scores, T sums, a division         e_p = 2 e_s + (T + 6) u, relative
 *   y: an average of values of at most 1, T sums                               e_y = r (e_p + T u)
 *   dy = 2 (y - target) / N                                                    e_dy = 2 e_y / N + 3 u d
 *   dv_j = sum_i r p_ij dy_i, column sums of p                                 r c (e_p d + e_dy + T u d)
 *   dp = r dy v, at most r G: D sums                                           e_dp = r (V e_dy + (D + 1) u G)
 *   ds = p (dp - sum p dp), p times a factor of at most f = 2 r G              e_ds = e_p f + 2 e_dp + (T + 4) u f
 *   dq_i = sum_j ds k / sqrt(D), row sums of p are 1                           (e_ds + T u f) / sqrt(D)
 *   dk_j = sum_i ds q / sqrt(D), column sums of p                              c times that
 * Where `group` heads share a key, c and T are that many times as large for it and its value. */
typedef struct bounds {
    double y, dv, dq, dk, loss;
} bounds;

/* The largest sum of |a| |b| of a row of each, in which b has so many rows; a NULL: of |b| alone. */
static double largest_product(const float *a, const float *b, size_t rows) {
    double largest = 0;
    for (size_t i = 0; i < (a ? ROWS : 1); i++)
        for (size_t j = 0; j < rows; j++) {
            double sum = 0;
            for (size_t k = 0; k < D; k++) sum += fabs((a ? (double)a[i * D + k] : 1) * (double)b[j * D + k]);
            largest = fmax(largest, sum);
        }
    return largest;
}

static bounds derive(const values *out, const float *p, double r, size_t group) {
    static float in[4][ROWS * D], dy[ROWS * D];
    double N = ROWS * D, u = KIT_UNIT, d = 0, c = 1, root = sqrt(D);
    for (uint64_t i = 0; i < 4; i++) kit_fill(in[i], ROWS * D, i + 1); /* q, k, v, target */
    for (size_t i = 0; i < ROWS * D; i++) {
        dy[i] = (float)(2 / N) * (out->y[i] - in[3][i]);
        d = fmax(d, fabs((double)dy[i]));
    }
    double S = largest_product(in[0], in[1], ROWS / group), G = largest_product(dy, in[2], ROWS / group);
    double V = largest_product(NULL, in[2], ROWS / group);
    for (size_t head = 0; head < B * H; head++) {
        for (size_t j = 0; j < T; j++) {
            double column = 0;
            for (size_t i = 0; i < T; i++) column += (double)p[(head * T + i) * T + j];
            c = fmax(c, column);
        }
    }
    double n = (double)group * T;
    c *= (double)group;
    double e_p = (2 * (D + 2) * S / root + T + 6) * u, e_y = r * (e_p + T * u), e_dy = 2 * e_y / N + 3 * u * d;
    double factor = 2 * r * G, e_ds = e_p * factor + 2 * r * (V * e_dy + (D + 1) * u * G) + (T + 4) * u * factor;
    return (bounds){.y = 2 * e_y,
                    .dv = 2 * r * c * (e_p * d + e_dy + n * u * d),
                    .dq = 2 * (e_ds + T * u * factor) / root,
                    .dk = 2 * c * (e_ds + n * u * factor) / root,
                    /* a mean of squares of at most (d N / 2)^2, each added to less than 35 partial sums on its way */
                    .loss = 2 * (d * N * e_y + 35 * u * d * d * N * N / 4)};
}

START_TEST(FusedAndUnfusedAgree) {
    hl_runtime *runtime = kit_runtime(2);
    for (int i = 0; i < 4; i++) {
        int dropout = i % 2;
        size_t group = i < 2 ? 1 : H, shared = ROWS * D / group;
        model m = make_grouped(dropout ? 0.3f : 0, H / group, H / group);
        static values one, parts;
        static float p[ROWS * T];
        run_model(&m, runtime, m.p, p, &one);
        ck_assert_int_eq(fused(&m, (hl_tensor *[]){m.loss, m.scores}, 2), 0);
        run_model(&m, runtime, m.scores, NULL, &parts); /* asking for the scores unfuses */
        bounds bound = derive(&one, p, dropout ? 1 / 0.7 : 1, group);
        assert_close(one.y, parts.y, ROWS * D, bound.y, "y");
        assert_close(one.dv, parts.dv, shared, bound.dv, "dv");
        assert_close(one.dq, parts.dq, ROWS * D, bound.dq, "dq");
        assert_close(one.dk, parts.dk, shared, bound.dk, "dk");
        ck_assert_double_le(fabs((double)one.loss - (double)parts.loss), bound.loss);
        hl_graph_destroy(m.graph);
    }
    hl_runtime_destroy(runtime);
}
END_TEST

/* ---- dense ---- */

START_TEST(ConcatAndDenseAreOne) {
    hl_graph *g = kit_graph();
    hl_tensor *heads = hl_input(g, "heads", HL_F32, HL_SHAPE(2, 3, 5, 4));
    hl_tensor *w = kit_param(g, "w", HL_SHAPE(12, 6)), *side = hl_concat(g, heads), *y = hl_dense(g, side, w, NULL);
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, g, &y, 1, KIT_FUSED), HL_OK);
    ck_assert_uint_eq(kit_nodes(&ir, "concat"), 0);
    ck_assert_uint_eq(ir.n_nodes, 1);
    ck_assert(((const hl_dense_config *)ir.nodes[0].options)->heads);
    hl__ir_clear(&ir);
    /* somebody else reads the concatenation: it stays, and the dense still goes without it */
    ck_assert_int_eq(kit_stages(&ir, g, (hl_tensor *[]){y, side}, 2, KIT_FUSED), HL_OK);
    ck_assert_uint_eq(kit_nodes(&ir, "concat"), 1);
    hl__ir_clear(&ir);
    /* its gradient is asked for: the gradient must flow through it */
    hl_tensor *loss = hl_sum(g, y, 0, false), *ds = hl_gradient(g, loss, side);
    ck_assert_int_eq(kit_stages(&ir, g, (hl_tensor *[]){loss, ds}, 2, KIT_FUSED), HL_OK);
    ck_assert_uint_eq(kit_nodes(&ir, "concat"), 1);
    for (size_t n = 0; n < ir.n_nodes; n++)
        if (strcmp(ir.nodes[n].op->name, "dense") == 0)
            ck_assert(!((const hl_dense_config *)ir.nodes[n].options)->heads);
    hl__ir_clear(&ir);
    hl_graph_destroy(g);
}
END_TEST

START_TEST(DenseAndActivationAreOneWhereNobodyLooksInBetween) {
    hl_tensor *(*const activate[])(hl_graph *, hl_tensor *) = {hl_relu,     hl_gelu,    hl_tanh,
                                                               hl_gelu_erf, hl_sigmoid, hl_silu};
    static const hl_activation wanted[] = {HL_ACTIVATION_RELU,     HL_ACTIVATION_GELU,    HL_ACTIVATION_TANH,
                                           HL_ACTIVATION_GELU_ERF, HL_ACTIVATION_SIGMOID, HL_ACTIVATION_SILU};
    for (size_t a = 0; a < KIT_COUNT(wanted); a++) {
        hl_graph *g = kit_graph();
        hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(5, 4)), *w = kit_param(g, "w", HL_SHAPE(4, 6));
        hl_tensor *before = hl_dense(g, x, w, NULL), *y = hl_name(g, activate[a](g, before), "active");
        hl__ir ir = {0};
        ck_assert_int_eq(kit_stages(&ir, g, &y, 1, KIT_FUSED), HL_OK);
        ck_assert_uint_eq(ir.n_nodes, 1);
        ck_assert_int_eq(((const hl_dense_config *)ir.nodes[0].options)->activation, wanted[a]);
        ck_assert_uint_eq(ir.nodes[0].outputs[0], hl__ir_find(&ir, y));
        hl__ir_clear(&ir);
        hl_tensor *loss = hl_sum(g, y, 0, false), *twice = activate[a](g, y);
        ck_assert_int_eq(kit_stages(&ir, g, (hl_tensor *[]){y, before}, 2, KIT_FUSED), HL_OK);
        ck_assert_uint_eq(ir.n_nodes, 2);
        hl__ir_clear(&ir);
        hl_tensor *asked[] = {loss, hl_gradient(g, loss, before)};
        ck_assert_int_eq(kit_stages(&ir, g, asked, 2, KIT_FUSED), HL_OK);
        ck_assert_uint_eq(ir.n_nodes, 3);
        hl__ir_clear(&ir);
        ck_assert_int_eq(kit_stages(&ir, g, &twice, 1, KIT_FUSED), HL_OK); /* one activation a dense */
        ck_assert_uint_eq(ir.n_nodes, 2);
        hl__ir_clear(&ir);
        hl_graph_destroy(g);
    }
}
END_TEST

/* ---- dense and residual ---- */

/* Nodes that are left of what outputs need, after fusion; n_residuals: dense ones with a residual among them. */
static size_t nodes_left(hl_graph *g, hl_tensor *const outputs[], size_t n, size_t *n_residuals) {
    hl__ir ir = {0};
    ck_assert_msg(kit_stages(&ir, g, outputs, n, KIT_FUSED) == HL_OK, "%s", ir.message);
    *n_residuals = 0;
    for (size_t i = 0; i < ir.n_nodes; i++)
        *n_residuals += ir.nodes[i].op == hl__operator(HL__OP_dense) && ir.nodes[i].n_inputs > 3 &&
                        ir.nodes[i].inputs[3] != HL__NONE;
    size_t n_nodes = ir.n_nodes;
    hl__ir_clear(&ir);
    return n_nodes;
}

static void assert_left(hl_graph *g, hl_tensor *const outputs[], size_t n, size_t n_nodes, size_t n_residuals) {
    size_t residuals, nodes = nodes_left(g, outputs, n, &residuals);
    ck_assert_uint_eq(nodes, n_nodes);
    ck_assert_uint_eq(residuals, n_residuals);
}

START_TEST(DenseAndResidualAreOne) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 5, 6)), *r = hl_input(g, "r", HL_F32, HL_SHAPE(2, 5, 6));
    hl_tensor *heads = hl_input(g, "heads", HL_F32, HL_SHAPE(2, 3, 5, 4));
    hl_tensor *w = kit_param(g, "w", HL_SHAPE(6, 6)), *b = kit_param(g, "b", HL_SHAPE(6));
    hl_tensor *tall = kit_param(g, "tall", HL_SHAPE(12, 6));
    hl_tensor *either[] = {hl_add(g, r, hl_dense(g, x, w, b)), hl_add(g, hl_dense(g, x, w, NULL), r),
                           hl_add(g, r, hl_dense(g, hl_concat(g, heads), tall, b)),
                           hl_add(g, r, hl_dense(g, x, hl_transpose(g, w, (size_t[]){1, 0}), b)),
                           hl_add(g, x, hl_dense(g, x, w, b))};
    for (size_t i = 0; i < KIT_COUNT(either); i++) assert_left(g, &either[i], 1, 1, 1);
    /* two inputs are enough for a dense, and one that is applied with two may get a residual, too */
    const hl_operator *dense = hl__operator(HL__OP_dense);
    hl_tensor *bare = hl_apply(g, dense, (hl_tensor *[]){x, w}, 2, &(hl_dense_config){0}, NULL);
    hl_tensor *sum = hl_name(g, hl_add(g, bare, r), "sum"), *later = hl_add(g, hl_dense(g, x, w, b), hl_scale(g, x, 2));
    assert_left(g, &sum, 1, 1, 1);
    assert_left(g, &later, 1, 2, 1); /* what is added is made behind the dense */
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, g, &sum, 1, KIT_FUSED), HL_OK);
    ck_assert_uint_eq(ir.nodes[0].inputs[0], hl__ir_find(&ir, x));
    ck_assert_uint_eq(ir.nodes[0].inputs[2], HL__NONE);
    ck_assert_uint_eq(ir.nodes[0].inputs[3], hl__ir_find(&ir, r));
    ck_assert_uint_eq(ir.nodes[0].outputs[0], hl__ir_find(&ir, sum));
    hl__ir_clear(&ir);
    /* one residual a dense */
    hl_tensor *two = hl_add(g, hl_add(g, hl_dense(g, x, w, b), r), x);
    hl_tensor *both = hl_add(g, hl_dense(g, x, w, b), hl_dense(g, r, w, b));
    assert_left(g, &two, 1, 2, 1);
    assert_left(g, &both, 1, 2, 1);
    hl_graph_destroy(g);
}
END_TEST

START_TEST(WhatIsLookedAtOrBroadcastIsNotAResidual) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 5, 6)), *r = hl_input(g, "r", HL_F32, HL_SHAPE(2, 5, 6));
    hl_tensor *w = kit_param(g, "w", HL_SHAPE(6, 6)), *before = hl_dense(g, x, w, NULL), *y = hl_add(g, r, before);
    hl_tensor *loss = hl_sum(g, y, 0, false), *dw = hl_gradient(g, loss, w);
    assert_left(g, (hl_tensor *[]){y, before}, 2, 2, 0);
    assert_left(g, (hl_tensor *[]){loss, dw}, 2, 2, 1);
    assert_left(g, (hl_tensor *[]){loss, dw, hl_gradient(g, loss, before)}, 3, 3, 0);
    assert_left(g, (hl_tensor *[]){loss, hl_gradient(g, loss, y)}, 2, 2, 1); /* the sum is still there */
    assert_left(g, (hl_tensor *[]){y, hl_scale(g, before, 2)}, 2, 3, 0);
    hl_tensor *twice = hl_add(g, before, before), *curved = hl_add(g, r, hl_tanh(g, before));
    assert_left(g, &twice, 1, 2, 0);
    assert_left(g, &curved, 1, 2, 0);
    hl_tensor *row = hl_input(g, "row", HL_F32, HL_SHAPE(6)), *wide = hl_input(g, "wide", HL_F32, HL_SHAPE(3, 2, 5, 6));
    hl_tensor *smaller = hl_add(g, before, row), *larger = hl_add(g, before, wide);
    assert_left(g, &smaller, 1, 2, 0);
    assert_left(g, &larger, 1, 2, 0);
    hl_graph_destroy(g);
}
END_TEST

enum { TOKENS = 70, C = 48, N = TOKENS * C };

/* outputs: y [TOKENS, C], its loss's gradients of x [TOKENS, C] and of a matrix of 2 C C, and what keeps nodes apart.
 * Without the latter by any number of workers and with them, the three have the same bits. */
static void assert_same_bits(hl_graph *g, hl_tensor *x, hl_tensor *const outputs[], size_t n) {
    static float data[N], first[3][2 * N], other[3][2 * N];
    size_t bytes[] = {sizeof data, sizeof data, 2 * C * C * sizeof(float)}, workers[] = {1, 2, 3, 7, 2};
    kit_fill(data, N, 3);
    for (size_t i = 0; i < KIT_COUNT(workers); i++) {
        hl_runtime *runtime = kit_runtime(workers[i]);
        hl_state *state = kit_state();
        hl_program *program = kit_program(runtime, g, state, outputs, i + 1 < KIT_COUNT(workers) ? 3 : n);
        kit_write(program, x, data, sizeof data);
        kit_run(program);
        for (size_t o = 0; o < 3; o++) {
            kit_read(program, outputs[o], i ? other[o] : first[o], bytes[o]);
            if (i) ck_assert_mem_eq(first[o], other[o], bytes[o]);
        }
        ck_assert_float_ne(first[1][N / 2], 0);
        hl_program_destroy(program);
        hl_state_destroy(state);
        hl_runtime_destroy(runtime);
    }
}

/* x + dense(gelu(dense(norm x))): fused and, with what is in between asked for, unfused the same sums in the same
 * order, and so by any number of workers. The gradient of x, of which the norm's is a share, costs no pass that only
 * adds. */
START_TEST(FusedAndUnfusedResidualsHaveTheSameBits) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(TOKENS, C)), *up = kit_param(g, "up", HL_SHAPE(C, 2 * C));
    hl_tensor *down = kit_param(g, "down", HL_SHAPE(2 * C, C)), *bias = kit_param(g, "bias", HL_SHAPE(C));
    hl_tensor *gain = kit_param(g, "gain", HL_SHAPE(C)), *h = hl_layer_norm(g, x, gain, NULL, 0);
    hl_tensor *made = hl_dense(g, hl_gelu(g, hl_dense(g, h, up, NULL)), down, bias), *y = hl_add(g, x, made);
    hl_tensor *loss = hl_mean(g, hl_multiply(g, y, y), 0, false);
    hl_tensor *outputs[] = {y, hl_gradient(g, loss, x), hl_gradient(g, loss, down), made};
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, g, outputs, 3, KIT_DIFFERENTIATED), HL_OK);
    ck_assert_uint_eq(kit_nodes(&ir, "add"), 0);
    ck_assert_uint_eq(kit_calls(&ir, "d.x.sum.forward"), 0);
    hl__ir_clear(&ir);
    assert_same_bits(g, x, outputs, 4);
    hl_graph_destroy(g);
}
END_TEST

/* ---- dense and scale ---- */

START_TEST(DenseAndScaleAreOne) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 5, 6)), *r = hl_input(g, "r", HL_F32, HL_SHAPE(2, 5, 6));
    hl_tensor *w = kit_param(g, "w", HL_SHAPE(6, 6)), *b = kit_param(g, "b", HL_SHAPE(6));
    hl_tensor *thrice = hl_scale(g, hl_dense(g, x, w, b), 3), *chain = hl_scale(g, thrice, -0.5f);
    struct {
        hl_tensor *y;
        float scale;
        hl_activation activation;
        size_t n_residuals;
    } cases[] = {{thrice, 3, HL_ACTIVATION_NONE, 0},
                 {hl_gelu(g, thrice), 3, HL_ACTIVATION_GELU, 0},
                 {hl_add(g, thrice, r), 3, HL_ACTIVATION_NONE, 1},
                 {hl_add(g, x, thrice), 3, HL_ACTIVATION_NONE, 1},
                 {chain, -1.5f, HL_ACTIVATION_NONE, 0},
                 {hl_relu(g, chain), -1.5f, HL_ACTIVATION_RELU, 0},
                 {hl_add(g, r, chain), -1.5f, HL_ACTIVATION_NONE, 1},
                 {hl_scale(g, chain, -2 / 3.0f), 1, HL_ACTIVATION_NONE, 0}};
    for (size_t i = 0; i < KIT_COUNT(cases); i++) {
        assert_left(g, &cases[i].y, 1, 1, cases[i].n_residuals);
        hl_tensor *outputs[] = {cases[i].y, hl_gradient(g, hl_sum(g, cases[i].y, 0, false), w)};
        hl__ir ir = {0};
        ck_assert_int_eq(kit_stages(&ir, g, outputs, 2, KIT_DIFFERENTIATED), HL_OK);
        const hl_dense_config *config = ir.nodes[0].options;
        ck_assert_float_eq(config->scale, cases[i].scale);
        ck_assert_int_eq(config->activation, cases[i].activation);
        ck_assert_uint_eq(ir.nodes[0].outputs[0], hl__ir_find(&ir, cases[i].y));
        ck_assert_uint_eq(kit_calls(&ir, ".dz"), config->scale != 1); /* else dy is dz */
        hl__ir_clear(&ir);
    }
    hl_graph_destroy(g);
}
END_TEST

START_TEST(WhatIsLookedAtOrNoNormalNumberIsNotAScale) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(5, 6)), *w = kit_param(g, "w", HL_SHAPE(6, 6));
    hl_tensor *before = hl_dense(g, x, w, NULL), *y = hl_scale(g, before, 2), *loss = hl_sum(g, y, 0, false);
    assert_left(g, (hl_tensor *[]){y, before}, 2, 2, 0);
    assert_left(g, (hl_tensor *[]){y, hl_exp(g, before)}, 2, 3, 0);
    assert_left(g, (hl_tensor *[]){loss, hl_gradient(g, loss, before)}, 2, 3, 0);
    assert_left(g, (hl_tensor *[]){loss, hl_gradient(g, loss, y)}, 2, 2, 0); /* the product is still there */
    hl_tensor *behind[] = {hl_scale(g, hl_tanh(g, before), 2), hl_scale(g, hl_add(g, before, x), 2)};
    for (size_t i = 0; i < 2; i++) assert_left(g, &behind[i], 1, 2, i);
    const float alone[] = {0, NAN, INFINITY, -INFINITY, 1e-40f}, twice[] = {1e30f, -1e30f, 1e-30f, 1e-20f};
    for (size_t i = 0; i < KIT_COUNT(alone); i++) {
        hl_tensor *scaled = hl_scale(g, before, alone[i]);
        assert_left(g, &scaled, 1, 2, 0);
    }
    for (size_t i = 0; i < KIT_COUNT(twice); i++) { /* the first of two */
        hl_tensor *scaled = hl_scale(g, hl_scale(g, before, twice[i]), twice[i]);
        assert_left(g, &scaled, 1, 2, 0);
    }
    hl_graph_destroy(g);
}
END_TEST

/* x + scale(dense(gelu(scale(dense x)))), one of the scales in two steps, of which one is exact. */
START_TEST(FusedAndUnfusedScalesHaveTheSameBits) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(TOKENS, C)), *up = kit_param(g, "up", HL_SHAPE(C, 2 * C));
    hl_tensor *down = kit_param(g, "down", HL_SHAPE(2 * C, C)), *bias = kit_param(g, "bias", HL_SHAPE(2 * C));
    hl_tensor *wide = hl_dense(g, x, up, bias), *h = hl_gelu(g, hl_scale(g, hl_scale(g, wide, 0.3f), 2));
    hl_tensor *made = hl_dense(g, h, down, NULL), *y = hl_add(g, x, hl_scale(g, made, -1.7f));
    hl_tensor *loss = hl_mean(g, hl_multiply(g, y, y), 0, false);
    hl_tensor *outputs[] = {y, hl_gradient(g, loss, x), hl_gradient(g, loss, up), wide, made};
    assert_left(g, outputs, 1, 2, 1);
    assert_left(g, (hl_tensor *[]){y, wide, made}, 3, 7, 0);
    assert_same_bits(g, x, outputs, 5);
    hl_graph_destroy(g);
}
END_TEST

int main(void) {
    return run_tests(
        "graph/fuse",
        TESTS(ATransposedMatrixIsNotCopied, AttentionIsFused, SharedKeysAndValuesAreFusedWhereTheirGroupsAreTheSame,
              TheFusedNodeTakesOverOperandsOptionsAndNames, LookingAtTheWeightsKeepsAttentionFused,
              WhatTheLossNeedsInBetweenUnfuses, LookingAtTheWeightsChangesNoBit, FusedAndUnfusedAgree,
              ConcatAndDenseAreOne, DenseAndActivationAreOneWhereNobodyLooksInBetween, DenseAndResidualAreOne,
              WhatIsLookedAtOrBroadcastIsNotAResidual, FusedAndUnfusedResidualsHaveTheSameBits, DenseAndScaleAreOne,
              WhatIsLookedAtOrNoNormalNumberIsNotAScale, FusedAndUnfusedScalesHaveTheSameBits));
}
