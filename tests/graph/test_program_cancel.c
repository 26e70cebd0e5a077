/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A run that is cancelled leaves the state as it was before, or is told that it is too late and completed: wherever in
 * the run the cancel comes, from within and from outside, by any policy, beside failures, and before the run has begun.
 * A training that is cancelled again and again is in test_program_cancel_bits.c. */
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "graph/state.h"
#include "runtime/run.h"
#include "tests/graph/training.h"
#include "tests/support/policies.h"
#include "tests/support/suite.h"

/* ---- operators that stop a run where the test wants it ---- */

typedef enum place {
    NOWHERE,
    FIRST_FORWARD,   /* behind the first layer */
    SECOND_FORWARD,  /* behind the second */
    SECOND_BACKWARD, /* before any gradient of a parameter */
    FIRST_BACKWARD,  /* behind the second layer's gradients: its update may have run */
    UPDATE,          /* in a task that writes state */
} place;

typedef struct hook {
    place at;
    hl_program *program;
    pthread_t *signalled; /* gets a signal; NULL: the kernel cancels by itself, or waits */
    bool waits;
    hl_status answer;
    sem_t inside, leave;
} hook;

static void arrive(hook *h, place at) {
    if (h->at != at) return;
    if (!h->waits) {
        h->answer = hl_program_cancel(h->program);
        return;
    }
    sem_post(&h->inside);
    if (h->signalled) pthread_kill(*h->signalled, SIGUSR1);
    sem_wait(&h->leave);
}

typedef struct probe_options {
    hook *hook;
    place forward, backward;
} probe_options;

/* probe: y = x; dx = dy. */
static hl_status probe_infer(hl_inference *i) {
    i->output[0] = i->input[0].shape;
    return HL_OK;
}

static void probe_copy(const hl_call *call, place at) {
    const probe_options *options = call->options;
    arrive(options->hook, at);
    memcpy(call->operand[1].data, call->operand[0].data, hl_shape_elements(&call->operand[0].shape) * sizeof(float));
}

static void probe_forward(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    probe_copy(call, ((const probe_options *)call->options)->forward);
}

static void probe_backward(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    probe_copy(call, ((const probe_options *)call->options)->backward);
}

static const hl_pass forward_pass = {.name = "forward", .kernel = probe_forward};
static const hl_pass backward_pass = {.name = "dx", .kernel = probe_backward};
static const hl_operator probe = {.name = "probe",
                                  .min_inputs = 1,
                                  .max_inputs = 1,
                                  .n_outputs = 1,
                                  .options_bytes = sizeof(probe_options),
                                  .infer = probe_infer,
                                  .forward = {{.pass = &forward_pass, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}},
                                  .backward = {{.pass = &backward_pass, .reads = {HL_DOUT(0)}, .writes = {HL_DIN(0)}}}};

/* sum: total += first element of x, in the state; y = the new total. */
static void sum_kernel(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    arrive(((const probe_options *)call->options)->hook, UPDATE);
    float *total = call->operand[2].data;
    *total += *(const float *)call->operand[1].data;
    *(float *)call->operand[3].data = *total;
}

static const hl_pass sum_pass = {.name = "update", .kernel = sum_kernel};
static const hl_operator sum = {
    .name = "sum",
    .min_inputs = 2,
    .max_inputs = 2,
    .n_outputs = 1,
    .options_bytes = sizeof(probe_options),
    .infer = probe_infer,
    .forward = {{.pass = &sum_pass, .reads = {HL_IN(0), HL_IN(1)}, .writes = {HL_IN(0), HL_OUT(0)}}}};

/* ---- two layers, squared error, Adam, and a sum over steps of one element of a gradient ---- */

enum { N = 40, C = 6, N_STEPS = 3 };

typedef struct model {
    hook hook;
    hl_runtime *runtime;
    hl_state *state;
    hl_graph *graph;
    hl_tensor *x, *target, *rate, *w1, *w2, *loss, *step, *total;
    hl_program *train;
    pthread_t thread; /* of a run that is held */
    hl_status status;
} model;

static hl_program *model_program(const model *m, hl_tensor *const outputs[], size_t n) {
    float values[N * C];
    hl_program *program = kit_program(m->runtime, m->graph, m->state, outputs, n);
    kit_fill(values, N * C, 1);
    kit_write(program, m->x, values, sizeof values);
    kit_fill(values, N * C, 2);
    kit_write(program, m->target, values, sizeof values);
    return program;
}

