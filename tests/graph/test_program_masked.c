/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Attention at its extremes, as a program runs it, fused and apart: what is masked reaches nothing, what is not masked
 * and not finite reaches everything that depends on it, and scores that are equal give equal weights, however large
 * they are. Outputs and gradients are compared byte by byte with those of ordinary numbers. */
#include <float.h>
#include <math.h>

#include "tests/graph/kit.h"
#include "tests/support/suite.h"

enum { Q, K, V, BIAS, N_INPUTS };

typedef struct extents {
    size_t B, H, Hk, Tq, Tk, D;
} extents;

/* An attention whose loss is a weighted sum of its output, and all gradients. */
typedef struct attended {
    extents x;
    hl_score_options score;
    bool apart; /* the gradient of the weights is asked for, so that nothing is fused */
    float dropout;
    hl_graph *graph;
    hl_state *state;
    hl_program *program;
    hl_tensor *input[N_INPUTS], *lengths, *dy, *y, *p, *gradient[N_INPUTS];
} attended;

static hl_shape shape_of(const extents *x, size_t input) {
    switch (input) {
    case Q: return HL_SHAPE(x->B, x->H, x->Tq, x->D);
    case BIAS: return HL_SHAPE(1, 1, x->Tq, x->Tk);
    default: return HL_SHAPE(x->B, x->Hk, x->Tk, x->D);
    }
}

static void open(attended *a, hl_runtime *runtime) {
    static const char *const names[] = {"q", "k", "v", "bias"};
    hl_graph *g = a->graph = kit_graph();
    a->state = kit_state();
    for (size_t i = 0; i < N_INPUTS; i++) a->input[i] = hl_input(g, names[i], HL_F32, shape_of(&a->x, i));
    a->lengths = hl_input(g, "lengths", HL_I32, HL_SHAPE(a->x.B));
    a->dy = hl_input(g, "dy", HL_F32, shape_of(&a->x, Q));
    a->score.bias = a->input[BIAS];
    a->score.lengths = a->lengths;
    a->p = hl_softmax(g, hl_score(g, a->input[Q], a->input[K], &a->score));
    a->y = hl_weight(g, hl_dropout(g, a->p, a->dropout, 3), a->input[V]);
    hl_tensor *loss = hl_sum(g, hl_multiply(g, a->y, a->dy), 0, false), *outputs[N_INPUTS + 3] = {a->y, a->p};
    size_t n = 2;
    for (size_t i = 0; i < N_INPUTS; i++) outputs[n++] = a->gradient[i] = hl_gradient(g, loss, a->input[i]);
    if (a->apart) outputs[n++] = hl_gradient(g, loss, a->p);
    a->program = kit_program(runtime, g, a->state, outputs, n);
}

static void discard(attended *a) {
    hl_program_destroy(a->program);
    hl_graph_destroy(a->graph);
    hl_state_destroy(a->state);
}

/* Values of the inputs, and what they lead to. */
typedef struct numbers {
    float *input[N_INPUTS], *dy, *y, *p, *gradient[N_INPUTS];
    int32_t *lengths;
} numbers;

static float *take(size_t n) {
    float *made = calloc(n, sizeof *made);
    ck_assert_ptr_nonnull(made);
    return made;
}

static size_t elements(const extents *x, size_t input) {
    hl_shape shape = shape_of(x, input);
    return hl_shape_elements(&shape);
}

static numbers take_numbers(const extents *x) {
    numbers n = {.dy = take(elements(x, Q)), .y = take(elements(x, Q)), .p = take(x->B * x->H * x->Tq * x->Tk)};
    n.lengths = calloc(x->B, sizeof *n.lengths);
    ck_assert_ptr_nonnull(n.lengths);
    for (size_t i = 0; i < N_INPUTS; i++) {
        n.input[i] = take(elements(x, i));
        n.gradient[i] = take(elements(x, i));
        for (size_t e = 0; e < elements(x, i); e++) n.input[i][e] = sinf((float)(7 * e + i));
    }
    for (size_t e = 0; e < elements(x, Q); e++) n.dy[e] = cosf(3 * (float)e);
    for (size_t b = 0; b < x->B; b++) n.lengths[b] = (int32_t)x->Tk;
    return n;
}

static void free_numbers(numbers *n) {
    for (size_t i = 0; i < N_INPUTS; i++) {
        free(n->input[i]);
        free(n->gradient[i]);
    }
    free(n->dy);
    free(n->y);
    free(n->p);
    free(n->lengths);
}

