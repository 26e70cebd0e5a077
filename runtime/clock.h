/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The clock of traces and profiles. On x86-64 it is the processor's time stamp counter where that ticks evenly and
 * alike on all CPUs: about 10 ns a reading against 25 ns of clock_gettime. Ticks become nanoseconds when they are
 * written out, by two looks at both clocks: one when the clock was started, one then. Whatever lies between these looks
 * is off by no more than they are themselves (some 20 ns), and the farther they lie apart, the better the rate is
 * known. Elsewhere a tick is a nanosecond of CLOCK_MONOTONIC. */
#ifndef HL_RUNTIME_CLOCK_H
#define HL_RUNTIME_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct hl__system;

typedef struct hl__instant { /* both clocks at one moment */
    uint64_t ticks, ns;
} hl__instant;

typedef struct hl__clock {
    bool counter; /* ticks are the time stamp counter's; else nanoseconds */
    hl__instant origin;
} hl__clock;

/* As many nanoseconds pass as this in so many ticks; no ticks: a tick is a nanosecond. */
typedef struct hl__rate {
    uint64_t ticks, ns;
} hl__rate;

/* Starts a clock. The counter is taken where the processor says that it is invariant (it ticks at one rate in every
 * state of power) and the kernel offers it as a clock of its own (it has compared the CPUs' counters then). */
void hl__clock_start(hl__clock *clock, const struct hl__system *system);

/* The rate since the clock was started, by a look at both clocks now. */
hl__rate hl__clock_rate(const hl__clock *clock);

/* Ticks in nanoseconds, rounded down; never falls where ticks rise. */
uint64_t hl__clock_ns(const hl__rate *rate, uint64_t ticks);

static inline uint64_t hl__clock_monotonic(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Now, or a little earlier: the processor may read the counter before what stands before this has finished, even before
 * an acquire has seen what another worker did (runtime/trace.h settles such times). It is never later: what is
 * published afterwards is never seen by others before this moment. */
static inline uint64_t hl__clock_ticks(const hl__clock *clock) {
#if defined(__x86_64__)
    if (clock->counter) return __builtin_ia32_rdtsc();
#endif
    (void)clock;
    return hl__clock_monotonic();
}

/* Now, and not before what was loaded before this was there: behind an acquire, later than what has been published. */
static inline uint64_t hl__clock_ticks_behind(const hl__clock *clock) {
#if defined(__x86_64__)
    if (clock->counter) {
        __builtin_ia32_lfence();
        return __builtin_ia32_rdtsc();
    }
#endif
    (void)clock;
    return hl__clock_monotonic();
}

#endif
