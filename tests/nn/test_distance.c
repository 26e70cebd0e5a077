/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The bias on distances: which row of the table belongs to which pair, and that it is learned. */
#include "tests/nn/kit.h"

START_TEST(DistancesAreClippedAndShifted) {
    int32_t distance[3][5];
    hl_nn_distances(&distance[0][0], 3, 5, 2);
    /* Query i stands at key i + 2; -2..2 become 0..4. */
    static const int32_t expected[3][5] = {{0, 1, 2, 3, 4}, {0, 0, 1, 2, 3}, {0, 0, 0, 1, 2}};
    ck_assert_mem_eq(distance, expected, sizeof distance);
}
END_TEST

START_TEST(MoreQueriesThanKeysStandBeforeTheFirstKey) {
    int32_t distance[3][1];
    hl_nn_distances(&distance[0][0], 3, 1, 4);
    static const int32_t expected[3][1] = {{6}, {5}, {4}};
    ck_assert_mem_eq(distance, expected, sizeof distance);
}
END_TEST

START_TEST(NoReachMakesAllDistancesAlike) {
    int32_t distance[2][2] = {{7, 7}, {7, 7}};
    hl_nn_distances(&distance[0][0], 2, 2, 0);
    static const int32_t expected[2][2] = {{0, 0}, {0, 0}};
    ck_assert_mem_eq(distance, expected, sizeof distance);
}
END_TEST

START_TEST(BiasIsTheTablesRowForEachHead) {
    enum { HEADS = 3, TOKENS = 4, REACH = 2, ROWS = 2 * REACH + 1 };
    kit used = kit_open();
    hl_tensor *distance = hl_input(used.nn.graph, "distance", HL_I32, HL_SHAPE(TOKENS, TOKENS));
    hl_tensor *bias = hl_nn_distance_bias(&used.nn, "near", distance, HEADS, REACH);
    hl_program *program = kit_program(&used, &bias, 1);
    kit_expect_shape(&used, "near.table", HL_SHAPE(HEADS, ROWS));

    float table[HEADS][ROWS], made[HEADS][TOKENS][TOKENS];
    ck_assert_int_eq(hl_state_read(used.state, "near.table", table, sizeof table), HL_OK);
    for (size_t i = 0; i < HEADS * ROWS; i++) ck_assert(table[i / ROWS][i % ROWS] == 0);
    kit_values(&table[0][0], HEADS * ROWS, 5);
    ck_assert_int_eq(hl_state_write(used.state, "near.table", table, sizeof table), HL_OK);

    int32_t pairs[TOKENS][TOKENS];
    hl_nn_distances(&pairs[0][0], TOKENS, TOKENS, REACH);
    kit_write(program, distance, pairs, sizeof pairs);
    kit_run(program);
    kit_read(program, bias, made, sizeof made);
    for (size_t h = 0; h < HEADS; h++)
        for (size_t q = 0; q < TOKENS; q++)
            for (size_t k = 0; k < TOKENS; k++) ck_assert(made[h][q][k] == table[h][pairs[q][k]]);
    hl_program_destroy(program);
    kit_close(&used);
}
END_TEST

START_TEST(DistancesBeyondTheTableAreRefused) {
    kit used = kit_open();
    hl_tensor *distance = hl_input(used.nn.graph, "distance", HL_I32, HL_SHAPE(1, 2));
    hl_tensor *bias = hl_nn_distance_bias(&used.nn, "near", distance, 1, 2);
    hl_program *program = kit_program(&used, &bias, 1);
    kit_write(program, distance, (int32_t[]){0, 4}, 2 * sizeof(int32_t));
    ck_assert_int_eq(hl_program_write(program, distance, (int32_t[]){0, 5}, 2 * sizeof(int32_t)), HL_OUT_OF_RANGE);
    hl_program_destroy(program);
    kit_close(&used);
}
END_TEST

/* Values are the places' own numbers, so that only the bias can tell which key is wanted. */
START_TEST(HeadLearnsWhereToLookByDistanceAlone) {
    kit used = kit_open();
    hl_tensor *x = kit_input(&used);
    hl_tensor *distance = hl_input(used.nn.graph, "distance", HL_I32, HL_SHAPE(KIT_TOKENS, KIT_TOKENS));
    hl_tensor *bias = hl_nn_distance_bias(&used.nn, "near", distance, 1, 2);
    hl_tensor *y = hl_nn_weightless_attention(&used.nn, x, &(hl_attention_options){.bias = bias});
    hl_tensor *target = hl_input(used.nn.graph, "target", HL_F32, hl_tensor_shape(x));
    hl_tensor *rate = hl_input(used.nn.graph, "rate", HL_F32, HL_SCALAR);
    hl_tensor *loss = hl_squared_error(used.nn.graph, y, target);
    hl_tensor *step = hl_adamw(used.nn.graph, loss, &(hl_adamw_options){.rate = rate});
    hl_program *program = kit_program(&used, (hl_tensor *[]){loss, step}, 2);

    float values[KIT_BATCH][KIT_TOKENS][KIT_WIDTH], wanted[KIT_BATCH][KIT_TOKENS][KIT_WIDTH], first = 0, last = 0;
    int32_t pairs[KIT_TOKENS * KIT_TOKENS];
    kit_values(&values[0][0][0], KIT_ELEMENTS, 6);
    for (size_t b = 0; b < KIT_BATCH; b++)
        for (size_t t = 0; t < KIT_TOKENS; t++) memcpy(wanted[b][t], values[b][t ? t - 1 : 0], sizeof wanted[b][t]);
    hl_nn_distances(pairs, KIT_TOKENS, KIT_TOKENS, 2);
    kit_write(program, distance, pairs, sizeof pairs);
    kit_write(program, x, values, sizeof values);
    kit_write(program, target, wanted, sizeof wanted);
    kit_write(program, rate, &(float){0.2f}, sizeof(float));
    for (int i = 0; i < 60; i++) {
        kit_run(program);
        kit_read(program, loss, &last, sizeof last);
        if (i == 0) first = last;
    }
    ck_assert_msg(last < first / 2, "the loss went from %g to %g", (double)first, (double)last);
    float table[5];
    ck_assert_int_eq(hl_state_read(used.state, "near.table", table, sizeof table), HL_OK);
    for (size_t i = 0; i < 5; i++) ck_assert(i == 1 || table[i] < table[1]); /* distance -1 */
    hl_program_destroy(program);
    kit_close(&used);
}
END_TEST

START_TEST(NoHeadsAndEndlessReachAreRefused) {
    for (int i = 0; i < 2; i++) {
        kit used = kit_open();
        hl_tensor *distance = hl_input(used.nn.graph, "distance", HL_I32, HL_SHAPE(2, 2));
        ck_assert_ptr_null(hl_nn_distance_bias(&used.nn, "near", distance, i ? 2 : 0, i ? SIZE_MAX / 2 : 2));
        kit_expect_error(&used, HL_OUT_OF_RANGE, "distance bias 'near'");
        kit_close(&used);
    }
}
END_TEST

int main(void) {
    return run_tests("nn/distance", TESTS(DistancesAreClippedAndShifted, MoreQueriesThanKeysStandBeforeTheFirstKey,
                                          NoReachMakesAllDistancesAlike, BiasIsTheTablesRowForEachHead,
                                          DistancesBeyondTheTableAreRefused, HeadLearnsWhereToLookByDistanceAlone,
                                          NoHeadsAndEndlessReachAreRefused));
}
