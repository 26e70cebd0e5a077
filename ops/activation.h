/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Activations and their gradients on rows, shared by dense and by the operators of the same names.
 *
 *   ReLU: max(z, 0)                                          gradient 1 where y > 0
 *   GELU: z s(2u), u = sqrt(2/pi) (z + 0.044715 z^3), s the logistic function: the tanh form of Hendrycks and Gimpel
 *         2016, since (1 + tanh u) / 2 = s(2u)               gradient s + z s (1 - s) 2u'
 *   tanh                                                     gradient 1 - y^2 */
#ifndef HL_OPS_ACTIVATION_H
#define HL_OPS_ACTIVATION_H

#include "ops/op.h"
#include "ops/vector.h"

#define HL__GELU_2U 0x1.988454p+0f   /* 2 sqrt(2 / pi) */
#define HL__GELU_CUBE 0x1.6e4e26p-5f /* 0.044715 */

static inline hl__floats hl__logistic(hl__floats x) { return 1.0f / (1.0f + hl__exp(-x)); }

static inline hl__floats hl__gelu(hl__floats z) {
    return z * hl__logistic(HL__GELU_2U * z * hl__fma(HL__GELU_CUBE * z, z, hl__splat(1.0f)));
}

static inline hl__floats hl__gelu_gradient(hl__floats z) {
    hl__floats square = hl__smaller(z * z, hl__splat(0x1p60f)); /* flat long before; 0 times infinity is no slope */
    hl__floats s = hl__logistic(HL__GELU_2U * z * hl__fma(hl__splat(HL__GELU_CUBE), square, hl__splat(1.0f)));
    hl__floats slope = HL__GELU_2U * hl__fma(hl__splat(3 * HL__GELU_CUBE), square, hl__splat(1.0f));
    return hl__fma(z * s * (1.0f - s), slope, s);
}

static inline hl__floats hl__activate(hl_activation activation, hl__floats z) {
    switch (activation) {
    case HL_ACTIVATION_RELU: return hl__larger(hl__splat(0), z); /* in this order NaN stays */
    case HL_ACTIVATION_GELU: return hl__gelu(z);
    case HL_ACTIVATION_TANH: return hl__tanh(z);
    case HL_ACTIVATION_NONE: break;
    }
    return z;
}

/* known: z for GELU, y for ReLU and tanh. */
static inline hl__floats hl__activation_gradient(hl_activation activation, hl__floats known) {
    switch (activation) {
    case HL_ACTIVATION_RELU: return hl__select(known > 0, hl__splat(1), hl__splat(0));
    case HL_ACTIVATION_GELU: return hl__gelu_gradient(known);
    case HL_ACTIVATION_TANH: return 1.0f - known * known;
    case HL_ACTIVATION_NONE: break;
    }
    return hl__splat(1);
}

/* What a dense multiplies its sums by. */
static inline float hl__dense_scale(const hl_dense_config *config) { return config->scale != 0 ? config->scale : 1; }

/* y[j] = act(scale (y[j] + bias[j])); z[j], where z is not NULL, gets what is activated. bias may be NULL. */
static inline void hl__activate_row(const hl_dense_config *config, float *y, const float *bias, float *z, size_t n) {
    hl_activation activation = config->activation;
    float scale = hl__dense_scale(config);
    for (size_t j = 0; j < n; j += HL__LANES) {
        size_t some = hl__min(HL__LANES, n - j);
        hl__floats v = hl__load_some(y + j, some, 0);
        if (bias) v += hl__load_some(bias + j, some, 0);
        if (scale != 1) v *= scale;
        if (z) hl__store_some(z + j, v, some);
        hl__store_some(y + j, hl__activate(activation, v), some);
    }
}

/* dz[j] = scale dy[j] act'(known[j]). known is not read where there is no activation. */
static inline void hl__activation_gradient_row(const hl_dense_config *config, const float *dy, const float *known,
                                               float *dz, size_t n) {
    hl_activation activation = config->activation;
    float scale = hl__dense_scale(config);
    for (size_t j = 0; j < n; j += HL__LANES) {
        size_t some = hl__min(HL__LANES, n - j);
        hl__floats v = hl__load_some(dy + j, some, 0);
        if (activation != HL_ACTIVATION_NONE)
            v *= hl__activation_gradient(activation, hl__load_some(known + j, some, 0));
        if (scale != 1) v *= scale;
        hl__store_some(dz + j, v, some);
    }
}

#endif
