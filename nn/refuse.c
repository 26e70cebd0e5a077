/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A layer's own refusal (heads that do not divide the width, say) has to end up in the graph as an operator's would, so
 * it takes the way that any operator takes: a shape rule that refuses. */
#include "nn/refuse.h"

#include <stdarg.h>
#include <stdio.h>

typedef struct refusal {
    hl_status status;
    char words[280];
} refusal;

static hl_status refuse(hl_inference *inference) {
    const refusal *given = inference->options;
    return hl_refuse(inference, given->status, "%s", given->words);
}

static const hl_operator layer_operator = {.name = "layer", .options_bytes = sizeof(refusal), .infer = refuse};

hl_tensor *hl__nn_refuse(hl_graph *graph, hl_status status, const char *format, ...) {
    refusal given = {.status = status};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(given.words, sizeof given.words, format, arguments);
    va_end(arguments);
    return hl_apply(graph, &layer_operator, (hl_tensor *[]){NULL}, 0, &given, NULL);
}
