/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The inbox: oldest first, each number once, the last ones left to those who may take them, whoever puts and takes. */
#include "runtime/inbox.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "tests/support/suite.h"

#define MOST_RINGS 8

typedef struct box {
    hl__inbox inbox;
    void *rings[MOST_RINGS];
    size_t n_rings;
} box;

static void install(box *b, size_t capacity) {
    size_t bytes = hl__inbox_bytes(capacity);
    void *memory = calloc(1, bytes);
    ck_assert_ptr_nonnull(memory);
    ck_assert_uint_lt(b->n_rings, MOST_RINGS);
    b->rings[b->n_rings++] = memory;
    hl__inbox_install(&b->inbox, memory, bytes, capacity);
}

/* Every ring that it ever had is found from the last. */
static void clear(box *b) {
    hl__inbox_ring *ring = atomic_load(&b->inbox.ring);
    for (size_t i = b->n_rings; i-- > 0; ring = ring->older) ck_assert_ptr_eq(ring, b->rings[i]);
    ck_assert_ptr_null(ring);
    for (size_t i = 0; i < b->n_rings; i++) free(b->rings[i]);
}

static void check_take(box *b, uint32_t expected) {
    uint32_t number = 0;
    ck_assert(hl__inbox_take(&b->inbox, 1, &number));
    ck_assert_uint_eq(number, expected);
}

static void check_empty(box *b) {
    uint32_t number = 77;
    ck_assert(!hl__inbox_take(&b->inbox, 1, &number));
    ck_assert(!hl__inbox_take(&b->inbox, 0, &number));
    ck_assert_uint_eq(number, 77);
    ck_assert_int_eq(hl__inbox_size(&b->inbox), 0);
}

START_TEST(WithoutARingItIsEmpty) {
    box b = {.n_rings = 0};
    ck_assert_uint_eq(hl__inbox_capacity(&b.inbox), 0);
    check_empty(&b);
}
END_TEST

START_TEST(TheOldestComesFirst) {
    for (uint32_t capacity = 1; capacity <= 9; capacity++) {
        box b = {.n_rings = 0};
        install(&b, capacity);
        ck_assert_uint_ge(hl__inbox_capacity(&b.inbox), capacity);
        for (uint32_t lap = 0; lap < 40; lap++) { /* full, and over the end of the ring */
            check_empty(&b);
            for (uint32_t i = 0; i < capacity; i++) hl__inbox_put(&b.inbox, lap * 100 + i);
            ck_assert_int_eq(hl__inbox_size(&b.inbox), capacity);
            for (uint32_t i = 0; i < capacity; i++) check_take(&b, lap * 100 + i);
        }
        clear(&b);
    }
}
END_TEST

START_TEST(AnyNumberCanBePut) {
    box b = {.n_rings = 0};
    install(&b, 3);
    static const uint32_t numbers[] = {0, 1, UINT32_MAX, UINT32_MAX - 1, 0x80000000u};
    for (size_t i = 0; i < 5; i++) {
        hl__inbox_put(&b.inbox, numbers[i]);
        check_take(&b, numbers[i]);
    }
    clear(&b);
}
END_TEST

START_TEST(TheLastOnesAreLeft) {
    box b = {.n_rings = 0};
    install(&b, 4);
    uint32_t number = 77;
    for (uint32_t i = 0; i < 3; i++) hl__inbox_put(&b.inbox, i);
    ck_assert(!hl__inbox_take(&b.inbox, 4, &number));
    ck_assert_uint_eq(number, 77);
    ck_assert(hl__inbox_take(&b.inbox, 3, &number));
    ck_assert(!hl__inbox_take(&b.inbox, 3, &number));
    ck_assert(hl__inbox_take(&b.inbox, 2, &number));
    ck_assert_uint_eq(number, 1);
    ck_assert(!hl__inbox_take(&b.inbox, 2, &number));
    check_take(&b, 2);
    clear(&b);
}
END_TEST

START_TEST(ItGrowsWhileItIsEmpty) {
    box b = {.n_rings = 0};
    for (uint32_t capacity = 1; capacity <= 64; capacity *= 2) {
        install(&b, capacity);
        ck_assert_uint_eq(hl__inbox_capacity(&b.inbox), capacity);
        /* Not from slot 0 on: places go on where they were. */
        for (uint32_t i = 0; i < capacity; i++) hl__inbox_put(&b.inbox, i);
        for (uint32_t i = 0; i < capacity; i++) check_take(&b, i);
        hl__inbox_put(&b.inbox, 5);
        check_take(&b, 5);
        check_empty(&b);
    }
    clear(&b);
}
END_TEST

