/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The clock of traces: which one is taken, that its ticks become the nanoseconds of CLOCK_MONOTONIC, and that a reading
 * behind an acquire is not before what was published, on whatever CPUs both were made. */
#include "runtime/clock.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "tests/runtime/fake_system.h"
#include "tests/support/suite.h"

#define LIST "/sys/devices/system/clocksource/clocksource0/available_clocksource"

static bool processor_says_so(void) {
#if defined(__x86_64__)
    unsigned a = 0, b = 0, c = 0, d = 0;
    if ((unsigned)__get_cpuid_max(0x80000000u, NULL) < 0x80000007u) return false;
    __cpuid(0x80000007u, a, b, c, d);
    return d >> 8 & 1;
#else
    return false;
#endif
}

static hl__clock clock_of(const char *list) {
    const fake_pair files[] = {{LIST, list}, {NULL, NULL}};
    fake_system fake;
    fake_system_init(&fake, "pu:1");
    if (list) fake.files = files;
    hl__clock clock;
    hl__clock_start(&clock, &fake.system);
    return clock;
}

START_TEST(TheCounterIsTakenWhereProcessorAndKernelTrustIt) {
    static const char *const with[] = {"tsc\n", "kvm-clock tsc acpi_pm \n", "hpet tsc"};
    static const char *const without[] = {NULL, "", "\n", "hpet acpi_pm\n", "tsc-early kvm-clock\n", "xtsc tscx\n"};
    for (size_t i = 0; i < sizeof with / sizeof *with; i++)
        ck_assert_int_eq(clock_of(with[i]).counter, processor_says_so());
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) ck_assert(!clock_of(without[i]).counter);
}
END_TEST

START_TEST(WithoutACounterATickIsANanosecond) {
    uint64_t before = hl__clock_monotonic();
    hl__clock clock = clock_of(NULL);
    uint64_t first = hl__clock_ticks(&clock), second = hl__clock_ticks_behind(&clock), after = hl__clock_monotonic();
    ck_assert(before <= clock.origin.ns && clock.origin.ns == clock.origin.ticks);
    ck_assert(clock.origin.ns <= first && first <= second && second <= after);
    hl__rate rate = hl__clock_rate(&clock);
    static const uint64_t any[] = {0, 1, 12345, UINT64_MAX};
    for (size_t i = 0; i < 4; i++) ck_assert_uint_eq(hl__clock_ns(&rate, any[i]), any[i]);
}
END_TEST

START_TEST(TicksAreScaledExactlyAndRoundedDown) {
    hl__rate slow = {.ticks = 3, .ns = 10}, fast = {.ticks = 26, .ns = 10};
    ck_assert_uint_eq(hl__clock_ns(&slow, 0), 0);
    ck_assert_uint_eq(hl__clock_ns(&slow, 1), 3);
    ck_assert_uint_eq(hl__clock_ns(&slow, 2), 6);
    ck_assert_uint_eq(hl__clock_ns(&slow, 3), 10);
    for (uint64_t t = 0; t < 10000; t++) ck_assert_uint_eq(hl__clock_ns(&fast, t), t * 10 / 26);
    /* A year of a counter at 4 GHz, whose product with its nanoseconds takes 114 bits. */
    hl__rate year = {.ticks = (uint64_t)31536000 * 4000000000u, .ns = (uint64_t)31536000 * 1000000000u};
    ck_assert_uint_eq(hl__clock_ns(&year, year.ticks), year.ns);
    ck_assert_uint_eq(hl__clock_ns(&year, year.ticks / 2 + 3), year.ns / 2);
    ck_assert_uint_eq(hl__clock_ns(&year, year.ticks / 2 + 4), year.ns / 2 + 1);
}
END_TEST

/* A reading between two of CLOCK_MONOTONIC becomes a time between them, but for the error of the looks: half as long as
 * the quickest of a few takes, some 20 ns. A hundredth of what has passed is allowed, so that it takes a machine that
 * interrupts every one of them for 200 us to fail this. */
START_TEST(TicksBecomeTheNanosecondsThatHavePassed) {
    hl__clock clock;
    hl__clock_start(&clock, &hl__native_system);
    while (hl__clock_monotonic() < clock.origin.ns + 20000000) sched_yield();
    uint64_t before = hl__clock_monotonic(), ticks = hl__clock_ticks_behind(&clock), after = hl__clock_monotonic();
    hl__rate rate = hl__clock_rate(&clock);
    uint64_t ns = clock.origin.ns + hl__clock_ns(&rate, ticks - clock.origin.ticks);
    uint64_t error = (after - clock.origin.ns) / 100;
    ck_assert(ns + error >= before && ns <= after + error);
}
END_TEST

#define N_ROUNDS 20000

typedef struct pair {
    hl__clock clock;
    uint64_t ticks; /* of the last turn; handed over by `turn` */
    _Atomic uint32_t turn;
    _Atomic size_t n_early;
} pair;

/* Takes every second turn: waits, reads, compares with what the other has read, hands over. */
static void play(pair *p, uint32_t parity) {
    for (uint32_t turn = parity; turn < N_ROUNDS; turn += 2) {
        for (size_t spins = 0; atomic_load_explicit(&p->turn, memory_order_acquire) != turn; spins++)
            if (spins > 100) sched_yield();
        uint64_t now = hl__clock_ticks_behind(&p->clock);
        if (now < p->ticks) atomic_fetch_add(&p->n_early, 1);
        p->ticks = hl__clock_ticks(&p->clock);
        atomic_store_explicit(&p->turn, turn + 1, memory_order_release);
    }
}

static void *play_second(void *argument) {
    play(argument, 1);
    return NULL;
}

START_TEST(BehindAnAcquireItIsNotEarlierThanWhatWasPublished) {
    pair p = {.ticks = 0};
    hl__clock_start(&p.clock, &hl__native_system);
    pthread_t second;
    ck_assert_int_eq(pthread_create(&second, NULL, play_second, &p), 0);
    play(&p, 0);
    pthread_join(second, NULL);
    ck_assert_uint_eq(atomic_load(&p.n_early), 0);
}
END_TEST

START_TEST(ItNeverGoesBack) {
    for (int counter = 0; counter < 2; counter++) {
        hl__clock clock = clock_of(counter ? "tsc" : NULL);
        uint64_t last = clock.origin.ticks;
        for (size_t i = 0; i < 100000; i++) {
            uint64_t now = hl__clock_ticks_behind(&clock);
            ck_assert_uint_ge(now, last);
            last = now;
        }
    }
}
END_TEST

int main(void) {
    return run_tests("clock", TESTS(TheCounterIsTakenWhereProcessorAndKernelTrustIt, WithoutACounterATickIsANanosecond,
                                    TicksAreScaledExactlyAndRoundedDown, TicksBecomeTheNanosecondsThatHavePassed,
                                    BehindAnAcquireItIsNotEarlierThanWhatWasPublished, ItNeverGoesBack));
}
