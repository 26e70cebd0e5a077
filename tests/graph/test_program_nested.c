/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Kernels, and initialisers of parameters, that call the library: whatever would wait for the very run, or creation,
 * that makes the call comes back with HL_BUSY, everything else is served, and the run goes on as if nothing had
 * happened. A call that waits hangs, and the test with it. */
#include <stdio.h>

#include "tests/graph/kit.h"
#include "tests/support/policies.h"
#include "tests/support/suite.h"

enum { N = 4 };

/* ---- an operator that copies its input and calls back ---- */

typedef struct caller {
    void (*call)(void *scene);
    void *scene;
} caller;

static hl_status same_shape(hl_inference *inference) {
    inference->output[0] = inference->input[0].shape;
    return HL_OK;
}

static void call_back(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    const caller *c = call->options;
    memcpy(call->operand[1].data, call->operand[0].data, N * sizeof(float));
    c->call(c->scene);
}

static const hl_pass call_pass = {.name = "forward", .kernel = call_back};
static const hl_operator calling = {
    .name = "calling",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .options_bytes = sizeof(caller),
    .infer = same_shape,
    .forward = {{.pass = &call_pass, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}},
};

static const float ones[N] = {1, 1, 1, 1};

/* A program that adds an input to a parameter of ones, by way of the calling operator. */
typedef struct made {
    hl_graph *graph;
    hl_tensor *x, *y, *step;
    hl_program *program;
} made;

/* step: it trains as well, with a rate of 0, so that it writes the state. */
static made make(hl_runtime *runtime, hl_state *state, const caller *c, bool trains) {
    made m = {.graph = kit_graph()};
    m.x = hl_input(m.graph, "x", HL_F32, HL_SHAPE(N));
    hl_tensor *w = hl_param(m.graph, "w", HL_F32, HL_SHAPE(N));
    m.y = hl_add(m.graph, m.x, w);
    if (c) m.y = hl_apply(m.graph, &calling, &m.y, 1, c, NULL);
    hl_tensor *rate = hl_input(m.graph, "rate", HL_F32, HL_SCALAR);
    hl_tensor *loss = hl_sum(m.graph, w, 0, false);
    if (trains) m.step = hl_sgd(m.graph, loss, &(hl_sgd_options){.rate = rate});
    m.program = kit_program(runtime, m.graph, state, (hl_tensor *[]){m.y, m.step}, trains ? 2 : 1);
    kit_write(m.program, m.x, ones, sizeof ones);
    return m;
}

static void run_and_check(made *m) {
    float y[N];
    kit_run(m->program);
    kit_read(m->program, m->y, y, sizeof y);
    for (size_t i = 0; i < N; i++) ck_assert(y[i] == 2); /* 1 + 1 */
}

static void unmake(made *m) {
    hl_program_destroy(m->program);
    hl_graph_destroy(m->graph);
}

static hl_state *state_of_ones(void) {
    hl_state *state = kit_state();
    ck_assert_int_eq(hl_state_enter(state, "w", HL_F32, HL_SHAPE(N), ones, sizeof ones), HL_OK);
    return state;
}

/* ---- the runtime whose run it is ---- */

typedef struct own {
    hl_runtime *runtime;
    hl_state *state;
    made inner, outer;
    hl_program *fresh;
    size_t n_calls;
    hl_status run, create, rerun, write, trace, clear, cancel;
    char run_words[320], create_words[320];
} own;

static void call_own(void *argument) {
    own *o = argument;
    o->n_calls++;
    o->run = hl_program_run(o->inner.program);
    snprintf(o->run_words, sizeof o->run_words, "%s", hl_program_error(o->inner.program));
    hl_tensor *output = o->inner.y;
    o->create = hl_program_create(o->runtime, o->inner.graph, o->state, &output, 1, &o->fresh);
    snprintf(o->create_words, sizeof o->create_words, "%s", hl_graph_error(o->inner.graph));
    o->rerun = hl_program_run(o->outer.program);
    o->write = hl_program_write(o->outer.program, o->outer.x, ones, sizeof ones);
    o->trace = hl_runtime_trace_write(o->runtime, "/dev/null");
    o->clear = hl_runtime_trace_clear(o->runtime);
    o->cancel = hl_program_cancel(o->inner.program);
    hl_program_destroy(o->outer.program);
    hl_runtime_destroy(o->runtime);
}

START_TEST(WhatWouldWaitForItsOwnRunIsBusy) {
    for (size_t p = 0; p < N_POLICIES; p++) {
        for (size_t workers = 1; workers <= 2; workers++) {
            own o = {.state = state_of_ones()};
            o.runtime = kit_runtime_of(
                &(hl_runtime_options){.workers = workers, .policy = policies[p].policy, .trace_events = 100});
            o.inner = make(o.runtime, o.state, NULL, false);
            o.outer = make(o.runtime, o.state, &(caller){call_own, &o}, false);
            for (size_t round = 1; round <= 3; round++) {
                run_and_check(&o.outer);
                ck_assert_uint_eq(o.n_calls, round);
                ck_assert_int_eq(o.run, HL_BUSY);
                ck_assert_int_eq(o.create, HL_BUSY);
                ck_assert_ptr_null(o.fresh);
                ck_assert_int_eq(o.rerun, HL_BUSY);
                ck_assert_int_eq(o.write, HL_BUSY);
                ck_assert_int_eq(o.trace, HL_BUSY);
                ck_assert_int_eq(o.clear, HL_BUSY);
                ck_assert_int_eq(o.cancel, HL_NOT_RUNNING);
                kit_assert_says(o.run_words, "kernel");
                kit_assert_says(o.create_words, "kernel");
                run_and_check(&o.inner); /* from here it is run as ever */
            }
            unmake(&o.inner);
            unmake(&o.outer);
            hl_runtime_destroy(o.runtime);
            hl_state_destroy(o.state);
        }
    }
}
END_TEST

