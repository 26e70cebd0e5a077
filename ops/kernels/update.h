/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the optimisers share: checks, and tiles over a parameter that is updated in place. */
#ifndef HL_OPS_UPDATE_H
#define HL_OPS_UPDATE_H

#include "ops/kernels/elementwise.h"
#include "ops/kernels/matrix.h"

typedef struct hl__update_option {
    const char *name;
    float value;
    float limit; /* values from 0 on, below it */
} hl__update_option;

/* False, with the refusal, where the value is out of range. */
static inline bool hl__update_option_valid(hl_inference *i, const hl__update_option *option) {
    if (option->value >= 0 && option->value < option->limit) return true;
    hl_refuse(i, HL_OUT_OF_RANGE, "%s %g is not in [0, %g)", option->name, (double)option->value,
              (double)option->limit);
    return false;
}

/* Inputs 0 .. n_tensors - 1 have the shape of the parameter, input 0; the others are scalars. */
static inline hl_status hl__update_infer(hl_inference *i, size_t n_tensors, uint32_t integers) {
    char a[HL_SHAPE_TEXT], b[HL_SHAPE_TEXT];
    for (size_t k = 0; k < i->n_inputs; k++) {
        const hl_view *input = &i->input[k];
        if (!hl_view_present(input)) continue;
        hl_dtype wanted = integers >> k & 1 ? HL_I32 : HL_F32;
        if (input->dtype != wanted)
            return hl_refuse(i, HL_TYPE_MISMATCH, "input %zu is %s, not %s", k, hl_dtype_name(input->dtype),
                             hl_dtype_name(wanted));
        if (k < n_tensors ? !hl__shape_equal(&input->shape, &i->input[0].shape) : input->shape.rank != 0)
            return hl_refuse(i, HL_SHAPE_MISMATCH, "input %zu %s does not fit the parameter %s", k,
                             hl_shape_text(&input->shape, a, sizeof a), hl_shape_text(&i->input[0].shape, b, sizeof b));
    }
    return HL_OK;
}

/* ---- tiles: those of the parameter's gradient, where it is a matrix or one of heads ---- */

static inline bool hl__update_is_matrix(const hl_shape *p) { return p->rank == 2 || p->rank == 3; }

static inline hl__matrix_cut hl__update_cut(const hl_shape *p) {
    bool heads = p->rank == 3;
    return hl__cut_matrix(1, p->extent[0], heads ? p->extent[1] : 1, p->extent[heads ? 2 : 1]);
}

static inline void hl__update_grid(const hl_call *call, hl_grid *grid) {
    const hl_shape *p = &hl__written(call)->shape;
    if (!hl__update_is_matrix(p)) {
        hl__elementwise_grid(call, grid);
        return;
    }
    hl__matrix_cut cut = hl__update_cut(p);
    grid->extent[0] = cut.rows.n;
    grid->extent[1] = cut.columns.n;
}

static inline hl_box hl__update_box(const hl_call *call, const hl_tile *tile) {
    const hl_shape *p = &hl__written(call)->shape;
    if (!hl__update_is_matrix(p)) return hl__elementwise_box(call, tile);
    hl__matrix_cut cut = hl__update_cut(p);
    hl__column_range rows = hl__columns_at(&cut.rows, tile->index[0]);
    hl__column_range columns = hl__columns_at(&cut.columns, tile->index[1]);
    hl_box box = {.begin = {rows.begin, columns.begin}, .end = {rows.end, columns.end}};
    if (p->rank == 3) hl__box_segments(&box, 1, p->extent[2], columns);
    return box;
}

/* Boxes of all operands that have the parameter's shape; scalars stay whole. */
static inline void hl__update_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl_box box = hl__update_box(call, tile);
    const hl_shape *shape = &hl__written(call)->shape;
    for (size_t i = 0; i < call->n_reads + call->n_writes; i++)
        if (hl__shape_equal(&call->operand[i].shape, shape)) boxes[i] = box;
}

#endif
