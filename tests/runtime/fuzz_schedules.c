/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Hostile schedules: before each of its atomic operations the runtime may be held up, as a seed says (hooks.c).
 * Whatever the graph, the policy, the number of workers and the seed, each task runs once a run and after all that it
 * waits for; each number of a deque is taken once; whoever sleeps is woken. A failure names its seed: FUZZ_SEED=n runs
 * that alone. FUZZ_MS is for how long to go on, FUZZ_FIRST where to begin. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "runtime/memory.h"
#include "tests/runtime/dag.h"
#include "tests/runtime/hooks.h"
#include "tests/runtime/kit.h"
#include "tests/support/policies.h"
#include "tests/support/suite.h"

#define HANGS_AFTER_S 60 /* one seed takes some milliseconds */
#define MOST_WORKERS 7
#define MOST_TASKS 60
#define N_NUMBERS 300
#define RING 8
#define N_THIEVES 2

static char words[128]; /* what runs, for who is told that it failed or hangs */

static _Atomic uint64_t current; /* seed */
static atomic_bool over;

static void *watch(void *argument) {
    (void)argument;
    uint64_t last = 0;
    for (size_t looks = 0; !atomic_load(&over); looks++) {
        usleep(100000);
        uint64_t now = atomic_load(&current);
        if (now != last) looks = 0;
        last = now;
        if (looks < 10 * HANGS_AFTER_S) continue;
        fprintf(stderr, "FUZZ_SEED=%llu hangs\n", (unsigned long long)now);
        abort();
    }
    return NULL;
}

static uint64_t number_of(const char *variable, uint64_t otherwise) {
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- runs ---- */

static void run_one(uint64_t seed) {
    static const char *const topologies[] = {"pu:4", "node:2 core:2 pu:1", "node:4 l3:1 core:2 pu:1", "node:7 pu:1"};
    uint64_t state = seed;
    size_t n_workers = 1 + dag_draw(&state) % MOST_WORKERS, policy = dag_draw(&state) % N_POLICIES;
    const char *topology = topologies[dag_draw(&state) % 4];
    dag_options shape = {.n_tasks = 1 + dag_draw(&state) % MOST_TASKS,
                         .n_edges = dag_draw(&state) % (3 * MOST_TASKS),
                         .reach = (uint32_t)(dag_draw(&state) % 20),
                         .join_one_in = (unsigned)(dag_draw(&state) % 5),
                         .background_one_in = (unsigned)(dag_draw(&state) % 4),
                         .n_homes = (uint16_t)(dag_draw(&state) % 5),
                         .seed = seed};
    snprintf(words, sizeof words, "FUZZ_SEED=%llu: %s on %zu workers of %s", (unsigned long long)seed,
             policies[policy].name, n_workers, topology);
    fake_system fake;
    hl_runtime *runtime =
        kit_runtime(&fake, topology,
                    &(hl_runtime_options){.workers = n_workers, .policy = policies[policy].policy, .steal_seed = seed});
    dag *d = dag_create(&shape);
    size_t n_replays = 1 + dag_draw(&state) % 6;
    for (size_t replay = 1; replay <= n_replays; replay++) {
        if (dag_draw(&state) % 3 == 0) usleep((useconds_t)(dag_draw(&state) % 200)); /* some have fallen asleep */
        ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
        dag_check(d, replay);
    }
    dag_destroy(d);
    hl_runtime_destroy(runtime);
}

/* ---- a deque alone: more meetings than in whole runs ---- */

typedef struct contest {
    hl__deque deque;
    _Atomic uint32_t taken[N_NUMBERS];
    size_t written[N_NUMBERS]; /* plain: shown by the deque alone */
    atomic_bool over, wrong;
} contest;

static void take(contest *c, uint32_t number) {
    if (number >= N_NUMBERS || c->written[number] != number + 1u) atomic_store(&c->wrong, true);
    else atomic_fetch_add_explicit(&c->taken[number], 1, memory_order_relaxed);
}

static void *thief(void *argument) {
    contest *c = argument;
    uint32_t number;
    while (!atomic_load_explicit(&c->over, memory_order_relaxed))
        if (hl__deque_steal(&c->deque, 1, &number)) take(c, number);
    return NULL;
}

static void contest_one(uint64_t seed) {
    snprintf(words, sizeof words, "FUZZ_SEED=%llu: a deque and %d thieves", (unsigned long long)seed, N_THIEVES);
    contest *c = hl__allocate(1, sizeof *c);
    ck_assert_ptr_nonnull(c);
    size_t bytes = hl__ring_bytes(RING);
    void *ring = hl__allocate(bytes, 1);
    ck_assert_ptr_nonnull(ring);
    hl__deque_install(&c->deque, ring, bytes, RING);
    pthread_t thread[N_THIEVES];
    for (size_t i = 0; i < N_THIEVES; i++) ck_assert_int_eq(pthread_create(&thread[i], NULL, thief, c), 0);
    uint64_t state = seed;
    uint32_t next = 0, number;
    while (next < N_NUMBERS) {
        if (hl__deque_size(&c->deque) < RING && dag_draw(&state) % 2) {
            c->written[next] = next + 1;
            hl__deque_push(&c->deque, next++);
        } else if (hl__deque_pop(&c->deque, &number)) {
            take(c, number);
        }
    }
    while (hl__deque_size(&c->deque) > 0)
        if (hl__deque_pop(&c->deque, &number)) take(c, number);
    atomic_store(&c->over, true);
    for (size_t i = 0; i < N_THIEVES; i++) pthread_join(thread[i], NULL);
    ck_assert(!atomic_load(&c->wrong));
    for (size_t n = 0; n < N_NUMBERS; n++) ck_assert_uint_eq(atomic_load(&c->taken[n]), 1);
    hl__release(ring);
    hl__release(c);
}

START_TEST(EverySeedIsHarmless) {
    pthread_t watcher;
    ck_assert_int_eq(pthread_create(&watcher, NULL, watch, NULL), 0);
    uint64_t only = number_of("FUZZ_SEED", 0), end = now_ms() + number_of("FUZZ_MS", 10000), n_seeds = 0;
    uint64_t seed = only ? only : number_of("FUZZ_FIRST", 1);
    for (; only ? seed == only : now_ms() < end; seed++, n_seeds++) {
        atomic_store_explicit(&current, seed, memory_order_relaxed); /* orders nothing */
        hooks_seed(seed);
        if (seed % 4 == 0) contest_one(seed);
        else run_one(seed);
    }
    hooks_seed(0);
    words[0] = '\0';
    printf("%llu seeds\n", (unsigned long long)n_seeds);
    ck_assert_uint_gt(n_seeds, 0);
    atomic_store(&over, true);
    pthread_join(watcher, NULL);
}
END_TEST

int main(void) {
    int outcome = run_tests("schedules", TESTS(EverySeedIsHarmless));
    if (outcome != EXIT_SUCCESS && words[0]) fprintf(stderr, "failed at %s\n", words);
    return outcome;
}
