/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What holds by any policy: each task runs once a run and after all that it waits for, whatever the graph, the number
 * of workers and the machine, in every replay of the one frozen graph. */
#include "runtime/policy.h"

#include <stdio.h>
#include <string.h>

#include "tests/runtime/dag.h"
#include "tests/runtime/kit.h"
#include "tests/support/policies.h"
#include "tests/support/suite.h"

#define N_REPLAYS 3

START_TEST(EachPolicyIsFoundByItsValue) {
#define FOUND(name, value, text) ck_assert_ptr_eq(hl__policy_find(value), &hl__policy_##name);
    HL_POLICY_LIST(FOUND)
#undef FOUND
    ck_assert_str_eq(hl__policy_find(HL_POLICY_DATAFLOW)->name, "dataflow");
    ck_assert_str_eq(hl__policy_find(HL_POLICY_LEVELS)->name, "levels");
    ck_assert_str_eq(hl__policy_find(HL_POLICY_SERIAL)->name, "serial");
}
END_TEST

START_TEST(OtherValuesAreNoPolicies) {
    static const int others[] = {N_POLICIES, N_POLICIES + 1, 255, -1, 1 << 30};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert_ptr_null(hl__policy_find((hl_policy)others[i]));
}
END_TEST

static const dag_options shapes[] = {
    {.n_tasks = 1},
    {.n_tasks = 2, .n_edges = 4},
    {.n_tasks = 100},                            /* no edge */
    {.n_tasks = 60, .n_edges = 300, .reach = 1}, /* a chain, but for few gaps */
    {.n_tasks = 80, .n_edges = 2500},            /* dense */
    {.n_tasks = 300, .n_edges = 500, .reach = 40},
    {.n_tasks = 300, .n_edges = 400, .background_one_in = 3},
    {.n_tasks = 200, .n_edges = 500, .background_one_in = 1},
    {.n_tasks = 300, .n_edges = 1500, .join_one_in = 2, .reach = 100}, /* chains of joins */
    {.n_tasks = 200, .n_edges = 100, .join_one_in = 3},                /* joins that wait for nothing, and for no one */
    {.n_tasks = 60, .n_edges = 200, .join_one_in = 1},                 /* nothing but joins */
    {.n_tasks = 300, .n_edges = 700, .reach = 60, .join_one_in = 4, .background_one_in = 4, .n_homes = 4},
};
#define N_SHAPES (sizeof shapes / sizeof *shapes)

/* Runs each shape, each graph many times. The bits of results are compared by dag_check. */
static void run_shapes(const char *topology, const hl_runtime_options *options, uint64_t seed) {
    fake_system fake;
    hl_runtime *runtime = kit_runtime(&fake, topology, options);
    for (size_t s = 0; s < N_SHAPES; s++) {
        dag_options shape = shapes[s];
        shape.seed = seed * 100 + s;
        dag *d = dag_create(&shape);
        for (size_t replay = 1; replay <= N_REPLAYS; replay++) {
            ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
            dag_check(d, replay);
        }
        dag_destroy(d);
    }
    hl_runtime_destroy(runtime);
}

START_TEST(EachTaskRunsOnceAndAfterItsPredecessors) {
    for (size_t p = 0; p < N_POLICIES; p++)
        for (size_t w = 0; w < N_KIT_WORKERS; w++)
            run_shapes("core:4 pu:1",
                       &(hl_runtime_options){.workers = kit_workers[w], .policy = policies[p].policy, .steal_seed = w},
                       w);
}
END_TEST

START_TEST(TheSameHoldsOnManyNodes) {
    static const char *const topologies[] = {"node:2 core:4 pu:1", "node:4 l3:2 core:1 pu:1", "node:7 pu:1"};
    for (size_t p = 0; p < N_POLICIES; p++)
        for (size_t t = 0; t < 3; t++)
            run_shapes(topologies[t], &(hl_runtime_options){.workers = 7, .policy = policies[p].policy}, 50 + t);
}
END_TEST

START_TEST(TheSameHoldsWhileATraceIsRecorded) {
    for (size_t p = 0; p < N_POLICIES; p++)
        run_shapes("pu:4", &(hl_runtime_options){.workers = 3, .policy = policies[p].policy, .trace_events = 100}, 90);
}
END_TEST

