/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A run that is cancelled leaves no task half done, none that writes state, and the graph as it was: the next run is
 * whole. A run that has begun to write state cannot be cancelled any more. So by any policy, and for any workers. */
#include "runtime/cancel.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "tests/runtime/dag.h"
#include "tests/runtime/kit.h"
#include "tests/support/policies.h"
#include "tests/support/suite.h"

/* ---- random graphs, cancelled by one of their tasks ---- */

struct scene;

typedef struct watched {
    struct scene *scene;
    hl__task_function run; /* the dag's */
    const void *argument;
    bool writes_state;
} watched;

typedef struct scene {
    dag *d;
    watched *watched;
    size_t n_watched; /* all but joins */
    size_t cancel_at; /* cancelled by the task that begins as this one, from 1 on; 0: by none */
    uint32_t canceller;
    hl_status answer;
    _Atomic size_t n_begun, n_writers;
} scene;

static void run_watched(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    const watched *w = argument;
    scene *s = w->scene;
    /* relaxed: counting must not itself order the tasks. */
    size_t number = atomic_fetch_add_explicit(&s->n_begun, 1, memory_order_relaxed) + 1;
    if (w->writes_state) atomic_fetch_add_explicit(&s->n_writers, 1, memory_order_relaxed);
    if (number == s->cancel_at) {
        s->canceller = index[0];
        s->answer = hl__run_cancel(&s->d->graph);
    }
    w->run(w->argument, index, scratch);
}

typedef struct shape {
    dag_options dag;
    unsigned writer_one_in; /* of tasks that wait for others; 0: none writes state */
} shape;

static const shape shapes[] = {
    {.dag = {.n_tasks = 1}},
    {.dag = {.n_tasks = 60, .n_edges = 300, .reach = 1}, .writer_one_in = 8}, /* a chain, but for few gaps */
    {.dag = {.n_tasks = 80, .n_edges = 2500}, .writer_one_in = 5},
    {.dag = {.n_tasks = 300, .n_edges = 500, .reach = 40, .background_one_in = 3}, .writer_one_in = 30},
    {.dag = {.n_tasks = 200, .n_edges = 900, .reach = 50, .join_one_in = 3}, .writer_one_in = 1},
    {.dag = {.n_tasks = 150, .n_edges = 300, .join_one_in = 4, .background_one_in = 4, .n_homes = 3}},
};
#define N_SHAPES (sizeof shapes / sizeof *shapes)

static scene open_scene(const shape *of, uint64_t seed) {
    dag_options options = of->dag;
    options.seed = seed;
    scene s = {.d = dag_create(&options)};
    s.watched = calloc(options.n_tasks, sizeof *s.watched);
    for (size_t t = 0; t < options.n_tasks; t++) {
        hl__task *task = &s.d->graph.tasks[t];
        if (!task->run) continue;
        task->writes_state = of->writer_one_in && task->n_predecessors && dag_draw(&seed) % of->writer_one_in == 0;
        s.watched[t] = (watched){.run = task->run, .argument = task->argument, .writes_state = task->writes_state};
        task->run = run_watched;
        task->argument = &s.watched[t];
        s.n_watched++;
    }
    return s;
}

static void close_scene(scene *s) {
    dag_destroy(s->d);
    free(s->watched);
}

/* Runs once; whether it was cancelled. */
static bool run_scene(scene *s, hl_runtime *runtime, size_t cancel_at) {
    for (size_t t = 0; t < s->d->graph.n_tasks; t++) {
        s->watched[t].scene = s;
        s->d->task[t].n_runs = 0;
    }
    atomic_store(&s->n_begun, 0);
    atomic_store(&s->n_writers, 0);
    s->cancel_at = cancel_at;
    hl__run_open(&s->d->graph);
    ck_assert_int_eq(hl__runtime_run(runtime, &s->d->graph), HL_OK);
    return hl__run_close(&s->d->graph);
}

static void check_counters(const hl__task_graph *graph) {
    for (size_t t = 0; t < graph->n_tasks; t++)
        ck_assert_uint_eq(atomic_load(&graph->tasks[t].pending), graph->tasks[t].n_predecessors);
}

