/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Places of workers from hwloc's view of the machine. CPUs outside the affinity mask are cut off the topology at the
 * start, so that everything after sees only what may be used. Nodes without CPUs stay in it and get no worker. */
#include "runtime/topology.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "runtime/cgroup.h"
#include "runtime/memory.h"
#include "runtime/team.h"

#define FAR_DISTANCE 20  /* between nodes of which the machine says nothing; as in ACPI's tables */
#define NEAR_DISTANCE 10 /* of the same node */

/* The user has told the OpenMP runtime where threads go (or not to bind them). */
static bool user_binds(const hl__system *system) {
    static const char *const names[] = {"OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (system->environment(system->context, names[i])) return true;
    return false;
}

/* CPUs that workers may run on. */
static int usable_cpus(const hl__topology *topology, hwloc_bitmap_t cpus) {
    const hl__system *system = topology->system;
    if (!topology->binds && system->openmp_cpus(system->context, cpus) == 0) return 0;
    return system->process_cpus(system->context, topology->hardware, cpus);
}

/* Cuts off the CPUs that workers may not run on. Where these can't be read, all stay. Nodes are not cut off:
 * HWLOC_RESTRICT_FLAG_REMOVE_CPULESS aborts where some have no CPUs to begin with (hwloc's issue 575). */
static hl_status restrict_to_mask(hl__topology *topology) {
    hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
    if (!cpus) return HL_OUT_OF_MEMORY;
    hl_status status = HL_OK;
    if (usable_cpus(topology, cpus) == 0 &&
        hwloc_bitmap_intersects(cpus, hwloc_topology_get_topology_cpuset(topology->hardware)) &&
        hwloc_topology_restrict(topology->hardware, cpus, 0) != 0)
        status = errno == ENOMEM ? HL_OUT_OF_MEMORY : HL_SYSTEM;
    hwloc_bitmap_free(cpus);
    return status;
}

hl_status hl__topology_create(const hl__system *system, hl__topology **topology) {
    hl__topology *made = hl__allocate(1, sizeof *made);
    if (!made) return HL_OUT_OF_MEMORY;
    made->system = system;
    made->binds = !user_binds(system);
    hl_status status = HL_SYSTEM;
    if (hwloc_topology_init(&made->hardware) != 0) {
        made->hardware = NULL;
        goto fail;
    }
    /* Reading the machine must not move the caller's thread about. */
    if (hwloc_topology_set_flags(made->hardware, HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING) != 0) goto fail;
    if (system->choose(system->context, made->hardware) != 0 || hwloc_topology_load(made->hardware) != 0) goto fail;
    status = restrict_to_mask(made);
    if (status != HL_OK) goto fail;
    *topology = made;
    return HL_OK;
fail:
    hl__topology_destroy(made);
    return status;
}

static void clear_places(hl__topology *topology) {
    for (size_t i = 0; i < topology->n_places; i++) hwloc_bitmap_free(topology->places[i].cpus);
    hl__release(topology->places);
    topology->places = NULL;
    topology->n_places = 0;
}

void hl__topology_destroy(hl__topology *topology) {
    if (!topology) return;
    clear_places(topology);
    for (size_t i = 0; i < topology->n_nodes; i++) hwloc_bitmap_free(topology->nodes[i]);
    hl__release(topology->nodes);
    hl__release(topology->distance);
    if (topology->hardware) hwloc_topology_destroy(topology->hardware);
    hl__release(topology);
}

#define BLANKS " \t\n\v\f\r"

/* The first number of a list as OpenMP has it: whole positive numbers, one for each level of nesting, between commas,
 * with blanks around them. 0: it is no such list, or its first number is more than a team can be. */
static size_t first_of_list(const char *text) {
    size_t first = 0;
    for (;; text++) {
        text += strspn(text, BLANKS);
        size_t n_digits = strspn(text, "0123456789"), number = 0;
        for (size_t i = 0; i < n_digits && number <= INT_MAX; i++) number = number * 10 + (size_t)(text[i] - '0');
        if (number == 0 || number > (first > 0 ? (size_t)INT_MAX : HL__MAX_TEAM)) return 0;
        if (first == 0) first = number;
        text += n_digits;
        text += strspn(text, BLANKS);
        if (*text == '\0') return first;
        if (*text != ',') return 0;
    }
}

hl_status hl__topology_workers(const hl__topology *topology, size_t *n_workers) {
    const hl__system *system = topology->system;
    const char *asked = system->environment(system->context, "OMP_NUM_THREADS");
    if (asked && asked[strspn(asked, BLANKS)] != '\0') { /* an empty one asks for nothing */
        size_t number = first_of_list(asked);
        if (number > 0) *n_workers = number;
        return number > 0 ? HL_OK : HL_INVALID_ARGUMENT;
    }
    size_t quota = 0;
    hl_status status = hl__cgroup_cpus(system, &quota);
    if (status != HL_OK) return status;
    int weight = hwloc_bitmap_weight(hwloc_topology_get_topology_cpuset(topology->hardware));
    size_t n = weight > 0 ? (size_t)weight : 1;
    *n_workers = quota > 0 && quota < n ? quota : n;
    return HL_OK;
}

/* The outermost cache of a CPU that lies within one NUMA node: what cores without a third level share is the second. */
static hwloc_obj_t last_cache(hwloc_obj_t pu) {
    hwloc_obj_t found = NULL;
    for (hwloc_obj_t at = pu; at; at = at->parent) {
        if (hwloc_obj_type_is_dcache(at->type)) found = at;
        if (at->memory_arity > 0) break;
    }
    return found;
}

/* Fills numa and cache from the place's first CPU. */
static void find_node(const hl__topology *topology, hl__place *place) {
    hwloc_topology_t hardware = topology->hardware;
    int first = hwloc_bitmap_first(place->cpus);
    unsigned cpu = first < 0 ? 0 : (unsigned)first;
    int n_numa = hwloc_get_nbobjs_by_type(hardware, HWLOC_OBJ_NUMANODE);
    place->numa = 0; /* also of CPUs of which no node is near, since we may not use theirs */
    for (int i = 0; i < n_numa; i++)
        /* The first that holds it is the nearest. Others are slower or smaller memory of the same CPUs, or of more. */
        if (hwloc_bitmap_isset(hwloc_get_obj_by_type(hardware, HWLOC_OBJ_NUMANODE, (unsigned)i)->cpuset, cpu)) {
            place->numa = (uint32_t)i;
            break;
        }
    hwloc_obj_t pu = hwloc_get_pu_obj_by_os_index(hardware, cpu);
    place->cache = pu ? last_cache(pu) : NULL;
}

static hwloc_const_bitmap_t node_cpus(const hl__topology *topology, uint32_t numa) {
    return hwloc_get_obj_by_type(topology->hardware, HWLOC_OBJ_NUMANODE, numa)->cpuset;
}

/* What an object counts when workers are dealt out: cores while each worker can have one to itself, else threads. On
 * machines whose cores have different numbers of threads, shares by threads would leave cores without a worker while
 * others have two. */
static size_t weight_of(const hl__topology *topology, hwloc_obj_t object, bool by_cores) {
    int n = by_cores ? hwloc_get_nbobjs_inside_cpuset_by_type(topology->hardware, object->cpuset, HWLOC_OBJ_CORE)
                     : hwloc_bitmap_weight(object->cpuset);
    return n > 0 ? (size_t)n : 0;
}

/* Deals n workers out to an object's children in shares by weight, and so on below them. sets: NULLs, n of them. */
static bool deal(const hl__topology *topology, hwloc_obj_t object, bool by_cores, size_t n, hwloc_bitmap_t *sets) {
    if (n <= 1 || object->arity == 0 || weight_of(topology, object, by_cores) == 0) {
        for (size_t i = 0; i < n; i++)
            if (!(sets[i] = hwloc_bitmap_dup(object->cpuset))) return false;
        return true;
    }
    size_t total = 0, before = 0, given = 0;
    for (unsigned c = 0; c < object->arity; c++) total += weight_of(topology, object->children[c], by_cores);
    for (unsigned c = 0; c < object->arity; c++) {
        hwloc_obj_t child = object->children[c];
        before += weight_of(topology, child, by_cores);
        size_t share = (before * n + total - 1) / total - given; /* rounded up: the first always gets some */
        if (share > 0 && !deal(topology, child, by_cores, share, sets + given)) return false;
        /* Nothing for this child: its CPUs go to the worker before. */
        if (share == 0 && given > 0 && hwloc_bitmap_or(sets[given - 1], sets[given - 1], child->cpuset) != 0)
            return false;
        given += share;
    }
    return true;
}

hl_status hl__topology_spread(hl__topology *topology, size_t n) {
    clear_places(topology);
    hwloc_bitmap_t *sets = hl__allocate(n, sizeof *sets);
    topology->places = hl__allocate(n, sizeof *topology->places);
    hl_status status = HL_OUT_OF_MEMORY;
    if (!sets || !topology->places) goto done;
    hwloc_obj_t machine = hwloc_get_root_obj(topology->hardware);
    topology->crowded = n > weight_of(topology, machine, false);
    if (deal(topology, machine, n <= weight_of(topology, machine, true), n, sets)) status = HL_OK;
    topology->n_places = n;
    for (size_t i = 0; i < n; i++) topology->places[i].cpus = sets[i];
    for (size_t i = 0; i < n && status == HL_OK; i++) {
        hl__place *place = &topology->places[i];
        find_node(topology, place);
        hwloc_const_bitmap_t near = node_cpus(topology, place->numa);
        /* Fewer workers than nodes: a worker still stays with one node's memory. */
        if (hwloc_bitmap_intersects(place->cpus, near) && hwloc_bitmap_and(place->cpus, place->cpus, near) != 0)
            status = HL_OUT_OF_MEMORY;
    }
done:
    if (status != HL_OK) clear_places(topology);
    hl__release(sets);
    return status;
}

void hl__topology_bind(hl__topology *topology, size_t worker) {
    hl__place *place = &topology->places[worker];
    const hl__system *system = topology->system;
    if (topology->binds) {
        system->bind_thread(system->context, topology->hardware, place->cpus);
        return;
    }
    hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
    if (!cpus) return;
    if (system->thread_cpus(system->context, topology->hardware, cpus) == 0 && !hwloc_bitmap_iszero(cpus)) {
        hl__place seen = {.cpus = cpus};
        find_node(topology, &seen);
        /* A thread that may run on several nodes is kept where the plan has it: as good a guess as any. */
        if (hwloc_bitmap_isincluded(cpus, node_cpus(topology, seen.numa)) &&
            hwloc_bitmap_copy(place->cpus, cpus) == 0) {
            place->numa = seen.numa;
            place->cache = seen.cache;
        }
    }
    hwloc_bitmap_free(cpus);
}

/* From one node to another, both numbered among all. table: NULL where the machine has none. */
static uint32_t distance_between(const hl__topology *topology, struct hwloc_distances_s *table, uint32_t from,
                                 uint32_t to) {
    if (from == to) return NEAR_DISTANCE;
    hwloc_uint64_t there, back;
    hwloc_obj_t a = hwloc_get_obj_by_type(topology->hardware, HWLOC_OBJ_NUMANODE, from);
    hwloc_obj_t b = hwloc_get_obj_by_type(topology->hardware, HWLOC_OBJ_NUMANODE, to);
    if (!table || hwloc_distances_obj_pair_values(table, a, b, &there, &back) != 0) return FAR_DISTANCE;
    return there < UINT32_MAX ? (uint32_t)there : UINT32_MAX;
}

/* Memory for the workers of a node: its own; where it has none, that of the nearest node that has some, beginning with
 * those of the same CPUs. Machines that do not say how much memory is where are taken to have some everywhere. */
static hwloc_obj_t nearest_memory(const hl__topology *topology, struct hwloc_distances_s *table, uint32_t numa) {
    hwloc_obj_t own = hwloc_get_obj_by_type(topology->hardware, HWLOC_OBJ_NUMANODE, numa), nearest = own;
    if (own->attr->numanode.local_memory > 0) return own;
    uint32_t least = UINT32_MAX, n = (uint32_t)hwloc_get_nbobjs_by_type(topology->hardware, HWLOC_OBJ_NUMANODE);
    for (uint32_t i = 0; i < n; i++) {
        hwloc_obj_t other = hwloc_get_obj_by_type(topology->hardware, HWLOC_OBJ_NUMANODE, i);
        if (other->attr->numanode.local_memory == 0) continue;
        bool same_cpus = !hwloc_bitmap_iszero(own->cpuset) && hwloc_bitmap_isincluded(own->cpuset, other->cpuset);
        uint32_t distance = same_cpus ? 0 : distance_between(topology, table, numa, i);
        if (nearest != own && distance >= least) continue;
        nearest = other;
        least = distance;
    }
    return nearest;
}

/* Distances between the settled nodes, and their memory; numa[i] is node i among all. */
static hl_status describe_nodes(hl__topology *topology, const uint32_t *numa) {
    size_t n = topology->n_nodes;
    unsigned found = 1;
    struct hwloc_distances_s *table = NULL;
    if (hwloc_distances_get_by_type(topology->hardware, HWLOC_OBJ_NUMANODE, &found, &table,
                                    HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0) != 0 ||
        found == 0)
        table = NULL;
    hl_status status = HL_OK;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++)
            topology->distance[i * n + j] = distance_between(topology, table, numa[i], numa[j]);
        topology->nodes[i] = hwloc_bitmap_dup(nearest_memory(topology, table, numa[i])->nodeset);
        if (!topology->nodes[i]) status = HL_OUT_OF_MEMORY;
    }
    if (table) hwloc_distances_release(topology->hardware, table);
    return status;
}

