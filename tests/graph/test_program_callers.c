/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Programs that several threads use at once: from inside the caller's own parallel region, on one runtime, on one
 * state; and in a forked child. Each training gives the bits that it gives alone, and trainings that share a state
 * those of one of their serial orders. */
#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "graph/state.h"
#include "tests/graph/training.h"
#include "tests/support/policies.h"
#include "tests/support/suite.h"

enum { CALLERS = 4, STEPS = TRAINING_SANITIZED ? 4 : 10 };

/* Other lengths, so that tasks, scratch and arenas differ. */
static two_block_sizes sizes_of(size_t which) {
    return (two_block_sizes){.batch = 2,
                             .tokens = 7 + 5 * which,
                             .width = 8,
                             .heads = 2,
                             .hidden = 12,
                             .classes = 5,
                             .words = 7,
                             .dropout = 0.1f};
}

/* ---- several trainings on one runtime, each of a state of its own ---- */

typedef struct caller {
    training t;
    hl_runtime *runtime;
    float losses[STEPS];
    snapshot state;
} caller;

/* Everything that a program takes part in, from its creation to its end. */
static void call(caller *c) {
    hl_state *state = kit_state();
    hl_program *program = training_program(&c->t, c->runtime, state, (hl_tensor *[]){c->t.model.loss, c->t.adamw}, 2);
    for (size_t i = 0; i < STEPS; i++) c->losses[i] = training_step(&c->t, program);
    c->state = snapshot_of(state);
    hl_program_destroy(program);
    hl_state_destroy(state);
}

static void *call_in_thread(void *argument) {
    call(argument);
    return NULL;
}

static void open_callers(caller callers[CALLERS], const hl_runtime_options *options) {
    hl_runtime *runtime = kit_runtime_of(options);
    for (size_t i = 0; i < CALLERS; i++) {
        two_block_sizes sizes = sizes_of(i);
        callers[i] = (caller){.t = training_open(&sizes, i + 1), .runtime = runtime};
    }
}

/* Compares with what each gives alone, once the others have gone. */
static void close_callers(caller callers[CALLERS]) {
    hl_runtime *shared = callers[0].runtime, *serial = kit_runtime_of(&(hl_runtime_options){.workers = 1});
    for (size_t i = 0; i < CALLERS; i++) {
        caller alone = {.t = callers[i].t, .runtime = serial};
        call(&alone);
        ck_assert_mem_eq(callers[i].losses, alone.losses, sizeof alone.losses);
        ck_assert(snapshot_equal(&callers[i].state, &alone.state));
        free(callers[i].state.bytes);
        free(alone.state.bytes);
        training_close(&callers[i].t);
    }
    hl_runtime_destroy(serial);
    hl_runtime_destroy(shared);
}

START_TEST(ThreadsThatShareARuntimeGetTheBitsOfOneAlone) {
    for (size_t p = 0; p < N_POLICIES; p++) {
        caller callers[CALLERS];
        pthread_t threads[CALLERS];
        open_callers(callers, &(hl_runtime_options){.workers = 3, .policy = policies[p].policy});
        for (size_t i = 0; i < CALLERS; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, call_in_thread, &callers[i]), 0);
        for (size_t i = 0; i < CALLERS; i++) pthread_join(threads[i], NULL);
        close_callers(callers);
    }
}
END_TEST

START_TEST(TheCallersOwnParallelRegionNeitherNestsNorDeadlocks) {
    for (size_t p = 0; p < N_POLICIES; p++) {
        caller callers[CALLERS];
        int n_threads = 0;
        open_callers(callers, &(hl_runtime_options){.workers = 3, .policy = policies[p].policy});
#pragma omp parallel num_threads(CALLERS)
        {
#pragma omp single
            n_threads = omp_get_num_threads();
            call(&callers[omp_get_thread_num()]);
#pragma omp barrier
        }
        ck_assert_int_eq(n_threads, CALLERS);
        close_callers(callers);
    }
}
END_TEST

/* Tasks of the caller, which threads that wait for others take up: calls stand inside of them, too. */
START_TEST(TheCallersOwnTasksMayCall) {
    for (size_t p = 0; p < N_POLICIES; p++) {
        caller callers[CALLERS];
        open_callers(callers, &(hl_runtime_options){.workers = 2, .policy = policies[p].policy});
#pragma omp parallel num_threads(2)
#pragma omp single
        for (size_t i = 0; i < CALLERS; i++) {
#pragma omp task firstprivate(i) shared(callers)
            call(&callers[i]);
        }
        close_callers(callers);
    }
}
END_TEST

