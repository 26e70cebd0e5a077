/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The oracle of the GPTs: a program gives the same logits, every parameter counts in them, later words do not, and what
 * it cannot compute it does not call right. */
#include <float.h>

#include "bench/instruments/work.h"
#include "tests/bench/gpt_kit.h"

#define N_LOGITS ((size_t)3 * 5 * 11) /* of the tiny GPTs */

/* The n-th allocation from now on fails; 0: none does. */
static size_t fail_at;

void *__real_calloc(size_t n, size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);

void *__wrap_calloc(size_t n, size_t bytes) { return fail_at > 0 && --fail_at == 0 ? NULL : __real_calloc(n, bytes); }

/* Parameters as none is at first: no zeros in biases, no ones in gains, all of them around 0.5 in magnitude. */
static void scatter(const small_gpt *small) {
    for (size_t t = 0; t < hl_state_count(small->state); t++) {
        held tensor = held_at(small, t);
        if (!is_parameter(tensor.name)) continue;
        float *values = bench_random(tensor.elements, t, 0.5);
        ck_assert_ptr_nonnull(values);
        CHECK_OK(hl_state_write(small->state, tensor.name, values, tensor.elements * sizeof *values), tensor.name);
        free(values);
    }
}

static const int32_t text[15] = {3, 10, 0, 7, 3, 1, 2, 4, 5, 6, 8, 9, 10, 10, 0};

static void run_small(const small_gpt *small, float *logits) {
    write_input(small, small->model.words, text, sizeof text);
    CHECK_OK(hl_program_run(small->program), hl_program_error(small->program));
    CHECK_OK(hl_program_read(small->program, small->model.logits, logits, N_LOGITS * sizeof *logits), "logits");
}

/* The oracle's logits of sequence b. */
static void ask(const small_gpt *small, const int32_t *words, size_t n, double *logits) {
    ck_assert(gpt_oracle(&small->model.sizes, small->state, words, n, logits));
}

START_TEST(AProgramGivesTheSameLogits) {
    for (size_t i = 0; i < 2; i++) {
        small_gpt small = open_gpt(&tiny[i], false);
        scatter(&small);
        float got[N_LOGITS];
        double want[N_LOGITS];
        run_small(&small, got);
        for (size_t b = 0; b < 3; b++) ask(&small, text + 5 * b, 5, want + b * 5 * 11);
        double error = gpt_worst_error(&tiny[i], got, want, 15);
        ck_assert_msg(error <= 1, "%g of its bound", error);
        close_gpt(&small);
    }
}
END_TEST

static double difference(const double *a, const double *b, size_t n) {
    double largest = 0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs(a[i] - b[i]));
    return largest;
}

/* Each element of each parameter, moved by a quarter. Two things move no logit: positions behind the last word, and a
 * key's bias, which adds the same to all scores of a query, so that softmax takes it away again, up to what some
 * hundred roundings in double leave, 1e-13. All else moves one by far more, if by little where keys hardly differ. */
START_TEST(EveryElementOfEveryParameterCounts) {
    for (size_t i = 0; i < 2; i++) {
        enum { N = 4 };
        small_gpt small = open_gpt(&tiny[i], false);
        scatter(&small);
        double before[N * 11], after[N * 11];
        ask(&small, text, N, before);
        for (size_t t = 0; t < hl_state_count(small.state); t++) {
            held tensor = held_at(&small, t);
            bool positions = strcmp(tensor.name, "position.table") == 0, blind = strstr(tensor.name, ".bk") != NULL;
            float values[256];
            size_t bytes = tensor.elements * sizeof *values;
            ck_assert_uint_le(bytes, sizeof values);
            CHECK_OK(hl_state_read(small.state, tensor.name, values, bytes), tensor.name);
            for (size_t e = 0; e < tensor.elements; e++) {
                float was = values[e];
                values[e] += 0.25f;
                CHECK_OK(hl_state_write(small.state, tensor.name, values, bytes), tensor.name);
                ask(&small, text, N, after);
                double moved = difference(before, after, N * 11);
                bool counts = !blind && !(positions && e >= N * tiny[i].width);
                ck_assert_msg(counts ? moved > 1e-9 : moved < 1e-12, "%s, element %zu: %g", tensor.name, e, moved);
                values[e] = was;
            }
            CHECK_OK(hl_state_write(small.state, tensor.name, values, bytes), tensor.name);
        }
        close_gpt(&small);
    }
}
END_TEST

