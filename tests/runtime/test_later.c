/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tasks that are done later, by a device that is a thread of the test: they hold up what waits for them and nothing
 * else, and a run ends whatever the device does. */
#include "runtime/later.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "runtime/cancel.h"
#include "tests/runtime/kit.h"
#include "tests/support/policies.h"
#include "tests/support/suite.h"

enum { MOST = 40 };

/* How the device completes what was started: in the very call, by a thread of its own, when it is polled; or never. */
typedef enum manner { AT_ONCE, BY_THREAD, BY_POLL, NEVER, N_MANNERS = NEVER } manner;

struct item;

typedef struct fake_device {
    hl__device is;
    _Atomic int manner;
    pthread_mutex_t mutex;
    pthread_t thread;
    struct item *waiting[MOST];
    size_t n_waiting;
    _Atomic size_t n_started, n_aborted, n_late;
    bool drains; /* some may be posted too late */
    atomic_bool over;
    hl_status status; /* that tasks are posted with */
    const char *words;
} fake_device;

/* A task of a graph that checks itself: its value is one more than the sum of those that it waits for. */
typedef struct item {
    fake_device *device;
    hl__ticket ticket;
    uint64_t value;
    size_t n_runs;
    struct item *before[MOST];
    size_t n_before;
} item;

static void compute(item *at) {
    at->value = 1;
    for (size_t i = 0; i < at->n_before; i++) at->value += at->before[i]->value;
    at->n_runs++;
}

static void complete(item *at) {
    compute(at);
    if (hl__later_post(&at->ticket, at->device->status, at->device->words) != HL_OK)
        atomic_fetch_add(&at->device->n_late, 1);
}

/* The task that was started last, if one waits. */
static bool complete_waiting(fake_device *device) {
    pthread_mutex_lock(&device->mutex);
    bool any = device->n_waiting > 0;
    if (any) complete(device->waiting[--device->n_waiting]);
    pthread_mutex_unlock(&device->mutex);
    return any;
}

static void poll_device(void *context) {
    fake_device *device = context;
    if (device->manner == BY_POLL) complete_waiting(device);
}

static void *run_device(void *context) {
    fake_device *device = context;
    while (!atomic_load(&device->over))
        if (device->manner != BY_THREAD || !complete_waiting(device)) sched_yield();
    return NULL;
}

/* Behind it the device touches nothing of the task's: it completes tasks with the lock held. */
static void abort_task(void *context, const hl__ticket *ticket) {
    fake_device *device = context;
    pthread_mutex_lock(&device->mutex);
    for (size_t i = 0; i < device->n_waiting; i++)
        if (device->waiting[i]->ticket.task == ticket->task)
            device->waiting[i--] = device->waiting[--device->n_waiting];
    pthread_mutex_unlock(&device->mutex);
    atomic_fetch_add(&device->n_aborted, 1);
}

static void open_device(fake_device *device, manner how) {
    *device = (fake_device){.is = {.context = device, .poll = poll_device, .cancel = abort_task}, .manner = how};
    pthread_mutex_init(&device->mutex, NULL);
    ck_assert_int_eq(pthread_create(&device->thread, NULL, run_device, device), 0);
}

static void close_device(fake_device *device) {
    ck_assert(device->drains || device->n_late == 0);
    atomic_store(&device->over, true);
    pthread_join(device->thread, NULL);
    pthread_mutex_destroy(&device->mutex);
}

static void run_now(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    (void)index, (void)scratch;
    compute(*(item *const *)argument);
}

static void start(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    (void)index;
    item *at = *(item *const *)argument;
    fake_device *device = at->device;
    at->ticket = *(const hl__ticket *)scratch;
    if (device->manner == AT_ONCE) {
        complete(at);
    } else {
        pthread_mutex_lock(&device->mutex);
        device->waiting[device->n_waiting++] = at;
        pthread_mutex_unlock(&device->mutex);
    }
    atomic_fetch_add(&device->n_started, 1);
}

static const char *const names[] = {"now", "later"};

/* n tasks with edges drawn from a seed, of which every third is done later. */
typedef struct plan {
    item items[MOST], *arguments[MOST];
    hl__task_graph graph;
} plan;

