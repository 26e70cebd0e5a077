/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Building a computation graph. Nodes are append-only; every constructor checks shapes at once. The first error stays
 * in the graph (status, operator, node and shapes): the failing constructor and every later one return NULL, NULL
 * operands pass through silently, and hl_program_create reports the error, so a chain of calls needs one check.
 *
 * Layout: tensors are row-major, [batch, tokens, features]; heads are [batch, heads, tokens, size]; attention weights
 * are [batch, heads, queries, keys]. Float tensors are HL_F32, index tensors HL_I32.
 * Numbers that are none: what is masked does not exist (masked scores, ignored labels, elements that a mask does not
 * choose), whatever it holds, forward and backward. Everything else propagates, so that a run that has gone wrong says
 * HL_NOT_FINITE: NaN gives NaN, infinities give what the equation gives in real numbers' limits or, where there is none
 * (infinity less infinity, 0 times infinity), NaN. Finite numbers give finite results up to the largest float, whatever
 * their common offset: what an equation does not depend on costs no digits.
 * Ownership: the graph owns its tensors; they live until hl_graph_destroy. Options and strings are copied. A graph must
 * outlive the programs made from it.
 * Thread safety: a graph may be built by one thread at a time; programs may be made from it by several. */
#ifndef HEADLOOM_GRAPH_H
#define HEADLOOM_GRAPH_H

#include <stdbool.h>

#include "headloom/operator.h"
#include "headloom/options.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hl_graph hl_graph;
typedef struct hl_tensor hl_tensor;

HL_PUBLIC hl_status hl_graph_create(hl_graph **graph);
HL_PUBLIC void hl_graph_destroy(hl_graph *graph); /* NULL is harmless */

/* The first error of the graph: HL_OK where there is none, and its words, borrowed from the graph. Where there is none,
 * the words say why hl_program_create failed the last time that it did ("" where it never has). */
HL_PUBLIC hl_status hl_graph_status(const hl_graph *graph);
HL_PUBLIC const char *hl_graph_error(const hl_graph *graph);

/* Draws the graph as built, in Graphviz's language: one box a node, one edge a tensor with its shape.
 * HL_SYSTEM: path cannot be written; or the graph's own error. */
HL_PUBLIC hl_status hl_graph_dump_dot(const hl_graph *graph, const char *path);

/* ---- leaves ---- */

/* A tensor whose values are written before a run (hl_program_write). HL_I32 inputs accept what every consumer accepts.
 */
HL_PUBLIC hl_tensor *hl_input(hl_graph *graph, const char *name, hl_dtype dtype, hl_shape shape);

/* A tensor of fixed values, dense row-major (hl_shape_elements(shape) of them), copied into the graph. It cannot be
 * written (hl_program_write: HL_NOT_FOUND) and can be read like an input; programs each hold a copy. The elements of an
 * HL_I32 constant are checked against the range of every consumer when that is built: HL_OUT_OF_RANGE, with consumer,
 * constant and element in the words. name: NULL for one of the graph's making, "constant_<number>". HL_EXISTS: the name
 * is taken. HL_INVALID_ARGUMENT: values is NULL, or no such type. */
HL_PUBLIC hl_tensor *hl_constant(hl_graph *graph, const char *name, hl_dtype dtype, hl_shape shape, const void *values);

/* A trainable tensor, owned by the state under this name. Starts as zeros unless hl_param_init says otherwise. The
 * same name again gives the same tensor (HL_TYPE_MISMATCH, HL_SHAPE_MISMATCH: dtype and shape must agree). HL_EXISTS:
 * an input, or a moment or count of an optimiser, has the name. */
HL_PUBLIC hl_tensor *hl_param(hl_graph *graph, const char *name, hl_dtype dtype, hl_shape shape);

/* The parameter of this name; NULL where the graph has none, which is no error of the graph. */
HL_PUBLIC hl_tensor *hl_param_find(hl_graph *graph, const char *name);

/* How a parameter's first values are made, when a state first meets it. values: hl_shape_elements(shape) floats, dense.
 * context: bytes are copied. Must be deterministic; called by hl_program_create on the calling thread. */
typedef void (*hl_init_function)(float *values, const hl_shape *shape, const char *name, const void *context);
HL_PUBLIC hl_tensor *hl_param_init(hl_graph *graph, hl_tensor *param, hl_init_function function, const void *context,
                                   size_t bytes);

/* A frozen parameter is left alone by optimisers that choose for themselves; its gradient can still be asked for. */
HL_PUBLIC hl_tensor *hl_param_freeze(hl_graph *graph, hl_tensor *param);

/* Whether the weight decay of optimisers is for the parameter. As it is made, it is for those of rank 2 and more:
 * matrices and tables; vectors that stand for biases or gains, of whatever rank, say no. */
