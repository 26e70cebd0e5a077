/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the tests of operators on single elements, and of sums over axes, share: oracles that find by division and
 * remainder which elements belong together, and the shapes and layouts that each such operator is run on. */
#ifndef HL_TESTS_SUPPORT_ELEMENTWISE_CHECK_H
#define HL_TESTS_SUPPORT_ELEMENTWISE_CHECK_H

#include "tests/support/op_check.h"

/* ---- one operand ---- */

/* y = f(x). */
void oracle_unary(const op_case *c, const double *const in[], double *const out[], double (*f)(double));

/* The gradient d f'(x) of each element: slope(d, x), for op_extremes. */
void oracle_unary_slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[],
                         double (*slope)(double d, double x));

/* Runs the case on scalars, odd and unit extents, six axes, gaps, and tensors of many tiles. The case has everything
 * but shape, layout, tiles and samples. */
void check_unary(const op_case *c);

/* Runs the forward step alone on these n numbers, each at every place in a register and in its last, partial one. */
void check_unary_values(const op_case *c, const float *values, size_t n);

/* Integers are refused. */
void check_unary_refused(hl__op op, const void *options);

/* ---- two operands ---- */

/* y = f(a, b), broadcast as numpy does. */
void oracle_binary(const op_case *c, const double *const in[], double *const out[], double (*f)(double, double));

/* Gradients slope_a(d, a, b) and slope_b(d, a, b), summed over the axes along which an operand was broadcast. */
void oracle_binary_slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[],
                          double (*slope_a)(double d, double a, double b),
                          double (*slope_b)(double d, double a, double b));

/* op_extremes of both operands, of one shape and broadcast either way. */
void check_binary_extremes(const op_case *c);

/* Runs the case on shapes that broadcast in every way, as check_unary does. The gradient's bound is that of one term;
 * here comes the sum over broadcast axes on top: two roundings, however long it is. */
void check_binary(const op_case *c);

/* Gradients of operands that are broadcast to a million elements, within the same bound. */
void check_binary_long(const op_case *c);

/* Runs the forward step alone on all n * n pairs of these numbers. */
void check_binary_values(const op_case *c, const float *values, size_t n);

/* Runs the forward step alone on n pairs: y must have these bits. */
void check_binary_bits(hl__op op, const float *a, const float *b, const float *y, size_t n);

/* Integers and shapes that do not broadcast are refused. */
void check_binary_refused(hl__op op);

/* ---- sums over the axes of hl_axes_config ---- */

/* y = sum of f(x). */
void oracle_sum(const op_case *c, const double *const in[], double *const out[], double (*f)(double));

/* dx = factor * dy for each of the elements that make one of y. */
void oracle_sum_slopes(const op_case *c, const double *const d_out[], double *const d_in[], double factor);

/* Elements of x that make one of y. */
size_t oracle_summed(const op_case *c);

/* Runs the case with all, the first, the last, inner and single axes, kept and dropped. The value's bound is that of
 * what happens to the sum, whose two roundings come on top here; whole numbers are added up without. */
void check_sum(const op_case *c);

/* Sums of up to a million elements, within the same bound. */
void check_sum_long(const op_case *c);

/* Integers, and axes that x does not have, are refused. */
void check_sum_refused(hl__op op);

#endif
