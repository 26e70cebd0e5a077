/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The life of a runtime: what options, environment, masks and quotas make of it, pools that are the machine's nodes,
 * teams smaller than asked for, and creation that fails without a trace. */
#include "runtime/pool.h"

#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/runtime/dag.h"
#include "tests/runtime/kit.h"
#include "tests/support/policies.h"
#include "tests/support/scarce_memory.h"
#include "tests/support/suite.h"

static bool no_threads;

void *__wrap_hl__allocate(size_t count, size_t size); /* tests/support/scarce_memory.h */
void __wrap_hl__release(void *memory);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument) {
    return no_threads ? EAGAIN : __real_pthread_create(thread, attributes, start, argument);
}

static const char untouched[] = "what was there before";
#define UNTOUCHED ((hl_runtime *)(uintptr_t)untouched)

/* Why there is no runtime. */
static void check_words(const char *part) {
    ck_assert_msg(strstr(hl_runtime_error(NULL), part), "'%s' is not in '%s'", part, hl_runtime_error(NULL));
}

START_TEST(OptionsAreChecked) {
    static const hl_runtime_options wrong[] = {{.workers = 4097},
                                               {.workers = SIZE_MAX},
                                               {.policy = (hl_policy)N_POLICIES},
                                               {.workers = 1, .policy = (hl_policy)-1}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        hl_runtime *runtime = UNTOUCHED;
        ck_assert_int_eq(hl_runtime_create(&wrong[i], &runtime), HL_INVALID_ARGUMENT);
        ck_assert_ptr_eq(runtime, UNTOUCHED);
        check_words(i < 2 ? "workers, of at most 4096" : "is no policy");
    }
    ck_assert_int_eq(hl_runtime_create(NULL, NULL), HL_INVALID_ARGUMENT);
    check_words("runtime is NULL");
    ck_assert_int_eq(hl_runtime_create(&(hl_runtime_options){.workers = 1}, NULL), HL_INVALID_ARGUMENT);
    ck_assert_uint_eq(n_held, 0);
}
END_TEST

/* Whoever brings a policy need not name a public one as well. */
START_TEST(APolicyThatIsGivenGoesBeforeThatOfTheOptions) {
    static const hl_policy asked[] = {HL_POLICY_DATAFLOW, (hl_policy)N_POLICIES};
    for (size_t i = 0; i < 2; i++) {
        hl__policy given = *hl__policy_find(HL_POLICY_LEVELS);
        fake_system fake;
        fake_system_init(&fake, "pu:2");
        hl_runtime_options options = {.workers = 2, .policy = asked[i]};
        hl_runtime *runtime = NULL;
        ck_assert_int_eq(hl__runtime_create_with(&fake.system, &given, &options, &runtime), HL_OK);
        ck_assert_ptr_eq(runtime->policy, &given);
        hl_runtime_destroy(runtime);
    }
}
END_TEST

START_TEST(NoRuntimeIsHarmless) {
    hl_runtime_destroy(NULL);
    ck_assert_uint_eq(hl_runtime_workers(NULL), 0);
    ck_assert_uint_eq(hl_runtime_nodes(NULL), 0);
}
END_TEST

/* No list of whole positive numbers, or one that begins with more than there can be. */
START_TEST(OmpNumThreadsThatIsNoNumberIsRefusedByName) {
    static const char *const wrong[] = {"abc", "3x", "0", "4097", "99999999999999999999", "3,-1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        fake_system fake;
        fake_system_init(&fake, "pu:2");
        fake.environment = (fake_pair[]){{"OMP_NUM_THREADS", wrong[i]}, {NULL, NULL}};
        hl_runtime *runtime = UNTOUCHED;
        ck_assert_int_eq(hl__runtime_create_on(&fake.system, NULL, &runtime), HL_INVALID_ARGUMENT);
        ck_assert_ptr_eq(runtime, UNTOUCHED);
        char words[64];
        snprintf(words, sizeof words, "OMP_NUM_THREADS is '%s'", wrong[i]);
        check_words(words);
        /* Who asks for a number does not ask the variable. */
        ck_assert_int_eq(hl__runtime_create_on(&fake.system, &(hl_runtime_options){.workers = 2}, &runtime), HL_OK);
        ck_assert_uint_eq(hl_runtime_workers(runtime), 2);
        hl_runtime_destroy(runtime);
    }
    ck_assert_uint_eq(atomic_load(&n_held), 0);
}
END_TEST

