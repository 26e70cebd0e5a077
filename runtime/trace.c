/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The names of what is recorded. */
#include "runtime/trace.h"

#include <string.h>

#include "runtime/memory.h"

/* Names are compared too: another graph may have come to live at the address of one that is gone. */
static bool has_names(const hl__trace *trace, const hl__name_set *set, const hl__task_graph *graph) {
    if (set->graph != graph || set->n_names != graph->n_names) return false;
    for (size_t i = 0; i < set->n_names; i++)
        if (strcmp(trace->names[set->first + i], graph->names[i] ? graph->names[i] : "") != 0) return false;
    return true;
}

hl_status hl__trace_names(hl__trace *trace, const hl__task_graph *graph) {
    for (size_t i = 0; i < trace->n_sets; i++) {
        if (!has_names(trace, &trace->sets[i], graph)) continue;
        trace->first_name = (uint32_t)trace->sets[i].first;
        return HL_OK;
    }
    size_t first = trace->n_names, total = first + graph->n_names;
    if (total > UINT32_MAX) return HL_OUT_OF_RANGE;
    if (!hl__grow(&trace->names, &trace->room_names, first, total, sizeof *trace->names) ||
        !hl__grow(&trace->sets, &trace->room_sets, trace->n_sets, trace->n_sets + 1, sizeof *trace->sets))
        return HL_OUT_OF_MEMORY;
    for (size_t i = 0; i < graph->n_names; i++) {
        trace->names[first + i] = hl__copy_string(graph->names[i] ? graph->names[i] : "");
        if (trace->names[first + i]) continue;
        while (i-- > 0) hl__release(trace->names[first + i]);
        return HL_OUT_OF_MEMORY;
    }
    trace->n_names = total;
    trace->sets[trace->n_sets++] = (hl__name_set){.graph = graph, .first = first, .n_names = graph->n_names};
    trace->first_name = (uint32_t)first;
    return HL_OK;
}

void hl__trace_clear_names(hl__trace *trace) {
    for (size_t i = 0; i < trace->n_names; i++) hl__release(trace->names[i]);
    hl__release(trace->names);
    hl__release(trace->sets);
    *trace = (hl__trace){.clock = trace->clock};
}
