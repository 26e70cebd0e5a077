/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A bounded queue of task numbers for any number of putters and takers, oldest first: where tasks wait for a pool whose
 * worker did not release them. It never refuses, for it is made for as many numbers as can ever be in it. */
#ifndef HL_RUNTIME_INBOX_H
#define HL_RUNTIME_INBOX_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the numbers are. As of a deque, every ring is kept until the inbox's memory goes: a slow taker may look into an
 * old one. */
typedef struct hl__inbox_ring {
    size_t bytes; /* of this block, for whoever returns it */
    struct hl__inbox_ring *older;
    uint64_t mask;           /* capacity - 1 */
    _Atomic uint64_t slot[]; /* place + 1 (its low half) and number: place p is slot p & mask */
} hl__inbox_ring;

/* head and tail only grow (64 bits never wrap). All zero: an inbox that is empty and has no room. */
typedef struct hl__inbox {
    alignas(64) _Atomic uint64_t head; /* the place to be taken next */
    alignas(64) _Atomic uint64_t tail; /* the place to be given next */
    hl__inbox_ring *_Atomic ring;      /* NULL until there is one; putting needs one */
} hl__inbox;

/* Bytes of a ring for at least capacity numbers; 0 where that overflows. */
size_t hl__inbox_bytes(size_t capacity);

/* Gives the inbox a ring in zeroed memory of hl__inbox_bytes(capacity) bytes. The inbox must be empty and nobody may
 * put; takers may look. */
void hl__inbox_install(hl__inbox *inbox, void *memory, size_t bytes, size_t capacity);
size_t hl__inbox_capacity(const hl__inbox *inbox);

/* Anyone. There must be room: at most capacity numbers put and not yet taken, this one included. */
void hl__inbox_put(hl__inbox *inbox, uint32_t number);

/* Anyone. False where fewer than least numbers are there, or another was faster, or the oldest is still on its way. */
bool hl__inbox_take(hl__inbox *inbox, int64_t least, uint32_t *number);

/* Anyone: how many are there or on their way, at some moment during the call, or more. */
int64_t hl__inbox_size(const hl__inbox *inbox);

#endif
