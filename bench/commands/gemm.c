/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl-bench gemm: one block product, by generated code and by the portable kernel of the chosen instruction set. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/commands/options.h"
#include "bench/instruments/peak.h"
#include "bench/instruments/report.h"

#define MOST_ELEMENTS ((size_t)1 << 28) /* of an operand */

enum { SEAM, PORTABLE, N_KERNELS };

typedef struct gemm_bench {
    const bench_line *line;
    hl__gemm_shape shape;
    bench_machine machine;
    bench_peak_teams peak;
    hl__gemm product[N_KERNELS];
    bench_team team[N_KERNELS][2]; /* of one core and of all */
    char name[N_KERNELS][2][32];
    bench_measurement measurements[BENCH_N_PEAKS + 2 * N_KERNELS];
    size_t n;
} gemm_bench;

static bool agree(const void *context, char *words, size_t size) {
    const hl__gemm_shape *s = context;
    if (s->m * s->k <= MOST_ELEMENTS && s->k * s->n <= MOST_ELEMENTS && s->m * s->n <= MOST_ELEMENTS) return true;
    snprintf(words, size, "a %zu x %zu x %zu product has operands of more than %zu elements", s->m, s->n, s->k,
             MOST_ELEMENTS);
    return false;
}

static bool check(const hl__gemm *product, const char *name) {
    double error = bench_product_error(product);
    if (error < 0) fprintf(stderr, "hl-bench: no memory for the check\n");
    else printf("%s checked against double: worst error %.3f of its bound\n", name, error);
    if (error > 1) fprintf(stderr, "hl-bench: wrong results: nothing is timed\n");
    return error >= 0 && error <= 1;
}

/* Checks a product and adds it on one core and on all. */
static bool add(gemm_bench *bench, size_t kernel, const char *name) {
    const hl__gemm *product = &bench->product[kernel];
    if (!check(product, name)) return false;
    for (size_t all = 0; all < 2; all++) {
        bench_team *team = &bench->team[kernel][all];
        *team = (bench_team){.machine = &bench->machine,
                             .threads = all ? bench->line->common->threads : 1,
                             .kernel = bench_product(product)};
        if (all) team->rounds = bench->team[kernel][0].rounds;
        else if (!bench_team_calibrate(team)) return false;
        snprintf(bench->name[kernel][all], sizeof bench->name[kernel][all], "%s_%s", name,
                 all ? "all_cores" : "one_core");
        bench->measurements[bench->n++] = bench_team_measurement(bench->name[kernel][all], team);
    }
    return true;
}

static bool measure(gemm_bench *bench) {
    if (hl__gemm_prepare(&bench->machine.code, &bench->shape, &bench->product[SEAM]) != HL_OK) {
        fprintf(stderr, "hl-bench: no product of this shape can be made\n");
        return false;
    }
    bench->product[PORTABLE] = bench->product[SEAM];
    bench->product[PORTABLE].generated = NULL;
    bool generated = bench->product[SEAM].generated != NULL;
    if (!bench_peak_prepare(&bench->machine, bench->line->common->threads, &bench->peak, bench->measurements))
        return false;
    bench->n = BENCH_N_PEAKS;
    if (generated && !add(bench, SEAM, hl__gemm_name())) return false;
    return add(bench, PORTABLE, "portable") &&
           bench_measure(bench->measurements, bench->n, bench->line->common->repetitions);
}

static bool print(const gemm_bench *bench) {
    bench_report report;
    if (!bench_report_create(&report, "gemm", &bench->machine, bench_options_describe(bench->line))) return false;
    report.peak_gflops = bench_peak_all(bench->measurements);
    double one = bench_peak_one(bench->measurements);
    for (size_t i = BENCH_N_PEAKS; i < bench->n; i++)
        bench_report_add(&report, &bench->measurements[i], (i - BENCH_N_PEAKS) % 2 ? report.peak_gflops : one);
    printf("\n");
    bench_report_print(&report);
    bool good = bench_report_write(&report, bench->line->common->json);
    bench_report_destroy(&report);
    return good;
}

int bench_gemm(int argc, char **argv) {
    bench_options options = {.repetitions = 20};
    gemm_bench bench = {.shape = {.m = 64, .n = 256, .k = 256}};
    hl__gemm_shape *shape = &bench.shape;
    const bench_option own[] = {BENCH_SIZE_OPTION("m", &shape->m, "rows of A and C"),
                                BENCH_SIZE_OPTION("n", &shape->n, "columns of B and C"),
                                BENCH_SIZE_OPTION("k", &shape->k, "columns of A, rows of B")};
    const bench_line line = {.doc = "Measures one block product C = A B, row-major and packed, as often as fills some "
                                    "milliseconds: what generates code for it, and the portable kernel of the chosen "
                                    "instruction set, on one core and on all.",
                             .common = &options,
                             .own = own,
                             .n_own = 3,
                             .agree = agree,
                             .context = shape};
    bench.line = &line;
    if (!bench_options_parse(&line, argc, argv) || !bench_machine_create(&bench.machine)) return EXIT_FAILURE;
    shape->lda = shape->k;
    shape->ldb = shape->ldc = shape->n;
    options.threads = bench_machine_threads(&bench.machine, options.threads);
    bool good = measure(&bench) && print(&bench);
    bench_machine_destroy(&bench.machine);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