START_TEST(LaterWordsDoNotCount) {
    small_gpt small = open_gpt(&tiny[0], false);
    scatter(&small);
    double all[5 * 11], some[5 * 11];
    ask(&small, text, 5, all);
    for (size_t n = 1; n < 5; n++) {
        ask(&small, text, n, some);
        ck_assert_mem_eq(some, all, n * 11 * sizeof *all);
    }
    for (size_t changed = 0; changed < 5; changed++) {
        int32_t words[5];
        memcpy(words, text, sizeof words);
        words[changed] = 5; /* in the text it stands in another sequence */
        ask(&small, words, 5, some);
        ck_assert_mem_eq(some, all, changed * 11 * sizeof *all);
        for (size_t t = changed; t < 5; t++) ck_assert_double_gt(difference(some + t * 11, all + t * 11, 11), 1e-6);
    }
    close_gpt(&small);
}
END_TEST

START_TEST(WhatTheStateDoesNotHoldIsAFailure) {
    small_gpt small = open_gpt(&tiny[1], false); /* without biases */
    double logits[6 * 11];
    ask(&small, text, 5, logits);
    ck_assert(!gpt_oracle(&tiny[1], small.state, text, 6, logits)); /* more words than positions */
    gpt_sizes deeper = tiny[1], wider = tiny[1], wordier = tiny[1];
    deeper.layers++;
    wider.width *= 2;
    wordier.vocabulary++;
    ck_assert(!gpt_oracle(&deeper, small.state, text, 2, logits));
    ck_assert(!gpt_oracle(&wider, small.state, text, 2, logits));
    ck_assert(!gpt_oracle(&wordier, small.state, text, 2, logits));
    ck_assert(!gpt_oracle(&tiny[0], small.state, text, 2, logits));
    close_gpt(&small);
}
END_TEST

START_TEST(WithoutMemoryThereIsNoAnswer) {
    small_gpt small = open_gpt(&tiny[0], false);
    double logits[11];
    for (size_t n = 1; n <= 2; n++) {
        fail_at = n;
        ck_assert(!gpt_oracle(&tiny[0], small.state, text, 1, logits));
        ck_assert_uint_eq(fail_at, 0);
    }
    ask(&small, text, 1, logits);
    close_gpt(&small);
}
END_TEST

/* The bound is 4 sqrt(8 (1 + 12 * 2)) half epsilons of the logits' deviation, here 2: 57 epsilons. */
START_TEST(AnErrorIsAFractionOfWhatRoundingMayMake) {
    double want[22], bound = 2 * sqrt(200) * 2 * (double)FLT_EPSILON;
    float got[22];
    for (size_t i = 0; i < 22; i++) want[i] = got[i] = i % 2 ? -2 : 2;
    ck_assert_double_eq(gpt_worst_error(&tiny[0], got, want, 2), 0);
    want[21] -= bound / 2;
    want[4] += bound / 4;
    ck_assert_double_eq_tol(gpt_worst_error(&tiny[0], got, want, 2), 0.5, 1e-5); /* the deviation moves along */
    got[0] = NAN; /* a right one behind it does not hide it */
    ck_assert(isinf(gpt_worst_error(&tiny[0], got, want, 2)));
    got[0] = 2;
    want[7] = NAN;
    ck_assert(isinf(gpt_worst_error(&tiny[0], got, want, 2)));
}
END_TEST

int main(void) {
    return run_tests("gpt_oracle", TESTS(AProgramGivesTheSameLogits, EveryElementOfEveryParameterCounts,
                                         LaterWordsDoNotCount, WhatTheStateDoesNotHoldIsAFailure,
                                         WithoutMemoryThereIsNoAnswer, AnErrorIsAFractionOfWhatRoundingMayMake));
}
