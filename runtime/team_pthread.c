/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A team of plain threads, for tests. */
#include <pthread.h>

#include "runtime/team.h"

typedef struct team {
    pthread_mutex_t mutex; /* held until it is known how many came */
    size_t n_threads, n_numbered;
    pthread_barrier_t barrier;
    void (*body)(void *argument);
    void *argument;
} team;

/* Of the calling thread. OpenMP keeps the same in its own library; this one is no part of ours. */
static _Thread_local struct {
    team *team;
    size_t number;
} member;

static void *enter(void *argument) {
    team *t = argument;
    pthread_mutex_lock(&t->mutex);
    member.team = t;
    member.number = t->n_numbered++;
    pthread_mutex_unlock(&t->mutex);
    t->body(t->argument);
    return NULL;
}

hl_status hl__team_run(size_t n, void (*body)(void *argument), void *argument) {
    pthread_t threads[HL__MAX_TEAM];
    team t = {.n_threads = 1, .body = body, .argument = argument};
    pthread_mutex_init(&t.mutex, NULL);
    pthread_mutex_lock(&t.mutex);
    while (t.n_threads < n && pthread_create(&threads[t.n_threads], NULL, enter, &t) == 0) t.n_threads++;
    pthread_barrier_init(&t.barrier, NULL, (unsigned)t.n_threads);
    pthread_mutex_unlock(&t.mutex);
    enter(&t);
    for (size_t i = 1; i < t.n_threads; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&t.barrier);
    pthread_mutex_destroy(&t.mutex);
    return HL_OK;
}

size_t hl__team_size(void) { return member.team->n_threads; }

size_t hl__team_number(void) { return member.number; }

void hl__team_wait(void) { pthread_barrier_wait(&member.team->barrier); }
