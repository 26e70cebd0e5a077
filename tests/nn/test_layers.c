/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Layers: names and shapes of parameters, values of what they compute, dropout in training alone, refusals. */
#include <math.h>

#include "tests/nn/kit.h"

START_TEST(DenseHasWeightAndBiasOfItsWidth) {
    kit used = kit_open();
    hl_tensor *y = hl_nn_dense(&used.nn, "out", kit_input(&used), 4, true);
    hl_shape shape = hl_tensor_shape(y);
    ck_assert_uint_eq(shape.rank, 3);
    ck_assert_uint_eq(shape.extent[2], 4);
    hl_program *program = kit_program(&used, &y, 1);
    ck_assert_uint_eq(hl_state_count(used.state), 2);
    kit_expect_shape(&used, "out.w", HL_SHAPE(KIT_WIDTH, 4));
    kit_expect_shape(&used, "out.b", HL_SHAPE(4));
    hl_program_destroy(program);
    kit_close(&used);
}
END_TEST

START_TEST(DenseWithoutBiasHasTheWeightAlone) {
    kit used = kit_open();
    hl_tensor *y = hl_nn_dense(&used.nn, "out", kit_input(&used), 4, false);
    hl_program *program = kit_program(&used, &y, 1);
    ck_assert_uint_eq(hl_state_count(used.state), 1);
    kit_expect_shape(&used, "out.w", HL_SHAPE(KIT_WIDTH, 4));
    hl_program_destroy(program);
    kit_close(&used);
}
END_TEST

START_TEST(DenseTrains) {
    kit used = kit_open();
    hl_tensor *x = kit_input(&used);
    kit_train(&used, x, hl_nn_dense(&used.nn, "hidden", x, 40, true));
    kit_close(&used);
}
END_TEST

START_TEST(EmbeddingLooksRowsUp) {
    kit used = kit_open();
    hl_tensor *index = hl_input(used.nn.graph, "index", HL_I32, HL_SHAPE(3));
    hl_tensor *y = hl_nn_embedding(&used.nn, "word", index, 9, 4, 0.5f);
    hl_program *program = kit_program(&used, &y, 1);
    kit_expect_shape(&used, "word.table", HL_SHAPE(9, 4));
    kit_write(program, index, (int32_t[]){8, 0, 8}, 3 * sizeof(int32_t));
    ck_assert_int_eq(hl_program_write(program, index, (int32_t[]){8, 9, 0}, 3 * sizeof(int32_t)), HL_OUT_OF_RANGE);
    kit_run(program);
    float table[9][4], rows[3][4];
    ck_assert_int_eq(hl_state_read(used.state, "word.table", table, sizeof table), HL_OK);
    kit_read(program, y, rows, sizeof rows);
    ck_assert_mem_eq(rows[0], table[8], sizeof rows[0]);
    ck_assert_mem_eq(rows[1], table[0], sizeof rows[0]);
    ck_assert_mem_eq(rows[2], table[8], sizeof rows[0]);
    hl_program_destroy(program);
    kit_close(&used);
}
END_TEST

START_TEST(LayerNormStartsAsPureNormalisation) {
    kit used = kit_open();
    hl_tensor *x = kit_input(&used), *y = hl_nn_layer_norm(&used.nn, "norm", x, true, 0);
    hl_program *program = kit_program(&used, &y, 1);
    kit_expect_shape(&used, "norm.gain", HL_SHAPE(KIT_WIDTH));
    kit_expect_shape(&used, "norm.bias", HL_SHAPE(KIT_WIDTH));
    float values[KIT_ELEMENTS], made[KIT_ELEMENTS];
    kit_values(values, KIT_ELEMENTS, 3);
    kit_write(program, x, values, sizeof values);
    kit_run(program);
    kit_read(program, y, made, sizeof made);
    for (size_t row = 0; row < KIT_ELEMENTS; row += KIT_WIDTH) {
        double mean = 0, square = 0, largest = 0;
        for (size_t i = 0; i < KIT_WIDTH; i++) mean += (double)values[row + i] / KIT_WIDTH;
        for (size_t i = 0; i < KIT_WIDTH; i++) {
            double centred = (double)values[row + i] - mean;
            square += centred * centred / KIT_WIDTH;
            largest = fmax(largest, fabs(centred));
        }
        double factor = 1 / sqrt(square + 1e-5);
        /* In units of 2^-24: the mean is off by one of the largest centred number, centring rounds, and so does the
         * factor: half of the squares' W + 4, a root, a quotient. Two products and a sum with gain and bias. */
        for (size_t i = 0; i < KIT_WIDTH; i++) {
            double want = ((double)values[row + i] - mean) * factor;
            double bound = largest * factor + ((KIT_WIDTH + 4) / 2 + 6) * fabs(want);
            ck_assert_double_le(fabs((double)made[row + i] - want), 0x1p-24 * bound);
        }
    }
    hl_program_destroy(program);
    kit_close(&used);
}
END_TEST

/* Of a row +-1 the variance is 1: each number is divided by sqrt(1 + epsilon). */
START_TEST(LayerNormAddsItsEpsilonToTheVariance) {
    kit used = kit_open();
    hl_tensor *x = kit_input(&used), *y = hl_nn_layer_norm(&used.nn, "norm", x, true, 3);
    hl_program *program = kit_program(&used, &y, 1);
    float values[KIT_ELEMENTS], made[KIT_ELEMENTS];
    for (size_t i = 0; i < KIT_ELEMENTS; i++) values[i] = i % 2 ? 1 : -1;
    kit_write(program, x, values, sizeof values);
    kit_run(program);
    kit_read(program, y, made, sizeof made);
    for (size_t i = 0; i < KIT_ELEMENTS; i++) ck_assert(made[i] == values[i] / 2);
    hl_program_destroy(program);
    kit_close(&used);
}
END_TEST

