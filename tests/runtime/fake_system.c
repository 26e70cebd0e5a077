/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A machine that is not there. */
#include "tests/runtime/fake_system.h"

#include <check.h>
#include <hwloc/distances.h>
#include <hwloc/export.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int choose(void *context, hwloc_topology_t topology) {
    const char *text = ((fake_system *)context)->topology;
    if (text[0] == '/') return hwloc_topology_set_xml(topology, text);
    if (text[0] == '<') return hwloc_topology_set_xmlbuffer(topology, text, (int)strlen(text) + 1);
    return hwloc_topology_set_synthetic(topology, text);
}

static int read_set(const char *list, hwloc_topology_t topology, hwloc_bitmap_t cpus) {
    if (list && list[0] == '?') return -1;
    if (!list) return hwloc_bitmap_copy(cpus, hwloc_topology_get_topology_cpuset(topology));
    return hwloc_bitmap_list_sscanf(cpus, list);
}

static int process_cpus(void *context, hwloc_topology_t topology, hwloc_bitmap_t cpus) {
    return read_set(((fake_system *)context)->process_cpus, topology, cpus);
}

static int thread_cpus(void *context, hwloc_topology_t topology, hwloc_bitmap_t cpus) {
    return read_set(((fake_system *)context)->thread_cpus, topology, cpus);
}

static int openmp_cpus(void *context, hwloc_bitmap_t cpus) {
    const char *list = ((fake_system *)context)->openmp_cpus;
    return list ? hwloc_bitmap_list_sscanf(cpus, list) : -1;
}

static void record(fake_system *fake, fake_call *calls, size_t *n_calls, hwloc_const_bitmap_t set, fake_call call) {
    pthread_mutex_lock(&fake->mutex);
    if (*n_calls < FAKE_CALLS) {
        calls[*n_calls] = call;
        hwloc_bitmap_list_snprintf(calls[*n_calls].set, FAKE_SET_BYTES, set);
    }
    ++*n_calls;
    pthread_mutex_unlock(&fake->mutex);
}

static int bind_thread(void *context, hwloc_topology_t topology, hwloc_const_bitmap_t cpus) {
    (void)topology;
    fake_system *fake = context;
    record(fake, fake->threads, &fake->n_threads, cpus, (fake_call){.bytes = 0});
    return 0;
}

static size_t count_touched(void *memory, size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n_touched = 0;
    for (size_t at = 0; at < bytes; at += page) {
        unsigned char resident = 1;
        n_touched += mincore((char *)memory + at, page, &resident) != 0 || resident & 1;
    }
    return n_touched;
}

static int bind_memory(void *context, hwloc_topology_t topology, void *memory, size_t bytes,
                       hwloc_const_nodeset_t nodes, hwloc_membind_policy_t policy) {
    (void)topology;
    fake_system *fake = context;
    record(fake, fake->memory, &fake->n_memory, nodes,
           (fake_call){.bytes = bytes, .memory = memory, .n_touched = count_touched(memory, bytes), .policy = policy});
    return 0;
}

static const char *find(const fake_pair *pairs, const char *key) {
    for (; pairs && pairs->key; pairs++)
        if (strcmp(pairs->key, key) == 0) return pairs->value;
    return NULL;
}

static const char *environment(void *context, const char *name) {
    return find(((fake_system *)context)->environment, name);
}

static bool read_file(void *context, const char *path, char *text, size_t size) {
    const char *found = find(((fake_system *)context)->files, path);
    if (found) snprintf(text, size, "%s", found);
    return found;
}

void fake_system_init(fake_system *fake, const char *topology) {
    memset(fake, 0, sizeof *fake);
    fake->mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER; /* nobody destroys it */
    fake->topology = topology;
    fake->system = (hl__system){.context = fake,
                                .choose = choose,
                                .process_cpus = process_cpus,
                                .thread_cpus = thread_cpus,
                                .openmp_cpus = openmp_cpus,
                                .bind_thread = bind_thread,
                                .bind_memory = bind_memory,
                                .environment = environment,
                                .read_file = read_file};
}

static void add_distances(hwloc_topology_t topology, const uint64_t *distances) {
    unsigned n = (unsigned)hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE);
    hwloc_obj_t node[64];
    hwloc_uint64_t value[64 * 64];
    ck_assert_uint_le(n, 64);
    for (unsigned i = 0; i < n; i++) node[i] = hwloc_get_obj_by_type(topology, HWLOC_OBJ_NUMANODE, i);
    for (unsigned i = 0; i < n * n; i++) value[i] = distances[i];
    hwloc_distances_add_handle_t handle = hwloc_distances_add_create(
        topology, "NUMALatency", HWLOC_DISTANCES_KIND_FROM_USER | HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0);
    ck_assert_ptr_nonnull(handle);
    ck_assert_int_eq(hwloc_distances_add_values(topology, handle, n, node, value, 0), 0);
    ck_assert_int_eq(hwloc_distances_add_commit(topology, handle, 0), 0);
}

char *fake_machine(const char *topology, const char *only, const uint64_t *distances) {
    hwloc_topology_t made;
    ck_assert_int_eq(hwloc_topology_init(&made), 0);
    ck_assert_int_eq(hwloc_topology_set_synthetic(made, topology), 0);
    ck_assert_int_eq(hwloc_topology_load(made), 0);
    if (distances) add_distances(made, distances);
    if (only) {
        hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
        ck_assert_int_eq(hwloc_bitmap_list_sscanf(cpus, only), 0);
        ck_assert_int_eq(hwloc_topology_restrict(made, cpus, 0), 0); /* nodes without CPUs stay */
        hwloc_bitmap_free(cpus);
    }
    char *buffer = NULL;
    int bytes = 0;
    ck_assert_int_eq(hwloc_topology_export_xmlbuffer(made, &buffer, &bytes, 0), 0);
    char *text = strdup(buffer);
    ck_assert_ptr_nonnull(text);
    hwloc_free_xmlbuffer(made, buffer);
    hwloc_topology_destroy(made);
    return text;
}
