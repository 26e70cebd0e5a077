/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The work-stealing deque, alone and with thieves. */
#include "runtime/deque.h"

#include <pthread.h>
#include <string.h>

#include "runtime/memory.h"
#include "tests/runtime/kit.h"
#include "tests/support/suite.h"

#define N_THIEVES 3
#define N_NUMBERS KIT_ROUNDS(20000)
#define SMALL 64

typedef struct rig {
    hl__deque deque;
    hl__ring *rings[8];
    size_t n_rings;
} rig;

static void install(rig *r, size_t capacity) {
    size_t bytes = hl__ring_bytes(capacity);
    r->rings[r->n_rings] = hl__allocate(bytes, 1);
    ck_assert_ptr_nonnull(r->rings[r->n_rings]);
    hl__deque_install(&r->deque, r->rings[r->n_rings++], bytes, capacity);
}

static rig *new_rig(size_t capacity) {
    rig *r = hl__allocate(1, sizeof *r);
    ck_assert_ptr_nonnull(r);
    install(r, capacity);
    return r;
}

static void free_rig(rig *r) {
    for (size_t i = 0; i < r->n_rings; i++) hl__release(r->rings[i]);
    hl__release(r);
}

START_TEST(OwnerTakesTheNewestThievesTheOldest) {
    rig *r = new_rig(4);
    uint32_t number = 0;
    ck_assert(!hl__deque_pop(&r->deque, &number));
    ck_assert(!hl__deque_steal(&r->deque, 1, &number));
    for (uint32_t i = 0; i < 4; i++) hl__deque_push(&r->deque, 10 + i);
    ck_assert_int_eq(hl__deque_size(&r->deque), 4);
    ck_assert(hl__deque_steal(&r->deque, 1, &number));
    ck_assert_uint_eq(number, 10);
    ck_assert(hl__deque_pop(&r->deque, &number));
    ck_assert_uint_eq(number, 13);
    ck_assert(hl__deque_steal(&r->deque, 1, &number));
    ck_assert_uint_eq(number, 11);
    ck_assert(hl__deque_pop(&r->deque, &number));
    ck_assert_uint_eq(number, 12);
    ck_assert(!hl__deque_pop(&r->deque, &number));
    ck_assert(!hl__deque_steal(&r->deque, 1, &number));
    ck_assert_int_eq(hl__deque_size(&r->deque), 0);
    free_rig(r);
}
END_TEST

START_TEST(ThievesLeaveWhatIsBelowTheLeast) {
    rig *r = new_rig(4);
    uint32_t number = 0;
    hl__deque_push(&r->deque, 1);
    ck_assert(!hl__deque_steal(&r->deque, 2, &number));
    hl__deque_push(&r->deque, 2);
    ck_assert(hl__deque_steal(&r->deque, 2, &number));
    ck_assert(!hl__deque_steal(&r->deque, 2, &number));
    free_rig(r);
}
END_TEST

START_TEST(CapacityIsRoundedUpToAPowerOfTwo) {
    static const size_t asked[] = {1, 2, 3, 64, 65, 1000}, given[] = {1, 2, 4, 64, 128, 1024};
    for (size_t i = 0; i < 6; i++) {
        rig *r = new_rig(asked[i]);
        ck_assert_uint_eq(hl__deque_capacity(&r->deque), given[i]);
        for (uint32_t round = 0; round < 3; round++) {
            uint32_t number = 0;
            for (uint32_t n = 0; n < given[i]; n++) hl__deque_push(&r->deque, n);
            for (uint32_t n = (uint32_t)given[i]; n-- > 0;) {
                ck_assert(hl__deque_pop(&r->deque, &number));
                ck_assert_uint_eq(number, n);
            }
        }
        free_rig(r);
    }
    ck_assert_uint_eq(hl__ring_bytes((size_t)1 << 40), 0);
}
END_TEST

START_TEST(ALargerRingTakesOverAnEmptyDeque) {
    rig *r = new_rig(2);
    uint32_t number = 0;
    for (uint32_t n = 0; n < 2; n++) hl__deque_push(&r->deque, n);
    ck_assert(hl__deque_steal(&r->deque, 1, &number) && hl__deque_pop(&r->deque, &number));
    install(r, 8);
    ck_assert_ptr_eq(r->rings[1]->older, r->rings[0]);
    for (uint32_t n = 0; n < 8; n++) hl__deque_push(&r->deque, 100 + n);
    for (uint32_t n = 0; n < 8; n++) {
        ck_assert(hl__deque_steal(&r->deque, 1, &number));
        ck_assert_uint_eq(number, 100 + n);
    }
    free_rig(r);
}
END_TEST

typedef struct contest {
    rig *r;
    _Atomic uint32_t taken[N_NUMBERS]; /* how often each number was */
    atomic_bool over;
} contest;

static void *thief(void *argument) {
    contest *c = argument;
    uint32_t number;
    while (!atomic_load(&c->over) || hl__deque_size(&c->r->deque) > 0)
        if (hl__deque_steal(&c->r->deque, 1, &number)) atomic_fetch_add(&c->taken[number], 1);
    return NULL;
}

START_TEST(EachNumberIsTakenOnce) {
    contest *c = hl__allocate(1, sizeof *c);
    ck_assert_ptr_nonnull(c);
    c->r = new_rig(SMALL);
    pthread_t thieves[N_THIEVES];
    for (size_t i = 0; i < N_THIEVES; i++) ck_assert_int_eq(pthread_create(&thieves[i], NULL, thief, c), 0);
    uint32_t next = 0, number;
    /* Bursts of all lengths up to the ring's: the last element, where owner and thieves meet, comes up often. */
    for (uint32_t burst = 1; next < N_NUMBERS; burst = burst % SMALL + 1) {
        for (uint32_t i = 0; i < burst && next < N_NUMBERS && hl__deque_size(&c->r->deque) < SMALL; i++)
            hl__deque_push(&c->r->deque, next++);
        for (uint32_t i = 0; i < burst / 2 + 1; i++)
            if (hl__deque_pop(&c->r->deque, &number)) atomic_fetch_add(&c->taken[number], 1);
    }
    while (hl__deque_pop(&c->r->deque, &number)) atomic_fetch_add(&c->taken[number], 1);
    atomic_store(&c->over, true);
    for (size_t i = 0; i < N_THIEVES; i++) pthread_join(thieves[i], NULL);
    for (size_t n = 0; n < N_NUMBERS; n++) ck_assert_uint_eq(atomic_load(&c->taken[n]), 1);
    free_rig(c->r);
    hl__release(c);
}
END_TEST

int main(void) {
    return run_tests("deque",
                     TESTS(OwnerTakesTheNewestThievesTheOldest, ThievesLeaveWhatIsBelowTheLeast,
                           CapacityIsRoundedUpToAPowerOfTwo, ALargerRingTakesOverAnEmptyDeque, EachNumberIsTakenOnce));
}
