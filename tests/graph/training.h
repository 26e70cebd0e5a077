/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the tests of whole programs share: the model of two blocks with its data, gradients and an optimiser, and
 * snapshots of a state. */
#ifndef TESTS_GRAPH_TRAINING_H
#define TESTS_GRAPH_TRAINING_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/graph/kit.h"
#include "tests/support/two_block.h"

/* Sanitized code is slower by an order of magnitude: tests do less of the same there. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TRAINING_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TRAINING_SANITIZED 1
#endif
#endif
#ifndef TRAINING_SANITIZED
#define TRAINING_SANITIZED 0
#endif

typedef struct training {
    two_block model;
    hl_tensor *adamw, *sgd; /* steps; sgd with momentum */
    hl_tensor *gradients[TWO_BLOCK_PARAMS];
    int32_t *words, *labels, *lengths;
    float rate;
} training;

static inline training training_open(const two_block_sizes *sizes, uint64_t seed) {
    training t = {.rate = 0.01f};
    size_t rows = sizes->batch * sizes->tokens;
    two_block_build(&t.model, sizes, kit_graph());
    hl_graph *g = t.model.graph;
    t.adamw = hl_adamw(g, t.model.loss, &(hl_adamw_options){.rate = t.model.rate, .decay = 0.01f});
    t.sgd = hl_sgd(g, t.model.loss, &(hl_sgd_options){.rate = t.model.rate, .momentum = 0.9f, .decay = 0.01f});
    for (size_t p = 0; p < TWO_BLOCK_PARAMS; p++) t.gradients[p] = hl_gradient(g, t.model.loss, t.model.params[p]);
    kit_assert_ok(g, hl_graph_status(g));
    t.words = calloc(rows, sizeof *t.words);
    t.labels = calloc(rows, sizeof *t.labels);
    t.lengths = calloc(sizes->batch, sizeof *t.lengths);
    two_block_data(sizes, seed, t.words, t.labels, t.lengths);
    return t;
}

static inline void training_close(training *t) {
    free(t->words);
    free(t->labels);
    free(t->lengths);
    hl_graph_destroy(t->model.graph);
}

static inline void training_write(const training *t, hl_program *program) {
    size_t rows = t->model.sizes.batch * t->model.sizes.tokens;
    kit_write(program, t->model.words, t->words, rows * sizeof *t->words);
    kit_write(program, t->model.labels, t->labels, rows * sizeof *t->labels);
    kit_write(program, t->model.lengths, t->lengths, t->model.sizes.batch * sizeof *t->lengths);
}

/* A program of these outputs with its data written; the rate only where a step is among them. */
static inline hl_program *training_program(const training *t, hl_runtime *runtime, hl_state *state,
                                           hl_tensor *const outputs[], size_t n) {
    hl_program *program = kit_program(runtime, t->model.graph, state, outputs, n);
    training_write(t, program);
    for (size_t i = 0; i < n; i++)
        if (outputs[i] == t->adamw || outputs[i] == t->sgd) kit_write(program, t->model.rate, &t->rate, sizeof t->rate);
    return program;
}

/* Runs once; the loss. */
static inline float training_step(const training *t, hl_program *program) {
    float loss;
    kit_run(program);
    kit_read(program, t->model.loss, &loss, sizeof loss);
    return loss;
}

static inline size_t training_bytes(const hl_tensor *tensor) {
    hl_shape shape = hl_tensor_shape(tensor);
    return hl_shape_elements(&shape) * hl_dtype_bytes(hl_tensor_dtype(tensor));
}

/* ---- snapshots ---- */

typedef struct snapshot {
    char *bytes; /* of each tensor its name, type, shape and elements, one after the other */
    size_t n_bytes, n_tensors;
} snapshot;

static inline void snapshot_add(snapshot *s, const void *data, size_t bytes) {
    s->bytes = realloc(s->bytes, s->n_bytes + bytes);
    memcpy(s->bytes + s->n_bytes, data, bytes);
    s->n_bytes += bytes;
}

static inline snapshot snapshot_of(hl_state *state) {
    snapshot s = {.n_tensors = hl_state_count(state)};
    for (size_t i = 0; i < s.n_tensors; i++) {
        const char *name;
        hl_dtype dtype;
        hl_shape shape;
        ck_assert_int_eq(hl_state_tensor(state, i, &name, &dtype, &shape), HL_OK);
        size_t bytes = hl_shape_elements(&shape) * hl_dtype_bytes(dtype);
        void *data = malloc(bytes);
        ck_assert_int_eq(hl_state_read(state, name, data, bytes), HL_OK);
        snapshot_add(&s, name, strlen(name) + 1);
        snapshot_add(&s, &dtype, sizeof dtype);
        snapshot_add(&s, shape.extent, shape.rank * sizeof shape.extent[0]);
        snapshot_add(&s, data, bytes);
        free(data);
    }
    return s;
}

static inline bool snapshot_equal(const snapshot *a, const snapshot *b) {
    return a->n_tensors == b->n_tensors && a->n_bytes == b->n_bytes &&
           (a->n_bytes == 0 || memcmp(a->bytes, b->bytes, a->n_bytes) == 0);
}

/* True where the state holds what it held when the snapshot was made. */
static inline bool snapshot_holds(const snapshot *s, hl_state *state) {
    snapshot now = snapshot_of(state);
    bool equal = snapshot_equal(s, &now);
    free(now.bytes);
    return equal;
}

#endif
