/* SPDX-License-Identifier: BSD-3-Clause
 *
 * op_extremes itself: operators that are right in ordinary numbers and wrong at the extremes are found, and one that is
 * right passes. Each works on rows of x [R, C]. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "ops/op.h"
#include "tests/support/op_check.h"
#include "tests/support/suite.h"

enum { ROWS = 3, C = 21 };

typedef enum fault { NO_FAULT, MERGED, UNCORRECTED, VANISHING_NAN, VANISHING_GRADIENT, OVERFLOW, MASKED } fault;

typedef struct row_options {
    fault fault;
} row_options;

static fault fault_of(const hl_call *call) { return ((const row_options *)call->options)->fault; }

static hl_status same_shape(hl_inference *inference) {
    inference->output[0] = inference->input[0].shape;
    return HL_OK;
}

static hl_status one_a_row(hl_inference *inference) {
    inference->output[0] = HL_SHAPE(inference->input[0].shape.extent[0]);
    return HL_OK;
}

static const float *row(const hl_call *call, size_t operand, size_t i) {
    return hl__f32(&call->operand[operand]) + i * C;
}

/* ---- the loss of a row whose label is 0: log sum exp(x_j) - x_0 ---- */

/* The fault: max and the logarithm of the rest become one float. */
static void loss_kernel(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    for (size_t i = 0; i < ROWS; i++) {
        const float *x = row(call, 0, i);
        float max = -INFINITY, sum = 0;
        for (size_t j = 0; j < C; j++) max = x[j] > max ? x[j] : max;
        for (size_t j = 0; j < C; j++) sum += expf(x[j] - max);
        float half = (0.5f * max - 0.5f * x[0]) + 0.5f * logf(sum);
        if (fault_of(call) == MERGED) half = 0.5f * ((max + logf(sum)) - x[0]);
        hl__f32(&call->operand[1])[i] = 2 * half;
    }
}

/* reads x, dy; writes dx */
static void loss_dx_kernel(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    for (size_t i = 0; i < ROWS; i++) {
        const float *x = row(call, 0, i);
        float *dx = hl__f32(&call->operand[2]) + i * C, dy = hl__f32(&call->operand[1])[i], max = -INFINITY, others = 0;
        for (size_t j = 0; j < C; j++) max = x[j] > max ? x[j] : max;
        for (size_t j = 1; j < C; j++) others += expf(x[j] - max);
        float sum = expf(x[0] - max) + others;
        for (size_t j = 1; j < C; j++) dx[j] = dy * (expf(x[j] - max) / sum);
        dx[0] = -dy * (others / sum);
    }
}

static void loss(const op_case *c, const double *const in[], double *const out[]) {
    (void)c;
    for (size_t i = 0; i < ROWS; i++) {
        const double *x = in[0] + i * C;
        double max = -INFINITY, sum = 0;
        for (size_t j = 0; j < C; j++) max = fmax(max, x[j]);
        for (size_t j = 0; j < C; j++) sum += exp(x[j] - max);
        out[0][i] = (max - x[0]) + log(sum);
    }
}

static void loss_slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    (void)c;
    for (size_t i = 0; i < ROWS; i++) {
        const double *x = in[0] + i * C;
        double max = -INFINITY, others = 0, *dx = d_in[0] + i * C;
        for (size_t j = 0; j < C; j++) max = fmax(max, x[j]);
        for (size_t j = 1; j < C; j++) others += exp(x[j] - max);
        double sum = exp(x[0] - max) + others;
        for (size_t j = 0; j < C; j++) dx[j] = d_out[0][i] * (j ? exp(x[j] - max) : -others) / sum;
    }
}

/* What is subnormal on the way is rounded as 2^-126 is. */
static void loss_sizes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    loss_slopes(c, in, d_out, d_in);
    for (size_t e = 0; e < (size_t)ROWS * C; e++) d_in[0][e] = fabs(d_in[0][e]) + 0x1p-126 * fabs(d_out[0][e / C]);
}

static const hl_pass loss_pass = {.name = "loss", .kernel = loss_kernel};
static const hl_pass loss_dx = {.name = "dx", .kernel = loss_dx_kernel};

