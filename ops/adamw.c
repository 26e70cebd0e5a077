/* SPDX-License-Identifier: BSD-3-Clause
 *
 * adamw: Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2), in place.
 *
 *   m = b1 m + (1 - b1) g        v = b2 v + (1 - b2) g^2        t = count + 1
 *   p = p - rate (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + epsilon) + decay p)
 *   parameter p, moments m and v (state), gradient g, rate (scalar), count (i32 scalar: updates of p that are finished)
 *
 * A rate that is not finite changes nothing; the run then says HL_NOT_FINITE. */
#include "ops/kernels/update.h"

/* ---- checks ---- */

static hl_status infer(hl_inference *i) {
    const hl_adamw_config *config = i->options;
    const hl__update_option options[] = {{"beta1", config->beta1, 1},
                                         {"beta2", config->beta2, 1},
                                         {"epsilon", config->epsilon, INFINITY},
                                         {"decay", config->decay, INFINITY}};
    for (size_t k = 0; k < sizeof options / sizeof options[0]; k++)
        if (!hl__update_option_valid(i, &options[k])) return HL_OUT_OF_RANGE;
    i->index_min[5] = 0;
    i->finite = 1u << 4;
    return hl__update_infer(i, 4, 1u << 5);
}

/* ---- the update ---- */

enum { G, RATE, COUNT, P, M, V };

/* base^n by squaring: the same bits everywhere, which the C library does not promise. */
static double power(double base, uint32_t n) {
    double result = 1;
    for (; n; n >>= 1, base *= base)
        if (n & 1) result *= base;
    return result;
}

static float beta_or(float beta, float standard) { return beta > 0 ? beta : standard; }

static void kernel(const hl_call *call, const hl_tile *tile) {
    const hl_adamw_config *config = call->options;
    const hl_view *p = &call->operand[P];
    float b1 = beta_or(config->beta1, 0.9f), b2 = beta_or(config->beta2, 0.999f);
    float epsilon = beta_or(config->epsilon, 1e-8f), rate = *hl__f32(&call->operand[RATE]);
    if (!isfinite(rate)) return;
    uint32_t t = (uint32_t)*hl__i32(&call->operand[COUNT]) + 1;
    float m_scale = (float)(1 / (1 - power((double)b1, t))),
          v_root = (float)(1 / __builtin_sqrt(1 - power((double)b2, t)));
    hl_box box = hl__update_box(call, tile);
    size_t rank = p->shape.rank, at[HL_MAX_RANK] = {0}, n = rank ? box.end[rank - 1] - box.begin[rank - 1] : 1;
    for (bool started = false; hl__next_row(&box, rank, at, &started);) {
        size_t offset = hl__offset(p, at); /* all four lie dense */
        float *p_i = hl__f32(p) + offset, *m_i = hl__f32(&call->operand[M]) + offset;
        float *v_i = hl__f32(&call->operand[V]) + offset;
        const float *g_i = hl__f32(&call->operand[G]) + offset;
        for (size_t j = 0; j < n; j++) {
            float g = g_i[j], m = b1 * m_i[j] + (1 - b1) * g,
                  v = b2 * v_i[j] + (1 - b2) * g * g; /* g^2 may be no float */
            m_i[j] = m;
            v_i[j] = v;
            p_i[j] -= rate * (m * m_scale / (__builtin_sqrtf(v) * v_root + epsilon) + config->decay * p_i[j]);
        }
    }
}

/* ---- descriptor ---- */

static const hl_pass update = {
    .name = "update", .grid = hl__update_grid, .access = hl__update_access, .kernel = kernel, .background = true};

HL__DEFINE_OPERATOR(adamw) = {
    .name = "adamw",
    .min_inputs = 6,
    .max_inputs = 6,
    .options_bytes = sizeof(hl_adamw_config),
    .infer = infer,
    .forward = {{.pass = &update, .reads = {HL_IN(3), HL_IN(4), HL_IN(5)}, .writes = {HL_IN(0), HL_IN(1), HL_IN(2)}}}};
