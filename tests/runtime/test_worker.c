/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Workers fall asleep, are woken one by one or all together, nearest pool first, and lose no task by it. */
#include "runtime/worker.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "runtime/cancel.h"
#include "runtime/wait.h"
#include "tests/runtime/dag.h"
#include "tests/runtime/kit.h"
#include "tests/support/policies.h"
#include "tests/support/suite.h"

/* Of the workers: the test's own thread yields while it waits, and so does the host where it waits for a probe to be
 * gone. */
static atomic_size_t n_yields;

int __real_sched_yield(void);
int __wrap_sched_yield(void);

int __wrap_sched_yield(void) {
    if (hl__called_by_kernel()) atomic_fetch_add(&n_yields, 1);
    return __real_sched_yield();
}

static uint32_t pools_parked(const hl_runtime *runtime) {
    uint32_t n = 0;
    for (size_t p = 0; p < runtime->n_pools; p++) n += atomic_load(&runtime->pools[p].n_parked);
    return n;
}

static void check_asleep(hl_runtime *runtime) {
    kit_wait_for_sleep(runtime);
    ck_assert_uint_eq(atomic_load(&runtime->n_parked), runtime->n_workers);
    ck_assert_uint_eq(pools_parked(runtime), runtime->n_workers);
    for (size_t w = 0; w < runtime->n_workers; w++) ck_assert_uint_eq(atomic_load(&runtime->workers[w].parked), 1);
}

static hl_runtime *three_pools(fake_system *fake, hl_policy policy) {
    return kit_runtime(fake, "node:3 core:2 pu:1", &(hl_runtime_options){.workers = 6, .policy = policy});
}

START_TEST(IdleWorkersFallAsleep) {
    for (size_t p = 0; p < N_POLICIES; p++) {
        fake_system fake;
        hl_runtime *runtime = three_pools(&fake, policies[p].policy);
        dag *d = dag_create(&(dag_options){.n_tasks = 30, .n_edges = 40});
        check_asleep(runtime);
        for (size_t round = 0; round < KIT_ROUNDS(20); round++) {
            ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
            check_asleep(runtime);
        }
        dag_destroy(d);
        hl_runtime_destroy(runtime);
    }
}
END_TEST

static void nothing(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    (void)argument, (void)index, (void)scratch;
}

/* Whoever waits where workers outnumber CPUs lets others run; elsewhere nobody gives up the CPU that is its own. */
START_TEST(WorkersYieldWhereTheyOutnumberCpus) {
    for (size_t p = 0; p < N_POLICIES; p++) {
        for (size_t n = 1; n <= 4; n++) {
            fake_system fake;
            hl_runtime *runtime =
                kit_runtime(&fake, "pu:2", &(hl_runtime_options){.workers = n, .policy = policies[p].policy});
            ck_assert_int_eq(runtime->topology->crowded, n > 2);
            kit_wait_for_sleep(runtime);
            ck_assert(n <= 2 || atomic_load(&n_yields) >= n);
            hl__task tasks[8];
            for (size_t t = 0; t < 8; t++) tasks[t] = (hl__task){.run = nothing, .level = (uint32_t)t / 4};
            hl__task_graph graph = kit_graph(tasks, 8, NULL, 0);
            for (size_t round = 0; round < KIT_ROUNDS(50); round++)
                ck_assert_int_eq(hl__runtime_run(runtime, &graph), HL_OK);
            hl_runtime_destroy(runtime);
            hl__task_graph_clear(&graph);
            ck_assert(n > 2 || atomic_load(&n_yields) == 0);
            atomic_store(&n_yields, 0);
        }
    }
}
END_TEST

