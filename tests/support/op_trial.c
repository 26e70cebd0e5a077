/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What op_check and op_extremes share: the inputs of a case, calls of its oracle, runs of its steps. */
#include "tests/support/op_trial.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *op_zeroed(size_t n, size_t bytes) {
    void *made = calloc(n + 1, bytes);
    if (!made) abort();
    return made;
}

uint64_t op_random(uint64_t *state) { /* splitmix64 (Steele, Lea and Flood 2014) */
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

double op_uniform(uint64_t *state, double low, double high) {
    return low + (high - low) * (double)(op_random(state) >> 11) * 0x1p-53;
}

const char *op_element_text(const hl_shape *shape, size_t element, char text[HL_SHAPE_TEXT]) {
    hl_shape index = {.rank = shape->rank};
    for (size_t i = shape->rank; i-- > 0; element /= shape->extent[i]) index.extent[i] = element % shape->extent[i];
    return hl_shape_text(&index, text, HL_SHAPE_TEXT);
}

/* ---- inputs ---- */

hl_status op_describe(op_trial *r) {
    const op_case *c = r->c;
    r->op = c->operator? c->operator: hl__operator_for(c->op, HL__ISA_BASELINE);
    r->isa = "any";
    r->n_inputs = c->n_inputs ? c->n_inputs : r->op->max_inputs;
    r->rule = (hl_inference){
        .options = c->options, .n_inputs = r->n_inputs, .input = r->views, .n_outputs = r->op->n_outputs};
    for (size_t i = 0; i < HL_MAX_OUTPUTS; i++) r->rule.output_dtype[i] = HL_F32;
    for (size_t i = 0; i < r->n_inputs; i++) {
        const op_input *input = &c->inputs[i];
        r->rule.index_min[i] = INT32_MIN;
        r->rule.index_max[i] = INT32_MAX;
        if (input->absent) continue;
        r->views[i] = (hl_view){.dtype = input->dtype ? input->dtype : HL_F32, .shape = input->shape};
        size_t stride = 1;
        for (size_t axis = input->shape.rank; axis-- > 0; stride *= input->shape.extent[axis])
            r->views[i].stride[axis] = stride;
    }
    hl_status status = r->op->infer ? r->op->infer(&r->rule) : HL_NOT_FOUND;
    if (status != HL_OK && r->words)
        snprintf(r->words, r->words_size, "the shape rule refuses: %s: %s", hl_status_string(status), r->rule.message);
    return status;
}

bool op_use(op_trial *r, int isa) {
    const hl_operator *op = r->c->operator;
    if (op && isa > 0) return false; /* compiled once */
    if (!op) op = hl__operator_for(r->c->op, (hl__isa)isa);
    if (!op) return false;
    r->op = op;
    r->isa = r->c->operator? "given" : hl__isa_name((hl__isa)isa);
    return true;
}

static void make_input(op_trial *r, size_t i) {
    const op_input *input = &r->c->inputs[i];
    if (input->absent) return;
    size_t n = hl_shape_elements(&input->shape);
    bool index = r->views[i].dtype == HL_I32, preset = input->low == 0 && input->high == 0;
    double low = preset ? -1 : input->low, high = preset ? 1 : input->high;
    if (index && preset) {
        low = r->rule.index_min[i] == INT32_MIN ? 0 : r->rule.index_min[i];
        high = r->rule.index_max[i] == INT32_MAX ? 9 : r->rule.index_max[i];
    }
    r->input[i] = op_zeroed(n, sizeof(uint32_t));
    r->in[i] = op_zeroed(n, sizeof(double));
    for (size_t e = 0; e < n; e++) {
        int32_t number = (int32_t)floor(op_uniform(&r->random, low, high + 1));
        float value = (float)op_uniform(&r->random, low, high);
        if (input->values) memcpy(&r->input[i][e], (const char *)input->values + 4 * e, 4);
        else memcpy(&r->input[i][e], index ? (const void *)&number : (const void *)&value, 4);
        memcpy(&number, &r->input[i][e], 4);
        memcpy(&value, &r->input[i][e], 4);
        r->in[i][e] = index ? number : (double)value;
    }
}

static void find_updated(op_trial *r) {
    for (const hl_step *step = r->op->forward; step < r->op->forward + HL_MAX_STEPS && step->pass; step++)
        for (const uint16_t *code = step->writes; *code; code++)
            if ((*code & 0xff00) == (HL_IN(0) & 0xff00)) r->updated |= 1u << (*code & 0xff);
}

size_t op_times(const uint16_t *codes, uint16_t wanted) {
    size_t n = 0;
    for (; *codes; codes++) n += *codes == wanted;
    return n;
}

/* A stream of its own: what else is random in a case does not depend on how its operator makes sums. */
static void make_shares(op_trial *r) {
    uint64_t random = ~r->c->seed;
    for (const hl_step *step = r->op->backward; step < r->op->backward + HL_MAX_STEPS && step->pass; step++)
        for (size_t i = 0; i < r->n_inputs; i++) {
            if (!op_times(step->reads, HL_SHARE(i)) || r->share[i] || !hl_view_present(&r->views[i])) continue;
            size_t n = hl_shape_elements(&r->views[i].shape);
            r->share[i] = op_zeroed(n, sizeof(float));
            for (size_t e = 0; e < n; e++) r->share[i][e] = (float)op_uniform(&random, -1, 1);
        }
}

/* Shape of a comparable result: a visible output, or an input that is updated; NULL for other slots. */
const hl_shape *op_result_shape(const op_trial *r, size_t slot) {
    if (slot < HL_MAX_OUTPUTS) return slot < r->n_visible ? &r->rule.output[slot] : NULL;
    const hl_view *view = &r->views[slot - HL_MAX_OUTPUTS];
    return r->updated >> (slot - HL_MAX_OUTPUTS) & 1 && hl_view_present(view) ? &view->shape : NULL;
}

void op_call_oracle(const op_trial *r, op_oracle *oracle, double *const out[]) {
    for (size_t slot = 0; slot < OP_SLOTS; slot++) {
        const hl_shape *shape = op_result_shape(r, slot);
        if (!shape) continue;
        size_t n = hl_shape_elements(shape);
        if (slot >= HL_MAX_OUTPUTS) memcpy(out[slot], r->in[slot - HL_MAX_OUTPUTS], n * sizeof(double));
        else memset(out[slot], 0, n * sizeof(double));
    }
    oracle(r->c, (const double *const *)r->in, out);
}

void op_take_results(const op_trial *r, double *out[]) {
    for (size_t slot = 0; slot < OP_SLOTS; slot++)
        if (op_result_shape(r, slot))
            out[slot] = op_zeroed(hl_shape_elements(op_result_shape(r, slot)), sizeof(double));
}

void op_prepare(op_trial *r) {
    bool preset = r->c->d_low == 0 && r->c->d_high == 0;
    double low = preset ? -1 : r->c->d_low, high = preset ? 1 : r->c->d_high;
    r->random = r->c->seed;
    for (size_t i = 0; i < r->n_inputs; i++) make_input(r, i);
    r->n_visible = r->rule.n_outputs - r->op->n_saved;
    find_updated(r);
    for (size_t i = 0; i < r->n_visible; i++) {
        if (r->rule.output_dtype[i] != HL_F32 || r->c->absent_d_outputs >> i & 1) continue;
        size_t n = hl_shape_elements(&r->rule.output[i]);
        r->d_output[i] = op_zeroed(n, sizeof(float));
        for (size_t e = 0; e < n; e++) r->d_output[i][e] = (float)op_uniform(&r->random, low, high);
    }
    make_shares(r);
    op_take_results(r, r->out);
    op_take_results(r, r->size);
    op_call_oracle(r, r->c->oracle, r->out);
    op_call_oracle(r, r->c->magnitude ? r->c->magnitude : r->c->oracle, r->size);
}

void op_release(op_trial *r) {
    for (size_t i = 0; i < HL_MAX_INPUTS; i++) {
        free(r->input[i]);
        free(r->share[i]);
        free(r->in[i]);
    }
    for (size_t i = 0; i < HL_MAX_OUTPUTS; i++) free(r->d_output[i]);
    for (size_t slot = 0; slot < OP_SLOTS; slot++) {
        free(r->out[slot]);
        free(r->size[slot]);
    }
}

/* ---- runs ---- */

op_engine op_start(const op_trial *r, bool watch) {
    op_engine e = {.op = r->op,
                   .options = r->c->options,
                   .node_id = r->c->node_id,
                   .n_inputs = r->n_inputs,
                   .n_outputs = r->rule.n_outputs,
                   .watch = watch && !r->c->unwatched,
                   .min_tiles = r->c->min_tiles,
                   .few_tiles = r->c->few_tiles,
                   .words = r->words,
                   .words_size = r->words_size};
    memcpy(e.temp_shape, r->rule.temp, sizeof e.temp_shape);
    for (size_t i = 0; i < r->n_inputs; i++) {
        if (!r->input[i]) continue;
        e.input[i] = op_take(&e, r->views[i].dtype, &r->views[i].shape, r->c->inputs[i].layout);
        op_memory *memory = e.input[i].memory;
        if (memory->index) {
            bool bounded = r->rule.index_min[i] != INT32_MIN && r->rule.index_max[i] != INT32_MAX;
            memory->poison[0] = bounded ? (uint32_t)r->rule.index_min[i] : 0;
            memory->poison[1] = bounded ? (uint32_t)r->rule.index_max[i] : 1;
            for (size_t w = 0; w < memory->n_words; w++) memory->words[w] = memory->poison[0];
        }
        op_fill(&e.input[i], r->input[i]);
    }
    for (size_t i = 0; i < r->rule.n_outputs; i++)
        e.output[i] = op_take(&e, r->rule.output_dtype[i], &r->rule.output[i], HL_LAYOUT_DENSE);
    return e;
}

/* Puts the instruction set before the words of the engine. */
bool op_engine_failed(op_trial *r) {
    char text[512];
    snprintf(text, sizeof text, "%s", r->words);
    snprintf(r->words, r->words_size, "%s: %s", r->isa, text);
    return false;
}

/* Runs forward and backward for the inputs whose bits are set. */
bool op_run_both(op_trial *r, op_engine *e, uint32_t wanted, bool shares, bool watch) {
    *e = op_start(r, false);
    if (!op_run_forward(e)) return op_engine_failed(r);
    e->watch = watch && !r->c->unwatched;
    for (size_t i = 0; i < r->n_visible; i++) {
        if (!r->d_output[i]) continue;
        e->d_output[i] = op_take(e, HL_F32, &r->rule.output[i], r->c->d_output_layout);
        op_fill(&e->d_output[i], r->d_output[i]);
    }
    for (size_t i = 0; i < r->n_inputs; i++) {
        if (!(wanted >> i & 1)) continue;
        e->d_input[i] = op_take(e, HL_F32, &r->views[i].shape, HL_LAYOUT_DENSE);
        if (!shares || !r->share[i]) continue;
        e->share[i] = op_take(e, HL_F32, &r->views[i].shape, r->c->d_output_layout);
        op_fill(&e->share[i], r->share[i]);
    }
    return op_run_backward(e) || op_engine_failed(r);
}

uint32_t op_inputs_with_gradient(const op_trial *r) {
    uint32_t wanted = 0;
    if (r->c->forward_only) return 0;
    for (size_t i = 0; i < r->n_inputs && r->op->backward[0].pass; i++)
        if (r->views[i].dtype == HL_F32 && !(r->c->no_gradient >> i & 1)) wanted |= 1u << i;
    return wanted;
}

/* ---- differences ---- */

op_slope op_slope_at(op_trial *r, size_t input, size_t element, double step, double *low[], double *high[]) {
    op_slope s = {0, 0, 0};
    double *x = &r->in[input][element], kept = *x;
    double above = kept + step, below = kept - step;
    *x = above;
    op_call_oracle(r, r->c->oracle, high);
    *x = below;
    op_call_oracle(r, r->c->oracle, low);
    *x = kept;
    for (size_t o = 0; o < r->n_visible; o++) {
        size_t n = r->d_output[o] ? hl_shape_elements(&r->rule.output[o]) : 0;
        for (size_t i = 0; i < n; i++) {
            if (high[o][i] == low[o][i]) continue;
            double share = (double)r->d_output[o][i] * (high[o][i] - low[o][i]) / (above - below);
            s.value += share;
            s.size += fabs(share);
            s.touched += fabs((double)r->d_output[o][i]) * fmax(fabs(r->size[o][i]), fabs(high[o][i]));
        }
    }
    return s;
}

/* ---- stated slopes ---- */

static void call_slopes(const op_trial *r, op_slopes *slopes, double *const d_in[]) {
    double *d[HL_MAX_OUTPUTS] = {NULL};
    for (size_t o = 0; o < r->n_visible; o++) {
        if (!r->d_output[o]) continue;
        size_t n = hl_shape_elements(&r->rule.output[o]);
        d[o] = op_zeroed(n, sizeof(double));
        for (size_t e = 0; e < n; e++) d[o][e] = (double)r->d_output[o][e];
    }
    for (size_t i = 0; i < r->n_inputs; i++)
        if (d_in[i]) memset(d_in[i], 0, hl_shape_elements(&r->views[i].shape) * sizeof(double));
    slopes(r->c, (const double *const *)r->in, (const double *const *)d, d_in);
    for (size_t o = 0; o < HL_MAX_OUTPUTS; o++) free(d[o]);
}

void op_stated_slopes(const op_trial *r, double *const slope[], double *const size[]) {
    call_slopes(r, r->c->slopes, slope);
    if (r->c->slope_sizes) {
        call_slopes(r, r->c->slope_sizes, size);
        return;
    }
    for (size_t i = 0; i < r->n_inputs; i++)
        for (size_t e = 0; slope[i] && e < hl_shape_elements(&r->views[i].shape); e++) size[i][e] = fabs(slope[i][e]);
}
