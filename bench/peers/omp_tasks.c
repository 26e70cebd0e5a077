/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The graph of `hl-bench tasks` in OpenMP: empty tasks with depend clauses, built anew for each run, as OpenMP has no
 * graph to replay. A program of its own, built once against GCC's runtime and once against LLVM's. */
#include <errno.h>
#include <omp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define USAGE 2

typedef struct grid { /* the check's counters, and what the clauses name: one byte a task */
    size_t width, rows;
    char *cell;
    uint32_t *count; /* NULL: tasks are empty */
} grid;

static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

/* A task counts its runs; one that runs twice, or before a task that it waits for, counts wrongly from then on. */
static void count_run(const grid *g, size_t r, size_t i) {
    uint32_t *own = &g->count[r * g->width + i], count = *own + 1;
    size_t begin = i > 0 ? i - 1 : 0, end = i + 1 < g->width ? i + 2 : g->width;
    for (size_t j = begin; r > 0 && j < end; j++)
        if (g->count[(r - 1) * g->width + j] != count) count = UINT32_MAX / 2;
    *own = count;
}

static inline void work(const grid *g, size_t r, size_t i) {
    if (g->count) count_run(g, r, i);
}

/* Waits for nothing. */
static void make_first_row(const grid *g) {
    char *y = g->cell;
    (void)y; /* GCC does not count what stands in clauses as a use */
    for (size_t i = 0; i < g->width; i++) {
#pragma omp task depend(out : y[i]) firstprivate(g, i)
        work(g, 0, i);
    }
}

/* Tasks at the ends of a row wait for one task less. */
static void make_row(const grid *g, size_t r) {
    char *y = g->cell + r * g->width, *x = y - g->width;
    (void)x;
    for (size_t i = 0; i < g->width; i++) {
        if (i > 0 && i + 1 < g->width) {
#pragma omp task depend(in : x[i - 1], x[i], x[i + 1]) depend(out : y[i]) firstprivate(g, r, i)
            work(g, r, i);
        } else if (i > 0) {
#pragma omp task depend(in : x[i - 1], x[i]) depend(out : y[i]) firstprivate(g, r, i)
            work(g, r, i);
        } else if (i + 1 < g->width) {
#pragma omp task depend(in : x[i], x[i + 1]) depend(out : y[i]) firstprivate(g, r, i)
            work(g, r, i);
        } else {
#pragma omp task depend(in : x[i]) depend(out : y[i]) firstprivate(g, r, i)
            work(g, r, i);
        }
    }
}

/* Milliseconds of one run. The team is there before and stays behind it. */
static double run(const grid *g, size_t threads, size_t *came) {
    double begin = now_ms();
#pragma omp parallel num_threads((int)threads)
#pragma omp single
    {
        *came = (size_t)omp_get_num_threads();
        make_first_row(g);
        for (size_t r = 1; r < g->rows; r++) make_row(g, r);
    }
    return now_ms() - begin;
}

static int check(const grid *g, size_t threads) {
    size_t came, wrong = 0, n = g->width * g->rows;
    for (size_t i = 0; i < 2; i++) run(g, threads, &came);
    for (size_t i = 0; i < n; i++) wrong += g->count[i] != 2;
    if (wrong > 0)
        fprintf(stderr, "%zu tasks of %zu did not run once a run behind those that they wait for\n", wrong, n);
    return wrong == 0;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(const grid *g, size_t threads, double *ms, size_t n) {
    qsort(ms, n, sizeof ms[0], compare);
    double median = n % 2 ? ms[n / 2] : (ms[n / 2 - 1] + ms[n / 2]) / 2, tasks = (double)(g->width * g->rows);
    size_t edges = (g->rows - 1) * (3 * g->width - 2);
    printf("{\"threads\": %zu, \"tasks\": %.0f, \"edges\": %zu, \"ms_min\": %.6f, \"ms_median\": %.6f, "
           "\"ns_per_task\": %.3f}\n",
           threads, tasks, edges, ms[0], median, median * 1e6 * (double)threads / tasks);
}

/* All runs: checked, then measured. */
static int measure(grid *g, size_t threads, size_t repetitions) {
    size_t n = g->width * g->rows, came = threads;
    double *ms = calloc(repetitions, sizeof ms[0]);
    g->cell = calloc(n, 1);
    g->count = calloc(n, sizeof g->count[0]);
    int good = ms && g->cell && g->count;
    if (!good) fprintf(stderr, "no memory for %zu tasks\n", n);
    good = good && check(g, threads);
    free(g->count);
    g->count = NULL;
    if (good) {
        run(g, threads, &came);
        for (size_t i = 0; i < repetitions; i++) ms[i] = run(g, threads, &came);
        print(g, came, ms, repetitions);
    }
    free(g->cell);
    free(ms);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* --NAME=N, from 1 to 2^24. */
static int parse(const char *word, const char *name, size_t *value) {
    size_t length = strlen(name);
    if (strncmp(word, name, length) != 0) return 0;
    char *end = NULL;
    errno = 0;
    long long n = strtoll(word + length, &end, 10);
    if (errno || *end || end == word + length || n < 1 || n > 1 << 24) return 0;
    *value = (size_t)n;
    return 1;
}

int main(int argc, char **argv) {
    grid g = {.width = 64, .rows = 1000};
    size_t threads = (size_t)omp_get_max_threads(), repetitions = 20;
    for (int i = 1; i < argc; i++) {
        if (parse(argv[i], "--width=", &g.width) || parse(argv[i], "--steps=", &g.rows) ||
            parse(argv[i], "--threads=", &threads) || parse(argv[i], "--repetitions=", &repetitions))
            continue;
        fprintf(stderr, "%s: '%s' is none of --width=N, --steps=N, --threads=N, --repetitions=N\n", argv[0], argv[i]);
        return USAGE;
    }
    return measure(&g, threads, repetitions);
}
