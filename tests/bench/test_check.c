/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The check before each measurement: right results pass, a single wrong number in a value or a gradient does not. */
#include "bench/oracles/check.h"

#include <float.h>

#include "tests/bench/kit.h"

/* ---- what a program gives, and a lie ---- */

typedef struct lie {
    const hl_tensor *tensor; /* NULL: none is told */
    size_t at;
    float add;
} lie;

static lie told;

hl_status __real_hl_program_read(hl_program *program, hl_tensor *tensor, void *data, size_t bytes);
hl_status __wrap_hl_program_read(hl_program *program, hl_tensor *tensor, void *data, size_t bytes);

hl_status __wrap_hl_program_read(hl_program *program, hl_tensor *tensor, void *data, size_t bytes) {
    hl_status status = __real_hl_program_read(program, tensor, data, bytes);
    if (status == HL_OK && tensor == told.tensor) ((float *)data)[told.at] += told.add;
    return status;
}

/* y = tanh(x) * s, of some rows: smooth, and with a row-wise oracle. */
enum { ROWS = 21, N = 6 };

static hl_tensor *build(const bench_subject *subject, hl_graph *graph, hl_tensor *const part[]) {
    (void)subject;
    return hl_multiply(graph, hl_tanh(graph, part[0]), part[1]);
}

static bool oracle(const bench_subject *subject, double *const part[], size_t row, double *y, double *magnitude) {
    (void)subject;
    for (size_t j = 0; j < N; j++) {
        y[j] = tanh(part[0][row * N + j]) * part[1][j];
        magnitude[j] = fabs(y[j]);
    }
    return true;
}

static bool no_memory(const bench_subject *subject, double *const part[], size_t row, double *y, double *magnitude) {
    (void)subject, (void)part, (void)row, (void)y, (void)magnitude;
    return false;
}

/* tanh is good to 2 units of its last place, 4 u, the product to u; the gradient 1 - tanh^2 loses digits where tanh is
 * close to 1, which x below sqrt(3) keeps to 1 / (1 - tanh^2(sqrt(3))) = 9 times 8 u. */
static bench_subject subject_of(void) {
    return (bench_subject){.name = "check",
                           .part = {{.name = "x", .shape = HL_SHAPE(ROWS, N), .deviation = 1, .input = true},
                                    {.name = "s", .shape = HL_SHAPE(N), .deviation = 1}},
                           .n_parts = 2,
                           .build = build,
                           .rows = ROWS,
                           .row_elements = N,
                           .oracle = oracle,
                           .forward_rows = 8,
                           .gradient_rows = 3,
                           .unit = 18 * FLT_EPSILON / 2};
}

static bench_work open_work(const bench_subject *subject) {
    bench_work work;
    ck_assert(bench_work_create(subject, &(bench_runtime_options){.workers = 2}, &work));
    return work;
}

START_TEST(RightResultsPassAndLeaveRAsItWas) {
    bench_subject subject = subject_of();
    bench_work work = open_work(&subject);
    float before[ROWS * N], after[ROWS * N];
    ck_assert_int_eq(hl_program_read(work.both, work.r, before, sizeof before), HL_OK);
    bench_errors errors;
    ck_assert(bench_check(&work, &errors));
    ck_assert_uint_eq(errors.rows, 8);
    ck_assert_msg(errors.forward <= 1 && errors.gradient <= 1, "%g %g", errors.forward, errors.gradient);
    ck_assert(bench_check_print(&errors));
    ck_assert_int_eq(hl_program_read(work.both, work.r, after, sizeof after), HL_OK);
    ck_assert_mem_eq(before, after, sizeof before);
    bench_work_destroy(&work);
}
END_TEST

START_TEST(FewerRowsThanAskedForAreAllCompared) {
    bench_subject subject = subject_of();
    subject.forward_rows = 100;
    subject.gradient_rows = 1;
    bench_work work = open_work(&subject);
    bench_errors errors;
    ck_assert(bench_check(&work, &errors));
    ck_assert(errors.rows == ROWS && errors.forward <= 1 && errors.gradient <= 1);
    bench_work_destroy(&work);
}
END_TEST

