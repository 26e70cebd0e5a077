/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Programs made from a subject: their values are those of the parts, the same for any number of workers. */
#include "bench/instruments/work.h"

#include <float.h>

#include "tests/bench/kit.h"

/* y = x w + b, one input and two parameters. */
static hl_tensor *affine(const bench_subject *subject, hl_graph *graph, hl_tensor *const part[]) {
    (void)subject;
    return hl_dense(graph, part[0], part[1], part[2]);
}

enum { ROWS = 5, K = 3, N = 4 };

static bench_subject affine_subject(void) {
    return (bench_subject){.name = "affine",
                           .part = {{.name = "x", .shape = HL_SHAPE(ROWS, K), .deviation = 1, .input = true},
                                    {.name = "w", .shape = HL_SHAPE(K, N), .deviation = 0.5},
                                    {.name = "b", .shape = HL_SHAPE(N), .deviation = 2}},
                           .n_parts = 3,
                           .build = affine,
                           .rows = ROWS,
                           .row_elements = N};
}

static void read_part(bench_work *work, size_t part, float *values) {
    size_t bytes = bench_part_elements(work->subject, part) * sizeof(float);
    ck_assert_int_eq(hl_program_read(work->both, work->part[part], values, bytes), HL_OK);
}

START_TEST(ForwardAndBothGiveTheValueOfTheParts) {
    bench_subject subject = affine_subject();
    bench_work work;
    ck_assert(bench_work_create(&subject, &(bench_runtime_options){.workers = 2}, &work));
    ck_assert(bench_part_elements(&subject, 0) == ROWS * K && bench_part_elements(&subject, 2) == N);
    float x[ROWS * K], w[K * N], b[N], r[ROWS * N], y[ROWS * N], again[ROWS * N], dw[K * N];
    read_part(&work, 0, x);
    read_part(&work, 1, w);
    read_part(&work, 2, b);
    ck_assert_int_eq(hl_program_read(work.both, work.r, r, sizeof r), HL_OK);
    ck_assert_double_ge(bench_run_program(work.forward), 0);
    ck_assert_double_ge(bench_run_program(work.both), 0);
    ck_assert_int_eq(hl_program_read(work.forward, work.y, y, sizeof y), HL_OK);
    ck_assert_int_eq(hl_program_read(work.both, work.y, again, sizeof again), HL_OK);
    ck_assert_mem_eq(y, again, sizeof y);
    ck_assert_int_eq(hl_program_read(work.both, work.gradient[1], dw, sizeof dw), HL_OK);
    /* As many roundings as a sum has products and terms, of at most the sum of their sizes each. */
    const double u = (double)FLT_EPSILON / 2;
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < N; j++) {
            double sum = b[j], size = fabs(sum);
            for (size_t p = 0; p < K; p++) {
                double product = (double)x[i * K + p] * (double)w[p * N + j];
                sum += product;
                size += fabs(product);
            }
            ck_assert_double_eq_tol(y[i * N + j], sum, (K + 1) * u * size);
        }
    for (size_t p = 0; p < K; p++)
        for (size_t j = 0; j < N; j++) {
            double sum = 0, size = 0;
            for (size_t i = 0; i < ROWS; i++) {
                double product = (double)x[i * K + p] * (double)r[i * N + j];
                sum += product;
                size += fabs(product);
            }
            ck_assert_double_eq_tol(dw[p * N + j], sum, ROWS * u * size);
        }
    bench_work_destroy(&work);
}
END_TEST

START_TEST(ValuesDependOnTheSubjectAlone) {
    bench_subject subject = affine_subject();
    float w[2][K * N], r[2][ROWS * N];
    for (size_t i = 0; i < 2; i++) {
        bench_work work;
        ck_assert(bench_work_create(&subject, &(bench_runtime_options){.workers = 1 + 2 * i}, &work));
        read_part(&work, 1, w[i]);
        ck_assert_int_eq(hl_program_read(work.both, work.r, r[i], sizeof r[i]), HL_OK);
        bench_work_destroy(&work);
    }
    ck_assert_mem_eq(w[0], w[1], sizeof w[0]);
    ck_assert_mem_eq(r[0], r[1], sizeof r[0]);
}
END_TEST

