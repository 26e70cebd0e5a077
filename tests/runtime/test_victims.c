/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The order in which an idle worker tries the others: near before far, each once, drawn from the seed within a group.
 * No thread is started: the order is made from places alone. */
#include <stdlib.h>
#include <string.h>

#include "runtime/memory.h"
#include "tests/runtime/kit.h"
#include "tests/support/suite.h"

typedef struct rig {
    fake_system fake;
    hl_runtime runtime;
} rig;

static void clear_victims(rig *r) {
    for (size_t w = 0; w < r->runtime.n_workers; w++) {
        hl__release(r->runtime.workers[w].victims);
        r->runtime.workers[w].victims = NULL;
        r->runtime.workers[w].n_near = r->runtime.workers[w].n_victims = 0;
    }
}

static rig *new_rig(const char *topology, size_t n_workers) {
    rig *r = hl__allocate(1, sizeof *r);
    ck_assert_ptr_nonnull(r);
    fake_system_init(&r->fake, topology);
    hl__topology *made = NULL;
    ck_assert_int_eq(hl__topology_create(&r->fake.system, &made), HL_OK);
    ck_assert_int_eq(hl__topology_spread(made, n_workers), HL_OK);
    for (size_t w = 0; w < n_workers; w++) hl__topology_bind(made, w);
    ck_assert_int_eq(hl__topology_settle(made), HL_OK);
    r->runtime.topology = made;
    r->runtime.n_workers = n_workers;
    r->runtime.workers = hl__allocate(n_workers, sizeof(hl__worker));
    ck_assert_ptr_nonnull(r->runtime.workers);
    for (size_t w = 0; w < n_workers; w++) r->runtime.workers[w].node = made->places[w].node;
    return r;
}

static void free_rig(rig *r) {
    clear_victims(r);
    hl__topology_destroy(r->runtime.topology);
    hl__release(r->runtime.workers);
    hl__release(r);
}

/* 0: same cache; 1: same node; else 2 + the distance. Found from the machine anew, not from what is under test. */
static uint64_t steps(const rig *r, size_t from, size_t to) {
    const hl__topology *topology = r->runtime.topology;
    hwloc_obj_t pu[2];
    for (size_t i = 0; i < 2; i++)
        pu[i] = hwloc_get_pu_obj_by_os_index(topology->hardware,
                                             (unsigned)hwloc_bitmap_first(topology->places[i == 0 ? from : to].cpus));
    hwloc_obj_t shared = hwloc_get_common_ancestor_obj(topology->hardware, pu[0], pu[1]);
    if (pu[0] == pu[1]) shared = pu[0]->parent;
    while (shared && shared->type != HWLOC_OBJ_L3CACHE && shared->parent && !shared->memory_first_child)
        shared = shared->parent;
    if (shared->type == HWLOC_OBJ_L3CACHE) return 0;
    if (hwloc_bitmap_isequal(pu[0]->nodeset, pu[1]->nodeset)) return 1;
    size_t n = topology->n_nodes;
    return 2 + topology->distance[topology->places[from].node * n + topology->places[to].node];
}

static void check_order(const rig *r) {
    size_t n = r->runtime.n_workers;
    for (size_t w = 0; w < n; w++) {
        const hl__worker *worker = &r->runtime.workers[w];
        ck_assert_uint_eq(worker->n_victims, n - 1);
        bool *seen = calloc(n, sizeof *seen);
        size_t n_near = 0;
        for (size_t v = 0; v + 1 < n; v++) {
            uint16_t victim = worker->victims[v];
            ck_assert_uint_lt(victim, n);
            ck_assert_uint_ne(victim, w);
            ck_assert(!seen[victim]);
            seen[victim] = true;
            n_near += steps(r, w, victim) <= 1;
            if (v > 0) ck_assert_uint_ge(steps(r, w, victim), steps(r, w, worker->victims[v - 1]));
        }
        ck_assert_uint_eq(worker->n_near, n_near);
        free(seen);
    }
}