/* Nothing has run twice, no state was written, and nothing that waits for the canceller has run. */
static void check_cancelled(const scene *s, bool one_at_a_time) {
    const dag *d = s->d;
    bool *waits = calloc(d->graph.n_tasks, sizeof *waits);
    size_t n_runs = 0;
    for (size_t t = 0; t < d->graph.n_tasks; t++) {
        const dag_task *task = &d->task[t];
        for (size_t i = 0; i < task->n_before; i++)
            waits[t] |= waits[task->before[i]] || task->before[i] == s->canceller;
        ck_assert_uint_le(task->n_runs, waits[t] ? 0 : 1);
        n_runs += task->n_runs;
    }
    free(waits);
    ck_assert_uint_eq(atomic_load(&s->n_writers), 0);
    ck_assert_uint_eq(n_runs, atomic_load(&s->n_begun));
    ck_assert_uint_ge(n_runs, s->cancel_at);
    if (one_at_a_time) ck_assert_uint_eq(n_runs, s->cancel_at);
}

START_TEST(ARunIsCancelledBeforeItWritesStateOrCompleted) {
    for (size_t p = 0; p < N_POLICIES; p++) {
        size_t n_cancelled = 0, n_completed = 0;
        for (size_t w = 0; w < N_KIT_WORKERS; w++) {
            fake_system fake;
            hl_runtime *runtime =
                kit_runtime(&fake, "node:2 core:2 pu:1",
                            &(hl_runtime_options){.workers = kit_workers[w], .policy = policies[p].policy});
            bool one_at_a_time = kit_workers[w] == 1 || policies[p].policy == HL_POLICY_SERIAL;
            for (size_t i = 0; i < N_SHAPES; i++) {
                scene s = open_scene(&shapes[i], 100 * w + i);
                uint64_t seed = w;
                size_t moments[] = {1, 1 + dag_draw(&seed) % s.n_watched, 1 + dag_draw(&seed) % s.n_watched,
                                    1 + dag_draw(&seed) % s.n_watched, s.n_watched};
                for (size_t m = 0; m < sizeof moments / sizeof *moments; m++) {
                    bool cancelled = run_scene(&s, runtime, moments[m]);
                    ck_assert_int_eq(s.answer, cancelled ? HL_OK : HL_TOO_LATE);
                    check_counters(&s.d->graph);
                    if (cancelled) check_cancelled(&s, one_at_a_time);
                    else dag_check(s.d, 1);
                    n_cancelled += cancelled;
                    n_completed += !cancelled;
                    ck_assert(!run_scene(&s, runtime, 0)); /* the next run is whole */
                    dag_check(s.d, 1);
                    check_counters(&s.d->graph);
                }
                close_scene(&s);
            }
            hl_runtime_destroy(runtime);
        }
        /* A worker alone is at its first task before any that writes, and the last to begin comes behind all others. */
        ck_assert_uint_gt(n_cancelled, 0);
        ck_assert_uint_gt(n_completed, 0);
    }
}
END_TEST

/* ---- a chain that stops at one of its tasks, cancelled from outside ---- */

#define N_CHAIN 10
#define FIRST_WRITER 5 /* and all behind it */

typedef struct chain {
    hl__task_graph graph;
    hl_runtime *runtime;
    pthread_t thread;
    uint32_t stop_at; /* N_CHAIN: nowhere */
    sem_t stopped, go_on;
    size_t n_runs[N_CHAIN];
    hl_status status;
    bool cancelled;
} chain;

static void run_link(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    (void)scratch;
    chain *c = *(chain *const *)argument;
    c->n_runs[index[0]]++;
    if (index[0] != c->stop_at) return;
    sem_post(&c->stopped);
    sem_wait(&c->go_on);
}

static void open_chain(chain *c, chain *const *argument, hl_runtime *runtime) {
    *c = (chain){.runtime = runtime, .stop_at = N_CHAIN};
    sem_init(&c->stopped, 0, 0);
    sem_init(&c->go_on, 0, 0);
    hl__task tasks[N_CHAIN];
    kit_edge edges[N_CHAIN - 1];
    for (uint32_t t = 0; t < N_CHAIN; t++) {
        tasks[t] = (hl__task){.run = run_link,
                              .argument = argument,
                              .index = {t},
                              .home = HL__NO_NODE,
                              .writes_state = t >= FIRST_WRITER};
        if (t > 0) edges[t - 1] = (kit_edge){t - 1, t};
    }
    c->graph = kit_graph(tasks, N_CHAIN, edges, N_CHAIN - 1);
}

static void close_chain(chain *c) {
    sem_destroy(&c->stopped);
    sem_destroy(&c->go_on);
    hl__task_graph_clear(&c->graph);
}

