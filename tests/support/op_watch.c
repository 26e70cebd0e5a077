/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One call of a pass: first in serial order, each tile twice more on poisoned memory, then the whole call once more in
 * another order that the declared boxes allow. All results must have the same bits. */
#include "tests/support/op_watch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/op.h"
#include "tests/support/code_room.h"

enum { READABLE = 1, WRITABLE = 2 };
#define SCRATCH_FENCE 64 /* bytes */
#define BLOCK 256        /* words of which most are poisoned and looked at together */

typedef struct watch {
    op_engine *e;
    const hl_pass *pass;
    const op_value *operands;
    size_t n_reads, n;
    hl_view bare[HL_MAX_OPERANDS];  /* without data, for everything that comes before a run */
    hl_view views[HL_MAX_OPERANDS]; /* for kernels */
    hl_call call;
    hl_grid grid;
    size_t n_tiles;
    hl_box *boxes;                                                 /* [tile][operand] */
    op_memory *memory[HL_MAX_OPERANDS];                            /* distinct memories of the operands */
    uint32_t *kept[HL_MAX_OPERANDS];                               /* copies of them: before the call, then after it */
    uint32_t *shadow[HL_MAX_OPERANDS], *poisoned[HL_MAX_OPERANDS]; /* what a tile runs on, and that before it runs */
    uint8_t *mask[HL_MAX_OPERANDS];
    size_t n_memories;
    size_t scratch_bytes;
    char *scratch;
    void *plan;
    code_room room;
} watch;

static void *take(size_t bytes) {
    void *made = aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
    if (!made) abort();
    return made;
}

static hl_tile tile_at(const watch *w, size_t number) {
    hl_tile tile = {.scratch = NULL};
    for (size_t i = HL_GRID_RANK; i-- > 0; number /= w->grid.extent[i])
        tile.index[i] = (uint32_t)(number % w->grid.extent[i]);
    return tile;
}

#define TILE_TEXT 160

static const char *tile_text(const watch *w, size_t number, char text[TILE_TEXT]) {
    hl_tile tile = tile_at(w, number);
    snprintf(text, TILE_TEXT, "pass '%.60s', tile (%u, %u, %u, %u)", w->pass->name, tile.index[0], tile.index[1],
             tile.index[2], tile.index[3]);
    return text;
}

/* ---- before the run ---- */

static bool box_empty(const hl_box *box, size_t rank) {
    for (size_t i = 0; i < rank; i++)
        if (box->begin[i] >= box->end[i]) return true;
    return false;
}

static bool declare_tile(watch *w, size_t number) {
    hl_tile tile = tile_at(w, number);
    hl_box *boxes = &w->boxes[number * w->n];
    char text[TILE_TEXT];
    for (size_t i = 0; i < w->n; i++) boxes[i] = hl__box_whole(&w->bare[i]);
    if (w->pass->access) w->pass->access(&w->call, &tile, boxes);
    for (size_t i = 0; i < w->n; i++)
        for (size_t axis = 0; hl_view_present(&w->bare[i]) && axis < w->bare[i].shape.rank; axis++)
            if (boxes[i].end[axis] > w->bare[i].shape.extent[axis])
                return op_fail(w->e, "%s: box of operand %zu ends at %zu on axis %zu, beyond the extent %zu",
                               tile_text(w, number, text), i, boxes[i].end[axis], axis, w->bare[i].shape.extent[axis]);
    if (!w->pass->cost) return true;
    hl_cost cost = w->pass->cost(&w->call, &tile);
    if (isfinite(cost.flops) && isfinite(cost.bytes) && cost.flops >= 0 && cost.bytes >= 0) return true;
    return op_fail(w->e, "%s: cost is negative or not finite", tile_text(w, number, text));
}

static bool enough_tiles(const watch *w) {
    if (w->n_tiles >= w->e->min_tiles) return true;
    for (size_t i = 0; i < 4 && w->e->few_tiles && w->e->few_tiles[i]; i++)
        if (strcmp(w->e->few_tiles[i], w->pass->name) == 0) return true;
    return op_fail(w->e, "pass '%s' has %zu tiles, fewer than %zu", w->pass->name, w->n_tiles, w->e->min_tiles);
}