static void open_model(model *m, const hl_runtime_options *options) {
    *m = (model){.runtime = kit_runtime_of(options), .state = kit_state(), .graph = kit_graph()};
    sem_init(&m->hook.inside, 0, 0);
    sem_init(&m->hook.leave, 0, 0);
    hl_graph *g = m->graph;
    m->x = hl_input(g, "x", HL_F32, HL_SHAPE(N, C));
    m->target = hl_input(g, "target", HL_F32, HL_SHAPE(N, C));
    m->rate = hl_input(g, "rate", HL_F32, HL_SCALAR);
    m->w1 = kit_param(g, "w1", HL_SHAPE(C, C));
    m->w2 = kit_param(g, "w2", HL_SHAPE(C, C));
    probe_options first = {&m->hook, FIRST_FORWARD, FIRST_BACKWARD},
                  second = {&m->hook, SECOND_FORWARD, SECOND_BACKWARD};
    hl_tensor *y = hl_relu(g, hl_dense(g, m->x, m->w1, NULL));
    y = hl_dense(g, hl_apply(g, &probe, &y, 1, &first, NULL), m->w2, NULL);
    m->loss = hl_name(g, hl_squared_error(g, hl_apply(g, &probe, &y, 1, &second, NULL), m->target), "loss");
    m->step = hl_adamw(g, m->loss, &(hl_adamw_options){.rate = m->rate});
    hl_tensor *summed[] = {hl_param(g, "sum", HL_F32, HL_SCALAR), hl_gradient(g, m->loss, m->w1)};
    m->total = hl_apply(g, &sum, summed, 2, &first, NULL);
    kit_assert_ok(g, hl_graph_status(g));
    m->hook.program = m->train = model_program(m, (hl_tensor *[]){m->loss, m->step, m->total}, 3);
    kit_write(m->train, m->rate, &(float){0.05f}, sizeof(float));
}

static void close_model(model *m) {
    hl_program_destroy(m->train);
    hl_graph_destroy(m->graph);
    hl_state_destroy(m->state);
    hl_runtime_destroy(m->runtime);
    sem_destroy(&m->hook.inside);
    sem_destroy(&m->hook.leave);
}

/* The states before, between and behind steps that nobody disturbs, and their losses. */
typedef struct reference {
    snapshot states[N_STEPS + 1];
    float losses[N_STEPS + 1];
} reference;

static reference undisturbed(void) {
    model m;
    reference r = {.losses = {0}};
    open_model(&m, &(hl_runtime_options){.workers = 1, .policy = HL_POLICY_SERIAL});
    r.states[0] = snapshot_of(m.state);
    for (size_t s = 1; s <= N_STEPS; s++) {
        kit_run(m.train);
        kit_read(m.train, m.loss, &r.losses[s], sizeof(float));
        r.states[s] = snapshot_of(m.state);
        ck_assert(!snapshot_equal(&r.states[s - 1], &r.states[s]));
    }
    close_model(&m);
    return r;
}

static void forget(reference *r) {
    for (size_t s = 0; s <= N_STEPS; s++) free(r->states[s].bytes);
}

/* The outputs can be read, and are those of this step. */
static void assert_step(const model *m, const reference *r, size_t step) {
    float loss;
    int32_t count;
    kit_read(m->train, m->loss, &loss, sizeof loss);
    kit_read(m->train, m->step, &count, sizeof count);
    ck_assert_mem_eq(&loss, &r->losses[step], sizeof loss);
    ck_assert_int_eq(count, (int32_t)step);
    ck_assert(snapshot_holds(&r->states[step], m->state));
}

/* The state is that behind a step, and the outputs are refused; all else can be used. */
static void assert_cancelled(const model *m, hl_status status, const reference *r, size_t step) {
    float loss = 7, values[N * C];
    ck_assert_int_eq(status, HL_CANCELLED);
    kit_assert_says(hl_program_error(m->train), hl_status_string(HL_CANCELLED));
    ck_assert(snapshot_holds(&r->states[step], m->state));
    ck_assert_int_eq(hl_program_read(m->train, m->loss, &loss, sizeof loss), HL_CANCELLED);
    kit_assert_says(hl_program_error(m->train), "'loss' is undefined");
    ck_assert_float_eq(loss, 7);
    kit_read(m->train, m->x, values, sizeof values);
    kit_write(m->train, m->x, values, sizeof values);
    kit_read(m->train, m->w1, values, C * C * sizeof(float));
    ck_assert_int_eq(hl_state_write(m->state, "w1", values, C * C * sizeof(float)), HL_OK); /* nobody holds it */
}