static void *fail_elsewhere(void *argument) {
    *(bool *)argument = hl_runtime_error(NULL)[0] == '\0' &&
                        hl_runtime_create(&(hl_runtime_options){.workers = 4097}, &(hl_runtime *){NULL}) != HL_OK &&
                        strstr(hl_runtime_error(NULL), "4097");
    return NULL;
}

START_TEST(WhyThereIsNoRuntimeIsSaidToWhoeverAskedForIt) {
    hl_runtime *runtime = NULL;
    ck_assert_int_eq(hl_runtime_create(&(hl_runtime_options){.workers = 5000}, &runtime), HL_INVALID_ARGUMENT);
    pthread_t thread;
    bool good = false;
    ck_assert_int_eq(pthread_create(&thread, NULL, fail_elsewhere, &good), 0);
    pthread_join(thread, NULL);
    ck_assert(good);
    check_words("5000"); /* not what became of the other */
}
END_TEST

START_TEST(ThisMachineHasARuntime) {
    for (size_t p = 0; p < N_POLICIES; p++) {
        hl_runtime *runtime = NULL;
        ck_assert_int_eq(hl_runtime_create(&(hl_runtime_options){.workers = 3, .policy = policies[p].policy}, &runtime),
                         HL_OK);
        ck_assert_uint_eq(hl_runtime_workers(runtime), 3);
        ck_assert_uint_ge(hl_runtime_nodes(runtime), 1);
        ck_assert_str_eq(hl_runtime_error(runtime), "");
        dag *d = dag_create(&(dag_options){.n_tasks = 100, .n_edges = 200});
        ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
        dag_check(d, 1);
        dag_destroy(d);
        hl_runtime_destroy(runtime);
    }
    hl_runtime *runtime = NULL;
    ck_assert_int_eq(hl_runtime_create(NULL, &runtime), HL_OK);
    ck_assert_uint_ge(hl_runtime_workers(runtime), 1);
    hl_runtime_destroy(runtime);
    ck_assert_uint_eq(n_held, 0);
}
END_TEST

static const fake_pair quota_of_three[] = {{"/proc/self/mountinfo", "30 20 0:26 / /groups rw - cgroup2 cgroup2 rw\n"},
                                           {"/proc/self/cgroup", "0::/job\n"},
                                           {"/groups/job/cpu.max", "250000 100000\n"},
                                           {NULL, NULL}};

