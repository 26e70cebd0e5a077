/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Gradients as placeholders, and optimisers: one update node per parameter, in place. Each parameter has a count of its
 * updates in the state, which its update reads; nodes behind the updates count up to HL_MAX_INPUTS - 3 parameters each,
 * and the last of them owns the updates. The runs that train are counted by one node of the graph ("step"), whatever
 * the number of optimisers. */
#include <math.h>
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

static hl_tensor *state_of(hl_graph *graph, const char *op, const char *part, const hl_tensor *param, hl_dtype dtype) {
    const char *name = hl__store_format(&graph->store, "%s.%s/%s", op, part, param->name);
    if (!name) return hl__graph_fail(graph, HL_OUT_OF_MEMORY, "no memory for the graph");
    return hl__graph_state(graph, name, dtype, dtype == HL_F32 ? param->shape : HL_SCALAR);
}

static hl_tensor *moment(hl_graph *graph, const char *op, const char *part, const hl_tensor *param) {
    return state_of(graph, op, part, param, HL_F32);
}

/* Updates of the parameter that are finished. */
static hl_tensor *count_of(hl_graph *graph, const char *op, const hl_tensor *param) {
    return state_of(graph, op, "t", param, HL_I32);
}

/* The operands of an advance: what it looks at, then the counts. */
enum { RATE, LEAST, BEHIND, COUNTS };

/* The one node that counts the step, behind all that read it. */
static hl__node *count_step(hl_graph *graph) {
    hl_tensor *inputs[COUNTS + 1] = {[COUNTS] = hl__graph_step(graph)};
    if (!graph->count_step)
        graph->count_step = hl__graph_apply(graph, hl__operator(HL__OP_advance), inputs, COUNTS + 1, NULL);
    return graph->count_step;
}

/* Counts the updates, which read the counts and so come before. The last node's output is the least of all counts;
 * asking for it runs the updates, and counts the step. */
static hl_tensor *finish(hl_graph *graph, const char *op, hl_tensor *rate, const choice *chosen, hl__node **updates) {
    hl_tensor *inputs[HL_MAX_INPUTS] = {[RATE] = rate, [BEHIND] = hl__graph_step(graph)};
    hl__node *advance = NULL;
    size_t n = 0;
    for (size_t i = 0; i < chosen->n && graph->status == HL_OK; i++) {
        inputs[COUNTS + n++] = count_of(graph, op, chosen->params[i]);
        if (COUNTS + n < HL_MAX_INPUTS && i + 1 < chosen->n) continue;
        advance = hl__graph_apply(graph, hl__operator(HL__OP_advance), inputs, COUNTS + n, NULL);
        if (advance) inputs[LEAST] = advance->outputs[0];
        n = 0;
    }
    updates[chosen->n] = count_step(graph);
    if (graph->status != HL_OK) return NULL;
    advance->after = hl__store_copy(&graph->store, updates, (chosen->n + 1) * sizeof updates[0]);
    if (!advance->after) return hl__graph_fail(graph, HL_OUT_OF_MEMORY, "no memory for the graph");
    advance->n_after = chosen->n + 1;
    return advance->outputs[0];
}

static bool valid(hl_graph *graph, const char *op, const hl_tensor *loss, const hl_tensor *rate,
                  hl_tensor *const *asked, size_t n_asked) {
    if (!hl__graph_open(graph)) return false;
    if (!loss || loss->graph != graph || loss->shape.rank != 0 || loss->dtype != HL_F32)
        hl__graph_fail(graph, HL_INVALID_ARGUMENT, "%s: loss '%s' is not an f32 scalar of this graph", op,
                       hl_tensor_name(loss));
    else if (!rate || rate->graph != graph || rate->shape.rank != 0 || rate->dtype != HL_F32)
        hl__graph_fail(graph, HL_INVALID_ARGUMENT, "%s: the rate '%s' is not an f32 scalar of this graph", op,
                       hl_tensor_name(rate));
    else if (!asked != (n_asked == 0))
        hl__graph_fail(graph, HL_INVALID_ARGUMENT, "%s: %zu parameters are asked for, and params is %s", op, n_asked,
                       asked ? "not NULL" : "NULL");
    return graph->status == HL_OK;
}

typedef hl__node *update_function(hl_graph *graph, hl_tensor *param, hl_tensor *gradient, const void *options);

static hl_tensor *update_all(hl_graph *graph, const char *op, hl_tensor *loss, hl_tensor *rate, hl_tensor *const *asked,
                             size_t n_asked, update_function *update, const void *options) {
    if (!valid(graph, op, loss, rate, asked, n_asked)) return NULL;
    hl__store scratch = {0};
    hl_tensor *step = NULL;
    choice chosen = {0};
    if (choose(graph, &scratch, op, loss, asked, n_asked, &chosen)) {
        hl__node **updates = hl__store_take(&scratch, chosen.n + 1, sizeof *updates);
        if (!updates) hl__graph_fail(graph, HL_OUT_OF_MEMORY, "no memory for the graph");
        for (size_t i = 0; updates && i < chosen.n && graph->status == HL_OK; i++)
            updates[i] = update(graph, chosen.params[i], hl_gradient(graph, loss, chosen.params[i]), options);
        if (graph->status == HL_OK) step = finish(graph, op, rate, &chosen, updates);
    }
    hl__store_clear(&scratch);
    return step;
}

/* What is out of range goes on, to be refused by name, whichever parameter comes first. */
static float decay_of(const hl_tensor *param, float decay) {
    bool in_range = decay >= 0 && decay < INFINITY;
    return param->decays || !in_range ? decay : 0;
}

static hl__node *sgd_update(hl_graph *graph, hl_tensor *param, hl_tensor *gradient, const void *options) {
    const hl_sgd_options *given = options;
    hl_tensor *velocity = given->momentum > 0 ? moment(graph, "sgd", "v", param) : NULL;
    hl_sgd_config config = {.momentum = given->momentum, .decay = decay_of(param, given->decay)};
    hl_tensor *inputs[] = {param, velocity, gradient, given->rate, count_of(graph, "sgd", param)};
    return hl__graph_apply(graph, hl__operator(HL__OP_sgd), inputs, 5, &config);
}

hl_tensor *hl_sgd(hl_graph *graph, hl_tensor *loss, const hl_sgd_options *options) {
    hl_sgd_options given = options ? *options : (hl_sgd_options){0};
    return update_all(graph, "sgd", loss, given.rate, given.params, given.n_params, sgd_update, &given);
}

static hl__node *adamw_update(hl_graph *graph, hl_tensor *param, hl_tensor *gradient, const void *options) {
    const hl_adamw_options *given = options;
    hl_tensor *m = moment(graph, "adamw", "m", param), *v = moment(graph, "adamw", "v", param);
    hl_adamw_config config = {.beta1 = given->beta1,
                              .beta2 = given->beta2,
                              .epsilon = given->epsilon,
                              .decay = decay_of(param, given->decay)};
    hl_tensor *inputs[] = {param, m, v, gradient, given->rate, count_of(graph, "adamw", param)};
    return hl__graph_apply(graph, hl__operator(HL__OP_adamw), inputs, 6, &config);
}

hl_tensor *hl_adamw(hl_graph *graph, hl_tensor *loss, const hl_adamw_options *options) {
    hl_adamw_options given = options ? *options : (hl_adamw_options){0};
    return update_all(graph, "adamw", loss, given.rate, given.params, given.n_params, adamw_update, &given);
}
