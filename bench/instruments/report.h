/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a command prints, and what it writes with --json: the same shape for every command, so that one script reads
 * them all. */
#ifndef HL_BENCH_REPORT_H
#define HL_BENCH_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "bench/instruments/machine.h"
#include "bench/instruments/measure.h"
#include "headloom/headloom.h"

/* {"bench", "date", "options", "machine": {"host", "cpu", "cores", "threads", "numa_nodes", "isa", "gemm"}, "build":
 * {"compiler", "flags", "type", "version"}, "commit", "crowded", "peak_gflops", "results": [{"what", "ms_min",
 * "ms_median", "gflops", "fraction_of_peak"}, ...]}. crowded: more threads than CPUs were asked for. Commands add keys
 * to their results: "speedup", "arena_bytes" and "unplanned_bytes" of programs, "ns_per_task" and "metg_ns" of tasks.
 * What runs on one core is a fraction of that core's peak. */
typedef struct bench_report {
    const char *bench;
    const bench_machine *machine;
    double peak_gflops;
    json_t *options; /* owned by the report, as are the results */
    json_t *results;
} bench_report;

/* Takes options. False where there is no memory. */
bool bench_report_create(bench_report *report, const char *bench, const bench_machine *machine, json_t *options);
void bench_report_destroy(bench_report *report);

/* Appends a measured thing. peak: GFLOP/s that it is compared with. Returns the entry, borrowed, for further keys. */
json_t *bench_report_add(bench_report *report, const bench_measurement *measurement, double peak);

/* Adds to an entry how many times as fast as one worker (the same work in one_ms, at the median) all are. */
void bench_report_add_speedup(json_t *entry, double one_ms);

/* Adds to an entry what memory a program needs: "arena_bytes" and "unplanned_bytes". */
void bench_report_add_sizes(json_t *entry, const hl_program *program);

/* Prints the table of results with the machine above it, and below what there is to say of scaling. */
void bench_report_print(const bench_report *report);

/* Writes the file; path NULL: nothing to do. False, with words on stderr, where it cannot be written. */
bool bench_report_write(const bench_report *report, const char *path);

#endif