START_TEST(WithoutANumberOfWorkersTheMachineDecides) {
    static const fake_pair five[] = {{"OMP_NUM_THREADS", "5,3"}, {NULL, NULL}};
    static const struct {
        const char *topology, *cpus;
        const fake_pair *environment, *files;
        size_t workers, n_workers, n_nodes;
    } machines[] = {
        {"pu:1", NULL, NULL, NULL, 0, 1, 1},
        {"node:2 core:2 pu:2", NULL, NULL, NULL, 0, 8, 2},
        {"node:2 core:2 pu:2", "1,5-6", NULL, NULL, 0, 3, 2},
        {"node:2 core:2 pu:2", "5-6", NULL, NULL, 0, 2, 1},
        {"node:2 core:2 pu:2", NULL, NULL, quota_of_three, 0, 3, 2},
        {"node:2 core:2 pu:2", "0-1", NULL, quota_of_three, 0, 2, 1},
        {"node:2 core:2 pu:2", NULL, five, quota_of_three, 0, 5, 2},
        {"node:2 core:2 pu:2", NULL, five, quota_of_three, 2, 2, 2}, /* options above all */
        {"node:10 core:2 pu:1", NULL, NULL, NULL, 0, 20, 10},
        {"node:8 core:1 pu:1", NULL, five, NULL, 0, 5, 5},
    };
    for (size_t m = 0; m < sizeof machines / sizeof *machines; m++) {
        fake_system fake;
        fake_system_init(&fake, machines[m].topology);
        fake.process_cpus = machines[m].cpus;
        fake.environment = machines[m].environment;
        fake.files = machines[m].files;
        hl_runtime *runtime = NULL;
        hl_runtime_options options = {.workers = machines[m].workers};
        ck_assert_int_eq(hl__runtime_create_on(&fake.system, options.workers ? &options : NULL, &runtime), HL_OK);
        ck_assert_uint_eq(hl_runtime_workers(runtime), machines[m].n_workers);
        ck_assert_uint_eq(hl_runtime_nodes(runtime), machines[m].n_nodes);
        ck_assert_ptr_eq(runtime->policy, &hl__policy_DATAFLOW);
        ck_assert_uint_eq(runtime->trace_room, 0);
        hl_runtime_destroy(runtime);
    }
}
END_TEST

/* What was bound: each worker once, to its place; in any order, since each does it in its own thread. */
static void check_bindings(const fake_system *fake, const hl_runtime *runtime) {
    size_t n = runtime->n_workers;
    ck_assert_uint_eq(fake->n_threads, n);
    bool taken[FAKE_CALLS] = {false};
    for (size_t w = 0; w < n; w++) {
        char cpus[FAKE_SET_BYTES];
        hwloc_bitmap_list_snprintf(cpus, sizeof cpus, runtime->topology->places[w].cpus);
        size_t call = 0;
        while (call < n && (taken[call] || strcmp(fake->threads[call].set, cpus) != 0)) call++;
        ck_assert_msg(call < n, "nothing was bound to %s", cpus);
        taken[call] = true;
    }
}

START_TEST(PoolsAreTheNodesWithWorkers) {
    static const struct {
        const char *topology;
        size_t n_workers, n_pools;
    } machines[] = {{"pu:2", 7, 1},
                    {"node:2 core:2 pu:1", 4, 2},
                    {"node:2 core:2 pu:1(indexes=0,2,1,3)", 4, 2},
                    {"node:4 l3:1 core:4 pu:1", 16, 4},
                    {"node:4 l3:1 core:4 pu:1", 3, 3},
                    {"pack:2 node:4 core:2 pu:1", 16, 8},
                    {"node:10 core:2 pu:1", 20, 10},
                    {"node:3 core:2 pu:1", 8, 3}};
    for (size_t m = 0; m < sizeof machines / sizeof *machines; m++) {
        fake_system fake;
        hl_runtime *runtime =
            kit_runtime(&fake, machines[m].topology, &(hl_runtime_options){.workers = machines[m].n_workers});
        ck_assert_uint_eq(hl_runtime_nodes(runtime), machines[m].n_pools);
        check_bindings(&fake, runtime);
        size_t next = 0; /* members are neighbours, in order */
        for (size_t p = 0; p < runtime->n_pools; p++) {
            const hl__pool *pool = &runtime->pools[p];
            ck_assert_uint_ge(pool->n_members, machines[m].n_workers / machines[m].n_pools);
            for (size_t i = 0; i < pool->n_members; i++) {
                ck_assert_uint_eq(pool->members[i], next);
                ck_assert_uint_eq(runtime->workers[next].node, p);
                ck_assert_uint_eq(runtime->workers[next].number, next);
                next++;
            }
        }
        ck_assert_uint_eq(next, machines[m].n_workers);
        hl_runtime_destroy(runtime);
    }
    ck_assert_uint_eq(n_held, 0);
}
END_TEST

