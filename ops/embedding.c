/* SPDX-License-Identifier: BSD-3-Clause
 *
 * embedding: a row of the table for each index.
 *
 *   y[..., :] = table[index[...], :]        dtable[v, :] = sum of dy[i, :] over the i with index[i] = v
 *   table [V, D], index [...] in 0 .. V - 1, y [..., D]
 *
 * What else reads the table, the logits where it is tied, hands its share of the gradient in, which the sums begin
 * with. */
#include <string.h>

#include "ops/kernels/scatter.h"
#include "ops/op.h"

#define MOST_TILES 64 /* of the gradient: each scans all indices */

/* ---- checks and shape rule ---- */

static hl_status infer(hl_inference *i) {
    const hl_shape *table = &i->input[0].shape, *index = &i->input[1].shape;
    char a[HL_SHAPE_TEXT];
    if (i->input[0].dtype != HL_F32 || i->input[1].dtype != HL_I32)
        return hl_refuse(i, HL_TYPE_MISMATCH, "table is %s and index %s, not f32 and i32",
                         hl_dtype_name(i->input[0].dtype), hl_dtype_name(i->input[1].dtype));
    if (table->rank != 2 || table->extent[0] > INT32_MAX)
        return hl_refuse(i, HL_SHAPE_MISMATCH, "table %s is not [V, D]", hl_shape_text(table, a, sizeof a));
    if (index->rank >= HL_MAX_RANK)
        return hl_refuse(i, HL_SHAPE_MISMATCH, "index %s has no room for another axis",
                         hl_shape_text(index, a, sizeof a));
    i->output[0] = *index;
    i->output[0].extent[i->output[0].rank++] = table->extent[1];
    i->index_min[1] = 0;
    i->index_max[1] = (int32_t)table->extent[0] - 1;
    return HL_OK;
}

/* ---- forward ---- */

enum { FTABLE, FINDEX, FY };

static void forward_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *y = &call->operand[FY], *index = &call->operand[FINDEX];
    hl__cut cut = hl__cut_rows(&y->shape, 1);
    hl_box box = hl__cut_box(&cut, &y->shape, tile->index[0]);
    size_t rank = y->shape.rank, D = y->shape.extent[rank - 1], at[HL_MAX_RANK] = {0};
    for (bool started = false; hl__next_row(&box, rank, at, &started);) {
        size_t v = (size_t)hl__i32(index)[hl__offset(index, at)];
        memcpy(hl__f32(y) + hl__offset(y, at), hl__f32(&call->operand[FTABLE]) + v * D, D * sizeof(float));
    }
}

/* ---- backward: a tile owns a block of the table's rows ---- */

enum { BINDEX, BDY, BSHARE, BDTABLE };

static size_t rows_of_tile(const hl_shape *table) { return hl__max(hl__ceil_div(table->extent[0], MOST_TILES), 1); }

static hl__scatter scatter_of(const hl_call *call, size_t tile) {
    const hl_view *table = &call->operand[BDTABLE], *index = &call->operand[BINDEX];
    size_t rows = rows_of_tile(&table->shape), begin = tile * rows;
    return (hl__scatter){.index = hl__i32(index),
                         .n = hl_shape_elements(&index->shape),
                         .begin = begin,
                         .end = hl__min(begin + rows, table->shape.extent[0]),
                         .columns = table->shape.extent[1]};
}

static void dtable_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *table = &call->operand[BDTABLE], *share = &call->operand[BSHARE];
    hl__scatter scatter = scatter_of(call, tile->index[0]);
    size_t before = scatter.begin * scatter.columns, n = (scatter.end - scatter.begin) * scatter.columns;
    float *rows = hl__f32(table) + before;
    if (!hl_view_present(share)) memset(rows, 0, n * sizeof *rows);
    else if (share->data != table->data) memcpy(rows, hl__f32(share) + before, n * sizeof *rows);
    hl__scatter_add(&scatter, tile->scratch, hl__f32(&call->operand[BDY]), rows);
}

/* ---- tiling and access ---- */

static void forward_grid(const hl_call *call, hl_grid *grid) {
    grid->extent[0] = hl__cut_rows(&call->operand[FY].shape, 1).n_tiles;
}

static void forward_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl_shape *y = &call->operand[FY].shape;
    hl__cut cut = hl__cut_rows(y, 1);
    boxes[FY] = boxes[FINDEX] = hl__cut_box(&cut, y, tile->index[0]);
    boxes[FINDEX].begin[y->rank - 1] = boxes[FINDEX].end[y->rank - 1] = 0;
}

static void dtable_grid(const hl_call *call, hl_grid *grid) {
    const hl_shape *table = &call->operand[BDTABLE].shape;
    grid->extent[0] = hl__ceil_div(table->extent[0], rows_of_tile(table));
}

static size_t dtable_scratch(const hl_call *call) {
    return hl__scatter_scratch(hl_shape_elements(&call->operand[BINDEX].shape),
                               rows_of_tile(&call->operand[BDTABLE].shape));
}

static void dtable_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl_shape *table = &call->operand[BDTABLE].shape;
    boxes[BDTABLE].begin[0] = tile->index[0] * rows_of_tile(table);
    boxes[BDTABLE].end[0] = hl__min(boxes[BDTABLE].begin[0] + rows_of_tile(table), table->extent[0]);
    boxes[BSHARE] = boxes[BDTABLE];
}

/* ---- descriptor ---- */

static const hl_pass forward = {.name = "forward",
                                .grid = forward_grid,
                                .access = forward_access,
                                .kernel = forward_kernel,
                                .layout = {HL_LAYOUT_DENSE, HL_LAYOUT_ANY}};
static const hl_pass dtable = {.name = "dtable",
                               .grid = dtable_grid,
                               .access = dtable_access,
                               .scratch = dtable_scratch,
                               .kernel = dtable_kernel,
                               .background = true};

HL__DEFINE_OPERATOR(embedding) = {
    .name = "embedding",
    .min_inputs = 2,
    .max_inputs = 2,
    .n_outputs = 1,
    .infer = infer,
    .forward = {{.pass = &forward, .reads = {HL_IN(0), HL_IN(1)}, .writes = {HL_OUT(0)}}},
    .backward = {
        {.pass = &dtable, .reads = {HL_IN(1), HL_DOUT(0), HL_SHARE(0)}, .writes = {HL_DIN(0)}, .onto_share = true}}};
