/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The ladder: what each rung computes, the names and shapes of its parameters, that it learns, and what it refuses. */
#include <float.h>
#include <math.h>

#include "tests/nn/kit.h"

enum { B = KIT_BATCH, T = KIT_TOKENS, K = KIT_WIDTH };

/* softmax(x x^T / sqrt(K)) x of one sequence; p: the weights. Errors, in units u = 2^-24: a score has K products and
 * sums and a scale, K + 2 of the sizes of its terms, which move exp by as much of itself; the difference from the row's
 * largest rounds, exp has 3. What exponentials are off by comes twice, in p and in its sum, whose T terms and quotient
 * round as well. y has T products and sums more, of the sizes of its terms. */
static void weightless(const float x[T][K], double p[T][T], double y[T][K], double error_p[T][T],
                       double error_y[T][K]) {
    const double u = (double)FLT_EPSILON / 2;
    for (size_t q = 0; q < T; q++) {
        double sum = 0, largest = 0, units;
        for (size_t k = 0; k < T; k++) {
            double dot = 0, size = 0;
            for (size_t i = 0; i < K; i++) {
                double product = (double)x[q][i] * (double)x[k][i];
                dot += product;
                size += fabs(product);
            }
            sum += p[q][k] = exp(dot / sqrt(K));
            largest = fmax(largest, size / sqrt(K));
        }
        units = 2 * ((K + 2) * largest + 2 * largest + 3) + T + 1;
        for (size_t i = 0; i < K; i++) y[q][i] = error_y[q][i] = 0;
        for (size_t k = 0; k < T; k++) {
            p[q][k] /= sum;
            error_p[q][k] = units * u * p[q][k];
            for (size_t i = 0; i < K; i++) {
                y[q][i] += p[q][k] * (double)x[k][i];
                error_y[q][i] += (units + T) * u * p[q][k] * fabs((double)x[k][i]);
            }
        }
    }
}

START_TEST(WeightlessIsSoftmaxOfDotProductsTimesTheVectors) {
    kit used = kit_open();
    hl_tensor *p = NULL, *x = kit_input(&used);
    hl_tensor *y = hl_nn_weightless_attention(&used.nn, x, &(hl_attention_options){.weights = &p});
    hl_program *program = kit_program(&used, (hl_tensor *[]){y, p}, 2);
    ck_assert_uint_eq(hl_state_count(used.state), 0); /* nothing to learn */

    float values[B][T][K], made[B][T][K], weights[B][1][T][T];
    kit_values(&values[0][0][0], KIT_ELEMENTS, 1);
    kit_write(program, x, values, sizeof values);
    kit_run(program);
    kit_read(program, y, made, sizeof made);
    kit_read(program, p, weights, sizeof weights);
    for (size_t b = 0; b < B; b++) {
        double expected_p[T][T], expected[T][K], error_p[T][T], error[T][K];
        weightless(values[b], expected_p, expected, error_p, error);
        for (size_t q = 0; q < T; q++) {
            for (size_t i = 0; i < K; i++)
                ck_assert_double_le(fabs((double)made[b][q][i] - expected[q][i]), error[q][i]);
            for (size_t k = 0; k < T; k++)
                ck_assert_double_le(fabs((double)weights[b][0][q][k] - expected_p[q][k]), error_p[q][k]);
        }
    }
    hl_program_destroy(program);
    kit_close(&used);
}
END_TEST

START_TEST(WeightsAreThoseBeforeDropout) {
    kit used = kit_open();
    hl_tensor *p = NULL, *x = kit_input(&used);
    hl_attention_options options = {.weights = &p, .dropout = 0.5f, .heads = 2};
    hl_tensor *y = hl_nn_multi_head_attention(&used.nn, "m", x, &options);
    hl_shape shape = hl_tensor_shape(p);
    ck_assert_uint_eq(shape.rank, 4);
    ck_assert_uint_eq(shape.extent[1], 2);
    hl_program *program = kit_program(&used, (hl_tensor *[]){y, p}, 2);
    float values[KIT_ELEMENTS], weights[B * 2 * T][T];
    kit_values(values, KIT_ELEMENTS, 1);
    kit_write(program, x, values, sizeof values);
    kit_run(program);
    kit_read(program, p, weights, sizeof weights);
    for (size_t row = 0; row < B * 2 * T; row++) {
        double sum = 0;
        for (size_t k = 0; k < T; k++) sum += (double)weights[row][k];
        ck_assert_double_le(fabs(sum - 1), (T + 1) * FLT_EPSILON / 2); /* the sum of T terms, and each quotient */
    }
    hl_program_destroy(program);
    kit_close(&used);
}
END_TEST

