/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sgd: stochastic gradient descent with momentum (Sutskever et al. 2013, without Nesterov's correction), in place.
 *
 *   v = momentum v + g + decay p        p = p - rate v
 *   parameter p, velocity v (state; only with momentum), gradient g, rate (scalar) */
#include "ops/update.h"

/* ---- checks ---- */

static hl_status infer(hl_inference *i) {
    const hl_sgd_config *config = i->options;
    if (!(config->momentum >= 0 && config->momentum < 1))
        return hl_refuse(i, HL_OUT_OF_RANGE, "momentum %g is not in [0, 1)", (double)config->momentum);
    if (!(config->decay >= 0 && config->decay < INFINITY))
        return hl_refuse(i, HL_OUT_OF_RANGE, "decay %g is not a number from 0 on", (double)config->decay);
    if (config->momentum > 0 && !hl_view_present(&i->input[1]))
        return hl_refuse(i, HL_INVALID_ARGUMENT, "momentum needs a velocity, input 1");
    return hl__update_infer(i, 3, 0);
}

/* ---- the update ---- */

enum { G, RATE, P, V };

static void kernel(const hl_call *call, const hl_tile *tile) {
    const hl_sgd_config *config = call->options;
    const hl_view *g = &call->operand[G], *p = &call->operand[P], *v = &call->operand[V];
    hl_box box = hl__update_box(call, tile);
    size_t rank = p->shape.rank, at[HL_MAX_RANK] = {0}, n = rank ? box.end[rank - 1] - box.begin[rank - 1] : 1;
    float rate = *hl__f32(&call->operand[RATE]);
    for (bool started = false; hl__next_row(&box, rank, at, &started);) {
        float *p_i = hl__f32(p) + hl__offset(p, at), *v_i = NULL;
        const float *g_i = hl__f32(g) + hl__offset(g, at);
        if (hl_view_present(v)) v_i = hl__f32(v) + hl__offset(v, at);
        for (size_t j = 0; j < n; j++) {
            float step = g_i[j] + config->decay * p_i[j];
            if (v_i) v_i[j] = step = config->momentum * v_i[j] + step;
            p_i[j] -= rate * step;
        }
    }
}

/* ---- descriptor ---- */

static const hl_pass update = {
    .name = "update", .grid = hl__update_grid, .access = hl__update_access, .kernel = kernel, .background = true};

HL__DEFINE_OPERATOR(sgd) = {
    .name = "sgd",
    .min_inputs = 4,
    .max_inputs = 4,
    .optional = 1 << 1,
    .options_bytes = sizeof(hl_sgd_config),
    .infer = infer,
    .forward = {{.pass = &update, .reads = {HL_IN(2), HL_IN(3)}, .writes = {HL_IN(0), HL_IN(1)}}}};
