/* SPDX-License-Identifier: BSD-3-Clause
 *
 * In which order an idle worker tries the others: those that share its last-level cache, then its NUMA node, then other
 * nodes by distance. Within each group the order is drawn from the seed, so that thieves do not all turn to the same
 * victim first. */
#include <stdlib.h>

#include "runtime/memory.h"
#include "runtime/pool.h"

typedef struct candidate {
    uint32_t distance;
    uint32_t draw;
    uint16_t worker;
} candidate;

/* One step of splitmix64 (Steele, Lea and Flood 2014): any seed gives a usable sequence, 0 too. */
static uint64_t draw(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static int nearer(const void *left, const void *right) {
    const candidate *a = left, *b = right;
    if (a->distance != b->distance) return a->distance < b->distance ? -1 : 1;
    if (a->draw != b->draw) return a->draw < b->draw ? -1 : 1;
    return (a->worker > b->worker) - (a->worker < b->worker);
}

/* 0: same cache, 1: same node, above: other nodes. */
static uint32_t distance(const hl__topology *topology, size_t from, size_t to) {
    const hl__place *a = &topology->places[from], *b = &topology->places[to];
    if (a->node == b->node) return a->cache && a->cache == b->cache ? 0 : 1;
    uint32_t apart = topology->distance[a->node * topology->n_nodes + b->node];
    return apart < UINT32_MAX - 2 ? apart + 2 : UINT32_MAX;
}

hl_status hl__order_victims(hl_runtime *runtime, uint64_t seed) {
    size_t n = runtime->n_workers;
    candidate *candidates = hl__allocate(n, sizeof *candidates);
    if (!candidates) return HL_OUT_OF_MEMORY;
    hl_status status = HL_OK;
    for (size_t w = 0; w < n && status == HL_OK; w++) {
        hl__worker *worker = &runtime->workers[w];
        uint64_t state = seed ^ (uint64_t)w << 32;
        size_t n_found = 0;
        for (size_t other = 0; other < n; other++) {
            if (other == w) continue;
            candidates[n_found++] = (candidate){.distance = distance(runtime->topology, w, other),
                                                .draw = (uint32_t)draw(&state),
                                                .worker = (uint16_t)other};
        }
        qsort(candidates, n_found, sizeof *candidates, nearer);
        worker->victims = hl__allocate(n_found, sizeof *worker->victims);
        if (!worker->victims) {
            status = HL_OUT_OF_MEMORY;
            break;
        }
        for (size_t i = 0; i < n_found; i++) {
            worker->victims[i] = candidates[i].worker;
            worker->n_near += candidates[i].distance <= 1;
        }
        worker->n_victims = n_found;
    }
    hl__release(candidates);
    return status;
}