/* Checks with one number of one tensor changed. */
static bench_errors check_with(bench_work *work, const hl_tensor *tensor, size_t at, float add) {
    bench_errors errors;
    told = (lie){tensor, at, add};
    ck_assert(bench_check(work, &errors));
    told = (lie){0};
    return errors;
}

START_TEST(OneWrongValueOfAComparedRowIsFound) {
    bench_subject subject = subject_of();
    bench_work work = open_work(&subject);
    bench_errors errors = check_with(&work, work.y, 0, 1e-4f);
    ck_assert(errors.forward > 1 && errors.gradient <= 1);
    ck_assert(!bench_check_print(&errors));
    ck_assert_double_gt(check_with(&work, work.y, ROWS * N - 1, 1e-4f).forward, 1);
    ck_assert(isinf(check_with(&work, work.y, 0, NAN).forward));
    bench_work_destroy(&work);
}
END_TEST

START_TEST(OneWrongGradientOfAnyPartIsFound) {
    bench_subject subject = subject_of();
    bench_work work = open_work(&subject);
    for (size_t part = 0; part < 2; part++) {
        bench_errors errors = check_with(&work, work.gradient[part], 2, 1e-3f);
        ck_assert(errors.gradient > 1 && errors.forward <= 1);
        ck_assert(!bench_check_print(&errors));
        ck_assert(isinf(check_with(&work, work.gradient[part], 0, NAN).gradient));
    }
    bench_work_destroy(&work);
}
END_TEST

START_TEST(AnOracleWithoutMemoryIsAFailure) {
    bench_subject subject = subject_of();
    subject.oracle = no_memory;
    bench_work work = open_work(&subject);
    bench_errors errors;
    ck_assert(!bench_check(&work, &errors));
    bench_work_destroy(&work);
}
END_TEST

START_TEST(DotAndSoftmaxAreThoseOfTheBooks) {
    double a[] = {1, 2, 3, 4, 5}, b[] = {2, 3, 5, 7, 11};
    ck_assert_double_eq(bench_dot(a, b, 5), 2 + 6 + 15 + 28 + 55);
    ck_assert_double_eq(bench_dot(a, b, 0), 0);
    double s[] = {1000, 1000 + log(3), -INFINITY};
    bench_softmax(s, 3);
    ck_assert_double_eq_tol(s[0], 0.25, 1e-12); /* log(3) beside 1000 is good to 1e-13 */
    ck_assert_double_eq_tol(s[1], 0.75, 1e-12);
    ck_assert_double_eq(s[2], 0);
}
END_TEST

START_TEST(TheWorstErrorIsAFractionOfItsBound) {
    float value[] = {1, 2.5f, 0};
    double exact[] = {1, 2, 0}, magnitude[] = {1, 10, 0};
    ck_assert_double_eq_tol(bench_worst_error(value, exact, magnitude, 3, 0.1), 0.5, 1e-12);
    value[2] = 1e-30f; /* nothing was added up there, and something came out */
    ck_assert(isinf(bench_worst_error(value, exact, magnitude, 3, 0.1)));
    value[2] = 0;
    value[0] = NAN;
    ck_assert(isinf(bench_worst_error(value, exact, magnitude, 3, 0.1)));
}
END_TEST

int main(void) {
    return run_tests("check", TESTS(RightResultsPassAndLeaveRAsItWas, FewerRowsThanAskedForAreAllCompared,
                                    OneWrongValueOfAComparedRowIsFound, OneWrongGradientOfAnyPartIsFound,
                                    AnOracleWithoutMemoryIsAFailure, DotAndSoftmaxAreThoseOfTheBooks,
                                    TheWorstErrorIsAFractionOfItsBound));
}
