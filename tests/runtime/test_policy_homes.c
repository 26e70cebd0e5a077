/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The dataflow policy on several nodes: tasks run at home, whoever releases them, unless there are more than the
 * workers there can take at once; and then the last one still does. Several cases hang where a sleeper is not woken. */
#include <omp.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "tests/runtime/dag.h"
#include "tests/runtime/kit.h"
#include "tests/support/suite.h"

#define N_TASKS 256
#define N_REPLAYS 30

typedef struct scene {
    int worker[N_TASKS]; /* that ran it */
    atomic_bool begun[N_TASKS], done[N_TASKS];
    _Atomic size_t n_run;
} scene;

static void note(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    (void)scratch;
    scene *s = *(scene *const *)argument;
    s->worker[index[0]] = omp_get_thread_num();
    atomic_store(&s->begun[index[0]], true);
    atomic_store(&s->done[index[0]], true);
    atomic_fetch_add(&s->n_run, 1);
}

/* Ends once the task of the second index has begun, and that of the third is done. */
static void wait_for_others(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    (void)scratch;
    scene *s = *(scene *const *)argument;
    s->worker[index[0]] = omp_get_thread_num();
    atomic_store(&s->begun[index[0]], true);
    while (!atomic_load(&s->begun[index[1]]) || !(index[2] == index[0] || atomic_load(&s->done[index[2]])))
        sched_yield();
    atomic_store(&s->done[index[0]], true);
    atomic_fetch_add(&s->n_run, 1);
}

typedef struct rig {
    fake_system fake;
    hl_runtime *runtime;
    scene s, *argument;
    hl__task tasks[N_TASKS];
    kit_edge edges[4 * N_TASKS];
    size_t n_tasks, n_edges;
    hl__task_graph graph;
} rig;

static void start(rig *r, const char *topology, size_t n_workers) {
    *r = (rig){.argument = &r->s};
    r->runtime = kit_runtime(&r->fake, topology, &(hl_runtime_options){.workers = n_workers});
}

static hl__task *add(rig *r, hl__task_function run, uint16_t home) {
    hl__task *task = &r->tasks[r->n_tasks];
    uint32_t number = (uint32_t)r->n_tasks;
    *task = (hl__task){.run = run, .argument = &r->argument, .index = {number, number, number}, .home = home};
    r->n_tasks++;
    return task;
}

static void edge(rig *r, uint32_t before, uint32_t after) { r->edges[r->n_edges++] = (kit_edge){before, after}; }

static void run(rig *r) {
    if (r->graph.n_tasks == 0) r->graph = kit_graph(r->tasks, r->n_tasks, r->edges, r->n_edges);
    atomic_store(&r->s.n_run, 0);
    for (size_t t = 0; t < r->n_tasks; t++) {
        atomic_store(&r->s.begun[t], false);
        atomic_store(&r->s.done[t], false);
    }
    ck_assert_int_eq(hl__runtime_run(r->runtime, &r->graph), HL_OK);
    ck_assert_uint_eq(atomic_load(&r->s.n_run), r->n_tasks);
}

static void stop(rig *r) {
    hl__task_graph_clear(&r->graph);
    hl_runtime_destroy(r->runtime);
}

static size_t node_of(const rig *r, uint32_t task) { return r->runtime->workers[r->s.worker[task]].node; }

static void check_home(const rig *r, uint32_t task) {
    ck_assert_msg(node_of(r, task) == r->tasks[task].home, "task %u ran on node %zu, its home is %u", task,
                  node_of(r, task), r->tasks[task].home);
}

static const struct {
    const char *topology;
    size_t n_nodes, n_workers;
} machines[] = {{"node:2 pu:1", 2, 2},
                {"node:2 l3:1 core:2 pu:1", 2, 4},
                {"node:3 pu:1", 3, 3},
                {"node:4 l3:1 core:2 pu:1", 4, 7},
                {"node:4 l3:1 core:2 pu:1", 4, 8}};
#define N_MACHINES (sizeof machines / sizeof *machines)

/* There is never a second one to leave behind, so all run at home. */
START_TEST(ATaskThatIsReleasedElsewhereGoesHome) {
    for (size_t m = 0; m < N_MACHINES; m++)
        for (int kind = 0; kind < 4; kind++) {
            rig r;
            start(&r, machines[m].topology, machines[m].n_workers);
            for (uint32_t t = 0; t < 100; t++) {
                add(&r, note, (uint16_t)(t * 7 / 3 % machines[m].n_nodes))->background = kind & 1;
                if (t > 0) edge(&r, t - 1, t);
            }
            for (size_t i = 0; i < N_REPLAYS; i++) {
                if (kind & 2) kit_wait_for_sleep(r.runtime);
                run(&r);
                for (uint32_t t = 0; t < 100; t++) check_home(&r, t);
            }
            stop(&r);
        }
}
END_TEST

START_TEST(RootsGoHome) {
    for (size_t m = 0; m < N_MACHINES; m++)
        for (int kind = 0; kind < 4; kind++) {
            rig r;
            start(&r, machines[m].topology, machines[m].n_workers);
            /* Against the order of the nodes: the first worker to come has to hand out those of all others. */
            for (size_t n = machines[m].n_nodes; n-- > 0;) add(&r, note, (uint16_t)n)->background = kind & 1;
            for (size_t i = 0; i < N_REPLAYS; i++) {
                if (kind & 2) kit_wait_for_sleep(r.runtime);
                run(&r);
                for (uint32_t t = 0; t < machines[m].n_nodes; t++) check_home(&r, t);
            }
            stop(&r);
        }
}
END_TEST

