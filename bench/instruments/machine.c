/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a measurement must say about where it was made: date, host, processor, cores, NUMA nodes, instruction set,
 * commit, compiler and flags. */
#include "bench/instruments/machine.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "headloom/version.h"
#include "ops/kernels/gemm.h"
#include "ops/ops.h"

/* "model name : AMD EPYC" on amd64; other architectures have no such line. */
static void read_cpu(char *cpu, size_t bytes) {
    snprintf(cpu, bytes, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (!file) return;
    char line[512];
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, "model name", 10) != 0) continue;
        const char *value = strchr(line, ':');
        if (!value) continue;
        value += 1 + strspn(value + 1, " \t");
        snprintf(cpu, bytes, "%.*s", (int)strcspn(value, "\n"), value);
        break;
    }
    fclose(file);
}

static void read_date(char *date, size_t bytes) {
    time_t now = time(NULL);
    struct tm parts;
    if (!gmtime_r(&now, &parts) || strftime(date, bytes, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        snprintf(date, bytes, "unknown");
}

static void read_host(char *host, size_t bytes) {
    if (gethostname(host, bytes) != 0 || host[0] == '\0') snprintf(host, bytes, "unknown");
    host[bytes - 1] = '\0';
}

static size_t count(hwloc_topology_t topology, hwloc_obj_type_t type) {
    int n = hwloc_get_nbobjs_by_type(topology, type);
    return n > 0 ? (size_t)n : 1;
}

static bool load_topology(hwloc_topology_t *topology) {
    if (hwloc_topology_init(topology) != 0) return false;
    if (hwloc_topology_load(*topology) == 0) return true;
    hwloc_topology_destroy(*topology);
    return false;
}

bool bench_machine_create(bench_machine *machine) {
    *machine = (bench_machine){.isa = hl__isa_name(hl__isa_chosen()),
                               .gemm = hl__gemm_name(),
                               .commit = BENCH_COMMIT,
                               .version = hl_version_string(),
                               .compiler = BENCH_COMPILER,
                               .flags = BENCH_FLAGS,
                               .build = BENCH_BUILD};
    read_date(machine->date, sizeof machine->date);
    read_host(machine->host, sizeof machine->host);
    read_cpu(machine->cpu, sizeof machine->cpu);
    if (!load_topology(&machine->topology)) {
        machine->topology = NULL;
        fprintf(stderr, "hl-bench: the machine's topology cannot be read\n");
        return false;
    }
    machine->lease.code = hl__code_create(HL__CODE_BYTES);
    machine->code = (struct hl_code){.place = hl__code_place, .room = &machine->lease};
    if (!machine->lease.code) {
        fprintf(stderr, "hl-bench: no memory for kernels\n");
        bench_machine_destroy(machine);
        return false;
    }
    /* hwloc shows what the cpuset allows; an affinity mask (taskset) narrows it further. */
    hwloc_bitmap_t allowed = hwloc_bitmap_alloc();
    if (allowed && hwloc_get_cpubind(machine->topology, allowed, HWLOC_CPUBIND_PROCESS) == 0 &&
        !hwloc_bitmap_iszero(allowed))
        hwloc_topology_restrict(machine->topology, allowed, HWLOC_RESTRICT_FLAG_REMOVE_CPULESS);
    hwloc_bitmap_free(allowed);
    machine->cores = count(machine->topology, HWLOC_OBJ_CORE);
    machine->threads = count(machine->topology, HWLOC_OBJ_PU);
    machine->numa_nodes = count(machine->topology, HWLOC_OBJ_NUMANODE);
    return true;
}

void bench_machine_destroy(bench_machine *machine) {
    if (machine->topology) hwloc_topology_destroy(machine->topology);
    machine->topology = NULL;
    hl__code_end(&machine->lease);
    hl__code_destroy(machine->lease.code);
    machine->lease.code = NULL;
}

size_t bench_machine_threads(const bench_machine *machine, size_t asked) {
    return asked == 0 || asked > machine->cores ? machine->cores : asked;
}

void bench_machine_pin(const bench_machine *machine, size_t core) {
    hwloc_obj_t object = hwloc_get_obj_by_type(machine->topology, HWLOC_OBJ_CORE, (unsigned)(core % machine->cores));
    if (!object) return;
    hwloc_bitmap_t one = hwloc_bitmap_dup(object->cpuset);
    if (!one) return;
    hwloc_bitmap_singlify(one);
    hwloc_set_cpubind(machine->topology, one, HWLOC_CPUBIND_THREAD);
    hwloc_bitmap_free(one);
}
