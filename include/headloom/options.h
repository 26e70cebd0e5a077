/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Options of the built-in operators as their kernels see them: plain numbers, no tensors. Zero means the default. */
#ifndef HEADLOOM_OPTIONS_H
#define HEADLOOM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "headloom/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Which keys a query may look at, beside key padding by lengths. With Tq queries and Tk keys, query i stands at
 * position i + Tk - Tq, so that the last query stands at the last key. */
typedef enum hl_mask {
    HL_MASK_NONE = 0,
    HL_MASK_CAUSAL = 1,        /* keys at or before the query's position */
    HL_MASK_WINDOW = 2,        /* |position - key| < window */
    HL_MASK_CAUSAL_WINDOW = 3, /* both: the last `window` keys */
} hl_mask;

typedef enum hl_activation {
    HL_ACTIVATION_NONE = 0,
    HL_ACTIVATION_RELU = 1,
    HL_ACTIVATION_GELU = 2, /* tanh form, Hendrycks and Gimpel 2016 */
    HL_ACTIVATION_TANH = 3,
    HL_ACTIVATION_GELU_ERF = 4, /* x times the normal distribution, exact */
    HL_ACTIVATION_SIGMOID = 5,
    HL_ACTIVATION_SILU = 6, /* x sigmoid(x), Elfwing, Uchibe and Doya 2018 */
} hl_activation;

#define HL_IGNORED (-1) /* a label that cross-entropy leaves out */

typedef struct hl_score_config {
    float scale; /* 0: 1 / sqrt(head size) */
    hl_mask mask;
    size_t window; /* keys, at least 1 where the mask has a window */
} hl_score_config;

typedef struct hl_dropout_config {
    float rate;    /* probability of a zero, in [0, 1), taken down to a multiple of 2^-16 */
    uint64_t seed; /* key of the random numbers, together with the node's id */
} hl_dropout_config;

typedef struct hl_attention_config {
    hl_score_config score;
    hl_dropout_config dropout;
} hl_attention_config;

typedef struct hl_dense_config {
    hl_activation activation;
    bool heads;      /* x is [B, H, T, D] and w [H * D, N]: concat and dense in one, without a copy */
    bool transposed; /* w is [N, K]: a table of words that makes logits, too */
    float scale;     /* z = scale (x w + bias), before activation and residual; 0: 1 */
} hl_dense_config;

typedef struct hl_axes_config { /* sum, mean */
    uint32_t axes;              /* bit i: reduce axis i; 0: all */
    bool keep;                  /* keep reduced axes with extent 1 */
} hl_axes_config;

typedef struct hl_scale_config {
    float factor;
} hl_scale_config;

typedef struct hl_clamp_config {
    float low, high; /* low <= high; infinities are no bound */
} hl_clamp_config;

typedef struct hl_slice_config {
    size_t axis, begin, end;
} hl_slice_config;

typedef struct hl_axis_config { /* split (parts), append, gather */
    size_t axis;
    size_t parts;
} hl_axis_config;

typedef struct hl_shape_config { /* reshape, view */
    hl_shape shape;
} hl_shape_config;

typedef struct hl_order_config { /* transpose: output axis i is input axis order[i] */
    size_t order[HL_MAX_RANK];
} hl_order_config;

typedef struct hl_norm_config {
    float epsilon; /* 0: 1e-5 */
} hl_norm_config;

typedef struct hl_sgd_config {
    float momentum; /* in [0, 1) */
    float decay;    /* weight decay */
} hl_sgd_config;

typedef struct hl_adamw_config {
    float beta1, beta2, epsilon; /* 0: 0.9, 0.999, 1e-8 */
    float decay;                 /* decoupled weight decay */
} hl_adamw_config;

#ifdef __cplusplus
}
#endif
#endif