START_TEST(AsManyAreWokenAsWereAskedForAndSleep) {
    fake_system fake;
    hl_runtime *runtime = three_pools(&fake, HL_POLICY_DATAFLOW);
    static const size_t asked[] = {0, 1, 2, 3, 5, 6, 7, 100};
    for (size_t round = 0; round < KIT_ROUNDS(20); round++) {
        for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
            check_asleep(runtime);
            size_t woken = hl__wake_in_pool(runtime, round % 3, asked[i] < 2 ? asked[i] : 2);
            ck_assert_uint_eq(woken, asked[i] < 2 ? asked[i] : 2);
            check_asleep(runtime); /* they find nothing and sleep again */
            woken = hl__wake_anywhere(runtime, round % 3, asked[i]);
            ck_assert_uint_eq(woken, asked[i] < 6 ? asked[i] : 6);
        }
    }
    hl_runtime_destroy(runtime);
}
END_TEST

START_TEST(AWorkerThatIsAwakeIsNotWoken) {
    fake_system fake;
    hl_runtime *runtime = three_pools(&fake, HL_POLICY_SERIAL);
    check_asleep(runtime);
    for (size_t w = 0; w < 6; w++) {
        hl__worker *worker = &runtime->workers[w];
        ck_assert(hl__wake_worker(runtime, worker));
        check_asleep(runtime);
    }
    hl_runtime_destroy(runtime);
    /* One that works: claimed by nobody. */
    hl__worker awake = {.number = 0};
    ck_assert(!hl__wake_worker(NULL, &awake));
}
END_TEST

typedef struct waker {
    hl_runtime *runtime;
    _Atomic size_t n_woken;
    atomic_bool over;
} waker;

static void *wake_on(void *argument) {
    waker *w = argument;
    while (!atomic_load(&w->over)) {
        atomic_fetch_add(&w->n_woken, hl__wake_anywhere(w->runtime, 1, 2));
        sched_yield();
    }
    return NULL;
}

/* Wakers that meet: books that do not balance would underflow, or leave a sleeper that nobody wakes. */
START_TEST(WakingForNothingDoesNoHarm) {
    for (size_t p = 0; p < N_POLICIES; p++) {
        fake_system fake;
        hl_runtime *runtime = three_pools(&fake, policies[p].policy);
        dag *d = dag_create(&(dag_options){.n_tasks = 30, .n_edges = 30});
        waker w = {.runtime = runtime};
        pthread_t thread[2];
        for (size_t i = 0; i < 2; i++) ck_assert_int_eq(pthread_create(&thread[i], NULL, wake_on, &w), 0);
        for (size_t round = 1; round <= KIT_ROUNDS(100); round++)
            ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
        while (atomic_load(&w.n_woken) == 0) sched_yield();
        atomic_store(&w.over, true);
        for (size_t i = 0; i < 2; i++) pthread_join(thread[i], NULL);
        dag_check(d, KIT_ROUNDS(100));
        check_asleep(runtime);
        dag_destroy(d);
        hl_runtime_destroy(runtime);
    }
}
END_TEST

typedef struct witness {
    _Atomic size_t n_runs;
    const void *scratch;
    uint32_t index[HL__TASK_GRID_RANK];
    bool signals_blocked;
} witness;

static void see(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    witness *w = *(witness *const *)argument;
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    w->signals_blocked = sigismember(&blocked, SIGINT) && sigismember(&blocked, SIGUSR1) &&
                         sigismember(&blocked, SIGALRM) && sigismember(&blocked, SIGTERM);
    w->scratch = scratch;
    for (size_t i = 0; i < HL__TASK_GRID_RANK; i++) w->index[i] = index[i];
    atomic_fetch_add(&w->n_runs, 1);
}

