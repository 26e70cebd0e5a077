/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fusion of concatenated heads, dense and GELU: fused, and apart because every inner tensor is asked for, values and
 * gradients are those of the equations in double. */
#include <math.h>

#include "tests/graph/kit.h"
#include "tests/support/activation_oracle.h"
#include "tests/support/suite.h"

enum { HEADS = 3, TOKENS = 9, SIZE = 8, K = HEADS * SIZE, N = 16 };

typedef struct numbers {
    float x[K * TOKENS], w[K * N], b[N], y[TOKENS * N], dw[K * N], dx[K * TOKENS];
} numbers;

/* What is to come out, and how far off it may be. */
typedef struct expected {
    double y[TOKENS * N], dw[K * N], dx[K * TOKENS];
    double y_error[TOKENS * N], dw_error[K * N], dx_error[K * TOKENS];
} expected;

static size_t place(size_t t, size_t k) { return (k / SIZE * TOKENS + t) * SIZE + k % SIZE; }

/* z = x w + b is off by K + 1 roundings of the sizes of its terms, y = gelu(z) by what this moves it and its own. With
 * L the mean of y^2, dz = 2 y / n gelu'(z): y and the slope are off, 2 / n and two products round. dw and dx sum TOKENS
 * and N products of it: as many roundings of their sizes, and what dz is off by. */
static void expect(const numbers *in, expected *out) {
    const double u = KIT_UNIT, n = TOKENS * N;
    memset(out, 0, sizeof *out);
    for (size_t t = 0; t < TOKENS; t++)
        for (size_t j = 0; j < N; j++) {
            double z = (double)in->b[j], size = fabs(z), *y = &out->y[t * N + j], *error = &out->y_error[t * N + j];
            for (size_t k = 0; k < K; k++) {
                double product = (double)in->x[place(t, k)] * (double)in->w[k * N + j];
                z += product;
                size += fabs(product);
            }
            double off = (K + 1) * u * size, slope = activation_slope(HL_ACTIVATION_GELU, 1, z);
            *y = activation_value(HL_ACTIVATION_GELU, z);
            *error = activation_value_error(HL_ACTIVATION_GELU, z, off);
            double dz = 2 / n * *y * slope, of_slope = activation_slope_error(HL_ACTIVATION_GELU, z, off);
            double dz_error = 2 / n * (fabs(slope) * *error + (fabs(*y) + *error) * of_slope) + 3 * u * fabs(dz);
            for (size_t k = 0; k < K; k++) {
                double x = (double)in->x[place(t, k)], w = (double)in->w[k * N + j];
                out->dw[k * N + j] += x * dz;
                out->dw_error[k * N + j] += fabs(x) * (TOKENS * u * fabs(dz) + dz_error);
                out->dx[place(t, k)] += w * dz;
                out->dx_error[place(t, k)] += fabs(w) * (N * u * fabs(dz) + dz_error);
            }
        }
}

static void assert_near(const char *what, const float *got, const double *want, const double *error, size_t n) {
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabs((double)got[i] - want[i]) <= error[i], "%s: %zu is %.9g, not %.9g, and off by more than %g",
                      what, i, (double)got[i], want[i], error[i]);
}

START_TEST(FusedAndUnfusedDenseAgreeWithTheEquations) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(1, HEADS, TOKENS, SIZE));
    hl_tensor *w = kit_param(g, "w", HL_SHAPE(K, N)), *b = kit_param(g, "b", HL_SHAPE(N));
    hl_tensor *side = hl_concat(g, x), *before = hl_dense(g, side, w, b), *y = hl_gelu(g, before);
    hl_tensor *loss = hl_mean(g, hl_multiply(g, y, y), 0, false);
    hl_tensor *outputs[] = {y,
                            hl_gradient(g, loss, w),
                            hl_gradient(g, loss, x),
                            hl_gradient(g, loss, b),
                            hl_gradient(g, loss, side),
                            hl_gradient(g, loss, before)};
    hl_runtime *runtime = kit_runtime(2);
    for (size_t i = 0; i < 2; i++) {
        static numbers found;
        static expected want;
        hl_state *state = kit_state();
        hl_program *program = kit_program(runtime, g, state, outputs, i == 0 ? 4 : 6);
        kit_fill(found.x, K * TOKENS, 3);
        kit_write(program, x, found.x, sizeof found.x);
        kit_run(program);
        ck_assert_int_eq(hl_state_read(state, "w", found.w, sizeof found.w), HL_OK);
        ck_assert_int_eq(hl_state_read(state, "b", found.b, sizeof found.b), HL_OK);
        kit_read(program, outputs[0], found.y, sizeof found.y);
        kit_read(program, outputs[1], found.dw, sizeof found.dw);
        kit_read(program, outputs[2], found.dx, sizeof found.dx);
        expect(&found, &want);
        assert_near(i ? "y apart" : "y fused", found.y, want.y, want.y_error, TOKENS * N);
        assert_near(i ? "dw apart" : "dw fused", found.dw, want.dw, want.dw_error, K * N);
        assert_near(i ? "dx apart" : "dx fused", found.dx, want.dx, want.dx_error, K * TOKENS);
        hl_program_destroy(program);
        hl_state_destroy(state);
    }
    hl_runtime_destroy(runtime);
    hl_graph_destroy(g);
}
END_TEST

int main(void) { return run_tests("graph/fuse_dense", TESTS(FusedAndUnfusedDenseAgreeWithTheEquations)); }
