/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Layers with parameters of their own: dense, embedding, layer norm; and dropout, which training alone has. */
#include "headloom/nn.h"
#include "nn/common.h"

hl_tensor *hl_nn_dense(const hl_nn *nn, const char *name, hl_tensor *x, size_t width, bool bias) {
    if (!hl__nn_ready(nn, "dense", name, x, 1, false)) return NULL;
    hl_shape shape = hl_tensor_shape(x);
    size_t K = shape.extent[shape.rank - 1];
    hl_tensor *w = hl__nn_matrix(nn, name, "w", HL_SHAPE(K, width), K);
    hl_tensor *b = bias ? hl__nn_vector(nn, name, "b", HL_SHAPE(width), 0) : NULL;
    return hl_dense(nn->graph, x, w, b);
}

hl_tensor *hl_nn_embedding(const hl_nn *nn, const char *name, hl_tensor *index, size_t rows, size_t width,
                           float deviation) {
    if (!hl__nn_ready(nn, "embedding", name, index, 0, false)) return NULL;
    bool fresh = false;
    hl_tensor *table = hl__nn_param(nn, name, "table", HL_SHAPE(rows, width), &fresh);
    if (fresh) table = hl_init_normal(nn->graph, table, 0, deviation, nn->seed);
    return hl_embedding(nn->graph, table, index);
}

hl_tensor *hl_nn_layer_norm(const hl_nn *nn, const char *name, hl_tensor *x, bool bias, float epsilon) {
    if (!hl__nn_ready(nn, "layer norm", name, x, 1, false)) return NULL;
    hl_shape shape = hl_tensor_shape(x);
    size_t C = shape.extent[shape.rank - 1];
    hl_tensor *gain = hl__nn_vector(nn, name, "gain", HL_SHAPE(C), 1);
    hl_tensor *b = bias ? hl__nn_vector(nn, name, "bias", HL_SHAPE(C), 0) : NULL;
    return hl_layer_norm(nn->graph, x, gain, b, epsilon);
}

/* The rate is checked in evaluation too, so that a wrong one does not wait for the first training. */
hl_tensor *hl_nn_dropout(const hl_nn *nn, hl_tensor *x, float rate) {
    if (!hl__nn_ready(nn, "dropout", hl_tensor_name(x), x, 0, false)) return NULL;
    if (!(rate >= 0 && rate < 1))
        return hl__nn_refuse(nn->graph, HL_OUT_OF_RANGE, "dropout of '%s': rate %g is not in [0, 1)", hl_tensor_name(x),
                             (double)rate);
    return nn->training ? hl_dropout(nn->graph, x, rate, nn->seed) : x;
}
