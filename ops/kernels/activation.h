/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Activations and their gradients, shared by dense and by the operators of the same names.
 *
 *   ReLU: max(z, 0)                                          gradient 1 where y > 0
 *   GELU, tanh form: z s(2u), u = sqrt(2/pi) (z + 0.044715 z^3), s the logistic function (Hendrycks and Gimpel 2016),
 *         since (1 + tanh u) / 2 = s(2u)                     gradient s + z s (1 - s) 2u'
 *   tanh                                                     gradient 1 - y^2
 *   GELU, exact: z P(z), P the normal distribution (Hendrycks and Gimpel 2016)
 *                                                            gradient P + z P', P' = e^(-z^2 / 2) / sqrt(2 pi)
 *   sigmoid: s(z) = 1 / (1 + e^-z)                           gradient y (1 - y)
 *   SiLU: z s(z) (Elfwing, Uchibe and Doya 2018)             gradient s (1 + z (1 - s))
 *
 * At the infinities they have their limits: 0 times infinity is met by taking z no further than where the function is
 * flat, or the identity, to the last bit. NaN gives NaN. */
#ifndef HL_OPS_ACTIVATION_H
#define HL_OPS_ACTIVATION_H

#include "ops/kernels/vector.h"
#include "ops/op.h"

#define HL__GELU_2U 0x1.988454p+0f   /* 2 sqrt(2 / pi) */
#define HL__GELU_CUBE 0x1.6e4e26p-5f /* 0.044715 */
#define HL__INVERSE_ROOT_2PI 0x1.988454p-2f

static inline hl__floats hl__logistic(hl__floats x) { return 1.0f / (1.0f + hl__exp(-x)); }

#define HL__GELU_FLAT 0x1p30f /* beyond, GELU is z or 0 and its slope 1 or 0; 0 times infinity would be neither */

static inline hl__floats hl__gelu(hl__floats z) {
    z = hl__larger(hl__splat(-HL__GELU_FLAT), z); /* in this order NaN stays */
    return z * hl__logistic(HL__GELU_2U * z * hl__fma(HL__GELU_CUBE * z, z, hl__splat(1.0f)));
}

static inline hl__floats hl__gelu_gradient(hl__floats z) {
    z = hl__smaller(hl__splat(HL__GELU_FLAT), hl__larger(hl__splat(-HL__GELU_FLAT), z));
    hl__floats square = z * z;
    hl__floats s = hl__logistic(HL__GELU_2U * z * hl__fma(hl__splat(HL__GELU_CUBE), square, hl__splat(1.0f)));
    hl__floats slope = HL__GELU_2U * hl__fma(hl__splat(3 * HL__GELU_CUBE), square, hl__splat(1.0f));
    return hl__fma(z * s * (1.0f - s), slope, s);
}

/* max(z, 0) - |z| P(-|z|), in which nothing cancels. */
static inline hl__floats hl__gelu_erf(hl__floats z) {
    hl__floats a = hl__smaller(hl__splat(HL__TAIL_END), hl__abs(z)), bell, tail = hl__normal_tail(a, &bell);
    return hl__larger(hl__splat(0), z) - a * tail * bell;
}

/* With g = P(-|z|) - |z| P'(z): 1 - g above 0, g below. */
static inline hl__floats hl__gelu_erf_gradient(hl__floats z) {
    hl__floats a = hl__smaller(hl__splat(HL__TAIL_END), hl__abs(z)), bell, tail = hl__normal_tail(a, &bell);
    hl__floats g = bell * hl__fma(a, hl__splat(-HL__INVERSE_ROOT_2PI), tail);
    return hl__select(z < 0.0f, g, 1.0f - g);
}

/* e^-|x| never overflows, and its quotient keeps the digits of what is near 0. */
static inline hl__floats hl__sigmoid(hl__floats x) {
    hl__floats e = hl__exp(-hl__abs(x));
    return hl__select(x < 0.0f, e, hl__splat(1.0f)) / (1.0f + e);
}

#define HL__SILU_FLAT 250.0f /* as HL__GELU_FLAT */

/* Below 0 the exponential is subnormal where y is not: z is multiplied by its root, twice. */
static inline hl__floats hl__silu(hl__floats z) {
    z = hl__larger(hl__splat(-HL__SILU_FLAT), z);
    hl__floats root = hl__exp(-0.5f * hl__abs(z));
    return hl__select(z < 0.0f, z * root * root, z) / hl__fma(root, root, hl__splat(1.0f));
}

static inline hl__floats hl__silu_gradient(hl__floats z) {
    z = hl__smaller(hl__splat(HL__SILU_FLAT), hl__larger(hl__splat(-HL__SILU_FLAT), z));
    hl__floats e = hl__exp(-hl__abs(z)), large = 1.0f / (1.0f + e), small = e * large;
    hl__ints negative = z < 0.0f;
    return hl__select(negative, small, large) * hl__fma(z, hl__select(negative, large, small), hl__splat(1.0f));
}

static inline hl__floats hl__activate(hl_activation activation, hl__floats z) {
    switch (activation) {
    case HL_ACTIVATION_RELU: return hl__larger(hl__splat(0), z); /* in this order NaN stays */
    case HL_ACTIVATION_GELU: return hl__gelu(z);
    case HL_ACTIVATION_TANH: return hl__tanh(z);
    case HL_ACTIVATION_GELU_ERF: return hl__gelu_erf(z);
    case HL_ACTIVATION_SIGMOID: return hl__sigmoid(z);
    case HL_ACTIVATION_SILU: return hl__silu(z);
    case HL_ACTIVATION_NONE: break;
    }
    return z;
}

