/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Checks a block product against sums in double. */
#ifndef HL_TESTS_SUPPORT_GEMM_CHECK_H
#define HL_TESTS_SUPPORT_GEMM_CHECK_H

#include "ops/kernels/gemm.h"

typedef void gemm_function(const hl__gemm_shape *shape, const float *a, const float *b, float *c);

/* Fails the running test unless C is right within the bound of any order of summation, NaN in the gaps between rows
 * stays outside, and the gaps of C stay as they are. C holds NaN before a product that does not accumulate. */
void gemm_check(const hl__gemm_shape *shape, gemm_function *run);

/* Odd and unit extents, whole blocks and their neighbours, gaps between rows; all four kinds of product each. */
void gemm_check_all(gemm_function *run);

#endif
