/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The library's memory, counted, and running out when a test says so. A test that includes this names both wrappers,
 *
 *   void *__wrap_hl__allocate(size_t count, size_t size);
 *   void __wrap_hl__release(void *memory);
 *
 * since the build looks for them in the test's own source (headloom_test_program). Any thread may allocate. */
#ifndef TESTS_SUPPORT_SCARCE_MEMORY_H
#define TESTS_SUPPORT_SCARCE_MEMORY_H

#include <stdatomic.h>
#include <stdint.h>

#include "runtime/memory.h"

static atomic_size_t allocations_left = SIZE_MAX; /* before one fails */
static atomic_size_t n_held;                      /* allocations that are not released */

void *__real_hl__allocate(size_t count, size_t size);
void *__wrap_hl__allocate(size_t count, size_t size);
void __real_hl__release(void *memory);
void __wrap_hl__release(void *memory);

void *__wrap_hl__allocate(size_t count, size_t size) {
    if (atomic_load(&allocations_left) == 0) return NULL;
    atomic_fetch_sub(&allocations_left, 1);
    void *memory = __real_hl__allocate(count, size);
    atomic_fetch_add(&n_held, memory != NULL);
    return memory;
}

void __wrap_hl__release(void *memory) {
    atomic_fetch_sub(&n_held, memory != NULL);
    __real_hl__release(memory);
}

#endif
