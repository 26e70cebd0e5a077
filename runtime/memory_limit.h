/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The most memory that this process can ever have, as far as the system says so. */
#ifndef HL_RUNTIME_MEMORY_LIMIT_H
#define HL_RUNTIME_MEMORY_LIMIT_H

#include <stddef.h>

#include "headloom/runtime.h"

typedef struct hl__memory_limit {
    size_t bytes;   /* SIZE_MAX: none is known */
    const char *of; /* in words, after which the number can stand */
} hl__memory_limit;

/* The tightest of the process's own limits (RLIMIT_AS, RLIMIT_DATA) as they are now, of the machine's memory and swap,
 * and of what the control groups allow (bytes without swap; 0: no limit). */
hl__memory_limit hl__memory_limit_find(size_t groups);

hl__memory_limit hl__runtime_memory_limit(const hl_runtime *runtime);

#endif
