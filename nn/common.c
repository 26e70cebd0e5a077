/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Checks and parameter names of the layers. */
#include "nn/common.h"

#include <math.h>
#include <stdio.h>

bool hl__nn_ready(const hl_nn *nn, const char *layer, const char *name, const hl_tensor *x, size_t min_rank,
                  bool exact) {
    if (!nn || hl_graph_status(nn->graph) != HL_OK) return false;
    if (!name || !*name) return hl__nn_refuse(nn->graph, HL_INVALID_ARGUMENT, "%s: no name", layer);
    if (!x) return hl__nn_refuse(nn->graph, HL_INVALID_ARGUMENT, "%s '%s': x is NULL", layer, name);
    hl_shape shape = hl_tensor_shape(x);
    if (shape.rank >= min_rank && !(exact && shape.rank > min_rank)) return true;
    char text[HL_SHAPE_TEXT];
    return hl__nn_refuse(nn->graph, HL_SHAPE_MISMATCH, "%s '%s': x %s has %zu axes, not %s%zu", layer, name,
                         hl_shape_text(&shape, text, sizeof text), shape.rank, exact ? "" : "at least ", min_rank);
}

const char *hl__nn_join(const hl_nn *nn, char text[HL__NN_NAME], const char *name, const char *part) {
    int bytes = snprintf(text, HL__NN_NAME, "%s.%s", name, part);
    if (bytes > 0 && bytes < HL__NN_NAME) return text;
    hl__nn_refuse(nn->graph, HL_OUT_OF_RANGE, "the name '%.40s...' is longer than %d bytes with '.%s'", name,
                  HL__NN_NAME - 1, part);
    return NULL;
}

hl_tensor *hl__nn_param(const hl_nn *nn, const char *name, const char *part, hl_shape shape, size_t fan_in) {
    char text[HL__NN_NAME];
    if (!hl__nn_join(nn, text, name, part)) return NULL;
    hl_tensor *param = hl_param(nn->graph, text, HL_F32, shape);
    if (fan_in == 0) return hl_init_constant(nn->graph, hl_param_decay(nn->graph, param, false), 0);
    float bound = (float)(1 / sqrt((double)fan_in));
    return hl_init_uniform(nn->graph, param, -bound, bound, nn->seed);
}
