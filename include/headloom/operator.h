/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The operator contract, the same for the built-in operators and for a user's own. An operator is data: checks and a
 * shape rule, the forward steps, and for each input the backward steps that make its gradient. A step runs a pass; a
 * pass is a kernel over a grid of tiles, and says of each tile which box of each operand it touches. Headloom derives
 * everything else (gradients, edges between tiles, memory, trace) from these declarations.
 *
 * A file that defines an operator always has the same order: equation, shapes and paper; checks and shape rule;
 * forward kernel; backward kernels; tiling and access; descriptor. */
#ifndef HEADLOOM_OPERATOR_H
#define HEADLOOM_OPERATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "headloom/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HL_MAX_INPUTS 16   /* of an operator */
#define HL_MAX_OUTPUTS 8   /* of an operator, saved ones included */
#define HL_MAX_TEMPS 4     /* of an operator's steps */
#define HL_MAX_OPERANDS 40 /* of a pass */
#define HL_MAX_STEPS 20    /* of an operator, in each direction */
#define HL_GRID_RANK 4

/* An operand as a pass sees it. Element (i0, i1, ...) is data[i0 * stride[0] + i1 * stride[1] + ...]. */
typedef struct hl_view {
    void *data;     /* first element; NULL until the program is run, and for an absent operand */
    hl_dtype dtype; /* HL_NONE: the operand is absent */
    hl_shape shape;
    size_t stride[HL_MAX_RANK]; /* in elements */
} hl_view;

/* True where the operand is there: an optional input may be absent, and so is a gradient that nobody asked for. */
static inline bool hl_view_present(const hl_view *view) { return view->dtype != HL_NONE; }

/* One use of a pass in a graph. Constant from hl_program_create on, but for operand[].data, which is set before the
 * first run. */
typedef struct hl_call {
    const hl_view *operand; /* what the step reads, then what it writes, in the step's order */
    size_t n_reads;
    size_t n_writes;
    const void *options;        /* the operator's options; NULL where it has none */
    void *plan;                 /* plan_bytes, filled by prepare; read only in kernels */
    uint32_t node_id;           /* stable within the graph: the key of random numbers */
    const struct hl_code *code; /* room for generated kernels; for the library's own operators, while they prepare */
} hl_call;

/* One tile of a call's grid. */
typedef struct hl_tile {
    uint32_t index[HL_GRID_RANK];
    void *scratch; /* the worker's own, 64-byte aligned, contents undefined; valid in kernels only */
} hl_tile;

typedef struct hl_grid {
    size_t extent[HL_GRID_RANK]; /* tiles along each grid axis, at least 1; the product is the number of tiles */
} hl_grid;

/* Half-open ranges along each axis of an operand, in the operand's own logical coordinates. */
typedef struct hl_box {
    size_t begin[HL_MAX_RANK];
    size_t end[HL_MAX_RANK];
} hl_box;

typedef struct hl_cost {
    double flops; /* additions and multiplications */
    double bytes; /* read and written, each operand counted once */
} hl_cost;

/* What an operand must look like in memory; a copy is put before the step where it does not. */
typedef enum hl_layout {
    HL_LAYOUT_DENSE = 0, /* row-major without gaps (the default) */
    HL_LAYOUT_ROWS = 1,  /* last axis contiguous, the others with any stride */
    HL_LAYOUT_ANY = 2,   /* any strides */
} hl_layout;

/* A kernel over a grid of tiles. The serial order of a call's tiles is row-major over the grid (index[0] outermost);
 * tiles that write one region run in that order, one after the other, so a kernel may add to what an earlier tile
 * wrote. All other tiles run in any order and at the same time. */
typedef struct hl_pass {
    const char *name; /* "forward", "dx", "dw", ...: shown as node.name in traces and dumps */

    /* Tiles of this call: a function of shapes, options and constants only (never of workers or caches), so that
     * results are bitwise the same everywhere. Called once the shapes are known. */
    void (*grid)(const hl_call *call, hl_grid *grid);

    /* The box of each operand that this tile touches, reads first, then writes. boxes[] comes in as whole operands;
     * narrow it. NULL: every tile touches whole operands. A box with begin == end on some axis touches nothing (an
     * operand that is named for its shape alone); a scalar has no axis, so every tile touches it. */
    void (*access)(const hl_call *call, const hl_tile *tile, hl_box *boxes);

    /* Cost of one tile; NULL: the bytes of its boxes and no flops. */
    hl_cost (*cost)(const hl_call *call, const hl_tile *tile);

    /* Scratch bytes that a tile of this call needs; NULL: none. */
    size_t (*scratch)(const hl_call *call);

    /* Fills call->plan (zeroed, plan_bytes) once when a program is made: kernels looked up, constants computed.
     * May fail: HL_UNSUPPORTED where no kernel fits. NULL: nothing to prepare. */
    size_t plan_bytes;
    hl_status (*prepare)(const hl_call *call, void *plan);

    /* Computes one tile. Reads only the boxes that access() gives for reading, writes only those for writing; cannot
     * fail, allocates nothing, knows no thread. Integer operands hold values in the range that the shape rule set. */
    void (*kernel)(const hl_call *call, const hl_tile *tile);

    hl_layout layout[HL_MAX_OPERANDS]; /* of each operand that is read; what is written is always dense */
    bool background; /* not on the path to other gradients (weight gradients, updates): runs when nothing else waits */
} hl_pass;