/* Deques grow between runs; sleepers and late workers of one run must not stumble over the next. */
START_TEST(GraphsOfAllSizesTakeTurns) {
    static const size_t n_tasks[] = {3, 200, 1, 64, 65, 500, 2, 129, 10};
    enum { N = sizeof n_tasks / sizeof *n_tasks };
    for (size_t p = 0; p < N_POLICIES; p++) {
        for (size_t w = 0; w < N_KIT_WORKERS; w++) {
            fake_system fake;
            hl_runtime *runtime =
                kit_runtime(&fake, "node:2 core:2 pu:1",
                            &(hl_runtime_options){.workers = kit_workers[w], .policy = policies[p].policy});
            dag *d[N];
            for (size_t i = 0; i < N; i++)
                d[i] = dag_create(&(dag_options){.n_tasks = n_tasks[i], .n_edges = n_tasks[i], .seed = i + 7 * w});
            for (size_t round = 1; round <= 10; round++)
                for (size_t i = 0; i < N; i++) ck_assert_int_eq(hl__runtime_run(runtime, &d[i]->graph), HL_OK);
            for (size_t i = 0; i < N; i++) {
                dag_check(d[i], 10);
                dag_destroy(d[i]);
            }
            hl_runtime_destroy(runtime);
        }
    }
}
END_TEST

/* A run that follows while its workers are still awake, and one that has to wake them all. */
START_TEST(SleepersAreWokenByTheNextRun) {
    for (size_t p = 0; p < N_POLICIES; p++) {
        fake_system fake;
        hl_runtime *runtime =
            kit_runtime(&fake, "node:2 core:2 pu:1", &(hl_runtime_options){.workers = 7, .policy = policies[p].policy});
        dag *d = dag_create(&(dag_options){.n_tasks = 40, .n_edges = 60, .seed = p});
        for (size_t round = 1; round <= KIT_ROUNDS(40); round++) {
            if (round % 2) kit_wait_for_sleep(runtime);
            ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
            dag_check(d, round);
        }
        dag_destroy(d);
        hl_runtime_destroy(runtime);
    }
}
END_TEST

START_TEST(EmptyGraphsAreOverAtOnce) {
    for (size_t p = 0; p < N_POLICIES; p++) {
        fake_system fake;
        hl_runtime *runtime =
            kit_runtime(&fake, "pu:2", &(hl_runtime_options){.workers = 2, .policy = policies[p].policy});
        dag *d = dag_create(&(dag_options){.n_tasks = 20, .n_edges = 20});
        hl__task_graph none = kit_graph(NULL, 0, NULL, 0);
        for (size_t round = 1; round <= 5; round++) {
            ck_assert_int_eq(hl__runtime_run(runtime, &none), HL_OK);
            ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
            dag_check(d, round);
        }
        dag_destroy(d);
        hl__task_graph_clear(&none);
        hl_runtime_destroy(runtime);
    }
}
END_TEST

/* A graph may go as soon as its run is over, and another come to live in its place: no worker looks at it any more. The
 * sanitizers see it if one does. */
START_TEST(GraphsMayGoAsSoonAsTheirRunIsOver) {
    for (size_t p = 0; p < N_POLICIES; p++) {
        fake_system fake;
        hl_runtime *runtime =
            kit_runtime(&fake, "pu:4", &(hl_runtime_options){.workers = 7, .policy = policies[p].policy});
        for (uint64_t round = 0; round < KIT_ROUNDS(200); round++) {
            dag *d = dag_create(&(dag_options){.n_tasks = 1 + round % 30, .n_edges = round % 40, .seed = round});
            ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
            dag_check(d, 1);
            dag_destroy(d);
        }
        hl_runtime_destroy(runtime);
    }
}
END_TEST

int main(void) {
    return run_tests(
        "policy", TESTS(EachPolicyIsFoundByItsValue, OtherValuesAreNoPolicies, EachTaskRunsOnceAndAfterItsPredecessors,
                        TheSameHoldsOnManyNodes, TheSameHoldsWhileATraceIsRecorded, GraphsOfAllSizesTakeTurns,
                        SleepersAreWokenByTheNextRun, EmptyGraphsAreOverAtOnce, GraphsMayGoAsSoonAsTheirRunIsOver));
}