static void plan_open(plan *p, size_t n, fake_device *device, uint64_t seed) {
    memset(p, 0, sizeof *p);
    hl__task tasks[MOST] = {{0}};
    kit_edge edges[MOST * 2];
    size_t n_edges = 0;
    for (uint32_t t = 0; t < n; t++) {
        p->items[t].device = device;
        p->arguments[t] = &p->items[t];
        bool later = t % 3 == 1;
        tasks[t] =
            (hl__task){.run = later ? start : run_now, .argument = &p->arguments[t], .later = later, .name = later};
        for (int e = 0; e < 2 && t > 0; e++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            uint32_t before = (uint32_t)(seed >> 33) % t;
            if (p->items[t].n_before > 0 && p->items[t].before[0] == &p->items[before]) continue;
            p->items[t].before[p->items[t].n_before++] = &p->items[before];
            edges[n_edges++] = (kit_edge){before, t};
        }
    }
    p->graph = kit_graph(tasks, n, edges, n_edges);
    p->graph.names = names;
    p->graph.n_names = 2;
    p->graph.device = &device->is;
}

/* A runtime, a device and a plan of the most tasks. */
typedef struct stage {
    fake_system fake;
    hl_runtime *runtime;
    fake_device device;
    plan plan;
} stage;

static void stage_open(stage *s, size_t workers, hl_policy policy, manner how) {
    s->runtime = kit_runtime(&s->fake, "pu:4", &(hl_runtime_options){.workers = workers, .policy = policy});
    open_device(&s->device, how);
    plan_open(&s->plan, MOST, &s->device, 1 + workers);
}

static void stage_close(stage *s) {
    close_device(&s->device);
    hl_runtime_destroy(s->runtime);
    hl__task_graph_clear(&s->plan.graph);
}

static void plan_check(const plan *p, size_t n_runs) {
    for (size_t t = 0; t < p->graph.n_tasks; t++) {
        uint64_t value = 1;
        for (size_t i = 0; i < p->items[t].n_before; i++) value += p->items[t].before[i]->value;
        ck_assert_uint_eq(p->items[t].value, value);
        ck_assert_uint_eq(p->items[t].n_runs, n_runs);
    }
}

static hl_status run_open(hl_runtime *runtime, hl__task_graph *graph, bool *cancelled) {
    hl__run_open(graph);
    hl_status status = hl__runtime_run(runtime, graph);
    *cancelled = hl__run_close(graph);
    return status;
}

START_TEST(WhatWaitsForSuchATaskRunsBehindIt) {
    for (size_t p = 0; p < N_POLICIES; p++)
        for (size_t w = 0; w < N_KIT_WORKERS; w++)
            for (int how = 0; how < N_MANNERS; how++) {
                stage s;
                stage_open(&s, kit_workers[w], policies[p].policy, (manner)how);
                for (size_t round = 1; round <= KIT_ROUNDS(20); round++) {
                    ck_assert_int_eq(hl__runtime_run(s.runtime, &s.plan.graph), HL_OK);
                    plan_check(&s.plan, round);
                }
                ck_assert_uint_eq(s.device.n_started, KIT_ROUNDS(20) * (MOST / 3));
                ck_assert_uint_eq(s.device.n_aborted, 0);
                stage_close(&s);
            }
}
END_TEST

static void post_first(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    (void)index, (void)scratch;
    fake_device *device = (*(item *const *)argument)->device;
    while (!complete_waiting(device)) sched_yield();
}

