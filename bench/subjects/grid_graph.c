/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rows of small tiles. All rows are outputs of the program: they keep what they hold from run to run, and no buffer
 * takes over another's bytes, so that the edges are those of the pattern. */
#include "bench/subjects/grid_graph.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/instruments/peak.h"
#include "bench/instruments/work.h"

#define CELL 16 /* floats of a tile: a cache line, so that tiles share none */
#define CHECKED_RUNS 3

typedef struct grid_options {
    grid_pattern pattern;
    size_t width; /* of this row */
    const bench_fma *fma;
} grid_options;

/* ---- patterns ---- */

size_t grid_row_width(const grid_shape *shape, size_t row) {
    if (shape->pattern != GRID_TREE) return shape->width;
    size_t depth = 0;
    while (((size_t)1 << depth) < shape->width) depth++;
    if (depth == 0) return 1;
    size_t phase = row % (2 * depth), level = phase < depth ? phase : 2 * depth - phase;
    return level == depth ? shape->width : (size_t)1 << level;
}

void grid_parents(grid_pattern pattern, size_t n_before, size_t n, size_t tile, size_t *begin, size_t *end) {
    if (pattern == GRID_TREE) { /* the same share of both rows */
        *begin = tile * n_before / n;
        *end = ((tile + 1) * n_before + n - 1) / n;
        return;
    }
    size_t reach = pattern == GRID_CHAINS ? 0 : pattern == GRID_STENCIL ? 1 : 2;
    *begin = tile < reach ? 0 : tile - reach;
    *end = tile + reach < n_before ? tile + reach + 1 : n_before;
}

size_t grid_tasks(const grid_shape *shape) {
    size_t n = 0;
    for (size_t r = 0; r < shape->rows; r++) n += grid_row_width(shape, r);
    return n;
}

size_t grid_edges(const grid_shape *shape) {
    size_t n_edges = 0;
    for (size_t r = 1; r < shape->rows; r++) {
        size_t n_before = grid_row_width(shape, r - 1), n = grid_row_width(shape, r), begin, end;
        for (size_t i = 0; i < n; i++) {
            grid_parents(shape->pattern, n_before, n, i, &begin, &end);
            n_edges += end - begin;
        }
    }
    return n_edges;
}

/* As if all rows were full: a product, since counting may take for ever. */
bool grid_shape_agrees(const void *shape, char *words, size_t size) {
    const grid_shape *s = shape;
    if (s->width <= GRID_MOST_TASKS / s->rows) return true;
    snprintf(words, size, "%zu steps of %zu tasks are more than %zu tasks", s->rows, s->width, GRID_MOST_TASKS);
    return false;
}

/* ---- the operators: x [n_before, CELL] -> y [n, CELL] ---- */

static hl_status infer(hl_inference *inference) {
    const grid_options *options = inference->options;
    inference->output[0] = HL_SHAPE(options->width, CELL);
    return HL_OK;
}

static void empty_kernel(const hl_call *call, const hl_tile *tile) {
    (void)call;
    (void)tile;
}

static float *cell_of(const hl_call *call, size_t operand, size_t tile) {
    const hl_view *view = &call->operand[operand];
    return (float *)view->data + tile * view->stride[0];
}

/* y counts runs: it is still what the run before has left. What it reads must be one ahead. NaN stays. */
static void counted_kernel(const hl_call *call, const hl_tile *tile) {
    const grid_options *options = call->options;
    size_t i = tile->index[0], begin, end;
    float *y = cell_of(call, 1, i), count = y[0] + 1;
    grid_parents(options->pattern, call->operand[0].shape.extent[0], options->width, i, &begin, &end);
    for (size_t j = begin; j < end; j++)
        if (cell_of(call, 0, j)[0] != count) count = NAN;
    for (size_t k = 0; k < CELL; k++) y[k] = count;
}

static void fma_kernel(const hl_call *call, const hl_tile *tile) {
    const grid_options *options = call->options;
    float *y = cell_of(call, 2, tile->index[0]);
    float sum = (float)options->fma->run((size_t) * (const int32_t *)call->operand[1].data);
    for (size_t k = 0; k < CELL; k++) y[k] = sum;
}

static void grid(const hl_call *call, hl_grid *grid) { grid->extent[0] = ((const grid_options *)call->options)->width; }

static void tile_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const grid_options *options = call->options;
    size_t i = tile->index[0], y = call->n_reads;
    grid_parents(options->pattern, call->operand[0].shape.extent[0], options->width, i, &boxes[0].begin[0],
                 &boxes[0].end[0]);
    boxes[y].begin[0] = i;
    boxes[y].end[0] = i + 1;
}

static const hl_pass passes[] = {
    [GRID_EMPTY] = {.name = "forward", .grid = grid, .access = tile_access, .kernel = empty_kernel},
    [GRID_COUNTED] = {.name = "forward", .grid = grid, .access = tile_access, .kernel = counted_kernel},
    [GRID_FMA] = {.name = "forward", .grid = grid, .access = tile_access, .kernel = fma_kernel}};

#define ROW_OPERATOR(word, work, inputs, ...)                                           \
    {                                                                                   \
        .name = (word), .min_inputs = (inputs), .max_inputs = (inputs), .n_outputs = 1, \
        .options_bytes = sizeof(grid_options), .infer = infer, .forward = {             \
            {.pass = &passes[work], .reads = {__VA_ARGS__}, .writes = {HL_OUT(0)}}      \
        }                                                                               \
    }