START_TEST(WorkersThatTheUserHasBoundAreFound) {
    fake_system fake;
    fake_system_init(&fake, "node:4 core:2 pu:1");
    fake.environment = (fake_pair[]){{"OMP_PLACES", "cores"}, {NULL, NULL}};
    fake.thread_cpus = "4-5";
    hl_runtime *runtime = NULL;
    ck_assert_int_eq(hl__runtime_create_on(&fake.system, &(hl_runtime_options){.workers = 4}, &runtime), HL_OK);
    ck_assert_uint_eq(fake.n_threads, 0);
    ck_assert_uint_eq(hl_runtime_nodes(runtime), 1);
    void *memory = hl__arena_create(runtime, 1, HL__NO_NODE);
    ck_assert_str_eq(fake.memory[0].set, "2");
    hl__arena_destroy(runtime, memory, 1);
    hl_runtime_destroy(runtime);
}
END_TEST

START_TEST(EachWorkerHasRoomForItsTrace) {
    fake_system fake;
    hl_runtime *runtime = kit_runtime(&fake, "pu:2", &(hl_runtime_options){.workers = 3, .trace_events = 17});
    for (size_t w = 0; w < 3; w++) {
        ck_assert_uint_eq(runtime->workers[w].events.room, 17);
        ck_assert_uint_eq(runtime->workers[w].events.n_events, 0);
        memset(runtime->workers[w].events.event, 0xFF, 17 * sizeof(hl__event)); /* the sanitizers count */
    }
    hl_runtime_destroy(runtime);
}
END_TEST

START_TEST(RuntimesStandSideBySide) {
    enum { N = 4 };
    fake_system fake[N];
    hl_runtime *runtime[N];
    dag *d = dag_create(&(dag_options){.n_tasks = 60, .n_edges = 100});
    for (size_t i = 0; i < N; i++)
        runtime[i] = kit_runtime(&fake[i], "pu:2",
                                 &(hl_runtime_options){.workers = 1 + i, .policy = policies[i % N_POLICIES].policy});
    for (size_t round = 1; round <= 10; round++) {
        ck_assert_int_eq(hl__runtime_run(runtime[round % N], &d->graph), HL_OK);
        dag_check(d, round);
    }
    for (size_t i = 0; i < N; i++) hl_runtime_destroy(runtime[i]);
    dag_destroy(d);
}
END_TEST

START_TEST(EachFailedAllocationLeavesNothingBehind) {
    for (size_t p = 0; p < N_POLICIES; p++) {
        hl_runtime_options options = {.policy = policies[p].policy, .trace_events = 3};
        hl_runtime *runtime = UNTOUCHED;
        size_t n_failures = 0;
        for (bool made = false; !made; n_failures++) {
            ck_assert_uint_lt(n_failures, 200);
            fake_system fake;
            fake_system_init(&fake, "node:2 l3:1 core:2 pu:1");
            fake.files = quota_of_three;
            atomic_store(&allocations_left, n_failures);
            hl_status status = hl__runtime_create_on(&fake.system, &options, &runtime);
            atomic_store(&allocations_left, SIZE_MAX);
            made = status == HL_OK;
            if (made) {
                ck_assert_uint_eq(hl_runtime_workers(runtime), 3);
                hl_runtime_destroy(runtime);
            } else {
                ck_assert_int_eq(status, HL_OUT_OF_MEMORY);
                ck_assert_ptr_eq(runtime, UNTOUCHED);
                check_words("no memory");
            }
            ck_assert_uint_eq(atomic_load(&n_held), 0);
        }
        /* runtime, topology, groups, workers, 3 traces, places, nodes, distances, pools, their members, victims... */
        ck_assert_uint_gt(n_failures, 15);
    }
}
END_TEST

START_TEST(WithoutAThreadThereIsNoRuntime) {
    hl_runtime *runtime = UNTOUCHED;
    no_threads = true;
    hl_status status = hl_runtime_create(&(hl_runtime_options){.workers = 2}, &runtime);
    no_threads = false;
    ck_assert_int_eq(status, HL_SYSTEM);
    ck_assert_ptr_eq(runtime, UNTOUCHED);
    check_words("the system refuses a thread");
    ck_assert_uint_eq(atomic_load(&n_held), 0);
}
END_TEST