static bool prepare(watch *w) {
    for (size_t i = 0; i < w->n; i++) {
        const op_value *value = &w->operands[i];
        w->bare[i] = w->views[i] = value->memory ? value->view : (hl_view){.dtype = HL_NONE};
        size_t m = 0;
        while (m < w->n_memories && w->memory[m] != value->memory) m++;
        if (value->memory && m == w->n_memories) w->memory[w->n_memories++] = value->memory;
    }
    w->plan = take(w->pass->plan_bytes);
    memset(w->plan, 0, w->pass->plan_bytes);
    w->call = (hl_call){.operand = w->bare,
                        .n_reads = w->n_reads,
                        .n_writes = w->n - w->n_reads,
                        .options = w->e->options,
                        .plan = w->pass->plan_bytes ? w->plan : NULL,
                        .node_id = w->e->node_id,
                        .code = &w->room.code};
    hl_status status = w->pass->prepare ? w->pass->prepare(&w->call, w->call.plan) : HL_OK;
    if (status != HL_OK)
        return op_fail(w->e, "pass '%s' could not be prepared: %s", w->pass->name, hl_status_string(status));
    w->grid = (hl_grid){{1, 1, 1, 1}};
    if (w->pass->grid) w->pass->grid(&w->call, &w->grid);
    w->n_tiles = 1;
    for (size_t i = 0; i < HL_GRID_RANK; i++) w->n_tiles *= w->grid.extent[i];
    if (w->n_tiles == 0) return op_fail(w->e, "pass '%s' has no tiles", w->pass->name);
    w->scratch_bytes = w->pass->scratch ? w->pass->scratch(&w->call) : 0;
    w->scratch = take(w->scratch_bytes + SCRATCH_FENCE);
    w->boxes = take(w->n_tiles * w->n * sizeof *w->boxes);
    for (size_t t = 0; t < w->n_tiles; t++)
        if (!declare_tile(w, t)) return false;
    return enough_tiles(w);
}

/* ---- runs ---- */

/* Points the views at the real memory, or at the shadow. */
static void aim(watch *w, uint32_t *const shadow[]) {
    for (size_t i = 0; i < w->n; i++) {
        const op_value *value = &w->operands[i];
        if (!value->memory) continue;
        size_t m = 0;
        while (w->memory[m] != value->memory) m++;
        uint32_t *words = shadow ? shadow[m] : value->memory->words;
        w->views[i].data = words + OP_FENCE + value->offset;
    }
}

static bool run_tile(watch *w, size_t number) {
    char text[TILE_TEXT];
    hl_tile tile = tile_at(w, number);
    hl_call call = w->call;
    call.operand = w->views;
    tile.scratch = w->scratch;
    memset(w->scratch, 0xff, w->scratch_bytes + SCRATCH_FENCE); /* as floats: NaN */
    w->pass->kernel(&call, &tile);
    for (size_t i = 0; i < SCRATCH_FENCE; i++)
        if ((unsigned char)w->scratch[w->scratch_bytes + i] != 0xff)
            return op_fail(w->e, "%s writes behind its scratch", tile_text(w, number, text));
    return true;
}

/* ---- access ---- */

static void mark(const watch *w, const op_value *value, const hl_box *box, uint8_t bit) {
    size_t rank = value->view.shape.rank, index[HL_MAX_RANK] = {0}, m = 0;
    while (w->memory[m] != value->memory) m++;
    for (bool started = false; hl__next_row(box, rank, index, &started);) {
        size_t at = OP_FENCE + value->offset + hl__offset(&value->view, index);
        size_t count = rank ? box->end[rank - 1] - box->begin[rank - 1] : 1;
        size_t step = rank ? value->view.stride[rank - 1] : 1;
        for (size_t i = 0; i < count; i++) w->mask[m][at + i * step] |= bit;
    }
}