START_TEST(TooLargeARingIsRefused) {
    ck_assert_uint_eq(hl__inbox_bytes(((size_t)1 << 31) + 1), 0);
    ck_assert_uint_eq(hl__inbox_bytes(SIZE_MAX), 0);
    ck_assert_uint_ge(hl__inbox_bytes((size_t)1 << 31), (size_t)8 << 31);
    ck_assert_uint_ge(hl__inbox_bytes(0), sizeof(hl__inbox_ring));
}
END_TEST

/* A putter that was held up between its place and its slot: what it brings is counted, so that nobody sleeps over it,
 * and no older number of that slot is taken for it. */
START_TEST(WhatIsOnItsWayIsSeenButNotTaken) {
    box b = {.n_rings = 0};
    install(&b, 2);
    for (uint32_t lap = 0; lap < 6; lap++) {
        uint32_t number = 77;
        uint64_t place = atomic_fetch_add(&b.inbox.tail, 1);
        hl__inbox_put(&b.inbox, 200 + lap); /* another, that was faster */
        ck_assert_int_eq(hl__inbox_size(&b.inbox), 2);
        ck_assert(!hl__inbox_take(&b.inbox, 1, &number));
        ck_assert_uint_eq(number, 77);
        hl__inbox_ring *ring = b.rings[0];
        atomic_store(&ring->slot[place & ring->mask], (place + 1) << 32 | (100 + lap));
        check_take(&b, 100 + lap);
        check_take(&b, 200 + lap);
    }
    clear(&b);
}
END_TEST

/* ---- many at once ---- */

#define PUTTERS 3
#define TAKERS 3
#define EACH 64 /* numbers of a putter in a round: all of a round fit at once */
#define NUMBERS (PUTTERS * EACH)
#define ROUNDS 300

typedef struct crowd {
    box b;
    size_t brought[NUMBERS]; /* plain: what a putter wrote before, a taker must see */
    size_t taken[NUMBERS];   /* by round: plain too, one taker has each number */
    _Atomic size_t n_taken;  /* in all rounds */
    _Atomic size_t round;
} crowd;

typedef struct member {
    crowd *c;
    size_t number;
} member;

static void *put_numbers(void *argument) {
    member *m = argument;
    for (size_t round = 1; round <= ROUNDS; round++) {
        while (atomic_load(&m->c->round) < round) sched_yield();
        for (size_t i = 0; i < EACH; i++) {
            size_t number = m->number * EACH + i;
            m->c->brought[number] = round * 1000 + number;
            hl__inbox_put(&m->c->b.inbox, (uint32_t)number);
        }
    }
    return NULL;
}

static void *take_numbers(void *argument) {
    member *m = argument;
    int64_t least = m->number == 0 ? 1 : 2; /* some leave the last one */
    while (atomic_load(&m->c->n_taken) < (size_t)ROUNDS * NUMBERS) {
        uint32_t number;
        if (!hl__inbox_take(&m->c->b.inbox, least, &number)) {
            sched_yield();
            continue;
        }
        size_t round = atomic_load(&m->c->round);
        ck_assert_uint_lt(number, NUMBERS);
        ck_assert_uint_eq(m->c->brought[number], round * 1000 + number);
        m->c->taken[number]++;
        atomic_fetch_add(&m->c->n_taken, 1);
    }
    return NULL;
}

START_TEST(EachNumberIsTakenOnceByWhoSeesWhatCameWithIt) {
    crowd *c = calloc(1, sizeof *c);
    ck_assert_ptr_nonnull(c);
    install(&c->b, NUMBERS);
    pthread_t threads[PUTTERS + TAKERS];
    member members[PUTTERS + TAKERS];
    for (size_t i = 0; i < PUTTERS + TAKERS; i++) {
        members[i] = (member){.c = c, .number = i < PUTTERS ? i : i - PUTTERS};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, i < PUTTERS ? put_numbers : take_numbers, &members[i]), 0);
    }
    for (size_t round = 1; round <= ROUNDS; round++) {
        atomic_store(&c->round, round);
        while (atomic_load(&c->n_taken) < round * NUMBERS) sched_yield();
        for (size_t i = 0; i < NUMBERS; i++) ck_assert_uint_eq(c->taken[i], round);
        ck_assert_int_eq(hl__inbox_size(&c->b.inbox), 0);
    }
    for (size_t i = 0; i < PUTTERS + TAKERS; i++) pthread_join(threads[i], NULL);
    clear(&c->b);
    free(c);
}
END_TEST

int main(void) {
    return run_tests("inbox", TESTS(WithoutARingItIsEmpty, TheOldestComesFirst, AnyNumberCanBePut, TheLastOnesAreLeft,
                                    ItGrowsWhileItIsEmpty, TooLargeARingIsRefused, WhatIsOnItsWayIsSeenButNotTaken,
                                    EachNumberIsTakenOnceByWhoSeesWhatCameWithIt));
}
