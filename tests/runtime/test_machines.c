/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whole runtimes on machines that are not there: how many workers there are and why, on which CPUs each is bound, which
 * nodes hold scratch, deques, inboxes and arenas, in which order workers steal; and that graphs run right on all of
 * them. Machines are in hwloc's notation or, where that does not reach, in topologies/, exported by hwloc and then
 * altered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/runtime/dag.h"
#include "tests/runtime/kit.h"
#include "tests/support/suite.h"

#define RECORDED(name) HL_SOURCE_DIR "/tests/runtime/topologies/" name ".xml"
#define LIST_BYTES 4096

typedef struct machine {
    const char *topology;
    const char *cpus;                      /* that the process may use; NULL: all */
    const char *openmp_cpus, *thread_cpus; /* where the user has told the OpenMP runtime to bind */
    fake_pair environment[3], files[5];    /* each ends with NULL */
    size_t asked;                          /* workers, by option; 0: none are asked for */
    size_t n_workers;
    const char *bound;        /* CPUs of each worker, in turn; NULL: nobody is bound */
    const char *memory;       /* of each pool, in turn */
    const char *everywhere;   /* nodes that interleaved memory is on */
    const char *first, *last; /* whom the first and the last worker try, nearest group first */
} machine;

#define V2_FILES(quota)                                                             \
    {                                                                               \
        {"/proc/self/mountinfo", "30 20 0:26 / /groups rw - cgroup2 cgroup2 rw\n"}, \
            {"/proc/self/cgroup", "0::/job\n"}, {                                   \
            "/groups/job/cpu.max", quota                                            \
        }                                                                           \
    }
#define V1_FILES(quota, period)                                                                           \
    {                                                                                                     \
        {"/proc/self/mountinfo", "31 20 0:27 / /groups/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"},         \
            {"/proc/self/cgroup", "3:cpu,cpuacct:/job\n"}, {"/groups/cpu/job/cpu.cfs_quota_us", quota}, { \
            "/groups/cpu/job/cpu.cfs_period_us", period                                                   \
        }                                                                                                 \
    }

