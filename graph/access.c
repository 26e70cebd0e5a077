/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cells, groups of readers, regions and joins. Joins are made only where they save edges: between several writers and
 * several readers, or several readers and several writers. */
#include "graph/access.h"

#include <assert.h>
#include <string.h>

#include "runtime/memory.h"

/* ---- tasks ---- */

void hl__wait_for(hl__linker *l, uint32_t task) {
    if (task == HL__NONE || l->failed || l->mark[task] == l->n_tasks + 1) return;
    l->mark[task] = l->n_tasks + 1;
    if (!hl__grow(&l->before, &l->room_before, l->n_before, l->n_before + 1, sizeof *l->before)) l->failed = true;
    else l->before[l->n_before++] = task;
}

uint32_t hl__link_task(hl__linker *l, hl__task *task, uint32_t lowest_level) {
    uint32_t level = lowest_level, number;
    for (size_t i = 0; i < l->n_before; i++) {
        uint32_t least = l->level[l->before[i]] + (task->run ? 1 : 0);
        if (least > level) level = least;
    }
    task->level = level;
    if (l->failed || !hl__grow(&l->mark, &l->room_mark, l->n_tasks, l->n_tasks + 1, sizeof *l->mark) ||
        !hl__grow(&l->level, &l->room_level, l->n_tasks, l->n_tasks + 1, sizeof *l->level) ||
        hl__task_builder_add(l->builder, task, &number) != HL_OK) {
        l->failed = true;
        return HL__NONE;
    }
    assert(number == l->n_tasks);
    l->mark[number] = 0;
    l->level[number] = level;
    for (size_t i = 0; i < l->n_before; i++)
        if (hl__task_builder_edge(l->builder, l->before[i], number) != HL_OK) l->failed = true;
    l->n_before = 0;
    l->n_tasks++;
    return number;
}

uint32_t hl__link_join(hl__linker *l) {
    if (l->n_before == 0) return HL__NONE;
    if (l->n_before == 1) {
        l->n_before = 0;
        uint32_t only = l->before[0];
        l->mark[only] = 0;
        return only;
    }
    hl__task join = {.name = l->join_name, .home = HL__NO_NODE};
    l->n_joins++;
    return hl__link_task(l, &join, 0);
}

/* ---- cells and regions ---- */

/* Walks over the cells of a region in row-major order. */
typedef struct walk {
    const hl__cells *cells;
    const hl__region *region;
    uint32_t at[HL_MAX_RANK]; /* of the row that is walked, but for the last axis */
    size_t index, row_end;    /* of cells */
} walk;

static void enter_row(walk *w) {
    size_t rank = w->cells->rank, row = 0;
    for (size_t i = 0; i + 1 < rank; i++) row = (row + w->at[i]) * w->cells->count[i + 1];
    w->index = rank ? row + w->region->begin[rank - 1] : 0;
    w->row_end = rank ? row + w->region->end[rank - 1] : 1;
}

static walk walk_over(const hl__linker *l, const hl__region *region) {
    walk w = {.cells = &l->cells[region->base], .region = region};
    memcpy(w.at, region->begin, sizeof w.at);
    enter_row(&w);
    return w;
}

/* The next cell of the walk, or NULL. */
static hl__cell *next_cell(walk *w, hl__cell *cells) {
    if (w->index < w->row_end) return &cells[w->index++];
    for (size_t i = w->cells->rank > 0 ? w->cells->rank - 1 : 0; i-- > 0;) {
        if (++w->at[i] < w->region->end[i]) {
            enter_row(w);
            return &cells[w->index++];
        }
        w->at[i] = w->region->begin[i];
    }
    return NULL;
}

static uint32_t hash(const hl__region *region, size_t rank) {
    uint64_t h = region->base;
    for (size_t i = 0; i < rank; i++) {
        h = (h ^ region->begin[i]) * 0x9e3779b97f4a7c15u;
        h = (h ^ h >> 32 ^ region->end[i]) * 0xbf58476d1ce4e5b9u;
    }
    return (uint32_t)(h >> 32);
}

