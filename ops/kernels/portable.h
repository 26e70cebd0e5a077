/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What lies under the operators and is compiled for each instruction set: the block product in C and row functions, as
 * a table, so that the rest of the library and the tests can reach each set's own. */
#ifndef HL_OPS_PORTABLE_H
#define HL_OPS_PORTABLE_H

#include "ops/kernels/gemm.h"
#include "ops/ops.h"

typedef struct hl__kernels {
    hl__portable_gemm *gemm;
    void (*transpose)(const float *in, size_t ld_in, size_t rows, size_t columns, float *out, size_t ld_out);
    const struct hl__rows *rows;
} hl__kernels;

/* See vector.h. */
typedef struct hl__rows {
    size_t lanes;
    void (*exp)(float *y, const float *x, size_t n);
    void (*exp2_half)(float *y, const float *x, size_t n);
    void (*log)(float *y, const float *x, size_t n);
    void (*tanh)(float *y, const float *x, size_t n);
    void (*normal_tail)(float *y, const float *x, size_t n);
    float (*sum)(const float *x, size_t n);
    float (*max)(const float *x, size_t n);
    float (*exp_sum)(float *y, const float *x, size_t n, float shift);
} hl__rows;

/* NULL where this build or this processor does not have the instruction set. */
const hl__kernels *hl__kernels_for(hl__isa isa);

#endif
