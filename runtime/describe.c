/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One line a fact, in the order in which things are decided: the machine, limits, how many workers and why, who binds
 * them, where each is, whom worker 0 steals from, and what the options say. */
#include "runtime/describe.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cgroup.h"
#include "runtime/pool.h"

static const char *const variable_names[] = {
#define VARIABLE_NAME(name) #name,
    HL__VARIABLE_LIST(VARIABLE_NAME)
#undef VARIABLE_NAME
};

hl_status hl__findings_keep(hl__findings *findings, const hl__system *system, size_t workers) {
    findings->workers = workers;
    for (size_t v = 0; v < HL__N_VARIABLES; v++) {
        const char *value = system->environment(system->context, variable_names[v]);
        findings->is_set[v] = value != NULL;
        char *kept = findings->variable[v];
        if (value && snprintf(kept, HL__VARIABLE_BYTES, "%s", value) >= HL__VARIABLE_BYTES)
            memcpy(kept + HL__VARIABLE_BYTES - sizeof "...", "...", sizeof "...");
    }
    hl_status status = hl__cgroup_cpus(system, &findings->quota);
    return status == HL_OK ? hl__cgroup_memory(system, &findings->memory) : status;
}

/* ---- texts ---- */

/* Where the text goes on, and how many bytes are left there. */
static char *end_of(const hl__text *text, size_t *room) {
    *room = text->length < text->size ? text->size - text->length : 0;
    return *room > 0 ? text->text + text->length : NULL;
}

void hl__text_add(hl__text *text, const char *format, ...) {
    va_list arguments;
    size_t room;
    char *end = end_of(text, &room);
    va_start(arguments, format);
    int n = vsnprintf(end, room, format, arguments);
    va_end(arguments);
    if (n > 0) text->length += (size_t)n;
}

static void add_set(hl__text *text, const char *what, hwloc_const_bitmap_t set) {
    if (hwloc_bitmap_iszero(set)) {
        hl__text_add(text, "no %s", what);
        return;
    }
    hl__text_add(text, "%s ", what);
    size_t room;
    char *end = end_of(text, &room);
    int n = hwloc_bitmap_list_snprintf(end, room, set);
    if (n > 0) text->length += (size_t)n;
}

static void add_bytes(hl__text *text, uint64_t bytes) {
    if (bytes >> 30) hl__text_add(text, "%.1f GiB", (double)bytes * 0x1p-30);
    else if (bytes >> 20) hl__text_add(text, "%.1f MiB", (double)bytes * 0x1p-20);
    else hl__text_add(text, "%.1f KiB", (double)bytes * 0x1p-10);
}

/* ", workers 0-3,6": those whose place is in this node (of all), or shares this cache. */
static void add_workers(hl__text *text, const hl_runtime *runtime, uint32_t numa, hwloc_obj_t cache) {
    const hl__place *places = runtime->topology->places;
    size_t n = 0;
    for (size_t w = 0; w < runtime->n_workers; w++) {
        bool here = cache ? places[w].cache == cache : places[w].numa == numa;
        if (!here) continue;
        size_t last = w;
        while (last + 1 < runtime->n_workers &&
               (cache ? places[last + 1].cache == cache : places[last + 1].numa == numa))
            last++;
        hl__text_add(text, n == 0 ? ", workers %zu" : ",%zu", w);
        if (last > w) hl__text_add(text, "-%zu", last);
        n++;
        w = last;
    }
    if (n == 0) hl__text_add(text, ", no workers");
}

/* ---- the machine ---- */

static void add_machine(hl__text *text, const hl_runtime *runtime) {
    hwloc_topology_t hardware = runtime->topology->hardware;
    int n_cores = hwloc_get_nbobjs_by_type(hardware, HWLOC_OBJ_CORE);
    int n_threads = hwloc_get_nbobjs_by_type(hardware, HWLOC_OBJ_PU);
    hl__text_add(text, "machine: ");
    if (n_cores > 0) hl__text_add(text, "%d cores with ", n_cores);
    hl__text_add(text, "%d hardware threads may be used: ", n_threads);
    add_set(text, "CPUs", hwloc_topology_get_topology_cpuset(hardware));
    hl__text_add(text, "\n");
    int n_numa = hwloc_get_nbobjs_by_type(hardware, HWLOC_OBJ_NUMANODE);
    for (int i = 0; i < n_numa; i++) {
        hwloc_obj_t node = hwloc_get_obj_by_type(hardware, HWLOC_OBJ_NUMANODE, (unsigned)i);
        hl__text_add(text, "NUMA node %u: ", node->os_index);
        add_set(text, "CPUs", node->cpuset);
        if (node->attr->numanode.local_memory > 0) {
            hl__text_add(text, ", memory of ");
            add_bytes(text, node->attr->numanode.local_memory);
        } else {
            hl__text_add(text, ", no memory that is known of");
        }
        add_workers(text, runtime, (uint32_t)i, NULL);
        hl__text_add(text, "\n");
    }
}