/* At least as many buckets as regions; a power of two. */
static bool make_buckets(hl__linker *l, size_t n_regions) {
    size_t n = l->n_buckets ? l->n_buckets : 1024;
    while (n < n_regions) n *= 2;
    uint32_t *buckets = hl__allocate(n, sizeof *buckets);
    if (!buckets) return false;
    memset(buckets, 0xff, n * sizeof *buckets); /* HL__NONE */
    for (size_t r = 0; r < l->n_regions; r++) {
        hl__region *at = &l->regions[r];
        size_t bucket = hash(at, l->cells[at->base].rank) & (n - 1);
        at->next = buckets[bucket];
        buckets[bucket] = (uint32_t)r;
    }
    hl__release(l->buckets);
    l->buckets = buckets;
    l->n_buckets = n;
    return true;
}

bool hl__link_expect_regions(hl__linker *l, size_t n) {
    if (n > l->n_buckets && !make_buckets(l, n)) return false;
    return hl__grow(&l->regions, &l->room_regions, l->n_regions, n, sizeof *l->regions);
}

uint32_t hl__link_region(hl__linker *l, uint32_t base, const hl_box *range) {
    hl__region made = {.base = base, .open = HL__NONE, .join = HL__NONE, .call = HL__NONE};
    size_t rank = l->cells[base].rank;
    for (size_t i = 0; i < rank; i++) {
        made.begin[i] = (uint32_t)range->begin[i];
        made.end[i] = (uint32_t)range->end[i];
    }
    if (!hl__link_expect_regions(l, l->n_regions + 1)) {
        l->failed = true;
        return HL__NONE;
    }
    size_t bucket = hash(&made, rank) & (l->n_buckets - 1);
    for (uint32_t r = l->buckets[bucket]; r != HL__NONE; r = l->regions[r].next) {
        const hl__region *at = &l->regions[r];
        if (at->base == base && memcmp(at->begin, made.begin, sizeof made.begin) == 0 &&
            memcmp(at->end, made.end, sizeof made.end) == 0)
            return r;
    }
    made.next = l->buckets[bucket];
    l->regions[l->n_regions] = made;
    l->buckets[bucket] = (uint32_t)l->n_regions;
    return (uint32_t)l->n_regions++;
}

static const hl__list_item *item_at(const hl__linker *l, uint32_t number) {
    return &l->items[number / HL__BLOCK_ITEMS][number % HL__BLOCK_ITEMS];
}

static bool push_item(hl__linker *l, uint32_t *list, uint32_t item) {
    size_t block = l->n_items / HL__BLOCK_ITEMS;
    if (l->n_items % HL__BLOCK_ITEMS == 0) {
        bool grown = l->n_items < HL__NONE && hl__grow(&l->items, &l->room_items, block, block + 1, sizeof *l->items);
        if (grown) l->items[block] = hl__store_take(&l->scratch, HL__BLOCK_ITEMS, sizeof **l->items);
        if (!grown || !l->items[block]) {
            l->failed = true;
            return false;
        }
    }
    l->items[block][l->n_items % HL__BLOCK_ITEMS] = (hl__list_item){.item = item, .next = *list};
    *list = (uint32_t)l->n_items++;
    return true;
}

/* ---- write then read ---- */

void hl__expect_read(hl__linker *l, uint32_t call, uint32_t region) {
    hl__region *r = &l->regions[region];
    if (r->call != call) r->expected = 0;
    r->call = call;
    r->expected++;
}

static void wait_for_writers(hl__linker *l, const hl__region *r) {
    walk w = walk_over(l, r);
    for (const hl__cell *c; (c = next_cell(&w, l->cell[r->base]));) hl__wait_for(l, c->writer);
}

/* n readers behind k writers: n k edges without a join, n + k and one more task with it. */
void hl__prepare_read(hl__linker *l, uint32_t region) {
    hl__region *r = &l->regions[region];
    if (r->join != HL__NONE && r->writes == l->writes[r->base]) return;
    r->join = HL__NONE;
    if (r->expected < 2) return;
    size_t n_readers = r->expected;
    wait_for_writers(l, r);
    bool saves = n_readers * l->n_before > n_readers + l->n_before + 1;
    for (size_t i = 0; !saves && i < l->n_before; i++) l->mark[l->before[i]] = 0;
    if (!saves) l->n_before = 0;
    r->join = saves ? hl__link_join(l) : HL__NONE;
    r->writes = l->writes[r->base];
}

void hl__wait_to_read(hl__linker *l, uint32_t region) {
    const hl__region *r = &l->regions[region];
    if (r->join != HL__NONE && r->writes == l->writes[r->base]) hl__wait_for(l, r->join);
    else wait_for_writers(l, r);
}

