/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From a subject to its report: what is measured, beside which peak, and that wrong results are not. */
#include "bench/instruments/speed.h"

#include "bench/subjects/block_subject.h"
#include "tests/bench/kit.h"

static const block_shape shape = {.batch = 2, .tokens = 5, .width = 8, .heads = 2};

typedef struct request {
    bench_options options;
    bench_subject subject;
    bench_line line;
} request;

static request *new_request(size_t threads, bool no_scaling) {
    request *made = calloc(1, sizeof *made);
    ck_assert_ptr_nonnull(made);
    made->options =
        (bench_options){.threads = threads, .repetitions = 2, .no_scaling = no_scaling, .json = json_path()};
    made->subject = block_subject(&shape);
    made->line = (bench_line){.common = &made->options};
    return made;
}

static void check_flops(const json_t *report, const char *what, double flops) {
    const json_t *entry = result_of(report, what);
    double ms = number_of(entry, "ms_median"), gflops = number_of(entry, "gflops");
    if (ms > 0) ck_assert_double_eq_tol(gflops * ms * 1e6, flops, 2 * WRITTEN * flops);
}

START_TEST(OneWorkerIsComparedWithSeveral) {
    request *r = new_request(2, false);
    ck_assert_int_eq(bench_speed(&r->subject, &r->line), EXIT_SUCCESS);
    json_t *report = load_report(r->options.json, "block");
    unlink(r->options.json);
    ck_assert_uint_eq(json_array_size(key_of(report, "results")), 6);
    double forward = r->subject.forward_flops, backward = r->subject.backward_flops;
    check_flops(report, "forward", forward);
    check_flops(report, "backward", backward);
    check_flops(report, "forward_backward", forward + backward);
    check_flops(report, "forward_1_worker", forward);
    check_flops(report, "backward_1_worker", backward);
    check_flops(report, "forward_backward_1_worker", forward + backward);
    const json_t *whole = result_of(report, "forward_backward"), *part = result_of(report, "forward");
    double rest = number_of(result_of(report, "backward"), "ms_median");
    double difference = fmax(number_of(whole, "ms_median") - number_of(part, "ms_median"), 0);
    double larger = fmax(number_of(whole, "ms_median"), number_of(part, "ms_median"));
    ck_assert_double_eq_tol(rest, difference, 3 * WRITTEN * larger);
    double one = number_of(result_of(report, "forward_backward_1_worker"), "ms_median");
    if (number_of(whole, "ms_median") > 0)
        ck_assert_double_eq_tol(number_of(whole, "speedup") * number_of(whole, "ms_median"), one, 3 * WRITTEN * one);
    double peak = number_of(report, "peak_gflops");
    double gflops = number_of(whole, "gflops");
    ck_assert_double_eq_tol(number_of(whole, "fraction_of_peak") * peak, gflops, 3 * WRITTEN * gflops);
    ck_assert_double_gt(number_of(part, "arena_bytes"), 0);
    ck_assert_double_gt(number_of(whole, "arena_bytes"), number_of(part, "arena_bytes"));
    ck_assert_double_ge(number_of(whole, "unplanned_bytes"), number_of(whole, "arena_bytes"));
    json_decref(report);
    free(r);
}
END_TEST

START_TEST(NothingIsComparedWhereThereIsOneWorkerOrNoWish) {
    for (size_t i = 0; i < 2; i++) {
        request *r = new_request(1 + i, i == 1);
        ck_assert_int_eq(bench_speed(&r->subject, &r->line), EXIT_SUCCESS);
        json_t *report = load_report(r->options.json, "block");
        unlink(r->options.json);
        ck_assert_uint_eq(json_array_size(key_of(report, "results")), 3);
        ck_assert(number_of(key_of(report, "options"), "threads") == (double)(1 + i));
        json_decref(report);
        free(r);
    }
}
END_TEST

static bool another(const bench_subject *subject, double *const part[], size_t row, double *y, double *magnitude) {
    (void)subject, (void)part, (void)row;
    for (size_t j = 0; j < shape.width; j++) y[j] = magnitude[j] = 1;
    return true;
}

START_TEST(WrongResultsAreNotTimed) {
    request *r = new_request(2, false);
    r->subject.oracle = another;
    ck_assert_int_eq(bench_speed(&r->subject, &r->line), EXIT_FAILURE);
    ck_assert_int_ne(access(r->options.json, F_OK), 0);
    free(r);
}
END_TEST

int main(void) {
    return run_tests("speed", TESTS(OneWorkerIsComparedWithSeveral, NothingIsComparedWhereThereIsOneWorkerOrNoWish,
                                    WrongResultsAreNotTimed));
}
