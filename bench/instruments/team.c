/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A small kernel on some cores at once. */
#include "bench/instruments/team.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define TARGET_MS 5.0

/* Nobody starts before all are there; where a thread cannot be had, nobody starts at all. */
typedef struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t arrived;
    enum { SHUT, OPEN, CANCELLED } state;
} gate;

typedef struct member { /* one thread of a repetition */
    const bench_team *team;
    gate *gate;
    pthread_t thread;
    size_t core;
    double begin_ms, end_ms;
    bool good;
} member;

static bool pass(gate *g) {
    pthread_mutex_lock(&g->mutex);
    g->arrived++;
    pthread_cond_broadcast(&g->changed);
    while (g->state == SHUT) pthread_cond_wait(&g->changed, &g->mutex);
    bool open = g->state == OPEN;
    pthread_mutex_unlock(&g->mutex);
    return open;
}

static void decide(gate *g, size_t expected, bool open) {
    pthread_mutex_lock(&g->mutex);
    while (g->arrived < expected) pthread_cond_wait(&g->changed, &g->mutex);
    g->state = open ? OPEN : CANCELLED;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->mutex);
}

static void *take_part(void *argument) {
    member *self = argument;
    const bench_team *team = self->team;
    const bench_kernel *kernel = &team->kernel;
    bench_machine_pin(team->machine, self->core);
    void *own = kernel->open ? kernel->open(kernel->context) : NULL;
    bool ready = own || !kernel->open;
    if (ready) kernel->run(kernel->context, own, 1); /* touches what the first round would wait for */
    if (pass(self->gate) && ready) {
        self->begin_ms = bench_now_ms();
        self->good = kernel->run(kernel->context, own, team->rounds) > 0;
        self->end_ms = bench_now_ms();
    }
    if (own) kernel->close(own);
    return NULL;
}

/* From the first thread's start to the last one's end. */
static double run_team(void *context) {
    const bench_team *team = context;
    gate start = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    member *members = calloc(team->threads, sizeof members[0]);
    size_t n = 0;
    for (bool going = members != NULL; going && n < team->threads; n += going) {
        members[n] = (member){.team = team, .gate = &start, .core = n};
        going = pthread_create(&members[n].thread, NULL, take_part, &members[n]) == 0;
    }
    bool good = n == team->threads;
    decide(&start, n, good);
    double begin = 0, end = 0;
    for (size_t i = 0; i < n; i++) {
        pthread_join(members[i].thread, NULL);
        begin = i == 0 || members[i].begin_ms < begin ? members[i].begin_ms : begin;
        end = i == 0 || members[i].end_ms > end ? members[i].end_ms : end;
        good = good && members[i].good;
    }
    free(members);
    if (!good) fprintf(stderr, "hl-bench: no memory or no thread for %zu cores\n", team->threads);
    return good ? end - begin : -1;
}

bool bench_team_calibrate(bench_team *team) {
    double ms = 0;
    for (team->rounds = 1; (ms = run_team(team)) >= 0 && ms < TARGET_MS / 4;) team->rounds *= 2;
    if (ms < 0) return false;
    team->rounds = (size_t)((double)team->rounds * TARGET_MS / ms) + 1;
    return true;
}

bench_measurement bench_team_measurement(const char *what, bench_team *team) {
    return (bench_measurement){.what = what,
                               .run = run_team,
                               .context = team,
                               .flops = team->kernel.flops * (double)team->threads * (double)team->rounds};
}
