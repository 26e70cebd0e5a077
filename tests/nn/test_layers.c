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
    hl_tensor *x = kit_input(&used), *y = hl_nn_layer_norm(&used.nn, "norm", x, true);
    hl_program *program = kit_program(&used, &y, 1);
    kit_expect_shape(&used, "norm.gain", HL_SHAPE(KIT_WIDTH));
    kit_expect_shape(&used, "norm.bias", HL_SHAPE(KIT_WIDTH));
    float values[KIT_ELEMENTS], made[KIT_ELEMENTS];
    kit_values(values, KIT_ELEMENTS, 3);
    kit_write(program, x, values, sizeof values);
    kit_run(program);
    kit_read(program, y, made, sizeof made);
    for (size_t row = 0; row < KIT_ELEMENTS; row += KIT_WIDTH) {
        double sum = 0, square = 0;
        for (size_t i = 0; i < KIT_WIDTH; i++) {
            sum += (double)made[row + i];
            square += (double)made[row + i] * (double)made[row + i];
        }
        /* Values below 3 with errors of some 2^-24 each; epsilon 1e-5 takes less than 1e-3 off a variance above 0.01.
         */
        ck_assert_double_lt(fabs(sum), 1e-5);
        ck_assert_double_lt(fabs(square / KIT_WIDTH - 1), 1e-3);
    }
    hl_program_destroy(program);
    kit_close(&used);
}
END_TEST

START_TEST(LayerNormTrains) {
    kit used = kit_open();
    hl_tensor *x = kit_input(&used);
    hl_tensor *hidden = hl_tanh(used.nn.graph, hl_nn_dense(&used.nn, "hidden", x, 40, true));
    kit_train(&used, x, hl_nn_layer_norm(&used.nn, "norm", hidden, true));
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
        case 2: ck_assert_ptr_null(hl_nn_layer_norm(&used.nn, "here", NULL, true)); break;
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
    hl_tensor *after = hl_nn_layer_norm(&used.nn, "second", wrong, true);
    ck_assert_ptr_null(hl_nn_dropout(&used.nn, hl_nn_dense(&used.nn, "third", after, 2, false), 0.1f));
    kit_expect_error(&used, HL_INVALID_ARGUMENT, "dense 'first'");
    kit_close(&used);
}
END_TEST

int main(void) {
    return run_tests("nn/layers", TESTS(DenseHasWeightAndBiasOfItsWidth, DenseWithoutBiasHasTheWeightAlone, DenseTrains,
                                        EmbeddingLooksRowsUp, LayerNormStartsAsPureNormalisation, LayerNormTrains,
                                        DropoutIsThereInTrainingAlone, WrongDropoutRateIsRefusedInEvaluationToo,
                                        NullTensorsAreRefusedByName, ErrorsPassThroughSilently));
}
