/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rung (d): a transformer block in its pre-norm form (Xiong et al. 2020), x + attention(norm(x)), then + a feed-forward
 * of one hidden layer over the norm of that. */
#include "headloom/nn.h"
#include "nn/common.h"

static hl_tensor *activate(const hl_nn *nn, const char *name, hl_tensor *x, hl_activation activation) {
    switch (activation) {
    case HL_ACTIVATION_NONE:
    case HL_ACTIVATION_RELU: return hl_relu(nn->graph, x);
    case HL_ACTIVATION_GELU: return hl_gelu(nn->graph, x);
    case HL_ACTIVATION_TANH: return hl_tanh(nn->graph, x);
    case HL_ACTIVATION_GELU_ERF: return hl_gelu_erf(nn->graph, x);
    case HL_ACTIVATION_SIGMOID: return hl_sigmoid(nn->graph, x);
    case HL_ACTIVATION_SILU: return hl_silu(nn->graph, x);
    }
    return hl__nn_refuse(nn->graph, HL_INVALID_ARGUMENT, "block '%s': %d is no activation", name, (int)activation);
}

/* Adds what a sublayer makes of the norm of x to x; NULL passes through. */
static hl_tensor *residual(const hl_nn *nn, hl_tensor *x, hl_tensor *made, float dropout) {
    return made ? hl_add(nn->graph, x, hl_nn_dropout(nn, made, dropout)) : NULL;
}

static hl_tensor *normed(const hl_nn *nn, const char *name, const char *part, hl_tensor *x,
                         const hl_block_options *options) {
    char text[HL__NN_NAME];
    if (!hl__nn_join(nn, text, name, part)) return NULL;
    return hl_nn_layer_norm(nn, text, x, !options->no_bias, options->epsilon);
}

static hl_tensor *dense(const hl_nn *nn, const char *name, const char *part, hl_tensor *x, size_t width, bool bias) {
    char text[HL__NN_NAME];
    return hl__nn_join(nn, text, name, part) ? hl_nn_dense(nn, text, x, width, bias) : NULL;
}

hl_tensor *hl_nn_block(const hl_nn *nn, const char *name, hl_tensor *x, const hl_block_options *options) {
    if (!hl__nn_ready(nn, "block", name, x, 3, true)) return NULL;
    hl_block_options given = options ? *options : (hl_block_options){0};
    size_t width = hl_tensor_shape(x).extent[2], hidden = given.hidden ? given.hidden : 4 * width;
    bool bias = !given.no_bias;
    given.attention.no_bias |= given.no_bias;

    char text[HL__NN_NAME];
    if (!hl__nn_join(nn, text, name, "attention")) return NULL;
    hl_tensor *attended = hl_nn_multi_head_attention(nn, text, normed(nn, name, "norm1", x, &given), &given.attention);
    x = residual(nn, x, attended, given.dropout);

    hl_tensor *h = dense(nn, name, "up", normed(nn, name, "norm2", x, &given), hidden, bias);
    h = activate(nn, name, h, given.activation);
    h = h ? hl_nn_dropout(nn, h, given.dropout) : NULL;
    hl_nn out = hl__nn_residual(nn);
    return residual(nn, x, dense(&out, name, "down", h, width, bias), given.dropout);
}
