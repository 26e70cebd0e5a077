/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of tiles, and the boxes that they touch: a hash table over boxes, and for each operand of each call their
 * numbers, one by tile only from the first tile on that differs from those before it. */
#include "graph/tiles.h"

#include <string.h>

#include "runtime/memory.h"

#define FIRST_BUCKETS ((size_t)1024)

bool hl__tiles_make(hl__tiles *tiles, hl__store *store, size_t n) {
    *tiles = (hl__tiles){.n = n,
                         .flops = hl__store_take(store, n, sizeof *tiles->flops),
                         .bytes = hl__store_take(store, n, sizeof *tiles->bytes),
                         .home = hl__store_take(store, n, sizeof *tiles->home),
                         .task = hl__store_take(store, n, sizeof *tiles->task)};
    return tiles->flops && tiles->bytes && tiles->home && tiles->task;
}

/* ---- boxes ---- */

bool hl__boxes_make(hl__boxes *boxes, size_t n_calls) {
    *boxes = (hl__boxes){.operand = NULL};
    boxes->operand = hl__store_take(&boxes->store, n_calls, sizeof(hl__operand_boxes *));
    return boxes->operand != NULL;
}

bool hl__boxes_add_call(hl__boxes *boxes, size_t call, size_t n_operands) {
    boxes->operand[call] = hl__store_take(&boxes->store, n_operands, sizeof **boxes->operand);
    return boxes->operand[call] != NULL;
}

void hl__boxes_clear(hl__boxes *boxes) {
    hl__release(boxes->list);
    hl__release(boxes->buckets);
    hl__store_clear(&boxes->store);
    *boxes = (hl__boxes){.operand = NULL};
}

static uint32_t hash(const hl__touch *touch) {
    uint64_t h = touch->value;
    for (size_t i = 0; i < touch->rank; i++) {
        h = (h ^ touch->box->begin[i]) * 0x9e3779b97f4a7c15u;
        h = (h ^ h >> 32 ^ touch->box->end[i]) * 0xbf58476d1ce4e5b9u;
    }
    return (uint32_t)(h >> 32);
}

static bool is_box(const hl__value_box *at, const hl__touch *touch) {
    if (at->value != touch->value) return false;
    for (size_t i = 0; i < touch->rank; i++)
        if (at->box.begin[i] != touch->box->begin[i] || at->box.end[i] != touch->box->end[i]) return false;
    return true;
}

/* At most half of the buckets are taken. */
static bool rehash(hl__boxes *boxes) {
    size_t n = boxes->n_buckets ? boxes->n_buckets * 2 : FIRST_BUCKETS;
    uint32_t *buckets = hl__allocate(n, sizeof *buckets);
    if (!buckets) return false;
    memset(buckets, 0xff, n * sizeof *buckets); /* HL__NO_BOX */
    for (size_t i = 0; i < boxes->n; i++) {
        size_t bucket = boxes->list[i].hash & (n - 1);
        while (buckets[bucket] != HL__NO_BOX) bucket = (bucket + 1) & (n - 1);
        buckets[bucket] = (uint32_t)i;
    }
    hl__release(boxes->buckets);
    boxes->buckets = buckets;
    boxes->n_buckets = n;
    return true;
}

/* The number of the touched box, made where it is new; HL__NO_BOX where there is no memory. */
static uint32_t find(hl__boxes *boxes, const hl__touch *touch) {
    if (boxes->n * 2 >= boxes->n_buckets && !rehash(boxes)) return HL__NO_BOX;
    uint32_t hashed = hash(touch);
    size_t bucket = hashed & (boxes->n_buckets - 1);
    for (; boxes->buckets[bucket] != HL__NO_BOX; bucket = (bucket + 1) & (boxes->n_buckets - 1)) {
        const hl__value_box *at = &boxes->list[boxes->buckets[bucket]];
        if (at->hash == hashed && is_box(at, touch)) return boxes->buckets[bucket];
    }
    if (boxes->n >= HL__NO_BOX || !hl__grow(&boxes->list, &boxes->room, boxes->n, boxes->n + 1, sizeof *boxes->list))
        return HL__NO_BOX;
    hl__value_box *made = &boxes->list[boxes->n];
    *made = (hl__value_box){.value = touch->value, .hash = hashed};
    memcpy(made->box.begin, touch->box->begin, touch->rank * sizeof made->box.begin[0]);
    memcpy(made->box.end, touch->box->end, touch->rank * sizeof made->box.end[0]);
    boxes->buckets[bucket] = (uint32_t)boxes->n;
    return (uint32_t)boxes->n++;
}

bool hl__boxes_add(hl__boxes *boxes, const hl__touch *touch) {
    hl__operand_boxes *of = &boxes->operand[touch->call][touch->operand];
    uint32_t before = HL__NO_BOX, number = HL__NO_BOX;
    if (touch->tile > 0) before = of->each ? of->each[touch->tile - 1] : of->all;
    if (touch->box) {
        bool same = before != HL__NO_BOX && is_box(&boxes->list[before], touch);
        number = same ? before : find(boxes, touch);
        if (number == HL__NO_BOX) return false;
    }
    if (touch->tile == 0) of->all = number;
    else if (!of->each && number != before) {
        of->each = hl__store_take(&boxes->store, touch->n_tiles, sizeof *of->each);
        if (!of->each) return false;
        for (size_t t = 0; t < touch->tile; t++) of->each[t] = before;
    }
    if (of->each) of->each[touch->tile] = number;
    return true;
}
