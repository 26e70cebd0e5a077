/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Pictures and texts of every stage: the graph as built, each stage of a program, the tiles and their edges. */
#include <stdio.h>
#include <string.h>

#include "graph/place.h"
#include "graph/program.h"

static hl_status finish(FILE *out) {
    bool bad = ferror(out) != 0;
    return fclose(out) != 0 || bad ? HL_SYSTEM : HL_OK;
}

/* A string inside a Graphviz label. */
static void put_label(FILE *out, const char *text) {
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', out);
        fputc(*text, out);
    }
}

static void put_type(FILE *out, hl_dtype dtype, const hl_shape *shape) {
    char text[HL_SHAPE_TEXT];
    fprintf(out, "%s %s", hl_dtype_name(dtype), hl_shape_text(shape, text, sizeof text));
}

/* ---- the graph as built ---- */

static void put_leaf(FILE *out, const hl_tensor *tensor) {
    static const char *const shapes[] = {"ellipse", "note", "cylinder", "cylinder", "box", "octagon"};
    fprintf(out, "  t%u [shape=%s, label=\"", tensor->id, shapes[tensor->kind]);
    put_label(out, tensor->name);
    fputs("\\n", out);
    put_type(out, tensor->dtype, &tensor->shape);
    fputs("\"];\n", out);
    if (tensor->kind == HL__TENSOR_GRADIENT && tensor->loss->node)
        fprintf(out, "  n%u -> t%u [style=dashed];\n", tensor->loss->node->id, tensor->id);
}

static void put_node(FILE *out, const hl__node *node) {
    fprintf(out, "  n%u [shape=box, style=rounded, label=\"", node->id);
    put_label(out, node->name);
    if (strncmp(node->name, node->op->name, strlen(node->op->name)) != 0) fprintf(out, "\\n%s", node->op->name);
    fputs("\"];\n", out);
    for (size_t i = 0; i < node->n_inputs; i++) {
        const hl_tensor *input = node->inputs[i];
        if (!input) continue;
        if (input->kind == HL__TENSOR_OUTPUT) fprintf(out, "  n%u -> n%u [label=\"", input->node->id, node->id);
        else fprintf(out, "  t%u -> n%u [label=\"", input->id, node->id);
        put_type(out, input->dtype, &input->shape);
        fputs("\"];\n", out);
    }
    for (size_t i = 0; i < node->n_after; i++)
        fprintf(out, "  n%u -> n%u [style=dotted];\n", node->after[i]->id, node->id);
}

hl_status hl_graph_dump_dot(const hl_graph *graph, const char *path) {
    if (!graph || !path) return HL_INVALID_ARGUMENT;
    if (graph->status != HL_OK) return graph->status;
    FILE *out = fopen(path, "w");
    if (!out) return HL_SYSTEM;
    fputs("digraph headloom {\n  node [fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=9];\n",
          out);
    for (const hl_tensor *t = graph->tensors; t; t = t->next)
        if (t->kind != HL__TENSOR_OUTPUT) put_leaf(out, t);
    for (const hl__node *n = graph->nodes; n; n = n->next) put_node(out, n);
    fputs("}\n", out);
    return finish(out);
}

/* ---- stages as text ---- */

static void put_value(FILE *out, const hl__ir *ir, uint32_t id) {
    if (id == HL__NONE) {
        fputs(" -", out);
        return;
    }
    const hl__value *value = &ir->values[id];
    fprintf(out, " %s#%u(", value->name, id);
    put_type(out, value->dtype, &value->shape);
    if (value->base != id) fprintf(out, ", view of #%u", value->base);
    fputc(')', out);
}

static void put_nodes(FILE *out, const hl__ir *ir) {
    for (size_t n = 0; n < ir->n_nodes; n++) {
        const hl__ir_node *node = &ir->nodes[n];
        fprintf(out, "%s = %s:", node->name, node->op->name);
        for (size_t i = 0; i < node->n_inputs; i++) put_value(out, ir, node->inputs[i]);
        fputs(" ->", out);
        for (size_t i = 0; i < node->n_outputs; i++) put_value(out, ir, node->outputs[i]);
        fputc('\n', out);
    }
}

/* The nodes before or after fusion are made again: the program keeps only what it runs. */
static hl_status dump_nodes(FILE *out, const hl_program *program, hl_stage stage) {
    hl__ir ir = {0};
    hl_status status = hl__ir_build(&ir, program->graph, program->outputs, program->n_outputs);
    if (status == HL_OK && stage == HL_STAGE_FUSE) status = hl__ir_fuse(&ir);
    if (status == HL_OK) put_nodes(out, &ir);
    hl__ir_clear(&ir);
    return status;
}

static void dump_calls(FILE *out, const hl__ir *ir) {
    for (size_t c = 0; c < ir->n_calls; c++) {
        const hl__call *call = ir->calls[c];
        fprintf(out, "%4zu %s%s:", c, call->name, call->background ? " (background)" : "");
        for (size_t i = 0; i < call->call.n_reads + call->call.n_writes; i++) {
            if (i == call->call.n_reads) fputs(" ->", out);
            put_value(out, ir, call->operand[i]);
        }
        fputc('\n', out);
    }
}

