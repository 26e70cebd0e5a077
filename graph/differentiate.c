/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reverse mode over the graph. Forward steps of every node become calls; for each loss whose gradient somebody reads,
 * the nodes are walked backwards and the steps that their operators declare become calls too. Where a value has several
 * readers, their shares are summed in the fixed order of the walk: by the step that makes the next share where it takes
 * the earlier ones (HL_SHARE), else by a call of add. Nodes that read gradients (updates) come last. */
#include "graph/emit.h"

#include <string.h>

#include "ops/ops.h"

typedef struct walk {
    hl__ir *ir;
    hl__store scratch;
    char *reaches;         /* value: some tensor whose gradient is asked for lies behind it */
    uint32_t *gradient;    /* value: sum of the shares so far, or HL__NONE */
    uint32_t *placeholder; /* value: what a gradient placeholder stands for, or itself */
    size_t n_values;       /* of the graph; gradients and temporaries come behind them */
} walk;

static bool is_operand(uint16_t code, uint16_t first) { return code >= first && code < first + 0x100; }

/* ---- shares of a gradient ---- */

static hl_status add_share(walk *w, uint32_t value, uint32_t share) {
    hl__ir *ir = w->ir;
    if (w->gradient[value] == HL__NONE) {
        w->gradient[value] = share;
        return HL_OK;
    }
    const char *name = hl__store_format(&ir->store, "%s.sum", ir->values[w->gradient[value]].name);
    hl_shape shape = ir->values[value].shape;
    uint32_t sum = name ? hl__ir_value(ir, HL__VALUE_COMPUTED, name, HL_F32, &shape) : HL__NONE;
    if (sum == HL__NONE) return hl__ir_no_memory(ir);
    const hl_operator *add = hl__operator(HL__OP_add);
    hl__emission e = {.ir = ir,
                      .op = add,
                      .name = name,
                      .n_inputs = 2,
                      .n_outputs = 1,
                      .inputs = {w->gradient[value], share},
                      .outputs = {sum}};
    w->gradient[value] = sum;
    return hl__emit_step(&e, &add->forward[0], false);
}

/* ---- one node, backwards ---- */

typedef struct backward {
    const hl__ir_node *node;
    const hl_step *steps;
    size_t n_steps;
    bool run[HL_MAX_STEPS];
    hl__emission emission;
} backward;

/* How often a step's list names a value. */
static size_t times(const uint16_t *codes, uint16_t wanted) {
    size_t n = 0;
    for (; *codes; codes++) n += *codes == wanted;
    return n;
}

/* Which steps run: those that write a gradient that is needed, and those whose temporaries such steps read. */
static void choose_steps(const walk *w, backward *b) {
    bool temp_needed[HL_MAX_TEMPS] = {false};
    while (b->n_steps < HL_MAX_STEPS && b->steps[b->n_steps].pass) b->n_steps++;
    for (size_t s = b->n_steps; s-- > 0;) {
        for (const uint16_t *code = b->steps[s].writes; *code; code++) {
            if (is_operand(*code, HL_TEMP(0))) b->run[s] |= temp_needed[*code - HL_TEMP(0)];
            if (!is_operand(*code, HL_DIN(0)) || (size_t)(*code - HL_DIN(0)) >= b->node->n_inputs) continue;
            uint32_t input = b->node->inputs[*code - HL_DIN(0)];
            b->run[s] |= input != HL__NONE && w->reaches[input];
        }
        for (const uint16_t *code = b->steps[s].reads; b->run[s] && *code; code++)
            if (is_operand(*code, HL_TEMP(0))) temp_needed[*code - HL_TEMP(0)] = true;
    }
}

static bool has_gradient_step(const hl__ir_node *node, size_t input) {
    for (const hl_step *step = node->op->backward; step < node->op->backward + HL_MAX_STEPS && step->pass; step++)
        if (times(step->writes, HL_DIN(input))) return true;
    return false;
}

static hl_status check_steps(const walk *w, const hl__ir_node *node) {
    for (size_t i = 0; i < node->n_inputs; i++) {
        if (node->inputs[i] == HL__NONE || !w->reaches[node->inputs[i]] || has_gradient_step(node, i)) continue;
        return hl__ir_fail(w->ir, HL_UNSUPPORTED, "%s '%s' has no gradient with respect to input %zu ('%s')",
                           node->op->name, node->name, i, w->ir->values[node->inputs[i]].name);
    }
    return HL_OK;
}

