/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Memory that runs out: every allocation on the way from a graph to a run fails in turn. Each time it is reported, the
 * state is what it was, nothing is left behind, and a second try succeeds with the same bits. Runs themselves take no
 * memory at all. */
#include <stdatomic.h>

#include "runtime/code.h"
#include "runtime/memory.h"
#include "runtime/run.h"
#include "tests/graph/training.h"
#include "tests/support/policies.h"
#include "tests/support/suite.h"

void *__real_hl__allocate(size_t count, size_t size);
void __real_hl__release(void *memory);
void *__real_hl__arena_create(hl_runtime *runtime, size_t bytes, uint16_t node);
void __real_hl__arena_destroy(hl_runtime *runtime, void *memory, size_t bytes);
void *__wrap_hl__allocate(size_t count, size_t size);
void __wrap_hl__release(void *memory);
void *__wrap_hl__arena_create(hl_runtime *runtime, size_t bytes, uint16_t node);
void __wrap_hl__arena_destroy(hl_runtime *runtime, void *memory, size_t bytes);

static atomic_size_t n_asked; /* pieces of memory asked for, heap and arenas */
static atomic_size_t fail_at; /* the number of the one that fails; 0: none */
static atomic_long n_alive;

static bool fails(void) { return ++n_asked == fail_at; }

void *__wrap_hl__allocate(size_t count, size_t size) {
    void *memory = fails() ? NULL : __real_hl__allocate(count, size);
    n_alive += memory != NULL;
    return memory;
}

void __wrap_hl__release(void *memory) {
    n_alive -= memory != NULL;
    __real_hl__release(memory);
}

void *__wrap_hl__arena_create(hl_runtime *runtime, size_t bytes, uint16_t node) {
    void *memory = fails() ? NULL : __real_hl__arena_create(runtime, bytes, node);
    n_alive += memory != NULL;
    return memory;
}

void __wrap_hl__arena_destroy(hl_runtime *runtime, void *memory, size_t bytes) {
    n_alive -= memory != NULL;
    __real_hl__arena_destroy(runtime, memory, bytes);
}

/* The next pieces are counted from 1, and the n-th fails; 0: none does. */
static void fail_the(size_t n) {
    n_asked = 0;
    fail_at = n;
}

static const two_block_sizes sizes = {
    .batch = 2, .tokens = 6, .width = 8, .heads = 2, .hidden = 12, .classes = 5, .words = 7, .dropout = 0.2f};

/* A state that holds some of the model's tensors, trained already, and another one for all to leave alone. */
static hl_state *used_state(const training *t) {
    hl_state *state = kit_state();
    const hl_tensor *table = t->model.params[0];
    const char *names[] = {"other", hl_tensor_name(table), "sgd.v/table"};
    for (size_t i = 0; i < KIT_COUNT(names); i++) {
        float values[7 * 8];
        kit_fill(values, KIT_COUNT(values), i);
        ck_assert_uint_eq(training_bytes(table), sizeof values);
        hl_status status = hl_state_enter(state, names[i], HL_F32, hl_tensor_shape(table), values, sizeof values);
        ck_assert_int_eq(status, HL_OK);
    }
    ck_assert_int_eq(hl_state_enter(state, "step", HL_I32, HL_SCALAR, &(int32_t){3}, sizeof(int32_t)), HL_OK);
    return state;
}

/* ---- making a program ---- */

typedef struct trial {
    hl_runtime_options options;
    hl_runtime *runtime;
    training t;
    hl_state *state;
    hl_program *program;
    size_t n_allocations; /* of the last try */
    float loss, wanted;
} trial;

/* Makes the training program while allocation n fails; 0: none does. */
static hl_status create(trial *c, size_t n) {
    hl_tensor *outputs[] = {c->t.model.loss, c->t.sgd, c->t.model.weights[1], c->t.gradients[1]};
    c->program = NULL;
    fail_the(n);
    hl_status status = hl_program_create(c->runtime, c->t.model.graph, c->state, outputs, 4, &c->program);
    c->n_allocations = n_asked;
    fail_the(0);
    return status;
}

