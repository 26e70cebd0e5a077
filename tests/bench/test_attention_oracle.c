/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The oracle of attention against numbers worked out by hand, and its dropout against hl_dropout itself. */
#include "bench/subjects/attention_subject.h"

#include "tests/bench/kit.h"

/* Queries and keys that differ by logarithms, so that the weights are fractions. D = 1: no scale. */
START_TEST(WeightsAreThoseWorkedOutByHand) {
    double q[] = {1, 1, 0}, k[] = {0, 0.69314718055994530942 /* log 2 */, 0}, v[] = {4, 8, 16};
    double *part[] = {q, k, v}, o, magnitude;
    attention_shape shape = {.batch = 1, .heads = 1, .tokens = 3, .head_size = 1};
    bench_subject subject = attention_subject(&shape);
    static const struct {
        bench_mask mask;
        double o[3];
    } cases[] = {
        {{HL_MASK_NONE, 0}, {9, 9, 28.0 / 3}}, /* weights 1/4 1/2 1/4, the same, and thirds */
        {{HL_MASK_CAUSAL, 0}, {4, 20.0 / 3, 28.0 / 3}},
        {{HL_MASK_WINDOW, 2}, {20.0 / 3, 9, 12}},
        {{HL_MASK_CAUSAL_WINDOW, 1}, {4, 8, 16}},
    };
    for (size_t i = 0; i < 4; i++) {
        shape.mask = cases[i].mask;
        for (size_t row = 0; row < 3; row++) {
            ck_assert(attention_oracle_row(&subject, part, row, &o, &magnitude));
            ck_assert_double_eq_tol(o, cases[i].o[row], 1e-13); /* a few units of numbers below 16 */
            ck_assert_double_eq_tol(magnitude, cases[i].o[row], 1e-13);
        }
    }
}
END_TEST

/* Heads and sequences have keys of their own, and scores are divided by sqrt(D). */
START_TEST(EachPlaneHasItsOwnKeys) {
    enum { PLANES = 4, T = 2, D = 4 };
    double q[PLANES * T * D], k[PLANES * T * D], v[PLANES * T * D], *part[] = {q, k, v};
    for (size_t i = 0; i < PLANES * T * D; i++) {
        size_t plane = i / (T * D), t = i / D % T;
        q[i] = 1;
        k[i] = t == 1 ? log((double)(plane + 2)) / 2 : 0; /* four of them over sqrt(4): the second key's weight is
                                                              plane + 2 times the first one's */
        v[i] = t == 1 ? -1 : 0;
    }
    attention_shape shape = {.batch = 2, .heads = 2, .tokens = T, .head_size = D};
    bench_subject subject = attention_subject(&shape);
    for (size_t row = 0; row < PLANES * T; row++) {
        double o[D], magnitude[D], n = (double)(row / T + 2);
        ck_assert(attention_oracle_row(&subject, part, row, o, magnitude));
        for (size_t d = 0; d < D; d++) {
            ck_assert_double_eq_tol(o[d], -n / (n + 1), 1e-14);
            ck_assert_double_eq_tol(magnitude[d], n / (n + 1), 1e-14);
        }
    }
}
END_TEST

/* As above, with keys for two of four heads in each of two sequences: heads 0 and 1 use the first. */
START_TEST(HeadsOfAGroupHaveTheSameKeys) {
    enum { SHARED = 4, PLANES = 8, T = 2, D = 1 };
    double q[PLANES * T], k[SHARED * T], v[SHARED * T], *part[] = {q, k, v};
    for (size_t i = 0; i < PLANES * T; i++) q[i] = 1;
    for (size_t i = 0; i < SHARED * T; i++) {
        k[i] = i % T == 1 ? log((double)(i / T + 2)) : 0;
        v[i] = i % T == 1 ? -1 : 0;
    }
    attention_shape shape = {.batch = 2, .heads = 4, .tokens = T, .head_size = D, .kv_heads = 2};
    bench_subject subject = attention_subject(&shape);
    static const double used[PLANES] = {0, 0, 1, 1, 2, 2, 3, 3};
    for (size_t row = 0; row < PLANES * T; row++) {
        double o, magnitude, n = used[row / T] + 2;
        ck_assert(attention_oracle_row(&subject, part, row, &o, &magnitude));
        ck_assert_double_eq_tol(o, -n / (n + 1), 1e-14);
    }
}
END_TEST

/* Equal keys give equal weights; one-hot values then show the factors, which hl_dropout gives on ones at the same place
 * of a graph: behind two other nodes. */
START_TEST(DropoutIsThatOfTheThirdNode) {
    enum { PLANES = 3, T = 10 };
    hl_runtime *runtime;
    hl_graph *graph;
    hl_state *state;
    hl_program *program;
    ck_assert_int_eq(hl_runtime_create(&(hl_runtime_options){.workers = 1}, &runtime), HL_OK);
    ck_assert_int_eq(hl_graph_create(&graph), HL_OK);
    ck_assert_int_eq(hl_state_create(&state), HL_OK);
    hl_tensor *x = hl_input(graph, "x", HL_F32, HL_SHAPE(1, PLANES, T, T));
    hl_tensor *y = hl_dropout(graph, hl_exp(graph, hl_exp(graph, x)), 0.4f, ATTENTION_SEED);
    ck_assert_int_eq(hl_program_create(runtime, graph, state, &y, 1, &program), HL_OK);
    float ones[PLANES * T * T], factor[PLANES * T * T];
    for (size_t i = 0; i < PLANES * T * T; i++) ones[i] = -200; /* exp(exp(-200)) = 1 */
    ck_assert_int_eq(hl_program_write(program, x, ones, sizeof ones), HL_OK);
    ck_assert_int_eq(hl_program_run(program), HL_OK);
    ck_assert_int_eq(hl_program_read(program, y, factor, sizeof factor), HL_OK);

    double q[PLANES * T * T] = {0}, k[PLANES * T * T] = {0}, v[PLANES * T * T], *part[] = {q, k, v};
    for (size_t i = 0; i < PLANES * T * T; i++) v[i] = i / T % T == i % T;
    attention_shape shape = {.batch = 1, .heads = PLANES, .tokens = T, .head_size = T, .dropout = 0.4};
    bench_subject subject = attention_subject(&shape);
    size_t n_dropped = 0;
    for (size_t row = 0; row < PLANES * T; row++) {
        double o[T], magnitude[T];
        ck_assert(attention_oracle_row(&subject, part, row, o, magnitude));
        for (size_t j = 0; j < T; j++) {
            ck_assert_double_eq_tol(o[j] * T, factor[row * T + j], 3e-7); /* 1 / 0.6 rounded twice to float */
            n_dropped += o[j] == 0;
        }
    }
    ck_assert(n_dropped > 60 && n_dropped < 180); /* of 300, 120 are expected, with a deviation of 8.5 */
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_graph_destroy(graph);
    hl_runtime_destroy(runtime);
}
END_TEST

int main(void) {
    return run_tests("attention_oracle", TESTS(WeightsAreThoseWorkedOutByHand, EachPlaneHasItsOwnKeys,
                                               HeadsOfAGroupHaveTheSameKeys, DropoutIsThatOfTheThirdNode));
}