START_TEST(NearVictimsComeBeforeFarOnes) {
    /* Eight nodes in two packages; two hops across. */
    uint64_t distances[64];
    for (size_t i = 0; i < 64; i++) {
        size_t a = i / 8, b = i % 8;
        distances[i] = a == b ? 10 : a / 4 == b / 4 ? 12 + (a + b) % 3 : 32 + (a > b);
    }
    char *eight = fake_machine("pack:2 node:4 l3:2 core:2 pu:1", NULL, distances);
    char *with_empty_nodes = fake_machine("pack:2 node:4 l3:2 core:2 pu:1", "0-7,16-23", distances);
    struct {
        const char *topology;
        size_t n_workers;
    } machines[] = {{"pu:1", 1},
                    {"l3:1 pu:2", 2},
                    {"core:4 pu:1", 4},
                    {"l3:2 core:4 pu:1", 8},
                    {"node:2 l3:2 core:2 pu:1", 8},
                    {"node:4 l3:1 core:4 pu:1", 16},
                    {"node:4 core:4 pu:1", 7},
                    {"node:10 l3:2 core:2 pu:1", 40},
                    {"node:2 l3:2 core:2 pu:1", 19}, /* several on a CPU */
                    {"node:2 l3:1 core:4 pu:1(indexes=0,2,4,6,1,3,5,7)", 8},
                    {eight, 32},
                    {eight, 8},
                    {with_empty_nodes, 16}};
    for (size_t m = 0; m < sizeof machines / sizeof *machines; m++) {
        rig *r = new_rig(machines[m].topology, machines[m].n_workers);
        for (uint64_t seed = 0; seed < 5; seed++) {
            ck_assert_int_eq(hl__order_victims(&r->runtime, seed * 0x100000001u), HL_OK);
            check_order(r);
            clear_victims(r);
        }
        free_rig(r);
    }
    free(eight);
    free(with_empty_nodes);
}
END_TEST

START_TEST(FarVictimsGoByDistance) {
    static const uint64_t distances[] = {10, 31, 11, 21, 31, 10, 22, 12, 11, 22, 10, 33, 21, 12, 33, 10};
    char *text = fake_machine("node:4 pu:1", NULL, distances);
    rig *r = new_rig(text, 4);
    ck_assert_int_eq(hl__order_victims(&r->runtime, 1), HL_OK);
    static const uint16_t order[4][3] = {{2, 3, 1}, {3, 2, 0}, {0, 1, 3}, {1, 0, 2}};
    for (size_t w = 0; w < 4; w++) {
        ck_assert_mem_eq(r->runtime.workers[w].victims, order[w], sizeof order[w]);
        ck_assert_uint_eq(r->runtime.workers[w].n_near, 0);
    }
    free_rig(r);
    free(text);
}
END_TEST

#define N 24 /* workers of one group */

static void copy_victims(const rig *r, uint16_t victims[N][N - 1]) {
    for (size_t w = 0; w < N; w++) memcpy(victims[w], r->runtime.workers[w].victims, sizeof victims[w]);
}

START_TEST(TheSeedAloneChoosesTheOrder) {
    rig *r = new_rig("l3:1 core:24 pu:1", N);
    uint16_t first[N][N - 1], second[N][N - 1];
    ck_assert_int_eq(hl__order_victims(&r->runtime, 0), HL_OK);
    copy_victims(r, first);
    clear_victims(r);
    ck_assert_int_eq(hl__order_victims(&r->runtime, 0), HL_OK);
    copy_victims(r, second);
    ck_assert_mem_eq(first, second, sizeof first);
    clear_victims(r);
    ck_assert_int_eq(hl__order_victims(&r->runtime, 1), HL_OK);
    copy_victims(r, second);
    ck_assert_mem_ne(first, second, sizeof first);
    free_rig(r);
}
END_TEST

/* Were all to begin with the same victim, they would meet there. Any of 23 comes first for each of 24 workers: fewer
 * than 8 different ones has a chance below C(24, 7) (7 / 23)^24 < 1e-6, and the seeds are fixed. */
START_TEST(ThievesDoNotAllBeginWithTheSameVictim) {
    rig *r = new_rig("l3:1 core:24 pu:1", N);
    for (uint64_t seed = 0; seed < 20; seed++) {
        ck_assert_int_eq(hl__order_victims(&r->runtime, seed), HL_OK);
        bool first[N] = {false};
        size_t n_different = 0;
        for (size_t w = 0; w < N; w++) {
            n_different += !first[r->runtime.workers[w].victims[0]];
            first[r->runtime.workers[w].victims[0]] = true;
        }
        ck_assert_uint_ge(n_different, 8);
        clear_victims(r);
    }
    free_rig(r);
}
END_TEST

int main(void) {
    return run_tests("victims", TESTS(NearVictimsComeBeforeFarOnes, FarVictimsGoByDistance, TheSeedAloneChoosesTheOrder,
                                      ThievesDoNotAllBeginWithTheSameVictim));
}
