/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A machine that is not there. */
#include "tests/runtime/fake_system.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int choose(void *context, hwloc_topology_t topology) {
    return hwloc_topology_set_synthetic(topology, ((fake_system *)context)->topology);
}

static int read_set(const char *list, hwloc_topology_t topology, hwloc_bitmap_t cpus) {
    if (!list) return hwloc_bitmap_copy(cpus, hwloc_topology_get_topology_cpuset(topology));
    return hwloc_bitmap_list_sscanf(cpus, list);
}

static int process_cpus(void *context, hwloc_topology_t topology, hwloc_bitmap_t cpus) {
    return read_set(((fake_system *)context)->process_cpus, topology, cpus);
}

static int thread_cpus(void *context, hwloc_topology_t topology, hwloc_bitmap_t cpus) {
    return read_set(((fake_system *)context)->thread_cpus, topology, cpus);
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

static int bind_memory(void *context, hwloc_topology_t topology, void *memory, size_t bytes,
                       hwloc_const_nodeset_t nodes, hwloc_membind_policy_t policy) {
    (void)topology;
    (void)memory;
    fake_system *fake = context;
    record(fake, fake->memory, &fake->n_memory, nodes, (fake_call){.bytes = bytes, .policy = policy});
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
    pthread_mutex_init(&fake->mutex, NULL);
    fake->topology = topology;
    fake->system = (hl__system){.context = fake,
                                .choose = choose,
                                .process_cpus = process_cpus,
                                .thread_cpus = thread_cpus,
                                .bind_thread = bind_thread,
                                .bind_memory = bind_memory,
                                .environment = environment,
                                .read_file = read_file};
}
