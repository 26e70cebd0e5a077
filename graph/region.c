/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Boxes of views become boxes of buffers; buffers are cut into cells by coordinate compression. */
#include "graph/region.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/memory.h"

/* Above this many cells a buffer's cuts are thinned out: dependencies get coarser, never fewer. */
#define MAX_CELLS ((size_t)1 << 20)

/* An offset into the buffer is a number whose digits are the buffer's coordinates. A view's axis with stride s and
 * range [begin, end) moves the offset from begin * s to (end - 1) * s; where the two differ in some digit, all lower
 * digits may take any value, unless the stride keeps them at zero. Shares of several axes add up digit by digit. */
static void add_axis(const hl__value *base, size_t stride, size_t from, size_t to, size_t low[], size_t high[]) {
    bool spread = false; /* some higher digit varies */
    for (size_t axis = 0; axis < base->shape.rank; axis++) {
        size_t weight = base->stride[axis];
        size_t a = from / weight, b = to / weight;
        from %= weight;
        to %= weight;
        if (spread && stride % (weight * base->shape.extent[axis]) != 0) {
            a = 0;
            b = base->shape.extent[axis] - 1;
        }
        spread |= a != b;
        low[axis] += a;
        high[axis] += b;
    }
}

/* The axis of the view with the largest stride among those not yet taken that have more than one element, or rank. */
static size_t widest_axis(const hl__value *value, unsigned taken) {
    size_t widest = value->shape.rank;
    for (size_t axis = 0; axis < value->shape.rank; axis++) {
        if (taken >> axis & 1 || value->shape.extent[axis] == 1) continue;
        if (widest == value->shape.rank || value->stride[axis] > value->stride[widest]) widest = axis;
    }
    return widest;
}

/* Carries from the innermost digit outwards. A digit whose two ends carry differently may take any value. */
static hl_box carry(const hl__value *base, size_t low[], size_t high[]) {
    hl_box region = {{0}, {0}};
    for (size_t axis = base->shape.rank; axis-- > 0;) {
        size_t extent = base->shape.extent[axis], from = low[axis] / extent, to = high[axis] / extent;
        region.begin[axis] = from == to ? low[axis] % extent : 0;
        region.end[axis] = from == to ? high[axis] % extent + 1 : extent;
        if (axis == 0) break; /* nothing lies outside of the buffer: what seems to is no element */
        low[axis - 1] += from;
        high[axis - 1] += to;
    }
    return region;
}

/* The offset of a view is the sum of the slices that were cut off before its axes began, so each axis, from the widest
 * stride down, takes its multiple of the stride out of it: an axis that runs over several of the buffer's, sliced, then
 * still counts through them from where it begins. */
hl_box hl__region_of(const hl__value *value, const hl__value *base, const hl_box *box) {
    if (value == base) return *box;
    size_t low[HL_MAX_RANK] = {0}, high[HL_MAX_RANK] = {0}, offset = value->offset;
    unsigned taken = 0;
    for (size_t axis; (axis = widest_axis(value, taken)) < value->shape.rank; taken |= 1u << axis) {
        size_t stride = value->stride[axis], cut = stride ? offset / stride * stride : 0;
        offset -= cut;
        add_axis(base, stride, cut + box->begin[axis] * stride, cut + (box->end[axis] - 1) * stride, low, high);
    }
    add_axis(base, 1, offset, offset, low, high);
    return carry(base, low, high);
}

/* ---- cells ---- */

typedef struct cut_list {
    size_t *at;
    size_t n_sorted; /* so many rise from the front */
    size_t n, room;
} cut_list;

/* Index of the last cut at or below `at`. */
static size_t find_cut(const size_t *cuts, size_t n, size_t at) {
    size_t low = 0, high = n;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (cuts[middle] <= at) low = middle;
        else high = middle;
    }
    return low;
}