HL_PUBLIC hl_tensor *hl_param_decay(hl_graph *graph, hl_tensor *param, bool decays);

/* ---- tensors ---- */

/* Gives the node that makes the tensor a name, for errors, traces and dumps. Returns the tensor. */
HL_PUBLIC hl_tensor *hl_name(hl_graph *graph, hl_tensor *tensor, const char *name);
HL_PUBLIC const char *hl_tensor_name(const hl_tensor *tensor);
HL_PUBLIC hl_shape hl_tensor_shape(const hl_tensor *tensor); /* rank 0 for NULL */
HL_PUBLIC hl_dtype hl_tensor_dtype(const hl_tensor *tensor); /* HL_NONE for NULL */

/* ---- any operator ---- */

/* Applies an operator, built-in or the caller's own (*op must outlive the graph; it is not copied). inputs: n tensors,
 * NULL where an optional one is left out. options: op->options_bytes, copied. outputs: the visible outputs, may be
 * NULL. Returns the first visible output; NULL on error and where the operator has none. HL_INVALID_ARGUMENT,
 * HL_TYPE_MISMATCH, or what the operator's shape rule says. */
HL_PUBLIC hl_tensor *hl_apply(hl_graph *graph, const hl_operator *op, hl_tensor *const inputs[], size_t n,
                              const void *options, hl_tensor *outputs[]);

/* The built-in operator of this name; NULL where there is none. */
HL_PUBLIC const hl_operator *hl_operator_find(const char *name);

/* ---- attention ---- */

/* x [B, T, K], w [K, H, D], bias [H, D] or NULL -> [B, H, T, D]: y[b,h,t] = x[b,t] w[:,h] + bias[h]. */
HL_PUBLIC hl_tensor *hl_project(hl_graph *graph, hl_tensor *x, hl_tensor *w, hl_tensor *bias);

typedef struct hl_score_options {
    float scale; /* 0: 1 / sqrt(D) */
    hl_mask mask;
    size_t window;      /* keys a query sees where the mask has a window */
    hl_tensor *bias;    /* [B or 1, H or 1, Tq, Tk], added to the scaled scores; may be NULL */
    hl_tensor *lengths; /* HL_I32 [B]: keys at or beyond lengths[b] are masked; may be NULL */
} hl_score_options;

/* query [B, H, Tq, D], key [B, Hk, Tk, D] -> [B, H, Tq, Tk]; masked scores are -infinity, and so are those whose bias
 * is. What is masked does not exist: NaN or infinity in queries, keys, values and biases reaches nothing that its pair
 * of query and key is masked from, forwards and backwards. options: NULL for defaults. Hk divides H: query head h uses
 * key head h / (H / Hk) (grouped queries, Ainslie et al. 2023). */
HL_PUBLIC hl_tensor *hl_score(hl_graph *graph, hl_tensor *query, hl_tensor *key, const hl_score_options *options);

/* Softmax over the last axis. A row of -infinity alone, masked wholly, gives zeros; one masked by finite numbers is a
 * row like any other (equal numbers: 1 / n each); NaN or infinity anywhere makes its row NaN. Where a weight is 0 its
 * gradient does not matter, even if it is NaN. Score, softmax, dropout and weight run as one
 * fused attention (Dao 2023) where nothing else in the loss needs what is between; the weights can still be read. */
HL_PUBLIC hl_tensor *hl_softmax(hl_graph *graph, hl_tensor *x);

/* p [B, H, Tq, Tk], value [B, Hk, Tk, D] -> [B, H, Tq, D]; Hk divides H: head h uses the values of head h / (H / Hk).
 * Where p is 0, its value adds nothing, whatever it is (that of a masked key, say). */
HL_PUBLIC hl_tensor *hl_weight(hl_graph *graph, hl_tensor *p, hl_tensor *value);

/* Heads side by side: [B, H, T, D] -> [B, T, H * D]. Costs nothing before hl_dense. */
HL_PUBLIC hl_tensor *hl_concat(hl_graph *graph, hl_tensor *heads);

/* ---- layers ---- */

/* x [..., K], w [K, N], bias [N] or NULL -> [..., N]. A scale and an activation behind it are fused into it. */
HL_PUBLIC hl_tensor *hl_dense(hl_graph *graph, hl_tensor *x, hl_tensor *w, hl_tensor *bias);

/* table [V, D], index HL_I32 [...] in 0..V-1 -> [..., D]. */
HL_PUBLIC hl_tensor *hl_embedding(hl_graph *graph, hl_tensor *table, hl_tensor *index);

/* Over the last axis (Ba, Kiros and Hinton 2016): gain [C], bias [C] or NULL; epsilon 0: 1e-5. A row of equal numbers
 * gives the bias, exactly, and an offset changes nothing, up to the largest float; NaN or infinity anywhere makes its
 * row NaN. */
