/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A machine that is not there: a synthetic topology, an environment and files of our choice, and a record of the calls
 * that would have bound threads and memory. */
#ifndef HL_TESTS_RUNTIME_FAKE_SYSTEM_H
#define HL_TESTS_RUNTIME_FAKE_SYSTEM_H

#include <pthread.h>
#include <stdint.h>

#include "runtime/system.h"

#define FAKE_CALLS 512
#define FAKE_SET_BYTES 256

typedef struct fake_pair {
    const char *key, *value; /* an environment variable; or a path and what the file holds */
} fake_pair;

typedef struct fake_call {
    char set[FAKE_SET_BYTES]; /* CPUs or nodes, as hwloc lists them: "0-3,7" */
    size_t bytes;             /* of memory; 0 for threads */
    const void *memory;
    size_t n_touched; /* pages of it that had been written or read when the call was made */
    hwloc_membind_policy_t policy;
} fake_call;

typedef struct fake_system {
    hl__system system;                    /* what to hand to the code under test */
    const char *topology;                 /* in hwloc's synthetic notation, XML, or the path of a file with XML */
    const char *process_cpus;             /* list; NULL: all; "?": cannot be read */
    const char *thread_cpus;              /* list; NULL: all */
    const char *openmp_cpus;              /* list; NULL: the OpenMP runtime has no places */
    const fake_pair *environment, *files; /* end with a NULL key */
    pthread_mutex_t mutex;
    fake_call threads[FAKE_CALLS], memory[FAKE_CALLS];
    size_t n_threads, n_memory; /* calls made; the first FAKE_CALLS are kept */
} fake_system;

void fake_system_init(fake_system *fake, const char *topology);

/* The XML of a synthetic machine to which the notation does not extend. only: CPUs that are left, so that some nodes
 * have none; NULL: all. distances: from node to node, row by row; NULL: none known. The caller's to free. */
char *fake_machine(const char *topology, const char *only, const uint64_t *distances);

#endif
