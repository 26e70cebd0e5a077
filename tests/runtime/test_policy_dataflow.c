/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The dataflow policy: tasks are stolen and shared (several cases hang without), background tasks yield, a worker goes
 * on with what it has released, and the last task of a node is left to it. */
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "runtime/team.h"
#include "tests/runtime/kit.h"
#include "tests/support/suite.h"

#define N_TASKS 256
#define N_REPLAYS KIT_ROUNDS(30)

/* What tasks share and leave behind: who ran each, and when. The index of a task is its number. */
typedef struct scene {
    _Atomic size_t clock;
    size_t place[N_TASKS]; /* in the order of all */
    int worker[N_TASKS];
    atomic_bool begun[N_TASKS], done[N_TASKS];
    size_t n_needed; /* tasks that must have begun before one that waits for all ends */
    _Atomic size_t n_begun;
} scene;

static void begin(scene *s, uint32_t task) {
    s->place[task] = atomic_fetch_add(&s->clock, 1);
    s->worker[task] = (int)hl__team_number();
    atomic_store(&s->begun[task], true);
}

static void note(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    (void)scratch;
    scene *s = *(scene *const *)argument;
    begin(s, index[0]);
    atomic_store(&s->done[index[0]], true);
}

/* Ends once the task of the second index has run: somebody else has to run it. */
static void wait_for_sibling(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    (void)scratch;
    scene *s = *(scene *const *)argument;
    begin(s, index[0]);
    while (!atomic_load(&s->done[index[1]])) sched_yield();
}

/* Ends once the task of the second index has begun. */
static void wait_for_start(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    (void)scratch;
    scene *s = *(scene *const *)argument;
    begin(s, index[0]);
    while (!atomic_load(&s->begun[index[1]])) sched_yield();
}

