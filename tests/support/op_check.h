/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How every operator is tested, without graph or runtime: a test gives inputs and one oracle, the forward equation in
 * double, and op_check does the rest, once for each instruction set that build and processor have:
 *
 *   values     all forward steps, tile by tile in serial order, agree with the oracle within a stated bound
 *   gradients  all backward steps, with random gradients of the outputs, agree with central differences of the oracle;
 *              and asking for the gradient of one input alone gives the same bits
 *   shares     steps that read HL_SHARE run again with a random share, and it is added to the gradient of each element
 *   access     each tile runs again on memory in which everything outside the boxes that it declares is poisoned: it
 *              must compute the same bits, and change nothing outside the boxes that it declares for writing
 *   order      tiles that do not touch what another one writes run in another order, with the same bits
 *   scratch    is poisoned before each tile, and has a fence behind it
 *
 * op_extremes, which every operator goes through as well, makes rows of one operand at a time extreme: offsets,
 * constants, huge, tiny and subnormal numbers, finite masks, infinities, NaN.
 *
 *     op_check(&(op_case){.op = HL__OP_relu, .inputs = {{.shape = HL_SHAPE(4, 19, 32)}}, .oracle = relu,
 *                         .value = {.relative = 0}, .min_tiles = 8}); */
#ifndef HL_TESTS_SUPPORT_OP_CHECK_H
#define HL_TESTS_SUPPORT_OP_CHECK_H

#include "headloom/operator.h"
#include "ops/ops.h"

typedef struct op_input {
    hl_shape shape; /* left out: a scalar */
    hl_dtype dtype; /* HL_NONE: HL_F32 */
    bool absent;
    const void *values; /* dense, of the type above; NULL: random */
    double low, high;   /* range of random values; both 0: -1 to 1, or the indices that the operator accepts */
    hl_layout layout;   /* how it lies in memory: dense, rows with gaps between them, or gaps everywhere */
} op_input;

typedef struct op_case op_case;
typedef struct unary_equation unary_equation; /* tests/support/elementwise_check.h */
typedef struct binary_equation binary_equation;

/* Computes the visible outputs (row-major, zeros on entry) from the inputs (row-major; NULL where absent; indices as
 * doubles). What a step updates in place goes to out[OP_UPDATED(i)], which holds input i on entry. Saved outputs have
 * no room in out and are not compared. */
typedef void op_oracle(const op_case *c, const double *const in[], double *const out[]);
#define OP_UPDATED(i) (HL_MAX_OUTPUTS + (i))

/* Gradients in double: d_in (zeros on entry, NULL where none is asked for) from the inputs and the gradients of the
 * outputs (NULL where the loss does not depend on one). */
typedef void op_slopes(const op_case *c, const double *const in[], const double *const d_out[], double *const d_in[]);

/* |error| <= FLT_EPSILON * (absolute + relative * magnitude of the element) */
typedef struct op_bound {
    double absolute, relative;
} op_bound;

struct op_case {
    hl__op op;                   /* a built-in operator, */
    const hl_operator *operator; /* or, where not NULL, any other */
    const void *options;
    op_input inputs[HL_MAX_INPUTS];
    size_t n_inputs; /* 0: the operator's max_inputs */
    uint32_t node_id;
    uint64_t seed; /* of random values */

    const unary_equation *unary;   /* what an oracle shared by operators on single elements evaluates, */
    const binary_equation *binary; /* which nothing else looks at */
    op_oracle *oracle;
    op_oracle *magnitude; /* what the error of an element grows with (say, sum |a||b|); NULL: the element's own size */
    op_bound value;
    op_bound gradient; /* magnitude: sum over outputs of |d output| |d output / d input| */

    /* slopes: NULL for differences, with which they must agree where those are sharp; for op_extremes differences say
     * nothing where an output is not finite. slope_sizes: what the error of a gradient grows with; NULL: its own size.
     */
    op_slopes *slopes, *slope_sizes;
    bool linear; /* instead of slopes: outputs are sums of float inputs times constants, which the oracle tells */
    uint32_t never_extreme; /* bit i: the operator says nothing about extremes in input i */

    bool forward_only;         /* no gradients: of integers, or where the oracle has no derivative */
    uint32_t no_gradient;      /* bit i: no gradient is expected of float input i (indices never have one) */
    uint32_t absent_d_outputs; /* bit i: the loss does not depend on output i */
    hl_layout d_output_layout; /* how the gradients of the outputs lie in memory */
    double d_low, d_high;      /* range of the gradients of the outputs; both 0: -1 to 1 */
    size_t samples;            /* elements of each input whose gradient is checked; 0: 200 */
    bool unwatched;   /* too large for access and order, which run each tile once more on a copy of everything */
    size_t min_tiles; /* that every call must have where the shape allows so many, */
    const char *few_tiles[4]; /* but for these passes */
};

/* Fails the running test unless everything above holds. */
void op_check(const op_case *c);

/* The same, as a value: false, and in words why not. */
bool op_check_holds(const op_case *c, char *words, size_t size);

/* Fails the running test unless the operator is right at the extremes, on every instruction set: one input at a time
 * (and, where the case states slopes or is linear, the gradient of one output at a time) has one row, then every row,
 * replaced by offsets up to 1e8, constants up to the largest float, numbers far too large, far too small or subnormal,
 * finite masks, and infinities and NaN alone, among numbers and among each other, at every place of a short row. Then
 *
 *   the oracle says  an operator says
 *   NaN              NaN
 *   infinity         the same infinity
 *   finite           a finite number within the bound; infinity only where the bound reaches beyond the largest float.
 *                    Where the case gives magnitudes, which are sums of terms, and they exceed the largest float,
 *                    anything that is not finite will do, too: a sum overflows on its way.
 *
 * and the same of gradients. What is masked does not exist: an oracle that skips it is all that a mask needs here. The
 * case's bounds must hold whatever the size of the inputs; its shapes had better be small, with a last axis that fills
 * no register. The case as it is goes through op_check first. */
void op_extremes(const op_case *c);
bool op_extremes_hold(const op_case *c, char *words, size_t size);

/* Fails the running test unless the shape rule refuses the inputs with this status and says why. */
void op_check_refused(const op_case *c, hl_status status);

#endif
