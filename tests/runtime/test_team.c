/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A team: as many threads as were asked for, each with a number of its own, that wait for one another. Whatever hosts
 * it. */
#include "runtime/team.h"

#include <pthread.h>
#include <stdbool.h>

#include "tests/support/suite.h"

#define MOST 9
#define N_ROUNDS 50

typedef struct scene {
    size_t n_came[MOST]; /* what each saw; plain, so that a sanitizer sees a wait that orders nothing */
    pthread_t thread[MOST];
    size_t sum[2];
    bool wrong[MOST];
} scene;

static void meet(void *argument) {
    scene *s = argument;
    size_t number = hl__team_number(), n = hl__team_size();
    if (number >= MOST) return;
    s->n_came[number] = n;
    s->thread[number] = pthread_self();
    for (size_t round = 0; round < N_ROUNDS; round++) {
        hl__team_wait();
        if (number == round % n) { /* each in turn reads what all have written */
            s->sum[round % 2] = 0;
            for (size_t i = 0; i < n; i++) s->sum[round % 2] += s->n_came[i];
        }
        hl__team_wait();
        if (s->sum[round % 2] != n * n) s->wrong[number] = true;
    }
}

START_TEST(AllThreadsMeet) {
    for (size_t n = 1; n <= MOST; n++) {
        scene s = {.n_came = {0}};
        hl__team_run(n, meet, &s);
        for (size_t i = 0; i < n; i++) {
            ck_assert_uint_eq(s.n_came[i], n);
            ck_assert(!s.wrong[i]);
            for (size_t other = 0; other < i; other++) ck_assert(!pthread_equal(s.thread[other], s.thread[i]));
        }
        for (size_t i = n; i < MOST; i++) ck_assert_uint_eq(s.n_came[i], 0);
    }
}
END_TEST

static void *host(void *argument) {
    hl__team_run(3, meet, argument);
    return NULL;
}

START_TEST(TeamsOfSeveralThreadsKeepApart) {
    scene s[4] = {{.n_came = {0}}};
    pthread_t thread[4];
    for (size_t i = 0; i < 4; i++) ck_assert_int_eq(pthread_create(&thread[i], NULL, host, &s[i]), 0);
    for (size_t i = 0; i < 4; i++) pthread_join(thread[i], NULL);
    for (size_t i = 0; i < 4; i++) {
        for (size_t number = 0; number < 3; number++) {
            ck_assert_uint_eq(s[i].n_came[number], 3);
            ck_assert(!s[i].wrong[number]);
        }
        ck_assert_uint_eq(s[i].n_came[3], 0);
    }
}
END_TEST

int main(void) { return run_tests("team", TESTS(AllThreadsMeet, TeamsOfSeveralThreadsKeepApart)); }
