/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The block once more, in double, row by row, and what block_work.c shares with it. */
#ifndef HL_BENCH_BLOCK_ORACLE_H
#define HL_BENCH_BLOCK_ORACLE_H

#include "bench/block_work.h"

/* Elements of x (BLOCK_X) or of a parameter. */
size_t block_part_elements(const block_shape *shape, int part);

/* r for the next runs, shaped as x. False, with words on stderr. */
bool block_write_r(block_work *work, const float *r);

/* y [width] of one token; magnitude [width]: the sum of the magnitudes of what was added up last, to measure errors
 * by. part: x and the parameters. False where there is no memory. */
bool block_oracle_row(const block_shape *shape, double *const part[BLOCK_N_WRT], size_t b, size_t t, double *y,
                      double *magnitude);

#endif
