/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Copies of strings, and arrays that grow. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "runtime/memory.h"

#define FIRST_CAPACITY 16

char *hl__copy_string(const char *text) {
    size_t bytes = strlen(text) + 1;
    char *copy = hl__allocate(bytes, 1);
    if (copy) memcpy(copy, text, bytes);
    return copy;
}

bool hl__grow(void *array, size_t *capacity, size_t used, size_t needed, size_t size) {
    if (needed <= *capacity) return true;
    size_t next = *capacity > SIZE_MAX / 2 ? SIZE_MAX : *capacity * 2;
    if (next < FIRST_CAPACITY) next = FIRST_CAPACITY;
    if (next < needed) next = needed;
    void *larger = hl__allocate(next, size);
    if (!larger) return false;
    /* array points to a pointer of any type: copied as bytes, since void ** may not alias it. */
    void *old;
    memcpy(&old, array, sizeof old);
    if (used > 0) memcpy(larger, old, used * size);
    hl__release(old);
    memcpy(array, &larger, sizeof larger);
    *capacity = next;
    return true;
}
