/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Why it is correct, in short. A putter gets a place of its own by counting tail up, and fills its slot; the slot says
 * of which place it is, so a taker knows whether what it sees is the number of the place at head, or an older one that
 * was taken, or a newer one. It then has the number if it moves head on from that place: head never returns to one.
 * A slot is filled anew one lap later, when its number has been taken, since no more are in the inbox than it has
 * slots. Nobody waits: a putter that is held up between place and slot hides what comes behind it for that time, and
 * whoever finds nothing but sees that tail is ahead looks again. */
#include "runtime/inbox.h"

#include "runtime/atomic.h"

#define MOST_SLOTS ((size_t)1 << 31) /* the low half of a place tells laps apart up to there */

static size_t rounded_up(size_t capacity) {
    size_t rounded = 1;
    while (rounded < capacity) rounded *= 2;
    return rounded;
}

size_t hl__inbox_bytes(size_t capacity) {
    return capacity > MOST_SLOTS ? 0 : sizeof(hl__inbox_ring) + rounded_up(capacity) * sizeof(uint64_t);
}

void hl__inbox_install(hl__inbox *inbox, void *memory, size_t bytes, size_t capacity) {
    hl__inbox_ring *ring = memory;
    ring->bytes = bytes;
    ring->mask = rounded_up(capacity) - 1;
    /* relaxed: rings are only installed by one thread at a time, while nobody puts. */
    ring->older = hl__atomic_load(inbox_older, &inbox->ring, relaxed);
    /* release: a taker that finds the ring must find its mask. */
    hl__atomic_store(inbox_install, &inbox->ring, ring, release);
}

size_t hl__inbox_capacity(const hl__inbox *inbox) {
    /* relaxed: asked by the threads that install, one at a time. */
    const hl__inbox_ring *ring = hl__atomic_load(inbox_capacity, &inbox->ring, relaxed);
    return ring ? (size_t)ring->mask + 1 : 0;
}

void hl__inbox_put(hl__inbox *inbox, uint32_t number) {
    /* relaxed: the ring was installed before the run began from which this task comes. */
    hl__inbox_ring *ring = hl__atomic_load(put_ring, &inbox->ring, relaxed);
    /* seq_cst: in one order with the putter's look for sleepers that comes next, so that no sleeper misses what it was
     * not woken for. The slot need not be in that order: whoever sees tail and not the slot does not sleep. */
    uint64_t place = hl__atomic_fetch_add(put_place, &inbox->tail, 1, seq_cst);
    /* release: whoever takes the number sees all that the putter did before. */
    hl__atomic_store(put_slot, &ring->slot[place & ring->mask], (place + 1) << 32 | number, release);
}

bool hl__inbox_take(hl__inbox *inbox, int64_t least, uint32_t *number) {
    /* relaxed, both: tail only grows, and an old head is found out by the exchange, so what is taken had as many behind
     * it as was asked for. Where a tail that is old hides numbers, hl__inbox_size still tells of them before a sleep.
     */
    uint64_t head = hl__atomic_load(take_head, &inbox->head, relaxed);
    int64_t there = (int64_t)(hl__atomic_load(take_tail, &inbox->tail, relaxed) - head);
    if (there < least || there <= 0) return false;
    /* acquire: shows the mask of a ring installed since. An old ring is harmless: one is replaced only when the inbox
     * is empty, that is after head has passed what we read, and then the exchange fails. */
    hl__inbox_ring *ring = hl__atomic_load(take_ring, &inbox->ring, acquire);
    /* acquire: pairs with the putter's release. */
    uint64_t found = hl__atomic_load(take_slot, &ring->slot[head & ring->mask], acquire);
    if (found >> 32 != ((head + 1) & UINT32_MAX)) return false;
    /* relaxed: head deals out places and publishes nothing. */
    if (!hl__atomic_exchange_if(take_claim, &inbox->head, &head, head + 1, relaxed, relaxed)) return false;
    *number = (uint32_t)found;
    return true;
}

int64_t hl__inbox_size(const hl__inbox *inbox) {
    /* acquire: an old head makes the inbox look fuller than it is, but the load must not come after tail's. A head that
     * takers have moved on since tail was read would make it look emptier than it ever was: who is about to sleep would
     * not see what it was not woken for, since another who was already up was (tests/model/parking.pml). */
    uint64_t head = hl__atomic_load(inbox_head, &inbox->head, acquire);
    /* seq_cst: a worker that is about to sleep must see what was put before the putter looked for sleepers. */
    return (int64_t)(hl__atomic_load(inbox_tail, &inbox->tail, seq_cst) - head);
}
