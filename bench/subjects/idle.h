/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a runtime costs while nothing runs, and how soon it is back at work: the two ends of the same trade. */
#ifndef HL_BENCH_IDLE_H
#define HL_BENCH_IDLE_H

#include <stdbool.h>
#include <stddef.h>

#include "headloom/headloom.h"

typedef struct idle_figures {
    double wall_ms, cpu_ms; /* of a time in which nothing ran: how long it was, and what the process used of it */
    size_t n_wakes;
    double wake_min_us, wake_p50_us, wake_p99_us; /* from hl_program_run to a kernel's first instruction */
} idle_figures;

/* In percent of the wall time. */
double idle_cpu_percent(const idle_figures *figures);

/* The smallest of n sorted values that is at least as large as `percent` in a hundred of them. n >= 1. */
double idle_percentile(const double *sorted, size_t n, size_t percent);

/* Call behind a run. First waits until its workers have had 10 ms to fall asleep, then looks at the process's CPU time
 * for about window_ms; then runs a program of one task n_wakes times, 20 ms apart. False, with words on stderr, where
 * something fails. */
bool idle_measure(hl_runtime *runtime, size_t window_ms, size_t n_wakes, idle_figures *figures);

#endif
