/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The graph as the user builds it: tensors and nodes, append-only, in one store. */
#ifndef HL_GRAPH_GRAPH_H
#define HL_GRAPH_GRAPH_H

#include "graph/store.h"
#include "headloom/graph.h"
#include "runtime/error.h"

typedef struct hl__node hl__node;

typedef enum hl__tensor_kind {
    HL__TENSOR_INPUT,
    HL__TENSOR_CONSTANT, /* its values are in the graph */
    HL__TENSOR_PARAM,    /* trainable, in the state */
    HL__TENSOR_STATE,    /* in the state, not trainable: moments, counters */
    HL__TENSOR_OUTPUT,   /* of a node */
    HL__TENSOR_GRADIENT, /* placeholder for d loss / d wrt */
} hl__tensor_kind;

struct hl_tensor {
    hl_graph *graph;
    hl_tensor *next; /* in the order in which they were made */
    uint32_t id;
    hl__tensor_kind kind;
    const char *name;
    hl_dtype dtype;
    hl_shape shape;

    hl__node *node; /* OUTPUT: made by */
    size_t output;  /* OUTPUT: as number */

    hl_tensor *loss, *wrt; /* GRADIENT */

    const void *values; /* CONSTANT: dense */

    bool frozen; /* PARAM */
    bool decays; /* PARAM: optimisers' weight decay is for it */
    hl_init_function init;
    const void *init_context;

    /* INPUT of type I32: values that every consumer accepts, and who narrowed the range last. */
    int32_t index_min, index_max;
    const hl__node *index_user;
    const hl__node *finite_user; /* INPUT of type F32: takes finite numbers alone; NULL where none does */
};

struct hl__node {
    hl_graph *graph;
    hl__node *next;
    uint32_t id; /* position in the order of building: operands have lower ids */
    const char *name;
    const hl_operator *op;
    const void *options;
    hl_tensor *inputs[HL_MAX_INPUTS];
    size_t n_inputs;
    hl_tensor *outputs[HL_MAX_OUTPUTS]; /* saved ones last */
    size_t n_outputs;
    hl_shape temps[HL_MAX_TEMPS];
    uint32_t finite;  /* bit i: input i has to be finite */
    hl__node **after; /* nodes that belong to this one: the updates of an optimiser, the count of runs */
    size_t n_after;
};

struct hl_graph {
    hl__store store;
    hl_tensor *tensors, *last_tensor;
    hl__node *nodes, *last_node;
    uint32_t n_tensors, n_nodes;
    hl__node *count_step; /* counts the runs that train; made with the first optimiser */
    hl_status status;
    char message[640];
    hl__error unmade; /* why the last program was not made: several threads may make programs of a graph */
};

/* Records the first error; always returns NULL, for `return hl__graph_fail(...)`. */
void *hl__graph_fail(hl_graph *graph, hl_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* True where the graph can take another node: there is one and it has no error. */
bool hl__graph_open(hl_graph *graph);

hl_tensor *hl__graph_tensor(hl_graph *graph, hl__tensor_kind kind, const char *name, hl_dtype dtype, hl_shape shape);

/* The state tensor of this name, made at the first call. */
hl_tensor *hl__graph_state(hl_graph *graph, const char *name, hl_dtype dtype, hl_shape shape);
hl_tensor *hl__graph_step(hl_graph *graph); /* runs that trained, I32 scalar */

/* hl_apply, but gives the node. */
hl__node *hl__graph_apply(hl_graph *graph, const hl_operator *op, hl_tensor *const inputs[], size_t n,
                          const void *options);

#endif