HL_PUBLIC hl_tensor *hl_layer_norm(hl_graph *graph, hl_tensor *x, hl_tensor *gain, hl_tensor *bias, float epsilon);

/* Zeroes elements with probability rate, taken down to a multiple of 2^-16, and scales the others by 1 / (1 - rate).
 * Element (outer, row, j) is decided by word j / 4 mod 4 of Philox4x32-10(counter {4 (j / 32) + j mod 4, row, outer,
 * step}, key {seed, node}), its lower half where j / 16 is even, else its upper half: the same for any worker count, a
 * fresh mask each training step. rate 0: x itself. HL_OUT_OF_RANGE: rate not in [0, 1). */
HL_PUBLIC hl_tensor *hl_dropout(hl_graph *graph, hl_tensor *x, float rate, uint64_t seed);

/* Element by element. NaN gives NaN, and infinities give the limits: 0 or 1 or x itself. */
HL_PUBLIC hl_tensor *hl_gelu(hl_graph *graph, hl_tensor *x);     /* tanh form (Hendrycks and Gimpel 2016) */
HL_PUBLIC hl_tensor *hl_gelu_erf(hl_graph *graph, hl_tensor *x); /* x (1 + erf(x / sqrt 2)) / 2, the exact form */
HL_PUBLIC hl_tensor *hl_relu(hl_graph *graph, hl_tensor *x);     /* gradient 0 at 0 */
HL_PUBLIC hl_tensor *hl_sigmoid(hl_graph *graph, hl_tensor *x);  /* 1 / (1 + e^-x) */
HL_PUBLIC hl_tensor *hl_silu(hl_graph *graph, hl_tensor *x);     /* x sigmoid(x) (Elfwing, Uchibe and Doya 2018) */
HL_PUBLIC hl_tensor *hl_tanh(hl_graph *graph, hl_tensor *x);

/* ---- arithmetic; shapes broadcast as numpy's do ---- */
HL_PUBLIC hl_tensor *hl_add(hl_graph *graph, hl_tensor *a, hl_tensor *b);
HL_PUBLIC hl_tensor *hl_subtract(hl_graph *graph, hl_tensor *a, hl_tensor *b);
HL_PUBLIC hl_tensor *hl_multiply(hl_graph *graph, hl_tensor *a, hl_tensor *b);
HL_PUBLIC hl_tensor *hl_divide(hl_graph *graph, hl_tensor *a, hl_tensor *b);
HL_PUBLIC hl_tensor *hl_scale(hl_graph *graph, hl_tensor *x, float factor);
HL_PUBLIC hl_tensor *hl_exp(hl_graph *graph, hl_tensor *x);
HL_PUBLIC hl_tensor *hl_log(hl_graph *graph, hl_tensor *x);
HL_PUBLIC hl_tensor *hl_sqrt(hl_graph *graph, hl_tensor *x);

/* |x|; gradient 0 at 0. */
HL_PUBLIC hl_tensor *hl_abs(hl_graph *graph, hl_tensor *x);

/* The smaller, the larger of two numbers: NaN where either is NaN, -0 below +0 (IEEE 754-2019). The gradient goes to
 * the operand that is chosen, to each of equal ones half of it. */
HL_PUBLIC hl_tensor *hl_minimum(hl_graph *graph, hl_tensor *a, hl_tensor *b);
HL_PUBLIC hl_tensor *hl_maximum(hl_graph *graph, hl_tensor *a, hl_tensor *b);

/* x, but at least low and at most high; NaN stays. The gradient is 0 outside of low..high and passes at both ends.
 * HL_OUT_OF_RANGE: low > high, or one is NaN; infinities are no bound. */
HL_PUBLIC hl_tensor *hl_clamp(hl_graph *graph, hl_tensor *x, float low, float high);

/* Masks, HL_I32: 1 where a < b, a <= b, a = b, else 0; NaN is less than nothing and equals nothing. No gradient flows
 * through a mask. */
HL_PUBLIC hl_tensor *hl_less(hl_graph *graph, hl_tensor *a, hl_tensor *b);
HL_PUBLIC hl_tensor *hl_less_equal(hl_graph *graph, hl_tensor *a, hl_tensor *b);
HL_PUBLIC hl_tensor *hl_equal(hl_graph *graph, hl_tensor *a, hl_tensor *b);

/* a where the mask (HL_I32) is not 0, b elsewhere. Elements that are not chosen do not exist: NaN and infinity in them
 * reach nothing, and their gradient is 0. (What computes an element passes that 0 on by its own rule: where the rule
 * divides by 0 or NaN, as that of hl_sqrt does at x <= 0, choose among the operands before it.) */
HL_PUBLIC hl_tensor *hl_select(hl_graph *graph, hl_tensor *mask, hl_tensor *a, hl_tensor *b);

