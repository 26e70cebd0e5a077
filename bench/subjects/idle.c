/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Idle time and wakes. The program of the wakes has one task, which looks at the clock. */
#include "bench/subjects/idle.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/instruments/work.h"

#define SETTLE_MS 10
#define APART_MS 20

static int64_t now_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void sleep_ms(size_t ms) {
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0) continue;
}

double idle_cpu_percent(const idle_figures *figures) {
    return figures->wall_ms > 0 ? 100 * figures->cpu_ms / figures->wall_ms : 0;
}

double idle_percentile(const double *sorted, size_t n, size_t percent) {
    size_t below = (n * percent + 99) / 100;
    return sorted[below > 0 ? below - 1 : 0];
}

/* ---- clock: x [1] -> the time in nanoseconds, [2] words of one number ---- */

static hl_status infer(hl_inference *inference) {
    inference->output[0] = HL_SHAPE(2);
    inference->output_dtype[0] = HL_I32;
    return HL_OK;
}

static void kernel(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    int64_t now = now_ns(CLOCK_MONOTONIC);
    memcpy(call->operand[1].data, &now, sizeof now);
}

static void grid(const hl_call *call, hl_grid *grid) {
    (void)call;
    grid->extent[0] = 1;
}

static const hl_pass forward = {.name = "forward", .grid = grid, .kernel = kernel};
static const hl_operator clock_operator = {.name = "clock",
                                           .min_inputs = 1,
                                           .max_inputs = 1,
                                           .n_outputs = 1,
                                           .infer = infer,
                                           .forward = {{.pass = &forward, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}}};

typedef struct alarm_clock {
    hl_graph *graph;
    hl_state *state;
    hl_program *program;
    hl_tensor *time;
} alarm_clock;

static bool create(hl_runtime *runtime, alarm_clock *made) {
    hl_status status = hl_graph_create(&made->graph);
    if (status == HL_OK) status = hl_state_create(&made->state);
    if (status != HL_OK) return bench_complain("graph", status, NULL);
    hl_tensor *x = hl_input(made->graph, "x", HL_F32, HL_SHAPE(1));
    made->time = hl_apply(made->graph, &clock_operator, &x, 1, NULL, NULL);
    status = hl_program_create(runtime, made->graph, made->state, &made->time, 1, &made->program);
    return status == HL_OK || bench_complain("program", status, hl_graph_error(made->graph));
}

static void destroy(alarm_clock *clock) {
    hl_program_destroy(clock->program);
    hl_graph_destroy(clock->graph);
    hl_state_destroy(clock->state);
}

/* Microseconds from the call to the task. False, with words on stderr. */
static bool wake(alarm_clock *clock, double *us) {
    int64_t called = now_ns(CLOCK_MONOTONIC), came;
    hl_status status = hl_program_run(clock->program);
    if (status == HL_OK) status = hl_program_read(clock->program, clock->time, &came, sizeof came);
    if (status != HL_OK) return bench_complain("wake", status, hl_program_error(clock->program));
    *us = (double)(came - called) * 1e-3;
    return true;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool measure_wakes(hl_runtime *runtime, idle_figures *figures) {
    alarm_clock clock = {0};
    size_t n = figures->n_wakes;
    double *us = calloc(n, sizeof us[0]), first;
    if (!us) bench_complain("wakes", HL_OUT_OF_MEMORY, NULL);
    bool good = us && create(runtime, &clock) && wake(&clock, &first); /* that one touches the memory */
    for (size_t i = 0; good && i < n; i++) {
        sleep_ms(APART_MS);
        good = wake(&clock, &us[i]);
    }
    if (good) {
        qsort(us, n, sizeof us[0], compare);
        figures->wake_min_us = us[0];
        figures->wake_p50_us = idle_percentile(us, n, 50);
        figures->wake_p99_us = idle_percentile(us, n, 99);
    }
    destroy(&clock);
    free(us);
    return good;
}

bool idle_measure(hl_runtime *runtime, size_t window_ms, size_t n_wakes, idle_figures *figures) {
    *figures = (idle_figures){.n_wakes = n_wakes};
    sleep_ms(SETTLE_MS);
    int64_t wall = now_ns(CLOCK_MONOTONIC), cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    sleep_ms(window_ms);
    figures->cpu_ms = (double)(now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e-6;
    figures->wall_ms = (double)(now_ns(CLOCK_MONOTONIC) - wall) * 1e-6;
    return measure_wakes(runtime, figures);
}
