/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the pipeline works on: one struct that each stage extends, in this order.
 *
 *   build          nodes and values that the outputs need            hl__ir_build
 *   fuse           nodes replaced by faster ones                     hl__ir_fuse
 *   differentiate  calls: passes applied to values, both directions  hl__ir_differentiate
 *   (need)         what can never be had is refused                 hl__ir_check_need (need.h)
 *   tile           each call's grid, plan and views; what tiles touch  hl__ir_tile
 *   place          a NUMA home for tiles and buffers                 hl__ir_place
 *   plan memory    buffers get lifetimes and offsets                 hl__ir_plan
 *   link           tasks and edges                                   hl__ir_link
 *
 * Everything lives in the store of the program that owns it. Values and calls are named by their index. */
#ifndef HL_GRAPH_IR_H
#define HL_GRAPH_IR_H

#include "graph/graph.h"
#include "graph/store.h"
#include "graph/tiles.h"
#include "headloom/operator.h"
#include "runtime/memory_limit.h"

#define HL__NONE UINT32_MAX

typedef enum hl__value_kind {
    HL__VALUE_INPUT,    /* written by the user, owned by the program */
    HL__VALUE_STATE,    /* owned by the state */
    HL__VALUE_CONSTANT, /* filled once when the program is made */
    HL__VALUE_COMPUTED, /* written by calls */
} hl__value_kind;

typedef struct hl__value {
    const char *name;
    hl__value_kind kind;
    hl_dtype dtype;
    hl_shape shape;
    const hl_tensor *tensor; /* the user's, where there is one */
    const void *elements;    /* CONSTANT: dense, the graph's; NULL: */
    float constant;          /*           each element is this one */
    bool output;             /* kept after the run */

    /* Where the elements are: in the buffer of value `base` (itself, unless this is a view). */
    uint32_t base;
    size_t offset;
    size_t stride[HL_MAX_RANK];
    uint32_t dense; /* a dense copy of this view, once some call needed one; else HL__NONE */

    /* Of a base with a planned buffer: */
    uint32_t first_call, last_call;           /* first to write, last to touch */
    size_t bytes, padded_bytes, arena_offset; /* padded: what the plan gives it */
    uint16_t home;
    void *data; /* set before the first run */
} hl__value;

typedef struct hl__ir_node {
    const hl_operator *op;
    const void *options;
    const char *name;
    uint32_t id; /* stable: the key of random numbers */
    uint32_t inputs[HL_MAX_INPUTS];
    size_t n_inputs;
    uint32_t outputs[HL_MAX_OUTPUTS];
    size_t n_outputs;
    hl_shape temps[HL_MAX_TEMPS];
    bool removed;    /* by a later stage */
    bool keep;       /* needed for what it writes in place */
    uint32_t finite; /* bit i: input i has to be finite */
} hl__ir_node;

/* A placeholder for a gradient that some node or output reads. */
typedef struct hl__ir_gradient {
    uint32_t loss, wrt, value;
} hl__ir_gradient;

typedef struct hl__call {
    const hl_pass *pass;
    const char *name;                  /* node.pass */
    uint32_t operand[HL_MAX_OPERANDS]; /* values, reads first; HL__NONE: absent */
    hl_view view[HL_MAX_OPERANDS];
    hl_call call; /* what the kernels get */
    hl_grid grid;
    size_t n_tiles, first_tile; /* the latter into hl__ir.tiles */
    double flops, bytes;
    bool background;
} hl__call;

/* A scalar that the program computes, and that a node needs to be finite. */
typedef struct hl__ir_watched {
    uint32_t value;
    const char *name, *user;
} hl__ir_watched;

typedef struct hl__ir {
    hl__store store;
    hl__value *values;
    size_t n_values, room_values;
    uint32_t *value_of; /* by the id of a user's tensor */
    size_t n_tensors;
    hl__ir_node *nodes; /* in an order in which operands come first */
    size_t n_nodes, room_nodes;
    hl__ir_gradient *gradients;
    size_t n_gradients;
    hl__ir_watched *watched;
    size_t n_watched;
    hl__call **calls; /* in the serial order */
    size_t n_calls, room_calls;
    size_t n_forward; /* calls before the first gradient */
    hl__tiles tiles;
    hl__boxes boxes; /* from tile to link */
    size_t scratch_bytes;
    const struct hl_code *code;    /* room for generated kernels, or NULL */
    const hl__memory_limit *limit; /* what the program may have, or NULL */
    size_t n_homes;
    uint32_t ones; /* the constant 1 (scalar), or HL__NONE */
    hl_status status;
    char message[640];
} hl__ir;

/* Records the first error and returns its status. */
hl_status hl__ir_fail(hl__ir *ir, hl_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
hl_status hl__ir_no_memory(hl__ir *ir);
void hl__ir_clear(hl__ir *ir);

/* A new value with its own dense buffer; HL__NONE where there is no memory. Pointers into ir->values may move. */
uint32_t hl__ir_value(hl__ir *ir, hl__value_kind kind, const char *name, hl_dtype dtype, const hl_shape *shape);
hl__ir_node *hl__ir_add_node(hl__ir *ir);

/* Value i as a kernel's operand (data NULL). HL__NONE gives an absent operand. */
hl_view hl__ir_view(const hl__ir *ir, uint32_t value);
bool hl__ir_dense(const hl__value *value);

/* True where the call writes a state tensor, in place or through a view. */
bool hl__ir_writes_state(const hl__ir *ir, const hl__call *call);

/* Value `view` from now on names the elements of `of`, whose buffer is kept where the view is an output. */
void hl__ir_become_view(hl__ir *ir, uint32_t view, uint32_t of);

/* The stages. Each needs what those before it made; errors are in ir->message. */
hl_status hl__ir_build(hl__ir *ir, hl_graph *graph, hl_tensor *const outputs[], size_t n_outputs);
hl_status hl__ir_fuse(hl__ir *ir);
hl_status hl__ir_differentiate(hl__ir *ir);
hl_status hl__ir_tile(hl__ir *ir);
hl_status hl__ir_place(hl__ir *ir, size_t n_homes);

/* The value of a user's tensor in this program, or HL__NONE. */
uint32_t hl__ir_find(const hl__ir *ir, const hl_tensor *tensor);

#endif
