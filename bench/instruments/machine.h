/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a measurement must say about where, when and with what it was made. */
#ifndef HL_BENCH_MACHINE_H
#define HL_BENCH_MACHINE_H

#include <hwloc.h>
#include <stdbool.h>
#include <stddef.h>

#include "ops/kernels/gemm.h"
#include "runtime/code.h"

typedef struct bench_machine {
    char date[32]; /* of bench_machine_create: ISO 8601, in UTC */
    char host[256];
    char cpu[128];
    size_t cores;      /* that this process may use */
    size_t threads;    /* hardware threads of these */
    size_t numa_nodes; /* of these */
    const char *isa;   /* instruction set of the operators' kernels */
    const char *gemm;  /* what makes block products: libxsmm or portable */
    const char *commit;
    const char *version;  /* of the library that is measured */
    const char *compiler; /* that the bench was built with, as was the library: its name and version */
    const char *flags;    /* of all files, without those of an instruction set */
    const char *build;    /* CMake's kind of build */
    hwloc_topology_t topology;
    hl__code_lease lease; /* kernels of the products that are measured by themselves, */
    struct hl_code code;  /* and room for them */
} bench_machine;

/* False, with words on stderr, where the topology cannot be read, or there is no memory. machine stays where
 * it is. */
bool bench_machine_create(bench_machine *machine);
void bench_machine_destroy(bench_machine *machine);

/* How many threads a team has of which `asked` were asked for: at most one a core, and one on each where 0 were. */
size_t bench_machine_threads(const bench_machine *machine, size_t asked);

/* Binds the calling thread to one hardware thread of core number `core` (modulo cores); best effort. */
void bench_machine_pin(const bench_machine *machine, size_t core);

#endif
