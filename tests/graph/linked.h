/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Linked programs without a runtime, and an oracle that knows nothing of regions, cells or joins: it lists the tiles
 * that touch each 4-byte word of memory by walking the addresses in their boxes, and which tasks follow which in the
 * task graph. */
#ifndef TESTS_GRAPH_LINKED_H
#define TESTS_GRAPH_LINKED_H

#include "graph/link.h"
#include "graph/place.h"
#include "graph/plan.h"
#include "graph/region.h"
#include "tests/graph/kit.h"

typedef struct linked {
    hl__ir ir;
    hl__plan plan;
    hl__task_graph tasks;
    hl__link_counts counts;
} linked;

static inline void linked_tile(const void *argument, const uint32_t index[HL__TASK_GRID_RANK], void *scratch) {
    (void)argument, (void)index, (void)scratch; /* stands for a kernel; nothing is run */
}

/* The whole pipeline for so many NUMA nodes. */
static inline hl_status linked_try(linked *l, hl_graph *graph, hl_tensor *const outputs[], size_t n, size_t n_homes) {
    *l = (linked){.counts = {0}};
    hl_status status = kit_stages(&l->ir, graph, outputs, n, KIT_TILED);
    if (status == HL_OK) status = hl__ir_place(&l->ir, n_homes);
    if (status == HL_OK) status = hl__ir_plan(&l->ir, &l->plan);
    if (status == HL_OK) status = hl__ir_link(&l->ir, &l->plan, linked_tile, &l->tasks, &l->counts);
    return status;
}

static inline void linked_make(linked *l, hl_graph *graph, hl_tensor *const outputs[], size_t n, size_t n_homes) {
    hl_status status = linked_try(l, graph, outputs, n, n_homes);
    ck_assert_msg(status == HL_OK, "%s: %s", hl_status_string(status), l->ir.message);
}

static inline void linked_clear(linked *l) {
    hl__task_graph_clear(&l->tasks);
    hl__ir_clear(&l->ir);
}

/* The home of a tile, from its boxes computed anew. */
static inline size_t linked_home(const hl__call *call, size_t number, size_t n_homes) {
    hl_tile tile;
    hl_box boxes[HL_MAX_OPERANDS];
    const hl_box *touched[HL_MAX_OPERANDS];
    hl__tile_at(call, number, &tile);
    hl__tile_boxes(call, &tile, boxes);
    for (size_t i = 0; i < call->call.n_reads + call->call.n_writes; i++)
        touched[i] = hl__box_is_empty(&boxes[i], call->view[i].shape.rank) ? NULL : &boxes[i];
    return hl__tile_home(call, number, touched, n_homes);
}

/* ---- who touches what ---- */

typedef struct touch {
    size_t word; /* of all memory: arena behind arena, then the state */
    uint32_t task, base;
    bool write;
} touch;

typedef struct touches {
    touch *list; /* by word, then in serial order, reads before writes */
    size_t n, room;
} touches;

/* The first word of a buffer. */
static inline size_t linked_word(const linked *l, uint32_t base) {
    const hl__value *value = &l->ir.values[base];
    size_t word = 0;
    bool state = value->kind == HL__VALUE_STATE;
    for (size_t a = 0; a < (state ? l->plan.n_arenas : hl__plan_arena(&l->plan, value->home)); a++)
        word += l->plan.arena_bytes[a] / 4;
    if (!state) return word + value->arena_offset / 4;
    for (uint32_t v = 0; v < base; v++)
        if (l->ir.values[v].kind == HL__VALUE_STATE && l->ir.values[v].base == v) word += l->ir.values[v].bytes / 4;
    return word;
}

static inline void touches_add(touches *t, touch one) {
    if (t->n == t->room) {
        t->room = t->room ? t->room * 2 : 4096;
        t->list = realloc(t->list, t->room * sizeof *t->list);
        ck_assert_ptr_nonnull(t->list);
    }
    t->list[t->n++] = one;
}

static inline int touches_order(const void *a, const void *b) {
    const touch *x = a, *y = b;
    if (x->word != y->word) return x->word < y->word ? -1 : 1;
    if (x->task != y->task) return x->task < y->task ? -1 : 1;
    return x->write - y->write;
}

/* The elements of one operand's box. */
static inline void touches_box(touches *t, const hl__value *value, size_t first_word, const hl_box *box, touch one) {
    size_t at[HL_MAX_RANK], rank = value->shape.rank;
    memcpy(at, box->begin, sizeof at);
    for (bool more = !hl__box_is_empty(box, rank); more;) {
        one.word = first_word + value->offset;
        for (size_t i = 0; i < rank; i++) one.word += at[i] * value->stride[i];
        touches_add(t, one);
        more = false;
        for (size_t i = rank; i-- > 0 && !more;) {
            if (++at[i] < box->end[i]) more = true;
            else at[i] = box->begin[i];
        }
    }
}

