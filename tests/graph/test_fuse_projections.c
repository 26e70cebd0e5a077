/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fusion of projections of one input: which are taken together, and gradients of several losses through them. */
#include "graph/graph.h"
#include "graph/ir.h"
#include "tests/graph/kit.h"
#include "tests/support/suite.h"

static void assert_projections(hl_graph *g, hl_tensor *const outputs[], size_t n, size_t n_left) {
    hl__ir ir = {0};
    ck_assert_msg(kit_stages(&ir, g, outputs, n, KIT_FUSED) == HL_OK, "%s", ir.message);
    ck_assert_uint_eq(kit_nodes(&ir, "project"), n_left);
    hl__ir_clear(&ir);
}

/* As many as an operator takes; not those of another input or shape, nor with a matrix that the graph makes, nor one
 * that is trained with one that is not. */
START_TEST(ProjectionsOfOneInputAreOne) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 5, 6)), *r = hl_input(g, "r", HL_F32, HL_SHAPE(2, 5, 6));
    hl_tensor *w[4], *y[8], *bias = kit_param(g, "bias", HL_SHAPE(3, 4));
    const char *names[] = {"w0", "w1", "w2", "w3"};
    for (size_t p = 0; p < 4; p++) w[p] = kit_param(g, names[p], HL_SHAPE(6, 3, 4));
    for (size_t p = 0; p < 4; p++) y[p] = hl_project(g, x, w[p], p % 2 ? bias : NULL);
    assert_projections(g, y, 1, 1);
    assert_projections(g, y, 2, 1);
    assert_projections(g, y, 3, 1);
    assert_projections(g, y, 4, 2);
    y[4] = hl_project(g, r, w[1], NULL);
    y[5] = hl_project(g, x, kit_param(g, "other", HL_SHAPE(6, 4, 3)), NULL);
    y[6] = hl_project(g, x, hl_scale(g, w[1], 2), NULL);
    y[7] = hl_project(g, x, w[2], hl_scale(g, bias, 2));
    for (size_t i = 4; i < 8; i++) {
        assert_projections(g, (hl_tensor *[]){y[0], y[i]}, 2, 2);
        assert_projections(g, (hl_tensor *[]){y[i], y[1], y[2]}, 3, 2);
    }
    hl_tensor *loss = hl_sum(g, hl_multiply(g, y[0], y[1]), 0, false);
    assert_projections(g, (hl_tensor *[]){loss, hl_gradient(g, loss, w[0]), hl_gradient(g, loss, w[1])}, 3, 1);
    assert_projections(g, (hl_tensor *[]){loss, hl_gradient(g, loss, w[0])}, 2, 2);
    assert_projections(g, (hl_tensor *[]){loss, hl_gradient(g, loss, x)}, 2, 1);
    hl_graph_destroy(g);
}
END_TEST

/* Some of the results may belong to one loss, the others to another. */
START_TEST(GradientsOfOneOfSeveralLossesAreWhole) {
    enum { N = 2 * 5 * 6, M = 6 * 3 * 4 };
    float dx[2][2][N], dw[2][2][M], data[N];
    kit_fill(data, N, 3);
    for (size_t apart = 0; apart < 2; apart++) {
        hl_graph *g = kit_graph();
        hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 5, 6)), *loss[2], *w[2], *outputs[4];
        for (size_t i = 0; i < 2; i++) {
            w[i] = kit_param(g, i ? "w1" : "w0", HL_SHAPE(6, 3, 4));
            hl_tensor *y = hl_project(g, x, apart && i ? hl_scale(g, w[i], 1) : w[i], NULL);
            loss[i] = hl_sum(g, hl_multiply(g, y, y), 0, false);
        }
        for (size_t i = 0; i < 2; i++) outputs[2 * i] = hl_gradient(g, loss[i], x);
        for (size_t i = 0; i < 2; i++) outputs[2 * i + 1] = hl_gradient(g, loss[0], w[i]);
        assert_projections(g, outputs, 4, apart ? 2 : 1);
        hl_runtime *runtime = kit_runtime(2);
        hl_state *state = kit_state();
        hl_program *program = kit_program(runtime, g, state, outputs, 4);
        kit_write(program, x, data, sizeof data);
        kit_run(program);
        for (size_t i = 0; i < 2; i++) {
            kit_read(program, outputs[2 * i], dx[apart][i], sizeof dx[apart][i]);
            kit_read(program, outputs[2 * i + 1], dw[apart][i], sizeof dw[apart][i]);
        }
        hl_program_destroy(program);
        hl_state_destroy(state);
        hl_runtime_destroy(runtime);
        hl_graph_destroy(g);
    }
    ck_assert_mem_eq(dx[0], dx[1], sizeof dx[0]);
    ck_assert_mem_eq(dw[0], dw[1], sizeof dw[0]);
    ck_assert_float_ne(dx[0][0][1], 0);
    ck_assert_float_ne(dx[0][1][1], 0);
    ck_assert_float_ne(dw[0][0][1], 0);
    for (size_t e = 0; e < M; e++) ck_assert_float_eq(dw[0][1][e], 0); /* the first loss does not know it */
}
END_TEST

int main(void) {
    return run_tests("graph/fuse_projections",
                     TESTS(ProjectionsOfOneInputAreOne, GradientsOfOneOfSeveralLossesAreWhole));
}
