/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the tests of graph/ share: runtimes, graphs and programs that must come out well, fixed pseudo-random data, and
 * the stages of the pipeline run up to a given one. */
#ifndef TESTS_GRAPH_KIT_H
#define TESTS_GRAPH_KIT_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "graph/ir.h"
#include "headloom/program.h"
#include "ops/ops.h"

#define KIT_UNIT 0x1p-24 /* the largest relative error of rounding to float */
#define KIT_COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Fails the test unless text contains part. */
#define kit_assert_says(text, part) \
    ck_assert_msg(strstr((text), (part)) != NULL, "'%s' does not contain '%s'", (text), (part))

#define kit_assert_ok(graph, call)                                                                   \
    do {                                                                                             \
        hl_status status_ = (call);                                                                  \
        ck_assert_msg(status_ == HL_OK, "%s: %s", hl_status_string(status_), hl_graph_error(graph)); \
    } while (0)

static inline hl_runtime *kit_runtime_of(const hl_runtime_options *options) {
    hl_runtime *runtime = NULL;
    ck_assert_int_eq(hl_runtime_create(options, &runtime), HL_OK);
    return runtime;
}

static inline hl_runtime *kit_runtime(size_t workers) {
    return kit_runtime_of(&(hl_runtime_options){.workers = workers});
}

static inline hl_graph *kit_graph(void) {
    hl_graph *graph = NULL;
    ck_assert_int_eq(hl_graph_create(&graph), HL_OK);
    return graph;
}

static inline hl_state *kit_state(void) {
    hl_state *state = NULL;
    ck_assert_int_eq(hl_state_create(&state), HL_OK);
    return state;
}

static inline hl_program *kit_program(hl_runtime *runtime, hl_graph *graph, hl_state *state, hl_tensor *const outputs[],
                                      size_t n) {
    hl_program *program = NULL;
    hl_status status = hl_program_create(runtime, graph, state, outputs, n, &program);
    kit_assert_ok(graph, status);
    return program;
}

static inline void kit_write(hl_program *program, hl_tensor *tensor, const void *data, size_t bytes) {
    hl_status status = hl_program_write(program, tensor, data, bytes);
    ck_assert_msg(status == HL_OK, "%s", hl_program_error(program));
}

static inline void kit_run(hl_program *program) {
    hl_status status = hl_program_run(program);
    ck_assert_msg(status == HL_OK, "%s", hl_program_error(program));
}

static inline void kit_read(hl_program *program, hl_tensor *tensor, void *data, size_t bytes) {
    hl_status status = hl_program_read(program, tensor, data, bytes);
    ck_assert_msg(status == HL_OK, "%s", hl_program_error(program));
}

static inline uint64_t kit_random(uint64_t *seed) { /* splitmix64, Steele et al. 2014 */
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline size_t kit_below(uint64_t *seed, size_t n) { return (size_t)(kit_random(seed) % n); }

/* n values in [-1, 1). */
static inline void kit_fill(float *values, size_t n, uint64_t seed) {
    for (size_t i = 0; i < n; i++) values[i] = (float)((double)(kit_random(&seed) >> 40) * 0x1p-23 - 1);
}

/* An initialiser of parameters: kit_fill by a hash of the name, so that each gets its own values. */
static inline void kit_init(float *values, const hl_shape *shape, const char *name, const void *context) {
    uint64_t seed = *(const uint64_t *)context;
    for (; *name; name++) seed = seed * 31 + (unsigned char)*name;
    kit_fill(values, hl_shape_elements(shape), seed);
}

static inline hl_tensor *kit_param(hl_graph *graph, const char *name, hl_shape shape) {
    uint64_t seed = 7;
    return hl_param_init(graph, hl_param(graph, name, HL_F32, shape), kit_init, &seed, sizeof seed);
}

typedef enum kit_stage { KIT_BUILT, KIT_FUSED, KIT_DIFFERENTIATED, KIT_TILED } kit_stage;

/* The pipeline up to and with a stage, on an empty ir; the caller clears it. */
static inline hl_status kit_stages(hl__ir *ir, hl_graph *graph, hl_tensor *const outputs[], size_t n, kit_stage last) {
    kit_assert_ok(graph, hl_graph_status(graph));
    hl_status status = hl__ir_build(ir, graph, outputs, n);
    if (status == HL_OK && last >= KIT_FUSED) status = hl__ir_fuse(ir);
    if (status == HL_OK && last >= KIT_DIFFERENTIATED) status = hl__ir_differentiate(ir);
    if (status == HL_OK && last >= KIT_TILED) status = hl__ir_tile(ir);
    return status;
}

/* How many nodes of this operator there are. */
static inline size_t kit_nodes(const hl__ir *ir, const char *op) {
    size_t n = 0;
    for (size_t i = 0; i < ir->n_nodes; i++) n += !ir->nodes[i].removed && strcmp(ir->nodes[i].op->name, op) == 0;
    return n;
}

/* How many calls have a name that ends in `end`. */
static inline size_t kit_calls(const hl__ir *ir, const char *end) {
    size_t n = 0;
    for (size_t i = 0; i < ir->n_calls; i++) {
        size_t length = strlen(ir->calls[i]->name), wanted = strlen(end);
        n += length >= wanted && strcmp(ir->calls[i]->name + length - wanted, end) == 0;
    }
    return n;
}

#endif
