/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A small kernel, done over and over by some cores at once, one thread each: how peaks and block products are
 * measured. */
#ifndef HL_BENCH_TEAM_H
#define HL_BENCH_TEAM_H

#include "bench/instruments/machine.h"
#include "bench/instruments/measure.h"

typedef struct bench_kernel {
    const void *context;
    /* A thread's own operands, made on its own core; NULL where there is no memory. Both NULL: it has none. */
    void *(*open)(const void *context);
    void (*close)(void *own);
    /* A number above 0 that depends on all rounds, so that none can be left out. */
    double (*run)(const void *context, void *own, size_t rounds);
    double flops; /* of a round */
} bench_kernel;

typedef struct bench_team {
    const bench_machine *machine;
    size_t threads;
    bench_kernel kernel;
    size_t rounds; /* of each thread */
} bench_team;

/* Sets the rounds so that a repetition takes some milliseconds. False, with words on stderr, where it cannot be run. */
bool bench_team_calibrate(bench_team *team);

/* The measurement of one repetition. The team is borrowed. */
bench_measurement bench_team_measurement(const char *what, bench_team *team);

#endif
