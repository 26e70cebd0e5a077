/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Attention, its weights, and the operators that it is made of, at the extremes: rows of queries, keys, values, biases
 * and gradients that are far too large, masked by finite numbers, infinite or NaN. */
#include <float.h>
#include <math.h>

#include "tests/support/attention_oracle.h"
#include "tests/support/suite.h"

enum { Q, K, V, BIAS, LENGTHS, STEP };                      /* inputs of attention */
enum { SCORE_BIAS = 2, SCORE_LENGTHS = 3, SCORE_ROWS = 4 }; /* of score and attention_weights */
enum { B = 2, H = 2, Hk = 1, Tq = 4, Tk = 5, D = 3, Dv = 2, PLANES = B * H };

static double size_of(double x, bool of_sizes) { return of_sizes ? fabs(x) : x; }

/* ---- attention ---- */

/* One row of scores: which pairs exist, weights, what the error of a weight grows with, and the row of the output. */
typedef struct row {
    size_t query, keys; /* number of the query, and of the first key, among all */
    const double *q, *bias;
    bool exists[Tk];
    double p[Tk], error[Tk], o[Dv], o_size[Dv];
} row;

/* The largest bias of the pairs that exist. */
static double base_of(const row *r) {
    double base = -INFINITY;
    for (size_t j = 0; r->bias && j < Tk; j++)
        if (r->exists[j]) base = fmax(base, r->bias[j]);
    return base;
}

#define NOTHING_LEFT 4e5 /* units of FLT_EPSILON: the bounds below, times this, are above 1 */

/* The error of exp(S - m) grows with the scores of its row, counted from the largest bias, until they are so large that
 * nothing is left of it. A score that may overflow on its way to a result makes that infinite. */
static void find_errors(row *r, double scale, double base, const double *const in[]) {
    double most = 0;
    for (size_t j = 0; j < Tk; j++) {
        double size = r->bias ? fabs(r->bias[j] - base) : 0;
        for (size_t d = 0; d < D; d++) size += scale * fabs(r->q[d] * in[K][(r->keys + j) * D + d]);
        if (r->exists[j] && isfinite(size)) most = fmax(most, size);
    }
    for (size_t j = 0; j < Tk; j++) {
        double error = most > (double)FLT_MAX / 8 ? INFINITY : most > 4e3 ? NOTHING_LEFT : r->p[j] * (1 + most);
        r->error[j] = r->exists[j] ? error : 0;
    }
}

static double scale_of(const hl_score_config *config) {
    return config->scale != 0 ? (double)config->scale : 1 / sqrt((double)D);
}

/* s: scores without their bias, which is taken from the largest of the row here: even double has no digits for 1e20 and
 * for scores in one number. bias: [1, 1, Tq, Tk], number of an input, which may be absent. */
static row row_of(const op_case *c, const hl_score_config *config, size_t bias, const double *const in[],
                  const double *s, size_t query) {
    size_t plane = query / Tq, i = query % Tq;
    row r = {.query = query, .keys = oracle_shared_plane(plane, H, Hk) * Tk, .q = in[Q] + query * D};
    if (in[bias]) r.bias = in[bias] + i * Tk;
    for (size_t j = 0; j < Tk; j++) r.exists[j] = oracle_exists(c, config, bias, bias + 1, in, plane, i, j);
    double base = base_of(&r);
    for (size_t j = 0; j < Tk; j++) {
        r.p[j] = s[query * Tk + j] + (r.bias ? r.bias[j] - base : 0);
        if (!r.exists[j]) r.p[j] = -INFINITY;
    }
    oracle_softmax(r.p, 1, Tk, r.p, NULL);
    find_errors(&r, fabs(scale_of(config)), base, in);
    return r;
}

static void add_values(row *r, const double *v) {
    for (size_t j = 0; j < Tk; j++)
        for (size_t d = 0; d < Dv && r->exists[j]; d++) {
            r->o[d] += r->p[j] * v[(r->keys + j) * Dv + d];
            r->o_size[d] += r->error[j] * fabs(v[(r->keys + j) * Dv + d]);
            if (fabs(v[(r->keys + j) * Dv + d]) > (double)FLT_MAX / 8) r->o_size[d] = INFINITY; /* l times as large */
        }
}

