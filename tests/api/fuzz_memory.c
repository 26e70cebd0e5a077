/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The library's memory, counted, running out where a case says so, and refused in pieces that no case needs: a tensor
 * of terabytes must be answered with HL_OUT_OF_MEMORY, and not be filled. */
#include "runtime/memory.h"
#include "runtime/memory_limit.h"
#include "runtime/run.h"
#include "tests/api/fuzz.h"

#define MOST_BYTES ((size_t)64 << 20)     /* in one piece */
#define MACHINE_BYTES ((size_t)512 << 20) /* whatever the machine has: cases cost the same everywhere */

void *__real_hl__allocate(size_t count, size_t size);
void __real_hl__release(void *memory);
void *__real_hl__arena_create(hl_runtime *runtime, size_t bytes, uint16_t node);
void __real_hl__arena_destroy(hl_runtime *runtime, void *memory, size_t bytes);
void *__wrap_hl__allocate(size_t count, size_t size);
void __wrap_hl__release(void *memory);
void *__wrap_hl__arena_create(hl_runtime *runtime, size_t bytes, uint16_t node);
void __wrap_hl__arena_destroy(hl_runtime *runtime, void *memory, size_t bytes);

hl__memory_limit __real_hl__memory_limit_find(size_t groups);
hl__memory_limit __wrap_hl__memory_limit_find(size_t groups);

static atomic_size_t n_good = SIZE_MAX, n_bad, n_held;

void fuzz_memory_limit(size_t good, size_t bad) {
    atomic_store(&n_bad, bad);
    atomic_store(&n_good, good);
}

size_t fuzz_memory_held(void) { return atomic_load(&n_held); }

/* Cases with a limit allocate on one thread at a time. */
static bool fails(void) {
    if (atomic_load(&n_good) == SIZE_MAX) return false;
    if (atomic_load(&n_good) > 0) {
        atomic_fetch_sub(&n_good, 1);
        return false;
    }
    if (atomic_load(&n_bad) == 0) return false;
    atomic_fetch_sub(&n_bad, 1);
    return true;
}

void *__wrap_hl__allocate(size_t count, size_t size) {
    if (fails() || (size > 0 && count > MOST_BYTES / size)) return NULL;
    void *memory = __real_hl__allocate(count, size);
    atomic_fetch_add(&n_held, memory != NULL);
    return memory;
}

void __wrap_hl__release(void *memory) {
    atomic_fetch_sub(&n_held, memory != NULL);
    __real_hl__release(memory);
}

void *__wrap_hl__arena_create(hl_runtime *runtime, size_t bytes, uint16_t node) {
    if (fails() || bytes > MOST_BYTES) return NULL;
    void *memory = __real_hl__arena_create(runtime, bytes, node);
    atomic_fetch_add(&n_held, memory != NULL);
    return memory;
}

void __wrap_hl__arena_destroy(hl_runtime *runtime, void *memory, size_t bytes) {
    atomic_fetch_sub(&n_held, memory != NULL);
    __real_hl__arena_destroy(runtime, memory, bytes);
}

hl__memory_limit __wrap_hl__memory_limit_find(size_t groups) {
    hl__memory_limit limit = __real_hl__memory_limit_find(groups);
    if (limit.bytes > MACHINE_BYTES) limit = (hl__memory_limit){.bytes = MACHINE_BYTES, .of = "the fuzzer's limit"};
    return limit;
}
