/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A block product as a kernel: counted, and checked so that a wrong one is found. */
#include "bench/subjects/product.h"

#include "tests/bench/kit.h"
#include "tests/support/code_room.h"

static hl__gemm prepare(const code_room *room, size_t m, size_t n, size_t k) {
    hl__gemm_shape shape = {.m = m, .n = n, .k = k, .lda = k, .ldb = n, .ldc = n};
    hl__gemm gemm;
    ck_assert_int_eq(hl__gemm_prepare(room ? &room->code : NULL, &shape, &gemm), HL_OK);
    return gemm;
}

START_TEST(ItsOperationsAreCounted) {
    hl__gemm gemm = prepare(NULL, 3, 5, 7);
    ck_assert_double_eq(bench_product(&gemm).flops, 2 * 3 * 5 * 7);
}
END_TEST

START_TEST(ItRunsOnOperandsOfItsOwn) {
    hl__gemm gemm = prepare(NULL, 17, 33, 9);
    bench_kernel kernel = bench_product(&gemm);
    void *own = kernel.open(kernel.context);
    ck_assert_ptr_nonnull(own);
    double once = kernel.run(kernel.context, own, 1);
    ck_assert_double_gt(once, 0);
    ck_assert_double_eq(kernel.run(kernel.context, own, 3), once);
    kernel.close(own);
}
END_TEST

START_TEST(RightProductsStayWithinTheBound) {
    static const size_t shapes[][3] = {{1, 1, 1}, {64, 64, 256}, {7, 31, 65}, {1, 100, 1000}};
    code_room room;
    code_room_open(&room);
    for (size_t i = 0; i < 4; i++) {
        hl__gemm gemm = prepare(&room, shapes[i][0], shapes[i][1], shapes[i][2]);
        for (int portable = 0; portable < 2; portable++) {
            if (portable) gemm.generated = NULL;
            double error = bench_product_error(&gemm);
            ck_assert_msg(error >= 0 && error <= 1, "shape %zu: %g", i, error);
        }
    }
    code_room_close(&room);
}
END_TEST

static float same(float x) { return x; }
static float shifted(float x) { return x + 1e-4f; }
static float no_number(float x) { return x * NAN; }

static float (*spoil)(float);

/* C = A B, plainly, but for the last element, which is spoilt. */
static void spoilt(const hl__gemm_shape *s, const float *a, const float *b, float *c, const float *next_b,
                   float *scratch) {
    (void)next_b, (void)scratch;
    for (size_t i = 0; i < s->m; i++)
        for (size_t j = 0; j < s->n; j++) {
            double sum = 0;
            for (size_t p = 0; p < s->k; p++) sum += (double)a[i * s->lda + p] * (double)b[p * s->ldb + j];
            bool last = i + 1 == s->m && j + 1 == s->n;
            c[i * s->ldc + j] = last ? spoil((float)sum) : (float)sum;
        }
}

/* A bound of 18 u = 1.1e-6 of at most 17 * 3 in magnitude, 5.5e-5, is below the shift. */
START_TEST(OneWrongElementIsFound) {
    hl__gemm gemm = prepare(NULL, 5, 6, 17);
    gemm.portable = spoilt;
    spoil = same;
    ck_assert_double_le(bench_product_error(&gemm), 1);
    spoil = shifted;
    ck_assert_double_gt(bench_product_error(&gemm), 1);
    spoil = no_number;
    ck_assert(isinf(bench_product_error(&gemm)));
}
END_TEST

int main(void) {
    return run_tests("product", TESTS(ItsOperationsAreCounted, ItRunsOnOperandsOfItsOwn,
                                      RightProductsStayWithinTheBound, OneWrongElementIsFound));
}