START_TEST(SingleHeadHasThreeSquareMatrices) {
    kit used = kit_open();
    hl_tensor *y =
        hl_nn_single_head_attention(&used.nn, "s", kit_input(&used), &(hl_attention_options){.no_bias = true});
    hl_program *program = kit_program(&used, &y, 1);
    ck_assert_uint_eq(hl_state_count(used.state), 3);
    kit_expect_shape(&used, "s.wq", HL_SHAPE(K, 1, K));
    kit_expect_shape(&used, "s.wk", HL_SHAPE(K, 1, K));
    kit_expect_shape(&used, "s.wv", HL_SHAPE(K, 1, K));
    hl_program_destroy(program);
    kit_close(&used);
}
END_TEST

START_TEST(SingleHeadWithUnitMatricesIsWeightless) {
    kit used = kit_open();
    hl_tensor *x = kit_input(&used);
    hl_tensor *y = hl_nn_single_head_attention(&used.nn, "s", x, NULL); /* its bias vectors start at zero */
    hl_program *program = kit_program(&used, &y, 1);
    float values[B][T][K], made[B][T][K], unit[K][K] = {{0}};
    for (size_t i = 0; i < K; i++) unit[i][i] = 1;
    ck_assert_int_eq(hl_state_write(used.state, "s.wq", unit, sizeof unit), HL_OK);
    ck_assert_int_eq(hl_state_write(used.state, "s.wk", unit, sizeof unit), HL_OK);
    ck_assert_int_eq(hl_state_write(used.state, "s.wv", unit, sizeof unit), HL_OK);
    kit_values(&values[0][0][0], KIT_ELEMENTS, 2);
    kit_write(program, x, values, sizeof values);
    kit_run(program);
    kit_read(program, y, made, sizeof made);
    for (size_t b = 0; b < B; b++) {
        double p[T][T], expected[T][K], error_p[T][T], error[T][K];
        weightless(values[b], p, expected, error_p, error);
        for (size_t q = 0; q < T; q++)
            for (size_t i = 0; i < K; i++)
                ck_assert_double_le(fabs((double)made[b][q][i] - expected[q][i]), error[q][i]);
    }
    hl_program_destroy(program);
    kit_close(&used);
}
END_TEST

START_TEST(HeadsOfTheFullWidthHaveSquareMatrices) {
    kit used = kit_open();
    hl_attention_options options = {.heads = 3, .size = K};
    hl_tensor *y = hl_nn_multi_head_attention(&used.nn, "m", kit_input(&used), &options);
    hl_program *program = kit_program(&used, &y, 1);
    ck_assert_uint_eq(hl_state_count(used.state), 8);
    kit_expect_shape(&used, "m.wq", HL_SHAPE(K, 3, K));
    kit_expect_shape(&used, "m.wk", HL_SHAPE(K, 3, K));
    kit_expect_shape(&used, "m.wv", HL_SHAPE(K, 3, K));
    kit_expect_shape(&used, "m.bq", HL_SHAPE(3, K));
    kit_expect_shape(&used, "m.bk", HL_SHAPE(3, K));
    kit_expect_shape(&used, "m.bv", HL_SHAPE(3, K));
    kit_expect_shape(&used, "m.wo", HL_SHAPE(3 * K, K)); /* brings 3 K back to K */
    kit_expect_shape(&used, "m.bo", HL_SHAPE(K));
    hl_program_destroy(program);
    kit_close(&used);
}
END_TEST

START_TEST(HeadsShareTheWidthByDefault) {
    kit used = kit_open();
    hl_attention_options options = {.heads = 3, .no_bias = true};
    hl_tensor *y = hl_nn_multi_head_attention(&used.nn, "m", kit_input(&used), &options);
    hl_program *program = kit_program(&used, &y, 1);
    ck_assert_uint_eq(hl_state_count(used.state), 4);
    kit_expect_shape(&used, "m.wq", HL_SHAPE(K, 3, K / 3));
    kit_expect_shape(&used, "m.wo", HL_SHAPE(K, K));
    hl_program_destroy(program);
    kit_close(&used);
}
END_TEST

