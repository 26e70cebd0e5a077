/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Gradients of rows that were looked up by an index, for embedding and gather:
 *
 *   dtable[v, :] += sum of dy[i, :] over the i with index[i] = v
 *
 * A word may stand in a text a million times, and rows added to its gradient one by one would lose five digits. The
 * index is taken in chunks, at most 256 of them. Within a chunk, the occurrences of a row are found first, as a list,
 * and added up in double precision; only their sum is added to the row. */
#ifndef HL_OPS_SCATTER_H
#define HL_OPS_SCATTER_H

#include <string.h>

#include "ops/op.h"

#define HL__SCATTER_CHUNKS 256
#define HL__SCATTER_LEAST 4096 /* indices of a chunk */
#define HL__SCATTER_COLUMNS 64 /* that are added up at a time */
#define HL__SCATTER_NONE UINT32_MAX

/* An index of n numbers, and the rows begin .. end - 1 of the table that a tile owns. */
typedef struct hl__scatter {
    const int32_t *index;
    size_t n, begin, end;
    size_t columns;
} hl__scatter;

static inline size_t hl__scatter_chunk(size_t n) {
    return hl__min(n, hl__max(HL__SCATTER_LEAST, hl__ceil_div(n, HL__SCATTER_CHUNKS)));
}

/* For each row of the tile its first place in the chunk, for each place the next one of the same row. */
static inline size_t hl__scatter_scratch(size_t n, size_t rows) {
    return (rows + hl__scatter_chunk(n)) * sizeof(uint32_t);
}

/* Adds to one row what a list of places has for it. */
static inline void hl__scatter_row(const uint32_t *next, uint32_t first, const float *dy, size_t columns, float *row) {
    for (size_t j = 0; j < columns; j += HL__SCATTER_COLUMNS) {
        double sum[HL__SCATTER_COLUMNS] = {0};
        size_t some = hl__min(HL__SCATTER_COLUMNS, columns - j);
        for (uint32_t i = first; i != HL__SCATTER_NONE; i = next[i])
            for (size_t k = 0; k < some; k++) sum[k] += (double)dy[i * columns + j + k];
        for (size_t k = 0; k < some; k++) row[j + k] += (float)sum[k];
    }
}

/* rows: the first row that the tile owns. */
static inline void hl__scatter_add(const hl__scatter *s, void *scratch, const float *dy, float *rows) {
    size_t n_rows = s->end - s->begin, chunk = hl__scatter_chunk(s->n);
    uint32_t *first = scratch, *next = first + n_rows;
    for (size_t v = 0; v < n_rows; v++) first[v] = HL__SCATTER_NONE;
    for (size_t at = 0; at < s->n; at += chunk) {
        for (size_t i = hl__min(chunk, s->n - at); i-- > 0;) { /* backwards: lists begin with the first place */
            size_t v = (size_t)s->index[at + i];
            if (v < s->begin || v >= s->end) continue;
            next[i] = first[v - s->begin];
            first[v - s->begin] = (uint32_t)i;
        }
        for (size_t v = 0; v < n_rows; v++) {
            if (first[v] == HL__SCATTER_NONE) continue;
            hl__scatter_row(next, first[v], dy + at * s->columns, s->columns, rows + v * s->columns);
            first[v] = HL__SCATTER_NONE;
        }
    }
}

#endif
