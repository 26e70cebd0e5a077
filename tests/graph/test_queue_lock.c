/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Who comes first is let in first, whether it reads or writes; readers that follow one another are in together, a
 * writer is in alone; who may not wait is refused; a forked child takes over what nobody used, and is refused what
 * somebody did. */
#include "graph/queue_lock.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/suite.h"

#define MOST 12

typedef struct scene {
    hl__queue_lock lock;
    _Atomic size_t n_in; /* who were let in so far */
    size_t order[MOST];
    _Atomic size_t n_inside[2], most_readers; /* readers, writers */
    atomic_bool wrong, together;
    _Atomic size_t n_needed; /* readers leave when as many are inside */
} scene;

typedef struct visitor {
    scene *s;
    size_t number;
    bool writes;
    pthread_t thread;
} visitor;

static void *visit(void *argument) {
    visitor *v = argument;
    scene *s = v->s;
    if (hl__queue_lock_take(&s->lock, v->writes, true) != HL_OK) return NULL;
    s->order[atomic_fetch_add(&s->n_in, 1)] = v->number;
    size_t readers = atomic_fetch_add(&s->n_inside[v->writes], 1) + 1;
    if (atomic_load(&s->n_inside[1]) > (v->writes ? 1 : 0)) atomic_store(&s->wrong, true);
    if (v->writes && atomic_load(&s->n_inside[0]) > 0) atomic_store(&s->wrong, true);
    if (!v->writes && readers == atomic_load(&s->n_needed)) atomic_store(&s->together, true);
    while (!v->writes && atomic_load(&s->n_needed) > 0 && !atomic_load(&s->together)) sched_yield();
    atomic_fetch_sub(&s->n_inside[v->writes], 1);
    hl__queue_lock_give_back(&s->lock);
    return NULL;
}

static size_t n_arrived(scene *s) {
    pthread_mutex_lock(&s->lock.mutex);
    size_t n = s->lock.n_arrived;
    pthread_mutex_unlock(&s->lock.mutex);
    return n;
}

/* Starts visitors one after the other, each when the one before has drawn its number: 'r' reads, 'w' writes. */
static size_t send(scene *s, visitor visitors[MOST], const char *kinds) {
    size_t n = 0;
    for (; kinds[n]; n++) {
        size_t before = n_arrived(s);
        visitors[n] = (visitor){.s = s, .number = n, .writes = kinds[n] == 'w'};
        ck_assert_int_eq(pthread_create(&visitors[n].thread, NULL, visit, &visitors[n]), 0);
        while (n_arrived(s) == before) sched_yield();
    }
    return n;
}

static void see_off(scene *s, visitor visitors[MOST], size_t n) {
    for (size_t i = 0; i < n; i++) pthread_join(visitors[i].thread, NULL);
    ck_assert_uint_eq(atomic_load(&s->n_in), n);
    ck_assert(!atomic_load(&s->wrong));
}

/* While somebody is in, others line up behind; writers stand where they came, readers between them in any order. */
START_TEST(EveryoneIsLetInInTheOrderOfArrival) {
    static const char *const lines[] = {"w", "wr", "rwr", "wwww", "rrwrrw", "wrwrwrwr", "wrrrwwrrrrww"};
    for (size_t l = 0; l < sizeof lines / sizeof *lines; l++) {
        for (int write = 0; write < 2; write++) {
            scene s = {.n_needed = 0};
            visitor visitors[MOST];
            ck_assert_int_eq(hl__queue_lock_init(&s.lock), HL_OK);
            ck_assert_int_eq(hl__queue_lock_take(&s.lock, write, true), HL_OK);
            size_t n = send(&s, visitors, lines[l]), first_writer = strcspn(lines[l], "w");
            if (!write) /* readers before the first writer are let in to us, and nobody behind it */
                while (atomic_load(&s.n_in) < first_writer) sched_yield();
            ck_assert_uint_eq(atomic_load(&s.n_in), write ? 0 : first_writer);
            hl__queue_lock_give_back(&s.lock);
            see_off(&s, visitors, n);
            for (size_t i = 0; i < n; i++) {
                if (lines[l][i] != 'w') continue;
                ck_assert_uint_eq(s.order[i], i);
                for (size_t j = 0; j < n; j++) ck_assert(j < i ? s.order[j] < i : j == i || s.order[j] > i);
            }
            hl__queue_lock_clear(&s.lock);
        }
    }
}
END_TEST

/* Each of the readers waits inside for the others; a single one too few hangs. */
START_TEST(ReadersThatFollowOneAnotherAreInTogether) {
    for (size_t round = 0; round < 20; round++) {
        scene s = {.n_needed = 5};
        visitor visitors[MOST];
        ck_assert_int_eq(hl__queue_lock_init(&s.lock), HL_OK);
        ck_assert_int_eq(hl__queue_lock_take(&s.lock, true, true), HL_OK);
        size_t n = send(&s, visitors, "wrrrrrw");
        hl__queue_lock_give_back(&s.lock);
        see_off(&s, visitors, n);
        hl__queue_lock_clear(&s.lock);
    }
}
END_TEST

