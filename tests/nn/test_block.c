/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Blocks: names and shapes of parameters, residual paths, stacking, training, refusals. */
#include "tests/nn/kit.h"

START_TEST(BlockKeepsTheShapeAndNamesItsParts) {
    kit used = kit_open();
    hl_block_options options = {.attention = {.heads = 2}, .dropout = 0.1f};
    hl_tensor *y = hl_nn_block(&used.nn, "b", kit_input(&used), &options);
    hl_shape shape = hl_tensor_shape(y);
    ck_assert_uint_eq(shape.rank, 3);
    ck_assert_uint_eq(shape.extent[2], KIT_WIDTH);
    hl_program *program = kit_program(&used, &y, 1);
    kit_expect_shape(&used, "b.norm1.gain", HL_SHAPE(KIT_WIDTH));
    kit_expect_shape(&used, "b.norm1.bias", HL_SHAPE(KIT_WIDTH));
    kit_expect_shape(&used, "b.attention.wq", HL_SHAPE(KIT_WIDTH, 2, KIT_WIDTH / 2));
    kit_expect_shape(&used, "b.attention.wo", HL_SHAPE(KIT_WIDTH, KIT_WIDTH));
    kit_expect_shape(&used, "b.norm2.gain", HL_SHAPE(KIT_WIDTH));
    kit_expect_shape(&used, "b.up.w", HL_SHAPE(KIT_WIDTH, 4 * KIT_WIDTH));
    kit_expect_shape(&used, "b.up.b", HL_SHAPE(4 * KIT_WIDTH));
    kit_expect_shape(&used, "b.down.w", HL_SHAPE(4 * KIT_WIDTH, KIT_WIDTH));
    kit_expect_shape(&used, "b.down.b", HL_SHAPE(KIT_WIDTH));
    hl_program_destroy(program);
    kit_close(&used);
}
END_TEST

START_TEST(HiddenWidthCanBeChosen) {
    kit used = kit_open();
    hl_tensor *y = hl_nn_block(&used.nn, "b", kit_input(&used), &(hl_block_options){.hidden = 11});
    hl_program *program = kit_program(&used, &y, 1);
    kit_expect_shape(&used, "b.up.w", HL_SHAPE(KIT_WIDTH, 11));
    kit_expect_shape(&used, "b.attention.wq", HL_SHAPE(KIT_WIDTH, 1, KIT_WIDTH));
    hl_program_destroy(program);
    kit_close(&used);
}
END_TEST

START_TEST(SilentSublayersLeaveTheResidual) {
    kit used = kit_open();
    hl_tensor *x = kit_input(&used), *y = hl_nn_block(&used.nn, "b", x, NULL);
    hl_program *program = kit_program(&used, &y, 1);
    float values[KIT_ELEMENTS], made[KIT_ELEMENTS], zeros[4 * KIT_WIDTH * KIT_WIDTH] = {0};
    kit_values(values, KIT_ELEMENTS, 4);
    kit_write(program, x, values, sizeof values);
    ck_assert_int_eq(hl_state_write(used.state, "b.attention.wo", zeros, KIT_WIDTH * KIT_WIDTH * sizeof zeros[0]),
                     HL_OK);
    ck_assert_int_eq(hl_state_write(used.state, "b.down.w", zeros, sizeof zeros), HL_OK);
    kit_run(program);
    kit_read(program, y, made, sizeof made);
    ck_assert_mem_eq(made, values, sizeof made);
    hl_program_destroy(program);
    kit_close(&used);
}
END_TEST

START_TEST(StackedBlocksTrainWithEachActivation) {
    static const hl_activation activations[] = {HL_ACTIVATION_NONE, HL_ACTIVATION_RELU,     HL_ACTIVATION_GELU,
                                                HL_ACTIVATION_TANH, HL_ACTIVATION_GELU_ERF, HL_ACTIVATION_SIGMOID,
                                                HL_ACTIVATION_SILU};
    for (size_t i = 0; i < sizeof activations / sizeof activations[0]; i++) {
        kit used = kit_open();
        hl_block_options options = {
            .attention = {.heads = 3, .dropout = 0.05f}, .activation = activations[i], .dropout = 0.05f};
        hl_tensor *x = kit_input(&used), *y = hl_nn_block(&used.nn, "0", x, &options);
        kit_train(&used, x, hl_nn_block(&used.nn, "1", y, &options));
        kit_expect_shape(&used, "adamw.m/1.attention.wq", HL_SHAPE(KIT_WIDTH, 3, KIT_WIDTH / 3));
        kit_close(&used);
    }
}
END_TEST

START_TEST(BiasesCanBeLeftOut) {
    kit used = kit_open();
    hl_tensor *x = kit_input(&used);
    kit_train(&used, x, hl_nn_block(&used.nn, "b", x, &(hl_block_options){.no_bias = true}));
    kit_expect_shape(&used, "b.norm1.gain", HL_SHAPE(KIT_WIDTH));
    for (size_t i = 0; i < hl_state_count(used.state); i++) {
        const char *name;
        ck_assert_int_eq(hl_state_tensor(used.state, i, &name, NULL, NULL), HL_OK);
        const char *part = strrchr(name, '.');
        bool bias = part && (strcmp(part, ".bias") == 0 || part[1] == 'b');
        ck_assert_msg(!bias || !strstr(name, "b.") || strstr(name, "head."), "'%s' is there", name);
    }
    kit_close(&used);
}
END_TEST

START_TEST(UnknownActivationIsRefused) {
    kit used = kit_open();
    ck_assert_ptr_null(
        hl_nn_block(&used.nn, "b", kit_input(&used), &(hl_block_options){.activation = (hl_activation)9}));
    kit_expect_error(&used, HL_INVALID_ARGUMENT, "block 'b': 9 is no activation");
    kit_close(&used);
}
END_TEST

START_TEST(ErrorsOfTheAttentionNameItsPart) {
    kit used = kit_open();
    ck_assert_ptr_null(hl_nn_block(&used.nn, "b", kit_input(&used), &(hl_block_options){.attention = {.heads = 4}}));
    kit_expect_error(&used, HL_SHAPE_MISMATCH, "'b.attention': 4 heads do not divide the width 6");
    kit_close(&used);
}
END_TEST

int main(void) {
    return run_tests("nn/block",
                     TESTS(BlockKeepsTheShapeAndNamesItsParts, HiddenWidthCanBeChosen, SilentSublayersLeaveTheResidual,
                           StackedBlocksTrainWithEachActivation, BiasesCanBeLeftOut, UnknownActivationIsRefused,
                           ErrorsOfTheAttentionNameItsPart));
}
