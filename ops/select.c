/* SPDX-License-Identifier: BSD-3-Clause
 *
 * select: y = a where the mask is not 0, else b; all three broadcast.
 *
 *   mask I32, a and b F32       da = dy where the mask is not 0, else 0; db the other way round; both summed over the
 *                               axes along which the operand was broadcast
 *
 * What is not chosen does not exist: whatever it is, it reaches nothing, in the gradients too. */
#include "ops/kernels/broadcast.h"

/* ---- checks and shape rule ---- */

static hl_status infer(hl_inference *i) {
    if (i->input[0].dtype != HL_I32)
        return hl_refuse(i, HL_TYPE_MISMATCH, "the mask is %s, not i32", hl_dtype_name(i->input[0].dtype));
    hl_status status = hl__broadcast_floats(i, 1);
    if (status == HL_OK) status = hl__broadcast_shape(i);
    if (status == HL_OK) hl__broadcast_temps(i, 1);
    return status;
}

/* ---- forward ---- */

/* Masks are loaded as the bits of floats. */
static hl__ints chosen(hl__floats mask) { return (hl__ints)mask != 0; }

static void forward_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *y = &call->operand[3];
    hl_box box = hl__elementwise_box(call, tile);
    size_t rank = y->shape.rank, at[HL_MAX_RANK] = {0}, stride[3][HL_MAX_RANK], step[3] = {0};
    size_t n = rank ? box.end[rank - 1] - box.begin[rank - 1] : 1;
    for (size_t k = 0; k < 3; k++) {
        hl__broadcast_strides(&call->operand[k], &y->shape, stride[k]);
        if (rank) step[k] = stride[k][rank - 1];
    }
    for (bool started = false; hl__next_row(&box, rank, at, &started);) {
        const float *row[3];
        for (size_t k = 0; k < 3; k++) row[k] = hl__f32(&call->operand[k]) + hl__dot(at, stride[k], rank);
        float *y_i = hl__f32(y) + hl__offset(y, at);
        for (size_t j = 0; j < n; j += HL__LANES) {
            size_t some = hl__min(HL__LANES, n - j);
            hl__floats v[3];
            for (size_t k = 0; k < 3; k++) v[k] = hl__gather_some(row[k] + j * step[k], step[k], some);
            hl__put_some(y_i + j, hl__select(chosen(v[0]), v[1], v[2]), some);
        }
    }
}

/* ---- backward: the other operand is the mask ---- */

static hl__floats da_of(hl__floats d, hl__floats itself, hl__floats mask) {
    (void)itself;
    return hl__select(chosen(mask), d, hl__splat(0));
}

static hl__floats db_of(hl__floats d, hl__floats itself, hl__floats mask) {
    (void)itself;
    return hl__select(chosen(mask), hl__splat(0), d);
}

static void da_kernel(const hl_call *call, const hl_tile *tile) { hl__gradient_tile(call, tile, da_of); }

static void db_kernel(const hl_call *call, const hl_tile *tile) { hl__gradient_tile(call, tile, db_of); }

/* ---- descriptor ---- */

static const hl_pass forward = {.name = "forward",
                                .grid = hl__elementwise_grid,
                                .access = hl__elementwise_access,
                                .kernel = forward_kernel,
                                .layout = {HL_LAYOUT_ANY, HL_LAYOUT_ANY, HL_LAYOUT_ANY}};
static const hl_pass da = {.name = "da",
                           .grid = hl__gradient_grid,
                           .access = hl__gradient_access,
                           .scratch = hl__broadcast_scratch,
                           .kernel = da_kernel,
                           .layout = {HL_LAYOUT_ANY, HL_LAYOUT_ANY, HL_LAYOUT_ANY}};
static const hl_pass db = {.name = "db",
                           .grid = hl__gradient_grid,
                           .access = hl__gradient_access,
                           .scratch = hl__broadcast_scratch,
                           .kernel = db_kernel,
                           .layout = {HL_LAYOUT_ANY, HL_LAYOUT_ANY, HL_LAYOUT_ANY}};

HL__DEFINE_OPERATOR(select) = {
    .name = "select",
    .min_inputs = 3,
    .max_inputs = 3,
    .n_outputs = 1,
    .infer = infer,
    .forward = {{.pass = &forward, .reads = {HL_IN(0), HL_IN(1), HL_IN(2)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &da, .reads = {HL_DOUT(0), HL_IN(1), HL_IN(0)}, .writes = {HL_TEMP(0)}},
                 {.pass = &hl__combine, .reads = {HL_TEMP(0)}, .writes = {HL_DIN(1)}, .alias = hl__combine_alias},
                 {.pass = &db, .reads = {HL_DOUT(0), HL_IN(2), HL_IN(0)}, .writes = {HL_TEMP(1)}},
                 {.pass = &hl__combine, .reads = {HL_TEMP(1)}, .writes = {HL_DIN(2)}, .alias = hl__combine_alias}}};
