/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The oracle of the block against the definition: all keys and values made, all weights in a table. */
#include "bench/oracles/block_oracle.h"

#include "bench/subjects/block_subject.h"
#include "tests/bench/kit.h"

enum { B = 2, T = 4, H = 3, D = 2, W = H * D };

typedef struct heads { /* of one sequence */
    double of[H][T][D];
} heads;

static void project(double *const part[], size_t b, int w, int bias, heads *made) {
    for (size_t h = 0; h < H; h++)
        for (size_t t = 0; t < T; t++)
            for (size_t d = 0; d < D; d++) {
                double sum = part[bias][h * D + d];
                for (size_t i = 0; i < W; i++) sum += part[BLOCK_X][(b * T + t) * W + i] * part[w][i * W + h * D + d];
                made->of[h][t][d] = sum;
            }
}

/* y of one token (Vaswani et al. 2017, equation 1 and section 3.2.2) */
static void definition(double *const part[], size_t b, size_t t, const bench_mask *mask, double *y) {
    heads q, k, v;
    project(part, b, BLOCK_WQ, BLOCK_BQ, &q);
    project(part, b, BLOCK_WK, BLOCK_BK, &k);
    project(part, b, BLOCK_WV, BLOCK_BV, &v);
    for (size_t j = 0; j < W; j++) y[j] = part[BLOCK_BO][j];
    for (size_t h = 0; h < H; h++) {
        double p[T], sum = 0;
        for (size_t j = 0; j < T; j++) {
            double score = 0;
            for (size_t d = 0; d < D; d++) score += q.of[h][t][d] * k.of[h][j][d];
            sum += p[j] = bench_mask_sees(mask, t, j) ? exp(score / sqrt(D)) : 0;
        }
        for (size_t d = 0; d < D; d++) {
            double o = 0;
            for (size_t j = 0; j < T; j++) o += p[j] / sum * v.of[h][j][d];
            for (size_t j = 0; j < W; j++) y[j] += o * part[BLOCK_WO][(h * D + d) * W + j];
        }
    }
}

/* Both are in double and add fewer than a hundred numbers of magnitude 1 each: 1e-12 is far above their rounding. */
START_TEST(EveryRowIsThatOfTheDefinition) {
    static const bench_mask masks[] = {{0}, {HL_MASK_CAUSAL, 0}, {HL_MASK_WINDOW, 2}, {HL_MASK_CAUSAL_WINDOW, 2}};
    for (size_t m = 0; m < 4; m++) {
        block_shape shape = {.batch = B, .tokens = T, .width = W, .heads = H, .mask = masks[m]};
        bench_subject subject = block_subject(&shape);
        double *part[BLOCK_N_PARTS];
        for (size_t i = 0; i < BLOCK_N_PARTS; i++) {
            size_t n = bench_part_elements(&subject, i);
            float *values = bench_random(n, i, 1);
            part[i] = calloc(n, sizeof(double));
            ck_assert(values && part[i]);
            for (size_t j = 0; j < n; j++) part[i][j] = (double)values[j];
            free(values);
        }
        for (size_t row = 0; row < B * T; row++) {
            double y[W], magnitude[W], expected[W];
            ck_assert(block_oracle_row(&subject, part, row, y, magnitude));
            definition(part, row / T, row % T, &masks[m], expected);
            for (size_t j = 0; j < W; j++) {
                ck_assert_double_eq_tol(y[j], expected[j], 1e-12);
                ck_assert_double_ge(magnitude[j], fabs(y[j]) - 1e-12);
            }
        }
        for (size_t i = 0; i < BLOCK_N_PARTS; i++) free(part[i]);
    }
}
END_TEST

int main(void) { return run_tests("block_oracle", TESTS(EveryRowIsThatOfTheDefinition)); }