START_TEST(HeadsMayShareKeysAndValues) {
    size_t kv_heads[] = {1, 3, 6};
    for (size_t i = 0; i < 3; i++) {
        kit used = kit_open();
        hl_attention_options options = {.heads = 6, .size = 4, .kv_heads = kv_heads[i]};
        hl_tensor *y = hl_nn_multi_head_attention(&used.nn, "m", kit_input(&used), &options);
        hl_program *program = kit_program(&used, &y, 1);
        ck_assert_uint_eq(hl_state_count(used.state), 8);
        kit_expect_shape(&used, "m.wq", HL_SHAPE(K, 6, 4));
        kit_expect_shape(&used, "m.wk", HL_SHAPE(K, kv_heads[i], 4));
        kit_expect_shape(&used, "m.wv", HL_SHAPE(K, kv_heads[i], 4));
        kit_expect_shape(&used, "m.bq", HL_SHAPE(6, 4));
        kit_expect_shape(&used, "m.bk", HL_SHAPE(kv_heads[i], 4));
        kit_expect_shape(&used, "m.bv", HL_SHAPE(kv_heads[i], 4));
        kit_expect_shape(&used, "m.wo", HL_SHAPE(24, K));
        hl_program_destroy(program);
        kit_close(&used);
    }
}
END_TEST

/* The output of a layer of HEADS heads, kv_heads of them with keys and values. Those of head h are two features of x,
 * from h / (HEADS / HKV) * 2 on: matrices of zeros and ones round nothing. */
enum { HEADS = 4, HKV = 2 };

static void shared_output(size_t kv_heads, float y[KIT_ELEMENTS]) {
    kit used = kit_open();
    hl_tensor *x = kit_input(&used);
    hl_attention_options options = {.heads = HEADS, .size = 2, .kv_heads = kv_heads, .mask = HL_MASK_CAUSAL};
    hl_tensor *made = hl_nn_multi_head_attention(&used.nn, "m", x, &options);
    hl_program *program = kit_program(&used, &made, 1);
    float w[K * HEADS * 2] = {0}, values[KIT_ELEMENTS];
    for (size_t h = 0; h < kv_heads; h++)
        for (size_t d = 0; d < 2; d++) w[((h * HKV / kv_heads * 2 + d) * kv_heads + h) * 2 + d] = 1;
    ck_assert_int_eq(hl_state_write(used.state, "m.wk", w, K * kv_heads * 2 * sizeof w[0]), HL_OK);
    ck_assert_int_eq(hl_state_write(used.state, "m.wv", w, K * kv_heads * 2 * sizeof w[0]), HL_OK);
    kit_values(values, KIT_ELEMENTS, 5);
    kit_write(program, x, values, sizeof values);
    kit_run(program);
    kit_read(program, made, y, sizeof values);
    hl_program_destroy(program);
    kit_close(&used);
}

START_TEST(SharedHeadsAreThoseOfEachGroup) {
    float shared[KIT_ELEMENTS], apart[KIT_ELEMENTS];
    shared_output(HKV, shared);
    shared_output(HEADS, apart);
    ck_assert_mem_eq(shared, apart, sizeof shared);
    shared_output(1, shared); /* all heads use the first two features */
    ck_assert_mem_ne(shared, apart, sizeof shared);
}
END_TEST

START_TEST(CausalMaskHidesWhatComesLater) {
    kit used = kit_open();
    hl_tensor *x = kit_input(&used);
    hl_attention_options options = {.heads = 2, .mask = HL_MASK_CAUSAL};
    hl_tensor *y = hl_nn_multi_head_attention(&used.nn, "m", x, &options);
    hl_program *program = kit_program(&used, &y, 1);
    float values[B][T][K], before[B][T][K], after[B][T][K];
    kit_values(&values[0][0][0], KIT_ELEMENTS, 3);
    kit_write(program, x, values, sizeof values);
    kit_run(program);
    kit_read(program, y, before, sizeof before);
    values[0][T - 1][0] += 1;
    kit_write(program, x, values, sizeof values);
    kit_run(program);
    kit_read(program, y, after, sizeof after);
    ck_assert_mem_eq(before[0], after[0], (T - 1) * sizeof before[0][0]);
    ck_assert_mem_ne(before[0][T - 1], after[0][T - 1], sizeof before[0][0]);
    ck_assert_mem_eq(before[1], after[1], sizeof before[1]);
    hl_program_destroy(program);
    kit_close(&used);
}
END_TEST

START_TEST(KeysBeyondTheLengthAreHidden) {
    kit used = kit_open();
    hl_tensor *x = kit_input(&used), *lengths = hl_input(used.nn.graph, "lengths", HL_I32, HL_SHAPE(B));
    hl_attention_options options = {.heads = 2, .lengths = lengths};
    hl_tensor *y = hl_nn_multi_head_attention(&used.nn, "m", x, &options);
    hl_program *program = kit_program(&used, &y, 1);
    float values[B][T][K], before[B][T][K], after[B][T][K];
    kit_values(&values[0][0][0], KIT_ELEMENTS, 3);
    kit_write(program, x, values, sizeof values);
    kit_write(program, lengths, (int32_t[]){T - 1, T}, B * sizeof(int32_t));
    kit_run(program);
    kit_read(program, y, before, sizeof before);
    values[0][T - 1][0] += 1;
    kit_write(program, x, values, sizeof values);
    kit_run(program);
    kit_read(program, y, after, sizeof after);
    ck_assert_mem_eq(before[0], after[0], (T - 1) * sizeof before[0][0]);
    hl_program_destroy(program);
    kit_close(&used);
}
END_TEST