static const machine machines[] = {
    /* ---- one node ---- */
    {.topology = "pu:1", .n_workers = 1, .bound = "0", .memory = "0", .everywhere = "0", .first = "", .last = ""},
    {.topology = "core:4 pu:1",
     .n_workers = 4,
     .bound = "0 1 2 3",
     .memory = "0",
     .everywhere = "0",
     .first = "1-3",
     .last = "0-2"},
    /* Two threads a core, of which each is a worker: siblings are neighbours, and share their core's cache. */
    {.topology = "[numa] l2:4 core:1 pu:2(indexes=0,4,1,5,2,6,3,7)",
     .n_workers = 8,
     .bound = "0 4 1 5 2 6 3 7",
     .memory = "0",
     .everywhere = "0",
     .first = "1 2-7",
     .last = "6 0-5"},
    /* As many as cores: each has both threads of one to itself. */
    {.topology = "[numa] l3:1 core:4 pu:2(indexes=0,4,1,5,2,6,3,7)",
     .asked = 4,
     .n_workers = 4,
     .bound = "0,4 1,5 2,6 3,7",
     .memory = "0",
     .everywhere = "0",
     .first = "1-3",
     .last = "0-2"},
    /* Two packages without nodes of their own. */
    {.topology = "pack:2 l3:1 core:2 pu:1",
     .n_workers = 4,
     .bound = "0 1 2 3",
     .memory = "0",
     .everywhere = "0",
     .first = "1 2-3",
     .last = "2 0-1"},
    /* A quota of 1.5 CPUs on 64: two workers, each with half of the machine to itself. */
    {.topology = "l3:8 core:8 pu:1",
     .files = V2_FILES("150000 100000\n"),
     .n_workers = 2,
     .bound = "0-31 32-63",
     .memory = "0",
     .everywhere = "0",
     .first = "1",
     .last = "0"},
    {.topology = "l3:8 core:8 pu:1",
     .files = V1_FILES("150000\n", "100000\n"),
     .n_workers = 2,
     .bound = "0-31 32-63",
     .memory = "0",
     .everywhere = "0",
     .first = "1",
     .last = "0"},
    /* The user asks for more than there are CPUs, and more than the quota. */
    {.topology = "l3:1 core:2 pu:1",
     .environment = {{"OMP_NUM_THREADS", "5"}},
     .files = V2_FILES("100000 100000\n"),
     .n_workers = 5,
     .bound = "0 0 0 1 1",
     .memory = "0",
     .everywhere = "0",
     .first = "1-4",
     .last = "0-3"},
    /* Cores of two kinds. All threads: a worker each. Twelve: a core each, whatever threads it has. */
    {.topology = RECORDED("hybrid"),
     .n_workers = 16,
     .bound = "0 1 8 9 16 17 24 25 32 34 36 38 40 42 44 46",
     .memory = "0",
     .everywhere = "0",
     .first = "1-15",
     .last = "0-14"},
    {.topology = RECORDED("hybrid"),
     .asked = 12,
     .n_workers = 12,
     .bound = "0-1 8-9 16-17 24-25 32 34 36 38 40 42 44 46",
     .memory = "0",
     .everywhere = "0",
     .first = "1-11",
     .last = "0-10"},
    /* Without a third level the second is the last that cores share; its number is also that of a third-level cache. */
    {.topology = RECORDED("hybrid_low_power"),
     .n_workers = 4,
     .bound = "0 2 4 5",
     .memory = "0",
     .everywhere = "0",
     .first = "1 2-3",
     .last = "2 0-1"},

    /* ---- several nodes ---- */
    {.topology = "node:2 l3:1 core:2 pu:1",
     .n_workers = 4,
     .bound = "0 1 2 3",
     .memory = "0 1",
     .everywhere = "0-1",
     .first = "1 2-3",
     .last = "2 0-1"},
    {.topology = RECORDED("odd_even"),
     .n_workers = 16,
     .bound = "0 8 2 10 4 12 6 14 1 9 3 11 5 13 7 15",
     .memory = "0 1",
     .everywhere = "0-1",
     .first = "1-7 8-15",
     .last = "8-14 0-7"},
    {.topology = RECORDED("odd_even"),
     .cpus = "0-3",
     .n_workers = 4,
     .bound = "0 2 1 3",
     .memory = "0 1",
     .everywhere = "0-1",
     .first = "1 2-3",
     .last = "2 0-1"},
    {.topology = RECORDED("odd_even"), /* a quota of two: one worker for each package */
     .files = V2_FILES("200000 100000\n"),
     .n_workers = 2,
     .bound = "0,2,4,6,8,10,12,14 1,3,5,7,9,11,13,15",
     .memory = "0 1",
     .everywhere = "0-1",
     .first = "1",
     .last = "0"},
    {.topology = RECORDED("asymmetric"), /* from 0 to 1 is near, from 1 to 0 far */
     .asked = 6,
     .n_workers = 6,
     .bound = "0-1 2-3 4-5 6-7 8-9 10-11",
     .memory = "0 1 2",
     .everywhere = "0-2",
     .first = "1 2-3 4-5",
     .last = "4 0-1 2-3"},
    {.topology = RECORDED("clusters"),
     .n_workers = 32,
     .bound = "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31",
     .memory = "0 1 2 3 4 5 6 7",
     .everywhere = "0-7",
     .first = "1 2-3 4-15 16-31",
     .last = "30 28-29 16-27 0-15"},
    {.topology = RECORDED("clusters"), /* one CPU of each node */
     .cpus = "3,7,11,15,19,23,27,31",
     .n_workers = 8,
     .bound = "3 7 11 15 19 23 27 31",
     .memory = "0 1 2 3 4 5 6 7",
     .everywhere = "0-7",
     .first = "1-3 4-7",
     .last = "4-6 0-3"},
    {.topology = RECORDED("clusters"), /* all of one node, and one of another */
     .cpus = "4-7,30",
     .n_workers = 5,
     .bound = "4 5 6 7 30",
     .memory = "1 7",
     .everywhere = "1,7",
     .first = "1 2-3 4",
     .last = "0-3"},
    {.topology = "node:4 l3:1 core:4 pu:1",
     .environment = {{"OMP_NUM_THREADS", "8,2"}},
     .n_workers = 8,
     .bound = "0-1 2-3 4-5 6-7 8-9 10-11 12-13 14-15",
     .memory = "0 1 2 3",
     .everywhere = "0-3",
     .first = "1 2-7",
     .last = "6 0-5"},
    {.topology = "node:16 l3:1 core:1 pu:2",
     .asked = 16,
     .n_workers = 16,
     .bound = "0-1 2-3 4-5 6-7 8-9 10-11 12-13 14-15 16-17 18-19 20-21 22-23 24-25 26-27 28-29 30-31",
     .memory = "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
     .everywhere = "0-15",
     .first = "1-15",
     .last = "0-14"},
    {.topology = "pack:2 node:8 l3:2 core:4 pu:2", /* 256 CPUs */
     .files = V2_FILES("3200000 100000\n"),
     .n_workers = 32,
     .bound = "0-7 8-15 16-23 24-31 32-39 40-47 48-55 56-63 64-71 72-79 80-87 88-95 96-103 104-111 112-119 120-127 "
              "128-135 136-143 144-151 152-159 160-167 168-175 176-183 184-191 192-199 200-207 208-215 216-223 "
              "224-231 232-239 240-247 248-255",
     .memory = "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
     .everywhere = "0-15",
     .first = "1 2-31",
     .last = "30 0-29"},
    {.topology = "node:12 core:8 pu:1(indexes=8*12:12*1)", /* 96 CPUs, dealt out to the nodes in turn */
     .asked = 12,
     .n_workers = 12,
     .bound = "0,12,24,36,48,60,72,84 1,13,25,37,49,61,73,85 2,14,26,38,50,62,74,86 3,15,27,39,51,63,75,87 "
              "4,16,28,40,52,64,76,88 5,17,29,41,53,65,77,89 6,18,30,42,54,66,78,90 7,19,31,43,55,67,79,91 "
              "8,20,32,44,56,68,80,92 9,21,33,45,57,69,81,93 10,22,34,46,58,70,82,94 11,23,35,47,59,71,83,95",
     .memory = "0 1 2 3 4 5 6 7 8 9 10 11",
     .everywhere = "0-11",
     .first = "1-11",
     .last = "0-10"},

    /* ---- memory and CPUs apart ---- */
    {.topology = RECORDED("cxl_memory"), /* the large memory is far from all, and stays unused */
     .n_workers = 8,
     .bound = "0 1 2 3 4 5 6 7",
     .memory = "0 1",
     .everywhere = "0-1",
     .first = "1-3 4-7",
     .last = "4-6 0-3"},
    {.topology = RECORDED("hbm_flat"), /* what the system hands out by default: DRAM */
     .asked = 12,
     .n_workers = 12,
     .bound = "0-1 2-3 4-5 6-7 8-9 10-11 12-13 14-15 16-17 18-19 20-21 22-23",
     .memory = "0 2 4 6",
     .everywhere = "0,2,4,6",
     .first = "1-2 3-11",
     .last = "9-10 0-8"},
    {.topology = RECORDED("no_cpus"),
     .n_workers = 10,
     .bound = "0 1 2 3 8 9 10 11 14 15",
     .memory = "0 1 4 5 7",
     .everywhere = "0-1,4-5,7",
     .first = "1 2-3 4-5 6-7 8-9",
     .last = "8 6-7 4-5 2-3 0-1"},
    {.topology = RECORDED("memoryless"), /* to node 3 it is nearer than to 0, from both: 1 has 16 there and 20 to 0 */
     .n_workers = 8,
     .bound = "0 1 2 3 4 5 6 7",
     .memory = "0 0 3 3",
     .everywhere = "0,3",
     .first = "1 2-3,6-7 4-5",
     .last = "6 0-1,4-5 2-3"},
    {.topology = RECORDED("memoryless"), /* CPUs of a node without memory alone */
     .cpus = "4",
     .n_workers = 1,
     .bound = "4",
     .memory = "3",
     .everywhere = "3",
     .first = "",
     .last = ""},
    {.topology = RECORDED("memoryless_inner"), /* that of the package, though no table says that it is near */
     .n_workers = 8,
     .bound = "0 1 2 3 4 5 6 7",
     .memory = "2 2 5 5",
     .everywhere = "2,5",
     .first = "1 2-7",
     .last = "6 0-5"},
    {.topology = RECORDED("cut_memory"), /* one memory, one pool; caches still tell who is near */
     .n_workers = 4,
     .bound = "0 1 2 3",
     .memory = "0",
     .everywhere = "0",
     .first = "1 2-3",
     .last = "2 0-1"},

    /* ---- the user binds ---- */
    {.topology = RECORDED("clusters"), /* the first thread is bound already, to CPU 0; the team gets all places */
     .cpus = "0",
     .openmp_cpus = "0-31",
     .thread_cpus = "9",
     .environment = {{"OMP_PROC_BIND", "spread"}, {"OMP_NUM_THREADS", "3"}},
     .n_workers = 3,
     .memory = "2",
     .everywhere = "2",
     .first = "1-2",
     .last = "0-1"},
    {.topology = RECORDED("clusters"), /* as many as the places have CPUs; each may run on all, so the plan stands */
     .cpus = "2",
     .openmp_cpus = "2-3,6-7",
     .thread_cpus = "2-3,6-7",
     .environment = {{"OMP_PLACES", "{2,3,6,7}"}},
     .n_workers = 4,
     .memory = "0 1",
     .everywhere = "0-1",
     .first = "1 2-3",
     .last = "2 0-1"},
    {.topology = RECORDED("clusters"), /* told not to bind, the OpenMP runtime has no places: the mask counts */
     .cpus = "28-31",
     .thread_cpus = "28-31",
     .environment = {{"OMP_PROC_BIND", "false"}},
     .n_workers = 4,
     .memory = "7",
     .everywhere = "7",
     .first = "1-3",
     .last = "0-2"},
};