/* Fills in the gradients of outputs and makes values for the gradients of inputs that are needed. */
static hl_status prepare_backward(walk *w, backward *b) {
    hl__ir *ir = w->ir;
    hl__emission *e = &b->emission;
    for (size_t i = 0; i < b->node->n_outputs; i++) e->d_outputs[i] = w->gradient[b->node->outputs[i]];
    for (size_t i = 0; i < b->node->n_inputs; i++) {
        uint32_t input = b->node->inputs[i];
        if (input == HL__NONE || !w->reaches[input]) continue;
        const char *name = hl__store_format(&ir->store, "d.%s", ir->values[input].name);
        hl_shape shape = ir->values[input].shape;
        e->d_inputs[i] = name ? hl__ir_value(ir, HL__VALUE_COMPUTED, name, HL_F32, &shape) : HL__NONE;
        if (e->d_inputs[i] == HL__NONE) return hl__ir_no_memory(ir);
    }
    return HL_OK;
}

/* How often the steps from `first` on that run write the gradient of this input. */
static size_t writes_left(const backward *b, size_t first, size_t input) {
    size_t n = 0;
    for (size_t s = first; s < b->n_steps; s++) n += b->run[s] ? times(b->steps[s].writes, HL_DIN(input)) : 0;
    return n;
}

/* True where step s takes earlier shares of this gradient, and nothing but it writes the gradient, once. An alias makes
 * no sums: whoever may become a view takes none, whether it becomes one or not. */
static bool takes_share(const backward *b, size_t s, size_t input) {
    const hl_step *step = &b->steps[s];
    return !step->alias && times(step->reads, HL_SHARE(input)) && times(step->writes, HL_DIN(input)) &&
           writes_left(b, 0, input) == 1;
}

/* The gradient lies where its share lies, if nothing else can have a view of that: a value of its own, as a step made
 * it, is known to the walk alone until the sum is complete. */
static void lay_onto_share(hl__ir *ir, uint32_t gradient, uint32_t share) {
    const hl__value *below = &ir->values[share];
    if (below->base != share || below->kind != HL__VALUE_COMPUTED) return;
    ir->values[gradient].base = share;
    ir->values[gradient].offset = 0;
}

/* Gives the sums so far to the step: that of a value that is several inputs of the node, to one of them. */
static void hand_in_shares(const walk *w, backward *b, size_t s) {
    hl__emission *e = &b->emission;
    for (size_t i = 0; i < b->node->n_inputs; i++) {
        e->shares[i] = HL__NONE;
        if (e->d_inputs[i] == HL__NONE || !takes_share(b, s, i)) continue;
        bool given = false;
        for (size_t j = 0; j < i; j++) given |= e->shares[j] != HL__NONE && b->node->inputs[j] == b->node->inputs[i];
        if (given || (e->shares[i] = w->gradient[b->node->inputs[i]]) == HL__NONE) continue;
        if (b->steps[s].onto_share) lay_onto_share(w->ir, e->d_inputs[i], e->shares[i]);
    }
}

/* The gradients that the step completes join the sums: first those that hold them already. */
static hl_status collect_shares(walk *w, const backward *b, size_t s) {
    const hl__emission *e = &b->emission;
    for (size_t i = 0; i < b->node->n_inputs; i++)
        if (e->shares[i] != HL__NONE) w->gradient[b->node->inputs[i]] = e->d_inputs[i];
    for (size_t i = 0; i < b->node->n_inputs; i++) {
        bool complete = times(b->steps[s].writes, HL_DIN(i)) && writes_left(b, s + 1, i) == 0;
        if (!complete || e->d_inputs[i] == HL__NONE || e->shares[i] != HL__NONE) continue;
        if (add_share(w, b->node->inputs[i], e->d_inputs[i]) != HL_OK) return w->ir->status;
    }
    return HL_OK;
}

static hl_status node_backward(walk *w, const hl__ir_node *node) {
    bool wanted = false, given = false;
    for (size_t i = 0; i < node->n_inputs; i++) wanted |= node->inputs[i] != HL__NONE && w->reaches[node->inputs[i]];
    for (size_t i = 0; i < node->n_outputs; i++) given |= w->gradient[node->outputs[i]] != HL__NONE;
    if (!wanted || !given) return HL_OK;
    if (check_steps(w, node) != HL_OK) return w->ir->status;
    backward b = {.node = node, .steps = node->op->backward};
    hl__emission_of(w->ir, node, &b.emission);
    choose_steps(w, &b);
    if (prepare_backward(w, &b) != HL_OK) return w->ir->status;
    for (size_t s = 0; s < b.n_steps; s++) {
        if (!b.run[s]) continue;
        hand_in_shares(w, &b, s);
        if (hl__emit_step(&b.emission, &b.steps[s], true) != HL_OK || collect_shares(w, &b, s) != HL_OK)
            return w->ir->status;
    }
    return HL_OK;
}

