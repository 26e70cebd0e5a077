/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where workers run: how many, on which CPUs, near which memory. */
#ifndef HL_RUNTIME_TOPOLOGY_H
#define HL_RUNTIME_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "headloom/status.h"
#include "runtime/system.h"

typedef struct hl__place { /* of one worker */
    hwloc_bitmap_t cpus;   /* within one NUMA node */
    hwloc_obj_t cache;     /* last-level cache of its first CPU; NULL: none is known */
    uint32_t numa;         /* NUMA node, among all in hwloc's logical order */
    uint16_t node;         /* the same, among nodes with workers: known once settled */
} hl__place;

typedef struct hl__topology {
    const hl__system *system;
    hwloc_topology_t hardware; /* restricted to the CPUs that we may use */
    bool binds;                /* we bind threads: the user has not told the OpenMP runtime to */
    hl__place *places;
    size_t n_places;
    hwloc_nodeset_t *nodes; /* memory of each node with workers: another's where the node has none itself */
    uint32_t *distance;     /* n_nodes x n_nodes; the same node is the least */
    size_t n_nodes;
    bool crowded; /* more workers than CPUs: known once spread */
} hl__topology;

/* HL_OUT_OF_MEMORY; HL_SYSTEM where hwloc can't read the machine. */
hl_status hl__topology_create(const hl__system *system, hl__topology **topology);
void hl__topology_destroy(hl__topology *topology); /* NULL is harmless */

/* Workers that the environment asks for: OMP_NUM_THREADS, else the CPUs that we may use, at most the control groups'
 * quota. At least 1. HL_INVALID_ARGUMENT: OMP_NUM_THREADS is no list of whole numbers, or begins with none from 1 to
 * HL__MAX_TEAM. */
hl_status hl__topology_workers(const hl__topology *topology, size_t *n_workers);

/* Spreads n workers over the machine: neighbours in number are neighbours on the machine, nodes get equal shares. With
 * fewer workers than CPUs each gets a group of CPUs to itself: a quota in a shared machine must not make every
 * container crowd onto the same first CPUs. */
hl_status hl__topology_spread(hl__topology *topology, size_t n);

/* In a worker's own thread: binds it to its place; or, where the OpenMP runtime has bound it, looks where it is.
 * Failing to bind costs speed only, so it is no error. Different workers may be settled at the same time. */
void hl__topology_bind(hl__topology *topology, size_t worker);

/* Once all are bound: numbers the nodes that have workers. */
hl_status hl__topology_settle(hl__topology *topology);

/* Puts memory onto one node, or interleaves it over all with workers (node >= n_nodes). Costs speed only if it fails.
 */
void hl__topology_place_memory(const hl__topology *topology, void *memory, size_t bytes, size_t node);

#endif