static hl_runtime *runtime_on(const machine *m, fake_system *fake) {
    fake_system_init(fake, m->topology);
    fake->process_cpus = m->cpus;
    fake->openmp_cpus = m->openmp_cpus;
    fake->thread_cpus = m->thread_cpus;
    fake->environment = m->environment;
    fake->files = m->files;
    hl_runtime *runtime = NULL;
    ck_assert_int_eq(hl__runtime_create_on(&fake->system, &(hl_runtime_options){.workers = m->asked}, &runtime), HL_OK);
    ck_assert_msg(hl_runtime_workers(runtime) == m->n_workers, "%s: %zu workers, not %zu", m->topology,
                  hl_runtime_workers(runtime), m->n_workers);
    return runtime;
}

static void append(char list[LIST_BYTES], hwloc_const_bitmap_t set) {
    size_t n = strlen(list);
    if (n > 0) list[n++] = ' ';
    hwloc_bitmap_list_snprintf(list + n, LIST_BYTES - n, set);
}

static int alphabetically(const void *a, const void *b) { return strcmp(a, b); }

/* Each worker has bound itself once, in its own thread: the calls are the places, in any order. */
static void check_bindings(const machine *m, fake_system *fake, const hl_runtime *runtime) {
    ck_assert_uint_eq(fake->n_threads, m->bound ? m->n_workers : 0);
    if (!m->bound) return;
    char planned[LIST_BYTES] = "", places[FAKE_CALLS][FAKE_SET_BYTES], calls[FAKE_CALLS][FAKE_SET_BYTES];
    for (size_t w = 0; w < m->n_workers; w++) {
        append(planned, runtime->topology->places[w].cpus);
        hwloc_bitmap_list_snprintf(places[w], FAKE_SET_BYTES, runtime->topology->places[w].cpus);
        strcpy(calls[w], fake->threads[w].set);
    }
    ck_assert_str_eq(planned, m->bound);
    qsort(places, m->n_workers, FAKE_SET_BYTES, alphabetically);
    qsort(calls, m->n_workers, FAKE_SET_BYTES, alphabetically);
    for (size_t w = 0; w < m->n_workers; w++) ck_assert_str_eq(calls[w], places[w]);
}