/* A program is one thread's at a time: the others are told that it is busy, and no step is lost or made twice. */
START_TEST(OneProgramForAParallelRegionIsBusyOrRuns) {
    two_block_sizes sizes = sizes_of(0);
    training t = training_open(&sizes, 1);
    hl_runtime *runtime = kit_runtime(2);
    hl_state *state = kit_state();
    hl_program *program = training_program(&t, runtime, state, (hl_tensor *[]){t.model.loss, t.adamw}, 2);
    int n_run = 0, n_wrong = 0;
#pragma omp parallel num_threads(CALLERS) reduction(+ : n_run, n_wrong)
    while (n_run < STEPS && n_wrong == 0) { /* each thread's own, until the region ends */
        hl_status status = hl_program_run(program);
        n_run += status == HL_OK;
        n_wrong += status != HL_OK && status != HL_BUSY;
        if (status == HL_BUSY) sched_yield();
    }
    ck_assert_int_eq(n_wrong, 0);
    ck_assert_int_eq(n_run, CALLERS * STEPS);
    int32_t step;
    ck_assert_int_eq(hl_state_read(state, "step", &step, sizeof step), HL_OK);
    ck_assert_int_eq(step, n_run);
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    training_close(&t);
}
END_TEST

/* ---- two trainings of one state ---- */

enum { TRAINERS = 2, RUNS = 2, ORDERS = 6 }; /* 4 choose 2 */

typedef struct trainer {
    training t;
    hl_program *program;
    pthread_barrier_t *begin;
    hl_status status;
} trainer;

static void *run_twice(void *argument) {
    trainer *r = argument;
    pthread_barrier_wait(r->begin);
    r->status = HL_OK;
    for (size_t i = 0; i < RUNS && r->status == HL_OK; i++) r->status = hl_program_run(r->program);
    return NULL;
}

/* Puts the state back to what it was when the snapshot was made. */
static void restore(hl_state *state, const snapshot *s) {
    const char *at = s->bytes;
    for (size_t i = 0; i < s->n_tensors; i++) {
        const char *name = at;
        hl_dtype dtype;
        hl_shape shape;
        ck_assert_int_eq(hl_state_tensor(state, i, NULL, &dtype, &shape), HL_OK);
        size_t bytes = hl_shape_elements(&shape) * hl_dtype_bytes(dtype);
        at += strlen(name) + 1 + sizeof dtype + shape.rank * sizeof shape.extent[0];
        ck_assert_int_eq(hl_state_write(state, name, at, bytes), HL_OK);
        at += bytes;
    }
    ck_assert(snapshot_holds(s, state));
}

/* What each order of the four runs gives; all differ. */
static void make_orders(trainer trainers[TRAINERS], hl_state *state, const snapshot *first, snapshot orders[ORDERS]) {
    size_t n = 0;
    for (unsigned order = 0; order < 16; order++) {
        if (__builtin_popcount(order) != RUNS) continue;
        restore(state, first);
        for (unsigned run = 0; run < TRAINERS * RUNS; run++) kit_run(trainers[order >> run & 1].program);
        orders[n++] = snapshot_of(state);
        for (size_t other = 0; other + 1 < n; other++) ck_assert(!snapshot_equal(&orders[other], &orders[n - 1]));
    }
    ck_assert_uint_eq(n, ORDERS);
}

static void check_orders(hl_runtime *const runtimes[TRAINERS]) {
    enum { ROUNDS = TRAINING_SANITIZED ? 20 : 100 };
    trainer trainers[TRAINERS];
    snapshot orders[ORDERS];
    pthread_barrier_t begin;
    hl_state *state = kit_state();
    pthread_barrier_init(&begin, NULL, TRAINERS);
    for (size_t i = 0; i < TRAINERS; i++) {
        two_block_sizes sizes = sizes_of(i);
        trainers[i] = (trainer){.t = training_open(&sizes, i + 1), .begin = &begin};
        hl_tensor *outputs[] = {trainers[i].t.model.loss, i == 0 ? trainers[i].t.adamw : trainers[i].t.sgd};
        trainers[i].program = training_program(&trainers[i].t, runtimes[i], state, outputs, 2);
    }
    snapshot first = snapshot_of(state);
    make_orders(trainers, state, &first, orders);
    for (size_t round = 0; round < ROUNDS; round++) {
        pthread_t threads[TRAINERS];
        restore(state, &first);
        for (size_t i = 0; i < TRAINERS; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, run_twice, &trainers[i]), 0);
        for (size_t i = 0; i < TRAINERS; i++) pthread_join(threads[i], NULL);
        for (size_t i = 0; i < TRAINERS; i++) ck_assert_int_eq(trainers[i].status, HL_OK);
        size_t order = 0;
        while (order < ORDERS && !snapshot_holds(&orders[order], state)) order++;
        ck_assert_msg(order < ORDERS, "round %zu: the bits are those of no order of the runs", round);
    }
    for (size_t i = 0; i < ORDERS; i++) free(orders[i].bytes);
    for (size_t i = 0; i < TRAINERS; i++) {
        hl_program_destroy(trainers[i].program);
        training_close(&trainers[i].t);
    }
    free(first.bytes);
    pthread_barrier_destroy(&begin);
    hl_state_destroy(state);
}

