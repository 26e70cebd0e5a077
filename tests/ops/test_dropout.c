/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Dropout: exactly the words of Random123's Philox decide, at any rank, and backward as forward. */
#include <math.h>

#include "ops/kernels/random.h"
#include "tests/support/attention_oracle.h"
#include "tests/support/suite.h"

static void dropout(const op_case *c, const double *const in[], double *const out[]) {
    const hl_shape *shape = &c->inputs[0].shape;
    size_t r = shape->rank, n = r ? shape->extent[r - 1] : 1, rows = r >= 2 ? shape->extent[r - 2] : 1;
    for (size_t e = 0; e < oracle_size(c, 0); e++)
        out[0][e] =
            in[0][e] * oracle_dropout(c->options, c->node_id, (int32_t)in[1][0], e / n / rows, e / n % rows, e % n);
}

/* One product with a factor that is rounded once: 2 roundings of half a unit. */
static op_case case_of(hl_shape shape, const hl_dropout_config *config, const int32_t *step) {
    return (op_case){.op = HL__OP_dropout,
                     .options = config,
                     .node_id = 41,
                     .inputs = {{.shape = shape}, {.dtype = HL_I32, .values = step}},
                     .oracle = dropout,
                     .value = {.relative = 1},
                     .gradient = {.relative = 1},
                     .samples = 60};
}

START_TEST(WordsOfPhiloxDecide) {
    hl_shape shapes[] = {HL_SCALAR,
                         HL_SHAPE(1),
                         HL_SHAPE(67),
                         HL_SHAPE(5, 3),
                         HL_SHAPE(3, 130),
                         HL_SHAPE(2, 3, 17, 70),
                         HL_SHAPE(2, 1, 2, 5, 3, 9)};
    hl_dropout_config configs[] = {
        {.rate = 0.1f, .seed = 7}, {.rate = 0.75f, .seed = 0xfedcba9876543210u}, {.rate = 0}};
    int32_t steps[] = {0, 123456789, 5};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (size_t i = 0; i < 3; i++) {
            op_case c = case_of(shapes[s], &configs[i], &steps[i]);
            op_check(&c);
        }
}
END_TEST

START_TEST(ColumnsHoldTheWordsOfRows) {
    hl__dropout mask = hl__dropout_of(&(hl_dropout_config){.rate = 0.4f, .seed = 99}, 3, 8);
    uint32_t row[256], columns[16][48];
    ck_assert_uint_le(hl__dropout_row_words(96), sizeof row / sizeof *row);
    for (size_t j = 0; j < 96; j += 32) {
        hl__dropout_columns(&mask, 5, 10, 37, 64 + j, columns[0], 48);
        for (size_t i = 0; i < 37; i++) {
            hl__dropout_row(&mask, 5, 10 + i, 64, 96, row);
            for (size_t w = 0; w < 16; w++) ck_assert_uint_eq(columns[w][i], row[j / 2 + w]);
        }
    }
}
END_TEST

START_TEST(ARateIsTakenDownToAMultipleOfTwoToTheMinus16) {
    float rates[] = {0, 0.1f, 0.5f, 0x1p-17f, 0x1.fffffep-1f};
    uint32_t zeroes[] = {0, 6553, 32768, 0, 65535};
    for (size_t i = 0; i < 5; i++) {
        hl__dropout mask = hl__dropout_of(&(hl_dropout_config){.rate = rates[i]}, 0, 0);
        ck_assert_uint_eq(mask.threshold, zeroes[i] << 16);
        ck_assert_float_eq(mask.scale, 65536.0f / (65536.0f - (float)zeroes[i]));
    }
}
END_TEST

/* The number of zeroes among n = 65,536 independent ones has a standard deviation of sqrt(n r (1 - r)) = 111 for
 * r = 0.25; masks that agree by chance do so at r^2 + (1 - r)^2 = 0.625 of n, deviation 124. Six of them is one in
 * 10^9; the words are fixed, so the test passes always or never. */
static void whole_row(const hl__dropout *mask, float factors[static 65536]) {
    static uint32_t words[32768];
    ck_assert_uint_eq(hl__dropout_row_words(65536), 32768);
    hl__dropout_row(mask, 0, 0, 0, 65536, words);
    for (size_t j = 0; j < 65536; j += HL__LANES)
        hl__store(factors + j, hl__dropout_factors(mask, hl__dropout_words(words, j), hl__dropout_upper(j)));
}

START_TEST(RateStepNodeAndSeedCount) {
    static float base[65536], other[65536];
    const hl_dropout_config config = {.rate = 0.25f, .seed = 1}, next_seed = {.rate = 0.25f, .seed = 2};
    hl__dropout masks[] = {hl__dropout_of(&config, 1, 1), hl__dropout_of(&config, 1, 2), hl__dropout_of(&config, 2, 1),
                           hl__dropout_of(&next_seed, 1, 1)};
    whole_row(&masks[0], base);
    size_t zeroes = 0;
    for (size_t j = 0; j < 65536; j++) zeroes += base[j] == 0;
    ck_assert_double_le(fabs((double)zeroes - 0.25 * 65536), 6 * 111);
    for (size_t m = 1; m < 4; m++) {
        size_t same = 0;
        whole_row(&masks[m], other);
        for (size_t j = 0; j < 65536; j++) same += base[j] == other[j];
        ck_assert_double_le(fabs((double)same - 0.625 * 65536), 6 * 124);
    }
}
END_TEST

START_TEST(RatesAndStepsThatAreNoneAreRefused) {
    int32_t step = 0;
    float rates[] = {1, -0.1f, NAN, 2};
    for (size_t i = 0; i < 4; i++) {
        hl_dropout_config config = {.rate = rates[i]};
        op_case c = case_of(HL_SHAPE(3, 4), &config, &step);
        op_check_refused(&c, HL_OUT_OF_RANGE);
    }
    hl_dropout_config config = {.rate = 0.5f};
    op_case c = case_of(HL_SHAPE(3, 4), &config, &step);
    c.inputs[1].absent = true;
    op_check_refused(&c, HL_INVALID_ARGUMENT);
    c = case_of(HL_SHAPE(3, 4), &config, &step);
    c.inputs[1].shape = HL_SHAPE(2);
    op_check_refused(&c, HL_TYPE_MISMATCH);
    c = case_of(HL_SHAPE(3, 4), &config, &step);
    c.inputs[0].dtype = HL_I32;
    op_check_refused(&c, HL_TYPE_MISMATCH);
}
END_TEST

static void slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    dropout(c, (const double *const[]){d_out[0], in[1]}, d_in);
}

START_TEST(ExtremesAreAsInDouble) {
    const int32_t step = 5;
    const hl_dropout_config config = {.rate = 0.3f, .seed = 7};
    op_case c = case_of(HL_SHAPE(3, 21), &config, &step);
    c.slopes = slopes;
    op_extremes(&c);
}
END_TEST

int main(void) {
    return run_tests("dropout", TESTS(ExtremesAreAsInDouble, WordsOfPhiloxDecide, ColumnsHoldTheWordsOfRows,
                                      ARateIsTakenDownToAMultipleOfTwoToTheMinus16, RateStepNodeAndSeedCount,
                                      RatesAndStepsThatAreNoneAreRefused));
}