/* ---- one loss ---- */

static uint32_t constant(hl__ir *ir, const char *name, const hl_shape *shape, float value) {
    uint32_t id = hl__ir_value(ir, HL__VALUE_CONSTANT, name, HL_F32, shape);
    if (id != HL__NONE) ir->values[id].constant = value;
    return id;
}

static void mark_reaching(walk *w, uint32_t loss, size_t n_nodes) {
    hl__ir *ir = w->ir;
    memset(w->reaches, 0, w->n_values);
    for (size_t g = 0; g < ir->n_gradients; g++)
        if (ir->gradients[g].loss == loss) w->reaches[ir->gradients[g].wrt] = 1;
    for (size_t n = 0; n < n_nodes; n++) {
        const hl__ir_node *node = &ir->nodes[n];
        bool reaches = false;
        for (size_t i = 0; i < node->n_inputs; i++)
            reaches |= node->inputs[i] != HL__NONE && ir->values[node->inputs[i]].dtype == HL_F32 &&
                       w->reaches[node->inputs[i]];
        for (size_t i = 0; reaches && i + node->op->n_saved < node->n_outputs; i++)
            if (ir->values[node->outputs[i]].dtype == HL_F32) w->reaches[node->outputs[i]] = 1;
    }
}

static hl_status walk_loss(walk *w, uint32_t loss, size_t n_nodes) {
    hl__ir *ir = w->ir;
    mark_reaching(w, loss, n_nodes);
    for (size_t v = 0; v < w->n_values; v++) w->gradient[v] = HL__NONE;
    if (ir->ones == HL__NONE) ir->ones = constant(ir, "one", &HL_SCALAR, 1);
    if (ir->ones == HL__NONE) return ir->status;
    w->gradient[loss] = ir->ones;
    for (size_t n = n_nodes; n-- > 0;) {
        hl__ir_node node = ir->nodes[n];
        if (node_backward(w, &node) != HL_OK) return ir->status;
    }
    for (size_t g = 0; g < ir->n_gradients; g++) {
        if (ir->gradients[g].loss != loss) continue;
        uint32_t wrt = ir->gradients[g].wrt, found = w->gradient[wrt];
        hl_shape shape = ir->values[wrt].shape;
        if (found == HL__NONE) found = constant(ir, "zeros", &shape, 0);
        if (found == HL__NONE) return ir->status;
        w->placeholder[ir->gradients[g].value] = found;
    }
    return HL_OK;
}

/* ---- all ---- */

/* Moves the nodes that read gradients, directly or not, behind the others; returns how many do not. */
static size_t split_nodes(walk *w) {
    hl__ir *ir = w->ir;
    char *late = hl__store_take(&w->scratch, ir->n_values, 1);
    hl__ir_node *behind = hl__store_take(&w->scratch, ir->n_nodes, sizeof *behind);
    if (!late || !behind) {
        hl__ir_no_memory(ir);
        return 0;
    }
    for (size_t g = 0; g < ir->n_gradients; g++) late[ir->gradients[g].value] = 1;
    size_t n_early = 0, n_late = 0;
    for (size_t n = 0; n < ir->n_nodes; n++) {
        hl__ir_node node = ir->nodes[n];
        bool is_late = node.keep;
        for (size_t i = 0; i < node.n_inputs; i++) is_late |= node.inputs[i] != HL__NONE && late[node.inputs[i]];
        for (size_t i = 0; is_late && i < node.n_outputs; i++) late[node.outputs[i]] = 1;
        if (is_late) behind[n_late++] = node;
        else ir->nodes[n_early++] = node;
    }
    if (n_late) memcpy(ir->nodes + n_early, behind, n_late * sizeof *behind);
    for (size_t g = 0; g < ir->n_gradients; g++)
        if (late[ir->gradients[g].loss])
            hl__ir_fail(ir, HL_UNSUPPORTED, "gradient of '%s': the loss itself depends on a gradient",
                        ir->values[ir->gradients[g].loss].name);
    return n_early;
}

static hl_status node_forward(walk *w, hl__ir_node node) {
    hl__emission e;
    for (size_t i = 0; i < node.n_inputs; i++)
        if (node.inputs[i] != HL__NONE) node.inputs[i] = w->placeholder[node.inputs[i]];
    hl__emission_of(w->ir, &node, &e);
    const hl_step *steps = node.op->forward;
    for (size_t s = 0; s < HL_MAX_STEPS && steps[s].pass; s++)
        if (hl__emit_step(&e, &steps[s], false) != HL_OK) return w->ir->status;
    return HL_OK;
}

