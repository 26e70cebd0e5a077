/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the tests of operators on single elements share: oracles that apply an equation to each element and go along
 * all axes at once to find which belong together, the shapes and layouts that each such operator is run on, and the
 * cases that every one of them has. A test file states the equation, the bounds and what is the operator's own. */
#ifndef HL_TESTS_SUPPORT_ELEMENTWISE_CHECK_H
#define HL_TESTS_SUPPORT_ELEMENTWISE_CHECK_H

#include "tests/support/op_check.h"
#include "tests/support/suite.h"

/* ---- one operand ---- */

/* What an operator computes of one element, in double. */
struct unary_equation {
    double (*y)(double x);
    double (*dx)(double d, double x);      /* the gradient d y'(x) */
    double (*y_size)(double x);            /* what the error of y grows with; NULL: no oracle asks */
    double (*dx_size)(double d, double x); /* and that of dx */
};

/* The equation op_case.unary on each element: as op_case.oracle, .magnitude, .slopes and .slope_sizes. */
void oracle_unary(const op_case *c, const double *const in[], double *const out[]);
void oracle_unary_sizes(const op_case *c, const double *const in[], double *const out[]);
void oracle_unary_slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]);
void oracle_unary_slope_sizes(const op_case *c, const double *const in[], const double *const d_out[],
                              double *const d_in[]);

/* Runs the cases that every operator on one element has, then the file's own:
 *
 *   ExtremesAreAsInDouble  op_extremes, with the equation's dx as the slopes unless the case states some. A case's
 *                          absolute bound of the gradient is that of |d| <= 1: among extremes it is so much of d.
 *   EveryShapeAndLayout    scalars, odd and unit extents, six axes, gaps, and tensors of many tiles
 *   IntegersAreRefused
 *
 * The case has everything but shape, layout, tiles and samples, and lives until this returns the exit code of main. */
int run_unary_tests(const char *name, const op_case *any, const TTest *const *own);

/* Runs the forward step alone on these n numbers, each at every place in a register and in its last, partial one. */
void check_unary_values(const op_case *c, const float *values, size_t n);

/* Runs the case on 11 x 23 random numbers from -range to range, for each of n ranges. */
void check_unary_ranges(const op_case *c, const double *ranges, size_t n);

/* Runs the case on each of n numbers alone, so that its difference must be sharp. */
void check_unary_alone(const op_case *c, const float *values, size_t n);

/* Runs the case on 5 x 7 elements that are these n numbers in turn. */
void check_unary_turns(const op_case *c, const float *values, size_t n);

/* The first two of the cases above, and the third. */
void check_unary_extremes(const op_case *c);
void check_unary(const op_case *c);
void check_unary_refused(hl__op op, const void *options);

/* ---- two operands ---- */

/* What an operator computes of two elements, in double. */
struct binary_equation {
    double (*y)(double a, double b);
    double (*da)(double d, double a, double b), (*db)(double d, double a, double b); /* NULL: no gradients */
    double (*db_size)(double d, double a, double b); /* what the error of a term of db grows with; NULL: |db| */
};

/* A gradient that is dy itself. */
double oracle_passed(double d, double a, double b);

/* The equation op_case.binary, broadcast as numpy does; gradients are summed over the axes along which an operand was
 * broadcast. */
void oracle_binary(const op_case *c, const double *const in[], double *const out[]);
void oracle_binary_slopes(const op_case *c, const double *const in[], const double *const d_out[],
                          double *const d_in[]);
void oracle_binary_slope_sizes(const op_case *c, const double *const in[], const double *const d_out[],
                               double *const d_in[]);

/* Runs the cases that every operator on two elements has, then the file's own:
 *
 *   ExtremesAreAsInDouble         op_extremes of both operands, of one shape and broadcast either way
 *   EveryBroadcastAndLayout       shapes that broadcast in every way, in layouts and tiles as of one operand. The
 *                                 gradient's bound is that of one term; the sum over broadcast axes comes on top: two
 *                                 roundings, however long it is.
 *   IntegersAndMisfitsAreRefused  and so are shapes that do not broadcast
 *
 * The case lives until this returns the exit code of main. */
int run_binary_tests(const char *name, const op_case *any, const TTest *const *own);

/* The second of the cases above, for other inputs. */
void check_binary(const op_case *c);

/* Gradients of operands that are broadcast to a million elements, within the same bound. */
void check_binary_long(const op_case *c);

/* Runs the forward step alone on all n * n pairs of these numbers. */
void check_binary_values(const op_case *c, const float *values, size_t n);

/* The same on numbers that are compared: infinities, NaN, zeros of both signs, the smallest, the largest and others. */
void check_binary_order(const op_case *c);

/* Runs the case on 5 x 7 pairs of small whole numbers, of which a third are equal. */
void check_binary_ties(const op_case *c);

/* Runs the forward step alone on n pairs: y must have these bits. */
void check_binary_bits(hl__op op, const float *a, const float *b, const float *y, size_t n);

#endif