static void *run_chain(void *argument) {
    chain *c = argument;
    hl__run_open(&c->graph);
    c->status = hl__runtime_run(c->runtime, &c->graph);
    c->cancelled = hl__run_close(&c->graph);
    return NULL;
}

static void start_chain(chain *c, uint32_t stop_at) {
    memset(c->n_runs, 0, sizeof c->n_runs);
    c->stop_at = stop_at;
    ck_assert_int_eq(pthread_create(&c->thread, NULL, run_chain, c), 0);
}

/* The first n tasks have run, once each. */
static void end_chain(chain *c, bool cancelled, size_t n) {
    pthread_join(c->thread, NULL);
    ck_assert_int_eq(c->status, HL_OK);
    ck_assert_int_eq(c->cancelled, cancelled);
    for (size_t t = 0; t < N_CHAIN; t++) ck_assert_uint_eq(c->n_runs[t], t < n);
    check_counters(&c->graph);
}

static hl_runtime *chain_runtime(fake_system *fake, size_t p, size_t trace_events) {
    return kit_runtime(
        fake, "pu:2",
        &(hl_runtime_options){.workers = 1 + p % 3, .policy = policies[p].policy, .trace_events = trace_events});
}

START_TEST(TheFirstTaskThatWritesStateDecides) {
    for (size_t p = 0; p < N_POLICIES; p++) {
        fake_system fake;
        chain c, *argument = &c;
        open_chain(&c, &argument, chain_runtime(&fake, p, 0));
        for (uint32_t at = 0; at < N_CHAIN; at++) {
            bool late = at >= FIRST_WRITER;
            ck_assert_int_eq(hl__run_cancel(&c.graph), HL_NOT_RUNNING); /* and is not remembered */
            start_chain(&c, at);
            sem_wait(&c.stopped);
            for (int again = 0; again < 3; again++)
                ck_assert_int_eq(hl__run_cancel(&c.graph), late ? HL_TOO_LATE : HL_OK);
            sem_post(&c.go_on);
            end_chain(&c, !late, late ? N_CHAIN : at + 1);
            ck_assert_int_eq(hl__run_cancel(&c.graph), HL_NOT_RUNNING);
            start_chain(&c, N_CHAIN);
            end_chain(&c, false, N_CHAIN);
        }
        hl_runtime_destroy(c.runtime);
        close_chain(&c);
    }
}
END_TEST

START_TEST(ARunCancelledBeforeItsTurnDoesNotBegin) {
    for (size_t p = 0; p < N_POLICIES; p++) {
        fake_system fake;
        chain first, second, *arguments[] = {&first, &second};
        open_chain(&first, &arguments[0], chain_runtime(&fake, p, 0));
        open_chain(&second, &arguments[1], first.runtime);
        second.graph.scratch_bytes = 1 << 20;
        for (uint32_t at = 0; at < N_CHAIN; at++) {
            start_chain(&first, at);
            sem_wait(&first.stopped);
            start_chain(&second, N_CHAIN);
            hl_status status; /* from the moment at which it is open */
            while ((status = hl__run_cancel(&second.graph)) == HL_NOT_RUNNING) sched_yield();
            ck_assert_int_eq(status, HL_OK);
            sem_post(&first.go_on);
            end_chain(&first, false, N_CHAIN); /* nobody meant this one */
            end_chain(&second, true, 0);
            ck_assert_uint_lt(first.runtime->workers[0].scratch_bytes, 1 << 20); /* nor was anything reserved */
        }
        start_chain(&second, N_CHAIN);
        end_chain(&second, false, N_CHAIN);
        hl_runtime_destroy(first.runtime);
        close_chain(&first);
        close_chain(&second);
    }
}
END_TEST

/* Before its end a run that writes no state can be cancelled all the time. */
START_TEST(ACancelBehindTheLastTaskIsTold) {
    for (size_t p = 0; p < N_POLICIES; p++) {
        fake_system fake;
        chain c, *argument = &c;
        open_chain(&c, &argument, chain_runtime(&fake, p, 0));
        for (size_t t = 0; t < N_CHAIN; t++) c.graph.tasks[t].writes_state = false;
        hl__run_open(&c.graph);
        ck_assert_int_eq(hl__runtime_run(c.runtime, &c.graph), HL_OK);
        ck_assert(!hl__run_cancelled(&c.graph));
        ck_assert_int_eq(hl__run_cancel(&c.graph), HL_OK);
        ck_assert(hl__run_cancelled(&c.graph));
        ck_assert(hl__run_close(&c.graph));
        ck_assert(!hl__run_close(&c.graph));
        for (size_t t = 0; t < N_CHAIN; t++) ck_assert_uint_eq(c.n_runs[t], 1);
        hl_runtime_destroy(c.runtime);
        close_chain(&c);
    }
}
END_TEST