void hl__record_read(hl__linker *l, uint32_t region, uint32_t task) {
    hl__region *r = &l->regions[region];
    if (r->open == HL__NONE || l->groups[r->open].closed) {
        if (!hl__grow(&l->groups, &l->room_groups, l->n_groups, l->n_groups + 1, sizeof *l->groups)) {
            l->failed = true;
            return;
        }
        r->open = (uint32_t)l->n_groups++;
        l->groups[r->open] = (hl__readers){.region = region, .members = HL__NONE, .join = HL__NONE};
        walk w = walk_over(l, r);
        for (hl__cell *c; (c = next_cell(&w, l->cell[r->base]));)
            if (!push_item(l, &c->groups, r->open)) return;
    }
    hl__readers *g = &l->groups[r->open];
    if (push_item(l, &g->members, task)) g->n_members++;
}

/* ---- read then write, write then write ---- */

static void wait_for_members(hl__linker *l, const hl__readers *g) {
    for (uint32_t i = g->members; i != HL__NONE; i = item_at(l, i)->next) hl__wait_for(l, item_at(l, i)->item);
}

static bool contains(const hl__region *outer, const hl__region *inner, size_t rank) {
    for (size_t i = 0; i < rank; i++)
        if (inner->begin[i] < outer->begin[i] || inner->end[i] > outer->end[i]) return false;
    return true;
}

/* Closes the groups that a writer waits for. One that reaches beyond the written range will be waited for by other
 * writers too and gets a join. */
void hl__prepare_write(hl__linker *l, uint32_t region) {
    const hl__region *r = &l->regions[region];
    walk w = walk_over(l, r);
    for (const hl__cell *c; !l->failed && (c = next_cell(&w, l->cell[r->base]));) {
        for (uint32_t i = c->groups; i != HL__NONE && !l->failed; i = item_at(l, i)->next) {
            uint32_t id = item_at(l, i)->item;
            if (l->groups[id].closed) continue;
            l->groups[id].closed = true;
            if (contains(r, &l->regions[l->groups[id].region], l->cells[r->base].rank)) continue;
            wait_for_members(l, &l->groups[id]);
            uint32_t join = hl__link_join(l);
            l->groups[id].join = join;
        }
    }
}

static void wait_for_group(hl__linker *l, uint32_t id) {
    if (l->groups[id].join != HL__NONE) hl__wait_for(l, l->groups[id].join);
    else wait_for_members(l, &l->groups[id]);
}

void hl__wait_to_write(hl__linker *l, uint32_t region) {
    const hl__region *r = &l->regions[region];
    walk w = walk_over(l, r);
    for (const hl__cell *c; (c = next_cell(&w, l->cell[r->base]));) {
        for (uint32_t i = c->groups; i != HL__NONE; i = item_at(l, i)->next) wait_for_group(l, item_at(l, i)->item);
        if (c->groups == HL__NONE) hl__wait_for(l, c->writer != HL__NONE ? c->writer : l->entry[r->base]);
    }
}

void hl__record_write(hl__linker *l, uint32_t region, uint32_t task) {
    const hl__region *r = &l->regions[region];
    walk w = walk_over(l, r);
    for (hl__cell *c; (c = next_cell(&w, l->cell[r->base]));) {
        /* A group that the task itself opened, by reading what it now overwrites, must take no later readers. */
        for (uint32_t i = c->groups; i != HL__NONE; i = item_at(l, i)->next)
            l->groups[item_at(l, i)->item].closed = true;
        *c = (hl__cell){.writer = task, .groups = HL__NONE};
    }
    l->writes[r->base]++;
}

uint32_t hl__leave_buffer(hl__linker *l, uint32_t base) {
    if (l->leave[base] != HL__NONE) return l->leave[base];
    if (l->writes[base] == 0) hl__wait_for(l, l->entry[base]); /* nobody else has waited for what was there before */
    for (size_t c = 0; l->cell[base] && c < l->cells[base].n_cells && !l->failed; c++) {
        const hl__cell *at = &l->cell[base][c];
        if (at->groups == HL__NONE) hl__wait_for(l, at->writer);
        for (uint32_t i = at->groups; i != HL__NONE; i = item_at(l, i)->next) wait_for_group(l, item_at(l, i)->item);
    }
    l->leave[base] = hl__link_join(l);
    return l->leave[base];
}