/* The call that placed this memory: once, before it was touched. */
static void check_placed(const fake_system *fake, const void *memory, hwloc_const_nodeset_t nodes,
                         hwloc_membind_policy_t policy) {
    char expected[FAKE_SET_BYTES];
    hwloc_bitmap_list_snprintf(expected, sizeof expected, nodes);
    size_t n_found = 0;
    for (size_t c = 0; c < fake->n_memory; c++) {
        if (fake->memory[c].memory != memory) continue;
        ck_assert_str_eq(fake->memory[c].set, expected);
        ck_assert_int_eq(fake->memory[c].policy, policy);
        ck_assert_uint_eq(fake->memory[c].n_touched, 0);
        n_found++;
    }
    ck_assert_uint_eq(n_found, 1);
}

static void check_memory(const machine *m, fake_system *fake, hl_runtime *runtime, const hl__task_graph *graph) {
    const hl__topology *topology = runtime->topology;
    char pools[LIST_BYTES] = "";
    for (size_t p = 0; p < hl_runtime_nodes(runtime); p++) append(pools, topology->nodes[p]);
    ck_assert_str_eq(pools, m->memory);
    fake->n_memory = 0;
    ck_assert_int_eq(hl__runtime_reserve(runtime, graph), HL_OK);
    ck_assert_uint_le(fake->n_memory, FAKE_CALLS);
    for (size_t w = 0; w < m->n_workers; w++) {
        hl__worker *worker = &runtime->workers[w];
        check_placed(fake, worker->scratch, topology->nodes[worker->node], HWLOC_MEMBIND_BIND);
        for (size_t d = 0; d < HL__N_DEQUES; d++)
            check_placed(fake, atomic_load(&worker->deque[d].ring), topology->nodes[worker->node], HWLOC_MEMBIND_BIND);
    }
    for (size_t p = 0; p < hl_runtime_nodes(runtime) && hl_runtime_nodes(runtime) > 1; p++)
        for (size_t d = 0; d < HL__N_DEQUES; d++)
            check_placed(fake, atomic_load(&runtime->pools[p].inbox[d].ring), topology->nodes[p], HWLOC_MEMBIND_BIND);
    fake->n_memory = 0;
    for (size_t p = 0; p < hl_runtime_nodes(runtime); p++) {
        void *memory = hl__arena_create(runtime, 100000, (uint16_t)p);
        check_placed(fake, memory, topology->nodes[p], HWLOC_MEMBIND_BIND);
        hl__arena_destroy(runtime, memory, 100000);
        fake->n_memory = 0; /* the next may come to lie at the same address */
    }
    void *memory = hl__arena_create(runtime, 100000, HL__NO_NODE);
    ck_assert_str_eq(fake->memory[0].set, m->everywhere);
    ck_assert_int_eq(fake->memory[0].policy, HWLOC_MEMBIND_INTERLEAVE);
    hl__arena_destroy(runtime, memory, 100000);
}