START_TEST(AGraphThatWasNotOpenedRunsAsAWhole) {
    for (size_t p = 0; p < N_POLICIES; p++) {
        fake_system fake;
        chain c, *argument = &c;
        open_chain(&c, &argument, chain_runtime(&fake, p, 0));
        ck_assert_int_eq(hl__run_cancel(&c.graph), HL_NOT_RUNNING);
        ck_assert_int_eq(hl__runtime_run(c.runtime, &c.graph), HL_OK);
        for (size_t t = 0; t < N_CHAIN; t++) ck_assert_uint_eq(c.n_runs[t], 1);
        ck_assert_int_eq(hl__run_cancel(&c.graph), HL_NOT_RUNNING);
        hl_runtime_destroy(c.runtime);
        close_chain(&c);
    }
}
END_TEST

START_TEST(WhatIsPassedOverIsNotInTheTrace) {
    for (size_t p = 0; p < N_POLICIES; p++) {
        fake_system fake;
        chain c, *argument = &c;
        open_chain(&c, &argument, chain_runtime(&fake, p, 100));
        start_chain(&c, 3);
        sem_wait(&c.stopped);
        ck_assert_int_eq(hl__run_cancel(&c.graph), HL_OK);
        sem_post(&c.go_on);
        end_chain(&c, true, 4);
        size_t n_events = 0;
        for (size_t w = 0; w < c.runtime->n_workers; w++) n_events += c.runtime->workers[w].events.n_events;
        ck_assert_uint_eq(n_events, 4);
        hl_runtime_destroy(c.runtime);
        close_chain(&c);
    }
}
END_TEST

/* ---- the word itself ---- */

#define N_THREADS 4 /* half of them cancel, half of them write state */
#define N_ROUNDS 2000

typedef struct contest {
    hl__task_graph graph;
    pthread_barrier_t barrier;
    bool cancelled[N_ROUNDS][N_THREADS]; /* as each has seen it */
    atomic_bool wrong;
} contest;

typedef struct contestant {
    contest *of;
    size_t number;
} contestant;

static void *contend(void *argument) {
    const contestant *me = argument;
    contest *c = me->of;
    static const hl__task writer = {.writes_state = true}, reader = {.writes_state = false};
    for (size_t round = 0; round < N_ROUNDS; round++) {
        if (me->number == 0) hl__run_open(&c->graph);
        pthread_barrier_wait(&c->barrier);
        bool *cancelled = &c->cancelled[round][me->number];
        if (me->number % 2) *cancelled = hl__run_cancel(&c->graph) == HL_OK;
        else *cancelled = !hl__run_admits(&c->graph, &writer);
        if (hl__run_admits(&c->graph, &reader) == *cancelled) atomic_store(&c->wrong, true);
        pthread_barrier_wait(&c->barrier);
        if (me->number == 0 && hl__run_close(&c->graph) != *cancelled) atomic_store(&c->wrong, true);
    }
    return NULL;
}

START_TEST(AllSeeTheSameDecision) {
    static contest c;
    contestant contestants[N_THREADS];
    pthread_t thread[N_THREADS];
    pthread_barrier_init(&c.barrier, NULL, N_THREADS);
    for (size_t i = 0; i < N_THREADS; i++) {
        contestants[i] = (contestant){&c, i};
        ck_assert_int_eq(pthread_create(&thread[i], NULL, contend, &contestants[i]), 0);
    }
    for (size_t i = 0; i < N_THREADS; i++) pthread_join(thread[i], NULL);
    for (size_t round = 0; round < N_ROUNDS; round++)
        for (size_t i = 1; i < N_THREADS; i++) ck_assert_int_eq(c.cancelled[round][i], c.cancelled[round][0]);
    ck_assert(!atomic_load(&c.wrong));
    pthread_barrier_destroy(&c.barrier);
}
END_TEST

int main(void) {
    return run_tests("cancel",
                     TESTS(ARunIsCancelledBeforeItWritesStateOrCompleted, TheFirstTaskThatWritesStateDecides,
                           ARunCancelledBeforeItsTurnDoesNotBegin, ACancelBehindTheLastTaskIsTold,
                           AGraphThatWasNotOpenedRunsAsAWhole, WhatIsPassedOverIsNotInTheTrace, AllSeeTheSameDecision));
}
