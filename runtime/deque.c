/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Why it is correct, in short. A number can be claimed twice only if the owner pops index i while a thief steals it.
 * The owner first lowers bottom to i, then reads top; the thief reads top, then bottom. All four are sequentially
 * consistent, so at least one of the two sees the other: either the thief sees the lowered bottom and leaves, or the
 * owner sees that top has reached i, and then both settle it by compare-and-swap on top. */
#include "runtime/deque.h"

#include <assert.h>

size_t hl__ring_bytes(size_t capacity) {
    if (capacity > UINT32_MAX) return 0;
    size_t rounded = 1;
    while (rounded < capacity) rounded *= 2;
    return sizeof(hl__ring) + rounded * sizeof(uint32_t);
}

void hl__deque_install(hl__deque *deque, void *memory, size_t bytes, size_t capacity) {
    hl__ring *ring = memory;
    uint64_t rounded = 1;
    while (rounded < capacity) rounded *= 2;
    ring->bytes = bytes;
    ring->mask = rounded - 1;
    /* relaxed: rings are only installed by one thread at a time, while nobody pushes. */
    ring->older = atomic_load_explicit(&deque->ring, memory_order_relaxed);
    /* release: a thief that finds the ring must find its mask. */
    atomic_store_explicit(&deque->ring, ring, memory_order_release);
}

size_t hl__deque_capacity(const hl__deque *deque) {
    /* relaxed: asked by the threads that install, one at a time. */
    const hl__ring *ring = atomic_load_explicit(&deque->ring, memory_order_relaxed);
    return ring ? (size_t)ring->mask + 1 : 0;
}

void hl__deque_push(hl__deque *deque, uint32_t number) {
    /* relaxed: bottom is written by the owner alone. */
    int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_relaxed);
    /* relaxed: the ring was installed before the run began from which this task comes. */
    hl__ring *ring = atomic_load_explicit(&deque->ring, memory_order_relaxed);
    /* relaxed: an old top makes the deque look fuller than it is, never emptier. */
    assert(bottom - atomic_load_explicit(&deque->top, memory_order_relaxed) <= (int64_t)ring->mask);
    /* relaxed: published by the store to bottom. A thief that still holds this slot's earlier number has an old top. */
    atomic_store_explicit(&ring->slot[(uint64_t)bottom & ring->mask], number, memory_order_relaxed);
    /* seq_cst: release for the slot and for all that the pusher did before; and in one order with the pusher's look
     * for sleepers that comes next, so that no sleeper misses what it was not woken for. */
    atomic_store_explicit(&deque->bottom, bottom + 1, memory_order_seq_cst);
}

bool hl__deque_pop(hl__deque *deque, uint32_t *number) {
    /* relaxed: bottom is the owner's; an old top can only make an empty deque look full, which is found out below. */
    int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_relaxed) - 1;
    if (atomic_load_explicit(&deque->top, memory_order_relaxed) > bottom) return false;
    hl__ring *ring = atomic_load_explicit(&deque->ring, memory_order_relaxed); /* as in push */
    /* seq_cst, both: the announcement must come before the look at top, see above. */
    atomic_store_explicit(&deque->bottom, bottom, memory_order_seq_cst);
    int64_t top = atomic_load_explicit(&deque->top, memory_order_seq_cst);
    bool taken = false;
    if (top <= bottom) {
        /* relaxed: the owner wrote it. */
        *number = atomic_load_explicit(&ring->slot[(uint64_t)bottom & ring->mask], memory_order_relaxed);
        if (top < bottom) return true;
        /* The last one: whoever moves top has it. seq_cst: in one order with the thieves'; relaxed on failure, since
         * nothing is read from what the thief left. */
        taken = atomic_compare_exchange_strong_explicit(&deque->top, &top, top + 1, memory_order_seq_cst,
                                                        memory_order_relaxed);
    }
    /* relaxed: the deque is empty at bottom + 1 and at bottom, so a thief that sees either takes nothing. */
    atomic_store_explicit(&deque->bottom, bottom + 1, memory_order_relaxed);
    return taken;
}

bool hl__deque_steal(hl__deque *deque, int64_t least, uint32_t *number) {
    /* seq_cst, both: top before bottom, see above. bottom's is also the acquire that shows the slot. */
    int64_t top = atomic_load_explicit(&deque->top, memory_order_seq_cst);
    int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_seq_cst);
    if (bottom - top < least || bottom <= top) return false;
    /* acquire: shows the mask of a ring installed since. An old ring is harmless: one is replaced only when the deque
     * is empty, that is after top has passed what we read, and then the exchange fails. */
    hl__ring *ring = atomic_load_explicit(&deque->ring, memory_order_acquire);
    /* relaxed: may be overwritten meanwhile, but only after top has moved. */
    uint32_t found = atomic_load_explicit(&ring->slot[(uint64_t)top & ring->mask], memory_order_relaxed);
    /* seq_cst: in one order with the owner's lowering of bottom; relaxed on failure, when found is thrown away. */
    if (!atomic_compare_exchange_strong_explicit(&deque->top, &top, top + 1, memory_order_seq_cst,
                                                 memory_order_relaxed))
        return false;
    *number = found;
    return true;
}

int64_t hl__deque_size(const hl__deque *deque) {
    /* seq_cst: a worker that is about to sleep must see what was pushed before the pusher looked for sleepers. */
    int64_t top = atomic_load_explicit(&deque->top, memory_order_seq_cst);
    int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_seq_cst);
    return bottom > top ? bottom - top : 0;
}
