/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An operator that reads more than it declares, so that no edge stands between two tiles where one is needed: whoever
 * looks for races must report it. With the argument "honest" it declares what it reads, and nobody may complain. Ends
 * with 0 unless a tool says otherwise. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "headloom/headloom.h"
#include "headloom/operator.h"

#define ROWS 64
#define TILE_ROWS 8
#define N_TILES (ROWS / TILE_ROWS)
#define C 16

static bool honest;

static hl_status infer(hl_inference *i) {
    i->output[0] = i->input[0].shape;
    return HL_OK;
}

static void grid(const hl_call *call, hl_grid *grid) {
    (void)call;
    grid->extent[0] = N_TILES;
}

/* y_i = x_i + 1 */
static void copy_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    for (size_t i = 0; i < call->n_reads + call->n_writes; i++) {
        boxes[i].begin[0] = tile->index[0] * (size_t)TILE_ROWS;
        boxes[i].end[0] = (tile->index[0] + 1) * (size_t)TILE_ROWS;
    }
}

static void copy(const hl_call *call, const hl_tile *tile) {
    const float *x = call->operand[0].data;
    float *y = call->operand[1].data;
    size_t begin = tile->index[0] * (size_t)TILE_ROWS * C;
    for (size_t i = begin; i < begin + TILE_ROWS * C; i++) y[i] = x[i] + 1;
}

/* y_i = sum of the first element of each row of x; but the box of x is that of this tile's rows. */
static void sum_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    copy_access(call, tile, boxes);
    if (!honest) return;
    boxes[0].begin[0] = 0;
    boxes[0].end[0] = ROWS;
}

static void sum(const hl_call *call, const hl_tile *tile) {
    const float *x = call->operand[0].data;
    float *y = call->operand[1].data, total = 0;
    for (size_t row = 0; row < ROWS; row++) total += x[row * C];
    size_t begin = tile->index[0] * (size_t)TILE_ROWS * C;
    for (size_t i = begin; i < begin + TILE_ROWS * C; i++) y[i] = total;
}

static const hl_pass copy_pass = {.name = "forward", .grid = grid, .access = copy_access, .kernel = copy};
static const hl_pass sum_pass = {.name = "forward", .grid = grid, .access = sum_access, .kernel = sum};

static const hl_operator copier = {.name = "copier",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .n_outputs = 1,
                                   .infer = infer,
                                   .forward = {{.pass = &copy_pass, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}}};
static const hl_operator summer = {.name = "summer",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .n_outputs = 1,
                                   .infer = infer,
                                   .forward = {{.pass = &sum_pass, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}}};

int main(int argc, char **argv) {
    honest = argc > 1 && strcmp(argv[1], "honest") == 0;
    static float values[ROWS * C];
    hl_runtime *runtime = NULL;
    hl_graph *graph = NULL;
    hl_state *state = NULL;
    hl_program *program = NULL;
    if (hl_runtime_create(&(hl_runtime_options){.workers = 3}, &runtime) != HL_OK) return EXIT_FAILURE;
    if (hl_graph_create(&graph) != HL_OK || hl_state_create(&state) != HL_OK) return EXIT_FAILURE;
    hl_tensor *x = hl_input(graph, "x", HL_F32, HL_SHAPE(ROWS, C));
    hl_tensor *middle = hl_apply(graph, &copier, &x, 1, NULL, NULL);
    hl_tensor *y = hl_apply(graph, &summer, &middle, 1, NULL, NULL);
    if (hl_program_create(runtime, graph, state, &y, 1, &program) != HL_OK) {
        fprintf(stderr, "%s\n", hl_graph_error(graph));
        return EXIT_FAILURE;
    }
    if (hl_program_write(program, x, values, sizeof values) != HL_OK) return EXIT_FAILURE;
    /* Often enough for two workers to meet: on one, the order of the tiles is never wrong. */
    for (size_t round = 0; round < 300; round++)
        if (hl_program_run(program) != HL_OK) return EXIT_FAILURE;
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_graph_destroy(graph);
    hl_runtime_destroy(runtime);
    return EXIT_SUCCESS;
}
