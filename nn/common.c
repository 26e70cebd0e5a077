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

hl_tensor *hl__nn_param(const hl_nn *nn, const char *name, const char *part, hl_shape shape, bool *fresh) {
    char text[HL__NN_NAME];
    if (!hl__nn_join(nn, text, name, part)) return NULL;
    *fresh = !hl_param_find(nn->graph, text);
    if (!*fresh && !nn->share)
        return hl__nn_refuse(nn->graph, HL_EXISTS,
                             "'%s': the parameter '%s' belongs to another layer; hl_nn.share lets layers share theirs",
                             name, text);
    return hl_param(nn->graph, text, HL_F32, shape);
}

hl_tensor *hl__nn_vector(const hl_nn *nn, const char *name, const char *part, hl_shape shape, float value) {
    bool fresh = false;
    hl_tensor *param = hl__nn_param(nn, name, part, shape, &fresh);
    return fresh ? hl_init_constant(nn->graph, hl_param_decay(nn->graph, param, false), value) : param;
}

/* In double, and rounded once. */
static hl_tensor *initialise(const hl_nn *nn, hl_tensor *param, double fan_in, double fan_out) {
    hl_graph *g = nn->graph;
    float value = nn->init.value;
    double one = value != 0 ? (double)value : 1, relu = value != 0 ? (double)value : sqrt(2);
    float bound = value, deviation = value;
    if (!isfinite(value))
        return hl__nn_refuse(g, HL_OUT_OF_RANGE, "'%s': %g is no initialiser's value", hl_tensor_name(param),
                             (double)value);
    switch (nn->init.kind) {
    case HL_INIT_CONSTANT: return hl_init_constant(g, param, value);
    case HL_INIT_FAN_IN: bound = (float)(one / sqrt(fan_in)); break;
    case HL_INIT_UNIFORM: break;
    case HL_INIT_XAVIER_UNIFORM: bound = (float)(one * sqrt(6 / (fan_in + fan_out))); break;
    case HL_INIT_KAIMING_UNIFORM: bound = (float)(relu * sqrt(3 / fan_in)); break;
    case HL_INIT_NORMAL: return hl_init_normal(g, param, 0, deviation, nn->seed);
    case HL_INIT_XAVIER_NORMAL:
        deviation = (float)(one * sqrt(2 / (fan_in + fan_out)));
        return hl_init_normal(g, param, 0, deviation, nn->seed);
    case HL_INIT_KAIMING_NORMAL:
        deviation = (float)(relu / sqrt(fan_in));
        return hl_init_normal(g, param, 0, deviation, nn->seed);
    default:
        return hl__nn_refuse(g, HL_INVALID_ARGUMENT, "'%s': %d is no kind of initialiser", hl_tensor_name(param),
                             (int)nn->init.kind);
    }
    return hl_init_uniform(g, param, -bound, bound, nn->seed);
}

hl_tensor *hl__nn_matrix(const hl_nn *nn, const char *name, const char *part, hl_shape shape, size_t fan_in) {
    bool fresh = false;
    hl_tensor *param = hl__nn_param(nn, name, part, shape, &fresh);
    if (!fresh || !param) return param;
    double elements = (double)hl_shape_elements(&shape);
    return initialise(nn, param, (double)fan_in, elements / (double)fan_in);
}

hl_nn hl__nn_residual(const hl_nn *nn) {
    hl_nn made = *nn;
    bool given = nn->residual.kind != HL_INIT_FAN_IN || nn->residual.value != 0;
    if (given) made.init = nn->residual;
    return made;
}
