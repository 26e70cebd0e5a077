/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Activations in double, with their slopes, and how far off of them ops/kernels/activation.h may be: at each argument
 * as many units as it rounds there, and for an argument that is off itself as far as that moves them. Neither grows
 * with an argument where the function is flat. */
#ifndef HL_TESTS_SUPPORT_ACTIVATION_ORACLE_H
#define HL_TESTS_SUPPORT_ACTIVATION_ORACLE_H

#include "headloom/options.h"

/* f(z), at the infinities the limit, NaN of NaN. */
double activation_value(hl_activation activation, double z);

/* d f'(z); nothing of d where ReLU is 0. */
double activation_slope(hl_activation activation, double d, double z);

/* What f(z), and what the slope times a d of 1, may be off by in units of FLT_EPSILON (two roundings), but for what
 * subnormal numbers lose. */
double activation_value_units(hl_activation activation, double z);
double activation_slope_units(hl_activation activation, double z);

/* The same, but not in units, where z is off by as much as `off`. */
double activation_value_error(hl_activation activation, double z, double off);
double activation_slope_error(hl_activation activation, double z, double off);

#endif