/* Trains a step, destroys the program. */
static void finish(trial *c) {
    training_write(&c->t, c->program);
    kit_write(c->program, c->t.model.rate, &c->t.rate, sizeof c->t.rate);
    c->loss = training_step(&c->t, c->program);
    hl_program_destroy(c->program);
}

static void renew_runtime(trial *c) {
    hl_runtime_destroy(c->runtime);
    c->runtime = kit_runtime_of(&c->options);
}

static trial open_trial(hl_runtime_options options) {
    return (trial){.options = options, .runtime = kit_runtime_of(&options), .t = training_open(&sizes, 1)};
}

static void close_trial(trial *c) {
    hl_runtime_destroy(c->runtime);
    training_close(&c->t);
}

/* How many allocations a program takes that nothing goes wrong with. */
static size_t creates(trial *c) {
    c->state = used_state(&c->t);
    ck_assert_int_eq(create(c, 0), HL_OK);
    size_t n = c->n_allocations;
    finish(c);
    c->wanted = c->loss;
    hl_state_destroy(c->state);
    return n;
}

/* The first try fails and all is as before; a second one succeeds. Where the room for generated code was what got no
 * memory, the first succeeds already, by portable kernels. Returns what the runtime has kept from a failure. */
static size_t fail_one(trial *c, size_t n, bool again) {
    const hl_graph *g = c->t.model.graph;
    c->state = used_state(&c->t);
    snapshot before = snapshot_of(c->state);
    long alive = n_alive;
    size_t lacks = hl__code_count(hl__runtime_code(c->runtime)).lacks;
    hl_status status = create(c, n);
    if (status == HL_OK && hl__code_count(hl__runtime_code(c->runtime)).lacks == lacks + 1) {
        finish(c);
        ck_assert_msg(c->loss == c->wanted, "allocation %zu: the loss is %.9g", n, (double)c->loss);
        hl_state_destroy(c->state);
        free(before.bytes);
        if (n_alive != alive) renew_runtime(c); /* it has reserved what that program needed */
        return 0;
    }
    size_t kept = (size_t)(n_alive - alive);
    ck_assert_msg(status == HL_OUT_OF_MEMORY, "allocation %zu: %s", n, hl_status_string(status));
    ck_assert_ptr_null(c->program);
    ck_assert_msg(*hl_graph_error(g) != 0, "allocation %zu fails without words", n);
    ck_assert_int_eq(hl_graph_status(g), HL_OK); /* the graph is as good as before */
    ck_assert_msg(snapshot_holds(&before, c->state), "allocation %zu: the state has changed", n);
    if (again || kept) {
        ck_assert_msg(create(c, 0) == HL_OK, "allocation %zu: no second try: %s", n, hl_graph_error(g));
        finish(c);
        ck_assert_msg(c->loss == c->wanted, "allocation %zu: the loss is %.9g", n, (double)c->loss);
    }
    free(before.bytes);
    hl_state_destroy(c->state);
    return kept;
}

/* What the runtime reserves for a program it keeps, and does not ask for again: first all failures up to its last one,
 * each in a runtime that has reserved nothing yet; then those behind, in one that has. */
START_TEST(EachAllocationOfAProgramMayFail) {
    long alive = n_alive;
    size_t stride = TRAINING_SANITIZED ? 7 : 1;
    trial c = open_trial((hl_runtime_options){.workers = 2});
    size_t n_fresh = creates(&c), n_used = creates(&c), n_reserved = n_fresh - n_used, n = 1;
    ck_assert_uint_ge(n_reserved, 2); /* scratch of each worker, at least */
    ck_assert_uint_gt(n_used, 500);
    renew_runtime(&c);
    for (size_t kept = 0; kept < n_reserved; n += stride) {
        ck_assert_uint_le(n, n_fresh);
        bool again = n % 64 == 0;
        kept = fail_one(&c, n, again);
        if (kept || again) renew_runtime(&c);
    }
    creates(&c);
    for (size_t m = n - stride - n_reserved; m <= n_used; m += stride) fail_one(&c, m, m % 16 == 0);
    close_trial(&c);
    ck_assert_int_eq(n_alive, alive); /* nothing is left of anything */
}
END_TEST