/* Over the axes whose bits are set (0: all); keep: reduced axes stay with extent 1. */
HL_PUBLIC hl_tensor *hl_sum(hl_graph *graph, hl_tensor *x, uint32_t axes, bool keep);
HL_PUBLIC hl_tensor *hl_mean(hl_graph *graph, hl_tensor *x, uint32_t axes, bool keep);

/* ---- shape ---- */
/* Same elements in row-major order: a view of x where x lies dense in memory (what operators produce does), else a
 * copy. */
HL_PUBLIC hl_tensor *hl_reshape(hl_graph *graph, hl_tensor *x, hl_shape shape);
/* As hl_reshape; the name for "no copy wanted". */
HL_PUBLIC hl_tensor *hl_view_as(hl_graph *graph, hl_tensor *x, hl_shape shape);
HL_PUBLIC hl_tensor *hl_transpose(hl_graph *graph, hl_tensor *x,
                                  const size_t order[]); /* output axis i is input axis order[i] */
HL_PUBLIC hl_tensor *hl_slice(hl_graph *graph, hl_tensor *x, size_t axis, size_t begin, size_t end);
HL_PUBLIC hl_status hl_split(hl_graph *graph, hl_tensor *x, size_t axis, size_t parts, hl_tensor *outputs[]);
HL_PUBLIC hl_tensor *hl_append(hl_graph *graph, hl_tensor *const inputs[], size_t n,
                               size_t axis); /* up to HL_MAX_INPUTS */
HL_PUBLIC hl_tensor *hl_gather(hl_graph *graph, hl_tensor *x, hl_tensor *index,
                               size_t axis); /* index replaces the axis */

/* ---- losses: scalars ---- */

/* logits [..., C], labels HL_I32 [...] in 0..C-1 or HL_IGNORED: mean of -log softmax over labels not ignored; 0 where
 * all are. A row that is ignored does not exist: its gradient is 0, whatever it holds. One that holds NaN, infinity, or
 * nothing but -infinity makes the loss NaN; a label whose logit is -infinity makes it infinite. */
HL_PUBLIC hl_tensor *hl_cross_entropy(hl_graph *graph, hl_tensor *logits, hl_tensor *labels);
HL_PUBLIC hl_tensor *hl_squared_error(hl_graph *graph, hl_tensor *prediction, hl_tensor *target); /* mean */

/* ---- gradients and optimisers ---- */

/* d loss / d wrt, shaped like wrt; zeros where the loss does not depend on it. loss: a scalar. Expanded when a program
 * is made. */
HL_PUBLIC hl_tensor *hl_gradient(hl_graph *graph, hl_tensor *loss, hl_tensor *wrt);

typedef struct hl_sgd_options {
    hl_tensor *rate;          /* F32 scalar, usually an input */
    float momentum;           /* in [0, 1) */
    float decay;              /* from 0 on; on parameters that decay (hl_param_decay) */
    hl_tensor *const *params; /* NULL: every parameter that the loss depends on and that is not frozen */
    size_t n_params;
} hl_sgd_options;

typedef struct hl_adamw_options {
    hl_tensor *rate;          /* F32 scalar, usually an input */
    float beta1, beta2;       /* in [0, 1); 0: 0.9, 0.999 */
    float epsilon;            /* from 0 on; 0: 1e-8 */
    float decay;              /* from 0 on; on parameters that decay (hl_param_decay) */
    hl_tensor *const *params; /* NULL: every parameter that the loss depends on and that is not frozen */
    size_t n_params;
} hl_adamw_options;

/* One training step (Loshchilov and Hutter 2019). Asking a program for the returned tensor makes each run compute the
 * gradients and update the parameters in place. Every other result of that run is computed from the parameters before
 * the update.
 *
 * The returned tensor (HL_I32 scalar) is the number of steps that this optimiser has finished. It is kept with the
 * parameters: each counts the updates that it has had in all programs on the state, AdamW corrects its moments by this
 * count, and where the counts differ, since others have trained some of the parameters as well, the least is returned.
 * A program may have any number of optimisers; two that update the same parameter are refused by hl_program_create
 * (HL_UNSUPPORTED, with the names). Dropout goes on by one a run, whatever their number.
 *
 * HL_OUT_OF_RANGE: an option that is not in the range above, NaN among them. A rate that is not finite changes no
 * parameter, moment or count, and is never passed over: an input is refused when it is written (HL_OUT_OF_RANGE), a
 * rate that the graph computes or keeps as state makes the run HL_NOT_FINITE. */
HL_PUBLIC hl_tensor *hl_sgd(hl_graph *graph, hl_tensor *loss, const hl_sgd_options *options);
HL_PUBLIC hl_tensor *hl_adamw(hl_graph *graph, hl_tensor *loss, const hl_adamw_options *options);

#ifdef __cplusplus
}
#endif
#endif
