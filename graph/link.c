/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Linking walks the tiles in their serial order. From who wrote a region last and who has read it since follow the
 * edges: write then read, write then write, read then write. A buffer that takes over bytes of earlier ones starts
 * behind a join of all that touched them. Every edge rises in the serial order, so no cycle can arise. */
#include "graph/link.h"

#include <string.h>

#include "graph/access.h"
#include "runtime/memory.h"

typedef struct touched {
    uint32_t region;
    bool write;
} touched;

static size_t find_touched(const hl__linker *l, size_t c, size_t number, touched list[HL_MAX_OPERANDS]) {
    const hl__call *call = l->ir->calls[c];
    size_t n = 0;
    for (size_t i = 0; i < call->call.n_reads + call->call.n_writes; i++) {
        uint32_t box = hl__boxes_at(&l->ir->boxes, c, i, number);
        if (box != HL__NO_BOX) list[n++] = (touched){.region = l->region_of[box], .write = i >= call->call.n_reads};
    }
    return n;
}

static bool take_cells(hl__linker *l, uint32_t base) {
    if (l->cell[base]) return true;
    l->cell[base] = hl__store_take(&l->scratch, l->cells[base].n_cells, sizeof **l->cell);
    if (!l->cell[base]) return false;
    for (size_t c = 0; c < l->cells[base].n_cells; c++) l->cell[base][c] = (hl__cell){HL__NONE, HL__NONE};
    return true;
}

/* The region of each box. Boxes of several views may be one region, and so may boxes where cells are thinned out. */
static bool find_regions(hl__linker *l) {
    const hl__ir *ir = l->ir;
    l->region_of = hl__store_take(&l->scratch, ir->boxes.n, sizeof *l->region_of);
    if (!hl__link_expect_regions(l, ir->boxes.n)) return false;
    for (size_t b = 0; l->region_of && b < ir->boxes.n; b++) {
        const hl__value *value = &ir->values[ir->boxes.list[b].value];
        uint32_t base = value->base;
        hl_box box = hl__boxes_get(&ir->boxes, (uint32_t)b), region = hl__region_of(value, &ir->values[base], &box);
        hl_box range = hl__cells_range(&l->cells[base], &region);
        if (!take_cells(l, base)) return false;
        l->region_of[b] = hl__link_region(l, base, &range);
        if (l->failed) return false;
    }
    return l->region_of != NULL;
}

/* Before the first write to a buffer: the join behind everybody who used its bytes before. An earlier owner that no
 * tile has written (an output named for its shape alone) is entered now: its own earlier owners have to be waited for
 * in its place. */
static void enter_buffer(hl__linker *l, uint32_t base) {
    uint32_t b = l->buffer[base];
    if (b == HL__NONE || l->entry[base] != HL__NONE || l->writes[base] > 0) return;
    const hl__buffer *buffer = &l->plan->buffers[b];
    for (size_t i = 0; i < buffer->n_before; i++) {
        enter_buffer(l, buffer->before[i]);
        hl__leave_buffer(l, buffer->before[i]);
    }
    for (size_t i = 0; i < buffer->n_before; i++) hl__wait_for(l, l->leave[buffer->before[i]]);
    l->entry[base] = hl__link_join(l);
}

static void link_tile(hl__linker *l, size_t c, size_t number, hl__task *task, uint32_t lowest_level) {
    const hl__call *call = l->ir->calls[c];
    touched list[HL_MAX_OPERANDS];
    size_t n = find_touched(l, c, number, list);
    for (size_t i = 0; i < n && !l->failed; i++) {
        if (!list[i].write) {
            hl__prepare_read(l, list[i].region);
        } else {
            enter_buffer(l, l->regions[list[i].region].base);
            hl__prepare_write(l, list[i].region);
        }
    }
    for (size_t i = 0; i < n && !l->failed; i++) {
        if (list[i].write) hl__wait_to_write(l, list[i].region);
        else hl__wait_to_read(l, list[i].region);
    }
    hl_tile tile;
    hl__tile_at(call, number, &tile);
    memcpy(task->index, tile.index, sizeof task->index);
    uint32_t made = hl__link_task(l, task, lowest_level);
    l->ir->tiles.task[call->first_tile + number] = made;
    for (size_t i = 0; i < n && !l->failed; i++)
        if (!list[i].write) hl__record_read(l, list[i].region, made);
    for (size_t i = 0; i < n && !l->failed; i++)
        if (list[i].write) hl__record_write(l, list[i].region, made);
}

