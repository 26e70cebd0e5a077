/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One row of one input after the other is made extreme, and everything that the operator computes is compared with the
 * oracle, in class (NaN, infinite, finite) and in value. */
#include "tests/support/op_check.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/op_trial.h"

/* ---- extreme rows ---- */

/* Element j of a row of n becomes factor * x + offset, or `at` where j is the place. Where the place is none, all do.
 */
typedef struct extreme {
    const char *name;
    float factor, offset;
    float at;
    enum { NOWHERE, SOMEWHERE, EVERYWHERE } place; /* EVERYWHERE: at each place in turn */
} extreme;

#define HUGE_NUMBER 0x1.fffffep127f

static const extreme extremes[] = {
    {.name = "an offset of 1024", .factor = 1, .offset = 1024},
    {.name = "an offset of -2^20", .factor = 1, .offset = -0x1p20f},
    {.name = "an offset of 1e8", .factor = 1, .offset = 1e8f},
    {.name = "0.1 everywhere", .offset = 0.1f},
    {.name = "1234.1 everywhere", .offset = 1234.1f},
    {.name = "1e8 everywhere", .offset = 1e8f},
    {.name = "-1.1e20 everywhere", .offset = -1.1e20f},
    {.name = "-1e9 everywhere", .offset = -1e9f},
    {.name = "the largest number everywhere", .offset = HUGE_NUMBER},
    {.name = "its negative everywhere", .offset = -HUGE_NUMBER},
    {.name = "zeros", .offset = 0},
    {.name = "2^20 times as large", .factor = 0x1p20f},
    {.name = "2^70 times as large", .factor = 0x1p70f},
    {.name = "2^127 times as large", .factor = 0x1p127f},
    {.name = "2^-30 times as large", .factor = 0x1p-30f},
    {.name = "2^-70 times as large", .factor = 0x1p-70f},
    {.name = "subnormal", .factor = 0x1p-137f},
    {.name = "all but one -1e9", .offset = -1e9f, .at = 1, .place = SOMEWHERE},
    {.name = "all but one the most negative number", .offset = -HUGE_NUMBER, .at = 1, .place = SOMEWHERE},
    {.name = "one the largest number", .factor = 1, .at = HUGE_NUMBER, .place = SOMEWHERE},
    {.name = "one the most negative number", .factor = 1, .at = -HUGE_NUMBER, .place = SOMEWHERE},
    {.name = "one infinity", .factor = 1, .at = INFINITY, .place = EVERYWHERE},
    {.name = "one -infinity", .factor = 1, .at = -INFINITY, .place = EVERYWHERE},
    {.name = "all but one -infinity", .offset = -INFINITY, .at = 1, .place = SOMEWHERE},
    {.name = "infinity among -infinity", .offset = -INFINITY, .at = INFINITY, .place = SOMEWHERE},
    {.name = "infinity everywhere", .offset = INFINITY},
    {.name = "-infinity everywhere", .offset = -INFINITY},
    {.name = "one NaN", .factor = 1, .at = NAN, .place = EVERYWHERE},
    {.name = "NaN among -infinity", .offset = -INFINITY, .at = NAN, .place = EVERYWHERE},
    {.name = "NaN everywhere", .offset = NAN},
};
#define N_EXTREMES (sizeof extremes / sizeof *extremes)

/* Which tensor is made extreme: an input, or the gradient of an output; and what it held before. */
typedef struct target {
    bool gradient;
    size_t number;
    hl_shape shape;
    float *values, *kept;
} target;

static size_t row_length(const hl_shape *shape) { return shape->rank ? shape->extent[shape->rank - 1] : 1; }

static void set_input(op_trial *r, const target *t) {
    if (t->gradient) return;
    for (size_t e = 0; e < hl_shape_elements(&t->shape); e++) r->in[t->number][e] = (double)t->values[e];
}

/* Makes the middle row extreme, or all of them. */
static void put_extreme(op_trial *r, const target *t, const extreme *kind, size_t place, bool all) {
    size_t n = row_length(&t->shape), rows = hl_shape_elements(&t->shape) / n;
    memcpy(t->values, t->kept, rows * n * sizeof *t->values);
    for (size_t i = all ? 0 : rows / 2; i < (all ? rows : rows / 2 + 1); i++)
        for (size_t j = 0; j < n; j++) {
            float *x = &t->values[i * n + j], y = kind->offset; /* 0 times infinity is no part of it */
            if (kind->factor != 0) y = kind->factor * *x + kind->offset;
            if (isinf(y) && !isinf(kind->offset)) y = copysignf(HUGE_NUMBER, y);
            *x = kind->place != NOWHERE && j == place ? kind->at : y;
        }
    set_input(r, t);
}