static void *run_held(void *argument) {
    model *m = argument;
    m->status = hl_program_run(m->train);
    return NULL;
}

static void begin_run(model *m) { ck_assert_int_eq(pthread_create(&m->thread, NULL, run_held, m), 0); }

static hl_status end_run(model *m) {
    pthread_join(m->thread, NULL);
    return m->status;
}

/* Runs once; cancelled at a place, by the kernel or while it waits. */
static hl_status run_cancelled(model *m, place at, bool outside) {
    m->hook.at = at;
    m->hook.waits = outside;
    begin_run(m);
    if (outside) {
        sem_wait(&m->hook.inside);
        m->hook.answer = hl_program_cancel(m->train);
        ck_assert_int_eq(hl_program_cancel(m->train), m->hook.answer); /* asked again, it says the same */
        ck_assert_int_eq(hl_program_run(m->train), HL_BUSY);           /* cancelled is not over */
        sem_post(&m->hook.leave);
    }
    hl_status status = end_run(m);
    m->hook.at = NOWHERE;
    return status;
}

START_TEST(WhereverACancelComesAStepIsWholeOrWasNot) {
    reference r = undisturbed();
    size_t n_cases = 0;
    for (size_t p = 0; p < N_POLICIES; p++) {
        for (size_t workers = 1; workers <= 3; workers++) {
            hl_policy policy = policies[p].policy;
            for (place at = FIRST_FORWARD; at <= UPDATE; at++, n_cases++) {
                model m;
                open_model(&m, &(hl_runtime_options){.workers = workers, .policy = policy});
                ck_assert_int_eq(hl_program_cancel(m.train), HL_NOT_RUNNING);
                for (size_t step = 1; step <= N_STEPS; step++) {
                    hl_status status = run_cancelled(&m, at, step % 2);
                    hl_status answer = m.hook.answer;
                    /* These two follow the serial order of calls, in which an update comes as early as it can. */
                    bool ordered = policy == HL_POLICY_SERIAL || policy == HL_POLICY_LEVELS;
                    if (at < FIRST_BACKWARD) ck_assert_int_eq(answer, HL_OK);
                    else if (at == UPDATE || ordered) ck_assert_int_eq(answer, HL_TOO_LATE);
                    if (answer == HL_OK) {
                        assert_cancelled(&m, status, &r, step - 1);
                        ck_assert_int_eq(hl_program_cancel(m.train), HL_NOT_RUNNING); /* and is not remembered */
                        kit_run(m.train);
                    } else {
                        ck_assert_int_eq(answer, HL_TOO_LATE);
                        ck_assert_int_eq(status, HL_OK);
                    }
                    assert_step(&m, &r, step);
                }
                close_model(&m);
            }
        }
    }
    ck_assert_uint_ge(n_cases, 3 * 3 * 5);
    forget(&r);
}
END_TEST

START_TEST(AProgramThatWritesNoStateIsNeverTooLate) {
    for (size_t p = 0; p < N_POLICIES; p++) {
        model m;
        open_model(&m, &(hl_runtime_options){.workers = 2, .policy = policies[p].policy});
        hl_tensor *outputs[] = {m.loss, hl_gradient(m.graph, m.loss, m.w1)};
        hl_program *train = m.train, *look = model_program(&m, outputs, 2);
        float loss[2], gradient[C * C];
        m.hook.program = m.train = look;
        for (place at = FIRST_FORWARD; at <= FIRST_BACKWARD; at++) {
            kit_run(look);
            kit_read(look, m.loss, &loss[0], sizeof loss[0]);
            ck_assert_int_eq(run_cancelled(&m, at, at % 2), HL_CANCELLED);
            ck_assert_int_eq(m.hook.answer, HL_OK);
            ck_assert_int_eq(hl_program_read(look, outputs[1], gradient, sizeof gradient), HL_CANCELLED);
            kit_run(look);
            kit_read(look, m.loss, &loss[1], sizeof loss[1]);
            ck_assert_mem_eq(&loss[0], &loss[1], sizeof loss[0]);
        }
        hl_program_destroy(look);
        m.train = train;
        close_model(&m);
    }
}
END_TEST