START_TEST(EachRungTrains) {
    kit used = kit_open();
    hl_tensor *x = kit_input(&used);
    hl_tensor *hidden = hl_nn_dense(&used.nn, "before", x, 12, true);
    kit_train(&used, x, hl_nn_weightless_attention(&used.nn, hidden, NULL));
    kit_close(&used);

    used = kit_open();
    x = kit_input(&used);
    kit_train(&used, x, hl_nn_single_head_attention(&used.nn, "s", x, NULL));
    kit_close(&used);

    used = kit_open();
    x = kit_input(&used);
    hl_attention_options options = {.heads = 3, .size = K};
    kit_train(&used, x, hl_nn_multi_head_attention(&used.nn, "m", x, &options));
    kit_close(&used);

    used = kit_open();
    x = kit_input(&used);
    options.kv_heads = 1;
    kit_train(&used, x, hl_nn_multi_head_attention(&used.nn, "m", x, &options));
    kit_close(&used);
}
END_TEST

START_TEST(WrongOptionsAreRefusedInWords) {
    kit used = kit_open();
    ck_assert_ptr_null(hl_nn_weightless_attention(&used.nn, kit_input(&used), &(hl_attention_options){.heads = 2}));
    kit_expect_error(&used, HL_INVALID_ARGUMENT, "weightless attention 'x': has one head, not 2");
    kit_close(&used);

    used = kit_open();
    hl_attention_options narrow = {.size = 4};
    ck_assert_ptr_null(hl_nn_single_head_attention(&used.nn, "s", kit_input(&used), &narrow));
    kit_expect_error(&used, HL_SHAPE_MISMATCH, "single-head attention 's': the head has the width 6, not 4");
    kit_close(&used);

    used = kit_open();
    ck_assert_ptr_null(
        hl_nn_multi_head_attention(&used.nn, "m", kit_input(&used), &(hl_attention_options){.heads = 4}));
    kit_expect_error(&used, HL_SHAPE_MISMATCH, "multi-head attention 'm': 4 heads do not divide the width 6");
    kit_close(&used);

    used = kit_open();
    hl_attention_options uneven = {.heads = 3, .kv_heads = 2};
    ck_assert_ptr_null(hl_nn_multi_head_attention(&used.nn, "m", kit_input(&used), &uneven));
    kit_expect_error(&used, HL_SHAPE_MISMATCH,
                     "multi-head attention 'm': 2 key and value heads do not divide the 3 heads");
    kit_close(&used);

    used = kit_open();
    ck_assert_ptr_null(
        hl_nn_single_head_attention(&used.nn, "s", kit_input(&used), &(hl_attention_options){.kv_heads = 2}));
    kit_expect_error(&used, HL_INVALID_ARGUMENT, "single-head attention 's': has one key and value head, not 2");
    kit_close(&used);

    used = kit_open();
    hl_tensor *flat = hl_input(used.nn.graph, "flat", HL_F32, HL_SHAPE(4, 6));
    ck_assert_ptr_null(hl_nn_multi_head_attention(&used.nn, "m", flat, NULL));
    kit_expect_error(&used, HL_SHAPE_MISMATCH, "x [4, 6] has 2 axes, not 3");
    kit_close(&used);
}
END_TEST

START_TEST(WeightsAreLeftAloneOnError) {
    kit used = kit_open();
    hl_tensor *mark = kit_input(&used), *p = mark;
    ck_assert_ptr_null(hl_nn_weightless_attention(
        &used.nn, mark, &(hl_attention_options){.mask = HL_MASK_WINDOW, .window = 0, .weights = &p}));
    ck_assert_ptr_eq(p, mark);
    kit_close(&used);
}
END_TEST

int main(void) {
    return run_tests("nn/attention",
                     TESTS(WeightlessIsSoftmaxOfDotProductsTimesTheVectors, WeightsAreThoseBeforeDropout,
                           SingleHeadHasThreeSquareMatrices, SingleHeadWithUnitMatricesIsWeightless,
                           HeadsOfTheFullWidthHaveSquareMatrices, HeadsShareTheWidthByDefault,
                           HeadsMayShareKeysAndValues, SharedHeadsAreThoseOfEachGroup, CausalMaskHidesWhatComesLater,
                           KeysBeyondTheLengthAreHidden, EachRungTrains, WrongOptionsAreRefusedInWords,
                           WeightsAreLeftAloneOnError));
}