static void run(const attended *a, const numbers *n) {
    const extents *x = &a->x;
    for (size_t i = 0; i < N_INPUTS; i++)
        kit_write(a->program, a->input[i], n->input[i], elements(x, i) * sizeof(float));
    kit_write(a->program, a->lengths, n->lengths, x->B * sizeof(int32_t));
    kit_write(a->program, a->dy, n->dy, elements(x, Q) * sizeof(float));
    ck_assert_int_eq(hl_program_run(a->program), HL_OK); /* no scalar is an output */
    kit_read(a->program, a->y, n->y, elements(x, Q) * sizeof(float));
    kit_read(a->program, a->p, n->p, x->B * x->H * x->Tq * x->Tk * sizeof(float));
    for (size_t i = 0; i < N_INPUTS; i++)
        kit_read(a->program, a->gradient[i], n->gradient[i], elements(x, i) * sizeof(float));
}

/* Zeros may differ in sign: adding nothing keeps the sign that adding a product with 0 may lose. */
static bool same(float a, float b) { return a == b || (isnan(a) && isnan(b)); }

static void assert_row(const char *what, size_t row, const float *got, const float *want, size_t n) {
    for (size_t e = 0; e < n; e++)
        ck_assert_msg(same(got[e], want[e]), "%s: row %zu, element %zu is %g, not %g", what, row, e, (double)got[e],
                      (double)want[e]);
}

static void assert_not_finite(const char *what, size_t row, const float *got, size_t n) {
    for (size_t e = 0; e < n; e++)
        ck_assert_msg(!isfinite(got[e]), "%s: row %zu, element %zu is %g and should not be finite", what, row, e,
                      (double)got[e]);
}

/* ---- who sees whom, by the definitions ---- */

static bool sees(const attended *a, const numbers *n, size_t b, size_t i, size_t j) {
    double position = (double)i + (double)a->x.Tk - (double)a->x.Tq, key = (double)j;
    if (key >= n->lengths[b]) return false;
    if (n->input[BIAS][i * a->x.Tk + j] == -INFINITY) return false;
    bool causal = a->score.mask == HL_MASK_CAUSAL || a->score.mask == HL_MASK_CAUSAL_WINDOW;
    bool window = a->score.mask == HL_MASK_WINDOW || a->score.mask == HL_MASK_CAUSAL_WINDOW;
    return (!causal || key <= position) && (!window || fabs(position - key) < (double)a->score.window);
}

/* True where query i of sequence b sees a key at which `at` is set. */
static bool sees_some(const attended *a, const numbers *n, size_t b, size_t i, const bool *at) {
    for (size_t j = 0; j < a->x.Tk; j++)
        if (at[b * a->x.Tk + j] && sees(a, n, b, i, j)) return true;
    return false;
}

/* True where key j is seen by a query that sees a key at which `at` is set. */
static bool seen_with(const attended *a, const numbers *n, size_t b, size_t j, const bool *at) {
    for (size_t i = 0; i < a->x.Tq; i++)
        if (sees(a, n, b, i, j) && sees_some(a, n, b, i, at)) return true;
    return false;
}

static bool some_query_sees(const attended *a, const numbers *n, size_t b, const bool *at) {
    bool some = false;
    for (size_t i = 0; i < a->x.Tq && !some; i++) some = sees_some(a, n, b, i, at);
    return some;
}

/* ---- what is masked does not exist ---- */

/* Puts numbers that are none at some keys, or at some values. */
static void spoil(const attended *a, numbers *n, size_t input, const bool *at) {
    static const float strange[] = {NAN, INFINITY, -INFINITY};
    const extents *x = &a->x;
    for (size_t e = 0; e < elements(x, input); e++) {
        size_t row = e / x->D, b = row / x->Tk / x->Hk, j = row % x->Tk;
        if (at[b * x->Tk + j]) n->input[input][e] = strange[input == V ? row % 3 : 0];
    }
}

