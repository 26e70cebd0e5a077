/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Places of workers on machines that are not there: one node and many, CPUs numbered in any way, nodes without CPUs,
 * affinity masks, quotas, and threads that the OpenMP runtime has bound. */
#include "runtime/topology.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/runtime/fake_system.h"
#include "tests/support/suite.h"

#define MAX_PLACES 16

static hl__topology *topology_on(fake_system *fake) {
    hl__topology *topology = NULL;
    ck_assert_int_eq(hl__topology_create(&fake->system, &topology), HL_OK);
    return topology;
}

static hl__topology *settled(fake_system *fake, size_t n_workers) {
    hl__topology *topology = topology_on(fake);
    ck_assert_int_eq(hl__topology_spread(topology, n_workers), HL_OK);
    ck_assert_uint_eq(topology->n_places, n_workers);
    fake->n_threads = 0;
    for (size_t w = 0; w < n_workers; w++) hl__topology_bind(topology, w);
    ck_assert_int_eq(hl__topology_settle(topology), HL_OK);
    return topology;
}

static void check_set(hwloc_const_bitmap_t set, const char *expected) {
    char text[FAKE_SET_BYTES];
    hwloc_bitmap_list_snprintf(text, sizeof text, set);
    ck_assert_str_eq(text, expected);
}

typedef struct machine {
    const char *topology, *process_cpus;
    size_t n_workers, n_nodes;
    const char *cpus[MAX_PLACES];   /* of each worker */
    uint16_t node[MAX_PLACES];      /* of each worker */
    const char *memory[MAX_PLACES]; /* of each node with workers */
} machine;

#define TEN_NODES "node:10 l3:1 core:2 pu:1"
#define INTERLEAVED "node:2 core:4 pu:1(indexes=0,2,4,6,1,3,5,7)"
#define SIBLINGS_APART "pack:1 [numa] l3:1 core:4 pu:2(indexes=0,4,1,5,2,6,3,7)"

