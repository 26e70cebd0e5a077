/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Gradients as placeholders, and optimisers: one update node a parameter, in place, and one node that counts the step
 * and owns the updates. */
#include <string.h>

#include "graph/graph.h"
#include "ops/ops.h"

hl_tensor *hl_gradient(hl_graph *graph, hl_tensor *loss, hl_tensor *wrt) {
    if (!hl__graph_open(graph)) return NULL;
    if (!loss || !wrt || loss->graph != graph || wrt->graph != graph)
        return hl__graph_fail(graph, HL_INVALID_ARGUMENT, "gradient: loss '%s' or tensor '%s' is not of this graph",
                              hl_tensor_name(loss), hl_tensor_name(wrt));
    char text[HL_SHAPE_TEXT];
    if (loss->shape.rank != 0 || loss->dtype != HL_F32)
        return hl__graph_fail(graph, HL_SHAPE_MISMATCH, "gradient: loss '%s' is %s %s, not an f32 scalar", loss->name,
                              hl_dtype_name(loss->dtype), hl_shape_text(&loss->shape, text, sizeof text));
    if (wrt->dtype != HL_F32)
        return hl__graph_fail(graph, HL_TYPE_MISMATCH, "gradient: '%s' holds integers", wrt->name);
    for (hl_tensor *old = graph->tensors; old; old = old->next)
        if (old->kind == HL__TENSOR_GRADIENT && old->loss == loss && old->wrt == wrt) return old;
    const char *name = hl__store_format(&graph->store, "d%s/d%s", loss->name, wrt->name);
    if (!name) return hl__graph_fail(graph, HL_OUT_OF_MEMORY, "no memory for the graph");
    hl_tensor *gradient = hl__graph_tensor(graph, HL__TENSOR_GRADIENT, name, HL_F32, wrt->shape);
    if (!gradient) return NULL;
    gradient->loss = loss;
    gradient->wrt = wrt;
    return gradient;
}

/* Marks every tensor that `tensor` is computed from. marks: one byte a tensor id. Recursion is replaced by a sweep
 * from the newest tensor to the oldest: operands are older than results. */
static char *mark_ancestors(hl_graph *graph, hl__store *scratch, const hl_tensor *tensor) {
    char *marks = hl__store_take(scratch, graph->n_tensors, 1);
    hl_tensor **all = hl__store_take(scratch, graph->n_tensors, sizeof *all);
    if (!marks || !all) return NULL;
    for (hl_tensor *t = graph->tensors; t; t = t->next) all[t->id] = t;
    marks[tensor->id] = 1;
    for (size_t id = graph->n_tensors; id-- > 0;) {
        if (!marks[id] || all[id]->kind != HL__TENSOR_OUTPUT) continue;
        const hl__node *node = all[id]->node;
        for (size_t i = 0; i < node->n_inputs; i++)
            if (node->inputs[i]) marks[node->inputs[i]->id] = 1;
    }
    return marks;
}

typedef struct choice {
    hl_tensor **params;
    size_t n;
} choice;

/* The parameters to train: those asked for, or all that the loss depends on and that are not frozen. */
static bool choose(hl_graph *graph, hl__store *scratch, const char *op, hl_tensor *loss, hl_tensor *const *asked,
                   size_t n_asked, choice *chosen) {
    chosen->params = hl__store_take(scratch, graph->n_tensors, sizeof *chosen->params);
    char *marks = mark_ancestors(graph, scratch, loss);
    if (!chosen->params || !marks) {
        hl__graph_fail(graph, HL_OUT_OF_MEMORY, "no memory for the graph");
        return false;
    }
    for (size_t i = 0; asked && i < n_asked; i++) {
        if (!asked[i] || asked[i]->graph != graph || asked[i]->kind != HL__TENSOR_PARAM) {
            hl__graph_fail(graph, HL_INVALID_ARGUMENT, "%s: '%s' is no parameter of this graph", op,
                           hl_tensor_name(asked[i]));
            return false;
        }
        bool twice = false;
        for (size_t j = 0; j < chosen->n; j++) twice |= chosen->params[j] == asked[i];
        if (!twice) chosen->params[chosen->n++] = asked[i];
    }
    for (hl_tensor *t = graph->tensors; !asked && t; t = t->next)
        if (t->kind == HL__TENSOR_PARAM && !t->frozen && marks[t->id]) chosen->params[chosen->n++] = t;
    if (chosen->n == 0)
        hl__graph_fail(graph, HL_INVALID_ARGUMENT, "%s: loss '%s' depends on no parameter that can be trained", op,
                       loss->name);
    return chosen->n > 0;
}

static hl_tensor *moment(hl_graph *graph, const char *prefix, const hl_tensor *param) {
    const char *name = hl__store_format(&graph->store, "%s/%s", prefix, param->name);
    if (!name) return hl__graph_fail(graph, HL_OUT_OF_MEMORY, "no memory for the graph");
    return hl__graph_state(graph, name, HL_F32, param->shape);
}

