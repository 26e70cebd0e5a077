/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table on stdout and the JSON file. */
#include "bench/report.h"

#include <stdio.h>
#include <stdlib.h>

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

void bench_report_print(const bench_report *report) {
    const bench_machine *machine = report->machine;
    print_options(report);
    printf("%s, %zu cores, %zu threads, %zu NUMA nodes, kernels %s, products by %s, commit %s\n", machine->cpu,
           machine->cores, machine->threads, machine->numa_nodes, machine->isa, machine->gemm, machine->commit);
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
}

bool bench_report_write(const bench_report *report, const char *path) {
    if (!path) return true;
    const bench_machine *machine = report->machine;
    json_t *root = json_object();
    json_t *where = json_object();
    json_object_set_new(where, "cpu", json_string(machine->cpu));
    json_object_set_new(where, "cores", json_integer((json_int_t)machine->cores));
    json_object_set_new(where, "threads", json_integer((json_int_t)machine->threads));
    json_object_set_new(where, "numa_nodes", json_integer((json_int_t)machine->numa_nodes));
    json_object_set_new(where, "isa", json_string(machine->isa));
    json_object_set_new(where, "gemm", json_string(machine->gemm));

    json_object_set_new(root, "bench", json_string(report->bench));
    json_object_set(root, "options", report->options);
    json_object_set_new(root, "machine", where);
    json_object_set_new(root, "commit", json_string(machine->commit));
    json_object_set_new(root, "peak_gflops", json_real(report->peak_gflops));
    json_object_set(root, "results", report->results);
    bool good = json_dump_file(root, path, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) == 0;
    if (!good) fprintf(stderr, "hl-bench: cannot write '%s'\n", path);
    json_decref(root);
    return good;
}