static const machine machines[] = {
    {"pu:1", NULL, 1, 1, {"0"}, {0}, {"0"}},
    {"pu:1", NULL, 3, 1, {"0", "0", "0"}, {0, 0, 0}, {"0"}}, /* more workers than CPUs */
    {"core:4 pu:1", NULL, 4, 1, {"0", "1", "2", "3"}, {0, 0, 0, 0}, {"0"}},
    {"pack:2 core:2 pu:1", NULL, 4, 1, {"0", "1", "2", "3"}, {0, 0, 0, 0}, {"0"}}, /* two packages, one memory */
    {"node:2 core:2 pu:1", NULL, 4, 2, {"0", "1", "2", "3"}, {0, 0, 1, 1}, {"0", "1"}},
    {"node:2 core:4 pu:1", NULL, 2, 2, {"0-3", "4-7"}, {0, 1}, {"0", "1"}}, /* each has its node to itself */
    {"node:2 core:4 pu:1", NULL, 1, 1, {"0-3"}, {0}, {"0"}},                /* and stays on one */
    {"node:4 core:2 pu:1", NULL, 4, 4, {"0-1", "2-3", "4-5", "6-7"}, {0, 1, 2, 3}, {"0", "1", "2", "3"}},
    {"node:4 core:2 pu:1", NULL, 2, 2, {"0-1", "4-5"}, {0, 1}, {"0", "2"}},
    {"pack:2 node:2 core:2 pu:1",
     NULL,
     8,
     4,
     {"0", "1", "2", "3", "4", "5", "6", "7"},
     {0, 0, 1, 1, 2, 2, 3, 3},
     {"0", "1", "2", "3"}},
    {"pack:2 node:4 pu:2",
     NULL,
     8,
     8,
     {"0-1", "2-3", "4-5", "6-7", "8-9", "10-11", "12-13", "14-15"},
     {0, 1, 2, 3, 4, 5, 6, 7},
     {"0", "1", "2", "3", "4", "5", "6", "7"}},
    {TEN_NODES,
     NULL,
     10,
     10,
     {"0-1", "2-3", "4-5", "6-7", "8-9", "10-11", "12-13", "14-15", "16-17", "18-19"},
     {0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
     {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}},
    {TEN_NODES, "4-5,18-19", 4, 2, {"4", "5", "18", "19"}, {0, 0, 1, 1}, {"2", "9"}},
    {INTERLEAVED, NULL, 8, 2, {"0", "2", "4", "6", "1", "3", "5", "7"}, {0, 0, 0, 0, 1, 1, 1, 1}, {"0", "1"}},
    {INTERLEAVED, NULL, 2, 2, {"0,2,4,6", "1,3,5,7"}, {0, 1}, {"0", "1"}},
    {INTERLEAVED, "0-3", 4, 2, {"0", "2", "1", "3"}, {0, 0, 1, 1}, {"0", "1"}},
    {INTERLEAVED, "1,5", 2, 1, {"1", "5"}, {0, 0}, {"1"}},
    {SIBLINGS_APART, NULL, 4, 1, {"0,4", "1,5", "2,6", "3,7"}, {0, 0, 0, 0}, {"0"}}, /* a core each, then threads */
    {SIBLINGS_APART, NULL, 8, 1, {"0", "4", "1", "5", "2", "6", "3", "7"}, {0}, {"0"}},
    {SIBLINGS_APART, "0-3", 4, 1, {"0", "1", "2", "3"}, {0, 0, 0, 0}, {"0"}},
    {"node:2 core:2 pu:1", "1-2", 2, 2, {"1", "2"}, {0, 1}, {"0", "1"}},
    {"node:2 core:2 pu:1", "2-3", 4, 1, {"2", "2", "3", "3"}, {0, 0, 0, 0}, {"1"}},
    {"node:2 core:2 pu:1", "40-50", 4, 2, {"0", "1", "2", "3"}, {0, 0, 1, 1}, {"0", "1"}}, /* a mask of none of ours */
    {"node:2 core:2 pu:1", "?", 4, 2, {"0", "1", "2", "3"}, {0, 0, 1, 1}, {"0", "1"}},
    {"pack:2 [numa] [numa] core:2 pu:1", NULL, 4, 2, {"0", "1", "2", "3"}, {0, 0, 1, 1}, {"0", "2"}}, /* two memories */
};

START_TEST(WorkersStandWhereTheyShould) {
    for (size_t m = 0; m < sizeof machines / sizeof *machines; m++) {
        const machine *at = &machines[m];
        fake_system fake;
        fake_system_init(&fake, at->topology);
        fake.process_cpus = at->process_cpus;
        hl__topology *topology = settled(&fake, at->n_workers);
        ck_assert(topology->binds);
        ck_assert_uint_eq(topology->n_nodes, at->n_nodes);
        ck_assert_uint_eq(fake.n_threads, at->n_workers);
        for (size_t w = 0; w < at->n_workers; w++) {
            check_set(topology->places[w].cpus, at->cpus[w]);
            ck_assert_str_eq(fake.threads[w].set, at->cpus[w]);
            ck_assert_uint_eq(topology->places[w].node, at->node[w]);
        }
        for (size_t n = 0; n < at->n_nodes; n++) check_set(topology->nodes[n], at->memory[n]);
        hl__topology_destroy(topology);
    }
}
END_TEST

START_TEST(NodesGetEqualShares) {
    static const char *const topologies[] = {"node:2 core:8 pu:1", "node:4 core:4 pu:1", "node:10 core:2 pu:1",
                                             "pack:2 node:4 core:2 pu:1", INTERLEAVED};
    for (size_t t = 0; t < 5; t++) {
        for (size_t n = 1; n <= 33; n++) {
            fake_system fake;
            fake_system_init(&fake, topologies[t]);
            hl__topology *topology = settled(&fake, n);
            size_t count[MAX_PLACES] = {0},
                   n_numa = (size_t)hwloc_get_nbobjs_by_type(topology->hardware, HWLOC_OBJ_NUMANODE);
            for (size_t w = 0; w < n; w++) {
                const hl__place *place = &topology->places[w];
                ck_assert_uint_lt(place->node, topology->n_nodes);
                count[place->node]++;
                if (w > 0) ck_assert_uint_ge(place->node, place[-1].node); /* neighbours in number are neighbours */
                ck_assert(!hwloc_bitmap_iszero(place->cpus));
            }
            ck_assert_uint_eq(topology->n_nodes, n < n_numa ? n : n_numa);
            for (size_t a = 0; a < topology->n_nodes; a++)
                ck_assert_msg(count[a] == n / topology->n_nodes || count[a] == (n - 1) / topology->n_nodes + 1,
                              "%zu workers on %s: %zu on node %zu", n, topologies[t], count[a], a);
            hl__topology_destroy(topology);
        }
    }
}
END_TEST

START_TEST(WorkersThatAreFewerThanCpusDoNotShareThem) {
    static const char *const topologies[] = {"core:8 pu:1", "node:2 core:4 pu:2", SIBLINGS_APART, TEN_NODES,
                                             INTERLEAVED};
    for (size_t t = 0; t < 5; t++) {
        for (size_t n = 1; n <= 8; n++) {
            fake_system fake;
            fake_system_init(&fake, topologies[t]);
            hl__topology *topology = settled(&fake, n);
            for (size_t a = 0; a < n; a++)
                for (size_t b = 0; b < a; b++)
                    ck_assert(!hwloc_bitmap_intersects(topology->places[a].cpus, topology->places[b].cpus));
            hl__topology_destroy(topology);
        }
    }
}
END_TEST

START_TEST(NodesWithoutCpusAreCutOff) {
    char *text = fake_machine("node:4 pu:2", "0-1,6-7", NULL);
    fake_system fake;
    fake_system_init(&fake, text);
    hl__topology *topology = settled(&fake, 4);
    ck_assert_uint_eq(topology->n_nodes, 2);
    static const char *const cpus[] = {"0", "1", "6", "7"};
    for (size_t w = 0; w < 4; w++) {
        check_set(topology->places[w].cpus, cpus[w]);
        ck_assert_uint_eq(topology->places[w].node, w / 2);
    }
    check_set(topology->nodes[0], "0");
    check_set(topology->nodes[1], "3");
    fake.n_memory = 0;
    hl__topology_place_memory(topology, NULL, 0, SIZE_MAX);
    ck_assert_str_eq(fake.memory[0].set, "0,3");
    hl__topology_destroy(topology);
    free(text);
}
END_TEST

START_TEST(WorkersShareTheCacheOfTheirCpus) {
    fake_system fake;
    fake_system_init(&fake, "node:2 l3:2 core:2 pu:1");
    hl__topology *topology = settled(&fake, 8);
    for (size_t w = 0; w < 8; w++) ck_assert_uint_eq(topology->places[w].cache->logical_index, w / 2);
    hl__topology_destroy(topology);
    fake_system_init(&fake, "node:2 core:2 pu:1");
    topology = settled(&fake, 4);
    for (size_t w = 0; w < 4; w++) ck_assert_ptr_null(topology->places[w].cache);
    hl__topology_destroy(topology);
}
END_TEST

START_TEST(DistancesAreTheMachines) {
    /* A ring of four: there and back differ between 0 and 3. */
    static const uint64_t distances[] = {10, 16, 32, 21, 16, 10, 16, 32, 32, 16, 10, 16, 28, 32, 16, 10};
    char *text = fake_machine("node:4 pu:2", NULL, distances);
    fake_system fake;
    fake_system_init(&fake, text);
    hl__topology *topology = settled(&fake, 4);
    for (size_t i = 0; i < 16; i++) ck_assert_uint_eq(topology->distance[i], distances[i]);
    hl__topology_destroy(topology);
    fake.process_cpus = "2-3,6-7"; /* of nodes 1 and 3 */
    topology = settled(&fake, 2);
    ck_assert_uint_eq(topology->n_nodes, 2);
    ck_assert_uint_eq(topology->distance[1], 32);
    ck_assert_uint_eq(topology->distance[2], 32);
    ck_assert_uint_lt(topology->distance[0], 32);
    ck_assert_uint_lt(topology->distance[3], 32);
    hl__topology_destroy(topology);
    free(text);
}
END_TEST

START_TEST(WithoutATableOtherNodesAreFartherThanTheSame) {
    fake_system fake;
    fake_system_init(&fake, TEN_NODES);
    hl__topology *topology = settled(&fake, 10);
    for (size_t a = 0; a < 10; a++)
        for (size_t b = 0; b < 10; b++)
            if (a != b) ck_assert_uint_gt(topology->distance[a * 10 + b], topology->distance[a * 10 + a]);
    hl__topology_destroy(topology);
}
END_TEST

START_TEST(MemoryGoesToNodesOrIsInterleaved) {
    fake_system fake;
    fake_system_init(&fake, "node:4 pu:2");
    fake.process_cpus = "2-7";
    hl__topology *topology = settled(&fake, 3);
    static const char *const sets[] = {"1", "2", "3", "1-3"};
    char page[64];
    for (size_t node = 0; node < 4; node++) hl__topology_place_memory(topology, page, sizeof page, node);
    ck_assert_uint_eq(fake.n_memory, 4);
    for (size_t node = 0; node < 4; node++) {
        ck_assert_str_eq(fake.memory[node].set, sets[node]);
        ck_assert_int_eq(fake.memory[node].policy, node < 3 ? HWLOC_MEMBIND_BIND : HWLOC_MEMBIND_INTERLEAVE);
        ck_assert_ptr_eq(fake.memory[node].memory, page);
        ck_assert_uint_eq(fake.memory[node].bytes, sizeof page);
    }
    hl__topology_destroy(topology);
}
END_TEST

START_TEST(ThreadsThatTheUserBindsAreLeftAlone) {
    static const char *const names[] = {"OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY"};
    for (size_t i = 0; i < 4; i++) {
        fake_system fake;
        fake_system_init(&fake, "node:2 l3:2 core:2 pu:1");
        fake.environment = (fake_pair[]){{names[i], "x"}, {NULL, NULL}};
        fake.thread_cpus = "6";
        hl__topology *topology = settled(&fake, 2); /* planned for nodes 0 and 1; both threads turn out to be on 1 */
        ck_assert_uint_eq(fake.n_threads, 0);
        ck_assert_uint_eq(topology->n_nodes, 1);
        check_set(topology->nodes[0], "1");
        for (size_t w = 0; w < 2; w++) {
            check_set(topology->places[w].cpus, "6");
            ck_assert_uint_eq(topology->places[w].cache->logical_index, 3);
            ck_assert_uint_eq(topology->places[w].node, 0);
        }
        hl__topology_destroy(topology);
    }
}
END_TEST

START_TEST(ThreadsThatMayRunOnSeveralNodesStayWhereThePlanHasThem) {
    static const char *const seen[] = {NULL, "3-4", "", "?"};
    for (size_t i = 0; i < 4; i++) {
        fake_system fake;
        fake_system_init(&fake, "node:2 core:4 pu:1");
        fake.environment = (fake_pair[]){{"OMP_PROC_BIND", "false"}, {NULL, NULL}};
        fake.thread_cpus = seen[i];
        hl__topology *topology = settled(&fake, 2);
        ck_assert_uint_eq(fake.n_threads, 0);
        check_set(topology->places[0].cpus, "0-3");
        check_set(topology->places[1].cpus, "4-7");
        ck_assert_uint_eq(topology->n_nodes, 2);
        hl__topology_destroy(topology);
    }
}
END_TEST

static size_t workers_of(const char *topology, const char *process_cpus, const char *omp_num_threads,
                         const char *quota) {
    fake_system fake;
    fake_system_init(&fake, topology);
    fake.process_cpus = process_cpus;
    fake.environment = (fake_pair[]){{omp_num_threads ? "OMP_NUM_THREADS" : NULL, omp_num_threads}, {NULL, NULL}};
    fake.files = (fake_pair[]){{"/proc/self/mountinfo", "30 20 0:26 / /groups rw - cgroup2 cgroup2 rw\n"},
                               {"/proc/self/cgroup", "0::/\n"},
                               {quota ? "/groups/cpu.max" : NULL, quota},
                               {NULL, NULL}};
    hl__topology *made = topology_on(&fake);
    size_t n_workers = 0;
    ck_assert_int_eq(hl__topology_workers(made, &n_workers), HL_OK);
    hl__topology_destroy(made);
    return n_workers;
}

START_TEST(ThereAreAsManyWorkersAsCpus) {
    ck_assert_uint_eq(workers_of("pu:1", NULL, NULL, NULL), 1);
    ck_assert_uint_eq(workers_of("node:2 core:4 pu:2", NULL, NULL, NULL), 16);
    ck_assert_uint_eq(workers_of("node:2 core:4 pu:2", "3,5,9-11", NULL, NULL), 5);
    ck_assert_uint_eq(workers_of("node:2 core:4 pu:2", "?", NULL, NULL), 16);
}
END_TEST

START_TEST(QuotasLowerTheNumber) {
    ck_assert_uint_eq(workers_of("pu:8", NULL, NULL, "300000 100000"), 3);
    ck_assert_uint_eq(workers_of("pu:8", NULL, NULL, "10000 100000"), 1);
    ck_assert_uint_eq(workers_of("pu:8", NULL, NULL, "1200000 100000"), 8);
    ck_assert_uint_eq(workers_of("pu:8", "0-1", NULL, "300000 100000"), 2);
    ck_assert_uint_eq(workers_of("pu:8", NULL, NULL, "max 100000"), 8);
}
END_TEST

START_TEST(OmpNumThreadsIsObeyed) {
    ck_assert_uint_eq(workers_of("pu:4", NULL, "3", NULL), 3);
    ck_assert_uint_eq(workers_of("pu:4", "0", "7", "100000 100000"), 7); /* above the mask and the quota, as asked */
    ck_assert_uint_eq(workers_of("pu:4", NULL, " 6,2,1 ", NULL), 6);     /* the outermost level */
    ck_assert_uint_eq(workers_of("pu:4", NULL, "4096,2147483647", NULL), 4096);
    ck_assert_uint_eq(workers_of("pu:4", NULL, "", NULL), 4); /* asks for nothing */
    ck_assert_uint_eq(workers_of("pu:4", NULL, "  ", "200000 100000"), 2);
}
END_TEST

START_TEST(OmpNumThreadsThatIsNoListOfNumbersIsRefused) {
    static const char *const wrong[] = {"0",
                                        "-3",
                                        "many",
                                        ",5",
                                        "5,",
                                        "3x",
                                        "3 4",
                                        "3;2",
                                        "1.0",
                                        "1e2",
                                        "0x10",
                                        "4097",
                                        "3,,2",
                                        "3,0",
                                        "3,-1",
                                        "3,2x",
                                        "+3",
                                        "- 3",
                                        "3,2147483648",
                                        "18446744073709551619",
                                        "99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        fake_system fake;
        fake_system_init(&fake, "pu:4");
        fake.environment = (fake_pair[]){{"OMP_NUM_THREADS", wrong[i]}, {NULL, NULL}};
        hl__topology *made = topology_on(&fake);
        size_t n_workers = 77;
        ck_assert_msg(hl__topology_workers(made, &n_workers) == HL_INVALID_ARGUMENT, "'%s' is taken", wrong[i]);
        ck_assert_uint_eq(n_workers, 77);
        hl__topology_destroy(made);
    }
}
END_TEST

START_TEST(AMachineThatCannotBeReadIsAnError) {
    fake_system fake;
    fake_system_init(&fake, "no such machine");
    hl__topology *topology = (hl__topology *)&fake;
    ck_assert_int_eq(hl__topology_create(&fake.system, &topology), HL_SYSTEM);
    ck_assert_ptr_eq(topology, &fake);
    hl__topology_destroy(NULL);
}
END_TEST

int main(void) {
    return run_tests("topology",
                     TESTS(WorkersStandWhereTheyShould, NodesGetEqualShares, WorkersThatAreFewerThanCpusDoNotShareThem,
                           NodesWithoutCpusAreCutOff, WorkersShareTheCacheOfTheirCpus, DistancesAreTheMachines,
                           WithoutATableOtherNodesAreFartherThanTheSame, MemoryGoesToNodesOrIsInterleaved,
                           ThreadsThatTheUserBindsAreLeftAlone, ThreadsThatMayRunOnSeveralNodesStayWhereThePlanHasThem,
                           ThereAreAsManyWorkersAsCpus, QuotasLowerTheNumber, OmpNumThreadsIsObeyed,
                           OmpNumThreadsThatIsNoListOfNumbersIsRefused, AMachineThatCannotBeReadIsAnError));
}