/* Ends once so many have begun: as many workers have to run one each. */
static void wait_for_all(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    (void)scratch;
    scene *s = *(scene *const *)argument;
    begin(s, index[0]);
    atomic_fetch_add(&s->n_begun, 1);
    while (atomic_load(&s->n_begun) < s->n_needed) sched_yield();
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

static hl__task *add(rig *r, hl__task_function run) {
    hl__task *task = &r->tasks[r->n_tasks];
    *task = (hl__task){.run = run, .argument = &r->argument, .index = {(uint32_t)r->n_tasks}, .home = HL__NO_NODE};
    r->n_tasks++;
    return task;
}

static void edge(rig *r, uint32_t before, uint32_t after) { r->edges[r->n_edges++] = (kit_edge){before, after}; }

static void run(rig *r) {
    if (r->graph.n_tasks == 0) r->graph = kit_graph(r->tasks, r->n_tasks, r->edges, r->n_edges);
    atomic_store(&r->s.clock, 0);
    atomic_store(&r->s.n_begun, 0);
    for (size_t t = 0; t < r->n_tasks; t++) {
        atomic_store(&r->s.begun[t], false);
        atomic_store(&r->s.done[t], false);
    }
    ck_assert_int_eq(hl__runtime_run(r->runtime, &r->graph), HL_OK);
    size_t n_run = 0;
    for (size_t t = 0; t < r->n_tasks; t++) n_run += r->tasks[t].run != NULL;
    ck_assert_uint_eq(atomic_load(&r->s.clock), n_run);
}

static void stop(rig *r) {
    hl__task_graph_clear(&r->graph);
    hl_runtime_destroy(r->runtime);
}

START_TEST(ASiblingIsStolen) {
    for (int background = 0; background < 2; background++) {
        rig r;
        start(&r, "pu:2", 2);
        add(&r, note);
        add(&r, wait_for_sibling)->index[1] = 2; /* runs where 0 has run, and keeps that worker */
        add(&r, note)->background = background;
        edge(&r, 0, 1);
        edge(&r, 0, 2);
        for (size_t i = 0; i < N_REPLAYS; i++) {
            run(&r);
            ck_assert_int_eq(r.s.worker[1], r.s.worker[0]);
            ck_assert_int_ne(r.s.worker[2], r.s.worker[0]);
        }
        stop(&r);
    }
}
END_TEST

START_TEST(SleepersAreWokenToSteal) {
    rig r;
    start(&r, "pu:4", 7);
    add(&r, note);
    add(&r, wait_for_sibling)->index[1] = 2;
    add(&r, note);
    edge(&r, 0, 1);
    edge(&r, 0, 2);
    for (size_t i = 0; i < N_REPLAYS; i++) {
        kit_wait_for_sleep(r.runtime);
        run(&r);
        ck_assert_int_ne(r.s.worker[2], r.s.worker[0]);
    }
    stop(&r);
}
END_TEST

/* Each of n workers has to take one of n tasks, which one task releases, all onto one deque. */
static void check_all_work(const char *topology, size_t n, bool background, bool asleep) {
    rig r;
    start(&r, topology, n);
    add(&r, note);
    r.s.n_needed = n;
    for (uint32_t t = 1; t <= n; t++) {
        add(&r, wait_for_all)->background = background;
        edge(&r, 0, t);
    }
    for (size_t i = 0; i < N_REPLAYS; i++) {
        if (asleep) kit_wait_for_sleep(r.runtime);
        run(&r);
        bool seen[8] = {false};
        for (uint32_t t = 1; t <= n; t++) {
            ck_assert(!seen[r.s.worker[t]]);
            seen[r.s.worker[t]] = true;
        }
    }
    stop(&r);
}

START_TEST(WhatIsReleasedOccupiesAllWorkers) {
    for (size_t w = 0; w < N_KIT_WORKERS; w++)
        for (int kind = 0; kind < 4; kind++) check_all_work("core:4 pu:1", kit_workers[w], kind & 1, kind & 2);
}
END_TEST

START_TEST(RootsOccupyAllWorkers) {
    static const char *const topologies[] = {"pu:4", "node:2 core:4 pu:1", "node:7 pu:1"};
    for (size_t t = 0; t < 3; t++) {
        for (int kind = 0; kind < 4; kind++) {
            if (kind & 1 && t > 0) continue; /* the last background root may stay on its node */
            rig r;
            start(&r, topologies[t], 7);
            r.s.n_needed = 7;
            for (size_t root = 0; root < 7; root++) add(&r, wait_for_all)->background = kind & 1;
            for (size_t i = 0; i < N_REPLAYS; i++) {
                if (kind & 2) kit_wait_for_sleep(r.runtime);
                run(&r);
            }
            stop(&r);
        }
    }
}
END_TEST

START_TEST(OtherNodesTakeWhatLeavesOneBehind) {
    for (int background = 0; background < 2; background++) {
        rig r;
        start(&r, "node:2 pu:1", 2);
        add(&r, note);
        add(&r, wait_for_sibling)->index[1] = 2; /* the first that was pushed is the first that thieves get */
        add(&r, note)->background = background;
        add(&r, note)->background = background;
        for (uint32_t t = 1; t <= 3; t++) edge(&r, 0, t);
        for (size_t i = 0; i < N_REPLAYS; i++) {
            run(&r);
            ck_assert_int_ne(r.s.worker[2], r.s.worker[0]);
            ck_assert_int_eq(r.s.worker[3], r.s.worker[0]);
        }
        stop(&r);
    }
}
END_TEST

START_TEST(TheLastTaskStaysOnItsNode) {
    rig r;
    start(&r, "node:2 core:2 pu:1", 4);
    add(&r, note);
    add(&r, wait_for_sibling)->index[1] = 2; /* so that a worker of this node has to steal it, no other may */
    add(&r, note);
    edge(&r, 0, 1);
    edge(&r, 0, 2);
    for (size_t i = 0; i < N_REPLAYS; i++) {
        run(&r);
        ck_assert_int_ne(r.s.worker[2], r.s.worker[0]);
        ck_assert_uint_eq(r.runtime->workers[r.s.worker[2]].node, r.runtime->workers[r.s.worker[0]].node);
    }
    stop(&r);
}
END_TEST

START_TEST(AChainStaysOnItsWorker) {
    rig r;
    start(&r, "node:2 core:4 pu:1", 7);
    for (uint32_t t = 0; t < 100; t++) {
        add(&r, t % 7 == 3 ? NULL : note); /* through joins, too */
        if (t > 0) edge(&r, t - 1, t);
    }
    for (size_t i = 0; i < N_REPLAYS; i++) {
        run(&r);
        for (size_t t = 1; t < 100; t++)
            if (r.tasks[t].run) ck_assert_int_eq(r.s.worker[t], r.s.worker[0]);
    }
    stop(&r);
}
END_TEST

START_TEST(BackgroundTasksYieldToCriticalOnes) {
    rig r;
    start(&r, "pu:1", 1);
    /* 0 releases background and critical tasks, mixed; the critical ones release more of both. */
    add(&r, note);
    for (uint32_t t = 1; t <= 60; t++) {
        add(&r, note)->background = t % 2;
        edge(&r, t <= 20 ? 0 : t % 2 ? 2 : t - 20, t);
    }
    for (size_t i = 0; i < N_REPLAYS; i++) {
        run(&r);
        for (size_t t = 0; t <= 60; t++)
            ck_assert_msg(r.tasks[t].background ? r.s.place[t] > 30 : r.s.place[t] <= 30, "task %zu ran as number %zu",
                          t, r.s.place[t]);
    }
    stop(&r);
}
END_TEST

START_TEST(ABackgroundTaskIsFollowedByTheOneBehindIt) {
    rig r;
    start(&r, "pu:1", 1);
    /* 0 releases gradients 1 .. 10, each of which releases its update 11 .. 20, and the last one also a critical task.
     */
    add(&r, note);
    for (uint32_t t = 1; t <= 20; t++) {
        add(&r, note)->background = true;
        edge(&r, t <= 10 ? 0 : t - 10, t);
    }
    add(&r, note);
    edge(&r, 10, 21);
    for (size_t i = 0; i < N_REPLAYS; i++) {
        run(&r);
        for (size_t t = 1; t < 10; t++) ck_assert_uint_eq(r.s.place[t + 10], r.s.place[t] + 1);
        ck_assert_uint_eq(r.s.place[21], r.s.place[10] + 1);
        ck_assert_uint_eq(r.s.place[20], r.s.place[10] + 2);
    }
    stop(&r);
}
END_TEST

START_TEST(BackgroundRootsYieldToCriticalOnes) {
    rig r;
    start(&r, "pu:1", 1);
    for (uint32_t t = 0; t < 20; t++) add(&r, note)->background = t % 3 == 0;
    for (uint32_t t = 20; t < 40; t++) {
        add(&r, note);
        edge(&r, t % 5 * 3 + 1, t); /* released by critical roots */
    }
    for (size_t i = 0; i < N_REPLAYS; i++) {
        run(&r);
        for (size_t t = 0; t < 40; t++)
            ck_assert_msg(r.tasks[t].background ? r.s.place[t] >= 33 : r.s.place[t] < 33, "task %zu ran as number %zu",
                          t, r.s.place[t]);
    }
    stop(&r);
}
END_TEST

START_TEST(WorkersStealCriticalTasksBeforeTheirOwnBackground) {
    rig r;
    start(&r, "pu:2", 2);
    /* 0 is followed by 2 on its worker, which then waits for 4. So the other one takes 1, which waits until 2 has
     * begun, and thus until 3 and 4 can be stolen; then it has background tasks of its own, which wait for 4 as well:
     * the run ends only if it leaves them and steals first. */
    add(&r, note);
    add(&r, wait_for_start)->index[1] = 2;
    add(&r, wait_for_sibling)->index[1] = 4;
    add(&r, note);
    add(&r, note);
    for (uint32_t t = 2; t <= 4; t++) edge(&r, 0, t);
    for (uint32_t t = 5; t <= 14; t++) {
        hl__task *task = add(&r, wait_for_sibling);
        task->index[1] = 4;
        task->background = true;
        edge(&r, 1, t);
    }
    for (size_t i = 0; i < N_REPLAYS; i++) {
        run(&r);
        ck_assert_int_eq(r.s.worker[4], r.s.worker[1]);
    }
    stop(&r);
}
END_TEST

START_TEST(AWorkerGoesOnWithATaskOfItsNode) {
    rig r;
    start(&r, "node:2 pu:1", 1);
    add(&r, note);
    static const uint16_t homes[] = {1, HL__NO_NODE, 0, 1};
    for (uint32_t t = 1; t <= 4; t++) {
        add(&r, note)->home = homes[t - 1];
        edge(&r, 0, t);
    }
    run(&r);
    ck_assert_uint_eq(r.s.place[2], 1); /* the first that may be anywhere or is at home; then the newest pushed */
    ck_assert_uint_eq(r.s.place[4], 2);
    ck_assert_uint_eq(r.s.place[3], 3);
    ck_assert_uint_eq(r.s.place[1], 4);
    stop(&r);
}
END_TEST

/* More joins fall due at once than are kept at hand, at several depths. */
START_TEST(AnyNumberOfJoinsIsFollowed) {
    for (size_t w = 0; w < N_KIT_WORKERS; w++) {
        rig r;
        start(&r, "pu:4", kit_workers[w]);
        add(&r, note);
        for (uint32_t t = 1; t <= 80; t++) {
            add(&r, NULL);
            edge(&r, 0, t);
        }
        for (uint32_t t = 81; t <= 160; t++) {
            add(&r, NULL);
            edge(&r, t - 80, t);
        }
        for (uint32_t t = 161; t < 250; t++) {
            add(&r, note)->background = t % 2;
            edge(&r, 81 + t % 80, t);
            edge(&r, 81 + t * 7 % 80, t);
        }
        for (size_t i = 0; i < N_REPLAYS; i++) run(&r);
        stop(&r);
    }
}
END_TEST

int main(void) {
    return run_tests("policy_dataflow",
                     TESTS(ASiblingIsStolen, SleepersAreWokenToSteal, WhatIsReleasedOccupiesAllWorkers,
                           RootsOccupyAllWorkers, OtherNodesTakeWhatLeavesOneBehind, TheLastTaskStaysOnItsNode,
                           AChainStaysOnItsWorker, ABackgroundTaskIsFollowedByTheOneBehindIt,
                           BackgroundTasksYieldToCriticalOnes, BackgroundRootsYieldToCriticalOnes,
                           WorkersStealCriticalTasksBeforeTheirOwnBackground, AWorkerGoesOnWithATaskOfItsNode,
                           AnyNumberOfJoinsIsFollowed));
}
