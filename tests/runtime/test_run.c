/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Runs as their callers see them: from any thread, from parallel regions, in forked children; with scratch of the
 * worker's node, and without allocation. What becomes of their traces is in test_run_trace.c. */
#include "runtime/run.h"

#include <omp.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/memory.h"
#include "runtime/team.h"
#include "tests/runtime/dag.h"
#include "tests/runtime/kit.h"
#include "tests/support/policies.h"
#include "tests/support/suite.h"

static _Atomic size_t n_taken; /* blocks from the heap or from the system */
static _Atomic size_t taken_left = SIZE_MAX;

void *__real_hl__allocate(size_t count, size_t size);
void *__wrap_hl__allocate(size_t count, size_t size);
void *__real_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset);
void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset);

static bool take(void) {
    atomic_fetch_add(&n_taken, 1);
    if (atomic_load(&taken_left) == 0) return false;
    atomic_fetch_sub(&taken_left, 1);
    return true;
}

void *__wrap_hl__allocate(size_t count, size_t size) { return take() ? __real_hl__allocate(count, size) : NULL; }

void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset) {
    return take() ? __real_mmap(address, bytes, protection, flags, file, offset) : MAP_FAILED;
}

#ifdef HEADLOOM_HOST_PTHREAD /* the sanitizers that look there know no OpenMP: no parallel region at all */
#define LEVEL_OF_WORKERS 0
#else
#define LEVEL_OF_WORKERS 1
#endif

static hl_runtime *small_runtime(fake_system *fake, size_t workers, size_t policy, size_t trace_events) {
    return kit_runtime(
        fake, "node:2 core:2 pu:1",
        &(hl_runtime_options){.workers = workers, .policy = policies[policy].policy, .trace_events = trace_events});
}

/* ---- scratch ---- */

typedef struct scratch_scene {
    size_t bytes;
    void *_Atomic scratch[8]; /* of each worker that has run a task */
    atomic_bool wrong;
} scratch_scene;

static void use_scratch(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    scratch_scene *s = *(scratch_scene *const *)argument;
    unsigned char *at = scratch, mark = (unsigned char)(index[0] + 1);
    if ((uintptr_t)at % 64 != 0) atomic_store(&s->wrong, true);
    void *before = atomic_exchange(&s->scratch[hl__team_number()], scratch);
    if (before && before != scratch) atomic_store(&s->wrong, true); /* another block than the last task of this run */
    memset(at, mark, s->bytes);
    for (size_t b = 0; b < s->bytes; b++)
        if (at[b] != mark) atomic_store(&s->wrong, true); /* somebody else writes here */
}

START_TEST(EachWorkerHasScratchOfItsNode) {
    static const size_t sizes[] = {1, 1000, 64, 100001, 3 << 20};
    for (size_t policy = 0; policy < N_POLICIES; policy++) {
        fake_system fake;
        hl_runtime *runtime = small_runtime(&fake, 4, policy, 0);
        scratch_scene s = {.bytes = 0}, *argument = &s;
        hl__task tasks[40];
        for (uint32_t t = 0; t < 40; t++)
            tasks[t] = (hl__task){.run = use_scratch, .argument = &argument, .index = {t}};
        hl__task_graph graph = kit_graph(tasks, 40, NULL, 0);
        size_t largest = 0;
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            s.bytes = graph.scratch_bytes = sizes[i];
            for (size_t w = 0; w < 8; w++) atomic_store(&s.scratch[w], NULL);
            fake.n_memory = 0;
            ck_assert_int_eq(hl__runtime_run(runtime, &graph), HL_OK);
            ck_assert(!atomic_load(&s.wrong));
            size_t n_larger = 0;
            for (size_t call = 0; call < fake.n_memory; call++) n_larger += fake.memory[call].bytes >= sizes[i];
            if (sizes[i] <= largest) ck_assert_uint_eq(fake.n_memory, 0); /* what is there is enough */
            else ck_assert_uint_ge(n_larger, 4);
            for (size_t w = 0; w < 4; w++) {
                const hl__worker *worker = &runtime->workers[w];
                void *seen = atomic_load(&s.scratch[w]);
                ck_assert(!seen || seen == worker->scratch);
                for (size_t call = 0; call < fake.n_memory; call++)
                    if (fake.memory[call].memory == worker->scratch)
                        ck_assert_str_eq(fake.memory[call].set, worker->node == 0 ? "0" : "1");
                for (size_t other = 0; other < w; other++)
                    ck_assert_ptr_ne(worker->scratch, runtime->workers[other].scratch);
            }
            if (sizes[i] > largest) largest = sizes[i];
        }
        hl__task_graph_clear(&graph);
        hl_runtime_destroy(runtime);
    }
}
END_TEST