/* Each kind of layer, made twice under one name. */
static hl_tensor *layer_of(int kind, const hl_nn *nn, hl_tensor *x, hl_tensor *index) {
    switch (kind) {
    case 0: return hl_nn_dense(nn, "here", x, KIT_WIDTH, false);
    case 1: return hl_nn_dense(nn, "here", x, KIT_WIDTH, true);
    case 2: return hl_nn_embedding(nn, "here", index, 9, 4, 1);
    case 3: return hl_nn_layer_norm(nn, "here", x, true, 0);
    case 4: return hl_nn_multi_head_attention(nn, "here", x, NULL);
    case 5: return hl_nn_distance_bias(nn, "here", index, 2, 4);
    default: return hl_nn_block(nn, "here", x, NULL);
    }
}

START_TEST(TwoLayersOfOneNameAreRefusedUnlessTheyShare) {
    for (int kind = 0; kind < 7; kind++)
        for (int share = 0; share < 2; share++) {
            kit used = kit_open();
            hl_tensor *x = kit_input(&used), *index = hl_input(used.nn.graph, "index", HL_I32, HL_SHAPE(3, 3));
            hl_tensor *first = layer_of(kind, &used.nn, x, index);
            ck_assert_ptr_nonnull(first);
            used.nn.share = share;
            hl_tensor *made[] = {first, layer_of(kind, &used.nn, x, index)};
            if (share) {
                hl_program *program = kit_program(&used, made, 1);
                size_t alone = hl_state_count(used.state);
                hl_program_destroy(program);
                program = kit_program(&used, made, 2);
                ck_assert_uint_eq(hl_state_count(used.state), alone);
                hl_program_destroy(program);
            } else {
                ck_assert_ptr_null(made[1]);
                kit_expect_error(&used, HL_EXISTS, "'here");
            }
            kit_close(&used);
        }
}
END_TEST

START_TEST(LayerNormTrains) {
    kit used = kit_open();
    hl_tensor *x = kit_input(&used);
    hl_tensor *hidden = hl_tanh(used.nn.graph, hl_nn_dense(&used.nn, "hidden", x, 40, true));
    kit_train(&used, x, hl_nn_layer_norm(&used.nn, "norm", hidden, true, 0));
    kit_close(&used);
}
END_TEST

START_TEST(DropoutIsThereInTrainingAlone) {
    kit used = kit_open();
    hl_tensor *x = kit_input(&used);
    ck_assert_ptr_ne(hl_nn_dropout(&used.nn, x, 0.5f), x);
    ck_assert_ptr_eq(hl_nn_dropout(&used.nn, x, 0), x);
    used.nn.training = false;
    ck_assert_ptr_eq(hl_nn_dropout(&used.nn, x, 0.5f), x);
    ck_assert_int_eq(hl_graph_status(used.nn.graph), HL_OK);
    kit_close(&used);
}
END_TEST

START_TEST(WrongDropoutRateIsRefusedInEvaluationToo) {
    kit used = kit_open();
    used.nn.training = false;
    ck_assert_ptr_null(hl_nn_dropout(&used.nn, kit_input(&used), 1));
    kit_expect_error(&used, HL_OUT_OF_RANGE, "dropout of 'x': rate 1 is not in [0, 1)");
    kit_close(&used);
}
END_TEST

START_TEST(NullTensorsAreRefusedByName) {
    for (int layer = 0; layer < 4; layer++) {
        kit used = kit_open();
        switch (layer) {
        case 0: ck_assert_ptr_null(hl_nn_dense(&used.nn, "here", NULL, 4, true)); break;
        case 1: ck_assert_ptr_null(hl_nn_embedding(&used.nn, "here", NULL, 4, 4, 1)); break;
        case 2: ck_assert_ptr_null(hl_nn_layer_norm(&used.nn, "here", NULL, true, 0)); break;
        default: ck_assert_ptr_null(hl_nn_dropout(&used.nn, NULL, 0.5f)); break;
        }
        kit_expect_error(&used, HL_INVALID_ARGUMENT, layer < 3 ? "'here': x is NULL" : "x is NULL");
        kit_close(&used);
    }
}
END_TEST

START_TEST(ErrorsPassThroughSilently) {
    kit used = kit_open();
    hl_tensor *wrong = hl_nn_dense(&used.nn, "first", NULL, 4, true);
    hl_tensor *after = hl_nn_layer_norm(&used.nn, "second", wrong, true, 0);
    ck_assert_ptr_null(hl_nn_dropout(&used.nn, hl_nn_dense(&used.nn, "third", after, 2, false), 0.1f));
    kit_expect_error(&used, HL_INVALID_ARGUMENT, "dense 'first'");
    kit_close(&used);
}
END_TEST

int main(void) {
    return run_tests("nn/layers",
                     TESTS(DenseHasWeightAndBiasOfItsWidth, DenseWithoutBiasHasTheWeightAlone, DenseTrains,
                           EmbeddingLooksRowsUp, LayerNormStartsAsPureNormalisation, LayerNormTrains,
                           LayerNormAddsItsEpsilonToTheVariance, TwoLayersOfOneNameAreRefusedUnlessTheyShare,
                           DropoutIsThereInTrainingAlone, WrongDropoutRateIsRefusedInEvaluationToo,
                           NullTensorsAreRefusedByName, ErrorsPassThroughSilently));
}
