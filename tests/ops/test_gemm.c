/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The seam for block products, with whatever this build has behind it. */
#include "ops/kernels/gemm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/ops.h"
#include "tests/support/code_room.h"
#include "tests/support/gemm_check.h"
#include "tests/support/suite.h"

static void prepare_and_run(const hl__gemm_shape *shape, const float *a, const float *b, float *c) {
    hl__gemm gemm;
    code_room room;
    code_room_open(&room);
    ck_assert_int_eq(hl__gemm_prepare(&room.code, shape, &gemm), HL_OK);
    hl__gemm_run(&gemm, a, b, c);
    code_room_close(&room);
}

START_TEST(ProductsAreRightForAllKindsAndOddShapes) { gemm_check_all(prepare_and_run); }
END_TEST

static void fetch_and_run(const hl__gemm_shape *shape, const float *a, const float *b, float *c) {
    hl__gemm gemm;
    hl__gemm_shape fetching = *shape;
    fetching.fetch = true;
    code_room room;
    code_room_open(&room);
    ck_assert_int_eq(hl__gemm_prepare(&room.code, &fetching, &gemm), HL_OK);
    hl__gemm_run_fetching(&gemm, a, b, c, NULL, NULL); /* what is to be fetched need not exist */
    code_room_close(&room);
}

static void pack_and_run(const hl__gemm_shape *shape, const float *a, const float *b, float *c) {
    hl__gemm gemm;
    hl__gemm_shape packing = *shape;
    packing.fetch = packing.pack = true;
    float *scratch = malloc(hl__gemm_scratch(&packing) * sizeof *scratch);
    code_room room;
    code_room_open(&room);
    ck_assert_int_eq(hl__gemm_prepare(&room.code, &packing, &gemm), HL_OK);
    hl__gemm_run_fetching(&gemm, a, b, c, b, scratch);
    code_room_close(&room);
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
    ck_assert_int_eq(hl__gemm_prepare(NULL, &good, &gemm), HL_OK);
    bad.lda = 5;
    ck_assert_int_eq(hl__gemm_prepare(NULL, &bad, &gemm), HL_UNSUPPORTED);
    bad.transpose_a = true;
    ck_assert_int_eq(hl__gemm_prepare(NULL, &bad, &gemm), HL_OK);
    bad = good;
    bad.ldb = 4;
    ck_assert_int_eq(hl__gemm_prepare(NULL, &bad, &gemm), HL_UNSUPPORTED);
    bad = good;
    bad.ldc = 4;
    ck_assert_int_eq(hl__gemm_prepare(NULL, &bad, &gemm), HL_UNSUPPORTED);
}
END_TEST

START_TEST(SpansBeyondTheGeneratorsReachArePortable) {
    hl__gemm gemm;
    code_room room;
    code_room_open(&room);
    hl__gemm_shape wide = {.m = 4, .n = 5, .k = (size_t)1 << 20, .lda = (size_t)1 << 20, .ldb = 1024, .ldc = 5};
    ck_assert_int_eq(hl__gemm_prepare(&room.code, &wide, &gemm), HL_OK);
    ck_assert_ptr_null(gemm.generated);
    code_room_close(&room);
}
END_TEST

/* ---- whichever kernel runs ---- */

enum { MOST_M = 66, MOST_N = 140, MOST_K = 300, GAP = 3 };

/* Numbers of very different sizes, so that another order of a sum shows; zeros, among which signs would. */
static float uneven(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    if (*state >> 24 < 8) return *state & 1 ? -0.0f : 0.0f;
    return ldexpf((float)(int32_t)*state * 0x1p-31f, (int)(*state >> 3 & 15) - 8);
}

/* One shape by generated code and by the portable kernel; words of the difference on failure. */
static void check_same_bits(const struct hl_code *code, hl__gemm_shape shape, const float *a, const float *b,
                            const float *c) {
    static float generated[MOST_M * (MOST_N + GAP)], portable[MOST_M * (MOST_N + GAP)], scratch[MOST_K * MOST_N];
    hl__gemm gemm;
    shape.lda = (shape.transpose_a ? shape.m : shape.k) + GAP;
    shape.ldb = shape.ldc = shape.n + GAP;
    size_t bytes = shape.m * shape.ldc * sizeof *c;
    memcpy(generated, c, bytes);
    memcpy(portable, c, bytes);
    ck_assert_int_eq(hl__gemm_prepare(code, &shape, &gemm), HL_OK);
    hl__gemm_run_fetching(&gemm, a, b, generated, b, scratch);
    ck_assert_int_eq(hl__gemm_prepare(NULL, &shape, &gemm), HL_OK);
    ck_assert(!gemm.generated && !gemm.fetching);
    hl__gemm_run_fetching(&gemm, a, b, portable, b, scratch);
    if (memcmp(generated, portable, bytes) != 0)
        ck_abort_msg("%zu x %zu x %zu%s%s%s%s: other bits by generated code", shape.m, shape.n, shape.k,
                     shape.transpose_a ? " transposed" : "", shape.accumulate ? " accumulating" : "",
                     shape.fetch ? " fetching" : "", shape.pack ? " packing" : "");
}

