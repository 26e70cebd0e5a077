/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table on stdout and the JSON file. */
#include "bench/instruments/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool bench_report_create(bench_report *report, const char *bench, const bench_machine *machine, json_t *options) {
    *report = (bench_report){.bench = bench, .machine = machine, .options = options, .results = json_array()};
    if (report->options && report->results) return true;
    bench_report_destroy(report);
    return false;
}

void bench_report_destroy(bench_report *report) {
    json_decref(report->options);
    json_decref(report->results);
    report->options = report->results = NULL;
}

json_t *bench_report_add(bench_report *report, const bench_measurement *measurement, double peak) {
    double gflops = bench_gflops(measurement);
    json_t *entry = json_object();
    json_object_set_new(entry, "what", json_string(measurement->what));
    json_object_set_new(entry, "ms_min", json_real(measurement->ms_min));
    json_object_set_new(entry, "ms_median", json_real(measurement->ms_median));
    json_object_set_new(entry, "gflops", json_real(gflops));
    json_object_set_new(entry, "fraction_of_peak", json_real(peak > 0 ? gflops / peak : 0));
    json_array_append_new(report->results, entry);
    return entry;
}

void bench_report_add_speedup(json_t *entry, double one_ms) {
    double all_ms = json_number_value(json_object_get(entry, "ms_median"));
    if (all_ms > 0) json_object_set_new(entry, "speedup", json_real(one_ms / all_ms));
}

void bench_report_add_sizes(json_t *entry, const hl_program *program) {
    hl_program_sizes sizes;
    if (hl_program_measure(program, &sizes) != HL_OK) return;
    json_object_set_new(entry, "arena_bytes", json_integer((json_int_t)sizes.arena_bytes));
    json_object_set_new(entry, "unplanned_bytes", json_integer((json_int_t)sizes.unplanned_bytes));
}

static double number(const json_t *entry, const char *key) { return json_number_value(json_object_get(entry, key)); }

static void print_options(const bench_report *report) {
    const char *key;
    json_t *value;
    printf("hl-bench %s:", report->bench);
    json_object_foreach(report->options, key, value) {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
        printf(" %s %s", key, text ? text : "?");
        free(text);
    }
    printf("\n");
}

/* Of the runs; 0 where the command has no such option. */
static size_t threads_of(const bench_report *report) {
    return (size_t)json_integer_value(json_object_get(report->options, "threads"));
}

static bool crowded(const bench_report *report) { return threads_of(report) > report->machine->threads; }

/* A ratio is called scaling just where each worker had a CPU to itself. */
static void print_scaling(const bench_report *report) {
    const char *policy = json_string_value(json_object_get(report->options, "policy"));
    if (policy && strcmp(policy, "serial") == 0) {
        printf("\npolicy serial: one worker runs all tasks, so there is no scaling\n");
        return;
    }
    size_t i, n = 0;
    json_t *entry;
    json_array_foreach(report->results, i, entry) {
        double speedup = number(entry, "speedup");
        if (speedup <= 0) continue;
        if (n++ == 0 && crowded(report))
            printf("\n%zu workers on %zu CPUs against 1 worker, which is no scaling (medians):", threads_of(report),
                   report->machine->threads);
        else if (n == 1) printf("\nscaling, %zu workers against 1 (medians):", threads_of(report));
        printf("%s %s %.2f times as fast", n > 1 ? "," : "", json_string_value(json_object_get(entry, "what")),
               speedup);
    }
    if (n > 0) printf("\n");
}

void bench_report_print(const bench_report *report) {
    const bench_machine *machine = report->machine;
    print_options(report);
    printf("%s, %zu cores, %zu threads, %zu NUMA nodes, kernels %s, products by %s, commit %s\n", machine->cpu,
           machine->cores, machine->threads, machine->numa_nodes, machine->isa, machine->gemm, machine->commit);
    printf("%s, host %s, %s build by %s, Headloom %s\n", machine->date, machine->host, machine->build,
           machine->compiler, machine->version);
    if (crowded(report))
        printf("%zu threads are more than the %zu CPUs that this process may use: they take turns\n",
               threads_of(report), machine->threads);
    printf("peak %.1f GFLOP/s\n\n", report->peak_gflops);
    printf("%-30s %10s %10s %10s %8s\n", "what", "ms min", "ms median", "GFLOP/s", "of peak");
    size_t i;
    json_t *entry;
    json_array_foreach(report->results, i, entry) {
        printf("%-30s %10.3f %10.3f", json_string_value(json_object_get(entry, "what")), number(entry, "ms_min"),
               number(entry, "ms_median"));
        if (number(entry, "gflops") > 0)
            printf(" %10.1f %8.3f", number(entry, "gflops"), number(entry, "fraction_of_peak"));
        printf("\n");
    }
    print_scaling(report);
}

bool bench_report_write(const bench_report *report, const char *path) {
    if (!path) return true;
    const bench_machine *machine = report->machine;
    json_t *root = json_object();
    json_t *where = json_object();
    json_object_set_new(where, "host", json_string(machine->host));
    json_object_set_new(where, "cpu", json_string(machine->cpu));
    json_object_set_new(where, "cores", json_integer((json_int_t)machine->cores));
    json_object_set_new(where, "threads", json_integer((json_int_t)machine->threads));
    json_object_set_new(where, "numa_nodes", json_integer((json_int_t)machine->numa_nodes));
    json_object_set_new(where, "isa", json_string(machine->isa));
    json_object_set_new(where, "gemm", json_string(machine->gemm));

    json_t *build = json_object();
    json_object_set_new(build, "compiler", json_string(machine->compiler));
    json_object_set_new(build, "flags", json_string(machine->flags));
    json_object_set_new(build, "type", json_string(machine->build));
    json_object_set_new(build, "version", json_string(machine->version));

    json_object_set_new(root, "bench", json_string(report->bench));
    json_object_set_new(root, "date", json_string(machine->date));
    json_object_set(root, "options", report->options);
    json_object_set_new(root, "machine", where);
    json_object_set_new(root, "build", build);
    json_object_set_new(root, "commit", json_string(machine->commit));
    json_object_set_new(root, "crowded", json_boolean(crowded(report)));
    json_object_set_new(root, "peak_gflops", json_real(report->peak_gflops));
    json_object_set(root, "results", report->results);
    bool good = json_dump_file(root, path, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) == 0;
    if (!good) fprintf(stderr, "hl-bench: cannot write '%s'\n", path);
    json_decref(root);
    return good;
}