/* Where values are spoiled, so are y, D and dS of the queries that see them; where keys are, the weights too. */
static void compare(const attended *a, const numbers *clean, const numbers *spoiled, size_t input, const bool *at) {
    const extents *x = &a->x;
    for (size_t row = 0; row < x->B * x->H * x->Tq; row++) {
        size_t b = row / x->Tq / x->H, i = row % x->Tq;
        bool reached = sees_some(a, clean, b, i, at);
        if (reached) assert_not_finite("dq", row, spoiled->gradient[Q] + row * x->D, x->D);
        else assert_row("dq", row, spoiled->gradient[Q] + row * x->D, clean->gradient[Q] + row * x->D, x->D);
        if (reached && a->dropout == 0) assert_not_finite("y", row, spoiled->y + row * x->D, x->D);
        if (!reached) assert_row("y", row, spoiled->y + row * x->D, clean->y + row * x->D, x->D);
        if (!reached) assert_row("p", row, spoiled->p + row * x->Tk, clean->p + row * x->Tk, x->Tk);
    }
    for (size_t row = 0; row < x->B * x->Hk * x->Tk; row++) {
        size_t b = row / x->Tk / x->Hk, j = row % x->Tk;
        bool reached = seen_with(a, clean, b, j, at);
        if (!reached && a->apart && some_query_sees(a, clean, b, at)) continue; /* a row of weights is NaN as a whole */
        if (reached) assert_not_finite("dk", row, spoiled->gradient[K] + row * x->D, x->D);
        else assert_row("dk", row, spoiled->gradient[K] + row * x->D, clean->gradient[K] + row * x->D, x->D);
        if (reached && input == K) assert_not_finite("dv", row, spoiled->gradient[V] + row * x->D, x->D);
        if (!reached || input == V)
            assert_row("dv", row, spoiled->gradient[V] + row * x->D, clean->gradient[V] + row * x->D, x->D);
    }
    for (size_t i = 0; i < x->Tq; i++)
        for (size_t j = 0; j < x->Tk; j++) {
            bool reached = false;
            for (size_t b = 0; b < x->B; b++) reached |= sees(a, clean, b, i, j) && sees_some(a, clean, b, i, at);
            size_t e = i * x->Tk + j;
            if (reached) assert_not_finite("dbias", e, &spoiled->gradient[BIAS][e], 1);
            else assert_row("dbias", e, &spoiled->gradient[BIAS][e], &clean->gradient[BIAS][e], 1);
        }
}

static void check_spoiled(attended *a, hl_runtime *runtime, size_t input, size_t from, size_t step, bool minus) {
    const extents *x = &a->x;
    open(a, runtime);
    numbers clean = take_numbers(x), spoiled = take_numbers(x);
    bool *at = calloc(x->B * x->Tk, sizeof *at);
    ck_assert_ptr_nonnull(at);
    for (size_t b = 0; b < x->B; b++) {
        clean.lengths[b] = spoiled.lengths[b] = (int32_t)(b == 0 ? x->Tk : b == 1 ? x->Tk * 2 / 3 : 0);
        for (size_t j = from; j < x->Tk; j += step) at[b * x->Tk + j] = true;
    }
    /* A bias of -infinity masks as well: here all keys that are spoiled, for odd queries. */
    for (size_t e = 0; minus && e < elements(x, BIAS); e++)
        if (at[e % x->Tk] && e / x->Tk % 2) clean.input[BIAS][e] = spoiled.input[BIAS][e] = -INFINITY;
    run(a, &clean);
    spoil(a, &spoiled, input, at);
    run(a, &spoiled);
    compare(a, &clean, &spoiled, input, at);
    free_numbers(&clean);
    free_numbers(&spoiled);
    free(at);
    discard(a);
}

static const hl_mask masks[] = {HL_MASK_NONE, HL_MASK_CAUSAL, HL_MASK_WINDOW, HL_MASK_CAUSAL_WINDOW};

/* Spoiled keys, then values, at places that some queries see and others don't: behind the length, behind the query,
 * outside of the window, under a bias of -infinity. */
START_TEST(WhatIsMaskedReachesNothing) {
    static const extents shapes[] = {{3, 2, 1, 40, 70, 5}, {2, 4, 2, 300, 140, 3}, {2, 1, 1, 130, 600, 4}};
    hl_runtime *runtime = kit_runtime(2);
    for (size_t s = 0; s < KIT_COUNT(shapes); s++)
        for (size_t m = 0; m < 8; m++)
            for (size_t input = K; input <= V; input++) {
                attended a = {.x = shapes[s], .score = {.mask = masks[m % 4], .window = 30}, .apart = m >= 4};
                check_spoiled(&a, runtime, input, shapes[s].Tk / 2, 17, m % 2 == 0);
            }
    hl_runtime_destroy(runtime);
}
END_TEST

START_TEST(WhatIsMaskedReachesNothingUnderDropout) {
    hl_runtime *runtime = kit_runtime(2);
    for (size_t m = 1; m < 4; m++) {
        attended a = {.x = {3, 2, 2, 140, 140, 4}, .score = {.mask = masks[m], .window = 30}, .dropout = 0.3f};
        check_spoiled(&a, runtime, K, 100, 7, m == 2);
    }
    hl_runtime_destroy(runtime);
}
END_TEST

