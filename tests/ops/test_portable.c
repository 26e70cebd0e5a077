/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The kernels in C of every instruction set that build and processor have. */
#include "ops/kernels/portable.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/gemm_check.h"
#include "tests/support/suite.h"

static hl__portable_gemm *product; /* of the set that is tried */

static void in_place(const hl__gemm_shape *shape, const float *a, const float *b, float *c) {
    product(shape, a, b, c, NULL, NULL);
}

static void copied(const hl__gemm_shape *shape, const float *a, const float *b, float *c) {
    static float scratch[HL__GEMM_PANEL];
    product(shape, a, b, c, b, scratch);
}

START_TEST(ProductsAreRightOnEverySet) {
    for (int isa = 0; isa < HL__N_ISAS; isa++) {
        if (!hl__kernels_for((hl__isa)isa)) continue;
        product = hl__kernels_for((hl__isa)isa)->gemm;
        gemm_check_all(in_place);
        gemm_check_all(copied);
    }
}
END_TEST

START_TEST(WithoutInnerExtentCIsZeroedOrKept) {
    for (int isa = 0; isa < HL__N_ISAS; isa++) {
        const hl__kernels *kernels = hl__kernels_for((hl__isa)isa);
        if (!kernels) continue;
        float c[6] = {1, 2, 3, 4, 5, 6};
        hl__gemm_shape shape = {.m = 2, .n = 2, .k = 0, .lda = 1, .ldb = 2, .ldc = 3, .accumulate = true};
        kernels->gemm(&shape, NULL, NULL, c, NULL, NULL);
        ck_assert_int_eq(memcmp(c, (float[]){1, 2, 3, 4, 5, 6}, sizeof c), 0);
        shape.accumulate = false;
        kernels->gemm(&shape, NULL, NULL, c, NULL, NULL);
        ck_assert_int_eq(memcmp(c, (float[]){0, 0, 3, 0, 0, 6}, sizeof c), 0);
    }
}
END_TEST

/* An element's bits depend on its row of A and its column of B alone, not on the block in which they are multiplied,
 * nor on where B is read. */
START_TEST(AnElementHasTheSameBitsInEveryBlock) {
    enum { M = 47, N = 130, K = 600 };
    static float a[M * K], b[K * N], whole[M * N], part[M * N], scratch[HL__GEMM_PANEL];
    for (size_t i = 0; i < M * K; i++) a[i] = sinf((float)i);
    for (size_t i = 0; i < K * N; i++) b[i] = cosf((float)i);
    for (int isa = 0; isa < HL__N_ISAS; isa++) {
        const hl__kernels *kernels = hl__kernels_for((hl__isa)isa);
        if (!kernels) continue;
        kernels->gemm(&(hl__gemm_shape){.m = M, .n = N, .k = K, .lda = K, .ldb = N, .ldc = N}, a, b, whole, NULL,
                      scratch);
        for (size_t i = 0; i < M; i += 5)
            for (size_t j = 0; j < N; j += 7) {
                size_t m = M - i < 5 ? M - i : 5, n = N - j < 7 ? N - j : 7;
                kernels->gemm(&(hl__gemm_shape){.m = m, .n = n, .k = K, .lda = K, .ldb = N, .ldc = N}, a + i * K, b + j,
                              part + i * N + j, NULL, NULL);
            }
        ck_assert_int_eq(memcmp(whole, part, sizeof whole), 0);
    }
}
END_TEST

START_TEST(BlocksOfEverySizeAreTransposedOnEverySet) {
    enum { MOST = 35 };
    static float in[MOST * MOST], out[MOST * MOST];
    for (size_t i = 0; i < MOST * MOST; i++) in[i] = (float)i;
    for (int isa = 0; isa < HL__N_ISAS; isa++) {
        const hl__kernels *kernels = hl__kernels_for((hl__isa)isa);
        for (size_t rows = 0; kernels && rows <= MOST; rows++)
            for (size_t columns = 0; columns <= MOST; columns++) {
                memset(out, 0xff, sizeof out);
                kernels->transpose(in, MOST, rows, columns, out, MOST);
                size_t wrong = 0;
                for (size_t j = 0; j < MOST; j++)
                    for (size_t i = 0; i < MOST; i++)
                        wrong +=
                            i < rows && j < columns ? out[j * MOST + i] != in[i * MOST + j] : !isnan(out[j * MOST + i]);
                ck_assert_uint_eq(wrong, 0);
            }
    }
}
END_TEST

START_TEST(SetsThatAreNotThereHaveNoKernels) { ck_assert_ptr_null(hl__kernels_for(HL__N_ISAS)); }
END_TEST

int main(void) {
    return run_tests("portable", TESTS(ProductsAreRightOnEverySet, WithoutInnerExtentCIsZeroedOrKept,
                                       AnElementHasTheSameBitsInEveryBlock, BlocksOfEverySizeAreTransposedOnEverySet,
                                       SetsThatAreNotThereHaveNoKernels));
}
