/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cuts every call into tiles: views for its kernel, what it prepares, its grid, the scratch it needs, and of each tile
 * the cost and the boxes. */
#include <string.h>

#include "graph/ir.h"
#include "graph/region.h"
#include "ops/op.h"

/* More tiles than this in one call would overflow task numbers long before memory runs out. */
#define MAX_TILES ((size_t)1 << 28)
#define MAX_TASKS ((size_t)1 << 31) /* leaves as many numbers for joins */
#define TASK_BYTES ((size_t)64)     /* of one, in a frozen graph (runtime/task.h) */

void hl__tile_at(const hl__call *call, size_t number, hl_tile *tile) {
    for (size_t i = HL_GRID_RANK; i-- > 0;) {
        tile->index[i] = (uint32_t)(number % call->grid.extent[i]);
        number /= call->grid.extent[i];
    }
    tile->scratch = NULL;
}

void hl__tile_boxes(const hl__call *call, const hl_tile *tile, hl_box boxes[HL_MAX_OPERANDS]) {
    size_t n = call->call.n_reads + call->call.n_writes;
    for (size_t i = 0; i < n; i++) boxes[i] = hl__box_whole(&call->view[i]);
    if (call->pass->access) call->pass->access(&call->call, tile, boxes);
}

bool hl__box_is_empty(const hl_box *box, size_t rank) {
    for (size_t i = 0; i < rank; i++)
        if (box->begin[i] >= box->end[i]) return true;
    return false;
}

static hl_cost box_cost(const hl__call *call, const hl_box *boxes) {
    hl_cost cost = {0, 0};
    for (size_t i = 0; i < call->call.n_reads + call->call.n_writes; i++) {
        const hl_view *view = &call->view[i];
        if (hl_view_present(view) && !hl__box_is_empty(&boxes[i], view->shape.rank))
            cost.bytes += (double)(hl__box_elements(&boxes[i], view->shape.rank) * hl_dtype_bytes(view->dtype));
    }
    return cost;
}

static hl_status fail_outside(hl__ir *ir, const hl__call *call, const hl_tile *tile, size_t operand) {
    char text[HL_SHAPE_TEXT];
    return hl__ir_fail(ir, HL_OUT_OF_RANGE, "%s: tile (%u, %u, %u, %u) reaches outside operand %zu %s", call->name,
                       tile->index[0], tile->index[1], tile->index[2], tile->index[3], operand,
                       hl_shape_text(&call->view[operand].shape, text, sizeof text));
}

static hl_status check_boxes(hl__ir *ir, const hl__call *call, const hl_tile *tile, const hl_box *boxes) {
    for (size_t i = 0; i < call->call.n_reads + call->call.n_writes; i++)
        for (size_t axis = 0; hl_view_present(&call->view[i]) && axis < call->view[i].shape.rank; axis++)
            if (boxes[i].end[axis] > call->view[i].shape.extent[axis]) return fail_outside(ir, call, tile, i);
    return HL_OK;
}

/* Views, plan, grid and scratch of a call. */
static hl_status cut_call(hl__ir *ir, hl__call *call) {
    const hl_pass *pass = call->pass;
    for (size_t i = 0; i < call->call.n_reads + call->call.n_writes; i++)
        call->view[i] = hl__ir_view(ir, call->operand[i]);
    call->call.code = ir->code;
    if (pass->plan_bytes) {
        call->call.plan = hl__store_take(&ir->store, 1, pass->plan_bytes);
        if (!call->call.plan) return hl__ir_no_memory(ir);
    }
    hl_status status = pass->prepare ? pass->prepare(&call->call, call->call.plan) : HL_OK;
    if (status != HL_OK) return hl__ir_fail(ir, status, "%s: no kernel could be prepared for these shapes", call->name);
    call->grid = (hl_grid){{1, 1, 1, 1}};
    if (pass->grid) pass->grid(&call->call, &call->grid);
    call->n_tiles = 1;
    for (size_t i = 0; i < HL_GRID_RANK; i++) {
        if (call->grid.extent[i] == 0 || call->n_tiles > MAX_TILES / call->grid.extent[i])
            return hl__ir_fail(ir, HL_OUT_OF_RANGE, "%s: the grid has no tiles, or more than %zu", call->name,
                               MAX_TILES);
        call->n_tiles *= call->grid.extent[i];
    }
    size_t scratch = pass->scratch ? pass->scratch(&call->call) : 0;
    if (scratch > ir->scratch_bytes) ir->scratch_bytes = scratch;
    return HL_OK;
}