/* The node that counts the step; asking for its output runs the updates too. */
static hl_tensor *finish(hl_graph *graph, hl__node *const updates[], size_t n) {
    hl__node *advance =
        hl__graph_apply(graph, hl__operator(HL__OP_advance), (hl_tensor *[]){hl__graph_step(graph)}, 1, NULL);
    if (!advance) return NULL;
    advance->after = hl__store_copy(&graph->store, updates, n * sizeof updates[0]);
    if (!advance->after) return hl__graph_fail(graph, HL_OUT_OF_MEMORY, "no memory for the graph");
    advance->n_after = n;
    return advance->outputs[0];
}

static bool rate_valid(hl_graph *graph, const char *op, const hl_tensor *loss, const hl_tensor *rate) {
    if (!hl__graph_open(graph)) return false;
    if (!loss || loss->graph != graph || loss->shape.rank != 0 || loss->dtype != HL_F32)
        hl__graph_fail(graph, HL_INVALID_ARGUMENT, "%s: loss '%s' is not an f32 scalar of this graph", op,
                       hl_tensor_name(loss));
    else if (!rate || rate->graph != graph || rate->shape.rank != 0 || rate->dtype != HL_F32)
        hl__graph_fail(graph, HL_INVALID_ARGUMENT, "%s: the rate '%s' is not an f32 scalar of this graph", op,
                       hl_tensor_name(rate));
    return graph->status == HL_OK;
}

typedef hl__node *update_function(hl_graph *graph, hl_tensor *param, hl_tensor *gradient, const void *options);

static hl_tensor *update_all(hl_graph *graph, const char *op, hl_tensor *loss, hl_tensor *const *asked, size_t n_asked,
                             update_function *update, const void *options) {
    hl__store scratch = {0};
    hl_tensor *step = NULL;
    choice chosen = {0};
    if (choose(graph, &scratch, op, loss, asked, n_asked, &chosen)) {
        hl__node **updates = hl__store_take(&scratch, chosen.n, sizeof *updates);
        if (!updates) hl__graph_fail(graph, HL_OUT_OF_MEMORY, "no memory for the graph");
        for (size_t i = 0; updates && i < chosen.n && graph->status == HL_OK; i++)
            updates[i] = update(graph, chosen.params[i], hl_gradient(graph, loss, chosen.params[i]), options);
        if (graph->status == HL_OK) step = finish(graph, updates, chosen.n);
    }
    hl__store_clear(&scratch);
    return step;
}

static hl__node *sgd_update(hl_graph *graph, hl_tensor *param, hl_tensor *gradient, const void *options) {
    const hl_sgd_options *given = options;
    hl_tensor *velocity = given->momentum > 0 ? moment(graph, "sgd.v", param) : NULL;
    hl_sgd_config config = {.momentum = given->momentum, .decay = param->shape.rank >= 2 ? given->decay : 0};
    return hl__graph_apply(graph, hl__operator(HL__OP_sgd), (hl_tensor *[]){param, velocity, gradient, given->rate}, 4,
                           &config);
}

hl_tensor *hl_sgd(hl_graph *graph, hl_tensor *loss, const hl_sgd_options *options) {
    hl_sgd_options given = options ? *options : (hl_sgd_options){0};
    if (!rate_valid(graph, "sgd", loss, given.rate)) return NULL;
    return update_all(graph, "sgd", loss, given.params, given.n_params, sgd_update, &given);
}

static hl__node *adamw_update(hl_graph *graph, hl_tensor *param, hl_tensor *gradient, const void *options) {
    const hl_adamw_options *given = options;
    hl_tensor *m = moment(graph, "adamw.m", param), *v = moment(graph, "adamw.v", param);
    hl_adamw_config config = {.beta1 = given->beta1 > 0 ? given->beta1 : 0.9f,
                              .beta2 = given->beta2 > 0 ? given->beta2 : 0.999f,
                              .epsilon = given->epsilon > 0 ? given->epsilon : 1e-8f,
                              .decay = param->shape.rank >= 2 ? given->decay : 0};
    return hl__graph_apply(graph, hl__operator(HL__OP_adamw),
                           (hl_tensor *[]){param, m, v, gradient, given->rate, hl__graph_step(graph)}, 6, &config);
}

hl_tensor *hl_adamw(hl_graph *graph, hl_tensor *loss, const hl_adamw_options *options) {
    hl_adamw_options given = options ? *options : (hl_adamw_options){0};
    if (!rate_valid(graph, "adamw", loss, given.rate)) return NULL;
    return update_all(graph, "adamw", loss, given.params, given.n_params, adamw_update, &given);
}