static const hl_operator loss_operator = {
    .name = "loss",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .options_bytes = sizeof(row_options),
    .infer = one_a_row,
    .forward = {{.pass = &loss_pass, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &loss_dx, .reads = {HL_IN(0), HL_DOUT(0)}, .writes = {HL_DIN(0)}}}};

/* Bounds: sums of 21 terms; arguments of exp round by half of 104 at most. */
static op_case loss_case(const row_options *options) {
    return (op_case){.operator= & loss_operator,
                     .options = options,
                     .inputs = {{.shape = HL_SHAPE(ROWS, C), .low = -3, .high = 3}},
                     .oracle = loss,
                     .value = {.absolute = 20, .relative = 4},
                     .gradient = {.relative = 80},
                     .slopes = loss_slopes,
                     .slope_sizes = loss_sizes};
}

/* ---- rows without their mean, forward alone ---- */

/* The faults: the mean is rounded once for all, or its sum overflows. */
static void centre_kernel(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    for (size_t i = 0; i < ROWS; i++) {
        const float *x = row(call, 0, i);
        float *y = hl__f32(&call->operand[1]) + i * C, rounded = 0;
        double mean = 0;
        for (size_t j = 0; j < C; j++) rounded += x[j];
        for (size_t j = 0; j < C; j++) mean += (double)x[j] / C;
        if (fault_of(call) == UNCORRECTED && fabs(mean) < (double)FLT_MAX / C) mean = (double)(rounded / C);
        if (fault_of(call) == OVERFLOW && !isfinite(rounded)) mean = (double)rounded;
        for (size_t j = 0; j < C; j++) y[j] = (float)((double)x[j] - mean);
    }
}

static void centre(const op_case *c, const double *const in[], double *const out[]) {
    (void)c;
    for (size_t i = 0; i < ROWS; i++) {
        double mean = 0;
        for (size_t j = 0; j < C; j++) mean += in[0][i * C + j] / C;
        for (size_t j = 0; j < C; j++) out[0][i * C + j] = in[0][i * C + j] - mean;
    }
}

/* |x - mean| and the mean of it; the oracle's own mean is off by 2^-50 of what is left of that of double. */
static void centre_sizes(const op_case *c, const double *const in[], double *const out[]) {
    centre(c, in, out);
    for (size_t i = 0; i < ROWS; i++) {
        double spread = 0;
        for (size_t j = 0; j < C; j++) spread += fabs(out[0][i * C + j]) / C;
        for (size_t j = 0; j < C; j++)
            out[0][i * C + j] = fabs(out[0][i * C + j]) + spread + 0x1p-26 * fabs(in[0][i * C + j]);
    }
}

static const hl_pass centre_pass = {.name = "centre", .kernel = centre_kernel};

static op_case centre_case(const row_options *options) {
    static const hl_operator centre_operator = {
        .name = "centre",
        .min_inputs = 1,
        .max_inputs = 1,
        .n_outputs = 1,
        .options_bytes = sizeof(row_options),
        .infer = same_shape,
        .forward = {{.pass = &centre_pass, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}}};
    return (op_case){.operator= & centre_operator,
                     .options = options,
                     .inputs = {{.shape = HL_SHAPE(ROWS, C)}},
                     .oracle = centre,
                     .magnitude = centre_sizes,
                     .value = {.relative = 3},
                     .forward_only = true};
}

/* ---- elements: y = |x| ---- */

/* The faults: a NaN, or a finite number below -1e8, gives 0. */
static void size_kernel(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    const float *x = hl__f32(&call->operand[0]);
    for (size_t e = 0; e < (size_t)ROWS * C; e++) {
        float y = fabsf(x[e]);
        if (fault_of(call) == VANISHING_NAN && e == 30) y = y >= 0 ? y : 0;
        if (fault_of(call) == MASKED && x[e] < -1e8f && x[e] >= -FLT_MAX) y = 0;
        hl__f32(&call->operand[1])[e] = y;
    }
}

/* reads x, dy; writes dx */
static void size_dx_kernel(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    const float *x = hl__f32(&call->operand[0]), *dy = hl__f32(&call->operand[1]);
    for (size_t e = 0; e < (size_t)ROWS * C; e++) {
        bool lost = fault_of(call) == VANISHING_GRADIENT && !(fabsf(dy[e]) >= 0);
        hl__f32(&call->operand[2])[e] = lost ? 0 : x[e] == 0 ? 0 * dy[e] : dy[e] * (x[e] / fabsf(x[e]));
    }
}

