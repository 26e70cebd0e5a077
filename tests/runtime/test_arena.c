/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Memory with a NUMA home: zeroed, aligned, placed before it is touched, and given back to the last page. */
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/runtime/kit.h"
#include "tests/support/suite.h"

#define MIB ((size_t)1 << 20)
#define HUGE_BYTES (2 * MIB)

/* What arenas have from the system. */
static size_t mapped_bytes;
static bool system_is_out_of_memory;

void *__real_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset);
void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset);
int __real_munmap(void *address, size_t bytes);
int __wrap_munmap(void *address, size_t bytes);

void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset) {
    if (system_is_out_of_memory) return MAP_FAILED;
    mapped_bytes += bytes;
    if (bytes < HUGE_BYTES) return __real_mmap(address, bytes, protection, flags, file, offset);
    /* Some kernels align large mappings to huge pages by themselves: here one page off, as others may. */
    char *room = __real_mmap(NULL, bytes + 2 * HUGE_BYTES, protection, flags, file, offset);
    if (room == MAP_FAILED) return MAP_FAILED;
    char *memory = room + (HUGE_BYTES - (uintptr_t)room % HUGE_BYTES) + (size_t)sysconf(_SC_PAGESIZE);
    __real_munmap(room, (size_t)(memory - room));
    __real_munmap(memory + bytes, (size_t)(room + 2 * HUGE_BYTES - memory));
    return memory;
}

int __wrap_munmap(void *address, size_t bytes) {
    mapped_bytes -= bytes;
    return __real_munmap(address, bytes);
}

static const size_t sizes[] = {0,       1,           63,         4095,           4096,        4097,
                               MIB + 5, 2 * MIB - 1, HUGE_BYTES, HUGE_BYTES + 1, 5 * MIB + 3, 8 * MIB};
#define N_SIZES (sizeof sizes / sizeof *sizes)

static hl_runtime *four_nodes(fake_system *fake) {
    return kit_runtime(fake, "node:4 pu:2", &(hl_runtime_options){.workers = 4});
}

START_TEST(MemoryIsZeroedAlignedAndWhole) {
    fake_system fake;
    hl_runtime *runtime = four_nodes(&fake);
    for (size_t i = 0; i < N_SIZES; i++) {
        unsigned char *memory[3];
        for (uint16_t copy = 0; copy < 3; copy++) {
            memory[copy] = hl__arena_create(runtime, sizes[i], copy);
            ck_assert_ptr_nonnull(memory[copy]);
            ck_assert_uint_eq((uintptr_t)memory[copy] % (sizes[i] >= HUGE_BYTES ? HUGE_BYTES : 64), 0);
            for (size_t b = 0; b < sizes[i]; b++)
                if (memory[copy][b] != 0) ck_abort_msg("byte %zu of %zu is %d", b, sizes[i], memory[copy][b]);
            memset(memory[copy], 0xA0 + copy, sizes[i]);
        }
        for (uint16_t copy = 0; copy < 3; copy++) { /* none lies over another */
            for (size_t b = 0; b < sizes[i]; b++)
                if (memory[copy][b] != 0xA0 + copy) ck_abort_msg("byte %zu of %zu was overwritten", b, sizes[i]);
            hl__arena_destroy(runtime, memory[copy], sizes[i]);
        }
    }
    hl_runtime_destroy(runtime);
}
END_TEST

START_TEST(AllIsGivenBack) {
    fake_system fake;
    hl_runtime *runtime = four_nodes(&fake);
    size_t before = mapped_bytes;
    for (size_t i = 0; i < N_SIZES; i++) {
        void *memory = hl__arena_create(runtime, sizes[i], HL__NO_NODE);
        ck_assert_ptr_nonnull(memory);
        ck_assert_uint_ge(mapped_bytes, before + sizes[i]);
        ck_assert_uint_lt(mapped_bytes, before + sizes[i] + HUGE_BYTES); /* what was mapped to align it is back */
        hl__arena_destroy(runtime, memory, sizes[i]);
        ck_assert_uint_eq(mapped_bytes, before);
        unsigned char resident;
        ck_assert_int_ne(mincore(memory, 1, &resident), 0); /* nothing is mapped there any more */
    }
    hl__arena_destroy(runtime, NULL, 100);
    ck_assert_uint_eq(mapped_bytes, before);
    hl_runtime_destroy(runtime);
}
END_TEST

START_TEST(UntouchedPagesAreBoundToTheirNode) {
    fake_system fake;
    hl_runtime *runtime = four_nodes(&fake);
    static const char *const sets[] = {"0", "1", "2", "3"};
    for (size_t i = 0; i < N_SIZES; i++) {
        for (uint16_t node = 0; node < 4; node++) {
            fake.n_memory = 0;
            void *memory = hl__arena_create(runtime, sizes[i], node);
            ck_assert_uint_eq(fake.n_memory, 1);
            const fake_call *call = &fake.memory[0];
            ck_assert_str_eq(call->set, sets[node]);
            ck_assert_int_eq(call->policy, HWLOC_MEMBIND_BIND);
            ck_assert_ptr_eq(call->memory, memory);
            ck_assert_uint_ge(call->bytes, sizes[i]);
            ck_assert_uint_eq(call->bytes % (size_t)sysconf(_SC_PAGESIZE), 0);
            ck_assert_uint_eq(call->n_touched, 0);
            hl__arena_destroy(runtime, memory, sizes[i]);
        }
    }
    hl_runtime_destroy(runtime);
}
END_TEST