static void expect_reads(hl__linker *l, uint32_t c) {
    const hl__call *call = l->ir->calls[c];
    for (size_t i = 0; i < call->call.n_reads; i++) {
        for (size_t t = 0; t < call->n_tiles; t++) {
            uint32_t box = hl__boxes_at(&l->ir->boxes, c, i, t);
            if (box != HL__NO_BOX) hl__expect_read(l, c, l->region_of[box]);
        }
    }
}

_Static_assert(sizeof(hl__task) >= 64, "tile.c counts on it"); /* TASK_BYTES */

static void link_calls(hl__linker *l, hl__task_function run) {
    uint32_t next_level = 0;
    for (uint32_t c = 0; c < l->ir->n_calls && !l->failed; c++) {
        const hl__call *call = l->ir->calls[c];
        uint32_t lowest = next_level;
        bool writes_state = hl__ir_writes_state(l->ir, call);
        expect_reads(l, c);
        for (size_t t = 0; t < call->n_tiles && !l->failed; t++) {
            hl__task task = {.run = run,
                             .argument = call,
                             .name = c,
                             .home = l->ir->tiles.home[call->first_tile + t],
                             .background = call->background,
                             .writes_state = writes_state};
            link_tile(l, c, t, &task, lowest);
            if (!l->failed && l->level[l->n_tasks - 1] >= next_level) next_level = l->level[l->n_tasks - 1] + 1;
        }
    }
}

/* What linking a training step of a GPT needs for a tile: cells, and lists of who read them. */
#define SCRATCH_BYTES_PER_TILE ((size_t)512)

static bool prepare(hl__linker *l, const char ***names) {
    hl__ir *ir = l->ir;
    size_t n = ir->n_values;
    if (!hl__store_reserve(&l->scratch, ir->tiles.n * SCRATCH_BYTES_PER_TILE)) return false;
    l->cell = hl__store_take(&l->scratch, n, sizeof *l->cell);
    l->writes = hl__store_take(&l->scratch, n, sizeof *l->writes);
    l->buffer = hl__store_take(&l->scratch, n, sizeof *l->buffer);
    l->entry = hl__store_take(&l->scratch, n, sizeof *l->entry);
    l->leave = hl__store_take(&l->scratch, n, sizeof *l->leave);
    *names = hl__store_take(&ir->store, ir->n_calls + 1, sizeof **names);
    if (!l->cell || !l->writes || !l->buffer || !l->entry || !l->leave || !*names) return false;
    for (size_t v = 0; v < n; v++) l->buffer[v] = l->entry[v] = l->leave[v] = HL__NONE;
    for (size_t b = 0; b < l->plan->n_buffers; b++) l->buffer[l->plan->buffers[b].value] = (uint32_t)b;
    for (size_t c = 0; c < ir->n_calls; c++) (*names)[c] = ir->calls[c]->name;
    (*names)[ir->n_calls] = "join";
    l->join_name = (uint32_t)ir->n_calls;
    return hl__cells_make(ir, &l->scratch, &l->cells) == HL_OK && find_regions(l) &&
           hl__task_builder_create(&l->builder) == HL_OK;
}

hl_status hl__ir_link(hl__ir *ir, const hl__plan *plan, hl__task_function run, hl__task_graph *graph,
                      hl__link_counts *counts) {
    hl__linker l = {.ir = ir, .plan = plan};
    const char **names = NULL;
    bool done = prepare(&l, &names);
    if (done) link_calls(&l, run);
    done = done && !l.failed && hl__task_builder_freeze(l.builder, graph) == HL_OK;
    if (done) {
        graph->names = names;
        graph->n_names = ir->n_calls + 1;
        graph->scratch_bytes = ir->scratch_bytes;
        counts->joins = l.n_joins;
    }
    hl__task_builder_destroy(l.builder);
    hl__release(l.groups);
    hl__release(l.items);
    hl__release(l.regions);
    hl__release(l.buckets);
    hl__release(l.before);
    hl__release(l.mark);
    hl__release(l.level);
    hl__store_clear(&l.scratch);
    hl__boxes_clear(&ir->boxes);
    return done ? HL_OK : hl__ir_no_memory(ir);
}
