/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Attention's only sense of order here: a learned bias per head on the clipped distance from query to key (Shaw et al.
 * 2018 clip it; a scalar per head as in Raffel et al. 2020). */
#include "headloom/nn.h"
#include "nn/common.h"

/* 2 * reach + 1 rows, whose indices must fit int32_t. */
#define MAX_REACH ((size_t)INT32_MAX / 2)

hl_tensor *hl_nn_distance_bias(const hl_nn *nn, const char *name, hl_tensor *distance, size_t heads, size_t reach) {
    if (!hl__nn_ready(nn, "distance bias", name, distance, 2, true)) return NULL;
    if (heads == 0 || reach >= MAX_REACH)
        return hl__nn_refuse(nn->graph, HL_OUT_OF_RANGE, "distance bias '%s': %zu heads with a reach of %zu", name,
                             heads, reach);
    hl_shape pairs = hl_tensor_shape(distance);
    hl_tensor *table = hl__nn_vector(nn, name, "table", HL_SHAPE(heads, 2 * reach + 1), 0);
    hl_tensor *bias = hl_gather(nn->graph, table, distance, 1);
    return hl_reshape(nn->graph, bias, HL_SHAPE(1, heads, pairs.extent[0], pairs.extent[1]));
}

void hl_nn_distances(int32_t *distance, size_t queries, size_t keys, size_t reach) {
    if (!distance) return;
    int64_t limit = (int64_t)(reach < MAX_REACH ? reach : MAX_REACH);
    for (size_t q = 0; q < queries; q++) {
        /* As with masks, the last query stands at the last key. */
        int64_t position = (int64_t)q + (int64_t)keys - (int64_t)queries;
        for (size_t k = 0; k < keys; k++) {
            int64_t away = (int64_t)k - position;
            away = away < -limit ? -limit : away > limit ? limit : away;
            distance[q * keys + k] = (int32_t)(away + limit);
        }
    }
}
