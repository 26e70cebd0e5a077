/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the tests of nn/ share: a graph with a runtime and a state, a few steps of training, values of parameters. */
#ifndef HL_TESTS_NN_KIT_H
#define HL_TESTS_NN_KIT_H

#include <stdlib.h>
#include <string.h>

#include "headloom/headloom.h"
#include "tests/support/suite.h"

typedef struct kit {
    hl_runtime *runtime;
    hl_state *state;
    hl_nn nn; /* with the graph */
} kit;

static inline kit kit_open(void) {
    kit made = {.nn = {.seed = 7, .training = true}};
    ck_assert_int_eq(hl_runtime_create(&(hl_runtime_options){.workers = 2}, &made.runtime), HL_OK);
    ck_assert_int_eq(hl_state_create(&made.state), HL_OK);
    ck_assert_int_eq(hl_graph_create(&made.nn.graph), HL_OK);
    return made;
}

static inline void kit_close(kit *used) {
    hl_graph_destroy(used->nn.graph);
    hl_state_destroy(used->state);
    hl_runtime_destroy(used->runtime);
}

static inline hl_program *kit_program(kit *used, hl_tensor *const outputs[], size_t n) {
    hl_program *program = NULL;
    hl_status status = hl_program_create(used->runtime, used->nn.graph, used->state, outputs, n, &program);
    ck_assert_msg(status == HL_OK, "%s: %s", hl_status_string(status), hl_graph_error(used->nn.graph));
    return program;
}

static inline void kit_write(hl_program *program, hl_tensor *tensor, const void *data, size_t bytes) {
    ck_assert_msg(hl_program_write(program, tensor, data, bytes) == HL_OK, "%s", hl_program_error(program));
}

static inline void kit_run(hl_program *program) {
    ck_assert_msg(hl_program_run(program) == HL_OK, "%s", hl_program_error(program));
}

static inline void kit_read(hl_program *program, hl_tensor *tensor, void *data, size_t bytes) {
    ck_assert_msg(hl_program_read(program, tensor, data, bytes) == HL_OK, "%s", hl_program_error(program));
}

/* Numbers in (-1, 1) that look random. */
static inline void kit_values(float *values, size_t n, uint32_t seed) {
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        values[i] = (float)(int32_t)seed * 0x1p-31f;
    }
}

/* The shape of a state tensor; it must be there. */
static inline hl_shape kit_shape(kit *used, const char *name) {
    for (size_t i = 0; i < hl_state_count(used->state); i++) {
        const char *found;
        hl_dtype dtype;
        hl_shape shape;
        ck_assert_int_eq(hl_state_tensor(used->state, i, &found, &dtype, &shape), HL_OK);
        if (strcmp(found, name) == 0) return shape;
    }
    ck_abort_msg("no state tensor is named '%s'", name);
    return HL_SCALAR;
}

static inline void kit_expect_shape(kit *used, const char *name, hl_shape expected) {
    hl_shape shape = kit_shape(used, name);
    char got[HL_SHAPE_TEXT], want[HL_SHAPE_TEXT];
    ck_assert_str_eq(hl_shape_text(&shape, got, sizeof got), hl_shape_text(&expected, want, sizeof want));
}

/* The graph must hold this error, with these words somewhere in it. */
static inline void kit_expect_error(const kit *used, hl_status status, const char *words) {
    ck_assert_int_eq(hl_graph_status(used->nn.graph), status);
    ck_assert_msg(strstr(hl_graph_error(used->nn.graph), words), "'%s' lacks '%s'", hl_graph_error(used->nn.graph),
                  words);
}

#define KIT_BATCH 2
#define KIT_TOKENS 5
#define KIT_WIDTH 6
#define KIT_ELEMENTS (KIT_BATCH * KIT_TOKENS * KIT_WIDTH)

static inline hl_tensor *kit_input(kit *used) {
    return hl_input(used->nn.graph, "x", HL_F32, HL_SHAPE(KIT_BATCH, KIT_TOKENS, KIT_WIDTH));
}

/* Trains 40 steps on one batch: a dense layer over y, which was made of x, has to give random targets; its loss must
 * fall below half of what it was. */
static inline void kit_train(kit *used, hl_tensor *x, hl_tensor *y) {
    hl_graph *g = used->nn.graph;
    hl_tensor *rate = hl_input(g, "rate", HL_F32, HL_SCALAR);
    hl_tensor *target = hl_input(g, "target", HL_F32, HL_SHAPE(KIT_BATCH, KIT_TOKENS, KIT_WIDTH));
    hl_tensor *loss = hl_squared_error(g, hl_nn_dense(&used->nn, "head", y, KIT_WIDTH, true), target);
    hl_tensor *step = hl_adamw(g, loss, &(hl_adamw_options){.rate = rate});
    hl_program *program = kit_program(used, (hl_tensor *[]){loss, step}, 2);

    float values[KIT_ELEMENTS], targets[KIT_ELEMENTS], first = 0, last = 0;
    kit_values(values, KIT_ELEMENTS, 1);
    kit_values(targets, KIT_ELEMENTS, 2);
    kit_write(program, x, values, sizeof values);
    kit_write(program, target, targets, sizeof targets);
    kit_write(program, rate, &(float){0.05f}, sizeof(float));
    for (int i = 0; i < 40; i++) {
        kit_run(program);
        kit_read(program, loss, &last, sizeof last);
        if (i == 0) first = last;
    }
    ck_assert_msg(last < first / 2, "the loss went from %g to %g", (double)first, (double)last);
    hl_program_destroy(program);
}

#endif
