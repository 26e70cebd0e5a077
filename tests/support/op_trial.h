/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One case of an operator being tried: its inputs, what the oracle makes of them, and runs of its steps. Under op_check
 * and op_extremes; tests use op_check.h. */
#ifndef HL_TESTS_SUPPORT_OP_TRIAL_H
#define HL_TESTS_SUPPORT_OP_TRIAL_H

#include "tests/support/op_check.h"
#include "tests/support/op_engine.h"

#define OP_SLOTS (HL_MAX_OUTPUTS + HL_MAX_INPUTS) /* of results: outputs, then inputs that are updated */

typedef struct op_trial {
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
    double *out[OP_SLOTS], *size[OP_SLOTS];
    uint32_t updated; /* bit i: a forward step updates input i */
    char *words;
    size_t words_size;
} op_trial;

/* n elements, all bits zero; aborts where there is no memory: a test machine has nobody to report to. */
void *op_zeroed(size_t n, size_t bytes);

uint64_t op_random(uint64_t *state);
double op_uniform(uint64_t *state, double low, double high);

/* Coordinates of an element, as "[2, 3]". */
const char *op_element_text(const hl_shape *shape, size_t element, char text[HL_SHAPE_TEXT]);

/* How often a list of operands names one of them. */
size_t op_times(const uint16_t *codes, uint16_t wanted);

/* Gives a trial that has c and words (which may be NULL) its shapes, and says what the baseline's shape rule does. */
hl_status op_describe(op_trial *r);

/* Makes inputs, gradients of outputs, shares, and calls the oracle. */
void op_prepare(op_trial *r);
void op_release(op_trial *r);

/* Takes the operator of an instruction set: false where build or processor have none. */
bool op_use(op_trial *r, int isa);

/* Shape of a comparable result: a visible output, or an input that is updated; NULL for other slots. */
const hl_shape *op_result_shape(const op_trial *r, size_t slot);
void op_take_results(const op_trial *r, double *out[]);
void op_call_oracle(const op_trial *r, op_oracle *oracle, double *const out[]);

/* Float inputs that have a gradient, as bits. */
uint32_t op_inputs_with_gradient(const op_trial *r);

/* An engine with the inputs written and the outputs taken. */
op_engine op_start(const op_trial *r, bool watch);

/* Runs forward and backward for the inputs whose bits are set. */
bool op_run_both(op_trial *r, op_engine *e, uint32_t wanted, bool shares, bool watch);

/* Puts the instruction set before the words of the engine. */
bool op_engine_failed(op_trial *r);

/* The case's gradients in double, and what their errors grow with: room for those that are wanted, NULL for others. */
void op_stated_slopes(const op_trial *r, double *const slope[], double *const size[]);

/* A central difference of L = sum of d_output * output; size: sum of |share of each output|; touched: sum of |d_output|
 * |output| over the outputs that changed. low and high: room for results. */
typedef struct op_slope {
    double value, size, touched;
} op_slope;

op_slope op_slope_at(op_trial *r, size_t input, size_t element, double step, double *low[], double *high[]);

#endif