hl_status hl__topology_settle(hl__topology *topology) {
    int count = hwloc_get_nbobjs_by_type(topology->hardware, HWLOC_OBJ_NUMANODE);
    size_t n_numa = count > 0 ? (size_t)count : 1;
    if (n_numa > UINT16_MAX - 1) n_numa = UINT16_MAX - 1;
    uint32_t *numa = hl__allocate(n_numa, sizeof *numa); /* of each node that has workers */
    topology->nodes = hl__allocate(n_numa, sizeof *topology->nodes);
    topology->distance = hl__allocate(n_numa * n_numa, sizeof *topology->distance);
    hl_status status = HL_OUT_OF_MEMORY;
    if (!numa || !topology->nodes || !topology->distance) goto done;
    for (uint32_t i = 0; i < n_numa; i++) {
        bool used = false;
        for (size_t w = 0; w < topology->n_places; w++) {
            if (topology->places[w].numa != i) continue;
            topology->places[w].node = (uint16_t)topology->n_nodes;
            used = true;
        }
        if (used) numa[topology->n_nodes++] = i;
    }
    status = describe_nodes(topology, numa);
done:
    hl__release(numa);
    return status;
}

void hl__topology_place_memory(const hl__topology *topology, void *memory, size_t bytes, size_t node) {
    const hl__system *system = topology->system;
    if (node < topology->n_nodes) {
        system->bind_memory(system->context, topology->hardware, memory, bytes, topology->nodes[node],
                            HWLOC_MEMBIND_BIND);
        return;
    }
    hwloc_nodeset_t all = hwloc_bitmap_alloc();
    if (!all) return;
    for (size_t i = 0; i < topology->n_nodes; i++) hwloc_bitmap_or(all, all, topology->nodes[i]);
    system->bind_memory(system->context, topology->hardware, memory, bytes, all, HWLOC_MEMBIND_INTERLEAVE);
    hwloc_bitmap_free(all);
}
