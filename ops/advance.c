/* SPDX-License-Identifier: BSD-3-Clause
 *
 * advance: counts what is finished. count_i (i32 scalar, state) = count_i + 1, in place; y is the least of the new
 * counts and of `least`.
 *
 *   rate (f32 scalar): where it is not finite the counts stay, as what was to be counted was not done
 *   least (i32 scalar): y of the advance before this one, where there are more counts than one takes
 *   behind (i32 scalar): is not looked at; whoever updates it waits for this
 *   counts: up to 13; the other inputs may be left out */
#include <math.h>

#include "ops/op.h"

enum { RATE, LEAST, BEHIND, COUNT, N_INPUTS = 16, N_COUNTS = N_INPUTS - COUNT };

static hl_status infer(hl_inference *i) {
    char a[HL_SHAPE_TEXT];
    for (size_t k = 0; k < i->n_inputs; k++) {
        const hl_view *input = &i->input[k];
        hl_dtype wanted = k == RATE ? HL_F32 : HL_I32;
        if (!hl_view_present(input)) continue;
        if (input->dtype != wanted)
            return hl_refuse(i, HL_TYPE_MISMATCH, "input %zu is %s, not %s", k, hl_dtype_name(input->dtype),
                             hl_dtype_name(wanted));
        if (input->shape.rank != 0)
            return hl_refuse(i, HL_SHAPE_MISMATCH, "input %zu %s is not a scalar", k,
                             hl_shape_text(&input->shape, a, sizeof a));
    }
    i->output[0] = HL_SCALAR;
    i->output_dtype[0] = HL_I32;
    return HL_OK;
}

static void kernel(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    const hl_view *rate = &call->operand[RATE], *least = &call->operand[LEAST], *count = &call->operand[COUNT];
    bool counts = !hl_view_present(rate) || isfinite(*hl__f32(rate));
    int32_t y = hl_view_present(least) ? *hl__i32(least) : INT32_MAX;
    for (size_t i = 0; i < N_COUNTS && hl_view_present(&count[i]); i++) {
        int32_t *c = hl__i32(&count[i]);
        if (counts) *c = (int32_t)((uint32_t)*c + 1);
        if (*c < y) y = *c;
    }
    *hl__i32(&count[N_COUNTS]) = y;
}

static const hl_pass update = {.name = "update", .kernel = kernel, .background = true};

HL__DEFINE_OPERATOR(advance) = {
    .name = "advance",
    .min_inputs = COUNT + 1,
    .max_inputs = N_INPUTS,
    .optional = 1 << RATE | 1 << LEAST | 1 << BEHIND,
    .n_outputs = 1,
    .infer = infer,
    .forward = {{.pass = &update,
                 .reads = {HL_IN(RATE), HL_IN(LEAST), HL_IN(BEHIND)},
                 .writes = {HL_IN(3), HL_IN(4), HL_IN(5), HL_IN(6), HL_IN(7), HL_IN(8), HL_IN(9), HL_IN(10), HL_IN(11),
                            HL_IN(12), HL_IN(13), HL_IN(14), HL_IN(15), HL_OUT(0)}}}};