/* All numbers of rows and columns that libxsmm cuts into different blocks, inner extents around its steps of k. */
START_TEST(GeneratedAndPortableKernelsGiveTheSameBits) {
    static const size_t inner[] = {1, 2, 3, 7, 16, 21, 29, 64, 100, MOST_K};
    static float a[MOST_M * (MOST_K + GAP) + MOST_K * (MOST_M + GAP)], b[MOST_K * (MOST_N + GAP)],
        c[MOST_M * (MOST_N + GAP)];
    uint32_t state = 1;
    for (size_t i = 0; i < sizeof a / sizeof *a; i++) a[i] = uneven(&state);
    for (size_t i = 0; i < sizeof b / sizeof *b; i++) b[i] = uneven(&state);
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) c[i] = uneven(&state);
    size_t number = 0, generated = 0;
    for (size_t n = 1; n <= MOST_N; n++) {
        code_room room;
        code_room_open(&room);
        for (size_t m = 1; m <= MOST_M; m += m < 33 ? 1 : 11, number++) {
            hl__gemm_shape shape = {.m = m,
                                    .n = n,
                                    .k = inner[number % (sizeof inner / sizeof *inner)],
                                    .transpose_a = number % 7 == 0,
                                    .accumulate = number / 3 % 2,
                                    .fetch = number % 7 && number % 5 == 0};
            shape.pack = shape.fetch && number % 2;
            check_same_bits(&room.code, shape, a, b, c);
        }
        generated += hl__code_count(room.lease.code).pieces;
        code_room_close(&room);
    }
    if (strcmp(hl__gemm_name(), "portable") != 0) ck_assert_uint_gt(generated, number / 4);
}
END_TEST

/* Constants choose between them. */
START_TEST(TheKindOfProductAndTheInstructionSetChooseTheKernel) {
    code_room room;
    code_room_open(&room);
    bool generates = strcmp(hl__gemm_name(), "portable") != 0, avx512 = hl__isa_chosen() == HL__ISA_AVX512;
    hl__gemm_shape shape = {.m = 64, .n = 64, .k = 32, .lda = 32, .ldb = 64, .ldc = 64};
    for (int kind = 0; kind < HL__N_GEMM_KINDS; kind++) {
        hl__gemm gemm;
        shape.kind = (hl__gemm_kind)kind;
        ck_assert_int_eq(hl__gemm_prepare(&room.code, &shape, &gemm), HL_OK);
        bool everywhere = kind == HL__GEMM_OTHER || kind == HL__GEMM_ATTENTION_BACKWARD;
        if (everywhere || avx512) ck_assert_int_eq(gemm.generated != NULL, generates);
        if (kind == HL__GEMM_WEIGHT_GRADIENT && !avx512) ck_assert_ptr_null(gemm.generated);
    }
    code_room_close(&room);
}
END_TEST

static const void *no_room(void *room, const void *key, size_t key_bytes,
                           size_t (*generate)(const void *key, void *buffer, size_t bytes)) {
    (void)key;
    (void)key_bytes;
    (void)generate;
    ++*(size_t *)room;
    return NULL;
}

/* The second kernel of a product that fetches finds no room: then neither is used. */
static const void *room_for_one(void *room, const void *key, size_t key_bytes,
                                size_t (*generate)(const void *key, void *buffer, size_t bytes)) {
    static char stub;
    return no_room(room, key, key_bytes, generate) || *(size_t *)room > 1 ? NULL : &stub;
}

START_TEST(WithoutRoomForCodeThePortableKernelServes) {
    size_t asked = 0;
    hl__gemm gemm;
    hl__gemm_shape shape = {.m = 64, .n = 64, .k = 32, .lda = 32, .ldb = 64, .ldc = 64, .fetch = true};
    ck_assert_int_eq(hl__gemm_prepare(&(struct hl_code){.place = no_room, .room = &asked}, &shape, &gemm), HL_OK);
    ck_assert(!gemm.generated && !gemm.fetching);
    asked = 0;
    ck_assert_int_eq(hl__gemm_prepare(&(struct hl_code){.place = room_for_one, .room = &asked}, &shape, &gemm), HL_OK);
    ck_assert(!gemm.generated && !gemm.fetching);
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
                                   SpansBeyondTheGeneratorsReachArePortable, GeneratedAndPortableKernelsGiveTheSameBits,
                                   WithoutRoomForCodeThePortableKernelServes,
                                   TheKindOfProductAndTheInstructionSetChooseTheKernel, BlocksAreTransposed));
}
