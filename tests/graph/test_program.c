/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What one can do with a program and what it refuses: by status, in words that name the tensor, and with nothing
 * written. Errors of a graph reach whoever makes a program of it. */
#include "graph/program.h"

#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/graph/training.h"
#include "tests/support/suite.h"

/* y = table[index] scaled by a factor, loss = its sum. */
typedef struct model {
    hl_runtime *runtime;
    hl_state *state;
    hl_graph *graph;
    hl_tensor *index, *factor, *unused, *table, *rows, *scaled, *loss;
    hl_program *program;
} model;

static model open_model(void) {
    model m = {.runtime = kit_runtime(2), .state = kit_state(), .graph = kit_graph()};
    m.index = hl_input(m.graph, "index", HL_I32, HL_SHAPE(2, 3));
    m.factor = hl_input(m.graph, "factor", HL_F32, HL_SCALAR);
    m.unused = hl_input(m.graph, "unused", HL_F32, HL_SHAPE(4));
    m.table = kit_param(m.graph, "table", HL_SHAPE(5, 4));
    m.rows = hl_name(m.graph, hl_embedding(m.graph, m.table, m.index), "rows");
    m.scaled = hl_name(m.graph, hl_multiply(m.graph, m.rows, m.factor), "scaled");
    m.loss = hl_name(m.graph, hl_sum(m.graph, m.scaled, 0, false), "total");
    m.program = kit_program(m.runtime, m.graph, m.state, (hl_tensor *[]){m.loss, m.rows}, 2);
    return m;
}

static void close_model(model *m) {
    hl_program_destroy(m->program);
    hl_graph_destroy(m->graph);
    hl_state_destroy(m->state);
    hl_runtime_destroy(m->runtime);
}

static const int32_t indices[6] = {0, 4, 2, 2, 1, 3};

static void assert_refused(const model *m, hl_status status, hl_status wanted, const char *part) {
    ck_assert_msg(status == wanted, "%s, not %s: %s", hl_status_string(status), hl_status_string(wanted),
                  hl_program_error(m->program));
    kit_assert_says(hl_program_error(m->program), part);
}

START_TEST(InputsOutputsAndStateComeOutAsTheyAre) {
    model m = open_model();
    float table[20], rows[24], total, factor = 0.5f;
    double wanted = 0, size = 0;
    int32_t read[6] = {-1};
    kit_read(m.program, m.index, read, sizeof read); /* never written: zeros */
    for (size_t i = 0; i < 6; i++) ck_assert_int_eq(read[i], 0);
    kit_write(m.program, m.index, indices, sizeof indices);
    kit_write(m.program, m.factor, &factor, sizeof factor);
    kit_run(m.program);
    kit_read(m.program, m.index, read, sizeof read);
    kit_read(m.program, m.table, table, sizeof table);
    kit_read(m.program, m.rows, rows, sizeof rows);
    kit_read(m.program, m.loss, &total, sizeof total);
    ck_assert_mem_eq(read, indices, sizeof indices);
    for (size_t i = 0; i < 6; i++) ck_assert_mem_eq(rows + 4 * i, table + 4 * indices[i], 4 * sizeof(float));
    for (size_t i = 0; i < 24; i++) {
        wanted += (double)factor * (double)rows[i];
        size += fabs((double)factor * (double)rows[i]);
    }
    ck_assert_double_le(fabs((double)total - wanted), 3 * KIT_UNIT * size); /* products; sums round twice (sum.c) */
    kit_run(m.program);                                                     /* inputs stay */
    kit_read(m.program, m.rows, rows, sizeof rows);
    ck_assert_mem_eq(rows, table, 4 * sizeof(float));
    ck_assert_str_eq(hl_program_error(m.program), "");
    close_model(&m);
}
END_TEST

/* Whoever reads by mistake keeps the numbers that are there; inputs, parameters and other programs' runs have nothing
 * to do with it. */