static const hl_operator operators[] = {[GRID_EMPTY] = ROW_OPERATOR("empty_row", GRID_EMPTY, 1, HL_IN(0)),
                                        [GRID_COUNTED] = ROW_OPERATOR("counted_row", GRID_COUNTED, 1, HL_IN(0)),
                                        [GRID_FMA] = ROW_OPERATOR("fma_row", GRID_FMA, 2, HL_IN(0), HL_IN(1))};

/* ---- the program ---- */

/* Joins, which replace edges, stand only where many tiles read the very same ones: in rows of a few tiles. */
static bool has_its_edges(const grid_graph *made) {
    hl_program_sizes sizes;
    size_t tasks = grid_tasks(&made->shape), edges = grid_edges(&made->shape);
    if (hl_program_measure(made->program, &sizes) == HL_OK && sizes.tasks - sizes.joins == tasks &&
        (sizes.edges == edges || (sizes.joins > 0 && sizes.edges < edges)))
        return true;
    fprintf(stderr, "hl-bench: %zu tasks and %zu edges are asked for, and the program has others\n", tasks, edges);
    return false;
}

bool grid_graph_create(hl_runtime *runtime, const grid_shape *shape, grid_work work, grid_graph *made) {
    *made = (grid_graph){.shape = *shape, .row = calloc(shape->rows, sizeof made->row[0])};
    if (!made->row) return bench_complain("rows", HL_OUT_OF_MEMORY, NULL);
    hl_status status = hl_graph_create(&made->graph);
    if (status == HL_OK) status = hl_state_create(&made->state);
    if (status != HL_OK) return bench_complain("graph", status, NULL);
    hl_graph *g = made->graph;
    made->before = hl_input(g, "before", HL_F32, HL_SHAPE(grid_row_width(shape, 0), CELL));
    if (work == GRID_FMA) made->rounds = hl_input(g, "rounds", HL_I32, HL_SCALAR);
    grid_options options = {.pattern = shape->pattern, .fma = bench_fma_chosen()};
    for (size_t r = 0; r < shape->rows; r++) {
        hl_tensor *inputs[] = {r == 0 ? made->before : made->row[r - 1], made->rounds};
        options.width = grid_row_width(shape, r);
        made->row[r] = hl_apply(g, &operators[work], inputs, operators[work].max_inputs, &options, NULL);
    }
    status = hl_program_create(runtime, g, made->state, made->row, shape->rows, &made->program);
    return status == HL_OK ? has_its_edges(made) : bench_complain("program", status, hl_graph_error(g));
}

void grid_graph_destroy(grid_graph *graph) {
    hl_program_destroy(graph->program);
    hl_graph_destroy(graph->graph);
    hl_state_destroy(graph->state);
    free(graph->row);
    *graph = (grid_graph){0};
}

bool grid_graph_set_rounds(grid_graph *graph, size_t rounds) {
    int32_t value = (int32_t)rounds;
    hl_status status = hl_program_write(graph->program, graph->rounds, &value, sizeof value);
    return status == HL_OK || bench_complain("rounds", status, hl_program_error(graph->program));
}

double grid_graph_flops_of_round(void) { return bench_fma_chosen()->flops_per_round; }

/* ---- the check ---- */

static bool run_counted(grid_graph *counted, float *cells) {
    size_t width = grid_row_width(&counted->shape, 0);
    for (size_t run = 1; run <= CHECKED_RUNS; run++) {
        for (size_t i = 0; i < width * CELL; i++) cells[i] = (float)run;
        hl_status status = hl_program_write(counted->program, counted->before, cells, width * CELL * sizeof cells[0]);
        if (status != HL_OK) return bench_complain("check", status, hl_program_error(counted->program));
        if (bench_run_program(counted->program) < 0) return false;
    }
    return true;
}

/* Cells that do not say that all runs were theirs; negative, with words on stderr, where they cannot be read. */
static double count_wrong(grid_graph *counted, float *cells) {
    double wrong = 0;
    for (size_t r = 0; r < counted->shape.rows; r++) {
        size_t n = grid_row_width(&counted->shape, r) * CELL;
        hl_status status = hl_program_read(counted->program, counted->row[r], cells, n * sizeof cells[0]);
        if (status != HL_OK) {
            bench_complain("check", status, hl_program_error(counted->program));
            return -1;
        }
        for (size_t i = 0; i < n; i += CELL) wrong += cells[i] != CHECKED_RUNS;
    }
    return wrong;
}

bool grid_graph_check(hl_runtime *runtime, const grid_shape *shape) {
    grid_graph counted;
    float *cells = calloc(shape->width * CELL, sizeof cells[0]);
    if (!cells) bench_complain("check", HL_OUT_OF_MEMORY, NULL);
    bool good = grid_graph_create(runtime, shape, GRID_COUNTED, &counted) && cells;
    double wrong = good && run_counted(&counted, cells) ? count_wrong(&counted, cells) : -1;
    if (wrong > 0)
        fprintf(stderr,
                "hl-bench: %.0f tasks of %zu did not run once a run behind those that they wait for: nothing is "
                "timed\n",
                wrong, grid_tasks(shape));
    grid_graph_destroy(&counted);
    free(cells);
    return wrong == 0;
}
