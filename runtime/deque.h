/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A bounded work-stealing deque of task numbers: its owner pushes and pops at the bottom, thieves take from the top.
 * After Chase and Lev, "Dynamic circular work-stealing deque", SPAA 2005, in the C11 form of Le, Pop, Cohen and
 * Zappa Nardelli, "Correct and efficient work-stealing for weak memory models", PPoPP 2013, with sequentially
 * consistent operations where that paper has fences: thread sanitizer does not see fences. */
#ifndef HL_RUNTIME_DEQUE_H
#define HL_RUNTIME_DEQUE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The ring that holds the numbers. A deque keeps every ring that it ever had until its memory goes: a slow thief may
 * still look into an old one (its compare-and-swap then fails, since top has moved). */
typedef struct hl__ring {
    size_t bytes; /* of this block, for whoever returns it */
    struct hl__ring *older;
    uint64_t mask; /* capacity - 1 */
    _Atomic uint32_t slot[];
} hl__ring;

/* top and bottom only grow between them (64 bits never wrap); slot i of the queue is slot i & mask of the ring. */
typedef struct hl__deque {
    alignas(64) _Atomic int64_t top; /* thieves' end; apart from bottom, which the owner writes all the time */
    alignas(64) _Atomic int64_t bottom;
    hl__ring *_Atomic ring; /* NULL until there is one; pushing needs one */
} hl__deque;

/* Bytes of a ring for at least capacity numbers; 0 where that overflows. */
size_t hl__ring_bytes(size_t capacity);

/* Gives the deque a ring in zeroed memory of hl__ring_bytes(capacity) bytes. The deque must be empty and nobody may
 * push or pop; thieves may look. */
void hl__deque_install(hl__deque *deque, void *memory, size_t bytes, size_t capacity);
size_t hl__deque_capacity(const hl__deque *deque);

/* Owner only. There must be room. */
void hl__deque_push(hl__deque *deque, uint32_t number);

/* Owner only. False where it is empty. */
bool hl__deque_pop(hl__deque *deque, uint32_t *number);

/* Anyone. False where fewer than least numbers are there, or where another was faster. */
bool hl__deque_steal(hl__deque *deque, int64_t least, uint32_t *number);

/* Anyone: how many are there, at some moment during the call. */
int64_t hl__deque_size(const hl__deque *deque);

#endif
