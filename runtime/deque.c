/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Why it is correct, in short. A number can be claimed twice only if the owner pops index i while a thief steals it.
 * The owner first lowers bottom to i, then reads top; the thief reads top, then bottom. All four are sequentially
 * consistent, so at least one of the two sees the other: either the thief sees the lowered bottom and leaves, or the
 * owner sees that top has reached i, and then both settle it by compare-and-swap on top. */
#include "runtime/deque.h"

#include <assert.h>

#include "runtime/atomic.h"

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
    ring->older = hl__atomic_load(install_older, &deque->ring, relaxed);
    /* release: a thief that finds the ring must find its mask. */
    hl__atomic_store(install_ring, &deque->ring, ring, release);
}

size_t hl__deque_capacity(const hl__deque *deque) {
    /* relaxed: asked by the threads that install, one at a time. */
    const hl__ring *ring = hl__atomic_load(capacity_ring, &deque->ring, relaxed);
    return ring ? (size_t)ring->mask + 1 : 0;
}

void hl__deque_push(hl__deque *deque, uint32_t number) {
    /* relaxed: bottom is written by the owner alone. */
    int64_t bottom = hl__atomic_load(push_bottom, &deque->bottom, relaxed);
    /* relaxed: the ring was installed before the run began from which this task comes. */
    hl__ring *ring = hl__atomic_load(push_ring, &deque->ring, relaxed);
    /* relaxed: an old top makes the deque look fuller than it is, never emptier. */
    assert(bottom - hl__atomic_load(push_room, &deque->top, relaxed) <= (int64_t)ring->mask);
    /* relaxed: published by the store to bottom. A thief that still holds this slot's earlier number has an old top. */
    hl__atomic_store(push_slot, &ring->slot[(uint64_t)bottom & ring->mask], number, relaxed);
    /* seq_cst: release for the slot and for all that the pusher did before; and in one order with the pusher's look
     * for sleepers that comes next, so that no sleeper misses what it was not woken for. */
    hl__atomic_store(push_publish, &deque->bottom, bottom + 1, seq_cst);
}

bool hl__deque_pop(hl__deque *deque, uint32_t *number) {
    /* relaxed: bottom is the owner's; an old top can only make an empty deque look full, which is found out below. */
    int64_t bottom = hl__atomic_load(pop_bottom, &deque->bottom, relaxed) - 1;
    if (hl__atomic_load(pop_peek, &deque->top, relaxed) > bottom) return false;
    hl__ring *ring = hl__atomic_load(pop_ring, &deque->ring, relaxed); /* as in push */
    /* seq_cst, both: the announcement must come before the look at top, see above. */
    hl__atomic_store(pop_lower, &deque->bottom, bottom, seq_cst);
    int64_t top = hl__atomic_load(pop_top, &deque->top, seq_cst);
    bool taken = false;
    if (top <= bottom) {
        /* relaxed: the owner wrote it. */
        *number = hl__atomic_load(pop_slot, &ring->slot[(uint64_t)bottom & ring->mask], relaxed);
        if (top < bottom) return true;
        /* The last one: whoever moves top has it. seq_cst: in one order with the thieves'; relaxed on failure, since
         * nothing is read from what the thief left. */
        taken = hl__atomic_exchange_if(pop_claim, &deque->top, &top, top + 1, seq_cst, relaxed);
    }
    /* relaxed: the deque is empty at bottom + 1 and at bottom, so a thief that sees either takes nothing. */
    hl__atomic_store(pop_restore, &deque->bottom, bottom + 1, relaxed);
    return taken;
}

bool hl__deque_steal(hl__deque *deque, int64_t least, uint32_t *number) {
    /* seq_cst, both: top before bottom, see above. bottom's is also the acquire that shows the slot. */
    int64_t top = hl__atomic_load(steal_top, &deque->top, seq_cst);
    int64_t bottom = hl__atomic_load(steal_bottom, &deque->bottom, seq_cst);
    if (bottom - top < least || bottom <= top) return false;
    /* acquire: shows the mask of a ring installed since. An old ring is harmless: one is replaced only when the deque
     * is empty, that is after top has passed what we read, and then the exchange fails. */
    hl__ring *ring = hl__atomic_load(steal_ring, &deque->ring, acquire);
    /* relaxed: may be overwritten meanwhile, but only after top has moved. */
    uint32_t found = hl__atomic_load(steal_slot, &ring->slot[(uint64_t)top & ring->mask], relaxed);
    /* seq_cst: in one order with the owner's lowering of bottom; relaxed on failure, when found is thrown away. */
    if (!hl__atomic_exchange_if(steal_claim, &deque->top, &top, top + 1, seq_cst, relaxed)) return false;
    *number = found;
    return true;
}

int64_t hl__deque_size(const hl__deque *deque) {
    /* seq_cst: a worker that is about to sleep must see what was pushed before the pusher looked for sleepers. */
    int64_t top = hl__atomic_load(size_top, &deque->top, seq_cst);
    int64_t bottom = hl__atomic_load(size_bottom, &deque->bottom, seq_cst);
    return bottom > top ? bottom - top : 0;
}
