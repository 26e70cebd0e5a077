/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which clock may be used, and how its ticks become nanoseconds. */
#include "runtime/clock.h"

#include <string.h>

#include "runtime/system.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define LOOKS 8 /* at both clocks; the quickest counts */

#if defined(__x86_64__)
#define POWER_LEAF 0x80000007u  /* "advanced power management" of CPUID, */
#define INVARIANT_BIT (1u << 8) /* in EDX */

static bool is_invariant(void) {
    unsigned a, b, c, d = 0;
    return __get_cpuid(POWER_LEAF, &a, &b, &c, &d) && (d & INVARIANT_BIT);
}
#else
static bool is_invariant(void) { return false; }
#endif

/* Linux strikes the counter off this list once it finds that the CPUs' counters do not agree. */
static bool kernel_trusts(const hl__system *system) {
    char text[256], *rest = NULL;
    if (!system->read_file(system->context, "/sys/devices/system/clocksource/clocksource0/available_clocksource", text,
                           sizeof text))
        return false;
    for (char *word = strtok_r(text, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest))
        if (strcmp(word, "tsc") == 0) return true;
    return false;
}

/* The counter is read on both sides of the clock; a look that nobody interrupted is the quickest. */
static hl__instant look(const hl__clock *clock) {
    hl__instant best = {0, 0};
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < LOOKS; i++) {
        uint64_t before = hl__clock_ticks_behind(clock), ns = hl__clock_monotonic(),
                 after = hl__clock_ticks_behind(clock);
        if (after - before >= least) continue;
        least = after - before;
        best = (hl__instant){.ticks = before + (after - before) / 2, .ns = ns};
    }
    return best;
}

void hl__clock_start(hl__clock *clock, const hl__system *system) {
    clock->counter = is_invariant() && kernel_trusts(system);
    if (clock->counter) clock->origin = look(clock);
    else clock->origin.ticks = clock->origin.ns = hl__clock_monotonic();
}

hl__rate hl__clock_rate(const hl__clock *clock) {
    if (!clock->counter) return (hl__rate){0, 0};
    hl__instant now = look(clock);
    return (hl__rate){.ticks = now.ticks - clock->origin.ticks, .ns = now.ns - clock->origin.ns};
}

uint64_t hl__clock_ns(const hl__rate *rate, uint64_t ticks) {
    if (rate->ticks == 0) return ticks;
    __extension__ typedef unsigned __int128 wide; /* a product of two 64-bit numbers */
    return (uint64_t)((wide)ticks * rate->ns / rate->ticks);
}
