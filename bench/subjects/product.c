/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A block product as a kernel of a team, and its check. */
#include "bench/subjects/product.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "bench/instruments/work.h"
#include "bench/oracles/check.h"

typedef struct operands {
    float *a, *b, *c;
} operands;

static void close_operands(void *own) {
    operands *o = own;
    free(o->a);
    free(o->b);
    free(o->c);
    free(o);
}

/* On lines of the cache, as the product's tiles are. */
static float *ones(size_t n) {
    float *values = aligned_alloc(64, (n * sizeof values[0] + 63) / 64 * 64);
    for (size_t i = 0; values && i < n; i++) values[i] = 1.0f / (float)(1 + i % 7);
    return values;
}

static void *open_operands(const void *context) {
    const hl__gemm_shape *s = &((const hl__gemm *)context)->shape;
    operands *o = calloc(1, sizeof *o);
    if (!o) return NULL;
    *o = (operands){ones(s->m * s->k), ones(s->k * s->n), ones(s->m * s->n)};
    if (o->a && o->b && o->c) return o;
    close_operands(o);
    return NULL;
}

static double run(const void *context, void *own, size_t rounds) {
    const operands *o = own;
    for (size_t round = 0; round < rounds; round++) hl__gemm_run(context, o->a, o->b, o->c);
    return (double)o->c[0];
}

bench_kernel bench_product(const hl__gemm *gemm) {
    const hl__gemm_shape *s = &gemm->shape;
    return (bench_kernel){.context = gemm,
                          .open = open_operands,
                          .close = close_operands,
                          .run = run,
                          .flops = 2.0 * (double)s->m * (double)s->n * (double)s->k};
}

/* Row i of C in double. */
static void oracle(const hl__gemm_shape *s, size_t i, const float *a, const float *b, double *c, double *magnitude) {
    for (size_t j = 0; j < s->n; j++) c[j] = magnitude[j] = 0;
    for (size_t p = 0; p < s->k; p++) {
        for (size_t j = 0; j < s->n; j++) {
            double term = (double)a[i * s->lda + p] * (double)b[p * s->ldb + j];
            c[j] += term;
            magnitude[j] += fabs(term);
        }
    }
}

/* k fused multiply-adds in any order are wrong by at most k u of the magnitudes (Higham 2002, section 3.1), to first
 * order; one more for the second and for the oracle's own. */
double bench_product_error(const hl__gemm *gemm) {
    const hl__gemm_shape *s = &gemm->shape;
    float *a = bench_random(s->m * s->k, 1, 1), *b = bench_random(s->k * s->n, 2, 1);
    float *c = calloc(s->m * s->n, sizeof c[0]);
    double *row = calloc(2 * s->n, sizeof row[0]), worst = -1;
    if (a && b && c && row) {
        hl__gemm_run(gemm, a, b, c);
        worst = 0;
        for (size_t i = 0; i < s->m; i++) {
            oracle(s, i, a, b, row, row + s->n);
            double unit = (double)(s->k + 1) * FLT_EPSILON / 2;
            worst = fmax(worst, bench_worst_error(c + i * s->n, row, row + s->n, s->n, unit));
        }
    }
    free(a);
    free(b);
    free(c);
    free(row);
    return worst;
}
