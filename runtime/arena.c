/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Memory with a NUMA home: pages of its own, placed before anyone touches them. */
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/pool.h"

#define HUGE_PAGE_BYTES ((size_t)2 << 20)
#define SHARE_BYTES ((size_t)64 << 10) /* a multiple of any small page */
#define LARGE_SHARE (8 * HUGE_PAGE_BYTES)

/* What is mapped for a request: whole pages, huge ones from 2 MiB on. 0 where that overflows. */
static size_t mapped_bytes(size_t bytes) {
    size_t unit = bytes >= HUGE_PAGE_BYTES ? HUGE_PAGE_BYTES : (size_t)sysconf(_SC_PAGESIZE);
    if (bytes > SIZE_MAX - 2 * HUGE_PAGE_BYTES) return 0;
    return bytes == 0 ? unit : (bytes + unit - 1) / unit * unit;
}

static void *map_pages(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/* mmap aligns to small pages only: takes one huge page more and gives back what sticks out. */
static void *map_huge_pages(size_t bytes) {
    unsigned char *memory = map_pages(bytes + HUGE_PAGE_BYTES);
    if (!memory) return NULL;
    size_t before = (HUGE_PAGE_BYTES - (uintptr_t)memory % HUGE_PAGE_BYTES) % HUGE_PAGE_BYTES;
    if (before > 0) munmap(memory, before);
    munmap(memory + before + bytes, HUGE_PAGE_BYTES - before);
    madvise(memory + before, bytes, MADV_HUGEPAGE); /* a wish: without huge pages the memory is as good */
    return memory + before;
}

void *hl__arena_create(hl_runtime *runtime, size_t bytes, uint16_t node) {
    size_t mapped = mapped_bytes(bytes);
    if (mapped == 0) return NULL;
    void *memory = mapped >= HUGE_PAGE_BYTES ? map_huge_pages(mapped) : map_pages(mapped);
    if (memory) hl__topology_place_memory(runtime->topology, memory, mapped, node);
    return memory;
}

size_t hl__arena_unit(size_t bytes, size_t n_nodes) {
    if (bytes / n_nodes >= LARGE_SHARE) return HUGE_PAGE_BYTES;
    return bytes / n_nodes >= SHARE_BYTES ? SHARE_BYTES : 0;
}

void hl__arena_divide(hl_runtime *runtime, void *memory, size_t bytes) {
    size_t n = runtime->n_pools, unit = hl__arena_unit(bytes, n), n_units = bytes / unit;
    for (size_t p = 0; p < n; p++) {
        size_t begin = p * n_units / n * unit, end = p + 1 < n ? (p + 1) * n_units / n * unit : bytes;
        hl__topology_place_memory(runtime->topology, (char *)memory + begin, end - begin, p);
    }
}

void hl__arena_destroy(hl_runtime *runtime, void *memory, size_t bytes) {
    (void)runtime;
    if (memory) munmap(memory, mapped_bytes(bytes));
}