START_TEST(RIsWhatWasWrittenLast) {
    bench_subject subject = affine_subject();
    bench_work work;
    ck_assert(bench_work_create(&subject, &(bench_runtime_options){.workers = 1}, &work));
    float r[ROWS * N], db[N];
    for (size_t i = 0; i < ROWS * N; i++) r[i] = (float)i;
    ck_assert(bench_work_write_r(&work, r));
    ck_assert_double_ge(bench_run_program(work.both), 0);
    ck_assert_int_eq(hl_program_read(work.both, work.gradient[2], db, sizeof db), HL_OK);
    for (size_t j = 0; j < N; j++) ck_assert_double_eq(db[j], 5.0 * (double)j + 4 * (1 + 2 + 3 + 4));
    bench_work_destroy(&work);
}
END_TEST

START_TEST(ATraceHoldsItsRunAlone) {
    bench_subject subject = affine_subject();
    bench_work work;
    char path[80];
    snprintf(path, sizeof path, P_tmpdir "/hl-bench-test-%ld.trace", (long)getpid());
    ck_assert(bench_work_create(&subject, &(bench_runtime_options){.workers = 2, .trace_events = 1000}, &work));
    hl_program_sizes sizes;
    ck_assert_int_eq(hl_program_measure(work.forward, &sizes), HL_OK);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_double_ge(bench_run_program(work.both), 0); /* is not in it */
        ck_assert_double_ge(bench_trace_program(work.runtime, work.forward, path), 0);
        json_t *trace = json_load_file(path, 0, NULL), *event;
        ck_assert_ptr_nonnull(trace);
        size_t j, tiles = 0;
        json_array_foreach(key_of(trace, "traceEvents"), j, event) tiles +=
            strcmp(json_string_value(key_of(event, "ph")), "X") == 0;
        ck_assert_uint_eq(tiles, sizes.tasks - sizes.joins);
        json_decref(trace);
    }
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_double_lt(bench_trace_program(work.runtime, work.forward, "/no/such/folder/trace"), 0);
    bench_work_destroy(&work);
    ck_assert(bench_work_create(&subject, &(bench_runtime_options){.workers = 1}, &work));
    ck_assert_double_lt(bench_trace_program(work.runtime, work.forward, path), 0); /* it keeps none */
    ck_assert_int_ne(access(path, F_OK), 0);
    bench_work_destroy(&work);
}
END_TEST

static hl_tensor *refused(const bench_subject *subject, hl_graph *graph, hl_tensor *const part[]) {
    (void)subject;
    return hl_dense(graph, part[1], part[0], NULL);
}

START_TEST(AGraphThatIsRefusedIsAFailureAndCanBeDestroyed) {
    bench_subject subject = affine_subject();
    subject.build = refused;
    bench_work work;
    ck_assert(!bench_work_create(&subject, &(bench_runtime_options){.workers = 1}, &work));
    bench_work_destroy(&work);
    ck_assert(!bench_work_create(&subject, &(bench_runtime_options){.workers = 5000}, &work));
    bench_work_destroy(&work);
    bench_work_destroy(&work);
}
END_TEST

/* The mean of n uniform numbers has the deviation 1 / sqrt(n) of theirs, that of their squares sqrt(0.8 / n): six of
 * these are never passed by chance. */
START_TEST(RandomNumbersHaveTheDeviationAskedFor) {
    enum { COUNT = 10000 };
    float *a = bench_random(COUNT, 3, 0.25), *b = bench_random(COUNT, 3, 0.25), *c = bench_random(COUNT, 4, 0.25);
    ck_assert(a && b && c);
    double sum = 0, squares = 0, product = 0;
    for (size_t i = 0; i < COUNT; i++) {
        double x = (double)a[i] / 0.25;
        ck_assert_double_le(fabs(x), sqrt(3) + 1e-6);
        sum += x;
        squares += x * x;
        product += x * (double)c[i] / 0.25;
    }
    ck_assert_double_le(fabs(sum / COUNT), 6 / sqrt(COUNT));
    ck_assert_double_le(fabs(squares / COUNT - 1), 6 * sqrt(0.8 / COUNT));
    ck_assert_double_le(fabs(product / COUNT), 6 / sqrt(COUNT));
    ck_assert_mem_eq(a, b, COUNT * sizeof *a);
    free(a);
    free(b);
    free(c);
}
END_TEST

int main(void) {
    return run_tests("work",
                     TESTS(ForwardAndBothGiveTheValueOfTheParts, ValuesDependOnTheSubjectAlone, RIsWhatWasWrittenLast,
                           ATraceHoldsItsRunAlone, AGraphThatIsRefusedIsAFailureAndCanBeDestroyed,
                           RandomNumbersHaveTheDeviationAskedFor));
}
