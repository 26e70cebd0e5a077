/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The equations of ops/kernels/activation.h with the C library's functions, and its roundings one by one. */
#include "tests/support/activation_oracle.h"

#include <float.h>
#include <math.h>

#define ROOT_2_PI 2.50662827463100050242 /* sqrt(2 pi) */

/* Beyond, every activation is z, 0 or its limit in double, too, and infinity times 0 is not to be met. */
#define FLAT 1000.0

static double logistic(double z) { return 1 / (1 + exp(-z)); }

/* GELU, tanh form: z s(t), (1 + tanh(t / 2)) / 2 = s(t) keeping its digits where tanh is near -1. */
static double gelu_t(double z) { return 4 / ROOT_2_PI * z * (1 + 0.044715 * z * z); }
static double gelu_dt(double z) { return 4 / ROOT_2_PI * (1 + 3 * 0.044715 * z * z); }

static double normal(double z) { return erfc(-z * sqrt(0.5)) / 2; }
static double bell(double z) { return exp(-z * z / 2); }

static bool is_identity_or_nothing(hl_activation activation) {
    return activation == HL_ACTIVATION_GELU || activation == HL_ACTIVATION_GELU_ERF || activation == HL_ACTIVATION_SILU;
}

double activation_value(hl_activation activation, double z) {
    if (fabs(z) > FLAT && is_identity_or_nothing(activation)) return z > 0 ? z : 0;
    switch (activation) {
    case HL_ACTIVATION_RELU: return z > 0 || isnan(z) ? z : 0;
    case HL_ACTIVATION_GELU: return z * logistic(gelu_t(z));
    case HL_ACTIVATION_TANH: return tanh(z);
    case HL_ACTIVATION_GELU_ERF: return z * normal(z);
    case HL_ACTIVATION_SIGMOID: return logistic(z);
    case HL_ACTIVATION_SILU: return z * logistic(z);
    case HL_ACTIVATION_NONE: break;
    }
    return z;
}

double activation_slope(hl_activation activation, double d, double z) {
    double s;
    if (fabs(z) > FLAT && is_identity_or_nothing(activation)) return d * (z > 0);
    switch (activation) {
    case HL_ACTIVATION_RELU: return isnan(z) ? z : z > 0 ? d : 0;
    case HL_ACTIVATION_GELU: s = logistic(gelu_t(z)); return d * (s + z * s * logistic(-gelu_t(z)) * gelu_dt(z));
    case HL_ACTIVATION_TANH: return d * (1 - tanh(z) * tanh(z));
    case HL_ACTIVATION_GELU_ERF: return d * (normal(z) + z * bell(z) / ROOT_2_PI);
    case HL_ACTIVATION_SIGMOID: return d * (logistic(z) * logistic(-z));
    case HL_ACTIVATION_SILU: return d * (logistic(z) * (1 + z * logistic(-z)));
    case HL_ACTIVATION_NONE: break;
    }
    return d;
}

/* ---- roundings: half a unit each; exp is good to 1.5, tanh to 2 units, the tail's quotient to 4
 *      (tests/ops/test_vector.c). s = s(z), r = 1 - s ---- */

/* e^-t of t rounded is off by `of_t` and exp's units, which count for r; 1 + e^-t and the quotient round. */
static double logistic_units(double s, double r, double of_t) { return s * (r * (of_t + 1.5) + 1); }

double activation_value_units(hl_activation activation, double z) {
    double y = fabs(activation_value(activation, z)), s = logistic(z), r = logistic(-z), t;
    if (fabs(z) > FLAT && is_identity_or_nothing(activation)) return y; /* a quotient or a difference, a product */
    switch (activation) {
    case HL_ACTIVATION_GELU: /* t: two constants, three products, a sum */
        t = gelu_t(z);
        return fabs(z) * logistic_units(logistic(t), logistic(-t), 3 * fabs(t)) + y / 2;
    case HL_ACTIVATION_TANH: return 2 * y;
    case HL_ACTIVATION_GELU_ERF: /* max(z, 0) - |z| quotient bell: of the second term 4, 1.5 and two products */
        return 6.5 * fabs(z) * normal(-fabs(z)) + y / 2;
    case HL_ACTIVATION_SIGMOID: return logistic_units(s, r, 0); /* below 0, e / (1 + e) is off by as much as 1 / e */
    case HL_ACTIVATION_SILU: /* root^2 is off by 3.5: in 1 + root^2, and below 0, with one product more, in z root^2 */
        return y * ((z < 0 ? 4 : 0) + 3.5 * fmin(s, r) + 1);
    case HL_ACTIVATION_RELU:
    case HL_ACTIVATION_NONE: break;
    }
    return 0;
}

