/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the runtime asks of the machine, as a table of functions: tests put a synthetic topology behind it (where
 * hwloc's own bind calls succeed without doing anything) and look at the calls that were made. */
#ifndef HL_RUNTIME_SYSTEM_H
#define HL_RUNTIME_SYSTEM_H

#include <stddef.h>

#include <hwloc.h>

/* Functions that return int give 0 on success. context is handed to each. */
typedef struct hl__system {
    void *context;

    /* Chooses what the topology is loaded from, between hwloc_topology_init and hwloc_topology_load. */
    int (*choose)(void *context, hwloc_topology_t topology);

    /* CPUs that any thread of the process may run on; CPUs that the calling thread may run on. */
    int (*process_cpus)(void *context, hwloc_topology_t topology, hwloc_bitmap_t cpus);
    int (*thread_cpus)(void *context, hwloc_topology_t topology, hwloc_bitmap_t cpus);

    /* CPUs of the OpenMP runtime's places, for where the user has told it to bind: it has then bound the first thread
     * already, whose mask says nothing of what the others get. Fails where it has no places. */
    int (*openmp_cpus)(void *context, hwloc_bitmap_t cpus);

    int (*bind_thread)(void *context, hwloc_topology_t topology, hwloc_const_bitmap_t cpus);
    int (*bind_memory)(void *context, hwloc_topology_t topology, void *memory, size_t bytes,
                       hwloc_const_nodeset_t nodes, hwloc_membind_policy_t policy);

    const char *(*environment)(void *context, const char *name); /* NULL: not set */

    /* Reads at most size - 1 bytes and ends them with 0; false where there is no such file. */
    _Bool (*read_file)(void *context, const char *path, char *text, size_t size);
} hl__system;

extern const hl__system hl__native_system;

#endif