/* ---- scores of any size ---- */

static void assert_same_numbers(const char *what, const attended *a, const numbers *got, const numbers *want) {
    const extents *x = &a->x;
    assert_row(what, 0, got->y, want->y, elements(x, Q));
    assert_row(what, 1, got->p, want->p, x->B * x->H * x->Tq * x->Tk);
    for (size_t i = 0; i < N_INPUTS; i++) assert_row(what, 2 + i, got->gradient[i], want->gradient[i], elements(x, i));
}

/* A bias that all keys of a row share changes no bit where attention is fused. */
START_TEST(ACommonBiasChangesNothing) {
    static const float offsets[] = {-1e4f, 1e9f, -1e9f, 3e38f, FLT_MAX, -FLT_MAX, 1e-40f};
    hl_runtime *runtime = kit_runtime(2);
    for (size_t m = 0; m < KIT_COUNT(masks); m++) {
        attended a = {.x = {2, 2, 1, 150, 200, 7}, .score = {.mask = masks[m], .window = 40}};
        open(&a, runtime);
        numbers want = take_numbers(&a.x), got = take_numbers(&a.x);
        memset(want.input[BIAS], 0, elements(&a.x, BIAS) * sizeof(float));
        run(&a, &want);
        for (size_t o = 0; o < KIT_COUNT(offsets); o++) {
            for (size_t e = 0; e < elements(&a.x, BIAS); e++) got.input[BIAS][e] = offsets[o];
            run(&a, &got);
            assert_same_numbers("a bias for all", &a, &got, &want);
        }
        free_numbers(&want);
        free_numbers(&got);
        discard(&a);
    }
    hl_runtime_destroy(runtime);
}
END_TEST

/* Numbers as they are to be, and how far off they may be. */
typedef struct exact {
    double *p, *y, *dq, *dv, *dbias; /* numbers, and as many errors behind them */
} exact;

static double *take_doubles(size_t n) {
    double *made = calloc(2 * n, sizeof *made);
    ck_assert_ptr_nonnull(made);
    return made;
}

/* One row of a head (of one batch, with keys of its own) whose `seen` scores are equal; dq: of the last number of a
 * head's size alone. In units u:
 *   p: 3 of an exponential, 1 of a quotient, n / 4 of a sum of n equal terms                        of_p
 *   y = sum p v, dv = sum p dy: T products and sums more of their sizes
 *   dp = dy v: D of its size g
 *   ds = p (dp - sum p dp): of its size p (g + sum p g) twice of_p, D, T sums, 4 more              e_ds
 *   dbias = sum ds, dq = sum ds k / sqrt(D): e_ds, and T + 2 of their sizes */
static void equal_row(const extents *x, const numbers *in, size_t head, size_t i, exact *out) {
    size_t D = x->D, T = x->Tk, seen = i + 1 + T - x->Tq, Q_row = head * x->Tq + i, n_q = elements(x, Q);
    size_t n_v = elements(x, V), n_bias = elements(x, BIAS), n_p = n_bias * x->H;
    const double u = KIT_UNIT, p = 1 / (double)seen, of_p = 4 + (double)seen / 4, root = sqrt((double)D);
    const float *dy = in->dy + Q_row * D;
    double mean = 0, mean_size = 0;
    for (size_t pass = 0; pass < 2; pass++)
        for (size_t j = 0; j < seen; j++) {
            size_t V_row = head * T + j;
            double dp = 0, size = 0;
            for (size_t d = 0; d < D; d++) {
                double v = (double)in->input[V][V_row * D + d];
                dp += (double)dy[d] * v;
                size += fabs((double)dy[d] * v);
                if (pass == 0) continue;
                out->y[Q_row * D + d] += p * v;
                out->y[n_q + Q_row * D + d] += (of_p + (double)T) * u * p * fabs(v);
                out->dv[V_row * D + d] += p * (double)dy[d];
                out->dv[n_v + V_row * D + d] += (of_p + (double)T) * u * p * fabs((double)dy[d]);
            }
            if (pass == 0) {
                mean += p * dp;
                mean_size += p * size;
                continue;
            }
            double ds = p * (dp - mean), k = (double)in->input[K][V_row * D + D - 1] / root;
            double error = (2 * of_p + (double)(D + T + 4)) * u * p * (size + mean_size);
            error += (double)(T + 2) * u * fabs(ds);
            out->p[Q_row * T + j] = p;
            out->p[n_p + Q_row * T + j] = of_p * u * p;
            out->dbias[i * T + j] += ds;
            out->dbias[n_bias + i * T + j] += error;
            out->dq[Q_row * D + D - 1] += ds * k;
            out->dq[n_q + Q_row * D + D - 1] += error * fabs(k);
        }
}

