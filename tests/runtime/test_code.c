/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Room for generated code: pieces are shared by key and freed with their last holder, all together have a bound, and
 * where the system gives no executable memory there is a NULL with its reason, never a signal. */
#include "runtime/code.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/scarce_memory.h"
#include "tests/support/suite.h"

void *__wrap_hl__allocate(size_t count, size_t size);
void __wrap_hl__release(void *memory);
void *__real_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset);
void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset);
int __real_mprotect(void *address, size_t bytes, int protection);
int __wrap_mprotect(void *address, size_t bytes, int protection);
int __real_munmap(void *address, size_t bytes);
int __wrap_munmap(void *address, size_t bytes);

static int refused_by_mmap, refused_by_mprotect; /* errno; 0: not refused */
static atomic_size_t n_mapped, n_mapping_calls;
static bool was_both; /* memory that may be written and executed at once */

void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset) {
    n_mapping_calls++;
    was_both |= (protection & PROT_WRITE) && (protection & PROT_EXEC);
    errno = refused_by_mmap;
    if (refused_by_mmap) return MAP_FAILED;
    n_mapped++;
    return __real_mmap(address, bytes, protection, flags, file, offset);
}

int __wrap_mprotect(void *address, size_t bytes, int protection) {
    was_both |= (protection & PROT_WRITE) && (protection & PROT_EXEC);
    errno = refused_by_mprotect;
    return refused_by_mprotect ? -1 : __real_mprotect(address, bytes, protection);
}

int __wrap_munmap(void *address, size_t bytes) {
    n_mapped--;
    return __real_munmap(address, bytes);
}

/* What a key asks for: a function that returns a number, followed by so many bytes of nothing. */
typedef struct order {
    uint32_t number, bytes;
} order;

static size_t n_generated;

/* mov eax, number; ret */
static size_t generate(const void *key, void *buffer, size_t bytes) {
    const order *o = key;
    unsigned char *code = buffer;
    n_generated++;
    if (o->bytes < 6 || o->bytes > bytes) return 0;
    memset(code, 0xcc, o->bytes);
    code[0] = 0xb8;
    memcpy(code + 1, &o->number, sizeof o->number);
    code[5] = 0xc3;
    return o->bytes;
}

static const void *place(hl__code_lease *lease, uint32_t number, uint32_t bytes) {
    return hl__code_place(lease, &(order){number, bytes}, sizeof(order), generate);
}

/* 0 on other processors, where the code above says nothing. */
static uint32_t call(const void *entry, uint32_t expected) {
#ifdef __x86_64__
    uint32_t (*function)(void);
    memcpy(&function, &entry, sizeof function);
    (void)expected;
    return function();
#else
    (void)entry;
    return expected;
#endif
}

static size_t page(void) { return (size_t)sysconf(_SC_PAGESIZE); }

START_TEST(OneKeyIsOnePieceForAllWhoHoldIt) {
    hl__code *code = hl__code_create(HL__CODE_BYTES);
    hl__code_lease one = {.code = code}, other = {.code = code};
    n_generated = 0;
    const void *first = place(&one, 11, 6), *second = place(&one, 12, 6), *again = place(&other, 11, 6);
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_eq(first, again);
    ck_assert_ptr_ne(first, second);
    ck_assert_uint_eq(n_generated, 2);
    ck_assert_uint_eq(call(first, 11), 11);
    ck_assert_uint_eq(call(second, 12), 12);
    ck_assert_uint_eq(hl__code_count(code).pieces, 2);
    ck_assert_uint_eq(hl__code_count(code).bytes, 2 * page());
    hl__code_end(&one);
    ck_assert_uint_eq(hl__code_count(code).pieces, 1);
    ck_assert_uint_eq(call(again, 11), 11);
    hl__code_end(&other);
    ck_assert_uint_eq(hl__code_count(code).pieces, 0);
    ck_assert_uint_eq(hl__code_count(code).bytes, 0);
    ck_assert_uint_eq(hl__code_count(code).lacks, 0);
    hl__code_destroy(code);
    ck_assert(!was_both);
}
END_TEST

START_TEST(PiecesThatNobodyHoldsAreUnmapped) {
    size_t mapped = n_mapped, held = n_held;
    hl__code *code = hl__code_create(HL__CODE_BYTES);
    for (uint32_t round = 0; round < 10; round++) {
        hl__code_lease lease = {.code = code};
        for (uint32_t i = 0; i < 1000; i++) { /* more than there are chains, in all */
            const void *entry = place(&lease, round * 700 + i, 6 + i % 5000);
            ck_assert_ptr_nonnull(entry);
            ck_assert_uint_eq(call(entry, round * 700 + i), round * 700 + i);
        }
        ck_assert_uint_eq(hl__code_count(code).pieces, 1000);
        hl__code_end(&lease);
        ck_assert_uint_eq(n_mapped, mapped);
    }
    hl__code_destroy(code);
    ck_assert_uint_eq(n_held, held);
}
END_TEST

