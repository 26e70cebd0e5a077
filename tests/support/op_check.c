/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Compares what an operator's steps compute on each instruction set with the oracle's values and its central
 * differences. */
#include "tests/support/op_check.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/op_trial.h"

/* ---- values ---- */

/* Compares a result with what the oracle says. */
static bool compare(op_trial *r, const op_value *value, size_t slot) {
    const hl_shape *shape = op_result_shape(r, slot);
    size_t n = hl_shape_elements(shape);
    bool index = value->view.dtype == HL_I32, good = true;
    uint32_t *words = op_zeroed(n, sizeof *words);
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
                     slot < HL_MAX_OUTPUTS ? slot : slot - HL_MAX_OUTPUTS, op_element_text(shape, i, text), got, want,
                     bound);
    }
    free(words);
    return good;
}

static bool check_values(op_trial *r) {
    op_engine e = op_start(r, true);
    bool good = op_run_forward(&e) || op_engine_failed(r);
    for (size_t slot = 0; good && slot < OP_SLOTS; slot++)
        if (op_result_shape(r, slot))
            good = compare(r, slot < HL_MAX_OUTPUTS ? &e.output[slot] : &e.input[slot - HL_MAX_OUTPUTS], slot);
    op_free(&e);
    return good;
}

/* ---- gradients ---- */

static bool has_gradient_step(const hl_operator *op, size_t input) {
    for (const hl_step *step = op->backward; step < op->backward + HL_MAX_STEPS && step->pass; step++)
        if (op_times(step->writes, HL_DIN(input))) return true;
    return false;
}

/* What the gradients must be: for sampled elements of each input, L = sum of d_output * output differentiated. */
typedef struct difference {
    size_t element;
    double value, size, error; /* size: sum of |share of each output|; error: of value itself */
} difference;

/* Central differences D(h) and D(2h). D(h) = L' + h^2 L'''/6 + ..., so D(2h) - D(h) is three times the error that
 * truncation leaves in D(h) (and shows a kink between x - 2h and x + 2h). Rounding adds the oracle's own error over h:
 * each output is good to some 64 units of 2^-53 (sums of a few hundred terms, at random signs) of its magnitude. With
 * h = 1e-5 both stay far below FLT_EPSILON for smooth functions of numbers around 1. */
static void differentiate(op_trial *r, size_t input, difference *found, size_t n_found) {
    double *low[OP_SLOTS] = {NULL}, *high[OP_SLOTS] = {NULL};
    op_take_results(r, low);
    op_take_results(r, high);
    for (size_t i = 0; i < n_found; i++) {
        size_t element = found[i].element;
        double h = 1e-5 * fmax(1, fabs(r->in[input][element]));
        op_slope near = op_slope_at(r, input, element, h, low, high),
                 far = op_slope_at(r, input, element, 2 * h, low, high);
        found[i].value = near.value;
        found[i].size = near.size;
        found[i].error = fabs(far.value - near.value) + 64 * 0x1p-53 * near.touched / h;
    }
    for (size_t slot = 0; slot < OP_SLOTS; slot++) {
        free(low[slot]);
        free(high[slot]);
    }
}

/* The first and the last element, and others at random; all where there are few. */
static size_t sample(op_trial *r, size_t input, difference *found, size_t room) {
    size_t n = hl_shape_elements(&r->views[input].shape), n_found = n < room ? n : room;
    for (size_t i = 0; i < n_found; i++)
        found[i].element = n <= room || i == 0 ? i : i == 1 ? n - 1 : (size_t)(op_random(&r->random) % n);
    return n_found;
}

/* Differences whose own error is large prove nothing: at most a quarter may be so (kinks). */
static bool sharp_enough(op_trial *r, size_t input, const difference *found, size_t n_found) {
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
static bool compare_gradient(op_trial *r, size_t input, const op_value *value, const float *share,
                             const difference *found, size_t n) {
    const hl_shape *shape = &r->views[input].shape;
    float *got = op_zeroed(hl_shape_elements(shape), sizeof *got);
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
                     op_element_text(shape, found[i].element, text), (double)got[found[i].element], want,
                     share ? ", earlier shares included" : "", bound);
    }
    free(got);
    return good;
}

static bool check_alone(op_trial *r, size_t input, const op_value *together) {
    op_engine e;
    size_t bytes = hl_shape_elements(&r->views[input].shape) * sizeof(float);
    float *a = op_zeroed(bytes, 1), *b = op_zeroed(bytes, 1);
    bool good = op_run_both(r, &e, 1u << input, false, false);
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

/* The share of every element, not of the sampled ones alone: with it and without it the same terms are summed, so that
 * the two differ by it within the bound of an element of the largest size that was sampled, once for each. */
static bool compare_shares(op_trial *r, size_t input, const op_value *with, const op_value *without,
                           const difference *found, size_t n_found) {
    const hl_shape *shape = &r->views[input].shape;
    size_t n = hl_shape_elements(shape);
    float *a = op_zeroed(n, sizeof *a), *b = op_zeroed(n, sizeof *b);
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
                     r->isa, input, op_element_text(shape, i, text), (double)a[i], share, (double)b[i]);
    }
    free(a);
    free(b);
    return good;
}

static bool check_shares(op_trial *r, uint32_t wanted, const op_value without[], difference *const found[],
                         const size_t n_found[]) {
    op_engine e;
    bool any = false, good = true;
    for (size_t i = 0; i < r->n_inputs; i++) any |= wanted >> i & 1 && r->share[i];
    if (!any) return true;
    good = op_run_both(r, &e, wanted, true, true);
    for (size_t i = 0; good && i < r->n_inputs; i++)
        if (wanted >> i & 1 && r->share[i])
            good = compare_gradient(r, i, &e.d_input[i], r->share[i], found[i], n_found[i]) &&
                   compare_shares(r, i, &e.d_input[i], &without[i], found[i], n_found[i]);
    op_free(&e);
    return good;
}