/* The only worker starts a task, and completes it by another one of the same level. */
START_TEST(AWorkerGoesOnWhileATaskIsOutstanding) {
    static const hl_policy able[] = {HL_POLICY_DATAFLOW, HL_POLICY_LEVELS};
    for (size_t p = 0; p < 2; p++) {
        fake_system fake;
        hl_runtime *runtime = kit_runtime(&fake, "pu:1", &(hl_runtime_options){.workers = 1, .policy = able[p]});
        fake_device device;
        open_device(&device, NEVER);
        item items[2] = {{.device = &device}, {.device = &device}}, *arguments[] = {&items[0], &items[1]};
        hl__task tasks[] = {{.run = start, .argument = &arguments[0], .later = true},
                            {.run = post_first, .argument = &arguments[1]}};
        hl__task_graph graph = kit_graph(tasks, 2, NULL, 0);
        graph.device = &device.is;
        for (size_t round = 1; round <= KIT_ROUNDS(20); round++) {
            ck_assert_int_eq(hl__runtime_run(runtime, &graph), HL_OK);
            ck_assert_uint_eq(items[0].n_runs, round);
        }
        close_device(&device);
        hl_runtime_destroy(runtime);
        hl__task_graph_clear(&graph);
    }
}
END_TEST

static atomic_bool released;

static void release_all(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    (void)argument, (void)index, (void)scratch;
    atomic_store(&released, true);
}

static void post_and_wait(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    post_first(argument, index, scratch);
    while (!atomic_load(&released)) sched_yield();
}

/* The task that waits for the posted one can only be released by a worker that is not in a task: whoever polled before
 * has handed over. */
START_TEST(AnotherWorkerPollsWhileOneRunsATask) {
    for (size_t n = 2; n <= 4; n++) {
        fake_system fake;
        hl_runtime *runtime =
            kit_runtime(&fake, "pu:4", &(hl_runtime_options){.workers = n, .policy = HL_POLICY_DATAFLOW});
        fake_device device;
        open_device(&device, NEVER);
        item items[2] = {{.device = &device}, {.device = &device}}, *arguments[] = {&items[0], &items[1]};
        hl__task tasks[] = {{.run = start, .argument = &arguments[0], .later = true},
                            {.run = post_and_wait, .argument = &arguments[1]},
                            {.run = release_all}};
        hl__task_graph graph = kit_graph(tasks, 3, (kit_edge[]){{0, 2}}, 1);
        graph.device = &device.is;
        for (size_t round = 0; round < KIT_ROUNDS(50); round++) {
            atomic_store(&released, false);
            ck_assert_int_eq(hl__runtime_run(runtime, &graph), HL_OK);
        }
        close_device(&device);
        hl_runtime_destroy(runtime);
        hl__task_graph_clear(&graph);
    }
}
END_TEST

START_TEST(AFailureDrainsTheRunAndIsNamed) {
    for (size_t p = 0; p < N_POLICIES; p++)
        for (size_t w = 0; w < N_KIT_WORKERS; w++) {
            stage s;
            stage_open(&s, kit_workers[w], policies[p].policy, BY_THREAD);
            s.device.drains = true;
            bool cancelled;
            for (size_t round = 0; round < KIT_ROUNDS(10); round++) {
                s.device.status = HL_FORMAT;
                s.device.words = "the link is down";
                ck_assert_int_eq(run_open(s.runtime, &s.plan.graph, &cancelled), HL_FORMAT);
                ck_assert(cancelled);
                ck_assert_str_eq(hl_runtime_error(s.runtime), "'later' failed: the link is down");
                s.device.words = NULL;
                ck_assert_int_eq(run_open(s.runtime, &s.plan.graph, &cancelled), HL_FORMAT);
                ck_assert_str_eq(hl_runtime_error(s.runtime), "'later' failed");
                s.device.status = HL_OK; /* and it leaves nothing behind */
                for (size_t t = 0; t < MOST; t++) s.plan.items[t].n_runs = 0;
                ck_assert_int_eq(run_open(s.runtime, &s.plan.graph, &cancelled), HL_OK);
                ck_assert(!cancelled);
                plan_check(&s.plan, 1);
            }
            stage_close(&s);
        }
}
END_TEST

typedef struct canceller {
    hl__task_graph *graph;
    fake_device *device;
    hl_status status;
} canceller;

static void *cancel_once_started(void *argument) {
    canceller *c = argument;
    while (atomic_load(&c->device->n_started) == 0) sched_yield();
    c->status = hl__run_cancel(c->graph);
    return NULL;
}