START_TEST(AllocationsForATraceMayFailToo) {
    long alive = n_alive;
    trial c = open_trial((hl_runtime_options){.workers = 2, .trace_events = 8, .policy = HL_POLICY_LEVELS});
    size_t n_allocations = creates(&c);
    for (size_t n = n_allocations - 450; n <= n_allocations; n += 11) { /* names are copied among the last */
        renew_runtime(&c);
        fail_one(&c, n, n % 4 == 0);
    }
    close_trial(&c);
    ck_assert_int_eq(n_alive, alive);
}
END_TEST

/* ---- building a graph ---- */

START_TEST(EachAllocationOfAGraphMayFail) {
    long alive = n_alive;
    hl_runtime *runtime = kit_runtime(1);
    hl_state *state = kit_state();
    bool all = false;
    size_t n_failures = 0;
    for (size_t n = 1; !all; n++) {
        hl_graph *g = NULL;
        fail_the(n);
        hl_status status = hl_graph_create(&g);
        if (status != HL_OK) {
            ck_assert_int_eq(status, HL_OUT_OF_MEMORY);
            ck_assert_ptr_null(g);
            n_failures++;
            continue;
        }
        two_block m;
        two_block_build(&m, &sizes, g);
        hl_tensor *step = hl_adamw(g, m.loss, &(hl_adamw_options){.rate = m.rate});
        fail_the(0);
        all = hl_graph_status(g) == HL_OK;
        hl_program *program = NULL;
        hl_tensor *outputs[] = {m.loss, step};
        status = hl_program_create(runtime, g, state, outputs, 2, &program);
        if (!all) {
            n_failures++;
            ck_assert_msg(hl_graph_status(g) == HL_OUT_OF_MEMORY, "allocation %zu: %s", n, hl_graph_error(g));
            ck_assert_msg(*hl_graph_error(g) != 0, "allocation %zu fails without words", n);
            ck_assert_ptr_null(step);
            ck_assert_int_eq(status, HL_OUT_OF_MEMORY);
            ck_assert_ptr_null(program);
            ck_assert_uint_eq(hl_state_count(state), 0);
        }
        hl_program_destroy(program);
        hl_graph_destroy(g);
    }
    ck_assert_uint_gt(n_failures, 5);
    ck_assert_uint_eq(hl_state_count(state), 4 * TWO_BLOCK_PARAMS + 1);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    ck_assert_int_eq(n_alive, alive);
}
END_TEST

/* ---- using a program ---- */

START_TEST(WritingRunningAndReadingAllocateNothing) {
    training t = training_open(&sizes, 2);
    hl_tensor *outputs[] = {t.model.loss, t.adamw, t.model.weights[0], t.gradients[3]};
    for (size_t p = 0; p < N_POLICIES; p++) {
        hl_runtime *runtime =
            kit_runtime_of(&(hl_runtime_options){.workers = 3, .policy = policies[p].policy, .trace_events = p * 1000});
        hl_state *state = kit_state();
        hl_program *program = training_program(&t, runtime, state, outputs, 4);
        float weights[2 * 2 * 6 * 6];
        fail_the(0);
        for (int run = 0; run < 5; run++) {
            training_write(&t, program);
            kit_write(program, t.model.rate, &t.rate, sizeof t.rate);
            training_step(&t, program);
            kit_read(program, t.model.weights[0], weights, sizeof weights);
            kit_read(program, t.model.params[0], weights, training_bytes(t.model.params[0]));
        }
        ck_assert_uint_eq(n_asked, 0);
        hl_program_destroy(program);
        hl_state_destroy(state);
        hl_runtime_destroy(runtime);
    }
    training_close(&t);
}
END_TEST

int main(void) {
    return run_tests("graph/program failures",
                     TESTS(EachAllocationOfAProgramMayFail, AllocationsForATraceMayFailToo,
                           EachAllocationOfAGraphMayFail, WritingRunningAndReadingAllocateNothing));
}
