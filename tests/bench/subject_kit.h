/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the tests of subjects share: a subject, made into programs and checked. */
#ifndef HL_TESTS_BENCH_SUBJECT_KIT_H
#define HL_TESTS_BENCH_SUBJECT_KIT_H

#include "bench/oracles/check.h"
#include "tests/bench/kit.h"

/* Errors of a subject's programs beside its oracle, to which `context` is given in place of the subject's own. */
static inline bench_errors errors_beside(bench_subject subject, const void *context, size_t workers) {
    bench_work work;
    bench_errors errors;
    ck_assert(bench_work_create(&subject, &(bench_runtime_options){.workers = workers}, &work));
    subject.context = context;
    ck_assert(bench_check(&work, &errors));
    bench_work_destroy(&work);
    return errors;
}

static inline void check_agreement(bench_subject subject, size_t workers) {
    bench_errors errors = errors_beside(subject, subject.context, workers);
    ck_assert_msg(errors.forward <= 1 && errors.gradient <= 1, "%zu rows: %g, gradients %g", subject.rows,
                  errors.forward, errors.gradient);
}

#endif
