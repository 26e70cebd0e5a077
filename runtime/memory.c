/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Heap memory: zeroed, aligned to cache lines, checked for overflow. What is built on it lives in memory_copy.c,
 * because tests replace hl__allocate at link time and that only reaches calls from other files. */
#include "runtime/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LINE_BYTES 64
#define HUGE_PAGE_BYTES ((size_t)2 << 20)

void *hl__allocate(size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - HUGE_PAGE_BYTES) return NULL;
    /* Parameters and moments are large, and read in runs shorter than a small page. */
    size_t unit = bytes >= 2 * HUGE_PAGE_BYTES ? HUGE_PAGE_BYTES : LINE_BYTES;
    size_t rounded = bytes == 0 ? unit : (bytes + unit - 1) / unit * unit;
    void *memory = aligned_alloc(unit, rounded);
    if (!memory) return NULL;
    if (unit == HUGE_PAGE_BYTES) madvise(memory, rounded, MADV_HUGEPAGE); /* a wish: small pages are as good */
    memset(memory, 0, rounded);
    return memory;
}

void hl__release(void *memory) { free(memory); }