static void attend(const op_case *c, const double *const in[], double *o, bool of_sizes) {
    const hl_score_config *config = &((const hl_attention_config *)c->options)->score;
    double s[PLANES * Tq * Tk];
    oracle_scores(c, config, 0, LENGTHS, in, s);
    for (size_t query = 0; query < PLANES * Tq; query++) {
        row r = row_of(c, config, BIAS, in, s, query);
        add_values(&r, in[V]);
        for (size_t d = 0; d < Dv; d++) o[query * Dv + d] = of_sizes ? r.o_size[d] : r.o[d];
    }
}

static void attention(const op_case *c, const double *const in[], double *const out[]) { attend(c, in, out[0], false); }
static void attention_sizes(const op_case *c, const double *const in[], double *const out[]) {
    attend(c, in, out[0], true);
}

/* dS_i[j] = P_i[j] (dot(dO_i, v_j) - dot(dO_i, o_i)) for the pairs that exist, and what follows from it. */
static void add_slopes(const row *r, double scale, const double *const in[], const double *d_o, double *const d_in[],
                       bool of_sizes) {
    double delta = 0;
    for (size_t d = 0; d < Dv; d++) delta += of_sizes ? fabs(d_o[d]) * r->o_size[d] : d_o[d] * r->o[d];
    for (size_t j = 0; j < Tk; j++) {
        if (!r->exists[j]) continue;
        const double *k = in[K] + (r->keys + j) * D, *v = in[V] + (r->keys + j) * Dv;
        double *dk = d_in[K] + (r->keys + j) * D, *dv = d_in[V] + (r->keys + j) * Dv, dp = 0;
        double p = of_sizes ? r->error[j] : r->p[j];
        for (size_t d = 0; d < Dv; d++) dp += size_of(d_o[d] * v[d], of_sizes);
        double ds = p * (of_sizes ? dp + delta : dp - delta);
        if (of_sizes && dp + delta > (double)FLT_MAX / 8) ds = INFINITY; /* may overflow on the way */
        for (size_t d = 0; d < D; d++) {
            d_in[Q][r->query * D + d] += scale * ds * size_of(k[d], of_sizes);
            dk[d] += scale * ds * size_of(r->q[d], of_sizes);
        }
        for (size_t d = 0; d < Dv; d++) dv[d] += p * size_of(d_o[d], of_sizes);
        if (r->bias) d_in[BIAS][r->query % Tq * Tk + j] += ds;
    }
}

static void slopes_of(const op_case *c, const double *const in[], const double *d_o, double *const d_in[],
                      bool of_sizes) {
    const hl_score_config *config = &((const hl_attention_config *)c->options)->score;
    double s[PLANES * Tq * Tk], scale = size_of(scale_of(config), of_sizes);
    oracle_scores(c, config, 0, LENGTHS, in, s);
    for (size_t query = 0; query < PLANES * Tq; query++) {
        row r = row_of(c, config, BIAS, in, s, query);
        add_values(&r, in[V]);
        add_slopes(&r, scale, in, d_o + query * Dv, d_in, of_sizes);
    }
}

static void slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    slopes_of(c, in, d_out[0], d_in, false);
}
static void slope_sizes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    slopes_of(c, in, d_out[0], d_in, true);
}

/* A score is off by (D + 4) / 2 units of its size (Higham 2002, section 3.1), a weight by twice the largest of these
 * and some ten of its own, dS by as much for P and for D each; sums of up to H Tq terms add as many. */
static const op_bound value_bound = {.relative = (D + 4) + 10 + Tk};
static const op_bound slope_bound = {.relative = 2 * ((D + 4) + 10 + Tk) + H * Tq};

static const hl_attention_config configs[] = {
    {.score = {.mask = HL_MASK_NONE}},
    {.score = {.mask = HL_MASK_CAUSAL}},
    {.score = {.mask = HL_MASK_CAUSAL_WINDOW, .window = 2}},
};