/* ---- memory ---- */

START_TEST(RunsAllocateNothingAfterReserve) {
    static const char *const names[] = {"a", "b"};
    for (size_t policy = 0; policy < N_POLICIES; policy++) {
        for (size_t trace_events = 0; trace_events < 200; trace_events += 100) {
            fake_system fake;
            hl_runtime *runtime = small_runtime(&fake, 3, policy, trace_events);
            dag *d = dag_create(&(dag_options){.n_tasks = 300, .n_edges = 500, .background_one_in = 4});
            d->graph.scratch_bytes = 5000;
            d->graph.names = names;
            d->graph.n_names = 2;
            ck_assert_int_eq(hl__runtime_reserve(runtime, &d->graph), HL_OK);
            size_t before = atomic_load(&n_taken);
            for (size_t replay = 1; replay <= 10; replay++) {
                ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
                ck_assert_int_eq(hl__runtime_reserve(runtime, &d->graph), HL_OK);
            }
            ck_assert_uint_eq(atomic_load(&n_taken), before);
            dag_check(d, 10);
            dag_destroy(d);
            hl_runtime_destroy(runtime);
        }
    }
}
END_TEST

START_TEST(WithoutMemoryNothingRuns) {
    static const char *const names[] = {"a", "b", "c"};
    for (size_t policy = 0; policy < N_POLICIES; policy++) {
        for (size_t n = 0, made = 0; !made; n++) {
            ck_assert_uint_lt(n, 100);
            fake_system fake;
            hl_runtime *runtime = small_runtime(&fake, 3, policy, 10);
            dag *d = dag_create(&(dag_options){.n_tasks = 50, .n_edges = 50});
            d->graph.scratch_bytes = n % 2 ? 100 : 5 << 20;
            d->graph.names = names;
            d->graph.n_names = 3;
            atomic_store(&taken_left, n);
            hl_status status = n % 3 ? hl__runtime_run(runtime, &d->graph) : hl__runtime_reserve(runtime, &d->graph);
            atomic_store(&taken_left, SIZE_MAX);
            made = status == HL_OK;
            if (!made) {
                ck_assert_int_eq(status, HL_OUT_OF_MEMORY);
                ck_assert_str_ne(hl_runtime_error(runtime), "");
                for (size_t t = 0; t < 50; t++) ck_assert_uint_eq(d->task[t].n_runs, 0);
            }
            ck_assert_uint_eq(n < 4 && made, 0); /* three blocks of scratch and the names at least */
            size_t n_before = made && n % 3;
            ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK); /* as if nothing had been */
            dag_check(d, n_before + 1);
            dag_destroy(d);
            hl_runtime_destroy(runtime);
        }
    }
}
END_TEST

/* ---- callers ---- */

typedef struct gate { /* what runs of one runtime share */
    _Atomic uint32_t open_for;
    atomic_bool wrong;
    pthread_t callers[4];
    size_t n_workers, n_callers;
} gate;

enum { OPEN, PASS, CLOSE };

