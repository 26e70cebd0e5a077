/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Heap memory: zeroed, aligned, never less than asked for. */
#include "runtime/memory.h"

#include <stdint.h>

#include "tests/support/suite.h"

START_TEST(MemoryIsZeroedAndAligned) {
    static const size_t sizes[] = {1, 3, 63, 64, 65, 4096, 100003};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        /* Dirty a block of the size first, so that the heap has something to hand back. */
        unsigned char *dirty = hl__allocate(sizes[i], 1);
        ck_assert_ptr_nonnull(dirty);
        for (size_t b = 0; b < sizes[i]; b++) dirty[b] = 0xAB;
        hl__release(dirty);
        unsigned char *memory = hl__allocate(sizes[i], 1);
        ck_assert_ptr_nonnull(memory);
        ck_assert_uint_eq((uintptr_t)memory % 64, 0);
        for (size_t b = 0; b < sizes[i]; b++) ck_assert_uint_eq(memory[b], 0);
        hl__release(memory);
    }
}
END_TEST

START_TEST(NothingCanBeAllocatedAndReleased) {
    void *memory = hl__allocate(0, 8);
    ck_assert_ptr_nonnull(memory);
    hl__release(memory);
    hl__release(NULL);
}
END_TEST

START_TEST(OverflowingSizesAreRefused) {
    ck_assert_ptr_null(hl__allocate(SIZE_MAX / 2, 3));
    ck_assert_ptr_null(hl__allocate(SIZE_MAX, 1)); /* fits size_t until it is rounded up */
    ck_assert_ptr_null(hl__allocate((size_t)1 << 33, (size_t)1 << 33));
}
END_TEST

int main(void) {
    return run_tests("memory",
                     TESTS(MemoryIsZeroedAndAligned, NothingCanBeAllocatedAndReleased, OverflowingSizesAreRefused));
}
