/* SPDX-License-Identifier: BSD-3-Clause
 *
 * GPTs small enough to be tested number by number, with a program of their own. */
#ifndef HL_TESTS_BENCH_GPT_KIT_H
#define HL_TESTS_BENCH_GPT_KIT_H

#include "bench/subjects/gpt.h"
#include "tests/bench/kit.h"

/* Every extent is another one, so that none can stand for another. */
static const gpt_sizes tiny[] = {
    {.layers = 2, .heads = 2, .width = 8, .vocabulary = 11, .batch = 3, .tokens = 5},
    {.layers = 2, .heads = 2, .width = 8, .vocabulary = 11, .batch = 3, .tokens = 5, .no_bias = true}};

typedef struct small_gpt {
    gpt model;
    hl_runtime *runtime;
    hl_state *state;
    hl_program *program; /* the logits, or the loss and the step */
} small_gpt;

/* A macro, so that the message is fetched after the call that it explains. */
#define CHECK_OK(call, message)                                                          \
    do {                                                                                 \
        hl_status status_ = (call);                                                      \
        ck_assert_msg(status_ == HL_OK, "%s: %s", hl_status_string(status_), (message)); \
    } while (0)

static inline small_gpt open_gpt(const gpt_sizes *sizes, bool trains) {
    small_gpt made = {.runtime = NULL};
    hl_graph *graph;
    CHECK_OK(hl_runtime_create(&(hl_runtime_options){.workers = 2}, &made.runtime), "runtime");
    CHECK_OK(hl_state_create(&made.state), "state");
    CHECK_OK(hl_graph_create(&graph), "graph");
    gpt_build(&made.model, sizes, graph);
    hl_tensor *outputs[] = {trains ? made.model.loss : made.model.logits, made.model.step};
    CHECK_OK(hl_program_create(made.runtime, graph, made.state, outputs, trains ? 2 : 1, &made.program),
             hl_graph_error(graph));
    return made;
}

static inline void close_gpt(small_gpt *small) {
    hl_program_destroy(small->program);
    hl_graph_destroy(small->model.graph);
    hl_state_destroy(small->state);
    hl_runtime_destroy(small->runtime);
}

static inline void write_input(const small_gpt *small, hl_tensor *tensor, const void *values, size_t bytes) {
    CHECK_OK(hl_program_write(small->program, tensor, values, bytes), hl_program_error(small->program));
}

/* A tensor of the state. */
typedef struct held {
    const char *name;
    hl_shape shape;
    size_t elements;
} held;

static inline held held_at(const small_gpt *small, size_t index) {
    held made;
    hl_dtype dtype;
    CHECK_OK(hl_state_tensor(small->state, index, &made.name, &dtype, &made.shape), "state");
    made.elements = hl_shape_elements(&made.shape);
    return made;
}

/* Neither a moment nor a count. */
static inline bool is_parameter(const char *name) { return strchr(name, '/') == NULL && strcmp(name, "step") != 0; }

#endif