/* index: which run, what to do. Between the first and the last task of a run none of another may come. */
static void pass_gate(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    (void)scratch;
    gate *g = *(gate *const *)argument;
    if (atomic_load(&g->open_for) != (index[1] == OPEN ? 0 : index[0])) atomic_store(&g->wrong, true);
    if (index[1] != PASS) atomic_store(&g->open_for, index[1] == OPEN ? index[0] : 0);
    /* One team, entered once, of all workers; no caller is drawn into it. */
    if (hl__team_size() != g->n_workers || omp_get_level() != LEVEL_OF_WORKERS) atomic_store(&g->wrong, true);
    for (size_t c = 0; c < g->n_callers; c++)
        if (pthread_equal(g->callers[c], pthread_self())) atomic_store(&g->wrong, true);
}

static hl__task_graph gate_graph(gate *const *g, uint32_t which) {
    hl__task tasks[22];
    kit_edge edges[40];
    for (uint32_t t = 0; t < 22; t++) {
        tasks[t] = (hl__task){.run = pass_gate,
                              .argument = g,
                              .index = {which, t == 0    ? OPEN
                                               : t == 21 ? CLOSE
                                                         : PASS},
                              .home = t % 3};
        if (t == 0 || t == 21) continue;
        edges[2 * t - 2] = (kit_edge){0, t};
        edges[2 * t - 1] = (kit_edge){t, 21};
    }
    return kit_graph(tasks, 22, edges, 40);
}

typedef struct caller {
    hl_runtime *runtime;
    hl__task_graph graph;
    dag *d;
    hl_status status;
} caller;

#define N_RUNS KIT_ROUNDS(40)

static void call(caller *c) {
    for (size_t i = 0; i < N_RUNS && c->status == HL_OK; i++) {
        c->status = hl__runtime_run(c->runtime, &c->graph);
        if (c->status == HL_OK) c->status = hl__runtime_run(c->runtime, &c->d->graph);
    }
}

static void *call_in_thread(void *argument) {
    call(argument);
    return NULL;
}

static void prepare(caller callers[4], hl_runtime *runtime, gate *const *g) {
    for (uint32_t i = 0; i < 4; i++)
        callers[i] = (caller){.runtime = runtime,
                              .graph = gate_graph(g, i + 1),
                              .d = dag_create(&(dag_options){.n_tasks = 20 + 30 * i, .n_edges = 60, .seed = i})};
}

static void finish(caller callers[4], const gate *g) {
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(callers[i].status, HL_OK);
        dag_check(callers[i].d, N_RUNS);
        dag_destroy(callers[i].d);
        hl__task_graph_clear(&callers[i].graph);
    }
    ck_assert(!atomic_load(&g->wrong));
}

START_TEST(RunsOfSeveralThreadsQueueUp) {
    for (size_t policy = 0; policy < N_POLICIES; policy++) {
        fake_system fake;
        gate g = {.n_workers = 3}, *argument = &g;
        hl_runtime *runtime = small_runtime(&fake, 3, policy, 0);
        caller callers[4];
        prepare(callers, runtime, &argument);
        pthread_t thread[4];
        for (size_t i = 0; i < 4; i++)
            ck_assert_int_eq(pthread_create(&thread[i], NULL, call_in_thread, &callers[i]), 0);
        for (size_t i = 0; i < 4; i++) pthread_join(thread[i], NULL);
        finish(callers, &g);
        hl_runtime_destroy(runtime);
    }
}
END_TEST

START_TEST(ACallersParallelRegionNeitherNestsNorDeadlocks) {
    if (LEVEL_OF_WORKERS == 0) return;
    for (size_t policy = 0; policy < N_POLICIES; policy++) {
        fake_system fake;
        gate g = {.n_workers = 3, .n_callers = 4}, *argument = &g;
        hl_runtime *runtime = small_runtime(&fake, 3, policy, 0);
        caller callers[4];
        prepare(callers, runtime, &argument);
        int n_threads = 0;
#pragma omp parallel num_threads(4)
        {
            int number = omp_get_thread_num();
            g.callers[number] = pthread_self();
#pragma omp single
            n_threads = omp_get_num_threads();
            call(&callers[number]);
        }
        ck_assert_int_eq(n_threads, 4);
        finish(callers, &g);
        hl_runtime_destroy(runtime);
    }
}
END_TEST

