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

/* GPT-2's initialiser: the matrices that end a sublayer are smaller. */
START_TEST(MatricesOfResidualsHaveTheirOwnInitialiser) {
    kit used = kit_open();
    used.nn.init = (hl_init){HL_INIT_CONSTANT, 0.5f};
    used.nn.residual = (hl_init){HL_INIT_CONSTANT, 0.25f};
    hl_tensor *y = hl_nn_block(&used.nn, "b", kit_input(&used), &(hl_block_options){.attention = {.heads = 2}});
    hl_program *program = kit_program(&used, &y, 1);
    const struct {
        const char *name;
        size_t elements;
        float value;
    } params[] = {{"b.attention.wq", KIT_WIDTH * KIT_WIDTH, 0.5f},
                  {"b.attention.wk", KIT_WIDTH * KIT_WIDTH, 0.5f},
                  {"b.attention.wv", KIT_WIDTH * KIT_WIDTH, 0.5f},
                  {"b.attention.wo", KIT_WIDTH * KIT_WIDTH, 0.25f},
                  {"b.up.w", 4 * KIT_WIDTH * KIT_WIDTH, 0.5f},
                  {"b.down.w", 4 * KIT_WIDTH * KIT_WIDTH, 0.25f},
                  {"b.up.b", 4 * KIT_WIDTH, 0},
                  {"b.norm1.gain", KIT_WIDTH, 1}};
    for (size_t i = 0; i < sizeof params / sizeof *params; i++) {
        float values[4 * KIT_WIDTH * KIT_WIDTH];
        hl_status status = hl_state_read(used.state, params[i].name, values, params[i].elements * sizeof values[0]);
        ck_assert_int_eq(status, HL_OK);
        for (size_t e = 0; e < params[i].elements; e++) ck_assert(values[e] == params[i].value);
    }
    hl_program_destroy(program);
    kit_close(&used);
}
END_TEST

START_TEST(EpsilonReachesBothNorms) {
    kit used = kit_open();
    hl_tensor *x = kit_input(&used), *y[2];
    y[0] = hl_nn_block(&used.nn, "b", x, NULL);
    used.nn.share = true;
    y[1] =
        hl_nn_block(&used.nn, "b", x, &(hl_block_options){.epsilon = 1e30f}); /* all norms are 0, so nothing is added */
    hl_program *program = kit_program(&used, y, 2);
    float values[KIT_ELEMENTS], made[2][KIT_ELEMENTS];
    kit_values(values, KIT_ELEMENTS, 4);
    kit_write(program, x, values, sizeof values);
    kit_run(program);
    for (int i = 0; i < 2; i++) kit_read(program, y[i], made[i], sizeof made[i]);
    ck_assert_mem_ne(made[0], values, sizeof values);
    ck_assert_mem_eq(made[1], values, sizeof values);
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

/* Gradients of 0 and a step of rate 1/2 with decay 1/2: what decays goes from 1 to 3/4, whatever optimiser. */
static void check_decay(bool by_adamw) {
    kit used = kit_open();
    hl_graph *g = used.nn.graph;
    hl_tensor *words = hl_input(g, "words", HL_I32, HL_SHAPE(KIT_BATCH, KIT_TOKENS));
    hl_tensor *distance = hl_input(g, "distance", HL_I32, HL_SHAPE(KIT_TOKENS, KIT_TOKENS));
    hl_tensor *none = hl_input(g, "none", HL_F32, HL_SHAPE(KIT_BATCH, KIT_TOKENS, KIT_WIDTH)); /* zeros */
    hl_tensor *rate = hl_input(g, "rate", HL_F32, HL_SCALAR),
              *own = hl_param(g, "own.w", HL_F32, HL_SHAPE(KIT_WIDTH, 1));
    hl_attention_options attention = {.heads = 3, .bias = hl_nn_distance_bias(&used.nn, "near", distance, 3, 2)};
    hl_tensor *x = hl_nn_embedding(&used.nn, "word", words, 4, KIT_WIDTH, 1);
    hl_tensor *y = hl_nn_block(&used.nn, "b", x, &(hl_block_options){.attention = attention});
    hl_tensor *loss =
        hl_sum(g, hl_multiply(g, hl_multiply(g, y, none), hl_reshape(g, own, HL_SHAPE(KIT_WIDTH))), 0, false);
    hl_tensor *step = by_adamw ? hl_adamw(g, loss, &(hl_adamw_options){.rate = rate, .decay = 0.5f})
                               : hl_sgd(g, loss, &(hl_sgd_options){.rate = rate, .decay = 0.5f});
    hl_program *program = kit_program(&used, &step, 1);
    kit_write(program, rate, &(float){0.5f}, sizeof(float));
    float values[4 * KIT_WIDTH * KIT_WIDTH];
    size_t n_decayed = 0, n_kept = 0;
    for (int after = 0; after < 2; after++) {
        for (size_t t = 0; t < hl_state_count(used.state); t++) {
            const char *name, *part;
            hl_shape shape;
            ck_assert_int_eq(hl_state_tensor(used.state, t, &name, NULL, &shape), HL_OK);
            if (strchr(name, '/') || !(part = strrchr(name, '.'))) continue; /* moments and counts */
            size_t n = hl_shape_elements(&shape), bytes = n * sizeof *values;
            for (size_t i = 0; i < n; i++) values[i] = 1;
            if (!after) ck_assert_int_eq(hl_state_write(used.state, name, values, bytes), HL_OK);
            else ck_assert_int_eq(hl_state_read(used.state, name, values, bytes), HL_OK);
            bool decays = part[1] == 'w' || strcmp(name, "word.table") == 0;
            for (size_t i = 0; after && i < n; i++)
                ck_assert_msg(values[i] == (decays ? 0.75f : 1), "%s: %g", name, (double)values[i]);
            *(decays ? &n_decayed : &n_kept) += (size_t)after;
        }
        if (!after) kit_run(program);
    }
    ck_assert_uint_eq(n_decayed, 8); /* six of the block, the table and the caller's own */
    ck_assert_uint_eq(n_kept, 11);   /* two gains, two biases of norms, six of products, the bias on distances */
    hl_program_destroy(program);
    kit_close(&used);
}

START_TEST(DecayIsForMatricesAndTablesOfWordsAlone) {
    check_decay(true);
    check_decay(false);
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
    return run_tests("nn/block", TESTS(BlockKeepsTheShapeAndNamesItsParts, HiddenWidthCanBeChosen,
                                       SilentSublayersLeaveTheResidual, MatricesOfResidualsHaveTheirOwnInitialiser,
                                       EpsilonReachesBothNorms, StackedBlocksTrainWithEachActivation,
                                       BiasesCanBeLeftOut, DecayIsForMatricesAndTablesOfWordsAlone,
                                       UnknownActivationIsRefused, ErrorsOfTheAttentionNameItsPart));
}