/* The last-level caches of workers' places, each once. */
static void add_caches(hl__text *text, const hl_runtime *runtime) {
    const hl__place *places = runtime->topology->places;
    for (size_t w = 0; w < runtime->n_workers; w++) {
        hwloc_obj_t cache = places[w].cache;
        bool seen = !cache;
        for (size_t v = 0; v < w && !seen; v++) seen = places[v].cache == cache;
        if (seen) continue;
        hl__text_add(text, "cache: L%u of ", cache->attr->cache.depth);
        add_bytes(text, cache->attr->cache.size);
        hl__text_add(text, " for ");
        add_set(text, "CPUs", cache->cpuset);
        add_workers(text, runtime, 0, cache);
        hl__text_add(text, "\n");
    }
}

/* ---- limits and what follows ---- */

static void add_limits(hl__text *text, const hl__findings *findings) {
    hl__text_add(text, "control groups: ");
    if (findings->quota > 0) hl__text_add(text, "a quota of %zu CPUs", findings->quota);
    else hl__text_add(text, "no quota");
    if (findings->memory > 0) hl__text_add(text, ", %zu MiB of memory", findings->memory >> 20);
    hl__text_add(text, "\n");
    for (size_t v = 0; v < HL__N_VARIABLES; v++) {
        if (findings->is_set[v]) hl__text_add(text, "%s: %s\n", variable_names[v], findings->variable[v]);
        else hl__text_add(text, "%s: not set\n", variable_names[v]);
    }
}

/* Which limit decided, by the rules of hl__topology_workers. */
static const char *reason(const hl_runtime *runtime) {
    const hl__findings *findings = &runtime->findings;
    int weight = hwloc_bitmap_weight(hwloc_topology_get_topology_cpuset(runtime->topology->hardware));
    if (findings->workers > 0) return "as the options ask";
    if (findings->is_set[HL__VARIABLE_OMP_NUM_THREADS] &&
        strtol(findings->variable[HL__VARIABLE_OMP_NUM_THREADS], NULL, 10) > 0)
        return "as OMP_NUM_THREADS asks";
    if (findings->quota > 0 && (weight <= 0 || findings->quota < (size_t)weight))
        return "as the quota of the control groups allows";
    return "one for each CPU that may be used";
}

static void add_workers_and_binding(hl__text *text, const hl_runtime *runtime) {
    hl__text_add(text, "workers: %zu, %s", runtime->room_workers, reason(runtime));
    if (runtime->n_workers < runtime->room_workers)
        hl__text_add(text, ", but no more than %zu threads were to be had", runtime->n_workers);
    hl__text_add(text, "\nbinding: %s\n",
                 runtime->topology->binds ? "by this runtime, each worker to its place"
                                          : "by the OpenMP runtime, as its variables say");
}

static void add_places(hl__text *text, const hl_runtime *runtime) {
    for (size_t w = 0; w < runtime->n_workers; w++) {
        const hl__place *place = &runtime->topology->places[w];
        hl__text_add(text, "worker %zu: ", w);
        add_set(text, "CPUs", place->cpus);
        hwloc_obj_t node = hwloc_get_obj_by_type(runtime->topology->hardware, HWLOC_OBJ_NUMANODE, place->numa);
        hl__text_add(text, ", NUMA node %u, pool %u\n", node ? node->os_index : 0, (unsigned)place->node);
    }
    const hl__worker *first = &runtime->workers[0];
    hl__text_add(text, "victims of worker 0:");
    for (size_t v = 0; v < first->n_victims; v++)
        hl__text_add(text, "%s %u", v == first->n_near ? ", on other nodes" : "", (unsigned)first->victims[v]);
    hl__text_add(text, first->n_victims > 0 ? "\n" : " none\n");
}

/* What stands in brackets in the kernel's list of choices; "unknown" where there is none. */
static void add_huge_pages(hl__text *text, const hl__system *system) {
    char choices[128], *begin = NULL, *end = NULL;
    if (system->read_file(system->context, "/sys/kernel/mm/transparent_hugepage/enabled", choices, sizeof choices)) {
        begin = strchr(choices, '[');
        end = begin ? strchr(begin, ']') : NULL;
    }
    if (end) *end = '\0';
    hl__text_add(text, "huge pages: asked for from 2 MiB on, the kernel's setting is %s\n",
                 end ? begin + 1 : "unknown");
}

void hl__runtime_describe(const hl_runtime *runtime, hl__text *text) {
    add_machine(text, runtime);
    add_caches(text, runtime);
    add_limits(text, &runtime->findings);
    add_workers_and_binding(text, runtime);
    add_places(text, runtime);
    hl__text_add(text, "policy: %s, steal seed %" PRIu64 "\n", runtime->policy->name, runtime->steal_seed);
    add_huge_pages(text, runtime->topology->system);
    if (runtime->trace_room > 0) hl__text_add(text, "trace: up to %zu events a worker\n", runtime->trace_room);
    else hl__text_add(text, "trace: off\n");
    hl__text_add(text, "clock of traces and profiles: %s\n",
                 runtime->trace.clock.counter ? "the time stamp counter" : "CLOCK_MONOTONIC");
}
