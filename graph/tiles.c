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
    hl__release(boxes->words);
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

static size_t coordinate(const uint32_t *words, size_t i, bool wide) {
    return wide ? words[2 * i] | (uint64_t)words[2 * i + 1] << 32 : words[i];
}

static bool is_box(const hl__boxes *boxes, const hl__value_box *at, const hl__touch *touch) {
    const uint32_t *words = boxes->words + at->word;
    if (at->value != touch->value) return false;
    for (size_t i = 0; i < touch->rank; i++)
        if (coordinate(words, 2 * i, at->wide) != touch->box->begin[i] ||
            coordinate(words, 2 * i + 1, at->wide) != touch->box->end[i])
            return false;
    return true;
}

hl_box hl__boxes_get(const hl__boxes *boxes, uint32_t number) {
    const hl__value_box *at = &boxes->list[number];
    const uint32_t *words = boxes->words + at->word;
    hl_box box = {{0}, {0}};
    for (size_t i = 0; i < at->rank; i++) {
        box.begin[i] = coordinate(words, 2 * i, at->wide);
        box.end[i] = coordinate(words, 2 * i + 1, at->wide);
    }
    return box;
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

/* Writes what will be box number boxes->n. */
static bool append(hl__boxes *boxes, const hl__touch *touch, uint32_t hashed) {
    bool wide = false;
    for (size_t i = 0; i < touch->rank; i++) wide |= touch->box->end[i] > UINT32_MAX; /* no begin is larger */
    size_t begin = boxes->n_words, end = begin + 2 * touch->rank * (wide ? 2 : 1);
    if (boxes->n >= HL__NO_BOX || end > UINT32_MAX ||
        !hl__grow(&boxes->words, &boxes->room_words, begin, end, sizeof *boxes->words) ||
        !hl__grow(&boxes->list, &boxes->room, boxes->n, boxes->n + 1, sizeof *boxes->list))
        return false;
    for (size_t i = 0; i < 2 * touch->rank; i++) {
        size_t at = i % 2 ? touch->box->end[i / 2] : touch->box->begin[i / 2];
        boxes->words[begin + (wide ? 2 * i : i)] = (uint32_t)at;
        if (wide) boxes->words[begin + 2 * i + 1] = (uint32_t)((uint64_t)at >> 32);
    }
    boxes->n_words = end;
    boxes->list[boxes->n] = (hl__value_box){
        .value = touch->value, .hash = hashed, .word = (uint32_t)begin, .rank = (uint16_t)touch->rank, .wide = wide};
    return true;
}

/* The number of the touched box, made where it is new; HL__NO_BOX where there is no memory. */
static uint32_t find(hl__boxes *boxes, const hl__touch *touch) {
    if (boxes->n * 2 >= boxes->n_buckets && !rehash(boxes)) return HL__NO_BOX;
    uint32_t hashed = hash(touch);
    size_t bucket = hashed & (boxes->n_buckets - 1);
    for (; boxes->buckets[bucket] != HL__NO_BOX; bucket = (bucket + 1) & (boxes->n_buckets - 1)) {
        const hl__value_box *at = &boxes->list[boxes->buckets[bucket]];
        if (at->hash == hashed && is_box(boxes, at, touch)) return boxes->buckets[bucket];
    }
    if (!append(boxes, touch, hashed)) return HL__NO_BOX;
    boxes->buckets[bucket] = (uint32_t)boxes->n;
    return (uint32_t)boxes->n++;
}

bool hl__boxes_add(hl__boxes *boxes, const hl__touch *touch) {
    hl__operand_boxes *of = &boxes->operand[touch->call][touch->operand];
    uint32_t before = HL__NO_BOX, number = HL__NO_BOX;
    if (touch->tile > 0) before = of->each ? of->each[touch->tile - 1] : of->all;
    if (touch->box) {
        bool same = before != HL__NO_BOX && is_box(boxes, &boxes->list[before], touch);
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