START_TEST(TheBoundHoldsAndRoomComesBack) {
    hl__code *code = hl__code_create(3 * page());
    hl__code_lease lease = {.code = code}, other = {.code = code};
    ck_assert_ptr_nonnull(place(&lease, 1, (uint32_t)page() + 1)); /* two pages */
    ck_assert_ptr_nonnull(place(&other, 2, 6));
    ck_assert_ptr_null(place(&other, 3, 6));
    ck_assert_uint_eq(hl__code_count(code).lacks, 1);
    ck_assert_int_eq(hl__code_count(code).lack, HL__CODE_FULL);
    ck_assert_ptr_nonnull(place(&other, 1, (uint32_t)page() + 1)); /* what is there needs no room */
    ck_assert_uint_eq(hl__code_count(code).bytes, 3 * page());
    hl__code_end(&other);
    ck_assert_ptr_nonnull(place(&lease, 3, 6));
    hl__code_end(&lease);
    hl__code_destroy(code);
}
END_TEST

START_TEST(WhatCannotBeGeneratedIsNoPiece) {
    hl__code *code = hl__code_create(HL__CODE_BYTES);
    hl__code_lease lease = {.code = code};
    ck_assert_ptr_null(place(&lease, 1, 5));
    ck_assert_ptr_null(place(&lease, 1, HL__CODE_PIECE + 1));
    ck_assert_ptr_nonnull(place(&lease, 1, HL__CODE_PIECE));
    ck_assert_int_eq(hl__code_count(code).lack, HL__CODE_NOT_TO_BE_GENERATED);
    ck_assert_uint_eq(hl__code_count(code).lacks, 2);
    hl__code_end(&lease);
    hl__code_destroy(code);
}
END_TEST

START_TEST(WithoutMemoryThereIsNoPieceUntilThereIsSome) {
    hl__code *code = hl__code_create(HL__CODE_BYTES);
    hl__code_lease lease = {.code = code};
    size_t held = n_held, mapped = n_mapped;
    refused_by_mmap = ENOMEM;
    ck_assert_ptr_null(place(&lease, 1, 6));
    refused_by_mmap = 0;
    refused_by_mprotect = ENOMEM;
    ck_assert_ptr_null(place(&lease, 1, 6));
    refused_by_mprotect = 0;
    ck_assert_int_eq(hl__code_count(code).lack, HL__CODE_NO_MEMORY);
    ck_assert_int_eq(hl__code_count(code).error, ENOMEM);
    ck_assert_uint_eq(n_mapped, mapped);
    ck_assert_ptr_nonnull(place(&lease, 1, 6));
    hl__code_end(&lease);
    for (size_t left = 0; left < 2; left++) { /* the list of the lease, the piece */
        allocations_left = left;
        ck_assert_ptr_null(place(&lease, 1, 6));
        allocations_left = SIZE_MAX;
        hl__code_end(&lease);
        ck_assert_uint_eq(n_held, held);
    }
    hl__code_destroy(code);
    for (size_t left = 0; left < 2; left++) {
        allocations_left = left;
        ck_assert_ptr_null(hl__code_create(HL__CODE_BYTES));
        allocations_left = SIZE_MAX;
    }
}
END_TEST

START_TEST(WhereExecutableMemoryIsForbiddenItIsAskedForOnce) {
    static const int errors[] = {EACCES, EPERM, ENOSYS};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        hl__code *code = hl__code_create(HL__CODE_BYTES);
        hl__code_lease lease = {.code = code};
        size_t mapped = n_mapped;
        refused_by_mprotect = errors[i];
        ck_assert_ptr_null(place(&lease, 1, 6));
        size_t calls = n_mapping_calls;
        ck_assert_ptr_null(place(&lease, 2, 6));
        refused_by_mprotect = 0;
        ck_assert_uint_eq(n_mapping_calls, calls);
        ck_assert_uint_eq(n_mapped, mapped);
        hl__code_counts counts = hl__code_count(code);
        ck_assert_uint_eq(counts.lacks, 2);
        ck_assert_int_eq(counts.lack, HL__CODE_FORBIDDEN);
        ck_assert_int_eq(counts.error, errors[i]);
        hl__code_end(&lease);
        hl__code_destroy(code);
    }
}
END_TEST

/* ---- several threads ---- */

enum { THREADS = 4, ROUNDS = 200, KEYS = 8 };

static void *take_and_leave(void *argument) {
    hl__code *code = argument;
    size_t wrong = 0;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        hl__code_lease lease = {.code = code};
        for (uint32_t i = 0; i < KEYS; i++) {
            const void *entry = place(&lease, i, 6);
            wrong += !entry || call(entry, i) != i;
        }
        hl__code_end(&lease);
    }
    return (void *)wrong;
}

START_TEST(ThreadsTakeAndLeaveAtTheSameTime) {
    hl__code *code = hl__code_create(HL__CODE_BYTES);
    pthread_t threads[THREADS];
    for (size_t t = 0; t < THREADS; t++) ck_assert_int_eq(pthread_create(&threads[t], NULL, take_and_leave, code), 0);
    for (size_t t = 0; t < THREADS; t++) {
        void *wrong;
        pthread_join(threads[t], &wrong);
        ck_assert_ptr_null(wrong);
    }
    ck_assert_uint_eq(hl__code_count(code).pieces, 0);
    hl__code_destroy(code);
}
END_TEST

int main(void) {
    return run_tests("code", TESTS(OneKeyIsOnePieceForAllWhoHoldIt, PiecesThatNobodyHoldsAreUnmapped,
                                   TheBoundHoldsAndRoomComesBack, WhatCannotBeGeneratedIsNoPiece,
                                   WithoutMemoryThereIsNoPieceUntilThereIsSome,
                                   WhereExecutableMemoryIsForbiddenItIsAskedForOnce, ThreadsTakeAndLeaveAtTheSameTime));
}
