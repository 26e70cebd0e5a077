/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How a weight matrix is cut into tiles. Its gradient and its update use the same cut, which depends on its shape
 * alone, so that a tile of the gradient is consumed by its update as soon as it is there, while it is in cache.
 *
 * A matrix is [K][N] with both axes in segments (heads) of some width: [K, H, D] of a projection has H segments of D
 * columns. */
#ifndef HL_OPS_MATRIX_H
#define HL_OPS_MATRIX_H

#include "ops/kernels/linear.h"

typedef struct hl__matrix_cut {
    hl__column_cut rows, columns;
} hl__matrix_cut;

#define HL__MATRIX_LEAST_ROWS 16
#define HL__MATRIX_ROWS 32
#define HL__MATRIX_MOST_ROWS 64
#define HL__MATRIX_MOST_COLUMNS 1024
#define HL__MATRIX_TILES 12 /* so many are left, where the matrix is large enough for them */

/* Tiles of 32 rows, fewer where the matrix is small, with as many columns as leave enough of them: an update takes as
 * long as memory does, which gives runs of 4 KiB at more than twice the speed of runs of 1. And then higher ones: each
 * tile of the gradient reads its columns of all tokens from behind the second-level cache. */
static inline hl__matrix_cut hl__cut_matrix(size_t row_segments, size_t row_width, size_t segments, size_t width) {
    size_t rows = HL__MATRIX_ROWS;
    hl__matrix_cut cut = {hl__cut_columns(row_segments, row_width, rows),
                          hl__cut_columns(segments, width, HL__LINEAR_SIDE)};
    for (; rows > HL__MATRIX_LEAST_ROWS && cut.rows.n * cut.columns.n < HL__MATRIX_TILES; rows /= 2)
        cut.rows = hl__cut_columns(row_segments, row_width, rows / 2);
    for (size_t most = 2 * HL__LINEAR_SIDE; most <= HL__MATRIX_MOST_COLUMNS; most *= 2) {
        hl__column_cut wider = hl__cut_columns(segments, width, most);
        if (cut.rows.n * wider.n < HL__MATRIX_TILES) break;
        cut.columns = wider;
    }
    for (; rows < HL__MATRIX_MOST_ROWS; rows *= 2) {
        hl__column_cut higher = hl__cut_columns(row_segments, row_width, 2 * rows);
        if (higher.n * cut.columns.n < HL__MATRIX_TILES) break;
        cut.rows = higher;
    }
    /* A product takes so few columns that its share of them stays in cache while all its rows pass. */
    cut.columns.piece = hl__min(cut.columns.piece, HL__LINEAR_SIDE);
    return cut;
}

#endif
