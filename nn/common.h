/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the layers share: checks that put their words into the graph, and parameters named "<layer>.<part>". Only the
 * public headers stand behind it. */
#ifndef HL_NN_COMMON_H
#define HL_NN_COMMON_H

#include "headloom/nn.h"
#include "nn/refuse.h"

#define HL__NN_NAME 256 /* bytes of the longest parameter name, its end included */

/* True where a layer can be built: there is a graph without error, a name, and a tensor x of at least min_rank axes
 * (exactly that many where `exact`). Else the graph holds an error, unless there is no graph to hold it. */
bool hl__nn_ready(const hl_nn *nn, const char *layer, const char *name, const hl_tensor *x, size_t min_rank,
                  bool exact);

/* Writes "<name>.<part>" and returns text; NULL, with the error in the graph, where it is too long. */
const char *hl__nn_join(const hl_nn *nn, char text[HL__NN_NAME], const char *name, const char *part);

/* The parameter "<name>.<part>": a matrix that fan_in numbers go into, by nn->init; a bias or a gain, equal
 * numbers that do not decay. One that is there already is refused, or taken as it is where nn->share says so. */
hl_tensor *hl__nn_matrix(const hl_nn *nn, const char *name, const char *part, hl_shape shape, size_t fan_in);
hl_tensor *hl__nn_vector(const hl_nn *nn, const char *name, const char *part, hl_shape shape, float value);

/* The same without first values; *fresh: they are still to be given. */
hl_tensor *hl__nn_param(const hl_nn *nn, const char *name, const char *part, hl_shape shape, bool *fresh);

/* For matrices whose product is added to a skip connection: init is residual. */
hl_nn hl__nn_residual(const hl_nn *nn);

#endif