/* Names of values in a step's lists. A list ends with 0. */
#define HL_IN(i) ((uint16_t)(0x100 + (i)))   /* input i; in a list of writes: updated in place (state tensors only) */
#define HL_OUT(i) ((uint16_t)(0x200 + (i)))  /* output i */
#define HL_DOUT(i) ((uint16_t)(0x300 + (i))) /* gradient of output i; absent where the loss does not depend on it */
#define HL_DIN(i) ((uint16_t)(0x400 + (i)))  /* gradient of input i; absent where nobody asked for it */
#define HL_TEMP(i) ((uint16_t)(0x500 + (i))) /* temporary i, shaped by the shape rule, alive within one direction */

/* In a backward step's list of reads: the gradient of input i from the readers further behind, shaped like the input;
 * absent where there is none. A step that reads it adds it to what it writes to HL_DIN(i), so that the sum costs no
 * pass of its own. It must be the only step that writes HL_DIN(i), and without an alias: a view has nothing to add to.
 * The share is a value of its own: a tile declares the box of it that it reads, as of any operand. */
#define HL_SHARE(i) ((uint16_t)(0x600 + (i)))

/* A pass applied to named values. A backward step runs where it writes a gradient that is asked for, or a temporary
 * that such a step reads. */
typedef struct hl_step {
    const hl_pass *pass;
    uint16_t reads[HL_MAX_OPERANDS];
    uint16_t writes[HL_MAX_INPUTS + 2];

    /* Where not NULL and true: writes[0] is no new value but a view into reads[0], and the pass is not run. On entry
     * *view has the data type and shape of writes[0]; fill stride and *offset (elements from source's first). */
    bool (*alias)(const hl_call *call, const hl_view *source, hl_view *view, size_t *offset);

    /* The gradient may lie where the share that the step reads lies: then both operands are the same memory, and the
     * kernel writes only what it adds to. For steps that add to little of a large tensor. */
    bool onto_share;
} hl_step;

/* What a shape rule is given and fills. Fields that it leaves alone are zero. */
typedef struct hl_inference {
    const void *options;
    size_t n_inputs;
    const hl_view *input; /* data NULL, dense strides; HL_NONE where an optional input is left out */

    size_t n_outputs; /* preset to the descriptor's; a rule may lower or raise it (split) */
    hl_shape output[HL_MAX_OUTPUTS];
    hl_dtype output_dtype[HL_MAX_OUTPUTS]; /* preset to HL_F32 */
    hl_shape temp[HL_MAX_TEMPS];           /* HL_F32 */

    /* Accepted values of each HL_I32 input, both ends included; preset to the full range. Checked when written. */
    int32_t index_min[HL_MAX_INPUTS];
    int32_t index_max[HL_MAX_INPUTS];

    /* Bit i: HL_F32 input i is a scalar that has to be finite, as a rate has. An input of the graph is then refused
     * when it is written, a constant at once; one that is computed is looked at after each run (HL_NOT_FINITE). */
    uint32_t finite;

    char message[320]; /* what is wrong, with shapes; the graph puts operator and node before it */
} hl_inference;

/* Writes the message and returns status, for `return hl_refuse(inference, HL_SHAPE_MISMATCH, "...", ...)`. */
HL_PUBLIC hl_status hl_refuse(hl_inference *inference, hl_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

typedef struct hl_operator {
    const char *name; /* lower case, the field's term */
    size_t min_inputs;
    size_t max_inputs;
    uint32_t optional;    /* bit i: input i may be NULL */
    size_t n_outputs;     /* those that a user sees, then those saved for the backward steps */
    size_t n_saved;       /* the last n_saved outputs are only for the backward steps */
    size_t options_bytes; /* copied into the graph; 0: none */
    hl_status (*infer)(hl_inference *inference);
    hl_step forward[HL_MAX_STEPS];  /* ends with a step without pass */
    hl_step backward[HL_MAX_STEPS]; /* in the order in which they run */
} hl_operator;

#ifdef __cplusplus
}
#endif
#endif
