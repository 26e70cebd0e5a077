/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The machine that we run on, through hwloc and /proc. */
#include "runtime/system.h"

#include <fcntl.h>
#include <omp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/memory.h"

static int choose(void *context, hwloc_topology_t topology) {
    (void)context;
    (void)topology; /* hwloc's default is this machine */
    return 0;
}

static int process_cpus(void *context, hwloc_topology_t topology, hwloc_bitmap_t cpus) {
    (void)context;
    return hwloc_get_cpubind(topology, cpus, HWLOC_CPUBIND_PROCESS);
}

static int thread_cpus(void *context, hwloc_topology_t topology, hwloc_bitmap_t cpus) {
    (void)context;
    return hwloc_get_cpubind(topology, cpus, HWLOC_CPUBIND_THREAD);
}

static int openmp_cpus(void *context, hwloc_bitmap_t cpus) {
    (void)context;
    hwloc_bitmap_zero(cpus);
    int n_places = omp_get_num_places();
    for (int place = 0; place < n_places; place++) {
        int n = omp_get_place_num_procs(place);
        int *cpu = n > 0 ? hl__allocate((size_t)n, sizeof *cpu) : NULL;
        if (!cpu) return -1;
        omp_get_place_proc_ids(place, cpu);
        for (int i = 0; i < n; i++)
            if (cpu[i] >= 0) hwloc_bitmap_set(cpus, (unsigned)cpu[i]);
        hl__release(cpu);
    }
    return hwloc_bitmap_iszero(cpus) ? -1 : 0;
}

static int bind_thread(void *context, hwloc_topology_t topology, hwloc_const_bitmap_t cpus) {
    (void)context;
    return hwloc_set_cpubind(topology, cpus, HWLOC_CPUBIND_THREAD);
}

static int bind_memory(void *context, hwloc_topology_t topology, void *memory, size_t bytes,
                       hwloc_const_nodeset_t nodes, hwloc_membind_policy_t policy) {
    (void)context;
    return hwloc_set_area_membind(topology, memory, bytes, nodes, policy, HWLOC_MEMBIND_BYNODESET);
}

static const char *environment(void *context, const char *name) {
    (void)context;
    return getenv(name);
}

static bool read_file(void *context, const char *path, char *text, size_t size) {
    (void)context;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    size_t used = 0;
    while (used < size - 1) {
        ssize_t n = read(file, text + used, size - 1 - used);
        if (n <= 0) break;
        used += (size_t)n;
    }
    text[used] = '\0';
    close(file);
    return true;
}

const hl__system hl__native_system = {
    .choose = choose,
    .process_cpus = process_cpus,
    .thread_cpus = thread_cpus,
    .openmp_cpus = openmp_cpus,
    .bind_thread = bind_thread,
    .bind_memory = bind_memory,
    .environment = environment,
    .read_file = read_file,
};
