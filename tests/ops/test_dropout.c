/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Dropout: exactly the words of Random123's Philox decide, at any rank, and backward as forward. */
#include <math.h>

#include "ops/random.h"
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
    float row[70], columns[4][48];
    for (size_t j = 0; j < 64; j += 4) {
        hl__dropout_columns(&mask, 5, 10, 37, j, columns[0], 48);
        for (size_t i = 0; i < 37; i++) {
            hl__dropout_row(&mask, 5, 10 + i, 0, 70, row);
            for (size_t w = 0; w < 4; w++) ck_assert_float_eq(columns[w][i], row[j + w]);
        }
    }
}
END_TEST

/* The number of zeroes among n = 65,536 independent ones has a standard deviation of sqrt(n r (1 - r)) = 111 for
 * r = 0.25; masks that agree by chance do so at r^2 + (1 - r)^2 = 0.625 of n, deviation 124. Six of them is one in
 * 10^9; the words are fixed, so the test passes always or never. */
START_TEST(RateStepNodeAndSeedCount) {
    static float base[65536], other[65536];
    const hl_dropout_config config = {.rate = 0.25f, .seed = 1}, next_seed = {.rate = 0.25f, .seed = 2};
    hl__dropout masks[] = {hl__dropout_of(&config, 1, 1), hl__dropout_of(&config, 1, 2), hl__dropout_of(&config, 2, 1),
                           hl__dropout_of(&next_seed, 1, 1)};
    hl__dropout_row(&masks[0], 0, 0, 0, 65536, base);
    size_t zeroes = 0;
    for (size_t j = 0; j < 65536; j++) zeroes += base[j] == 0;
    ck_assert_double_le(fabs((double)zeroes - 0.25 * 65536), 6 * 111);
    for (size_t m = 1; m < 4; m++) {
        size_t same = 0;
        hl__dropout_row(&masks[m], 0, 0, 0, 65536, other);
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

int main(void) {
    return run_tests("dropout", TESTS(WordsOfPhiloxDecide, ColumnsHoldTheWordsOfRows, RateStepNodeAndSeedCount,
                                      RatesAndStepsThatAreNoneAreRefused));
}