START_TEST(RuntimesComeAndGoInsideOfAParallelRegion) {
    if (LEVEL_OF_WORKERS == 0) return;
    hl_status status[N_POLICIES];
    size_t n_workers[N_POLICIES] = {0};
    dag *d[N_POLICIES];
    for (size_t i = 0; i < N_POLICIES; i++) status[i] = HL_SYSTEM;
    for (size_t i = 0; i < N_POLICIES; i++) d[i] = dag_create(&(dag_options){.n_tasks = 50, .n_edges = 70, .seed = i});
#pragma omp parallel num_threads(N_POLICIES)
    {
        int i = omp_get_thread_num();
        hl_runtime *runtime = NULL;
        status[i] = hl_runtime_create(&(hl_runtime_options){.workers = 3, .policy = policies[i].policy}, &runtime);
        if (status[i] == HL_OK) status[i] = hl__runtime_run(runtime, &d[i]->graph);
        n_workers[i] = hl_runtime_workers(runtime);
        hl_runtime_destroy(runtime);
    }
    for (size_t i = 0; i < N_POLICIES; i++) {
        ck_assert_int_eq(status[i], HL_OK);
        ck_assert_uint_eq(n_workers[i], 3); /* a team of its own, not a nested one of a single thread */
        dag_check(d[i], 1);
        dag_destroy(d[i]);
    }
}
END_TEST

/* In the child: only calls, and a code of what went wrong. */
static int call_in_child(hl_runtime *runtime, dag *d) {
    if (hl__runtime_check(runtime) != HL_FORKED) return 1;
    if (hl__runtime_run(runtime, &d->graph) != HL_FORKED) return 2;
    if (hl__runtime_reserve(runtime, &d->graph) != HL_FORKED) return 3;
    if (hl_runtime_trace_write(runtime, "/dev/null") != HL_FORKED) return 4;
    if (hl_runtime_trace_clear(runtime) != HL_FORKED) return 5;
    if (!strstr(hl_runtime_error(runtime), "parent")) return 6;
    if (hl_runtime_workers(runtime) != 3) return 7;
    hl_runtime_destroy(runtime);
    if (hl__runtime_check(runtime) != HL_FORKED) return 8; /* the memory is kept */
    return 0;
}

START_TEST(ForkedChildrenAreRefused) {
    for (size_t policy = 0; policy < N_POLICIES; policy++) {
        fake_system fake;
        hl_runtime *runtime = small_runtime(&fake, 3, policy, policy == 1 ? 100 : 0);
        dag *d = dag_create(&(dag_options){.n_tasks = 50, .n_edges = 100});
        for (size_t round = 1; round <= 3; round++) {
            ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
            pid_t child = fork();
            if (child == 0) _exit(call_in_child(runtime, d));
            ck_assert_int_gt(child, 0);
            int outcome;
            ck_assert_int_eq(waitpid(child, &outcome, 0), child);
            ck_assert(WIFEXITED(outcome));
            ck_assert_int_eq(WEXITSTATUS(outcome), 0);
            ck_assert_int_eq(hl__runtime_check(runtime), HL_OK); /* and the parent goes on */
        }
        dag_check(d, 3);
        dag_destroy(d);
        hl_runtime_destroy(runtime);
    }
}
END_TEST

int main(void) {
    return run_tests("run",
                     TESTS(EachWorkerHasScratchOfItsNode, RunsAllocateNothingAfterReserve, WithoutMemoryNothingRuns,
                           RunsOfSeveralThreadsQueueUp, ACallersParallelRegionNeitherNestsNorDeadlocks,
                           RuntimesComeAndGoInsideOfAParallelRegion, ForkedChildrenAreRefused));
}
