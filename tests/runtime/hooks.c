/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Hooks around the runtime's atomic operations. */
#include "tests/runtime/hooks.h"

#include <sched.h>
#include <unistd.h>

#include "runtime/atomic.h"

#define PAUSE_ONE_IN 4   /* operations */
#define LONGEST_SPIN 400 /* rounds, each about a nanosecond */
#define LONGEST_SLEEP 60 /* microseconds */
#define SLEEP_ONE_IN 64  /* pauses: a sleep is dear, and moves the whole schedule */

/* relaxed, all: hooks must not order anything themselves. */
static _Atomic uint64_t current;   /* seed */
static _Atomic uint32_t n_seeds;   /* how often it was set */
static _Atomic uint32_t n_threads; /* that have drawn since */

static _Thread_local struct {
    uint64_t state;
    uint32_t seeds; /* n_seeds when it began */
} generator;

void hooks_seed(uint64_t seed) {
    atomic_store_explicit(&n_threads, 0, memory_order_relaxed);
    atomic_store_explicit(&current, seed, memory_order_relaxed);
    atomic_fetch_add_explicit(&n_seeds, 1, memory_order_relaxed);
}

static uint64_t draw(uint64_t seed) {
    uint32_t seeds = atomic_load_explicit(&n_seeds, memory_order_relaxed);
    if (generator.seeds != seeds) {
        generator.seeds = seeds;
        uint32_t place = atomic_fetch_add_explicit(&n_threads, 1, memory_order_relaxed);
        generator.state = seed * 0x9E3779B97F4A7C15u + place * 0xD1B54A32D192ED03u;
    }
    generator.state = generator.state * 6364136223846793005u + 1442695040888963407u;
    return generator.state >> 33;
}

static void pause_sometimes(void) {
    uint64_t seed = atomic_load_explicit(&current, memory_order_relaxed);
    if (seed == 0) return;
    uint64_t drawn = draw(seed);
    if (drawn % PAUSE_ONE_IN != 0) return;
    drawn /= PAUSE_ONE_IN;
    if (drawn % SLEEP_ONE_IN == 0) {
        usleep((useconds_t)(drawn / SLEEP_ONE_IN % LONGEST_SLEEP));
    } else if (drawn % 2) {
        sched_yield();
    } else {
        for (volatile uint64_t i = drawn / SLEEP_ONE_IN % LONGEST_SPIN; i > 0;) i--;
    }
}

#ifdef HEADLOOM_VALGRIND
static bool releases(memory_order order) {
    return order == memory_order_release || order == memory_order_acq_rel || order == memory_order_seq_cst;
}

static bool acquires(memory_order order) {
    return order == memory_order_acquire || order == memory_order_acq_rel || order == memory_order_seq_cst;
}
#endif

void hl__before_atomic(const volatile void *object, size_t bytes, memory_order order_of_write) {
    pause_sometimes();
#ifdef HEADLOOM_VALGRIND
    hooks_helgrind_before(object, bytes, releases(order_of_write));
    hooks_drd_before(object, bytes, releases(order_of_write));
#else
    (void)object;
    (void)bytes;
    (void)order_of_write;
#endif
}

void hl__after_atomic(const volatile void *object, memory_order order_of_read) {
#ifdef HEADLOOM_VALGRIND
    hooks_helgrind_after(object, acquires(order_of_read));
    hooks_drd_after(object, acquires(order_of_read));
#else
    (void)object;
    (void)order_of_read;
#endif
}