START_TEST(OthersTakeWhatLeavesOneBehind) {
    for (int background = 0; background < 2; background++) {
        rig r;
        start(&r, "node:2 pu:1", 2);
        /* 0 keeps node 1's worker until 2 is done; 1 releases 2 and 3, both of node 1, once 0 has begun. */
        hl__task *task = add(&r, wait_for_others, 1);
        task->index[2] = 2;
        task = add(&r, wait_for_others, 0);
        task->index[1] = 0;
        for (uint32_t t = 2; t <= 3; t++) {
            add(&r, note, 1)->background = background;
            edge(&r, 1, t);
        }
        for (size_t i = 0; i < N_REPLAYS; i++) {
            run(&r);
            check_home(&r, 0);
            check_home(&r, 1);
            ck_assert_uint_eq(node_of(&r, 2), 0);
            ck_assert_uint_eq(node_of(&r, 3), 1);
        }
        stop(&r);
    }
}
END_TEST

START_TEST(SleepersOfOtherNodesAreWokenForWhatLeavesOneBehind) {
    rig r;
    start(&r, "node:3 pu:1", 3);
    /* The workers of nodes 0 and 1 wait for 3, which is at home on 1: that of node 2 has to take it. */
    hl__task *task = add(&r, wait_for_others, 1);
    task->index[2] = 3;
    task = add(&r, wait_for_others, 0);
    task->index[1] = 0;
    task = add(&r, wait_for_others, 0);
    task->index[2] = 3;
    edge(&r, 1, 2); /* goes on where 1 was */
    for (uint32_t t = 3; t <= 4; t++) {
        add(&r, note, 1);
        edge(&r, 1, t);
    }
    for (size_t i = 0; i < N_REPLAYS; i++) {
        kit_wait_for_sleep(r.runtime);
        run(&r);
        for (uint32_t t = 0; t <= 2; t++) check_home(&r, t);
        ck_assert_uint_eq(node_of(&r, 3), 2);
        check_home(&r, 4);
    }
    stop(&r);
}
END_TEST

/* A home that the runtime has no pool for is none. */
START_TEST(HomesThatAreNotThereAreNoHomes) {
    rig r;
    start(&r, "node:2 core:2 pu:1", 3);
    for (uint32_t t = 0; t < 200; t++) {
        add(&r, note, (uint16_t)(t % 5))->background = t % 3 == 0;
        if (t >= 10) edge(&r, t / 2, t);
    }
    for (size_t i = 0; i < N_REPLAYS; i++) run(&r);
    stop(&r);
}
END_TEST

START_TEST(OneNodeHasNoInboxes) {
    rig r;
    start(&r, "core:4 pu:1", 4);
    for (uint32_t t = 0; t < 50; t++) {
        add(&r, note, (uint16_t)(t % 3));
        if (t > 0) edge(&r, t / 2, t);
    }
    run(&r);
    for (size_t i = 0; i < HL__N_DEQUES; i++) ck_assert_uint_eq(hl__inbox_capacity(&r.runtime->pools[0].inbox[i]), 0);
    stop(&r);
}
END_TEST

START_TEST(InboxesHoldAsManyAsThereAreTasks) {
    rig r;
    start(&r, "node:4 pu:1", 4);
    for (uint32_t n = 1; n <= 1000; n *= 10) { /* they grow with the graphs */
        hl__task_graph graph = {.n_tasks = n};
        ck_assert_int_eq(hl__runtime_reserve(r.runtime, &graph), HL_OK);
        for (size_t p = 0; p < 4; p++)
            for (size_t i = 0; i < HL__N_DEQUES; i++)
                ck_assert_uint_ge(hl__inbox_capacity(&r.runtime->pools[p].inbox[i]), n);
    }
    for (uint32_t t = 0; t < 200; t++) add(&r, note, 1)->background = t % 2; /* all at once in two of them */
    for (size_t i = 0; i < N_REPLAYS; i++) run(&r);
    stop(&r);
}
END_TEST

START_TEST(AnyGraphRunsInItsOrder) {
    for (size_t m = 0; m < N_MACHINES; m++)
        for (uint64_t seed = 0; seed < 6; seed++) {
            fake_system fake;
            hl_runtime *runtime =
                kit_runtime(&fake, machines[m].topology,
                            &(hl_runtime_options){.workers = machines[m].n_workers, .steal_seed = seed});
            dag *d = dag_create(&(dag_options){.n_tasks = 250,
                                               .n_edges = 400,
                                               .reach = seed % 2 ? 20 : 0,
                                               .join_one_in = 6,
                                               .background_one_in = 4,
                                               .n_homes = (uint16_t)machines[m].n_nodes,
                                               .seed = seed * 10 + m});
            for (size_t replay = 1; replay <= 10; replay++) {
                ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
                dag_check(d, replay);
            }
            dag_destroy(d);
            hl_runtime_destroy(runtime);
        }
}
END_TEST

int main(void) {
    return run_tests("policy_homes",
                     TESTS(ATaskThatIsReleasedElsewhereGoesHome, RootsGoHome, OthersTakeWhatLeavesOneBehind,
                           SleepersOfOtherNodesAreWokenForWhatLeavesOneBehind, HomesThatAreNotThereAreNoHomes,
                           OneNodeHasNoInboxes, InboxesHoldAsManyAsThereAreTasks, AnyGraphRunsInItsOrder));
}