/* All tiles will be tasks: their numbers must fit, and the tasks themselves. */
static hl_status check_tiles(hl__ir *ir) {
    size_t n = 0;
    const hl__call *most = NULL;
    for (size_t c = 0; c < ir->n_calls; c++) {
        n += ir->calls[c]->n_tiles; /* at most 2^32 times MAX_TILES */
        if (!most || ir->calls[c]->n_tiles > most->n_tiles) most = ir->calls[c];
    }
    if (n > MAX_TASKS)
        return hl__ir_fail(ir, HL_OUT_OF_RANGE, "%s is %zu tiles, and all calls are %zu, more than %zu", most->name,
                           most->n_tiles, n, MAX_TASKS);
    if (ir->limit && n > ir->limit->bytes / TASK_BYTES)
        return hl__ir_fail(ir, HL_OUT_OF_MEMORY,
                           "%s is %zu tiles, and all calls are %zu, which take %zu bytes; %s is %zu", most->name,
                           most->n_tiles, n, n * TASK_BYTES, ir->limit->of, ir->limit->bytes);
    return HL_OK;
}

static bool keep_boxes(hl__ir *ir, size_t c, size_t number, const hl_box *boxes) {
    const hl__call *call = ir->calls[c];
    for (size_t i = 0; i < call->call.n_reads + call->call.n_writes; i++) {
        size_t rank = call->view[i].shape.rank;
        bool touched = call->operand[i] != HL__NONE && !hl__box_is_empty(&boxes[i], rank);
        hl__touch touch = {.call = c,
                           .operand = i,
                           .tile = number,
                           .n_tiles = call->n_tiles,
                           .value = call->operand[i],
                           .rank = rank,
                           .box = touched ? &boxes[i] : NULL};
        if (!hl__boxes_add(&ir->boxes, &touch)) return false;
    }
    return true;
}

/* What the tiles of a call touch, and cost. */
static hl_status look_at_tiles(hl__ir *ir, size_t c) {
    hl__call *call = ir->calls[c];
    const hl_pass *pass = call->pass;
    if (!hl__boxes_add_call(&ir->boxes, c, call->call.n_reads + call->call.n_writes)) return hl__ir_no_memory(ir);
    for (size_t t = 0; t < call->n_tiles; t++) {
        hl_tile tile;
        hl_box boxes[HL_MAX_OPERANDS];
        hl__tile_at(call, t, &tile);
        hl__tile_boxes(call, &tile, boxes);
        if (check_boxes(ir, call, &tile, boxes) != HL_OK) return ir->status;
        hl_cost cost = pass->cost ? pass->cost(&call->call, &tile) : box_cost(call, boxes);
        call->flops += cost.flops;
        call->bytes += cost.bytes;
        ir->tiles.flops[call->first_tile + t] = (float)cost.flops;
        ir->tiles.bytes[call->first_tile + t] = (float)cost.bytes;
        if (!keep_boxes(ir, c, t, boxes)) return hl__ir_no_memory(ir);
    }
    return HL_OK;
}

static hl_status make_tables(hl__ir *ir) {
    size_t n = 0;
    for (size_t c = 0; c < ir->n_calls; c++) {
        ir->calls[c]->first_tile = n;
        n += ir->calls[c]->n_tiles;
    }
    bool made = hl__tiles_make(&ir->tiles, &ir->store, n) && hl__boxes_make(&ir->boxes, ir->n_calls);
    return made ? HL_OK : hl__ir_no_memory(ir);
}

hl_status hl__ir_tile(hl__ir *ir) {
    for (size_t c = 0; c < ir->n_calls && ir->status == HL_OK; c++) cut_call(ir, ir->calls[c]);
    if (ir->status == HL_OK) check_tiles(ir);
    if (ir->status == HL_OK) make_tables(ir);
    for (size_t c = 0; c < ir->n_calls && ir->status == HL_OK; c++) look_at_tiles(ir, c);
    return ir->status;
}