/* ---- the state that it has in use ---- */

typedef struct user {
    hl_state *state;
    made elsewhere; /* a program of another runtime that trains on the same state */
    hl_status read, write, enter, tensor, run;
    size_t n_tensors;
    char words[320];
} user;

static void use_state(void *argument) {
    user *u = argument;
    float w[N];
    u->read = hl_state_read(u->state, "w", w, sizeof w);
    u->tensor = hl_state_tensor(u->state, 0, NULL, NULL, NULL);
    u->n_tensors = hl_state_count(u->state);
    u->write = hl_state_write(u->state, "w", ones, sizeof ones);
    snprintf(u->words, sizeof u->words, "%s", hl_state_error(u->state));
    u->enter = hl_state_enter(u->state, "v", HL_F32, HL_SHAPE(N), ones, sizeof ones);
    u->run = hl_program_run(u->elsewhere.program);
}

START_TEST(AStateThatTheRunUsesIsBusy) {
    for (int trains = 0; trains < 2; trains++) {
        user u = {.state = state_of_ones()};
        hl_runtime *one = kit_runtime(2), *other = kit_runtime(1);
        u.elsewhere = make(other, u.state, NULL, true);
        made m = make(one, u.state, &(caller){use_state, &u}, trains);
        run_and_check(&m);
        hl_status readers = trains ? HL_BUSY : HL_OK; /* who only read stand beside a run that does */
        ck_assert_int_eq(u.read, readers);
        ck_assert_int_eq(u.tensor, readers);
        ck_assert_uint_eq(u.n_tensors, trains ? 0 : hl_state_count(u.state));
        ck_assert_int_eq(u.write, HL_BUSY);
        ck_assert_int_eq(u.enter, HL_BUSY);
        ck_assert_int_eq(u.run, HL_BUSY);
        kit_assert_says(u.words, "in use");
        run_and_check(&u.elsewhere);
        unmake(&m);
        unmake(&u.elsewhere);
        hl_runtime_destroy(one);
        hl_runtime_destroy(other);
        hl_state_destroy(u.state);
    }
}
END_TEST

/* ---- other runtimes ---- */

typedef struct chain {
    made last, middle, first; /* first runs middle, on another runtime, which asks for last on that of first */
    hl_status middle_run, last_run;
    float y[N];
} chain;

static void run_middle(void *argument) {
    chain *c = argument;
    c->middle_run = hl_program_run(c->middle.program);
    hl_program_read(c->middle.program, c->middle.y, c->y, sizeof c->y);
}

static void run_last(void *argument) {
    chain *c = argument;
    c->last_run = hl_program_run(c->last.program);
}

START_TEST(OtherRuntimesServeKernelsButNotInACircle) {
    for (size_t p = 0; p < N_POLICIES; p++) {
        chain c = {.middle_run = HL_SYSTEM};
        hl_state *state = state_of_ones();
        hl_runtime_options options = {.workers = 2, .policy = policies[p].policy};
        hl_runtime *one = kit_runtime_of(&options), *other = kit_runtime_of(&options);
        c.last = make(one, state, NULL, false);
        c.middle = make(other, state, &(caller){run_last, &c}, false);
        c.first = make(one, state, &(caller){run_middle, &c}, false);
        run_and_check(&c.first);
        ck_assert_int_eq(c.middle_run, HL_OK);
        for (size_t i = 0; i < N; i++) ck_assert(c.y[i] == 2);
        ck_assert_int_eq(c.last_run, HL_BUSY);
        unmake(&c.first);
        unmake(&c.middle);
        unmake(&c.last);
        hl_runtime_destroy(one);
        hl_runtime_destroy(other);
        hl_state_destroy(state);
    }
}
END_TEST

/* ---- initialisers of parameters ---- */

typedef struct reader {
    hl_state *state;
    hl_status *reply;
} reader;

static void read_another(float *values, const hl_shape *shape, const char *name, const void *context) {
    (void)shape;
    (void)name;
    const reader *r = context;
    *r->reply = hl_state_read(r->state, "w", values, N * sizeof *values);
}

START_TEST(AnInitialiserFindsItsStateBusy) {
    hl_status reply = HL_OK;
    hl_state *state = state_of_ones();
    reader r = {.state = state, .reply = &reply};
    hl_runtime *runtime = kit_runtime(1);
    hl_graph *graph = kit_graph();
    hl_tensor *v = hl_param(graph, "v", HL_F32, HL_SHAPE(N));
    hl_tensor *y = hl_exp(graph, hl_param_init(graph, v, read_another, &r, sizeof r));
    hl_program *program = kit_program(runtime, graph, state, &y, 1);
    ck_assert_int_eq(reply, HL_BUSY);
    kit_assert_says(hl_state_error(state), "in use");
    kit_run(program);
    hl_program_destroy(program);
    hl_graph_destroy(graph);
    hl_runtime_destroy(runtime);
    hl_state_destroy(state);
}
END_TEST

int main(void) {
    return run_tests("graph/program nested",
                     TESTS(WhatWouldWaitForItsOwnRunIsBusy, AStateThatTheRunUsesIsBusy,
                           OtherRuntimesServeKernelsButNotInACircle, AnInitialiserFindsItsStateBusy));
}