START_TEST(AMachineThatCannotBeReadHasNoRuntime) {
    fake_system fake;
    fake_system_init(&fake, "nonsense:");
    hl_runtime *runtime = UNTOUCHED;
    ck_assert_int_eq(hl__runtime_create_on(&fake.system, &(hl_runtime_options){.workers = 2}, &runtime), HL_SYSTEM);
    ck_assert_ptr_eq(runtime, UNTOUCHED);
    check_words("topology");
    ck_assert_uint_eq(atomic_load(&n_held), 0);
}
END_TEST

/* In a process of its own, whose OpenMP runtime gives three threads at most. */
static void check_limited(void) {
    static const fake_pair too_many[] = {{"OMP_NUM_THREADS", "4096"}, {NULL, NULL}};
    for (size_t p = 0; p < N_POLICIES; p++) {
        fake_system fake;
        fake_system_init(&fake, "node:8 core:2 pu:1");
        fake.environment = too_many;
        hl_runtime *runtime = NULL;
        hl_runtime_options options = {.policy = policies[p].policy, .trace_events = 1};
        ck_assert_int_eq(hl__runtime_create_on(&fake.system, &options, &runtime), HL_OK);
        ck_assert_uint_eq(runtime->room_workers, 4096); /* what the environment asks for */
        ck_assert_uint_eq(hl_runtime_workers(runtime), 3);
        ck_assert_uint_eq(hl_runtime_nodes(runtime), 3); /* those that came are spread */
        check_bindings(&fake, runtime);
        dag *d = dag_create(&(dag_options){.n_tasks = 200, .n_edges = 300, .join_one_in = 5});
        for (size_t replay = 1; replay <= 5; replay++) {
            ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
            dag_check(d, replay);
        }
        dag_destroy(d);
        hl_runtime_destroy(runtime);
    }
    ck_assert_uint_eq(atomic_load(&n_held), 0);
}

START_TEST(FewerThreadsThanAskedForAreNoError) {
    if (getenv("HEADLOOM_TEST_LIMITED")) {
        check_limited();
        return;
    }
    extern char **environ;
    setenv("HEADLOOM_TEST_LIMITED", "1", 1);
    setenv("OMP_THREAD_LIMIT", "3", 1);
    setenv("CK_RUN_CASE", "FewerThreadsThanAskedForAreNoError", 1);
    pid_t child;
    int failure = posix_spawn(&child, "/proc/self/exe", NULL, NULL, (char *[]){"test_pool", NULL}, environ);
    unsetenv("HEADLOOM_TEST_LIMITED");
    unsetenv("OMP_THREAD_LIMIT");
    unsetenv("CK_RUN_CASE");
    ck_assert_int_eq(failure, 0);
    int outcome = -1;
    ck_assert_int_eq(waitpid(child, &outcome, 0), child);
    ck_assert(WIFEXITED(outcome));
    ck_assert_int_eq(WEXITSTATUS(outcome), EXIT_SUCCESS);
}
END_TEST

int main(void) {
    return run_tests(
        "pool", TESTS(OptionsAreChecked, APolicyThatIsGivenGoesBeforeThatOfTheOptions, NoRuntimeIsHarmless,
                      OmpNumThreadsThatIsNoNumberIsRefusedByName, WhyThereIsNoRuntimeIsSaidToWhoeverAskedForIt,
                      ThisMachineHasARuntime, WithoutANumberOfWorkersTheMachineDecides, PoolsAreTheNodesWithWorkers,
                      WorkersThatTheUserHasBoundAreFound, EachWorkerHasRoomForItsTrace, RuntimesStandSideBySide,
                      EachFailedAllocationLeavesNothingBehind, WithoutAThreadThereIsNoRuntime,
                      AMachineThatCannotBeReadHasNoRuntime, FewerThreadsThanAskedForAreNoError));
}
