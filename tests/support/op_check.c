/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cases: inputs, the oracle's values and its central differences, and their comparison with what an operator's steps
 * compute on each instruction set. */
#include "tests/support/op_check.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/op_engine.h"

typedef struct case_run {
    const op_case *c;
    const hl_operator *op;
    const char *isa;
    hl_inference rule;
    hl_view views[HL_MAX_INPUTS];
    size_t n_inputs, n_visible;
    uint64_t random;
    uint32_t *input[HL_MAX_INPUTS]; /* dense, float or int32_t */
    float *d_output[HL_MAX_OUTPUTS];
    float *share[HL_MAX_INPUTS]; /* where a step adds it to the gradient */
    double *in[HL_MAX_INPUTS];
    double *out[HL_MAX_OUTPUTS + HL_MAX_INPUTS], *size[HL_MAX_OUTPUTS + HL_MAX_INPUTS];
    uint32_t updated; /* bit i: a forward step updates input i */
    char *words;
    size_t words_size;
} case_run;

static void *take(size_t n, size_t bytes) {
    void *made = calloc(n + 1, bytes);
    if (!made) abort();
    return made;
}

static uint64_t next_random(uint64_t *state) { /* splitmix64 (Steele, Lea and Flood 2014) */
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static double uniform(uint64_t *state, double low, double high) {
    return low + (high - low) * (double)(next_random(state) >> 11) * 0x1p-53;
}

static const char *element_text(const hl_shape *shape, size_t element, char text[HL_SHAPE_TEXT]) {
    hl_shape index = {.rank = shape->rank};
    for (size_t i = shape->rank; i-- > 0; element /= shape->extent[i]) index.extent[i] = element % shape->extent[i];
    return hl_shape_text(&index, text, HL_SHAPE_TEXT);
}

/* ---- inputs ---- */

static void describe(case_run *r) {
    const op_case *c = r->c;
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
}

static void make_input(case_run *r, size_t i) {
    const op_input *input = &r->c->inputs[i];
    if (input->absent) return;
    size_t n = hl_shape_elements(&input->shape);
    bool index = r->views[i].dtype == HL_I32, preset = input->low == 0 && input->high == 0;
    double low = preset ? -1 : input->low, high = preset ? 1 : input->high;
    if (index && preset) {
        low = r->rule.index_min[i] == INT32_MIN ? 0 : r->rule.index_min[i];
        high = r->rule.index_max[i] == INT32_MAX ? 9 : r->rule.index_max[i];
    }
    r->input[i] = take(n, sizeof(uint32_t));
    r->in[i] = take(n, sizeof(double));
    for (size_t e = 0; e < n; e++) {
        int32_t number = (int32_t)floor(uniform(&r->random, low, high + 1));
        float value = (float)uniform(&r->random, low, high);
        if (input->values) memcpy(&r->input[i][e], (const char *)input->values + 4 * e, 4);
        else memcpy(&r->input[i][e], index ? (const void *)&number : (const void *)&value, 4);
        memcpy(&number, &r->input[i][e], 4);
        memcpy(&value, &r->input[i][e], 4);
        r->in[i][e] = index ? number : (double)value;
    }
}

static void find_updated(case_run *r) {
    for (const hl_step *step = r->op->forward; step < r->op->forward + HL_MAX_STEPS && step->pass; step++)
        for (const uint16_t *code = step->writes; *code; code++)
            if ((*code & 0xff00) == (HL_IN(0) & 0xff00)) r->updated |= 1u << (*code & 0xff);
}

static size_t times(const uint16_t *codes, uint16_t wanted) {
    size_t n = 0;
    for (; *codes; codes++) n += *codes == wanted;
    return n;
}

/* A stream of its own: what else is random in a case does not depend on how its operator makes sums. */
static void make_shares(case_run *r) {
    uint64_t random = ~r->c->seed;
    for (const hl_step *step = r->op->backward; step < r->op->backward + HL_MAX_STEPS && step->pass; step++)
        for (size_t i = 0; i < r->n_inputs; i++) {
            if (!times(step->reads, HL_SHARE(i)) || r->share[i] || !hl_view_present(&r->views[i])) continue;
            size_t n = hl_shape_elements(&r->views[i].shape);
            r->share[i] = take(n, sizeof(float));
            for (size_t e = 0; e < n; e++) r->share[i][e] = (float)uniform(&random, -1, 1);
        }
}

/* Shape of a comparable result: a visible output, or an input that is updated; NULL for other slots. */
static const hl_shape *result_shape(const case_run *r, size_t slot) {
    if (slot < HL_MAX_OUTPUTS) return slot < r->n_visible ? &r->rule.output[slot] : NULL;
    const hl_view *view = &r->views[slot - HL_MAX_OUTPUTS];
    return r->updated >> (slot - HL_MAX_OUTPUTS) & 1 && hl_view_present(view) ? &view->shape : NULL;
}

#define N_SLOTS (HL_MAX_OUTPUTS + HL_MAX_INPUTS)

static void call_oracle(const case_run *r, op_oracle *oracle, double *const out[]) {
    for (size_t slot = 0; slot < N_SLOTS; slot++) {
        const hl_shape *shape = result_shape(r, slot);
        if (!shape) continue;
        size_t n = hl_shape_elements(shape);
        if (slot >= HL_MAX_OUTPUTS) memcpy(out[slot], r->in[slot - HL_MAX_OUTPUTS], n * sizeof(double));
        else memset(out[slot], 0, n * sizeof(double));
    }
    oracle(r->c, (const double *const *)r->in, out);
}

static void take_results(const case_run *r, double *out[]) {
    for (size_t slot = 0; slot < N_SLOTS; slot++)
        if (result_shape(r, slot)) out[slot] = take(hl_shape_elements(result_shape(r, slot)), sizeof(double));
}

static void prepare_case(case_run *r) {
    bool preset = r->c->d_low == 0 && r->c->d_high == 0;
    double low = preset ? -1 : r->c->d_low, high = preset ? 1 : r->c->d_high;
    r->random = r->c->seed;
    for (size_t i = 0; i < r->n_inputs; i++) make_input(r, i);
    r->n_visible = r->rule.n_outputs - r->op->n_saved;
    find_updated(r);
    for (size_t i = 0; i < r->n_visible; i++) {
        if (r->rule.output_dtype[i] != HL_F32 || r->c->absent_d_outputs >> i & 1) continue;
        size_t n = hl_shape_elements(&r->rule.output[i]);
        r->d_output[i] = take(n, sizeof(float));
        for (size_t e = 0; e < n; e++) r->d_output[i][e] = (float)uniform(&r->random, low, high);
    }
    make_shares(r);
    take_results(r, r->out);
    take_results(r, r->size);
    call_oracle(r, r->c->oracle, r->out);
    call_oracle(r, r->c->magnitude ? r->c->magnitude : r->c->oracle, r->size);
}

static void release_case(case_run *r) {
    for (size_t i = 0; i < HL_MAX_INPUTS; i++) {
        free(r->input[i]);
        free(r->share[i]);
        free(r->in[i]);
    }
    for (size_t i = 0; i < HL_MAX_OUTPUTS; i++) free(r->d_output[i]);
    for (size_t slot = 0; slot < N_SLOTS; slot++) {
        free(r->out[slot]);
        free(r->size[slot]);
    }
}

/* ---- values ---- */

static op_engine start(const case_run *r, bool watch) {
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

/* Compares a result with what the oracle says. */
static bool compare(case_run *r, const op_value *value, size_t slot) {
    const hl_shape *shape = result_shape(r, slot);
    size_t n = hl_shape_elements(shape);
    bool index = value->view.dtype == HL_I32, good = true;
    uint32_t *words = take(n, sizeof *words);
    op_dense(value, words);
    for (size_t i = 0; good && i < n; i++) {
        float number;
        memcpy(&number, &words[i], 4);
        double got = index ? (double)(int32_t)words[i] : (double)number, want = r->out[slot][i];
        double bound = FLT_EPSILON * (r->c->value.absolute + r->c->value.relative * fabs(r->size[slot][i]));
        /* An infinite bound (of an infinite element) bounds nothing. */
        good = got == want || (isnan(got) && isnan(want)) || (isfinite(bound) && fabs(got - want) <= bound);
        char text[HL_SHAPE_TEXT];
        if (!good)
            snprintf(r->words, r->words_size, "%s: wrong value: %s %zu at %s is %.9g instead of %.9g (bound %.3g)",
                     r->isa, slot < HL_MAX_OUTPUTS ? "output" : "updated input",
                     slot < HL_MAX_OUTPUTS ? slot : slot - HL_MAX_OUTPUTS, element_text(shape, i, text), got, want,
                     bound);
    }
    free(words);
    return good;
}

/* Puts the instruction set before the words of the engine. */
static bool engine_failed(case_run *r) {
    char text[512];
    snprintf(text, sizeof text, "%s", r->words);
    snprintf(r->words, r->words_size, "%s: %s", r->isa, text);
    return false;
}

static bool check_values(case_run *r) {
    op_engine e = start(r, true);
    bool good = op_run_forward(&e) || engine_failed(r);
    for (size_t slot = 0; good && slot < N_SLOTS; slot++)
        if (result_shape(r, slot))
            good = compare(r, slot < HL_MAX_OUTPUTS ? &e.output[slot] : &e.input[slot - HL_MAX_OUTPUTS], slot);
    op_free(&e);
    return good;
}

/* ---- gradients ---- */

static bool has_gradient_step(const hl_operator *op, size_t input) {
    for (const hl_step *step = op->backward; step < op->backward + HL_MAX_STEPS && step->pass; step++)
        if (times(step->writes, HL_DIN(input))) return true;
    return false;
}

/* What the gradients must be: for sampled elements of each input, L = sum of d_output * output differentiated. */
typedef struct difference {
    size_t element;
    double value, size, error; /* size: sum of |share of each output|; error: of value itself */
} difference;

typedef struct slope {
    double value, size, touched; /* touched: sum of |d_output| |output| over the outputs that changed */
} slope;

static slope slope_at(case_run *r, size_t input, size_t element, double step, double *low[], double *high[]) {
    slope s = {0, 0, 0};
    double *x = &r->in[input][element], kept = *x;
    double above = kept + step, below = kept - step;
    *x = above;
    call_oracle(r, r->c->oracle, high);
    *x = below;
    call_oracle(r, r->c->oracle, low);
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

/* Central differences D(h) and D(2h). D(h) = L' + h^2 L'''/6 + ..., so D(2h) - D(h) is three times the error that
 * truncation leaves in D(h) (and shows a kink between x - 2h and x + 2h). Rounding adds the oracle's own error over h:
 * each output is good to some 64 units of 2^-53 (sums of a few hundred terms, at random signs) of its magnitude. With
 * h = 1e-5 both stay far below FLT_EPSILON for smooth functions of numbers around 1. */
static void differentiate(case_run *r, size_t input, difference *found, size_t n_found) {
    double *low[N_SLOTS] = {NULL}, *high[N_SLOTS] = {NULL};
    take_results(r, low);
    take_results(r, high);
    for (size_t i = 0; i < n_found; i++) {
        size_t element = found[i].element;
        double h = 1e-5 * fmax(1, fabs(r->in[input][element]));
        slope near = slope_at(r, input, element, h, low, high), far = slope_at(r, input, element, 2 * h, low, high);
        found[i].value = near.value;
        found[i].size = near.size;
        found[i].error = fabs(far.value - near.value) + 64 * 0x1p-53 * near.touched / h;
    }
    for (size_t slot = 0; slot < N_SLOTS; slot++) {
        free(low[slot]);
        free(high[slot]);
    }
}

/* The first and the last element, and others at random; all where there are few. */
static size_t sample(case_run *r, size_t input, difference *found, size_t room) {
    size_t n = hl_shape_elements(&r->views[input].shape), n_found = n < room ? n : room;
    for (size_t i = 0; i < n_found; i++)
        found[i].element = n <= room || i == 0 ? i : i == 1 ? n - 1 : (size_t)(next_random(&r->random) % n);
    return n_found;
}

/* Differences whose own error is large prove nothing: at most a quarter may be so (kinks). */
static bool sharp_enough(case_run *r, size_t input, const difference *found, size_t n_found) {
    double largest = 0;
    size_t blunt = 0;
    for (size_t i = 0; i < n_found; i++) largest = fmax(largest, found[i].size);
    for (size_t i = 0; i < n_found; i++) blunt += found[i].error > 1e-3 * largest;
    if (4 * blunt <= n_found) return true;
    snprintf(r->words, r->words_size,
             "the oracle cannot be differentiated with respect to input %zu: %zu of %zu "
             "differences are blunt",
             input, blunt, n_found);
    return false;
}

/* share: NULL, or what is added to the gradient, which counts as one more term of its sum and rounds once more. */
static bool compare_gradient(case_run *r, size_t input, const op_value *value, const float *share,
                             const difference *found, size_t n) {
    const hl_shape *shape = &r->views[input].shape;
    float *got = take(hl_shape_elements(shape), sizeof *got);
    bool good = true;
    op_dense(value, got);
    for (size_t i = 0; good && i < n; i++) {
        const op_bound *allowed = &r->c->gradient;
        double more = share ? (double)share[found[i].element] : 0, want = found[i].value + more;
        double bound = allowed->absolute + allowed->relative * (found[i].size + fabs(more));
        bound = found[i].error + FLT_EPSILON * (bound + (share ? fabs(want) / 2 : 0));
        char text[HL_SHAPE_TEXT];
        good = fabs((double)got[found[i].element] - want) <= bound;
        if (!good)
            snprintf(r->words, r->words_size,
                     "%s: wrong gradient: of input %zu at %s is %.9g instead of %.9g%s (bound %.3g)", r->isa, input,
                     element_text(shape, found[i].element, text), (double)got[found[i].element], want,
                     share ? ", earlier shares included" : "", bound);
    }
    free(got);
    return good;
}

/* Runs forward and backward for the inputs whose bits are set. */
static bool run_both(case_run *r, op_engine *e, uint32_t wanted, bool shares, bool watch) {
    *e = start(r, false);
    if (!op_run_forward(e)) return engine_failed(r);
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
    return op_run_backward(e) || engine_failed(r);
}

static bool check_alone(case_run *r, size_t input, const op_value *together) {
    op_engine e;
    size_t bytes = hl_shape_elements(&r->views[input].shape) * sizeof(float);
    float *a = take(bytes, 1), *b = take(bytes, 1);
    bool good = run_both(r, &e, 1u << input, false, false);
    if (good) {
        op_dense(together, a);
        op_dense(&e.d_input[input], b);
        good = memcmp(a, b, bytes) == 0;
        if (!good)
            snprintf(r->words, r->words_size, "%s: gradient of input %zu has other bits when it is asked for alone",
                     r->isa, input);
    }
    free(a);
    free(b);
    op_free(&e);
    return good;
}

static uint32_t inputs_with_gradient(const case_run *r) {
    uint32_t wanted = 0;
    if (r->c->forward_only) return 0;
    for (size_t i = 0; i < r->n_inputs && r->op->backward[0].pass; i++)
        if (r->views[i].dtype == HL_F32 && !(r->c->no_gradient >> i & 1)) wanted |= 1u << i;
    return wanted;
}

/* The share of every element, not of the sampled ones alone: with it and without it the same terms are summed, so that
 * the two differ by it within the bound of an element of the largest size that was sampled, once for each. */
static bool compare_shares(case_run *r, size_t input, const op_value *with, const op_value *without,
                           const difference *found, size_t n_found) {
    const hl_shape *shape = &r->views[input].shape;
    size_t n = hl_shape_elements(shape);
    float *a = take(n, sizeof *a), *b = take(n, sizeof *b);
    double largest = 0;
    bool good = true;
    op_dense(with, a);
    op_dense(without, b);
    for (size_t i = 0; i < n_found; i++) largest = fmax(largest, found[i].size);
    for (size_t i = 0; good && i < n; i++) {
        double share = (double)r->share[input][i], want = (double)b[i] + share;
        double bound = r->c->gradient.absolute + r->c->gradient.relative * (largest + fabs(share));
        bound = FLT_EPSILON * (2 * bound + fabs(want) / 2);
        char text[HL_SHAPE_TEXT];
        good = fabs((double)a[i] - want) <= bound;
        if (!good)
            snprintf(r->words, r->words_size,
                     "%s: wrong share: gradient of input %zu at %s is %.9g, without the share %.9g of others %.9g",
                     r->isa, input, element_text(shape, i, text), (double)a[i], share, (double)b[i]);
    }
    free(a);
    free(b);
    return good;
}

static bool check_shares(case_run *r, uint32_t wanted, const op_value without[], difference *const found[],
                         const size_t n_found[]) {
    op_engine e;
    bool any = false, good = true;
    for (size_t i = 0; i < r->n_inputs; i++) any |= wanted >> i & 1 && r->share[i];
    if (!any) return true;
    good = run_both(r, &e, wanted, true, true);
    for (size_t i = 0; good && i < r->n_inputs; i++)
        if (wanted >> i & 1 && r->share[i])
            good = compare_gradient(r, i, &e.d_input[i], r->share[i], found[i], n_found[i]) &&
                   compare_shares(r, i, &e.d_input[i], &without[i], found[i], n_found[i]);
    op_free(&e);
    return good;
}

static bool check_gradients(case_run *r, difference *const found[], const size_t n_found[]) {
    op_engine e;
    uint32_t wanted = inputs_with_gradient(r);
    if (!wanted) return true;
    bool good = run_both(r, &e, wanted, false, true);
    for (size_t i = 0; good && i < r->n_inputs; i++)
        if (wanted >> i & 1)
            good =
                compare_gradient(r, i, &e.d_input[i], NULL, found[i], n_found[i]) && check_alone(r, i, &e.d_input[i]);
    good = good && check_shares(r, wanted, e.d_input, found, n_found);
    op_free(&e);
    return good;
}

/* ---- */

/* A share goes into the one step that writes the gradient, which is no view. */
static bool check_share_steps(case_run *r) {
    const hl_step *steps = r->op->backward;
    for (size_t s = 0; s < HL_MAX_STEPS && steps[s].pass; s++)
        for (size_t i = 0; i < HL_MAX_INPUTS; i++) {
            size_t n_writes = 0;
            for (size_t t = 0; t < HL_MAX_STEPS && steps[t].pass; t++) n_writes += times(steps[t].writes, HL_DIN(i));
            if (!times(steps[s].reads, HL_SHARE(i))) continue;
            if (n_writes == 1 && times(steps[s].writes, HL_DIN(i)) == 1 && !steps[s].alias) continue;
            snprintf(r->words, r->words_size,
                     "pass '%s' reads the share of input %zu without being the only one to write its gradient, or has "
                     "an alias",
                     steps[s].pass->name, i);
            return false;
        }
    return true;
}

static bool check_steps(case_run *r) {
    if (!check_share_steps(r)) return false;
    uint32_t wanted = inputs_with_gradient(r);
    for (size_t i = 0; i < r->n_inputs && !r->c->forward_only; i++) {
        if ((wanted >> i & 1) == (has_gradient_step(r->op, i) && hl_view_present(&r->views[i]))) continue;
        snprintf(r->words, r->words_size, "%s backward step for input %zu", wanted >> i & 1 ? "no" : "an unexpected",
                 i);
        return false;
    }
    return true;
}

static bool find_differences(case_run *r, difference *found[], size_t n_found[]) {
    uint32_t wanted = inputs_with_gradient(r);
    size_t room = r->c->samples ? r->c->samples : 200;
    for (size_t i = 0; i < r->n_inputs; i++) {
        if (!(wanted >> i & 1)) continue;
        found[i] = take(room, sizeof *found[i]);
        n_found[i] = sample(r, i, found[i], room);
        differentiate(r, i, found[i], n_found[i]);
        if (!sharp_enough(r, i, found[i], n_found[i])) return false;
    }
    return true;
}

static bool check_isas(case_run *r, difference *const found[], const size_t n_found[]) {
    for (int isa = 0; isa < HL__N_ISAS; isa++) {
        const hl_operator *op = r->c->operator? r->c->operator: hl__operator_for(r->c->op, (hl__isa)isa);
        if (!op) continue;
        r->op = op;
        r->isa = r->c->operator? "given" : hl__isa_name((hl__isa)isa);
        if (!check_values(r) || !check_gradients(r, found, n_found)) return false;
        if (r->c->operator) break;
    }
    return true;
}

bool op_check_holds(const op_case *c, char *words, size_t size) {
    case_run r = {.c = c,
                  .op = c->operator? c->operator: hl__operator_for(c->op, HL__ISA_BASELINE),
                  .isa = "any",
                  .words = words,
                  .words_size = size };
    difference *found[HL_MAX_INPUTS] = {NULL};
    size_t n_found[HL_MAX_INPUTS] = {0};
    describe(&r);
    hl_status status = r.op->infer ? r.op->infer(&r.rule) : HL_NOT_FOUND;
    if (status != HL_OK) {
        snprintf(words, size, "the shape rule refuses: %s: %s", hl_status_string(status), r.rule.message);
        return false;
    }
    prepare_case(&r);
    bool good = check_steps(&r) && find_differences(&r, found, n_found) && check_isas(&r, found, n_found);
    for (size_t i = 0; i < HL_MAX_INPUTS; i++) free(found[i]);
    release_case(&r);
    return good;
}

void op_check(const op_case *c) {
    char words[512] = "";
    const hl_operator *op = c->operator? c->operator: hl__operator_for(c->op, HL__ISA_BASELINE);
    if (!op_check_holds(c, words, sizeof words)) ck_abort_msg("%s: %s", op->name, words);
}

void op_check_refused(const op_case *c, hl_status status) {
    case_run r = {.c = c, .op = c->operator? c->operator: hl__operator_for(c->op, HL__ISA_BASELINE) };
    describe(&r);
    ck_assert_int_eq(r.op->infer(&r.rule), status);
    ck_assert_str_ne(r.rule.message, "");
}