START_TEST(OutputsHaveNoValueBeforeARunIsCompleted) {
    model m = open_model();
    float total = 7, rows[24], table[20];
    memset(rows, 0x55, sizeof rows);
    hl_program *other = kit_program(m.runtime, m.graph, m.state, &m.loss, 1);
    kit_run(other);
    assert_refused(&m, hl_program_read(m.program, m.loss, &total, sizeof total), HL_NO_VALUE, "'total'");
    assert_refused(&m, hl_program_read(m.program, m.rows, rows, sizeof rows), HL_NO_VALUE, "'rows'");
    ck_assert_float_eq(total, 7);
    for (size_t i = 0; i < sizeof rows; i++) ck_assert_int_eq(((char *)rows)[i], 0x55);
    kit_read(m.program, m.factor, &total, sizeof total);
    ck_assert_float_eq(total, 0);
    kit_read(m.program, m.table, table, sizeof table);
    kit_run(m.program);
    kit_read(m.program, m.loss, &total, sizeof total);
    kit_read(m.program, m.rows, rows, sizeof rows);
    ck_assert_mem_eq(rows, table, 4 * sizeof(float));
    total = INFINITY;
    kit_write(m.program, m.factor, &total, sizeof total);
    ck_assert_int_eq(hl_program_run(m.program), HL_NOT_FINITE); /* a completed run */
    kit_read(m.program, m.loss, &total, sizeof total);
    ck_assert(!isfinite(total));
    hl_program_destroy(other);
    close_model(&m);
}
END_TEST

START_TEST(TensorsThatNoKernelTouchesAreThereAllTheSame) {
    model m = open_model();
    float in[4] = {1, 2, 3, 4}, out[4] = {0}, gradient[4] = {9, 9, 9, 9}, table[20], same[20];
    hl_tensor *outputs[] = {m.unused, hl_gradient(m.graph, m.loss, m.unused), m.table, m.index, m.unused}; /* twice */
    hl_program *program = kit_program(m.runtime, m.graph, m.state, outputs, 5);
    kit_write(program, m.unused, in, sizeof in);
    kit_write(program, m.index, indices, sizeof indices);
    kit_run(program);
    kit_read(program, m.unused, out, sizeof out);
    kit_read(program, outputs[1], gradient, sizeof gradient);
    kit_read(program, m.table, table, sizeof table);
    ck_assert_mem_eq(out, in, sizeof in);
    for (size_t i = 0; i < 4; i++) ck_assert_float_eq(gradient[i], 0);
    ck_assert_int_eq(hl_state_read(m.state, "table", same, sizeof same), HL_OK);
    ck_assert_mem_eq(table, same, sizeof same);
    hl_program_destroy(program);
    close_model(&m);
}
END_TEST