START_TEST(AttentionIsRight) {
    static const int32_t lengths[] = {4, 2};
    for (size_t i = 0; i < 6; i++) {
        op_case c = {.op = HL__OP_attention,
                     .options = &configs[i / 2],
                     .inputs = {{.shape = HL_SHAPE(B, H, Tq, D)},
                                {.shape = HL_SHAPE(B, Hk, Tk, D)},
                                {.shape = HL_SHAPE(B, Hk, Tk, Dv)},
                                {.shape = HL_SHAPE(1, 1, Tq, Tk), .absent = i % 2 == 0},
                                {.shape = HL_SHAPE(B), .dtype = HL_I32, .values = lengths, .absent = i < 3},
                                {.dtype = HL_I32, .absent = true}},
                     .oracle = attention,
                     .magnitude = attention_sizes,
                     .slopes = slopes,
                     .slope_sizes = slope_sizes,
                     .value = value_bound,
                     .gradient = slope_bound};
        op_extremes(&c);
    }
}
END_TEST

/* ---- weights ---- */

/* The rows that are given belong to other scores: weights may be far above 1. */
static void weigh(const op_case *c, const double *const in[], double *p, bool of_sizes) {
    const hl_score_config *config = &((const hl_attention_config *)c->options)->score;
    double s[PLANES * Tq * Tk];
    size_t numbers = in[SCORE_BIAS] ? 3 : 2;
    oracle_scores(c, config, SCORE_BIAS, SCORE_LENGTHS, in, s);
    for (size_t query = 0; query < PLANES * Tq; query++) {
        row r = row_of(c, config, SCORE_BIAS, in, s, query);
        const double *saved = in[SCORE_ROWS] + query / Tq * numbers * Tq + query % Tq;
        for (size_t j = 0; j < Tk; j++) {
            double base = in[SCORE_BIAS] ? saved[2 * Tq] : 0, size = r.bias ? fabs(r.bias[j] - base) : 0;
            for (size_t d = 0; d < D; d++) size += fabs(r.q[d] * in[K][(r.keys + j) * D + d]);
            double weight = exp(s[query * Tk + j] - base - (saved[0] + 0.5) * log(2)) / saved[Tq];
            if (!r.exists[j]) weight = 0;
            p[query * Tk + j] = !of_sizes ? weight : size > 50 ? INFINITY : weight * (1 + size);
        }
    }
}

static void weights(const op_case *c, const double *const in[], double *const out[]) { weigh(c, in, out[0], false); }
static void weight_sizes(const op_case *c, const double *const in[], double *const out[]) {
    weigh(c, in, out[0], true);
}

START_TEST(WeightsAreRight) {
    for (size_t i = 0; i < 6; i++) {
        op_case c = {.op = HL__OP_attention_weights,
                     .options = &configs[i / 2],
                     .inputs = {{.shape = HL_SHAPE(B, H, Tq, D)},
                                {.shape = HL_SHAPE(B, Hk, Tk, D)},
                                {.shape = HL_SHAPE(1, 1, Tq, Tk), .absent = i % 2 == 0},
                                {.shape = HL_SHAPE(B), .dtype = HL_I32, .absent = i < 3},
                                {.shape = HL_SHAPE(B, H, i % 2 ? 3 : 2, Tq), .low = 1, .high = 2}},
                     .oracle = weights,
                     .magnitude = weight_sizes,
                     .never_extreme = 1 << SCORE_ROWS, /* they are attention's */
                     .value = value_bound};
        op_extremes(&c);
    }
}
END_TEST

/* ---- score ---- */

static void scores(const op_case *c, const double *const in[], double *const out[]) {
    oracle_scores(c, c->options, SCORE_BIAS, SCORE_LENGTHS, in, out[0]);
}
static void score_sizes(const op_case *c, const double *const in[], double *const out[]) {
    oracle_score_sizes(c, c->options, SCORE_BIAS, in, out[0]);
}

/* dbias takes all dS that the mask lets through; a dS of 0 adds nothing to dq and dk, whatever its key and query are.
 */
static void score_slopes_of(const op_case *c, const double *const in[], const double *ds, double *const d_in[],
                            bool of_sizes) {
    const hl_score_config *config = c->options;
    double scale = size_of(scale_of(config), of_sizes);
    for (size_t e = 0; e < PLANES * Tq * Tk; e++) {
        size_t query = e / Tk, j = e % Tk, key = oracle_shared_plane(query / Tq, H, Hk) * Tk + j;
        if (!oracle_exists(c, config, 0, SCORE_LENGTHS, in, query / Tq, query % Tq, j)) continue;
        if (in[SCORE_BIAS]) d_in[SCORE_BIAS][query % Tq * Tk + j] += size_of(ds[e], of_sizes);
        for (size_t d = 0; d < D && ds[e] != 0; d++) {
            d_in[Q][query * D + d] += size_of(scale * ds[e] * in[K][key * D + d], of_sizes);
            d_in[K][key * D + d] += size_of(scale * ds[e] * in[Q][query * D + d], of_sizes);
        }
    }
}

