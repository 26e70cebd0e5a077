/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the layers share: checks, parameter names. */
#include "nn/common.h"

#include <math.h>
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

START_TEST(MatricesAreBoundedByTheirFanInUnlessToldOtherwise) {
    kit used = kit_open();
    hl_tensor *w = hl__nn_matrix(&used.nn, "layer", "w", HL_SHAPE(16, 50), 16);
    hl_tensor *b = hl__nn_vector(&used.nn, "layer", "b", HL_SHAPE(50), 0);
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

/* The largest size of a matrix [24, 100] made with this initialiser, and its deviation. */
static void spread(hl_init init, double *largest, double *deviation) {
    kit used = kit_open();
    used.nn.init = init;
    hl_tensor *w = hl__nn_matrix(&used.nn, "layer", "w", HL_SHAPE(24, 100), 24);
    hl_program *program = kit_program(&used, (hl_tensor *[]){hl_scale(used.nn.graph, w, 1)}, 1);
    static float values[2400];
    kit_read(program, w, values, sizeof values);
    double square = 0;
    *largest = 0;
    for (size_t i = 0; i < 2400; i++) {
        square += (double)values[i] * (double)values[i];
        *largest = fmax(*largest, fabs((double)values[i]));
    }
    *deviation = sqrt(square / 2400);
    hl_program_destroy(program);
    kit_close(&used);
}

/* Squares of uniform values about their bound have the mean 1/3 and the deviation sqrt(4/45), those of normal values 1
 * and sqrt 2: the mean of 2400 lies within 5 standard errors, its root within 5 / 2 of these, relative to the mean. */
START_TEST(EachInitialiserHasItsSpread) {
    const struct {
        hl_init init;
        double bound, deviation; /* bound 0: normal */
    } cases[] = {{{HL_INIT_FAN_IN, 0}, sqrt(1.0 / 24), 0},
                 {{HL_INIT_FAN_IN, 3}, 3 * sqrt(1.0 / 24), 0},
                 {{HL_INIT_UNIFORM, 0.25f}, 0.25, 0},
                 {{HL_INIT_NORMAL, 0.02f}, 0, 0.02},
                 {{HL_INIT_XAVIER_UNIFORM, 0}, sqrt(6.0 / 124), 0},
                 {{HL_INIT_XAVIER_UNIFORM, 2}, 2 * sqrt(6.0 / 124), 0},
                 {{HL_INIT_XAVIER_NORMAL, 0}, 0, sqrt(2.0 / 124)},
                 {{HL_INIT_KAIMING_UNIFORM, 0}, sqrt(6.0 / 24), 0},
                 {{HL_INIT_KAIMING_UNIFORM, 1}, sqrt(3.0 / 24), 0},
                 {{HL_INIT_KAIMING_NORMAL, 0}, 0, sqrt(2.0 / 24)}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double largest, deviation, want = cases[i].deviation, bound = cases[i].bound;
        spread(cases[i].init, &largest, &deviation);
        if (bound > 0) {
            want = bound / sqrt(3);
            ck_assert_double_le(largest, bound * (1 + 0x1p-22));
            ck_assert_double_gt(largest, 0.99 * bound); /* missed by 2400 values with probability 0.99^2400, 1e-10 */
        }
        double error = 2.5 * (bound > 0 ? 3 * sqrt(4.0 / 45) : sqrt(2)) / sqrt(2400);
        ck_assert_msg(fabs(deviation / want - 1) < error, "case %zu: %g instead of %g", i, deviation, want);
    }
    double largest, deviation;
    spread((hl_init){HL_INIT_CONSTANT, -0.5f}, &largest, &deviation);
    ck_assert(largest == 0.5 && deviation == 0.5);
}
END_TEST

START_TEST(InitialisersThatAreNoneAreRefused) {
    const struct {
        hl_init init;
        hl_status status;
    } wrong[] = {{{(hl_init_kind)8, 1}, HL_INVALID_ARGUMENT},    {{(hl_init_kind)-1, 1}, HL_INVALID_ARGUMENT},
                 {{HL_INIT_NORMAL, -1}, HL_OUT_OF_RANGE},        {{HL_INIT_UNIFORM, -1}, HL_OUT_OF_RANGE},
                 {{HL_INIT_FAN_IN, NAN}, HL_OUT_OF_RANGE},       {{HL_INIT_CONSTANT, INFINITY}, HL_OUT_OF_RANGE},
                 {{HL_INIT_KAIMING_NORMAL, -1}, HL_OUT_OF_RANGE}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        kit used = kit_open();
        used.nn.init = wrong[i].init;
        ck_assert_ptr_null(hl__nn_matrix(&used.nn, "layer", "w", HL_SHAPE(3, 4), 3));
        kit_expect_error(&used, wrong[i].status, "'layer.w'");
        kit_close(&used);
    }
}
END_TEST

START_TEST(ResidualMatricesHaveTheirOwnInitialiserWhereOneIsGiven) {
    hl_nn nn = {.seed = 3, .init = {HL_INIT_NORMAL, 0.5f}};
    hl_nn out = hl__nn_residual(&nn);
    ck_assert(out.init.kind == HL_INIT_NORMAL && out.init.value == 0.5f && out.seed == 3);
    nn.residual = (hl_init){HL_INIT_FAN_IN, 2};
    out = hl__nn_residual(&nn);
    ck_assert(out.init.kind == HL_INIT_FAN_IN && out.init.value == 2);
    ck_assert(nn.init.kind == HL_INIT_NORMAL);
}
END_TEST

START_TEST(AParameterBelongsToOneLayerUnlessItIsShared) {
    kit used = kit_open();
    hl_tensor *w = hl__nn_matrix(&used.nn, "a", "w", HL_SHAPE(3, 4), 3);
    ck_assert_ptr_ne(hl__nn_matrix(&used.nn, "b", "w", HL_SHAPE(3, 4), 3), w);
    hl_nn sharing = used.nn;
    sharing.share = true;
    sharing.init = (hl_init){HL_INIT_CONSTANT, 7};
    ck_assert_ptr_eq(hl__nn_matrix(&sharing, "a", "w", HL_SHAPE(3, 4), 3), w);
    hl_tensor *y = hl_scale(used.nn.graph, w, 1);
    hl_program *program = kit_program(&used, &y, 1);
    float values[12];
    kit_read(program, w, values, sizeof values);
    ck_assert(values[0] != 7); /* it keeps its first values */
    hl_program_destroy(program);
    ck_assert_ptr_null(hl__nn_matrix(&used.nn, "a", "w", HL_SHAPE(3, 4), 3));
    kit_expect_error(&used, HL_EXISTS, "'a': the parameter 'a.w'");
    kit_close(&used);

    used = kit_open();
    used.nn.share = true;
    hl__nn_vector(&used.nn, "a", "b", HL_SHAPE(4), 0);
    ck_assert_ptr_null(hl__nn_vector(&used.nn, "a", "b", HL_SHAPE(5), 0));
    kit_expect_error(&used, HL_SHAPE_MISMATCH, "[5]");
    kit_close(&used);
}
END_TEST

int main(void) {
    return run_tests("nn/common",
                     TESTS(ReadyWantsGraphNameTensorAndRank, NamesAreJoinedAndMayNotBeTooLong,
                           MatricesAreBoundedByTheirFanInUnlessToldOtherwise, EachInitialiserHasItsSpread,
                           InitialisersThatAreNoneAreRefused, ResidualMatricesHaveTheirOwnInitialiserWhereOneIsGiven,
                           AParameterBelongsToOneLayerUnlessItIsShared));
}