START_TEST(WithoutANodePagesAreInterleaved) {
    fake_system fake;
    hl_runtime *runtime = four_nodes(&fake);
    static const uint16_t nodes[] = {HL__NO_NODE, 4, 100};
    for (size_t i = 0; i < 3; i++) {
        fake.n_memory = 0;
        void *memory = hl__arena_create(runtime, 10000, nodes[i]);
        ck_assert_uint_eq(fake.n_memory, 1);
        ck_assert_str_eq(fake.memory[0].set, "0-3");
        ck_assert_int_eq(fake.memory[0].policy, HWLOC_MEMBIND_INTERLEAVE);
        ck_assert_uint_eq(fake.memory[0].n_touched, 0);
        hl__arena_destroy(runtime, memory, 10000);
    }
    hl_runtime_destroy(runtime);
}
END_TEST

START_TEST(NodesWithoutWorkersGetNoPages) {
    fake_system fake;
    hl_runtime *runtime = kit_runtime(&fake, "node:4 pu:2", &(hl_runtime_options){.workers = 2});
    ck_assert_uint_eq(hl_runtime_nodes(runtime), 2);
    fake.n_memory = 0;
    void *memory[3] = {hl__arena_create(runtime, 1, HL__NO_NODE), hl__arena_create(runtime, 1, 0),
                       hl__arena_create(runtime, 1, 1)};
    ck_assert_str_eq(fake.memory[0].set, "0,2"); /* two workers stand in the two halves of the machine */
    ck_assert_str_eq(fake.memory[1].set, "0");
    ck_assert_str_eq(fake.memory[2].set, "2");
    for (size_t i = 0; i < 3; i++) hl__arena_destroy(runtime, memory[i], 1);
    hl_runtime_destroy(runtime);
}
END_TEST

/* Shares follow each other without gaps, in order, and differ by no more than what they are made of. */
START_TEST(DividedMemoryIsBoundShareByShare) {
    fake_system fake;
    hl_runtime *runtime = four_nodes(&fake);
    static const char *const sets[] = {"0", "1", "2", "3"};
    static const size_t divided[] = {256 << 10, (256 << 10) + 4096, 5 * MIB + 8192, 64 * MIB, 70 * MIB};
    for (size_t i = 0; i < sizeof divided / sizeof *divided; i++) {
        size_t bytes = divided[i], unit = hl__arena_unit(bytes, 4), end = 0;
        ck_assert_uint_eq(unit, bytes >= 64 * MIB ? HUGE_BYTES : 64 << 10);
        char *memory = hl__arena_create(runtime, bytes, HL__NO_NODE);
        fake.n_memory = 0;
        hl__arena_divide(runtime, memory, bytes);
        ck_assert_uint_eq(fake.n_memory, 4);
        for (size_t node = 0; node < 4; node++) {
            const fake_call *call = &fake.memory[node];
            ck_assert_str_eq(call->set, sets[node]);
            ck_assert_int_eq(call->policy, HWLOC_MEMBIND_BIND);
            ck_assert_ptr_eq(call->memory, memory + end);
            ck_assert_uint_eq(end % unit, 0);
            ck_assert_uint_le(call->bytes, bytes / 4 + unit);
            ck_assert_uint_ge(call->bytes + unit, bytes / 4);
            ck_assert_uint_eq(call->n_touched, 0);
            end += call->bytes;
        }
        ck_assert_uint_eq(end, bytes);
        hl__arena_destroy(runtime, memory, bytes);
    }
    hl_runtime_destroy(runtime);
}
END_TEST

START_TEST(LittleIsNotDivided) {
    ck_assert_uint_eq(hl__arena_unit(0, 2), 0);
    ck_assert_uint_eq(hl__arena_unit((128 << 10) - 1, 2), 0);
    ck_assert_uint_ne(hl__arena_unit(128 << 10, 2), 0);
    ck_assert_uint_eq(hl__arena_unit(128 << 10, 3), 0);
}
END_TEST

START_TEST(WhatCannotBeMappedIsNull) {
    fake_system fake;
    hl_runtime *runtime = four_nodes(&fake);
    size_t before = mapped_bytes;
    fake.n_memory = 0;
    static const size_t too_large[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - HUGE_BYTES, SIZE_MAX - 2 * HUGE_BYTES + 1};
    for (size_t i = 0; i < 4; i++) ck_assert_ptr_null(hl__arena_create(runtime, too_large[i], 0));
    system_is_out_of_memory = true;
    for (size_t i = 0; i < N_SIZES; i++) {
        ck_assert_ptr_null(hl__arena_create(runtime, sizes[i], 0));
        ck_assert_ptr_null(hl__arena_create(runtime, sizes[i], HL__NO_NODE));
    }
    system_is_out_of_memory = false;
    ck_assert_uint_eq(fake.n_memory, 0);
    ck_assert_uint_eq(mapped_bytes, before);
    hl_runtime_destroy(runtime);
}
END_TEST

int main(void) {
    return run_tests("arena", TESTS(MemoryIsZeroedAlignedAndWhole, AllIsGivenBack, UntouchedPagesAreBoundToTheirNode,
                                    WithoutANodePagesAreInterleaved, NodesWithoutWorkersGetNoPages,
                                    DividedMemoryIsBoundShareByShare, LittleIsNotDivided, WhatCannotBeMappedIsNull));
}
