/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How layers and initialisers refuse: with the words in the graph, as operators do. */
#ifndef HL_NN_REFUSE_H
#define HL_NN_REFUSE_H

#include "headloom/graph.h"

/* Leaves the error in the graph (the first one stays) and returns NULL. */
hl_tensor *hl__nn_refuse(hl_graph *graph, hl_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