static bool check_gradients(op_trial *r, difference *const found[], const size_t n_found[]) {
    op_engine e;
    uint32_t wanted = op_inputs_with_gradient(r);
    if (!wanted) return true;
    bool good = op_run_both(r, &e, wanted, false, true);
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
static bool check_share_steps(op_trial *r) {
    const hl_step *steps = r->op->backward;
    for (size_t s = 0; s < HL_MAX_STEPS && steps[s].pass; s++)
        for (size_t i = 0; i < HL_MAX_INPUTS; i++) {
            size_t n_writes = 0;
            for (size_t t = 0; t < HL_MAX_STEPS && steps[t].pass; t++) n_writes += op_times(steps[t].writes, HL_DIN(i));
            if (!op_times(steps[s].reads, HL_SHARE(i))) continue;
            if (n_writes == 1 && op_times(steps[s].writes, HL_DIN(i)) == 1 && !steps[s].alias) continue;
            snprintf(r->words, r->words_size,
                     "pass '%s' reads the share of input %zu without being the only one to write its gradient, or has "
                     "an alias",
                     steps[s].pass->name, i);
            return false;
        }
    return true;
}

static bool check_steps(op_trial *r) {
    if (!check_share_steps(r)) return false;
    uint32_t wanted = op_inputs_with_gradient(r);
    for (size_t i = 0; i < r->n_inputs && !r->c->forward_only; i++) {
        if ((wanted >> i & 1) == (has_gradient_step(r->op, i) && hl_view_present(&r->views[i]))) continue;
        snprintf(r->words, r->words_size, "%s backward step for input %zu", wanted >> i & 1 ? "no" : "an unexpected",
                 i);
        return false;
    }
    return true;
}

/* Puts stated slopes in the place of the differences, with which they must agree where those are sharp. */
static bool take_stated_slopes(op_trial *r, size_t input, const double *slope, const double *size, difference *found,
                               size_t n_found) {
    for (size_t i = 0; i < n_found; i++) {
        difference *d = &found[i];
        double stated = slope[d->element], off = fabs(stated - d->value);
        if (d->error <= 1e-3 * d->size && !(off <= d->error + 1e-8 * (1 + d->size))) {
            char text[HL_SHAPE_TEXT];
            snprintf(r->words, r->words_size, "the stated slope of input %zu at %s is %.9g, its difference %.9g", input,
                     op_element_text(&r->views[input].shape, d->element, text), stated, d->value);
            return false;
        }
        *d = (difference){.element = d->element, .value = stated, .size = fabs(size[d->element])};
    }
    return true;
}

static bool state_slopes(op_trial *r, difference *const found[], const size_t n_found[]) {
    double *slope[HL_MAX_INPUTS] = {NULL}, *size[HL_MAX_INPUTS] = {NULL};
    bool good = true;
    for (size_t i = 0; i < r->n_inputs; i++) {
        if (!found[i]) continue;
        slope[i] = op_zeroed(hl_shape_elements(&r->views[i].shape), sizeof(double));
        size[i] = op_zeroed(hl_shape_elements(&r->views[i].shape), sizeof(double));
    }
    op_stated_slopes(r, slope, size);
    for (size_t i = 0; i < r->n_inputs; i++) {
        if (found[i] && good) good = take_stated_slopes(r, i, slope[i], size[i], found[i], n_found[i]);
        free(slope[i]);
        free(size[i]);
    }
    return good;
}

static bool find_differences(op_trial *r, difference *found[], size_t n_found[]) {
    uint32_t wanted = op_inputs_with_gradient(r);
    size_t room = r->c->samples ? r->c->samples : 200;
    for (size_t i = 0; i < r->n_inputs; i++) {
        if (!(wanted >> i & 1)) continue;
        found[i] = op_zeroed(room, sizeof *found[i]);
        n_found[i] = sample(r, i, found[i], room);
        differentiate(r, i, found[i], n_found[i]);
        if (!r->c->slopes && !sharp_enough(r, i, found[i], n_found[i])) return false;
    }
    return !r->c->slopes || !wanted || state_slopes(r, found, n_found);
}

static bool check_isas(op_trial *r, difference *const found[], const size_t n_found[]) {
    for (int isa = 0; isa < HL__N_ISAS; isa++)
        if (op_use(r, isa) && (!check_values(r) || !check_gradients(r, found, n_found))) return false;
    return true;
}

bool op_check_holds(const op_case *c, char *words, size_t size) {
    op_trial r = {.c = c, .words = words, .words_size = size};
    difference *found[HL_MAX_INPUTS] = {NULL};
    size_t n_found[HL_MAX_INPUTS] = {0};
    if (op_describe(&r) != HL_OK) return false;
    op_prepare(&r);
    bool good = check_steps(&r) && find_differences(&r, found, n_found) && check_isas(&r, found, n_found);
    for (size_t i = 0; i < HL_MAX_INPUTS; i++) free(found[i]);
    op_release(&r);
    return good;
}

void op_check(const op_case *c) {
    char words[512] = "";
    const hl_operator *op = c->operator? c->operator: hl__operator_for(c->op, HL__ISA_BASELINE);
    if (!op_check_holds(c, words, sizeof words)) ck_abort_msg("%s: %s", op->name, words);
}

void op_check_refused(const op_case *c, hl_status status) {
    op_trial r = {.c = c};
    ck_assert_int_eq(op_describe(&r), status);
    ck_assert_str_ne(r.rule.message, "");
}
