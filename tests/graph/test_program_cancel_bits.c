/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A training that is cancelled at random moments, from another thread, comes to the bits of one that nobody disturbs:
 * after each run the state is that before the step or that after it, and the steps that were completed follow one
 * another as if there had been no others. With dropout, whose masks follow from the count of steps. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "runtime/worker.h"
#include "tests/graph/training.h"
#include "tests/support/policies.h"
#include "tests/support/suite.h"

enum { N_STEPS = TRAINING_SANITIZED ? 4 : 30, MAX_CANCELS = 4 /* of a step, before it is left in peace */ };

static const two_block_sizes sizes = {
    .batch = 2, .tokens = 6, .width = 8, .heads = 2, .hidden = 12, .classes = 5, .words = 7, .dropout = 0.2f};

/* ---- a thread that cancels when so many tasks have had their turn ---- */

static struct {
    hl_program *program;
    size_t moment; /* the task at which to cancel, from 1 on; 0: before the run, with luck */
    bool waits;    /* the task waits until the cancel was called */
    bool over;     /* no more runs */
    hl_status answer;
    _Atomic size_t n_turns;
    sem_t now, answered, ended;
} canceller;

bool __real_hl__worker_run(hl__worker *worker, const hl__task *task);
bool __wrap_hl__worker_run(hl__worker *worker, const hl__task *task);

bool __wrap_hl__worker_run(hl__worker *worker, const hl__task *task) {
    /* relaxed: counting must not itself order the tasks. */
    if (atomic_fetch_add_explicit(&canceller.n_turns, 1, memory_order_relaxed) + 1 == canceller.moment) {
        sem_post(&canceller.now);
        if (canceller.waits) sem_wait(&canceller.answered);
    }
    return __real_hl__worker_run(worker, task);
}

static void *cancel(void *argument) {
    for (;;) {
        sem_wait(&canceller.now);
        if (canceller.over) return argument;
        canceller.answer = hl_program_cancel(canceller.program);
        if (canceller.waits) sem_post(&canceller.answered);
        sem_post(&canceller.ended);
    }
}

static hl_status run_cancelled(hl_program *program, size_t moment, bool waits) {
    canceller.program = program;
    canceller.moment = moment;
    canceller.waits = waits && moment > 0;
    atomic_store(&canceller.n_turns, 0);
    if (moment == 0) sem_post(&canceller.now);
    hl_status status = hl_program_run(program);
    sem_wait(&canceller.ended);
    return status;
}

/* ---- the training that nobody disturbs ---- */

typedef struct reference {
    snapshot states[N_STEPS + 1];
    float losses[N_STEPS + 1];
    size_t n_turns; /* of each run: its tasks */
} reference;

static reference undisturbed(const training *t) {
    reference r = {.n_turns = 0};
    hl_runtime *runtime = kit_runtime_of(&(hl_runtime_options){.workers = 1, .policy = HL_POLICY_SERIAL});
    hl_state *state = kit_state();
    hl_program *program = training_program(t, runtime, state, (hl_tensor *[]){t->model.loss, t->adamw}, 2);
    canceller.moment = 0;
    r.states[0] = snapshot_of(state);
    for (size_t s = 1; s <= N_STEPS; s++) {
        atomic_store(&canceller.n_turns, 0);
        r.losses[s] = training_step(t, program);
        r.states[s] = snapshot_of(state);
        ck_assert(!snapshot_equal(&r.states[s], &r.states[s - 1]));
        r.n_turns = atomic_load(&canceller.n_turns);
    }
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    return r;
}

static void forget(reference *r) {
    for (size_t s = 0; s <= N_STEPS; s++) free(r->states[s].bytes);
}

/* ---- the training that is disturbed ---- */

typedef struct outcomes {
    size_t n_cancelled, n_late, n_missed; /* missed: no run was on */
} outcomes;

/* One run, cancelled at some moment. True where the step was completed. */
static bool try_step(const training *t, const reference *r, hl_program *program, hl_state *state, size_t step,
                     size_t moment, bool waits, outcomes *o) {
    float loss;
    hl_status status = run_cancelled(program, moment, waits);
    bool cancelled = canceller.answer == HL_OK;
    ck_assert_int_eq(status, cancelled ? HL_CANCELLED : HL_OK);
    ck_assert_msg(snapshot_holds(&r->states[cancelled ? step - 1 : step], state), "step %zu, %s at task %zu: torn",
                  step, cancelled ? "cancelled" : "completed", moment);
    o->n_cancelled += cancelled;
    o->n_late += canceller.answer == HL_TOO_LATE;
    o->n_missed += canceller.answer == HL_NOT_RUNNING;
    ck_assert(!canceller.waits || canceller.answer != HL_NOT_RUNNING);
    if (cancelled) return false;
    kit_read(program, t->model.loss, &loss, sizeof loss);
    ck_assert_mem_eq(&loss, &r->losses[step], sizeof loss);
    return true;
}

static void train(const training *t, const reference *r, const hl_runtime_options *options, uint64_t seed,
                  outcomes *o) {
    hl_runtime *runtime = kit_runtime_of(options);
    hl_state *state = kit_state();
    hl_program *program = training_program(t, runtime, state, (hl_tensor *[]){t->model.loss, t->adamw}, 2);
    ck_assert(snapshot_holds(&r->states[0], state));
    for (size_t step = 1; step <= N_STEPS; step++) {
        bool completed = false;
        for (size_t n = 0; n < MAX_CANCELS && !completed; n++) {
            /* Rather early: updates begin in the first third. */
            size_t moment = kit_below(&seed, kit_below(&seed, r->n_turns + 1) + 1);
            completed = try_step(t, r, program, state, step, moment, kit_below(&seed, 2), o);
        }
        /* A worker that waits in its first task has written nothing, and in the last nearly all, unless others do. */
        if (!completed) completed = try_step(t, r, program, state, step, 1, true, o);
        if (!completed) completed = try_step(t, r, program, state, step, r->n_turns, true, o);
        if (completed) continue;
        canceller.moment = SIZE_MAX;
        float loss = training_step(t, program);
        ck_assert_mem_eq(&loss, &r->losses[step], sizeof loss);
        ck_assert(snapshot_holds(&r->states[step], state));
    }
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
}

START_TEST(ATrainingThatIsCancelledComesToTheSameBits) {
    training t = training_open(&sizes, 1);
    pthread_t thread;
    sem_init(&canceller.now, 0, 0);
    sem_init(&canceller.answered, 0, 0);
    sem_init(&canceller.ended, 0, 0);
    reference r = undisturbed(&t);
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel, NULL), 0);
    for (size_t p = 0; p < N_POLICIES; p++) {
        outcomes o = {0};
        for (size_t workers = 1; workers <= 3; workers++)
            train(&t, &r, &(hl_runtime_options){.workers = workers, .policy = policies[p].policy}, 10 * p + workers,
                  &o);
        ck_assert_msg(o.n_cancelled > 0, "%s: no run was cancelled", policies[p].name);
        ck_assert_msg(o.n_late > 0, "%s: no cancel came too late", policies[p].name);
    }
    canceller.over = true;
    sem_post(&canceller.now);
    pthread_join(thread, NULL);
    sem_destroy(&canceller.now);
    sem_destroy(&canceller.answered);
    sem_destroy(&canceller.ended);
    forget(&r);
    training_close(&t);
}
END_TEST

int main(void) { return run_tests("graph/program cancel bits", TESTS(ATrainingThatIsCancelledComesToTheSameBits)); }