static void dump_grids(FILE *out, const hl__ir *ir) {
    for (size_t c = 0; c < ir->n_calls; c++) {
        const hl__call *call = ir->calls[c];
        fprintf(out, "%4zu %-40s %8zu tiles  %zu x %zu x %zu x %zu  %12.0f flops  %12.0f bytes\n", c, call->name,
                call->n_tiles, call->grid.extent[0], call->grid.extent[1], call->grid.extent[2], call->grid.extent[3],
                call->flops, call->bytes);
    }
}

/* Each call's tiles, as the runs of one home that they form. */
static void dump_homes(FILE *out, const hl__ir *ir) {
    for (size_t c = 0; c < ir->n_calls; c++) {
        const hl__call *call = ir->calls[c];
        fprintf(out, "%4zu %-40s", c, call->name);
        const uint16_t *home = ir->tiles.home + call->first_tile;
        for (size_t begin = 0, t = 0; t < call->n_tiles; t++) {
            if (t + 1 < call->n_tiles && home[t + 1] == home[t]) continue;
            fprintf(out, "  node %u: tiles %zu to %zu", (unsigned)home[t], begin, t);
            begin = t + 1;
        }
        fputc('\n', out);
    }
}

static void dump_buffers(FILE *out, const hl_program *program, bool offsets) {
    const hl__ir *ir = &program->ir;
    for (size_t b = 0; b < program->plan.n_buffers; b++) {
        const hl__value *value = &ir->values[program->plan.buffers[b].value];
        fprintf(out, "#%-5u %-40s arena %zu", program->plan.buffers[b].value, value->name,
                hl__plan_arena(&program->plan, value->home));
        if (offsets)
            fprintf(out, "  offset %12zu  %12zu bytes  calls %u to %zu  after %zu buffers", value->arena_offset,
                    value->bytes, value->first_call,
                    value->last_call == HL__NONE - 1 ? ir->n_calls : (size_t)value->last_call,
                    program->plan.buffers[b].n_before);
        fputc('\n', out);
    }
}

static void dump_tasks(FILE *out, const hl__task_graph *graph) {
    for (size_t t = 0; t < graph->n_tasks; t++) {
        const hl__task *task = &graph->tasks[t];
        fprintf(out, "%6zu %s (%u, %u, %u, %u) level %u after %u before", t, graph->names[task->name], task->index[0],
                task->index[1], task->index[2], task->index[3], task->level, task->n_predecessors);
        for (uint32_t s = 0; s < task->n_successors; s++)
            fprintf(out, " %u", graph->successors[task->first_successor + s]);
        fputc('\n', out);
    }
}

hl_status hl_program_dump(const hl_program *program, hl_stage stage, const char *path) {
    if (!program || !path || (unsigned)stage > HL_STAGE_LINK) return HL_INVALID_ARGUMENT;
    FILE *out = fopen(path, "w");
    if (!out) return HL_SYSTEM;
    hl_status status = HL_OK;
    switch (stage) {
    case HL_STAGE_BUILD:
    case HL_STAGE_FUSE: status = dump_nodes(out, program, stage); break;
    case HL_STAGE_DIFFERENTIATE: dump_calls(out, &program->ir); break;
    case HL_STAGE_TILE: dump_grids(out, &program->ir); break;
    case HL_STAGE_PLACE:
        dump_homes(out, &program->ir);
        dump_buffers(out, program, false);
        break;
    case HL_STAGE_PLAN: dump_buffers(out, program, true); break;
    case HL_STAGE_LINK: dump_tasks(out, &program->tasks); break;
    }
    hl_status written = finish(out);
    return status != HL_OK ? status : written;
}

/* ---- tiles ---- */

hl_status hl_program_dump_dot(const hl_program *program, const char *path) {
    if (!program || !path) return HL_INVALID_ARGUMENT;
    FILE *out = fopen(path, "w");
    if (!out) return HL_SYSTEM;
    const hl__task_graph *graph = &program->tasks;
    const hl__ir *ir = &program->ir;
    fputs("digraph tiles {\n  node [shape=box, fontname=\"sans-serif\", fontsize=9];\n", out);
    for (size_t c = 0; c < ir->n_calls; c++) {
        fprintf(out, "  subgraph cluster%zu {\n    label=\"", c);
        put_label(out, ir->calls[c]->name);
        fputs("\";\n", out);
        for (size_t t = 0; t < ir->calls[c]->n_tiles; t++) {
            uint32_t number = ir->tiles.task[ir->calls[c]->first_tile + t];
            const hl__task *task = &graph->tasks[number];
            fprintf(out, "    t%u [label=\"%u,%u,%u,%u\"];\n", number, task->index[0], task->index[1], task->index[2],
                    task->index[3]);
        }
        fputs("  }\n", out);
    }
    for (size_t t = 0; t < graph->n_tasks; t++) {
        const hl__task *task = &graph->tasks[t];
        if (!task->run) fprintf(out, "  t%zu [shape=point];\n", t);
        for (uint32_t s = 0; s < task->n_successors; s++)
            fprintf(out, "  t%zu -> t%u;\n", t, graph->successors[task->first_successor + s]);
    }
    fputs("}\n", out);
    return finish(out);
}