START_TEST(ATaskGetsItsArgumentIndexAndTheWorkersScratch) {
    hl__task tasks[3];
    hl__task_graph graph = {.tasks = tasks, .n_tasks = 3};
    hl_runtime runtime = {.graph = &graph};
    char scratch[8];
    hl__worker worker = {.runtime = &runtime, .scratch = scratch};
    witness w = {.scratch = NULL}, *argument = &w;
    const hl__task *task = &tasks[2];
    tasks[2] = (hl__task){.run = see, .argument = &argument, .index = {5, 6, 7, 8}};
    hl__worker_run(&worker, task);
    ck_assert_uint_eq(w.n_runs, 1);
    ck_assert_ptr_eq(w.scratch, scratch);
    ck_assert_mem_eq(w.index, task->index, sizeof w.index);
    ck_assert_uint_eq(worker.events.n_events, 0);
    hl__event event;
    worker.events = (hl__events){.event = &event, .room = 1};
    worker.timing = (hl__timing){.on = true, .first_task = 40, .run = 7};
    hl__worker_run(&worker, task); /* and is recorded where the run is timed */
    ck_assert_uint_eq(w.n_runs, 2);
    ck_assert_uint_eq(worker.events.n_events, 1);
    ck_assert_uint_eq(event.task, 42);
    ck_assert_uint_eq(event.run, 7);
    hl__run_open(&graph);
    ck_assert_int_eq(hl__run_cancel(&graph), HL_OK);
    hl__worker_run(&worker, task); /* passed over */
    ck_assert_uint_eq(w.n_runs, 2);
    ck_assert_uint_eq(worker.events.n_events + worker.events.n_dropped, 1);
}
END_TEST

START_TEST(SignalsGoToTheCallersThreads) {
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    fake_system fake;
    hl_runtime *runtime = three_pools(&fake, HL_POLICY_DATAFLOW);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    static const int signals[] = {SIGINT, SIGUSR1, SIGALRM, SIGTERM};
    for (size_t i = 0; i < 4; i++) ck_assert_int_eq(sigismember(&before, signals[i]), sigismember(&after, signals[i]));
    witness w = {.scratch = NULL}, *argument = &w;
    hl__task_graph graph = kit_graph(&(hl__task){.run = see, .argument = &argument}, 1, NULL, 0);
    for (size_t round = 0; round < KIT_ROUNDS(20); round++) {
        w.signals_blocked = false;
        ck_assert_int_eq(hl__runtime_run(runtime, &graph), HL_OK);
        ck_assert(w.signals_blocked);
    }
    hl__task_graph_clear(&graph);
    hl_runtime_destroy(runtime);
}
END_TEST

static void pause_for(uint64_t n) {
    for (uint64_t i = 0; i < n; i++) hl__pause();
}

/* All workers have to be woken for a run by levels, and for the end, also those that are falling asleep just then: the
 * pauses are drawn around the time that it takes. Who is forgotten hangs the test. */
START_TEST(WhoFallsAsleepIsNotForgotten) {
    uint64_t state = 1;
    for (size_t round = 0; round < KIT_ROUNDS(20); round++) {
        fake_system fake;
        hl_runtime *runtime =
            kit_runtime(&fake, "pu:4", &(hl_runtime_options){.workers = 7, .policy = HL_POLICY_LEVELS});
        dag *d = dag_create(&(dag_options){.n_tasks = 4});
        for (size_t replay = 1; replay <= KIT_ROUNDS(200); replay++) {
            pause_for(dag_draw(&state) % 4000);
            ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
        }
        dag_check(d, KIT_ROUNDS(200));
        dag_destroy(d);
        hl_runtime_destroy(runtime);
    }
}
END_TEST

START_TEST(SleepersAndWakersAlikeCanBeStopped) {
    for (size_t round = 0; round < KIT_ROUNDS(30); round++) {
        fake_system fake;
        hl_runtime *runtime = three_pools(&fake, policies[round % N_POLICIES].policy);
        if (round % 2) kit_wait_for_sleep(runtime);
        hl_runtime_destroy(runtime);
    }
}
END_TEST

int main(void) {
    return run_tests("worker", TESTS(IdleWorkersFallAsleep, WorkersYieldWhereTheyOutnumberCpus,
                                     AsManyAreWokenAsWereAskedForAndSleep, AWorkerThatIsAwakeIsNotWoken,
                                     WakingForNothingDoesNoHarm, ATaskGetsItsArgumentIndexAndTheWorkersScratch,
                                     SignalsGoToTheCallersThreads, WhoFallsAsleepIsNotForgotten,
                                     SleepersAndWakersAlikeCanBeStopped));
}