static int compare(const void *a, const void *b) {
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static void sort_unique(cut_list *list) {
    if (list->n == list->n_sorted) return;
    qsort(list->at, list->n, sizeof *list->at, compare);
    size_t kept = 1;
    for (size_t i = 1; i < list->n; i++)
        if (list->at[i] != list->at[kept - 1]) list->at[kept++] = list->at[i];
    list->n = list->n_sorted = kept;
}

/* Most cuts come in order, or are there already. */
static bool add_cut(cut_list *list, size_t at) {
    if (list->n_sorted && list->at[list->n_sorted - 1] >= at && list->at[find_cut(list->at, list->n_sorted, at)] == at)
        return true;
    if (list->n == list->room && list->n >= 1024) sort_unique(list); /* keeps the list near its distinct size */
    if (!hl__grow(&list->at, &list->room, list->n, list->n + 1, sizeof *list->at)) return false;
    bool rises = list->n == list->n_sorted && (list->n == 0 || list->at[list->n - 1] < at);
    list->at[list->n++] = at;
    list->n_sorted += rises;
    return true;
}

static bool collect(const hl__ir *ir, cut_list (*lists)[HL_MAX_RANK]) {
    for (size_t b = 0; b < ir->boxes.n; b++) {
        const hl__value *value = &ir->values[ir->boxes.list[b].value], *base = &ir->values[value->base];
        hl_box box = hl__boxes_get(&ir->boxes, (uint32_t)b), region = hl__region_of(value, base, &box);
        for (size_t axis = 0; axis < base->shape.rank; axis++) {
            if (!add_cut(&lists[value->base][axis], region.begin[axis])) return false;
            if (!add_cut(&lists[value->base][axis], region.end[axis])) return false;
        }
    }
    return true;
}

static void thin(cut_list *list) {
    size_t kept = 1;
    for (size_t i = 2; i + 1 < list->n; i += 2) list->at[kept++] = list->at[i];
    if (list->n > 1) list->at[kept++] = list->at[list->n - 1];
    list->n = kept;
}

static bool finish(const hl__value *base, cut_list lists[HL_MAX_RANK], hl__store *scratch, hl__cells *cells) {
    cells->rank = base->shape.rank;
    for (size_t axis = 0; axis < cells->rank; axis++) {
        if (!add_cut(&lists[axis], 0) || !add_cut(&lists[axis], base->shape.extent[axis])) return false;
        sort_unique(&lists[axis]);
    }
    for (;;) {
        size_t widest = 0;
        cells->n_cells = 1;
        for (size_t axis = 0; axis < cells->rank; axis++) {
            cells->n_cells *= lists[axis].n - 1;
            if (lists[axis].n > lists[widest].n) widest = axis;
        }
        if (cells->n_cells <= MAX_CELLS) break;
        thin(&lists[widest]);
    }
    for (size_t axis = 0; axis < cells->rank; axis++) {
        cells->count[axis] = lists[axis].n - 1;
        cells->cuts[axis] = hl__store_copy(scratch, lists[axis].at, lists[axis].n * sizeof(size_t));
        if (!cells->cuts[axis]) return false;
    }
    return true;
}

hl_status hl__cells_make(hl__ir *ir, hl__store *scratch, hl__cells **cells) {
    cut_list(*lists)[HL_MAX_RANK] = hl__allocate(ir->n_values, sizeof *lists);
    *cells = hl__store_take(scratch, ir->n_values, sizeof **cells);
    bool made = lists && *cells && collect(ir, lists);
    for (size_t v = 0; made && v < ir->n_values; v++)
        if (ir->values[v].base == v) made = finish(&ir->values[v], lists[v], scratch, &(*cells)[v]);
    for (size_t v = 0; lists && v < ir->n_values; v++)
        for (size_t axis = 0; axis < HL_MAX_RANK; axis++) hl__release(lists[v][axis].at);
    hl__release(lists);
    return made ? HL_OK : hl__ir_no_memory(ir);
}

hl_box hl__cells_range(const hl__cells *cells, const hl_box *box) {
    hl_box range = {{0}, {0}};
    for (size_t axis = 0; axis < cells->rank; axis++) {
        range.begin[axis] = find_cut(cells->cuts[axis], cells->count[axis] + 1, box->begin[axis]);
        range.end[axis] = find_cut(cells->cuts[axis], cells->count[axis] + 1, box->end[axis] - 1) + 1;
    }
    return range;
}