/* ---- what is expected ---- */

typedef struct expected {
    double *slope[HL_MAX_INPUTS], *size[HL_MAX_INPUTS]; /* of each element; NULL: not compared */
    double *error[HL_MAX_INPUTS];                       /* of the slope itself; infinite: it is not known */
    double *low[OP_SLOTS], *high[OP_SLOTS];
} expected;

static bool finite_results(const op_trial *r) {
    for (size_t slot = 0; slot < r->n_visible; slot++)
        for (size_t e = 0; e < hl_shape_elements(op_result_shape(r, slot)); e++)
            if (!isfinite(r->out[slot][e])) return false;
    return true;
}

/* The difference from the element upwards: where it is another one than that around it, there is a kink. */
static op_slope slope_above(op_trial *r, expected *x, size_t input, size_t element, double h) {
    double kept = r->in[input][element];
    r->in[input][element] = kept + h / 2;
    op_slope above = op_slope_at(r, input, element, h / 2, x->low, x->high);
    r->in[input][element] = kept;
    return above;
}

/* A step fits the element, the row's numbers or 1, whichever gives the sharpest difference: what D(h) and D(2h) differ
 * by, and the rounding of the outputs that they move. A step that moves nothing says nothing where another one does;
 * where none does, the slope is below the rounding of all outputs over the longest step. */
static void differentiate(op_trial *r, expected *x, size_t input, size_t element) {
    double at = fabs(r->in[input][element]), steps[] = {1e-5, 1e-5 * at, 1e-3}, best = INFINITY;
    double all = 0;
    for (size_t o = 0; o < r->n_visible; o++)
        for (size_t e = 0; r->d_output[o] && e < hl_shape_elements(&r->rule.output[o]); e++)
            all += fabs((double)r->d_output[o][e] * r->size[o][e]);
    x->slope[input][element] = x->size[input][element] = 0;
    x->error[input][element] = 64 * 0x1p-53 * all / fmax(1e-3, 1e-5 * at);
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
        double h = steps[s];
        if (!(h > 0) || at + h == at || !isfinite(h)) continue;
        op_slope near = op_slope_at(r, input, element, h, x->low, x->high);
        op_slope far = op_slope_at(r, input, element, 2 * h, x->low, x->high);
        double error = fabs(far.value - near.value) + 64 * 0x1p-53 * near.touched / h;
        if (near.touched == 0 || error >= best) continue;
        best = error;
        bool kink = fabs(slope_above(r, x, input, element, h).value - near.value) > 1e-3 * near.size;
        x->slope[input][element] = near.value;
        x->size[input][element] = near.size;
        x->error[input][element] = !kink && error <= 1e-3 * near.size ? error : INFINITY;
    }
}

static void find_slopes_by_difference(op_trial *r, expected *x, uint32_t wanted) {
    bool finite = finite_results(r);
    size_t room = r->c->samples ? r->c->samples : 20;
    for (size_t i = 0; i < r->n_inputs; i++) {
        if (!(wanted >> i & 1)) continue;
        size_t n = hl_shape_elements(&r->views[i].shape);
        for (size_t e = 0; e < n; e++) x->error[i][e] = INFINITY;
        for (size_t k = 0; finite && k < room && k < n; k++)
            differentiate(r, x, i, n <= room ? k : (size_t)(op_random(&r->random) % n));
    }
}

/* What the oracle makes of each element alone, 1 among zeros. */
static void find_linear_slopes(op_trial *r, expected *x, uint32_t wanted) {
    double *kept[HL_MAX_INPUTS] = {NULL};
    for (size_t i = 0; i < r->n_inputs; i++) {
        if (r->views[i].dtype != HL_F32) continue;
        kept[i] = r->in[i];
        r->in[i] = op_zeroed(hl_shape_elements(&r->views[i].shape), sizeof(double));
    }
    for (size_t i = 0; i < r->n_inputs; i++)
        for (size_t e = 0; wanted >> i & 1 && e < hl_shape_elements(&r->views[i].shape); e++) {
            double slope = 0, size = 0;
            r->in[i][e] = 1;
            op_call_oracle(r, r->c->oracle, x->high);
            r->in[i][e] = 0;
            for (size_t o = 0; o < r->n_visible; o++)
                for (size_t k = 0; r->d_output[o] && k < hl_shape_elements(&r->rule.output[o]); k++) {
                    double share = x->high[o][k] == 0 ? 0 : (double)r->d_output[o][k] * x->high[o][k];
                    slope += share;
                    size += fabs(share);
                }
            x->slope[i][e] = slope;
            x->size[i][e] = size;
            x->error[i][e] = 0;
        }
    for (size_t i = 0; i < r->n_inputs; i++) {
        if (!kept[i]) continue;
        free(r->in[i]);
        r->in[i] = kept[i];
    }
}