/* ---- before a run has begun ---- */

START_TEST(ARunThatWaitsForTheStateIsCancelled) {
    reference r = undisturbed();
    model m;
    open_model(&m, &(hl_runtime_options){.workers = 2});
    kit_run(m.train);
    hl__state_hold(m.state, true); /* as another program's run would */
    begin_run(&m);
    hl_status answer;
    while ((answer = hl_program_cancel(m.train)) == HL_NOT_RUNNING) sched_yield();
    ck_assert_int_eq(answer, HL_OK);
    hl__state_let_go(m.state);
    assert_cancelled(&m, end_run(&m), &r, 1);
    kit_run(m.train);
    assert_step(&m, &r, 2);
    close_model(&m);
    forget(&r);
}
END_TEST

START_TEST(ARunThatWaitsForAnotherIsCancelledAlone) {
    reference r = undisturbed();
    model m, other;
    open_model(&m, &(hl_runtime_options){.workers = 2});
    open_model(&other, &(hl_runtime_options){.workers = 1});
    hl_program *own = other.train; /* other's model, on m's runtime, with its own state */
    hl_runtime *runtime = other.runtime;
    other.runtime = m.runtime;
    other.train = model_program(&other, &other.loss, 1);
    other.hook.at = FIRST_FORWARD;
    other.hook.waits = true;
    begin_run(&other);
    sem_wait(&other.hook.inside);
    begin_run(&m);
    hl_status answer;
    while ((answer = hl_program_cancel(m.train)) == HL_NOT_RUNNING) sched_yield();
    ck_assert_int_eq(answer, HL_OK);
    sem_post(&other.hook.leave);
    ck_assert_int_eq(end_run(&other), HL_OK);
    assert_cancelled(&m, end_run(&m), &r, 0);
    kit_run(m.train);
    assert_step(&m, &r, 1);
    hl_program_destroy(other.train);
    other.train = own;
    other.runtime = runtime;
    close_model(&other);
    close_model(&m);
    forget(&r);
}
END_TEST

/* ---- beside failures ---- */

static struct {
    bool fails;
    hl_program *cancel; /* before it does */
    hl_status answer;
} failure;

hl_status __real_hl__runtime_run(hl_runtime *runtime, hl__task_graph *graph);
hl_status __wrap_hl__runtime_run(hl_runtime *runtime, hl__task_graph *graph);

hl_status __wrap_hl__runtime_run(hl_runtime *runtime, hl__task_graph *graph) {
    if (!failure.fails) return __real_hl__runtime_run(runtime, graph);
    if (failure.cancel) failure.answer = hl_program_cancel(failure.cancel);
    return HL_OUT_OF_MEMORY;
}

START_TEST(ARunThatFailsAsItIsCancelledWasCancelled) {
    reference r = undisturbed();
    model m;
    float loss;
    open_model(&m, &(hl_runtime_options){.workers = 2});
    kit_run(m.train);
    failure.fails = true;
    ck_assert_int_eq(hl_program_run(m.train), HL_OUT_OF_MEMORY);
    ck_assert_int_eq(hl_program_cancel(m.train), HL_NOT_RUNNING);
    assert_step(&m, &r, 1); /* what was there is there */
    failure.cancel = m.train;
    hl_status status = hl_program_run(m.train);
    ck_assert_int_eq(failure.answer, HL_OK); /* so whoever cancels may rely on it */
    assert_cancelled(&m, status, &r, 1);
    failure.cancel = NULL;
    ck_assert_int_eq(hl_program_run(m.train), HL_OUT_OF_MEMORY);
    ck_assert_int_eq(hl_program_read(m.train, m.loss, &loss, sizeof loss), HL_CANCELLED); /* still */
    failure.fails = false;
    kit_run(m.train);
    assert_step(&m, &r, 2);
    close_model(&m);
    forget(&r);
}
END_TEST