static void score_slopes(const op_case *c, const double *const in[], const double *const d_out[],
                         double *const d_in[]) {
    score_slopes_of(c, in, d_out[0], d_in, false);
}
static void score_slope_sizes(const op_case *c, const double *const in[], const double *const d_out[],
                              double *const d_in[]) {
    score_slopes_of(c, in, d_out[0], d_in, true);
}

START_TEST(ScoresAreRight) {
    for (size_t i = 0; i < 6; i++) {
        op_case c = {.op = HL__OP_score,
                     .options = &configs[i / 2].score,
                     .inputs = {{.shape = HL_SHAPE(B, H, Tq, D)},
                                {.shape = HL_SHAPE(B, Hk, Tk, D)},
                                {.shape = HL_SHAPE(1, 1, Tq, Tk), .absent = i % 2 == 0},
                                {.shape = HL_SHAPE(B), .dtype = HL_I32, .absent = i < 3}},
                     .oracle = scores,
                     .magnitude = score_sizes,
                     .slopes = score_slopes,
                     .slope_sizes = score_slope_sizes,
                     .value = {.relative = D + 4},
                     .gradient = {.relative = 4 + H * Tq}};
        op_extremes(&c);
    }
}
END_TEST

/* ---- weight ---- */

static void sum_values(const op_case *c, const double *const in[], double *y, bool of_sizes) {
    (void)c;
    for (size_t e = 0; e < PLANES * Tq * Tk; e++) {
        size_t query = e / Tk, key = oracle_shared_plane(query / Tq, H, Hk) * Tk + e % Tk;
        for (size_t d = 0; d < Dv && in[0][e] != 0; d++)
            y[query * Dv + d] += size_of(in[0][e] * in[1][key * Dv + d], of_sizes);
    }
}

static void values(const op_case *c, const double *const in[], double *const out[]) {
    sum_values(c, in, out[0], false);
}
static void value_sizes(const op_case *c, const double *const in[], double *const out[]) {
    sum_values(c, in, out[0], true);
}

static void value_slopes_of(const double *const in[], const double *dy, double *const d_in[], bool of_sizes) {
    for (size_t e = 0; e < PLANES * Tq * Tk; e++) {
        size_t query = e / Tk, key = oracle_shared_plane(query / Tq, H, Hk) * Tk + e % Tk;
        for (size_t d = 0; d < Dv; d++) {
            d_in[0][e] += size_of(dy[query * Dv + d] * in[1][key * Dv + d], of_sizes);
            if (in[0][e] != 0) d_in[1][key * Dv + d] += size_of(in[0][e] * dy[query * Dv + d], of_sizes);
        }
    }
}

static void value_slopes(const op_case *c, const double *const in[], const double *const d_out[],
                         double *const d_in[]) {
    (void)c;
    value_slopes_of(in, d_out[0], d_in, false);
}
static void value_slope_sizes(const op_case *c, const double *const in[], const double *const d_out[],
                              double *const d_in[]) {
    (void)c;
    value_slopes_of(in, d_out[0], d_in, true);
}

START_TEST(WeightedSumsAreRight) {
    op_case c = {.op = HL__OP_weight,
                 .inputs = {{.shape = HL_SHAPE(B, H, Tq, Tk)}, {.shape = HL_SHAPE(B, Hk, Tk, Dv)}},
                 .oracle = values,
                 .magnitude = value_sizes,
                 .slopes = value_slopes,
                 .slope_sizes = value_slope_sizes,
                 .value = {.relative = Tk},
                 .gradient = {.relative = H * Tq}};
    op_extremes(&c);
}
END_TEST

int main(void) {
    return run_tests("attention at the extremes",
                     TESTS(AttentionIsRight, WeightsAreRight, ScoresAreRight, WeightedSumsAreRight));
}