/* Whoever may not wait comes in just where it would not have to; nor does the writer wait for itself. */
START_TEST(WhoeverMayNotWaitIsServedOrRefused) {
    for (int held = 0; held < 3; held++) { /* not at all, to read, to write */
        for (int write = 0; write < 2; write++) {
            hl__queue_lock lock;
            ck_assert_int_eq(hl__queue_lock_init(&lock), HL_OK);
            if (held) ck_assert_int_eq(hl__queue_lock_take(&lock, held == 2, true), HL_OK);
            bool free_to_enter = held == 0 || (held == 1 && !write);
            ck_assert_int_eq(hl__queue_lock_take(&lock, write, false), free_to_enter ? HL_OK : HL_BUSY);
            if (free_to_enter) hl__queue_lock_give_back(&lock);
            if (held == 2) ck_assert_int_eq(hl__queue_lock_take(&lock, write, true), HL_BUSY);
            if (held) hl__queue_lock_give_back(&lock);
            ck_assert_int_eq(hl__queue_lock_take(&lock, write, true), HL_OK); /* a refusal leaves nothing behind */
            hl__queue_lock_give_back(&lock);
            hl__queue_lock_clear(&lock);
        }
    }
}
END_TEST

/* A reader could stand beside the reader that is in, but not before the writer that has come in between. */
START_TEST(WhoeverMayNotWaitDoesNotOvertake) {
    scene s = {.n_needed = 0};
    visitor visitors[MOST];
    ck_assert_int_eq(hl__queue_lock_init(&s.lock), HL_OK);
    ck_assert_int_eq(hl__queue_lock_take(&s.lock, false, true), HL_OK);
    size_t n = send(&s, visitors, "w");
    ck_assert_int_eq(hl__queue_lock_take(&s.lock, false, false), HL_BUSY);
    hl__queue_lock_give_back(&s.lock);
    see_off(&s, visitors, n);
    hl__queue_lock_clear(&s.lock);
}
END_TEST

/* ---- many at once ---- */

typedef struct crowd {
    hl__queue_lock lock;
    size_t written[2]; /* equal, but while somebody writes */
    atomic_size_t n_torn;
} crowd;

static void *mill(void *argument) {
    crowd *c = argument;
    for (size_t i = 0; i < 2000; i++) {
        bool write = i % 3 == 0;
        if (hl__queue_lock_take(&c->lock, write, true) != HL_OK) return NULL;
        if (c->written[0] != c->written[1]) atomic_fetch_add(&c->n_torn, 1);
        for (size_t k = 0; write && k < 2; k++) c->written[k]++;
        hl__queue_lock_give_back(&c->lock);
    }
    return NULL;
}

START_TEST(NoWriteIsLostOrSeenByHalf) {
    crowd c = {.n_torn = 0};
    pthread_t threads[6];
    ck_assert_int_eq(hl__queue_lock_init(&c.lock), HL_OK);
    for (size_t i = 0; i < 6; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, mill, &c), 0);
    for (size_t i = 0; i < 6; i++) pthread_join(threads[i], NULL);
    ck_assert_uint_eq(atomic_load(&c.n_torn), 0);
    ck_assert_uint_eq(c.written[0], (size_t)6 * 667);
    hl__queue_lock_clear(&c.lock);
}
END_TEST

/* ---- forked children ---- */

/* The child takes the lock to read and to write; its exit code says what came of it. */
static hl_status outcome_in_child(hl__queue_lock *lock) {
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(30); /* a child that hangs becomes one that was killed */
        hl_status status = hl__queue_lock_take(lock, false, true);
        if (status == HL_OK) hl__queue_lock_give_back(lock);
        if (hl__queue_lock_take(lock, true, true) != status) _exit(100);
        if (status == HL_OK) hl__queue_lock_give_back(lock);
        hl__queue_lock_clear(lock);
        _exit((int)status);
    }
    ck_assert_int_gt(pid, 0);
    int outcome;
    ck_assert_int_eq(waitpid(pid, &outcome, 0), pid);
    ck_assert(WIFEXITED(outcome));
    return (hl_status)WEXITSTATUS(outcome);
}

START_TEST(AForkedChildIsRefusedALockInUse) {
    for (int write = 0; write < 2; write++) {
        hl__queue_lock lock;
        ck_assert_int_eq(hl__queue_lock_init(&lock), HL_OK);
        ck_assert_int_eq(outcome_in_child(&lock), HL_OK);
        ck_assert_int_eq(hl__queue_lock_take(&lock, write, true), HL_OK);
        ck_assert_int_eq(outcome_in_child(&lock), HL_FORKED);
        hl__queue_lock_give_back(&lock); /* the parent goes on */
        ck_assert_int_eq(outcome_in_child(&lock), HL_OK);
        pthread_mutex_lock(&lock.mutex); /* somebody is just coming in */
        ck_assert_int_eq(outcome_in_child(&lock), HL_FORKED);
        pthread_mutex_unlock(&lock.mutex);
        hl__queue_lock_clear(&lock);
    }
}
END_TEST

int main(void) {
    return run_tests("graph/queue lock",
                     TESTS(EveryoneIsLetInInTheOrderOfArrival, ReadersThatFollowOneAnotherAreInTogether,
                           WhoeverMayNotWaitIsServedOrRefused, WhoeverMayNotWaitDoesNotOvertake,
                           NoWriteIsLostOrSeenByHalf, AForkedChildIsRefusedALockInUse));
}