START_TEST(NullArgumentsAreRefused) {
    model m = open_model();
    float factor = 3;
    hl_program_sizes sizes;
    hl_program *untouched = (hl_program *)&m;
    hl_tensor *outputs[] = {m.loss};
    ck_assert_int_eq(hl_program_write(NULL, m.factor, &factor, sizeof factor), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_program_read(NULL, m.factor, &factor, sizeof factor), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_program_run(NULL), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_program_measure(NULL, &sizes), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_program_measure(m.program, NULL), HL_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(hl_program_error(NULL));
    hl_program_destroy(NULL);
    assert_refused(&m, hl_program_write(m.program, NULL, &factor, sizeof factor), HL_INVALID_ARGUMENT, "NULL");
    assert_refused(&m, hl_program_write(m.program, m.factor, NULL, sizeof factor), HL_INVALID_ARGUMENT, "NULL");
    assert_refused(&m, hl_program_read(m.program, NULL, &factor, sizeof factor), HL_INVALID_ARGUMENT, "NULL");
    assert_refused(&m, hl_program_read(m.program, m.factor, NULL, sizeof factor), HL_INVALID_ARGUMENT, "NULL");
    ck_assert_int_eq(hl_program_create(m.runtime, NULL, m.state, outputs, 1, &untouched), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_program_create(NULL, m.graph, m.state, outputs, 1, &untouched), HL_INVALID_ARGUMENT);
    kit_assert_says(hl_graph_error(m.graph), "runtime");
    ck_assert_int_eq(hl_program_create(m.runtime, m.graph, NULL, outputs, 1, &untouched), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_program_create(m.runtime, m.graph, m.state, NULL, 1, &untouched), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_program_create(m.runtime, m.graph, m.state, outputs, 0, &untouched), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_program_create(m.runtime, m.graph, m.state, outputs, 1, NULL), HL_INVALID_ARGUMENT);
    outputs[0] = NULL;
    ck_assert_int_eq(hl_program_create(m.runtime, m.graph, m.state, outputs, 1, &untouched), HL_INVALID_ARGUMENT);
    kit_assert_says(hl_graph_error(m.graph), "output 0");
    ck_assert_ptr_eq(untouched, (hl_program *)&m);
    close_model(&m);
}
END_TEST

START_TEST(TensorsOfAnotherGraphAreRefusedByName) {
    model m = open_model(), other = open_model();
    float factor = 3;
    hl_name(other.graph, other.scaled, "stranger");
    assert_refused(&m, hl_program_write(m.program, other.factor, &factor, sizeof factor), HL_NOT_FOUND, "'factor'");
    assert_refused(&m, hl_program_read(m.program, other.factor, &factor, sizeof factor), HL_NOT_FOUND, "'factor'");
    hl_program *untouched = NULL;
    hl_tensor *outputs[] = {m.loss, other.scaled};
    ck_assert_int_eq(hl_program_create(m.runtime, m.graph, m.state, outputs, 2, &untouched), HL_INVALID_ARGUMENT);
    kit_assert_says(hl_graph_error(m.graph), "output 1 ('stranger')");
    ck_assert_ptr_null(untouched);
    hl_program *again = kit_program(m.runtime, m.graph, m.state, outputs, 1); /* the graph is as good as before */
    hl_program_destroy(again);
    close_model(&other);
    close_model(&m);
}
END_TEST

START_TEST(WhatTheProgramDoesNotHoldIsNotFound) {
    model m = open_model();
    float values[24] = {1, 2, 3, 4};
    assert_refused(&m, hl_program_write(m.program, m.unused, values, 16), HL_NOT_FOUND, "'unused'");
    assert_refused(&m, hl_program_read(m.program, m.unused, values, 16), HL_NOT_FOUND, "'unused'");
    assert_refused(&m, hl_program_read(m.program, m.scaled, values, 96), HL_NOT_FOUND, "'scaled'"); /* no output */
    assert_refused(&m, hl_program_write(m.program, m.rows, values, 96), HL_NOT_FOUND, "'rows' is no input");
    assert_refused(&m, hl_program_write(m.program, m.table, values, 80), HL_NOT_FOUND, "'table' is no input");
    ck_assert_float_eq(values[0], 1);
    hl_tensor *later = hl_input(m.graph, "later", HL_F32, HL_SHAPE(4)); /* than the program */
    assert_refused(&m, hl_program_write(m.program, later, values, 16), HL_NOT_FOUND, "'later'");
    close_model(&m);
}
END_TEST

START_TEST(WrongSizesAreRefusedAndNothingIsWritten) {
    model m = open_model();
    int32_t read[7];
    float rows[25];
    kit_write(m.program, m.index, indices, sizeof indices);
    assert_refused(&m, hl_program_write(m.program, m.index, (int32_t[7]){0}, 28), HL_SHAPE_MISMATCH, "'index'");
    kit_assert_says(hl_program_error(m.program), "[2, 3]");
    kit_assert_says(hl_program_error(m.program), "24 bytes, not 28");
    assert_refused(&m, hl_program_write(m.program, m.index, (int32_t[7]){0}, 20), HL_SHAPE_MISMATCH, "not 20");
    assert_refused(&m, hl_program_write(m.program, m.index, (int32_t[7]){0}, 0), HL_SHAPE_MISMATCH, "not 0");
    assert_refused(&m, hl_program_read(m.program, m.rows, rows, sizeof rows), HL_SHAPE_MISMATCH, "[2, 3, 4]");
    assert_refused(&m, hl_program_read(m.program, m.table, rows, 76), HL_SHAPE_MISMATCH, "'table'");
    kit_read(m.program, m.index, read, sizeof indices);
    ck_assert_mem_eq(read, indices, sizeof indices);
    close_model(&m);
}
END_TEST

START_TEST(IndicesOutOfRangeAreNamedWithTheirConsumer) {
    model m = open_model();
    int32_t read[6], wrong[6];
    kit_write(m.program, m.index, indices, sizeof indices);
    for (size_t at = 0; at < 6; at++) {
        static const int32_t values[] = {5, -1, INT32_MAX, INT32_MIN};
        char words[64];
        for (size_t v = 0; v < KIT_COUNT(values); v++) {
            for (size_t i = 0; i < 6; i++) wrong[i] = 1;
            wrong[at] = values[v];
            hl_status status = hl_program_write(m.program, m.index, wrong, sizeof wrong);
            assert_refused(&m, status, HL_OUT_OF_RANGE, "'index' [2, 3]");
            snprintf(words, sizeof words, "element %zu is %d; 'rows' takes 0 to 4", at, (int)values[v]);
            kit_assert_says(hl_program_error(m.program), words);
            kit_read(m.program, m.index, read, sizeof read);
            ck_assert_mem_eq(read, indices, sizeof indices); /* also the elements before the wrong one */
        }
    }
    kit_write(m.program, m.index, (int32_t[]){0, 4, 0, 4, 0, 4}, sizeof read); /* both ends are fine */
    close_model(&m);
}
END_TEST

/* As in a file that was read into memory: the sanitizers see it if more is asked of an address. */
START_TEST(IndicesMayStandAtAnyAddress) {
    model m = open_model();
    char packed[1 + 6 * sizeof(int32_t)];
    int32_t read[6];
    memcpy(packed + 1, indices, sizeof indices);
    kit_write(m.program, m.index, packed + 1, sizeof indices);
    kit_read(m.program, m.index, packed + 1, sizeof indices);
    kit_read(m.program, m.index, read, sizeof read);
    ck_assert_mem_eq(packed + 1, indices, sizeof indices);
    ck_assert_mem_eq(read, indices, sizeof indices);
    close_model(&m);
}
END_TEST

START_TEST(TheNarrowestConsumerDecidesAboutAnIndex) {
    model m = open_model();
    hl_tensor *few = kit_param(m.graph, "few", HL_SHAPE(3, 4));
    hl_tensor *picked = hl_name(m.graph, hl_embedding(m.graph, few, m.index), "picked");
    hl_program *program = kit_program(m.runtime, m.graph, m.state, (hl_tensor *[]){picked, m.rows}, 2);
    ck_assert_int_eq(hl_program_write(program, m.index, indices, sizeof indices), HL_OUT_OF_RANGE);
    kit_assert_says(hl_program_error(program), "element 1 is 4; 'picked' takes 0 to 2");
    hl_program_destroy(program);
    close_model(&m);
}
END_TEST

START_TEST(AScalarThatIsNotFiniteIsReportedByName) {
    model m = open_model();
    float total, row[24];
    kit_write(m.program, m.index, indices, sizeof indices);
    for (int i = 0; i < 2; i++) {
        float factor = i ? INFINITY : NAN;
        kit_write(m.program, m.factor, &factor, sizeof factor);
        assert_refused(&m, hl_program_run(m.program), HL_NOT_FINITE, "'total'");
        kit_read(m.program, m.loss, &total, sizeof total); /* the run was completed */
        ck_assert(!isfinite(total));
        kit_read(m.program, m.rows, row, sizeof row);
        ck_assert_float_ne(row[0], 0);
    }
    kit_write(m.program, m.factor, &(float){1}, sizeof(float));
    kit_run(m.program);
    close_model(&m);
}
END_TEST

/* ---- busy: a program whose kernel waits until the test lets it go on ---- */

typedef struct gate {
    sem_t inside, leave;
} gate;

static hl_status gate_infer(hl_inference *i) {
    i->output[0] = i->input[0].shape;
    return HL_OK;
}

static void gate_kernel(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    gate *g = *(gate *const *)call->options;
    sem_post(&g->inside);
    sem_wait(&g->leave);
    *(float *)call->operand[1].data = *(const float *)call->operand[0].data;
}

static const hl_pass gate_pass = {.name = "forward", .kernel = gate_kernel};
static const hl_operator gate_operator = {
    .name = "gate",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .options_bytes = sizeof(gate *),
    .infer = gate_infer,
    .forward = {{.pass = &gate_pass, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}}};

/* A run of a program in a thread of its own, which is inside a kernel. */
typedef struct held_run {
    gate gate, *at;
    hl_tensor *held;
    hl_program *program;
    pthread_t thread;
    hl_status status;
} held_run;

static void *run_held(void *argument) {
    held_run *h = argument;
    h->status = hl_program_run(h->program);
    return NULL;
}

/* The program gives the model's factor, and another tensor, too. */
static void begin_held(held_run *h, model *m, hl_tensor *other) {
    *h = (held_run){.at = &h->gate};
    sem_init(&h->gate.inside, 0, 0);
    sem_init(&h->gate.leave, 0, 0);
    h->held = hl_apply(m->graph, &gate_operator, &m->factor, 1, &h->at, NULL);
    h->program = kit_program(m->runtime, m->graph, m->state, (hl_tensor *[]){h->held, other}, 2);
    kit_write(h->program, m->factor, &(float){1}, sizeof(float));
    ck_assert_int_eq(pthread_create(&h->thread, NULL, run_held, h), 0);
    sem_wait(&h->gate.inside);
}

static hl_status end_held(held_run *h) {
    float read;
    sem_post(&h->gate.leave);
    pthread_join(h->thread, NULL);
    kit_read(h->program, h->held, &read, sizeof read);
    ck_assert_float_eq(read, 1);
    hl_program_destroy(h->program);
    sem_destroy(&h->gate.inside);
    sem_destroy(&h->gate.leave);
    return h->status;
}

START_TEST(AProgramThatRunsIsBusyForEveryoneElse) {
    model m = open_model();
    held_run h;
    begin_held(&h, &m, m.loss);
    float two = 2, read = 0;
    hl_program_sizes sizes;
    ck_assert_int_eq(hl_program_run(h.program), HL_BUSY);
    ck_assert_int_eq(hl_program_write(h.program, m.factor, &two, sizeof two), HL_BUSY);
    ck_assert_int_eq(hl_program_read(h.program, m.factor, &read, sizeof read), HL_BUSY);
    ck_assert_float_eq(read, 0);
    ck_assert_int_eq(hl_program_measure(h.program, &sizes), HL_OK); /* nothing that a run changes */
    kit_write(m.program, m.factor, &two, sizeof two);               /* another program is free */
    ck_assert_int_eq(end_held(&h), HL_OK);                          /* and the run has not noticed */
    close_model(&m);
}
END_TEST

/* The child does what a child may: everything is refused, nothing hangs, destroying is harmless. Its exit code is the
 * number of the first thing that was wrong. */
static int child(model *m) {
    hl_program *made = NULL;
    signal(SIGALRM, SIG_DFL); /* Check's handler would end the parent, too */
    alarm(30);                /* a child that hangs becomes one that was killed */
    if (hl_program_run(m->program) != HL_FORKED) return 1;
    if (!strstr(hl_program_error(m->program), hl_status_string(HL_FORKED))) return 2;
    if (hl_program_create(m->runtime, m->graph, m->state, &m->loss, 1, &made) != HL_FORKED || made) return 3;
    if (!*hl_graph_error(m->graph)) return 4;
    float factor = 2;
    if (hl_program_write(m->program, m->factor, &factor, sizeof factor) != HL_OK) return 5; /* its own memory */
    if (hl_program_read(m->program, m->factor, &factor, sizeof factor) != HL_OK || factor < 2) return 6;
    hl_program_destroy(m->program);
    return 0;
}

static void fork_and_check(model *m) {
    pid_t pid = fork();
    if (pid == 0) _exit(child(m));
    ck_assert_int_gt(pid, 0);
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}

START_TEST(AForkedChildIsRefused) {
    model m = open_model();
    kit_run(m.program);
    fork_and_check(&m);
    kit_run(m.program); /* the parent goes on */
    close_model(&m);
}
END_TEST

START_TEST(AChildForkedDuringARunIsRefusedToo) {
    model m = open_model();
    held_run h;
    hl_tensor *step = hl_sgd(m.graph, m.loss, &(hl_sgd_options){.rate = m.factor});
    begin_held(&h, &m, step); /* a run that holds the state for writing */
    fork_and_check(&m);
    ck_assert_int_eq(end_held(&h), HL_OK);
    close_model(&m);
}
END_TEST

/* ---- errors of the graph ---- */

START_TEST(ErrorsOfTheGraphAreReportedWithOperatorNodeAndShapes) {
    model m = open_model();
    hl_tensor *x = hl_input(m.graph, "x", HL_F32, HL_SHAPE(2, 7, 8)), *w = kit_param(m.graph, "w", HL_SHAPE(9, 3));
    hl_tensor *y = hl_relu(m.graph, hl_dense(m.graph, x, w, NULL)); /* one check for the whole chain */
    ck_assert_ptr_null(y);
    hl_program *untouched = NULL;
    ck_assert_int_eq(hl_program_create(m.runtime, m.graph, m.state, &y, 1, &untouched), HL_SHAPE_MISMATCH);
    ck_assert_ptr_null(untouched);
    kit_assert_says(hl_graph_error(m.graph), "dense 'dense_");
    kit_assert_says(hl_graph_error(m.graph), "[2, 7, 8]");
    kit_assert_says(hl_graph_error(m.graph), "[9, 3]");
    ck_assert_uint_eq(hl_state_count(m.state), 1);
    kit_run(m.program); /* made before the error */
    close_model(&m);
}
END_TEST

START_TEST(AnOperatorWithoutGradientIsNamed) {
    gate *none = NULL;
    model m = open_model();
    hl_tensor *stopped = hl_name(m.graph, hl_apply(m.graph, &gate_operator, &m.loss, 1, &none, NULL), "stopped");
    hl_tensor *gradient = hl_gradient(m.graph, stopped, m.table);
    hl_program *untouched = NULL;
    ck_assert_int_eq(hl_program_create(m.runtime, m.graph, m.state, &gradient, 1, &untouched), HL_UNSUPPORTED);
    ck_assert_ptr_null(untouched);
    kit_assert_says(hl_graph_error(m.graph), "gate 'stopped'");
    kit_assert_says(hl_graph_error(m.graph), "'total'");
    close_model(&m);
}
END_TEST

int main(void) {
    return run_tests("graph/program",
                     TESTS(InputsOutputsAndStateComeOutAsTheyAre, OutputsHaveNoValueBeforeARunIsCompleted,
                           TensorsThatNoKernelTouchesAreThereAllTheSame, NullArgumentsAreRefused,
                           TensorsOfAnotherGraphAreRefusedByName, WhatTheProgramDoesNotHoldIsNotFound,
                           WrongSizesAreRefusedAndNothingIsWritten, IndicesOutOfRangeAreNamedWithTheirConsumer,
                           IndicesMayStandAtAnyAddress, TheNarrowestConsumerDecidesAboutAnIndex,
                           AScalarThatIsNotFiniteIsReportedByName, AProgramThatRunsIsBusyForEveryoneElse,
                           AForkedChildIsRefused, AChildForkedDuringARunIsRefusedToo,
                           ErrorsOfTheGraphAreReportedWithOperatorNodeAndShapes, AnOperatorWithoutGradientIsNamed));
}