static void find_slopes(op_trial *r, expected *x, uint32_t wanted) {
    if (r->c->linear) {
        find_linear_slopes(r, x, wanted);
        return;
    }
    if (!r->c->slopes) {
        find_slopes_by_difference(r, x, wanted);
        return;
    }
    for (size_t i = 0; i < r->n_inputs; i++)
        if (wanted >> i & 1) memset(x->error[i], 0, hl_shape_elements(&r->views[i].shape) * sizeof(double));
    op_stated_slopes(r, x->slope, x->size);
}

/* ---- comparison ---- */

/* terms: sizes are sums of terms; where they exceed the largest float, so may a sum on its way, even where the result
 * does not. */
typedef struct tolerance {
    const op_bound *bound;
    bool terms;
} tolerance;

/* Where a number is subnormal, each rounding loses up to half of 2^-149. */
static bool agrees(double got, double want, double size, double error, const tolerance *t) {
    if (isnan(want)) return isnan(got);
    if (isinf(want) || got == want) return got == want;
    double bound = FLT_EPSILON * (t->bound->absolute + t->bound->relative * fabs(size)) + error;
    bound += 0x1p-149 * (1 + t->bound->relative);
    if (t->terms && !(fabs(size) <= (double)FLT_MAX) && !isfinite(got)) return true;
    if (isnan(got)) return false;
    if (isinf(got)) return fabs(want) + bound > (double)FLT_MAX && signbit(got) == signbit(want);
    return fabs(got - want) <= bound;
}

typedef struct trial_of {
    const target *target;
    const extreme *kind;
    size_t place;
    bool all;
} trial_of;

static bool disagree(op_trial *r, const trial_of *t, const char *what, size_t number, const hl_shape *shape, size_t e,
                     double got, double want) {
    char text[HL_SHAPE_TEXT], place[32] = "";
    if (t->kind->place != NOWHERE) snprintf(place, sizeof place, " at %zu", t->place);
    snprintf(r->words, r->words_size, "%s: %s of %s %zu: %s%s: %s %zu at %s is %.9g instead of %.9g", r->isa,
             t->all ? "all rows" : "the middle row", t->target->gradient ? "the gradient of output" : "input",
             t->target->number, t->kind->name, place, what, number, op_element_text(shape, e, text), got, want);
    return false;
}

static bool compare_results(op_trial *r, const trial_of *t, const op_engine *e) {
    tolerance allowed = {.bound = &r->c->value, .terms = r->c->magnitude};
    bool good = true;
    for (size_t slot = 0; good && slot < OP_SLOTS; slot++) {
        const hl_shape *shape = op_result_shape(r, slot);
        if (!shape) continue;
        bool updated = slot >= HL_MAX_OUTPUTS;
        const op_value *value = updated ? &e->input[slot - HL_MAX_OUTPUTS] : &e->output[slot];
        size_t n = hl_shape_elements(shape);
        uint32_t *words = op_zeroed(n, sizeof *words);
        op_dense(value, words);
        for (size_t k = 0; good && k < n; k++) {
            float number;
            memcpy(&number, &words[k], sizeof number);
            double got = value->view.dtype == HL_I32 ? (double)(int32_t)words[k] : (double)number;
            good = agrees(got, r->out[slot][k], r->size[slot][k], 0, &allowed) ||
                   disagree(r, t, updated ? "updated input" : "output", updated ? slot - HL_MAX_OUTPUTS : slot, shape,
                            k, got, r->out[slot][k]);
        }
        free(words);
    }
    return good;
}

static bool compare_slopes(op_trial *r, const trial_of *t, const op_engine *e, const expected *x, uint32_t wanted) {
    tolerance allowed = {.bound = &r->c->gradient, .terms = !r->c->slopes || r->c->slope_sizes};
    bool good = true;
    for (size_t i = 0; good && i < r->n_inputs; i++) {
        if (!(wanted >> i & 1)) continue;
        const hl_shape *shape = &r->views[i].shape;
        size_t n = hl_shape_elements(shape);
        float *got = op_zeroed(n, sizeof *got);
        op_dense(&e->d_input[i], got);
        for (size_t k = 0; good && k < n; k++)
            good = isinf(x->error[i][k]) ||
                   agrees((double)got[k], x->slope[i][k], x->size[i][k], x->error[i][k], &allowed) ||
                   disagree(r, t, "gradient of input", i, shape, k, (double)got[k], x->slope[i][k]);
        free(got);
    }
    return good;
}