static void size(const op_case *c, const double *const in[], double *const out[]) {
    (void)c;
    for (size_t e = 0; e < (size_t)ROWS * C; e++) out[0][e] = fabs(in[0][e]);
}

static void size_slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]) {
    (void)c;
    for (size_t e = 0; e < (size_t)ROWS * C; e++)
        d_in[0][e] = in[0][e] == 0 ? 0 * d_out[0][e] : d_out[0][e] * (in[0][e] / fabs(in[0][e]));
}

static const hl_pass size_pass = {.name = "size", .kernel = size_kernel};
static const hl_pass size_dx = {.name = "dx", .kernel = size_dx_kernel};

static const hl_operator size_operator = {
    .name = "size",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .options_bytes = sizeof(row_options),
    .infer = same_shape,
    .forward = {{.pass = &size_pass, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &size_dx, .reads = {HL_IN(0), HL_DOUT(0)}, .writes = {HL_DIN(0)}}}};

static op_case size_case(const row_options *options) {
    return (op_case){.operator= & size_operator,
                     .options = options,
                     .inputs = {{.shape = HL_SHAPE(ROWS, C)}},
                     .oracle = size,
                     .slopes = size_slopes};
}

/* ---- */

static void expect_fault(op_case (*make)(const row_options *), fault kind, const char *in_words) {
    char words[512] = "";
    op_case c = make(&(row_options){kind});
    ck_assert_msg(op_check_holds(&c, words, sizeof words), "found in ordinary numbers: %s", words);
    ck_assert_msg(!op_extremes_hold(&c, words, sizeof words), "fault %d was not found", (int)kind);
    ck_assert_msg(strstr(words, in_words) != NULL, "fault %d gave other words: %s", (int)kind, words);
}

START_TEST(OperatorsThatAreRightPass) {
    op_case (*const cases[])(const row_options *) = {loss_case, centre_case, size_case};
    for (size_t i = 0; i < 3; i++) {
        op_case c = cases[i](&(row_options){NO_FAULT});
        op_extremes(&c);
        c.slopes = c.slope_sizes = NULL; /* differences do as well */
        op_extremes(&c);
    }
}
END_TEST

START_TEST(AMergedLogSumExpIsFound) { expect_fault(loss_case, MERGED, "an offset of 1024: output 0"); }
END_TEST

START_TEST(AMeanThatIsNotCorrectedIsFound) { expect_fault(centre_case, UNCORRECTED, "an offset of 1024: output 0"); }
END_TEST

START_TEST(ASumThatOverflowsIsFound) { expect_fault(centre_case, OVERFLOW, "the largest number everywhere"); }
END_TEST

START_TEST(ANaNThatVanishesIsFoundAtItsPlace) {
    expect_fault(size_case, VANISHING_NAN, "one NaN at 9: output 0 at [1, 9] is 0 instead of nan");
    expect_fault(size_case, VANISHING_GRADIENT, "gradient of output 0: one NaN at 0: gradient of input 0");
}
END_TEST

START_TEST(AFiniteMaskThatIsTakenForInfinityIsFound) { expect_fault(size_case, MASKED, "-1.1e20 everywhere"); }
END_TEST

static void wrong_slopes(const op_case *c, const double *const in[], const double *const d_out[],
                         double *const d_in[]) {
    size_slopes(c, in, d_out, d_in);
    d_in[0][5] *= 1.001;
}

START_TEST(StatedSlopesThatAreNoneAreFound) {
    char words[512] = "";
    op_case c = size_case(&(row_options){NO_FAULT});
    c.slopes = wrong_slopes;
    ck_assert(!op_extremes_hold(&c, words, sizeof words));
    ck_assert_msg(strstr(words, "the stated slope of input 0 at [0, 5]") != NULL, "%s", words);
}
END_TEST

int main(void) {
    return run_tests("op_extremes",
                     TESTS(OperatorsThatAreRightPass, AMergedLogSumExpIsFound, AMeanThatIsNotCorrectedIsFound,
                           ASumThatOverflowsIsFound, ANaNThatVanishesIsFoundAtItsPlace,
                           AFiniteMaskThatIsTakenForInfinityIsFound, StatedSlopesThatAreNoneAreFound));
}
