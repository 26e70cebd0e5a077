/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the layers share: checks, parameter names. */
#include "nn/common.h"

#include <string.h>

#include "tests/nn/kit.h"

START_TEST(ReadyWantsGraphNameTensorAndRank) {
    kit used = kit_open();
    hl_tensor *x = kit_input(&used);
    ck_assert(hl__nn_ready(&used.nn, "layer", "a", x, 3, true));
    ck_assert(hl__nn_ready(&used.nn, "layer", "a", x, 1, false));
    ck_assert(!hl__nn_ready(NULL, "layer", "a", x, 3, true));
    ck_assert(!hl__nn_ready(&(hl_nn){0}, "layer", "a", x, 3, true));
    ck_assert_int_eq(hl_graph_status(used.nn.graph), HL_OK);
    kit_close(&used);

    used = kit_open();
    ck_assert(!hl__nn_ready(&used.nn, "layer", NULL, kit_input(&used), 3, true));
    kit_expect_error(&used, HL_INVALID_ARGUMENT, "layer: no name");
    kit_close(&used);

    used = kit_open();
    ck_assert(!hl__nn_ready(&used.nn, "layer", "a", NULL, 3, true));
    kit_expect_error(&used, HL_INVALID_ARGUMENT, "layer 'a': x is NULL");
    kit_close(&used);

    used = kit_open();
    ck_assert(!hl__nn_ready(&used.nn, "layer", "a", kit_input(&used), 2, true));
    kit_expect_error(&used, HL_SHAPE_MISMATCH, "layer 'a': x [2, 5, 6] has 3 axes, not 2");
    kit_close(&used);

    used = kit_open();
    ck_assert(!hl__nn_ready(&used.nn, "layer", "a", kit_input(&used), 4, false));
    kit_expect_error(&used, HL_SHAPE_MISMATCH, "not at least 4");
    kit_close(&used);
}
END_TEST

START_TEST(NamesAreJoinedAndMayNotBeTooLong) {
    kit used = kit_open();
    char text[HL__NN_NAME], name[HL__NN_NAME];
    ck_assert_str_eq(hl__nn_join(&used.nn, text, "block.0", "wq"), "block.0.wq");
    memset(name, 'n', sizeof name);
    name[HL__NN_NAME - 4] = 0; /* with ".wq" one byte less than the room */
    ck_assert_ptr_nonnull(hl__nn_join(&used.nn, text, name + 1, "wq"));
    ck_assert_ptr_null(hl__nn_join(&used.nn, text, name, "wqx"));
    kit_expect_error(&used, HL_OUT_OF_RANGE, "nnn...' is longer than 255 bytes");
    kit_close(&used);
}
END_TEST

START_TEST(ParametersAreBoundedByTheirFanIn) {
    kit used = kit_open();
    hl_tensor *w = hl__nn_param(&used.nn, "layer", "w", HL_SHAPE(16, 50), 16);
    hl_tensor *b = hl__nn_param(&used.nn, "layer", "b", HL_SHAPE(50), 0);
    hl_program *program = kit_program(&used, (hl_tensor *[]){hl_add(used.nn.graph, w, b)}, 1);
    float values[800], largest = 0;
    kit_read(program, w, values, sizeof values);
    for (size_t i = 0; i < 800; i++) {
        float size = values[i] < 0 ? -values[i] : values[i];
        ck_assert(size <= 0.25f);
        largest = size > largest ? size : largest;
    }
    ck_assert(largest > 0.24f); /* missed by 800 uniform values with probability 0.96^800, 1e-14 */
    kit_read(program, b, values, 50 * sizeof values[0]);
    for (size_t i = 0; i < 50; i++) ck_assert(values[i] == 0);
    hl_program_destroy(program);
    kit_close(&used);
}
END_TEST

int main(void) {
    return run_tests("nn/common", TESTS(ReadyWantsGraphNameTensorAndRank, NamesAreJoinedAndMayNotBeTooLong,
                                        ParametersAreBoundedByTheirFanIn));
}