START_TEST(ALossThatIsNotFiniteIsOnlyReportedByACompletedRun) {
    reference r = undisturbed();
    for (size_t p = 0; p < N_POLICIES; p++) {
        model m;
        float loss;
        open_model(&m, &(hl_runtime_options){.workers = 2, .policy = policies[p].policy});
        kit_run(m.train);
        kit_write(m.train, m.rate, &(float){FLT_MAX}, sizeof(float)); /* weights whose squares overflow */
        assert_cancelled(&m, run_cancelled(&m, SECOND_BACKWARD, p % 2), &r, 1);
        ck_assert_int_eq(run_cancelled(&m, UPDATE, p % 2), HL_OK); /* the loss before the update is finite */
        ck_assert_int_eq(run_cancelled(&m, UPDATE, p % 2), HL_NOT_FINITE);
        ck_assert_int_eq(m.hook.answer, HL_TOO_LATE);
        kit_assert_says(hl_program_error(m.train), "'loss'");
        kit_read(m.train, m.loss, &loss, sizeof loss); /* completed, so it can be read */
        ck_assert(!isfinite(loss));
        ck_assert_int_eq(run_cancelled(&m, FIRST_FORWARD, p % 2), HL_CANCELLED);
        close_model(&m);
    }
    forget(&r);
}
END_TEST

static int child(hl_program *program) {
    signal(SIGALRM, SIG_DFL);
    alarm(30);
    return hl_program_cancel(program) == HL_FORKED ? 0 : 1;
}

static void fork_and_cancel(hl_program *program) {
    pid_t pid = fork();
    if (pid == 0) _exit(child(program));
    ck_assert_int_gt(pid, 0);
    int outcome;
    ck_assert_int_eq(waitpid(pid, &outcome, 0), pid);
    ck_assert(WIFEXITED(outcome));
    ck_assert_int_eq(WEXITSTATUS(outcome), 0);
}

START_TEST(AForkedChildCancelsNothing) {
    reference r = undisturbed();
    model m;
    open_model(&m, &(hl_runtime_options){.workers = 2});
    fork_and_cancel(m.train);
    m.hook.at = SECOND_FORWARD;
    m.hook.waits = true;
    begin_run(&m);
    sem_wait(&m.hook.inside);
    fork_and_cancel(m.train);
    sem_post(&m.hook.leave);
    ck_assert_int_eq(end_run(&m), HL_OK);
    assert_step(&m, &r, 1);
    close_model(&m);
    forget(&r);
}
END_TEST

START_TEST(NoProgramIsRefused) { ck_assert_int_eq(hl_program_cancel(NULL), HL_INVALID_ARGUMENT); }
END_TEST

/* ---- from a signal's handler ---- */

static hook *signalled;
static sem_t over;

static void on_signal(int number) {
    (void)number;
    signalled->answer = hl_program_cancel(signalled->program);
    sem_post(&signalled->leave);
}

static void *wait_for_signals(void *argument) {
    while (sem_wait(&over) != 0) continue; /* a signal ends the wait */
    return argument;
}

START_TEST(AHandlerOfASignalMayCancel) {
    reference r = undisturbed();
    model m;
    pthread_t thread;
    struct sigaction before, action = {.sa_handler = on_signal};
    open_model(&m, &(hl_runtime_options){.workers = 2});
    sem_init(&over, 0, 0);
    signalled = &m.hook;
    ck_assert_int_eq(sigaction(SIGUSR1, &action, &before), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_signals, NULL), 0);
    m.hook.signalled = &thread;
    m.hook.at = SECOND_BACKWARD;
    m.hook.waits = true;
    assert_cancelled(&m, hl_program_run(m.train), &r, 0);
    ck_assert_int_eq(m.hook.answer, HL_OK);
    m.hook.at = UPDATE;
    kit_run(m.train);
    ck_assert_int_eq(m.hook.answer, HL_TOO_LATE);
    assert_step(&m, &r, 1);
    sem_post(&over);
    pthread_join(thread, NULL);
    sigaction(SIGUSR1, &before, NULL);
    sem_destroy(&over);
    close_model(&m);
    forget(&r);
}
END_TEST

int main(void) {
    return run_tests("graph/program cancel",
                     TESTS(WhereverACancelComesAStepIsWholeOrWasNot, AProgramThatWritesNoStateIsNeverTooLate,
                           ARunThatWaitsForTheStateIsCancelled, ARunThatWaitsForAnotherIsCancelledAlone,
                           ARunThatFailsAsItIsCancelledWasCancelled, ALossThatIsNotFiniteIsOnlyReportedByACompletedRun,
                           AForkedChildCancelsNothing, NoProgramIsRefused, AHandlerOfASignalMayCancel));
}