/* Every `step`-th number. */
static void assert_close(const char *what, const float *got, const double *want, size_t n, size_t step) {
    for (size_t e = step - 1; e < n; e += step)
        ck_assert_msg(fabs((double)got[e] - want[e]) <= want[n + e], "%s: %zu is %.9g, not %.9g (bound %g)", what, e,
                      (double)got[e], want[e], want[n + e]);
}

static void assert_equal_scores(const extents *x, const numbers *got) {
    size_t n_q = elements(x, Q), n_v = elements(x, V), n_bias = elements(x, BIAS), n_p = n_bias * x->H;
    exact want = {take_doubles(n_p), take_doubles(n_q), take_doubles(n_q), take_doubles(n_v), take_doubles(n_bias)};
    for (size_t row = 0; row < x->H * x->Tq; row++) equal_row(x, got, row / x->Tq, row % x->Tq, &want);
    assert_close("p", got->p, want.p, n_p, 1);
    assert_close("y", got->y, want.y, n_q, 1);
    assert_close("dq", got->gradient[Q], want.dq, n_q, x->D);
    assert_close("dv", got->gradient[V], want.dv, n_v, 1);
    assert_close("dbias", got->gradient[BIAS], want.dbias, n_bias, 1);
    free(want.p);
    free(want.y);
    free(want.dq);
    free(want.dv);
    free(want.dbias);
}

/* Scores of 0 and of 1e10 that are all the same, fused and apart: weights, y, the gradients of values and of the bias,
 * and dq where keys differ (and queries are 0) are those of weights that are equal. */
START_TEST(EqualScoresOfAnySizeAreLikeZeros) {
    static const size_t sizes[] = {2, 3, 5, 16, 33, 64};
    hl_runtime *runtime = kit_runtime(2);
    for (size_t s = 0; s < 2 * KIT_COUNT(sizes); s++) {
        attended a = {.x = {1, 2, 2, 150, 163, sizes[s / 2]}, .score = {.mask = HL_MASK_CAUSAL}, .apart = s % 2};
        size_t D = a.x.D;
        open(&a, runtime);
        numbers got = take_numbers(&a.x);
        memset(got.input[BIAS], 0, elements(&a.x, BIAS) * sizeof(float));
        for (size_t e = 0; e < elements(&a.x, K); e++)
            if (e % D != D - 1) got.input[K][e] = 98765.4f + 1e4f * cosf((float)(e % D));
        for (int large = 0; large < 2; large++) {
            for (size_t e = 0; e < elements(&a.x, Q); e++)
                got.input[Q][e] = large && e % D != D - 1 ? 123456.7f + sinf((float)e) : 0;
            run(&a, &got);
            assert_equal_scores(&a.x, &got);
        }
        free_numbers(&got);
        discard(&a);
    }
    hl_runtime_destroy(runtime);
}
END_TEST

/* n weights of one row are 1 / n each, to the rounding of an exponential, of a quotient and of a sum of n. */
START_TEST(ARowOfEqualScoresHasEqualWeights) {
    static const float biases[] = {0, -1e9f, -FLT_MAX, FLT_MAX};
    hl_runtime *runtime = kit_runtime(1);
    for (size_t i = 0; i < 2 * KIT_COUNT(biases); i++) {
        attended a = {.x = {1, 1, 1, 9, 50, 4}, .score = {.mask = HL_MASK_CAUSAL}, .apart = i % 2};
        open(&a, runtime);
        numbers n = take_numbers(&a.x);
        memset(n.input[Q], 0, elements(&a.x, Q) * sizeof(float));
        for (size_t e = 0; e < elements(&a.x, BIAS); e++) n.input[BIAS][e] = biases[i / 2];
        run(&a, &n);
        for (size_t e = 0; e < elements(&a.x, BIAS); e++) {
            size_t seen = e / 50 + 50 - 9 + 1;
            double want = e % 50 < seen ? 1.0 / (double)seen : 0;
            ck_assert_msg(fabs((double)n.p[e] - want) <= (4 + 50.0 / 4) * KIT_UNIT * want, "weight %zu is %g, not %g",
                          e, (double)n.p[e], want);
        }
        for (size_t g = 0; g < N_INPUTS; g++)
            for (size_t e = 0; e < elements(&a.x, g); e++) ck_assert(isfinite(n.gradient[g][e]));
        free_numbers(&n);
        discard(&a);
    }
    hl_runtime_destroy(runtime);
}
END_TEST