static uint32_t poison(const op_memory *memory, uint32_t word, size_t round) {
    if (!memory->index) return memory->poison[round];
    return word == memory->poison[round] ? memory->poison[1 - round] : memory->poison[round];
}

/* Poisons the shadow outside of what the tile declares. What it writes it may also read: an earlier tile's share. */
static void poison_shadow(watch *w, size_t number, size_t round) {
    const hl_box *boxes = &w->boxes[number * w->n];
    for (size_t m = 0; m < w->n_memories; m++) memset(w->mask[m], 0, w->memory[m]->n_words);
    for (size_t i = 0; i < w->n; i++)
        if (w->operands[i].memory && !box_empty(&boxes[i], w->bare[i].shape.rank))
            mark(w, &w->operands[i], &boxes[i], i < w->n_reads ? READABLE : WRITABLE);
    for (size_t m = 0; m < w->n_memories; m++) {
        static const uint8_t unmarked[BLOCK];
        const op_memory *memory = w->memory[m];
        uint32_t filled[BLOCK];
        for (size_t i = 0; i < BLOCK; i++) filled[i] = memory->poison[round];
        for (size_t from = 0, n; from < memory->n_words; from += n) {
            n = hl__min(BLOCK, memory->n_words - from);
            uint32_t *words = w->shadow[m] + from;
            const uint8_t *mask = w->mask[m] + from;
            if (!memory->index && memcmp(mask, unmarked, n) == 0) memcpy(words, filled, n * 4);
            else
                for (size_t i = 0; i < n; i++)
                    if (!mask[i]) words[i] = poison(memory, words[i], round);
        }
        memcpy(w->poisoned[m], w->shadow[m], memory->n_words * 4);
    }
}

/* Words from..from + n of memory m. Most were written by neither run: a word that is as it was in both is right,
 * whatever is declared for it. */
static bool check_words(const watch *w, size_t number, size_t m, const uint32_t *before, size_t from, size_t n) {
    char text[TILE_TEXT];
    const uint32_t *shadow = w->shadow[m], *poisoned = w->poisoned[m], *words = w->memory[m]->words;
    if (memcmp(shadow + from, poisoned + from, n * 4) == 0 && memcmp(words + from, before + from, n * 4) == 0)
        return true;
    for (size_t i = from; i < from + n; i++) {
        bool writable = w->mask[m][i] & WRITABLE;
        if (writable && shadow[i] != words[i])
            return op_fail(w->e, "%s depends on something outside of the boxes that it declares for reading",
                           tile_text(w, number, text));
        if (!writable && (shadow[i] != poisoned[i] || words[i] != before[i]))
            return op_fail(w->e, "%s writes outside of the boxes that it declares for writing",
                           tile_text(w, number, text));
    }
    return true;
}

/* before: the memories as they were before the tile ran on the real ones. */
static bool probe_tile(watch *w, size_t number, uint32_t *const before[], size_t round) {
    for (size_t m = 0; m < w->n_memories; m++) memcpy(w->shadow[m], before[m], w->memory[m]->n_words * 4);
    poison_shadow(w, number, round);
    aim(w, w->shadow);
    bool ran = run_tile(w, number);
    aim(w, NULL);
    if (!ran) return false;
    for (size_t m = 0; m < w->n_memories; m++)
        for (size_t from = 0, n; from < w->memory[m]->n_words; from += n) {
            n = hl__min(BLOCK, w->memory[m]->n_words - from);
            if (!check_words(w, number, m, before[m], from, n)) return false;
        }
    return true;
}

static bool run_watched(watch *w) {
    uint32_t *before[HL_MAX_OPERANDS] = {NULL};
    bool good = true;
    for (size_t m = 0; m < w->n_memories; m++) before[m] = take(w->memory[m]->n_words * 4);
    for (size_t t = 0; good && t < w->n_tiles; t++) {
        for (size_t m = 0; m < w->n_memories; m++) memcpy(before[m], w->memory[m]->words, w->memory[m]->n_words * 4);
        good = run_tile(w, t) && probe_tile(w, t, before, 0) && probe_tile(w, t, before, 1);
    }
    for (size_t m = 0; m < w->n_memories; m++) free(before[m]);
    return good;
}

