/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The seam for block products, with whatever this build has behind it. */
#include "ops/gemm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/gemm_check.h"
#include "tests/support/suite.h"

static void prepare_and_run(const hl__gemm_shape *shape, const float *a, const float *b, float *c) {
    hl__gemm gemm;
    ck_assert_int_eq(hl__gemm_prepare(shape, &gemm), HL_OK);
    hl__gemm_run(&gemm, a, b, c);
}

START_TEST(ProductsAreRightForAllKindsAndOddShapes) { gemm_check_all(prepare_and_run); }
END_TEST

static void fetch_and_run(const hl__gemm_shape *shape, const float *a, const float *b, float *c) {
    hl__gemm gemm;
    hl__gemm_shape fetching = *shape;
    fetching.fetch = true;
    ck_assert_int_eq(hl__gemm_prepare(&fetching, &gemm), HL_OK);
    hl__gemm_run_fetching(&gemm, a, b, c, NULL, NULL); /* what is to be fetched need not exist */
}

static void pack_and_run(const hl__gemm_shape *shape, const float *a, const float *b, float *c) {
    hl__gemm gemm;
    hl__gemm_shape packing = *shape;
    float *scratch = malloc(shape->k * shape->n * sizeof *scratch + 1);
    packing.fetch = packing.pack = true;
    ck_assert_int_eq(hl__gemm_prepare(&packing, &gemm), HL_OK);
    hl__gemm_run_fetching(&gemm, a, b, c, b, scratch);
    free(scratch);
}

START_TEST(ProductsThatFetchAreAsRight) { gemm_check_all(fetch_and_run); }
END_TEST

START_TEST(ProductsThatPackAreAsRight) { gemm_check_all(pack_and_run); }
END_TEST

START_TEST(WithoutInnerExtentCIsZeroedOrKept) {
    float c[6] = {1, 2, 3, 4, 5, 6};
    hl__gemm_shape shape = {.m = 2, .n = 2, .k = 0, .lda = 1, .ldb = 2, .ldc = 3, .accumulate = true};
    prepare_and_run(&shape, NULL, NULL, c);
    ck_assert_int_eq(memcmp(c, (float[]){1, 2, 3, 4, 5, 6}, sizeof c), 0);
    shape.accumulate = false;
    prepare_and_run(&shape, NULL, NULL, c);
    ck_assert_int_eq(memcmp(c, (float[]){0, 0, 3, 0, 0, 6}, sizeof c), 0);
}
END_TEST

START_TEST(WithoutRowsOrColumnsNothingIsTouched) {
    float c[2] = {1, 2};
    prepare_and_run(&(hl__gemm_shape){.m = 0, .n = 2, .k = 2, .lda = 2, .ldb = 2, .ldc = 2}, NULL, NULL, c);
    prepare_and_run(&(hl__gemm_shape){.m = 2, .n = 0, .k = 2, .lda = 2, .ldb = 2, .ldc = 2}, NULL, NULL, c);
    ck_assert(c[0] == 1 && c[1] == 2);
}
END_TEST

START_TEST(RowsThatOverlapAreRefused) {
    hl__gemm gemm;
    hl__gemm_shape good = {.m = 4, .n = 5, .k = 6, .lda = 6, .ldb = 5, .ldc = 5}, bad = good;
    ck_assert_int_eq(hl__gemm_prepare(&good, &gemm), HL_OK);
    bad.lda = 5;
    ck_assert_int_eq(hl__gemm_prepare(&bad, &gemm), HL_UNSUPPORTED);
    bad.transpose_a = true;
    ck_assert_int_eq(hl__gemm_prepare(&bad, &gemm), HL_OK);
    bad = good;
    bad.ldb = 4;
    ck_assert_int_eq(hl__gemm_prepare(&bad, &gemm), HL_UNSUPPORTED);
    bad = good;
    bad.ldc = 4;
    ck_assert_int_eq(hl__gemm_prepare(&bad, &gemm), HL_UNSUPPORTED);
}
END_TEST

START_TEST(SpansBeyondTheGeneratorsReachAreRefusedOrPortable) {
    hl__gemm gemm;
    hl__gemm_shape wide = {.m = 4, .n = 5, .k = (size_t)1 << 20, .lda = (size_t)1 << 20, .ldb = 1024, .ldc = 5};
    bool generates = strcmp(hl__gemm_kind(), "portable") != 0;
    ck_assert_int_eq(hl__gemm_prepare(&wide, &gemm), generates ? HL_UNSUPPORTED : HL_OK);
    ck_assert_ptr_null(gemm.generated);
}
END_TEST

START_TEST(BlocksAreTransposed) {
    enum { ROWS = 37, COLUMNS = 50 };
    float in[ROWS][COLUMNS + 3], out[COLUMNS][ROWS + 2];
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < COLUMNS + 3; j++) in[i][j] = (float)(i * 100 + j);
    memset(out, 0xff, sizeof out);
    hl__transpose_block(&in[0][0], COLUMNS + 3, ROWS, COLUMNS, &out[0][0], ROWS + 2);
    for (size_t j = 0; j < COLUMNS; j++) {
        for (size_t i = 0; i < ROWS; i++) ck_assert(out[j][i] == in[i][j]);
        for (size_t i = ROWS; i < ROWS + 2; i++) ck_assert(isnan(out[j][i]));
    }
}
END_TEST

int main(void) {
    return run_tests("gemm", TESTS(ProductsAreRightForAllKindsAndOddShapes, ProductsThatFetchAreAsRight,
                                   ProductsThatPackAreAsRight, WithoutInnerExtentCIsZeroedOrKept,
                                   WithoutRowsOrColumnsNothingIsTouched, RowsThatOverlapAreRefused,
                                   SpansBeyondTheGeneratorsReachAreRefusedOrPortable, BlocksAreTransposed));
}
