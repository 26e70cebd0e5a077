/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A piece of work that is measured forward, and forward with its gradients: what a command says of it (its subject),
 * and the programs made from that. */
#ifndef HL_BENCH_WORK_H
#define HL_BENCH_WORK_H

#include <stdbool.h>
#include <stddef.h>

#include "bench/instruments/measure.h"
#include "bench/instruments/runtime.h"
#include "headloom/headloom.h"

#define BENCH_MAX_PARTS 9

/* A tensor that the gradient is taken of. */
typedef struct bench_part {
    const char *name;
    hl_shape shape;
    double deviation; /* of its values, which are uniform around 0 */
    bool input;       /* else a parameter */
} bench_part;

/* y = build(parts), shaped as a number of rows; gradients are those of the sum of y * r, with r shaped as y. */
typedef struct bench_subject bench_subject;
struct bench_subject {
    const char *name;    /* the command's */
    const void *context; /* the command's, for build and oracle; borrowed */
    bench_part part[BENCH_MAX_PARTS];
    size_t n_parts;
    hl_tensor *(*build)(const bench_subject *subject, hl_graph *graph, hl_tensor *const part[]);
    double forward_flops, backward_flops;

    size_t rows, row_elements; /* of y */
    /* y [row_elements] of one row, in double, and the sums of the magnitudes of what was added up last, to measure
     * errors by. False where there is no memory. */
    bool (*oracle)(const bench_subject *subject, double *const part[], size_t row, double *y, double *magnitude);
    size_t forward_rows, gradient_rows; /* compared at most */
    double unit;                        /* relative error that rounding may make */
};

typedef struct bench_work {
    const bench_subject *subject;
    hl_runtime *runtime;
    hl_graph *graph;
    hl_state *state;
    hl_tensor *r, *y;
    hl_tensor *part[BENCH_MAX_PARTS], *gradient[BENCH_MAX_PARTS];
    hl_program *forward, *both; /* y; y and the gradients */
} bench_work;

size_t bench_part_elements(const bench_subject *subject, size_t part);

/* Makes the programs on a runtime of their own and fills r and the parts with values that depend on the subject alone.
 * False, with words on stderr, where something fails; *work can be destroyed either way. The subject is borrowed. */
bool bench_work_create(const bench_subject *subject, const bench_runtime_options *options, bench_work *work);
void bench_work_destroy(bench_work *work);

/* r for the next runs. False, with words on stderr. */
bool bench_work_write_r(bench_work *work, const float *r);

/* Milliseconds of one run of a program, which is the context; negative, with words on stderr, where it failed. */
double bench_run_program(void *program);

/* Room for a worker's events: a step of the largest model that is measured has some hundred thousand tiles. */
#define BENCH_TRACE_EVENTS ((size_t)1 << 20)

/* The same, and writes the trace of this run alone; the program's runtime was made to keep one. */
double bench_trace_program(hl_runtime *runtime, hl_program *program, const char *path);

/* The measurement of one run. */
bench_measurement bench_program_measurement(const char *what, hl_program *program, double flops);

/* Says on stderr what failed, and how; words may be NULL or empty. Returns false. */
bool bench_complain(const char *doing, hl_status status, const char *words);

/* n new numbers, uniform around 0 with this deviation, the same on every machine; the caller frees. NULL where there is
 * no memory. */
float *bench_random(size_t n, uint64_t seed, double deviation);

#endif