static hl_status walk_all(walk *w) {
    hl__ir *ir = w->ir;
    size_t n_early = split_nodes(w);
    for (size_t n = 0; n < n_early && ir->status == HL_OK; n++) node_forward(w, ir->nodes[n]);
    ir->n_forward = ir->n_calls;
    for (size_t g = 0; g < ir->n_gradients && ir->status == HL_OK; g++) {
        bool done = false;
        for (size_t earlier = 0; earlier < g; earlier++) done |= ir->gradients[earlier].loss == ir->gradients[g].loss;
        if (!done) walk_loss(w, ir->gradients[g].loss, n_early);
    }
    for (size_t n = n_early; n < ir->n_nodes && ir->status == HL_OK; n++) node_forward(w, ir->nodes[n]);
    return ir->status;
}

/* Keeps what outputs stand for. An output may be a view of another computed value, which is then kept in its place; of
 * a state tensor or an input it takes a copy, since those change. */
static hl_status pin_outputs(walk *w) {
    hl__ir *ir = w->ir;
    for (uint32_t v = 0; v < w->n_values && ir->status == HL_OK; v++) {
        if (!ir->values[v].output || ir->values[v].kind != HL__VALUE_COMPUTED) continue;
        uint32_t from = w->placeholder[v], base = ir->values[from].base;
        bool changes = ir->values[base].kind == HL__VALUE_STATE || ir->values[base].kind == HL__VALUE_INPUT;
        if (changes && from != v) hl__emit_copy(ir, from, v);
        else if (changes) hl__emit_own(ir, v);
        else hl__ir_become_view(ir, v, from);
    }
    return ir->status;
}

/* Keeps the scalars that have to be finite, to be looked at after a run: those that the program computes, and of state
 * tensors what a run has read. Inputs are checked when they are written, constants before. */
static hl_status watch(walk *w, uint32_t value, const char *user) {
    hl__ir *ir = w->ir;
    uint32_t seen = w->placeholder[value], base = ir->values[seen].base;
    if (ir->values[base].kind == HL__VALUE_INPUT || ir->values[base].kind == HL__VALUE_CONSTANT) return HL_OK;
    const char *name = ir->values[value].name;
    for (size_t i = 0; i < ir->n_watched; i++)
        if (ir->watched[i].value == seen || ir->watched[i].name == name) return HL_OK; /* by another update */
    if (ir->values[base].kind == HL__VALUE_STATE) {
        uint32_t copy = hl__ir_value(ir, HL__VALUE_COMPUTED, name, HL_F32, &HL_SCALAR);
        if (copy == HL__NONE || hl__emit_copy(ir, seen, copy) != HL_OK) return ir->status;
        seen = base = copy;
    }
    ir->values[base].output = true;
    ir->watched[ir->n_watched++] = (hl__ir_watched){.value = seen, .name = name, .user = user};
    return HL_OK;
}

static hl_status watch_all(walk *w) {
    hl__ir *ir = w->ir;
    size_t n = 0;
    for (size_t i = 0; i < ir->n_nodes; i++) n += (size_t)__builtin_popcount(ir->nodes[i].finite);
    ir->watched = hl__store_take(&ir->store, n, sizeof *ir->watched);
    if (!ir->watched) return hl__ir_no_memory(ir);
    for (size_t i = 0; i < ir->n_nodes && ir->status == HL_OK; i++) {
        const hl__ir_node *node = &ir->nodes[i];
        for (size_t k = 0; k < node->n_inputs && ir->status == HL_OK; k++)
            if (!node->removed && node->finite >> k & 1) watch(w, node->inputs[k], node->name);
    }
    return ir->status;
}

hl_status hl__ir_differentiate(hl__ir *ir) {
    walk w = {.ir = ir, .n_values = ir->n_values};
    w.reaches = hl__store_take(&w.scratch, ir->n_values, 1);
    w.gradient = hl__store_take(&w.scratch, ir->n_values, sizeof *w.gradient);
    w.placeholder = hl__store_take(&w.scratch, ir->n_values, sizeof *w.placeholder);
    if (!w.reaches || !w.gradient || !w.placeholder) hl__ir_no_memory(ir);
    for (uint32_t v = 0; ir->status == HL_OK && v < ir->n_values; v++) w.placeholder[v] = v;
    if (ir->status == HL_OK && walk_all(&w) == HL_OK && pin_outputs(&w) == HL_OK && watch_all(&w) == HL_OK)
        hl__order_calls(ir);
    hl__store_clear(&w.scratch);
    return ir->status;
}
