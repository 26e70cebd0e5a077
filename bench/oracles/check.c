/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The comparison of a piece of work with its subject's oracle. */
#include "bench/oracles/check.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double bench_dot(const double *a, const double *b, size_t n) {
    double sums[4] = {0};
    for (size_t i = 0; i < n; i++) sums[i % 4] += a[i] * b[i];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

void bench_softmax(double *score, size_t n) {
    double largest = -INFINITY, sum = 0;
    for (size_t j = 0; j < n; j++) largest = fmax(largest, score[j]);
    for (size_t j = 0; j < n; j++) sum += score[j] = exp(score[j] - largest);
    for (size_t j = 0; j < n; j++) score[j] /= sum;
}

double bench_worst_error(const float *value, const double *oracle, const double *magnitude, size_t n, double unit) {
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        double error = fabs((double)value[i] - oracle[i]);
        if (error > 0) error /= unit * magnitude[i]; /* where nothing was added up, both are zero */
        if (!(error <= worst)) worst = error >= 0 ? error : INFINITY;
    }
    return worst;
}

typedef struct checker {
    bench_work *work;
    const bench_subject *subject;
    double *part[BENCH_MAX_PARTS];
    float *r;       /* as it was */
    float *product; /* a tensor of the program's, the largest of them at most */
    double *y, *magnitude;
} checker;

static bool check_open(bench_work *work, checker *check) {
    const bench_subject *subject = work->subject;
    size_t n_y = subject->rows * subject->row_elements, largest = n_y;
    for (size_t i = 0; i < subject->n_parts; i++) {
        size_t n = bench_part_elements(subject, i);
        largest = n > largest ? n : largest;
    }
    *check = (checker){.work = work,
                       .subject = subject,
                       .r = calloc(n_y, sizeof(float)),
                       .product = calloc(largest, sizeof(float)),
                       .y = calloc(subject->row_elements, sizeof(double)),
                       .magnitude = calloc(subject->row_elements, sizeof(double))};
    if (!check->r || !check->product || !check->y || !check->magnitude) return false;
    for (size_t i = 0; i < subject->n_parts; i++) {
        size_t n = bench_part_elements(subject, i);
        check->part[i] = calloc(n, sizeof(double));
        if (!check->part[i] || hl_program_read(work->both, work->part[i], check->product, n * sizeof(float)) != HL_OK)
            return false;
        for (size_t j = 0; j < n; j++) check->part[i][j] = check->product[j];
    }
    return hl_program_read(work->both, work->r, check->r, n_y * sizeof(float)) == HL_OK;
}

static void check_close(checker *check) {
    for (size_t i = 0; i < BENCH_MAX_PARTS; i++) free(check->part[i]);
    free(check->r);
    free(check->product);
    free(check->y);
    free(check->magnitude);
}

/* Row number i of n, spread so that the first and the last are among them. */
static size_t row_of(const bench_subject *subject, size_t i, size_t n) {
    return n == 1 ? subject->rows - 1 : i * (subject->rows - 1) / (n - 1);
}

static size_t row_count(const bench_subject *subject, size_t most) {
    return subject->rows < most ? subject->rows : most;
}

static bool check_forward(checker *check, bench_errors *errors) {
    const bench_subject *subject = check->subject;
    size_t W = subject->row_elements, n = row_count(subject, subject->forward_rows);
    if (bench_run_program(check->work->forward) < 0) return false;
    if (hl_program_read(check->work->forward, check->work->y, check->product, subject->rows * W * sizeof(float)) !=
        HL_OK)
        return false;
    errors->rows = n;
    for (size_t i = 0; i < n; i++) {
        size_t row = row_of(subject, i, n);
        if (!subject->oracle(subject, check->part, row, check->y, check->magnitude)) return false;
        double error = bench_worst_error(check->product + row * W, check->y, check->magnitude, W, subject->unit);
        errors->forward = fmax(errors->forward, error);
    }
    return true;
}

/* The loss over the rows that r is kept in. */
static bool oracle_loss(checker *check, double *loss) {
    const bench_subject *subject = check->subject;
    size_t W = subject->row_elements, n = row_count(subject, subject->gradient_rows);
    *loss = 0;
    for (size_t i = 0; i < n; i++) {
        size_t row = row_of(subject, i, n);
        if (!subject->oracle(subject, check->part, row, check->y, check->magnitude)) return false;
        for (size_t j = 0; j < W; j++) *loss += check->y[j] * (double)check->r[row * W + j];
    }
    return true;
}

static double sign_of(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 63 ? 1 : -1;
}

/* Adds step times the direction (a random sign for each element) to the parts. */
static void move(checker *check, double step) {
    uint64_t state = 1;
    for (size_t i = 0; i < check->subject->n_parts; i++) {
        size_t n = bench_part_elements(check->subject, i);
        for (size_t j = 0; j < n; j++) check->part[i][j] += step * sign_of(&state);
    }
}

/* The gradients' share along the direction, and their norm. */
static bool product_slope(checker *check, double *slope, double *norm) {
    uint64_t state = 1;
    double square = 0;
    *slope = 0;
    for (size_t i = 0; i < check->subject->n_parts; i++) {
        size_t n = bench_part_elements(check->subject, i);
        if (hl_program_read(check->work->both, check->work->gradient[i], check->product, n * sizeof(float)) != HL_OK)
            return false;
        for (size_t j = 0; j < n; j++) {
            double g = check->product[j];
            *slope += g * sign_of(&state);
            square += g * g;
        }
    }
    *norm = sqrt(square);
    return true;
}

/* A loss with few rows has gradients for everything, and an oracle that can be afforded. A direction of random signs
 * weighs all elements alike, so that the slope is about as large as the norm, and errors of rounding, some more sums of
 * the same lengths, stay 4 units below it. The central difference itself is exact to about 1e-9. */
static bool check_gradient(checker *check, bench_errors *errors) {
    const double step = 0x1p-20;
    const bench_subject *subject = check->subject;
    size_t W = subject->row_elements, n = row_count(subject, subject->gradient_rows);
    memset(check->product, 0, subject->rows * W * sizeof(float));
    for (size_t i = 0; i < n; i++) {
        size_t at = row_of(subject, i, n) * W;
        memcpy(check->product + at, check->r + at, W * sizeof(float));
    }
    double slope, norm, above, below;
    bool good = bench_work_write_r(check->work, check->product) && bench_run_program(check->work->both) >= 0 &&
                product_slope(check, &slope, &norm) && bench_work_write_r(check->work, check->r);
    if (!good) return false;
    move(check, step);
    if (!oracle_loss(check, &above)) return false;
    move(check, -2 * step);
    if (!oracle_loss(check, &below)) return false;
    double error = fabs((above - below) / (2 * step) - slope);
    if (error > 0) error /= 4 * subject->unit * norm;
    errors->gradient = error >= 0 ? error : INFINITY;
    return true;
}

bool bench_check(bench_work *work, bench_errors *errors) {
    checker check;
    *errors = (bench_errors){0};
    bool good = check_open(work, &check) && check_forward(&check, errors) && check_gradient(&check, errors);
    check_close(&check);
    if (!good) fprintf(stderr, "hl-bench: the check could not be run\n");
    return good;
}

bool bench_check_print(const bench_errors *errors) {
    printf("checked against double: %zu rows, worst error %.3f of its bound; gradients, %.3f of their bound\n\n",
           errors->rows, errors->forward, errors->gradient);
    if (errors->forward <= 1 && errors->gradient <= 1) return true;
    fprintf(stderr, "hl-bench: wrong results: nothing is timed\n");
    return false;
}
