/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A team: every member does its rounds, all at once, or nobody starts. */
#include "bench/instruments/team.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "tests/bench/kit.h"

/* pthread_create fails from this call on. */
static int calls_left = -1;

typedef void *(*start_function)(void *);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, start_function start, void *argument);
/* visible, since the linker also sees the calls of the sanitizers' libraries */
__attribute__((visibility("default"))) int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                                                                 start_function start, void *argument);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, start_function start, void *argument) {
    if (calls_left == 0) return EAGAIN;
    if (calls_left > 0) calls_left--;
    return __real_pthread_create(thread, attributes, start, argument);
}

typedef struct record {
    atomic_size_t opened, closed, runs, rounds;
    size_t members; /* that meet in each long run; 0: none */
    size_t fail_open, fail_run;
    atomic_size_t met;
} record;

static void *open_own(const void *context) {
    record *r = (record *)context;
    size_t number = atomic_fetch_add(&r->opened, 1) + 1;
    return number == r->fail_open ? NULL : r;
}

static void close_own(void *own) { atomic_fetch_add(&((record *)own)->closed, 1); }

/* A run of more than one round waits until all members are in theirs: only members that run at once come out. */
static double run(const void *context, void *own, size_t rounds) {
    record *r = (record *)context;
    if (own != r) return 0;
    if (rounds > 1) {
        size_t number = atomic_fetch_add(&r->runs, 1) + 1;
        atomic_fetch_add(&r->rounds, rounds);
        atomic_fetch_add(&r->met, 1);
        while (atomic_load(&r->met) < r->members) sched_yield();
        if (number == r->fail_run) return 0;
    }
    return 1;
}

static double run_once(const bench_machine *machine, record *r, size_t threads) {
    bench_team team = {.machine = machine,
                       .threads = threads,
                       .rounds = 5,
                       .kernel = {.context = r, .open = open_own, .close = close_own, .run = run, .flops = 7}};
    bench_measurement m = bench_team_measurement("it", &team);
    ck_assert_str_eq(m.what, "it");
    ck_assert_double_eq(m.flops, 7.0 * 5 * (double)threads);
    return m.run(m.context);
}

static bench_machine machine;

START_TEST(AllMembersRunAtOnceWithOperandsOfTheirOwn) {
    for (size_t threads = 1; threads <= 7; threads += 2) {
        record r = {.members = threads};
        ck_assert_double_ge(run_once(&machine, &r, threads), 0);
        ck_assert(r.opened == threads && r.closed == threads && r.runs == threads && r.rounds == 5 * threads);
    }
}
END_TEST

START_TEST(AMemberWithoutMemoryIsAFailure) {
    record r = {.fail_open = 2};
    ck_assert_double_lt(run_once(&machine, &r, 3), 0);
    ck_assert(r.opened == 3 && r.closed == 2);
}
END_TEST

START_TEST(AMemberWithoutResultIsAFailure) {
    record r = {.fail_run = 2};
    ck_assert_double_lt(run_once(&machine, &r, 3), 0);
    ck_assert(r.closed == 3);
}
END_TEST

START_TEST(WithoutAThreadNobodyStarts) {
    for (int threads = 0; threads < 3; threads++) {
        record r = {0};
        calls_left = threads;
        ck_assert_double_lt(run_once(&machine, &r, 3), 0);
        calls_left = -1;
        ck_assert(r.opened == (size_t)threads && r.closed == (size_t)threads && r.runs == 0);
    }
}
END_TEST

static double count(const void *context, void *own, size_t rounds) {
    (void)own;
    *(size_t *)context = rounds; /* of the latest run */
    volatile double x = 1;
    for (size_t i = 0; i < 1000 * rounds; i++) x = x * 0.5 + 0.5;
    return x;
}

static double none(const void *context, void *own, size_t rounds) {
    (void)context;
    (void)own;
    (void)rounds;
    return 0;
}

START_TEST(CalibrationGivesEachMemberRounds) {
    size_t latest = 0;
    bench_team team = {.machine = &machine, .threads = 1, .kernel = {.context = &latest, .run = count}};
    ck_assert(bench_team_calibrate(&team));
    ck_assert_uint_ge(team.rounds, 2);
    bench_measurement m = bench_team_measurement("it", &team);
    ck_assert_double_ge(m.run(m.context), 0);
    ck_assert_uint_eq(latest, team.rounds);
    team.kernel.run = none;
    ck_assert(!bench_team_calibrate(&team));
}
END_TEST

int main(void) {
    if (!bench_machine_create(&machine)) return EXIT_FAILURE;
    int code = run_tests("team", TESTS(AllMembersRunAtOnceWithOperandsOfTheirOwn, AMemberWithoutMemoryIsAFailure,
                                       AMemberWithoutResultIsAFailure, WithoutAThreadNobodyStarts,
                                       CalibrationGivesEachMemberRounds));
    bench_machine_destroy(&machine);
    return code;
}