/* ---- runs ---- */

static bool run_once(op_trial *r, const trial_of *t, expected *x) {
    uint32_t wanted = op_inputs_with_gradient(r);
    bool good = true;
    op_call_oracle(r, r->c->oracle, r->out);
    op_call_oracle(r, r->c->magnitude ? r->c->magnitude : r->c->oracle, r->size);
    if (wanted) find_slopes(r, x, wanted);
    for (int isa = 0; good && isa < HL__N_ISAS; isa++) {
        if (!op_use(r, isa)) continue;
        op_engine e;
        if (wanted) {
            good = op_run_both(r, &e, wanted, false, false);
        } else {
            e = op_start(r, false);
            good = op_run_forward(&e) || op_engine_failed(r);
        }
        good = good && compare_results(r, t, &e) && compare_slopes(r, t, &e, x, wanted);
        op_free(&e);
    }
    return good;
}

/* Each place in one row where the kind wants it and the row is short; else the first, one within, and the last. */
static bool run_kind(op_trial *r, const target *t, const extreme *kind, expected *x) {
    size_t n = row_length(&t->shape);
    bool good = true;
    for (int all = 0; good && all < 2; all++)
        for (size_t place = 0; good && place < (kind->place == NOWHERE ? 1 : n); place++) {
            bool every = kind->place == EVERYWHERE && !all && n <= 40;
            if (!every && place != 0 && place != n / 3 && place != n - 1) continue;
            put_extreme(r, t, kind, place, all);
            good = run_once(r, &(trial_of){.target = t, .kind = kind, .place = place, .all = all}, x);
        }
    return good;
}

static bool run_target(op_trial *r, target *t, expected *x) {
    size_t bytes = hl_shape_elements(&t->shape) * sizeof(float);
    bool good = true;
    t->kept = op_zeroed(bytes, 1);
    memcpy(t->kept, t->values, bytes);
    for (size_t k = 0; good && k < N_EXTREMES; k++) good = run_kind(r, t, &extremes[k], x);
    memcpy(t->values, t->kept, bytes);
    set_input(r, t);
    free(t->kept);
    return good;
}

static bool run_targets(op_trial *r, expected *x) {
    bool good = true;
    for (size_t i = 0; good && i < r->n_inputs; i++) {
        if (!r->input[i] || r->views[i].dtype != HL_F32 || r->c->never_extreme >> i & 1) continue;
        target t = {.number = i, .shape = r->views[i].shape, .values = (float *)r->input[i]};
        good = run_target(r, &t, x);
    }
    for (size_t o = 0; good && (r->c->slopes || r->c->linear) && o < r->n_visible; o++) {
        if (!r->d_output[o]) continue;
        target t = {.gradient = true, .number = o, .shape = r->rule.output[o], .values = r->d_output[o]};
        good = run_target(r, &t, x);
    }
    return good;
}

bool op_extremes_hold(const op_case *c, char *words, size_t size) {
    op_trial r = {.c = c, .words = words, .words_size = size};
    expected x = {.slope = {NULL}};
    if (!op_check_holds(c, words, size) || op_describe(&r) != HL_OK) return false;
    op_prepare(&r);
    op_take_results(&r, x.low);
    op_take_results(&r, x.high);
    uint32_t wanted = op_inputs_with_gradient(&r);
    for (size_t i = 0; i < r.n_inputs; i++) {
        if (!(wanted >> i & 1)) continue;
        size_t n = hl_shape_elements(&r.views[i].shape);
        x.slope[i] = op_zeroed(n, sizeof(double));
        x.size[i] = op_zeroed(n, sizeof(double));
        x.error[i] = op_zeroed(n, sizeof(double));
    }
    bool good = run_targets(&r, &x);
    for (size_t i = 0; i < HL_MAX_INPUTS; i++) {
        free(x.slope[i]);
        free(x.size[i]);
        free(x.error[i]);
    }
    for (size_t slot = 0; slot < OP_SLOTS; slot++) {
        free(x.low[slot]);
        free(x.high[slot]);
    }
    op_release(&r);
    return good;
}

void op_extremes(const op_case *c) {
    char words[512] = "";
    const hl_operator *op = c->operator? c->operator: hl__operator_for(c->op, HL__ISA_BASELINE);
    if (!op_extremes_hold(c, words, sizeof words)) ck_abort_msg("%s: %s", op->name, words);
}
