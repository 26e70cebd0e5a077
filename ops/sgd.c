/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sgd: stochastic gradient descent with momentum (Sutskever et al. 2013, without Nesterov's correction), in place.
 *
 *   v = momentum v + g + decay p        p = p - rate v
 *   parameter p, velocity v (state; only with momentum), gradient g, rate (scalar), count (i32 scalar: updates of p
 * that are finished; not looked at: whoever counts this update waits for it)
 *
 * A rate that is not finite changes nothing; the run then says HL_NOT_FINITE. */
#include "ops/kernels/update.h"

/* ---- checks ---- */

static hl_status infer(hl_inference *i) {
    const hl_sgd_config *config = i->options;
    const hl__update_option options[] = {{"momentum", config->momentum, 1}, {"decay", config->decay, INFINITY}};
    for (size_t k = 0; k < sizeof options / sizeof options[0]; k++)
        if (!hl__update_option_valid(i, &options[k])) return HL_OUT_OF_RANGE;
    if (config->momentum > 0 && !hl_view_present(&i->input[1]))
        return hl_refuse(i, HL_INVALID_ARGUMENT, "momentum needs a velocity, input 1");
    i->finite = 1u << 3;
    return hl__update_infer(i, 3, 1u << 4);
}

/* ---- the update ---- */

enum { G, RATE, COUNT, P, V };

static void kernel(const hl_call *call, const hl_tile *tile) {
    const hl_sgd_config *config = call->options;
    const hl_view *g = &call->operand[G], *p = &call->operand[P], *v = &call->operand[V];
    hl_box box = hl__update_box(call, tile);
    size_t rank = p->shape.rank, at[HL_MAX_RANK] = {0}, n = rank ? box.end[rank - 1] - box.begin[rank - 1] : 1;
    float rate = *hl__f32(&call->operand[RATE]);
    if (!isfinite(rate)) return;
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
    .max_inputs = 5,
    .optional = 1 << 1 | 1 << 4,
    .options_bytes = sizeof(hl_sgd_config),
    .infer = infer,
    .forward = {{.pass = &update, .reads = {HL_IN(2), HL_IN(3), HL_IN(4)}, .writes = {HL_IN(0), HL_IN(1)}}}};