/* g = s + z s (1 - s) t'. Where s is above 1/2, 1 - s is exact but for what s is off by: 1 + e^-t rounds by half a
 * unit, the quotient by a quarter; and once 1 - s is below half a unit, s is 1. t': two constants, two products, a sum;
 * then three products, the last sum, and d. */
static double gelu_slope_units(double z) {
    double t = gelu_t(z), s = logistic(t), r = logistic(-t), g = fabs(activation_slope(HL_ACTIVATION_GELU, 1, z));
    double of_s = logistic_units(s, r, 3 * fabs(t)), of_r = s * r * (3 * fabs(t) + 1.5);
    of_r += s > 0.5 ? fmin(0.75 * s, 1.5 * r / (double)FLT_EPSILON) : s + r / 2;
    return of_s + fabs(z) * gelu_dt(z) * (r * of_s + s * of_r + 4 * s * r) + g;
}

/* s (1 + z r) of e = e^-|z|: the larger of s and r is 1 / (1 + e), the smaller is e times that. */
static double silu_slope_units(double z) {
    double s = logistic(z), r = logistic(-z), large = 1 + 1.5 * fmin(s, r), small = large + 2;
    double of_s = z < 0 ? small : large, of_r = z < 0 ? large : small;
    return fabs(s * (1 + z * r)) * (of_s + 1.5) + s * fabs(z) * r * of_r;
}

double activation_slope_units(hl_activation activation, double z) {
    double g = fabs(activation_slope(activation, 1, z)), y = activation_value(activation, z), a = fabs(z), below;
    if (fabs(z) > FLAT && is_identity_or_nothing(activation)) return g;
    switch (activation) {
    case HL_ACTIVATION_GELU: return gelu_slope_units(z);
    case HL_ACTIVATION_TANH: return 4.5 * y * y + g; /* of 1 - y^2: y^2, the difference; the product */
    case HL_ACTIVATION_GELU_ERF:                     /* below = bell (quotient - a / sqrt(2 pi)), or 1 less it */
        below = fabs(activation_slope(activation, 1, -a));
        return 4 * normal(-a) + bell(a) * a / ROOT_2_PI / 2 + 2.5 * below + g;
    case HL_ACTIVATION_SIGMOID: return logistic_units(y, logistic(-z), 0) + 1.5 * g; /* y (1 - y), in y and in 1 - y */
    case HL_ACTIVATION_SILU: return silu_slope_units(z);
    case HL_ACTIVATION_RELU:
    case HL_ACTIVATION_NONE: break;
    }
    return 0;
}

/* ---- arguments that are off ---- */

/* Where f and where f' turns, to four digits: there they are flat. */
static const double value_turns[HL_ACTIVATION_SILU + 1] = {
    [HL_ACTIVATION_GELU] = -0.7525, [HL_ACTIVATION_GELU_ERF] = -0.7518, [HL_ACTIVATION_SILU] = -1.278};
static const double slope_turns[HL_ACTIVATION_SILU + 1] = {
    [HL_ACTIVATION_GELU] = 1.414, [HL_ACTIVATION_GELU_ERF] = 1.414, [HL_ACTIVATION_SILU] = 2.399};

/* Where e^-t overflows, at -10.2, GELU's s is 0 instead of something below 2^-128, of which a slope is 300 times as
 * much. What the others lose to subnormal numbers is less. */
#define LOST 0x1p-119

/* Between its turns a function is monotone: it is farthest from f(z) at an end of what z may be, or at a turn. */
typedef struct error_of {
    double (*f)(hl_activation activation, double z), (*units)(hl_activation activation, double z);
    double turns[2];
} error_of;

static double largest_error(const error_of *of, hl_activation activation, double z, double off) {
    double at[] = {z, z - off, z + off, of->turns[0], of->turns[1]}, moved = 0, units = 0;
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        if (i >= 3 && fabs(at[i] - z) > off) continue;
        moved = fmax(moved, fabs(of->f(activation, at[i]) - of->f(activation, z)));
        units = fmax(units, of->units(activation, at[i]));
    }
    return moved + (double)FLT_EPSILON * units + LOST;
}

double activation_value_error(hl_activation activation, double z, double off) {
    double turn = value_turns[activation];
    error_of of = {.f = activation_value, .units = activation_value_units, .turns = {turn, turn}};
    return largest_error(&of, activation, z, off);
}

static double slope_of_one(hl_activation activation, double z) { return activation_slope(activation, 1, z); }

double activation_slope_error(hl_activation activation, double z, double off) {
    double turn = slope_turns[activation];
    error_of of = {.f = slope_of_one, .units = activation_slope_units, .turns = {turn, -turn}};
    return largest_error(&of, activation, z, off);
}
