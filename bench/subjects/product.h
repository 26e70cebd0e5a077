/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A block product as a kernel that a team of cores can do over and over. */
#ifndef HL_BENCH_PRODUCT_H
#define HL_BENCH_PRODUCT_H

#include "bench/instruments/team.h"
#include "ops/kernels/gemm.h"

/* The kernel of a prepared product, which is borrowed. */
bench_kernel bench_product(const hl__gemm *gemm);

/* The product of random numbers compared with sums in double: the worst error as a fraction of its bound, infinity for
 * what is no number. A negative number where there is no memory. */
double bench_product_error(const hl__gemm *gemm);

#endif
