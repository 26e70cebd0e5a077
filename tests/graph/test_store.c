/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The store: pieces are zeroed, aligned, apart from each other, stay where they are, and are all freed at once. */
#include "graph/store.h"

#include <check.h>
#include <stdint.h>
#include <string.h>

#include "tests/support/suite.h"

#define N_PIECES 600

static size_t piece_bytes(size_t i) { return i % 7 == 0 ? i * 131 : i % 97; }

START_TEST(PiecesAreZeroedAlignedApartAndNeverMove) {
    hl__store store = {0};
    unsigned char *piece[N_PIECES];
    for (size_t i = 0; i < N_PIECES; i++) {
        size_t bytes = piece_bytes(i);
        piece[i] = hl__store_take(&store, bytes, 1);
        ck_assert_ptr_nonnull(piece[i]);
        ck_assert_uint_eq((uintptr_t)piece[i] % (bytes >= 64 ? 64 : 16), 0);
        for (size_t b = 0; b < bytes; b++) ck_assert_uint_eq(piece[i][b], 0);
        memset(piece[i], (int)(i % 251), bytes);
    }
    for (size_t i = 0; i < N_PIECES; i++)
        for (size_t b = 0; b < piece_bytes(i); b++) ck_assert_uint_eq(piece[i][b], i % 251);
    hl__store_clear(&store);
}
END_TEST

START_TEST(APieceMayBeLargerThanAnyChunk) {
    hl__store store = {0};
    size_t bytes = (size_t)5 << 20;
    char *large = hl__store_take(&store, bytes, 1), *small = hl__store_take(&store, 1, 8);
    ck_assert_ptr_nonnull(large);
    ck_assert_ptr_nonnull(small);
    memset(large, 1, bytes);
    ck_assert_int_eq(small[0], 0);
    hl__store_clear(&store);
}
END_TEST

START_TEST(WhatIsReservedIsOneChunkForAllThatFits) {
    for (size_t bytes = 0; bytes < 300000; bytes = bytes * 2 + 1000) {
        hl__store store = {0};
        ck_assert(hl__store_reserve(&store, bytes));
        const struct hl__chunk *chunk = store.chunks;
        for (size_t taken = 0; taken + 64 <= bytes; taken += 64) {
            char *piece = hl__store_take(&store, 1, 64);
            ck_assert_ptr_nonnull(piece);
            ck_assert_int_eq(piece[0], 0);
        }
        ck_assert_ptr_eq(store.chunks, chunk);
        ck_assert_ptr_nonnull(hl__store_take(&store, bytes + 1, 1));
        hl__store_clear(&store);
    }
}
END_TEST

START_TEST(APieceOfNothingIsNoFailure) {
    hl__store store = {0};
    ck_assert_ptr_nonnull(hl__store_take(&store, 0, 64));
    ck_assert_ptr_nonnull(hl__store_take(&store, 64, 0));
    ck_assert_ptr_nonnull(hl__store_copy(&store, NULL, 0));
    hl__store_clear(&store);
}
END_TEST

START_TEST(SizesThatOverflowAreRefusedAndTheStoreGoesOn) {
    hl__store store = {0};
    ck_assert_ptr_null(hl__store_take(&store, SIZE_MAX / 2, 4));
    ck_assert_ptr_null(hl__store_take(&store, 4, SIZE_MAX / 2));
    ck_assert_ptr_null(hl__store_take(&store, SIZE_MAX, 1));
    ck_assert_ptr_nonnull(hl__store_take(&store, 4, 4));
    hl__store_clear(&store);
}
END_TEST

START_TEST(StringsAndCopiesAreTheStoresOwn) {
    hl__store store = {0};
    char text[] = "query";
    int numbers[] = {1, 2, 3};
    char *string = hl__store_string(&store, text);
    int *copy = hl__store_copy(&store, numbers, sizeof numbers);
    char *formatted = hl__store_format(&store, "%s.%s%zu", text, "temp", (size_t)12);
    text[0] = 'Q';
    numbers[0] = 9;
    ck_assert_str_eq(string, "query");
    ck_assert_int_eq(copy[0], 1);
    ck_assert_int_eq(copy[2], 3);
    ck_assert_str_eq(formatted, "query.temp12");
    hl__store_clear(&store);
}
END_TEST

START_TEST(AClearedStoreIsEmptyAndCanBeUsedAgain) {
    hl__store store = {0};
    hl__store_clear(&store);
    hl__store_take(&store, 10000, 1);
    hl__store_clear(&store);
    ck_assert_ptr_null(store.chunks);
    ck_assert_ptr_nonnull(hl__store_take(&store, 1, 1));
    hl__store_clear(&store);
    hl__store_clear(&store);
}
END_TEST

int main(void) {
    return run_tests("graph/store", TESTS(PiecesAreZeroedAlignedApartAndNeverMove, APieceMayBeLargerThanAnyChunk,
                                          WhatIsReservedIsOneChunkForAllThatFits, APieceOfNothingIsNoFailure,
                                          SizesThatOverflowAreRefusedAndTheStoreGoesOn, StringsAndCopiesAreTheStoresOwn,
                                          AClearedStoreIsEmptyAndCanBeUsedAgain));
}