/* A query that is not finite spoils its own row, and what depends on it; apart, a row of weights is NaN as a whole. */
START_TEST(WhatIsNotMaskedPropagates) {
    static const float strange[] = {NAN, INFINITY, -INFINITY};
    hl_runtime *runtime = kit_runtime(2);
    for (size_t i = 0; i < 6; i++) {
        attended a = {.x = {1, 1, 1, 40, 40, 6}, .score = {.mask = HL_MASK_CAUSAL}, .apart = i >= 3};
        open(&a, runtime);
        numbers want = take_numbers(&a.x), got = take_numbers(&a.x);
        run(&a, &want);
        for (size_t d = 0; d < 6; d++) got.input[Q][20 * 6 + d] = strange[i % 3];
        run(&a, &got);
        for (size_t row = 0; row < 40; row++) {
            if (row == 20) assert_not_finite("y", row, got.y + row * 6, 6);
            else assert_row("y", row, got.y + row * 6, want.y + row * 6, 6);
            if (row <= 20) assert_not_finite("dv", row, got.gradient[V] + row * 6, 6);
            else if (!a.apart) assert_row("dv", row, got.gradient[V] + row * 6, want.gradient[V] + row * 6, 6);
        }
        free_numbers(&want);
        free_numbers(&got);
        discard(&a);
    }
    hl_runtime_destroy(runtime);
}
END_TEST

/* ---- long sums ---- */

/* A bias that 2^20 rows of scores share: each adds a quarter of 0.4f to the gradient of one key and takes it from the
 * other's. Summed one by one they would be off by some 0.16 n units of 2^-24. */
START_TEST(TheGradientOfASharedBiasKeepsItsDigits) {
    enum { B = 4, H = 4, T = 65536, N = B * H * T };
    hl_runtime *runtime = kit_runtime(2);
    for (int apart = 0; apart < 2; apart++) {
        hl_graph *g = kit_graph();
        hl_state *state = kit_state();
        hl_tensor *q = hl_input(g, "q", HL_F32, HL_SHAPE(B, H, T, 1)),
                  *k = hl_input(g, "k", HL_F32, HL_SHAPE(B, H, 2, 1));
        hl_tensor *v = hl_input(g, "v", HL_F32, HL_SHAPE(B, H, 2, 1));
        hl_tensor *bias = hl_input(g, "bias", HL_F32, HL_SHAPE(1, 1, 1, 2));
        hl_tensor *p = hl_softmax(g, hl_score(g, q, k, &(hl_score_options){.bias = bias})), *y = hl_weight(g, p, v);
        hl_tensor *loss = hl_scale(g, hl_sum(g, y, 0, false), 0.4f);
        hl_tensor *outputs[] = {hl_gradient(g, loss, bias), hl_gradient(g, loss, p)};
        hl_program *program = kit_program(runtime, g, state, outputs, apart ? 2 : 1);
        float values[B * H][2], got[2];
        for (size_t i = 0; i < B * H; i++) {
            values[i][0] = 1;
            values[i][1] = 0;
        }
        kit_write(program, v, values, sizeof values);
        kit_run(program);
        kit_read(program, outputs[0], got, sizeof got);
        double want = (double)N * (double)0.4f / 4;
        for (size_t j = 0; j < 2; j++)
            ck_assert_msg(fabs((double)got[j] - (j ? -want : want)) <= 1e-6 * log2(N) * want,
                          "%s: %zu is %.9g, not %.9g", apart ? "apart" : "fused", j, (double)got[j], j ? -want : want);
        hl_program_destroy(program);
        hl_graph_destroy(g);
        hl_state_destroy(state);
    }
    hl_runtime_destroy(runtime);
}
END_TEST

int main(void) {
    return run_tests("graph/program_masked", TESTS(WhatIsMaskedReachesNothing, WhatIsMaskedReachesNothingUnderDropout,
                                                   ACommonBiasChangesNothing, EqualScoresOfAnySizeAreLikeZeros,
                                                   ARowOfEqualScoresHasEqualWeights, WhatIsNotMaskedPropagates,
                                                   TheGradientOfASharedBiasKeepsItsDigits));
}
