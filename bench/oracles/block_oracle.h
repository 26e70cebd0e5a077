/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The block once more, in double, row by row. */
#ifndef HL_BENCH_BLOCK_ORACLE_H
#define HL_BENCH_BLOCK_ORACLE_H

#include "bench/instruments/work.h"

/* y [width] of one token, counted over the batch; see bench_subject. */
bool block_oracle_row(const bench_subject *subject, double *const part[], size_t row, double *y, double *magnitude);

#endif
