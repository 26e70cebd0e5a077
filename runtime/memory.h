/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The only place from which Headloom takes heap memory, so that tests can fail each allocation in turn (they wrap
 * hl__allocate at link time; there is no hook in the product). */
#ifndef HL_RUNTIME_MEMORY_H
#define HL_RUNTIME_MEMORY_H

#include <stddef.h>

/* count * size zeroed bytes, 64-byte aligned; NULL where that overflows or there is no memory. count * size may be 0
 * (a pointer that can be freed). */
void *hl__allocate(size_t count, size_t size);
void hl__release(void *memory); /* NULL is harmless */

/* A copy of a string; NULL where there is no memory. */
char *hl__copy_string(const char *text);

/* Grows *array (of *capacity elements of size bytes) to hold at least needed, at least doubling; keeps the first used
 * elements. False and untouched where there is no memory. */
_Bool hl__grow(void *array, size_t *capacity, size_t used, size_t needed, size_t size);

#endif