/* What is read before any tile of its buffer wrote it has no value that an order could keep. */
static inline void touches_drop_unwritten(touches *t, const hl__ir *ir) {
    size_t kept = 0;
    for (size_t i = 0; i < t->n; i++) {
        const touch *one = &t->list[i];
        bool has_value = one->write || ir->values[one->base].kind != HL__VALUE_COMPUTED;
        for (size_t k = kept; !has_value && k-- > 0 && t->list[k].word == one->word;)
            has_value = t->list[k].write && t->list[k].base == one->base;
        if (has_value) t->list[kept++] = *one;
    }
    t->n = kept;
}

static inline touches touches_of(const linked *l) {
    touches t = {NULL, 0, 0};
    for (uint32_t task = 0; task < l->tasks.n_tasks; task++) {
        const hl__call *call = l->tasks.tasks[task].argument;
        if (!l->tasks.tasks[task].run) continue;
        hl_tile tile = {.scratch = NULL};
        hl_box boxes[HL_MAX_OPERANDS];
        memcpy(tile.index, l->tasks.tasks[task].index, sizeof tile.index);
        hl__tile_boxes(call, &tile, boxes);
        for (size_t i = 0; i < call->call.n_reads + call->call.n_writes; i++) {
            if (call->operand[i] == HL__NONE) continue;
            const hl__value *value = &l->ir.values[call->operand[i]];
            touches_box(&t, value, linked_word(l, value->base), &boxes[i],
                        (touch){.task = task, .base = value->base, .write = i >= call->call.n_reads});
        }
    }
    qsort(t.list, t.n, sizeof *t.list, touches_order);
    return t;
}

/* ---- who follows whom: a square of bits ---- */

typedef struct follows {
    uint64_t *bits;
    size_t n, words; /* tasks, and 64-bit words in a row */
} follows;

static inline follows follows_none(size_t n) {
    follows f = {.n = n, .words = (n + 63) / 64};
    f.bits = calloc(n * f.words + 1, sizeof *f.bits);
    ck_assert_ptr_nonnull(f.bits);
    return f;
}

static inline void follows_set(follows *f, size_t later, size_t earlier) {
    f->bits[later * f->words + earlier / 64] |= (uint64_t)1 << earlier % 64;
}

static inline bool follows_has(const follows *f, size_t later, size_t earlier) {
    return f->bits[later * f->words + earlier / 64] >> earlier % 64 & 1;
}

/* Everything that some path leads to. Every edge must rise, or this fails. */
static inline follows follows_paths(const hl__task_graph *graph) {
    follows f = follows_none(graph->n_tasks);
    for (size_t t = 0; t < graph->n_tasks; t++) {
        for (size_t s = 0; s < graph->tasks[t].n_successors; s++) {
            size_t next = graph->successors[graph->tasks[t].first_successor + s];
            ck_assert_uint_gt(next, t);
            for (size_t w = 0; w < f.words; w++) f.bits[next * f.words + w] |= f.bits[t * f.words + w];
            follows_set(&f, next, t);
        }
    }
    return f;
}

/* Task by task: the tiles that it waits for directly, or behind joins only. */
static inline follows follows_direct(const hl__task_graph *graph) {
    follows f = follows_none(graph->n_tasks);
    for (size_t t = 0; t < graph->n_tasks; t++)
        for (size_t s = 0; s < graph->tasks[t].n_successors; s++) {
            size_t next = graph->successors[graph->tasks[t].first_successor + s];
            if (graph->tasks[t].run) follows_set(&f, next, t);
            for (size_t w = 0; !graph->tasks[t].run && w < f.words; w++)
                f.bits[next * f.words + w] |= f.bits[t * f.words + w];
        }
    return f;
}

/* Tiles that touch a common word, at least one of the two writing; same: as part of the same buffer. */
static inline follows follows_conflicts(const touches *t, size_t n_tasks, bool same) {
    follows f = follows_none(n_tasks);
    for (size_t begin = 0, end; begin < t->n; begin = end) {
        for (end = begin; end < t->n && t->list[end].word == t->list[begin].word; end++)
            for (size_t i = begin; i < end; i++) {
                const touch *a = &t->list[i], *b = &t->list[end];
                if (a->task == b->task || (!a->write && !b->write) || (same && a->base != b->base)) continue;
                follows_set(&f, b->task, a->task);
            }
    }
    return f;
}

#endif
