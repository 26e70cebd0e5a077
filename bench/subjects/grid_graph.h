/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Graphs of many small tasks: rows of tiles, each of which reads some tiles of the row before. `hl-bench tasks` and
 * `hl-bench metg` measure with them what a task costs in the replay that also trains: they are built by hl_apply, with
 * operators of the bench's own, one for each row. */
#ifndef HL_BENCH_GRID_GRAPH_H
#define HL_BENCH_GRID_GRAPH_H

#include <stdbool.h>
#include <stddef.h>

#include "headloom/headloom.h"

typedef enum grid_pattern {
    GRID_STENCIL,  /* tile i reads tiles i - 1 to i + 1 */
    GRID_NEAREST5, /* i - 2 to i + 2 */
    GRID_TREE,     /* rows of 1, 2, 4 up to `width` tiles and back: a tile reads its parent, or its two children */
    GRID_CHAINS,   /* i alone */
} grid_pattern;

typedef enum grid_work {
    GRID_EMPTY,   /* nothing at all */
    GRID_COUNTED, /* a tile counts its runs, and notices when a tile that it reads has not run before it */
    GRID_FMA,     /* rounds of bench/subjects/fma.h */
} grid_work;

typedef struct grid_shape {
    grid_pattern pattern;
    size_t width, rows; /* at least 1; up to UINT32_MAX */
} grid_shape;

typedef struct grid_graph {
    grid_shape shape;
    hl_graph *graph;
    hl_state *state;
    hl_tensor *before; /* what the first row reads */
    hl_tensor *rounds; /* GRID_FMA: scalar HL_I32 */
    hl_tensor **row;
    hl_program *program;
} grid_graph;

/* Tiles of a row. */
size_t grid_row_width(const grid_shape *shape, size_t row);

/* The tiles [*begin, *end) of a row of n_before that tile number `tile` of the next row, of n, reads. */
void grid_parents(grid_pattern pattern, size_t n_before, size_t n, size_t tile, size_t *begin, size_t *end);

/* Of a shape: the first row waits for nothing. */
size_t grid_tasks(const grid_shape *shape);
size_t grid_edges(const grid_shape *shape);

#define GRID_MOST_TASKS ((size_t)1 << 22)

/* For the options of a command, whose context is the shape: false with words where it has more than GRID_MOST_TASKS. */
bool grid_shape_agrees(const void *shape, char *words, size_t size);

/* Makes the program, which must have the shape's tasks and edges (or joins that save some of these). False, with words
 * on stderr, where something fails; *made can be destroyed either way. The runtime is borrowed. */
bool grid_graph_create(hl_runtime *runtime, const grid_shape *shape, grid_work work, grid_graph *made);
void grid_graph_destroy(grid_graph *graph);

/* Rounds of each tile in the next runs of a GRID_FMA, up to INT32_MAX. False, with words on stderr. */
bool grid_graph_set_rounds(grid_graph *graph, size_t rounds);
double grid_graph_flops_of_round(void);

/* Whether on this runtime each tile of such a graph runs once a run, and behind all that it reads. False, with words
 * on stderr, where not, or where that cannot be found out. */
bool grid_graph_check(hl_runtime *runtime, const grid_shape *shape);

#endif