START_TEST(TrainingsOfOneStateGiveTheBitsOfOneOfTheirOrders) {
    hl_runtime *one = kit_runtime(2), *two = kit_runtime_of(&(hl_runtime_options){.workers = 3, .steal_seed = 7});
    check_orders((hl_runtime *[]){one, one});
    check_orders((hl_runtime *[]){one, two});
    hl_runtime_destroy(one);
    hl_runtime_destroy(two);
}
END_TEST

/* ---- a child that was forked while the parent had the state ---- */

/* Its exit code is the number of the first thing that was wrong. */
static int child(const training *t, hl_runtime *runtime, hl_state *state, hl_program *program) {
    float value[7 * 8];
    hl_shape shape = HL_SCALAR;
    hl_program *made = NULL;
    hl_tensor *loss = t->model.loss, *table = t->model.params[0];
    signal(SIGALRM, SIG_DFL); /* Check's handler would end the parent, too */
    alarm(30);                /* a child that hangs becomes one that was killed */
    if (hl_program_run(program) != HL_FORKED) return 1;
    if (hl_program_create(runtime, t->model.graph, state, &loss, 1, &made) != HL_FORKED || made) return 2;
    if (hl_program_read(program, table, value, sizeof value) != HL_FORKED) return 3;
    if (hl_state_read(state, "table", value, sizeof value) != HL_FORKED) return 4;
    if (hl_state_write(state, "table", value, sizeof value) != HL_FORKED) return 5;
    if (hl_state_enter(state, "new", HL_F32, shape, value, sizeof value[0]) != HL_FORKED) return 6;
    if (hl_state_tensor(state, 0, NULL, NULL, &shape) != HL_FORKED) return 7;
    if (hl_state_count(state) != 0) return 8;
    if (hl_program_read(program, loss, value, sizeof value[0]) != HL_OK) return 9; /* its own memory */
    hl_program_destroy(program);
    hl_state_destroy(state);
    return 0;
}

START_TEST(AForkedChildIsRefusedAStateThatWasInUse) {
    two_block_sizes sizes = sizes_of(0);
    training t = training_open(&sizes, 1);
    hl_runtime *runtime = kit_runtime(2);
    hl_state *state = kit_state();
    hl_program *program = training_program(&t, runtime, state, (hl_tensor *[]){t.model.loss, t.adamw}, 2);
    training_step(&t, program);
    for (int write = 0; write < 2; write++) {
        ck_assert_int_eq(hl__state_hold(state, write), HL_OK);
        pid_t pid = fork();
        if (pid == 0) _exit(child(&t, runtime, state, program));
        hl__state_let_go(state);
        ck_assert_int_gt(pid, 0);
        int outcome;
        ck_assert_int_eq(waitpid(pid, &outcome, 0), pid);
        ck_assert(WIFEXITED(outcome));
        ck_assert_int_eq(WEXITSTATUS(outcome), 0);
        training_step(&t, program); /* the parent goes on */
    }
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    training_close(&t);
}
END_TEST

int main(void) {
    return run_tests("graph/program callers",
                     TESTS(ThreadsThatShareARuntimeGetTheBitsOfOneAlone,
                           TheCallersOwnParallelRegionNeitherNestsNorDeadlocks, TheCallersOwnTasksMayCall,
                           OneProgramForAParallelRegionIsBusyOrRuns, TrainingsOfOneStateGiveTheBitsOfOneOfTheirOrders,
                           AForkedChildIsRefusedAStateThatWasInUse));
}