/* ---- order ---- */

static bool boxes_meet(const hl_box *a, const hl_box *b, size_t rank) {
    for (size_t i = 0; i < rank; i++)
        if (a->begin[i] >= b->end[i] || b->begin[i] >= a->end[i]) return false;
    return true;
}

/* True where one of the tiles writes what the other one touches. */
static bool tiles_meet(const watch *w, size_t a, size_t b) {
    for (size_t i = 0; i < w->n; i++)
        for (size_t j = 0; j < w->n; j++) {
            const op_value *x = &w->operands[i], *y = &w->operands[j];
            if ((i < w->n_reads && j < w->n_reads) || !x->memory || x->memory != y->memory) continue;
            const hl_box *p = &w->boxes[a * w->n + i], *q = &w->boxes[b * w->n + j];
            if (box_empty(p, x->view.shape.rank) || box_empty(q, y->view.shape.rank)) continue;
            bool same_view = x->offset == y->offset && hl__shape_equal(&x->view.shape, &y->view.shape);
            if (!same_view || boxes_meet(p, q, x->view.shape.rank)) return true;
        }
    return false;
}

/* Takes the tiles from the last to the first, each behind the earlier ones that it must follow. */
static bool run_late(watch *w, size_t number, bool done[]) {
    if (done[number]) return true;
    done[number] = true;
    for (size_t t = number; t-- > 0;)
        if (!done[t] && tiles_meet(w, t, number) && !run_late(w, t, done)) return false;
    return run_tile(w, number);
}

static bool run_reordered(watch *w) {
    bool *done = take(w->n_tiles), good = true;
    memset(done, 0, w->n_tiles);
    for (size_t m = 0; m < w->n_memories; m++) { /* kept: before the call; from here on after it */
        memcpy(w->shadow[m], w->memory[m]->words, w->memory[m]->n_words * 4);
        memcpy(w->memory[m]->words, w->kept[m], w->memory[m]->n_words * 4);
        memcpy(w->kept[m], w->shadow[m], w->memory[m]->n_words * 4);
    }
    for (size_t t = w->n_tiles; good && t-- > 0;) good = run_late(w, t, done);
    free(done);
    if (!good) return false;
    for (size_t m = 0; m < w->n_memories; m++)
        if (memcmp(w->memory[m]->words, w->kept[m], w->memory[m]->n_words * 4) != 0)
            return op_fail(w->e, "pass '%s': another order of its tiles gives other bits", w->pass->name);
    return true;
}

/* ---- */

static void take_copies(watch *w) {
    for (size_t m = 0; m < w->n_memories; m++) {
        size_t n = w->memory[m]->n_words;
        w->kept[m] = take(n * 4);
        w->shadow[m] = take(n * 4);
        w->poisoned[m] = take(n * 4);
        w->mask[m] = take(n);
        memcpy(w->kept[m], w->memory[m]->words, n * 4);
    }
}

bool op_run_call(op_engine *e, const hl_pass *pass, const op_value *operands, size_t n_reads, size_t n_writes) {
    watch w = {.e = e, .pass = pass, .operands = operands, .n_reads = n_reads, .n = n_reads + n_writes};
    code_room_open(&w.room);
    bool good = prepare(&w);
    if (good) {
        aim(&w, NULL);
        if (e->watch) {
            take_copies(&w);
            good = run_watched(&w) && run_reordered(&w);
        } else {
            for (size_t t = 0; good && t < w.n_tiles; t++) good = run_tile(&w, t);
        }
    }
    for (size_t m = 0; m < w.n_memories; m++) {
        free(w.kept[m]);
        free(w.shadow[m]);
        free(w.poisoned[m]);
        free(w.mask[m]);
    }
    free(w.boxes);
    free(w.scratch);
    free(w.plan);
    code_room_close(&w.room);
    return good;
}
