/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Heap memory: zeroed, aligned to cache lines, checked for overflow. What is built on it lives in memory_copy.c,
 * because tests replace hl__allocate at link time and that only reaches calls from other files. */
#include "runtime/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 64

void *hl__allocate(size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - LINE_BYTES) return NULL;
    size_t rounded = bytes == 0 ? LINE_BYTES : (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
    void *memory = aligned_alloc(LINE_BYTES, rounded);
    if (memory) memset(memory, 0, rounded);
    return memory;
}

void hl__release(void *memory) { free(memory); }