/* groups: lists of workers; the victims are those of the first list in any order, then those of the second, ... */
static void check_victims(const machine *m, const hl__worker *worker, const char *groups) {
    char copy[LIST_BYTES], *rest = NULL;
    snprintf(copy, sizeof copy, "%s", groups);
    hwloc_bitmap_t expected = hwloc_bitmap_alloc(), seen = hwloc_bitmap_alloc();
    size_t next = 0;
    for (char *group = strtok_r(copy, " ", &rest); group; group = strtok_r(NULL, " ", &rest)) {
        ck_assert_int_eq(hwloc_bitmap_list_sscanf(expected, group), 0);
        hwloc_bitmap_zero(seen);
        for (int i = 0; i < hwloc_bitmap_weight(expected); i++) {
            ck_assert_uint_lt(next, worker->n_victims);
            hwloc_bitmap_set(seen, worker->victims[next++]);
        }
        char text[FAKE_SET_BYTES];
        hwloc_bitmap_list_snprintf(text, sizeof text, seen);
        ck_assert_msg(hwloc_bitmap_isequal(seen, expected), "%s: worker %u tries %s where %s is nearest", m->topology,
                      worker->number, text, group);
    }
    ck_assert_uint_eq(next, worker->n_victims);
    hwloc_bitmap_free(expected);
    hwloc_bitmap_free(seen);
}

START_TEST(EveryMachineIsUsedAsItIs) {
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
        const machine *m = &machines[i];
        fake_system fake;
        hl_runtime *runtime = runtime_on(m, &fake);
        dag *d = dag_create(&(dag_options){
            .n_tasks = 200, .n_edges = 300, .join_one_in = 7, .background_one_in = 5, .n_homes = 3, .seed = i});
        d->graph.scratch_bytes = 5000;
        check_bindings(m, &fake, runtime);
        check_memory(m, &fake, runtime, &d->graph);
        check_victims(m, &runtime->workers[0], m->first);
        check_victims(m, &runtime->workers[m->n_workers - 1], m->last);
        for (size_t replay = 1; replay <= 3; replay++) {
            ck_assert_int_eq(hl__runtime_run(runtime, &d->graph), HL_OK);
            dag_check(d, replay);
        }
        dag_destroy(d);
        hl_runtime_destroy(runtime);
    }
}
END_TEST

int main(void) { return run_tests("machines", TESTS(EveryMachineIsUsedAsItIs)); }