START_TEST(WhatIsOutstandingIsAbortedWhenTheRunIsCancelled) {
    for (size_t p = 0; p < N_POLICIES; p++)
        for (size_t w = 0; w < N_KIT_WORKERS; w++) {
            stage s;
            stage_open(&s, kit_workers[w], policies[p].policy, NEVER);
            canceller c = {.graph = &s.plan.graph, .device = &s.device};
            pthread_t thread;
            hl__run_open(&s.plan.graph);
            ck_assert_int_eq(pthread_create(&thread, NULL, cancel_once_started, &c), 0);
            ck_assert_int_eq(hl__runtime_run(s.runtime, &s.plan.graph), HL_OK);
            pthread_join(thread, NULL);
            ck_assert_int_eq(c.status, HL_OK);
            ck_assert(hl__run_close(&s.plan.graph));
            ck_assert_uint_ge(s.device.n_started, 1);
            ck_assert_uint_eq(s.device.n_aborted, s.device.n_started);
            for (size_t t = 0; t < MOST; t++) /* whoever completes it now is too late */
                if (s.plan.items[t].ticket.runtime)
                    ck_assert_int_eq(hl__later_post(&s.plan.items[t].ticket, HL_OK, NULL), HL_TOO_LATE);
            s.device.manner = AT_ONCE;
            for (size_t t = 0; t < MOST; t++) s.plan.items[t].n_runs = 0;
            ck_assert_int_eq(hl__runtime_run(s.runtime, &s.plan.graph), HL_OK);
            plan_check(&s.plan, 1);
            stage_close(&s);
        }
}
END_TEST

START_TEST(WhatIsNeverCompletedFailsWhenPatienceEnds) {
    for (size_t p = 0; p < N_POLICIES; p++) {
        stage s;
        stage_open(&s, 2, policies[p].policy, NEVER);
        s.device.is.patience_ns = 20 * 1000 * 1000;
        bool cancelled;
        ck_assert_int_eq(run_open(s.runtime, &s.plan.graph, &cancelled), HL_SYSTEM);
        ck_assert(cancelled);
        ck_assert_str_eq(hl_runtime_error(s.runtime), "'later' failed: not done after 0.02 s");
        ck_assert_uint_eq(s.device.n_aborted, s.device.n_started);
        stage_close(&s);
    }
}
END_TEST

static void start_twice(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    (void)index;
    item *at = *(item *const *)argument;
    hl__ticket before = at->ticket;
    at->ticket = *(const hl__ticket *)scratch;
    if (at->n_runs++ > 0 && hl__later_post(&before, HL_SYSTEM, "of an earlier run") != HL_TOO_LATE) at->value++;
    if (hl__later_post(&at->ticket, HL_OK, NULL) != HL_OK) at->value++;
    if (hl__later_post(&at->ticket, HL_SYSTEM, "once more") != HL_TOO_LATE) at->value++;
}

START_TEST(WhatIsPostedTooLateIsDropped) {
    fake_system fake;
    hl_runtime *runtime = kit_runtime(&fake, "pu:2", &(hl_runtime_options){.workers = 2});
    fake_device device;
    open_device(&device, NEVER);
    item at = {.device = &device}, *argument = &at;
    hl__task_graph graph = kit_graph(&(hl__task){.run = start_twice, .argument = &argument, .later = true}, 1, NULL, 0);
    graph.device = &device.is;
    for (size_t round = 0; round < KIT_ROUNDS(50); round++) {
        ck_assert_int_eq(hl__runtime_run(runtime, &graph), HL_OK);
        ck_assert_int_eq(hl__later_post(&at.ticket, HL_OK, NULL), HL_TOO_LATE);
        ck_assert_uint_eq(at.value, 0);
    }
    close_device(&device);
    hl_runtime_destroy(runtime);
    hl__task_graph_clear(&graph);
}
END_TEST

int main(void) {
    return run_tests("later", TESTS(WhatWaitsForSuchATaskRunsBehindIt, AWorkerGoesOnWhileATaskIsOutstanding,
                                    AnotherWorkerPollsWhileOneRunsATask, AFailureDrainsTheRunAndIsNamed,
                                    WhatIsOutstandingIsAbortedWhenTheRunIsCancelled,
                                    WhatIsNeverCompletedFailsWhenPatienceEnds, WhatIsPostedTooLateIsDropped));
}
