/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Runs the steps of one operator on plain memory, as a graph would (views, dense copies, temporaries), while watching
 * what each tile touches. Under op_check; tests use op_check.h. */
#ifndef HL_TESTS_SUPPORT_OP_ENGINE_H
#define HL_TESTS_SUPPORT_OP_ENGINE_H

#include "headloom/operator.h"

/* Memory of one value: 4-byte words between two fences. */
typedef struct op_memory {
    uint32_t *words; /* fences included */
    size_t n_words;
    bool index; /* I32: poison is another accepted index instead of NaN, so that a stray read can't crash */
    uint32_t poison[2];
} op_memory;

#define OP_FENCE 64 /* words before and behind the data */

typedef struct op_value {
    op_memory *memory; /* NULL: absent */
    size_t offset;     /* of the first element, in words from the first one behind the fence */
    hl_view view;      /* data is NULL */
} op_value;

typedef struct op_engine {
    const hl_operator *op;
    const void *options;
    uint32_t node_id;
    size_t n_inputs, n_outputs;
    op_value input[HL_MAX_INPUTS], output[HL_MAX_OUTPUTS], d_output[HL_MAX_OUTPUTS], d_input[HL_MAX_INPUTS];
    op_value share[HL_MAX_INPUTS]; /* what backward steps add to the gradients of inputs */
    op_value temp[HL_MAX_TEMPS];   /* of the direction that runs */
    hl_shape temp_shape[HL_MAX_TEMPS];
    op_memory *all[128]; /* everything taken, to be freed */
    size_t n_all;

    bool watch; /* check access and order, too */
    size_t min_tiles;
    const char *const *few_tiles;
    char *words; /* why it failed */
    size_t words_size;
} op_engine;

/* A value with its own memory in the given layout, everything in it poisoned. */
op_value op_take(op_engine *e, hl_dtype dtype, const hl_shape *shape, hl_layout layout);
void op_free(op_engine *e);

/* Copies values in or out in row-major order. */
void op_fill(const op_value *value, const void *dense);
void op_dense(const op_value *value, void *dense);

/* Runs all forward steps; outputs must be taken. */
bool op_run_forward(op_engine *e);

/* Runs those backward steps that the present d_inputs need. */
bool op_run_backward(op_engine *e);

bool op_fail(op_engine *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