/* True where the gradient is a function of z; of y elsewhere. */
static inline bool hl__activation_keeps_z(hl_activation activation) {
    return activation == HL_ACTIVATION_GELU || activation == HL_ACTIVATION_GELU_ERF || activation == HL_ACTIVATION_SILU;
}

/* dz of d = dy, and of what is known: z or y. */
static inline hl__floats hl__activation_gradient(hl_activation activation, hl__floats d, hl__floats known) {
    switch (activation) {
    case HL_ACTIVATION_RELU: return hl__select(known > 0, d, known); /* which is 0 or NaN */
    case HL_ACTIVATION_GELU: return d * hl__gelu_gradient(known);
    case HL_ACTIVATION_TANH: return d * (1.0f - known * known);
    case HL_ACTIVATION_GELU_ERF: return d * hl__gelu_erf_gradient(known);
    case HL_ACTIVATION_SIGMOID: return d * (known * (1.0f - known));
    case HL_ACTIVATION_SILU: return d * hl__silu_gradient(known);
    case HL_ACTIVATION_NONE: break;
    }
    return d;
}

/* What a dense multiplies its sums by. */
static inline float hl__dense_scale(const hl_dense_config *config) { return config->scale != 0 ? config->scale : 1; }

/* ---- rows: the loop is compiled for each activation ---- */

/* y[j] = act(scale (y[j] + bias[j])), z[j] = what is activated */
typedef struct hl__activated_row {
    float *y;
    const float *bias; /* NULL: none */
    float *z;          /* NULL: not kept */
    size_t n;
    float scale;
} hl__activated_row;

static inline __attribute__((always_inline)) void hl__activate_row_by(hl_activation activation, hl__activated_row row) {
    for (size_t j = 0; j < row.n; j += HL__LANES) {
        size_t some = hl__min(HL__LANES, row.n - j);
        hl__floats v = hl__load_some(row.y + j, some, 0);
        if (row.bias) v += hl__load_some(row.bias + j, some, 0);
        if (row.scale != 1) v *= row.scale;
        if (row.z) hl__store_some(row.z + j, v, some);
        hl__store_some(row.y + j, hl__activate(activation, v), some);
    }
}

static inline void hl__activate_row(hl_activation activation, hl__activated_row row) {
    switch (activation) {
    case HL_ACTIVATION_NONE: hl__activate_row_by(HL_ACTIVATION_NONE, row); break;
    case HL_ACTIVATION_RELU: hl__activate_row_by(HL_ACTIVATION_RELU, row); break;
    case HL_ACTIVATION_GELU: hl__activate_row_by(HL_ACTIVATION_GELU, row); break;
    case HL_ACTIVATION_TANH: hl__activate_row_by(HL_ACTIVATION_TANH, row); break;
    case HL_ACTIVATION_GELU_ERF: hl__activate_row_by(HL_ACTIVATION_GELU_ERF, row); break;
    case HL_ACTIVATION_SIGMOID: hl__activate_row_by(HL_ACTIVATION_SIGMOID, row); break;
    case HL_ACTIVATION_SILU: hl__activate_row_by(HL_ACTIVATION_SILU, row); break;
    }
}

/* dz[j] = scale dy[j] act'(known[j]) */
typedef struct hl__gradient_row {
    const float *dy, *known; /* known is not read where there is no activation */
    float *dz;
    size_t n;
    float scale;
} hl__gradient_row;

static inline __attribute__((always_inline)) void hl__gradient_row_by(hl_activation activation, hl__gradient_row row) {
    for (size_t j = 0; j < row.n; j += HL__LANES) {
        size_t some = hl__min(HL__LANES, row.n - j);
        hl__floats v = hl__load_some(row.dy + j, some, 0), known = hl__splat(0);
        if (activation != HL_ACTIVATION_NONE) known = hl__load_some(row.known + j, some, 0);
        v = hl__activation_gradient(activation, v, known);
        if (row.scale != 1) v *= row.scale;
        hl__store_some(row.dz + j, v, some);
    }
}

static inline void hl__activation_gradient_row(hl_activation activation, hl__gradient_row row) {
    switch (activation) {
    case HL_ACTIVATION_NONE: hl__gradient_row_by(HL_ACTIVATION_NONE, row); break;
    case HL_ACTIVATION_RELU: hl__gradient_row_by(HL_ACTIVATION_RELU, row); break;
    case HL_ACTIVATION_GELU: hl__gradient_row_by(HL_ACTIVATION_GELU, row); break;
    case HL_ACTIVATION_TANH: hl__gradient_row_by(HL_ACTIVATION_TANH, row); break;
    case HL_ACTIVATION_GELU_ERF: hl__gradient_row_by(HL_ACTIVATION_GELU_ERF, row); break;
    case HL_ACTIVATION_SIGMOID: hl__gradient_row_by(HL_ACTIVATION_SIGMOID, row); break;
    case HL_ACTIVATION_SILU: hl__gradient_row_by(HL_ACTIVATION_SILU, row); break;
    }
}

#endif
