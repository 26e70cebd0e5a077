/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Profiles of programs. The table shows the calls that took most, and those that the critical path leads through. */
#include "bench/instruments/profile.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/instruments/work.h"

#define MOST_CALLS 24 /* lines of a table; the JSON has all */

static hl_status take(hl_program *program, size_t runs, hl_profile **profile) {
    hl_status status = hl_program_run(program);
    if (status == HL_OK) status = hl_program_profile_start(program);
    for (size_t i = 0; i < runs && status == HL_OK; i++) status = hl_program_run(program);
    if (status == HL_OK) status = hl_program_profile(program, profile);
    if (status == HL_OK) hl_program_profile_stop(program);
    return status;
}

/* ---- JSON ---- */

static void set(json_t *object, const char *key, uint64_t value) {
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

static json_t *describe_call(const hl_profile_call *call) {
    json_t *made = json_object();
    json_object_set_new(made, "name", json_string(call->name));
    set(made, "tiles", call->tiles);
    set(made, "ns", call->ns);
    json_object_set_new(made, "flops", json_real(call->flops));
    json_object_set_new(made, "bytes", json_real(call->bytes));
    set(made, "critical_tiles", call->critical_tiles);
    set(made, "critical_ns", call->critical_ns);
    return made;
}

static json_t *describe_worker(const hl_profile_worker *worker) {
    json_t *made = json_object();
    set(made, "node", worker->node);
    set(made, "tiles", worker->tiles);
    set(made, "work_ns", worker->work_ns);
    set(made, "idle_ns", worker->idle_ns);
    set(made, "overhead_ns", worker->overhead_ns);
    set(made, "steals_near", worker->steals_near);
    set(made, "steals_remote", worker->steals_remote);
    set(made, "sent_home", worker->sent_home);
    return made;
}

static json_t *describe(const hl_profile *profile) {
    json_t *made = json_object(), *calls = json_array(), *workers = json_array();
    set(made, "runs", profile->runs);
    set(made, "wall_ns", profile->wall_ns);
    set(made, "last_ns", profile->last_ns);
    set(made, "critical_ns", profile->critical_ns);
    set(made, "critical_tiles", profile->critical_tiles);
    for (size_t c = 0; c < profile->n_calls; c++) json_array_append_new(calls, describe_call(&profile->calls[c]));
    for (size_t w = 0; w < profile->n_workers; w++)
        json_array_append_new(workers, describe_worker(&profile->workers[w]));
    json_object_set_new(made, "calls", calls);
    json_object_set_new(made, "workers", workers);
    return made;
}

/* ---- tables ---- */

static double percent(uint64_t part, uint64_t whole) { return whole > 0 ? 100 * (double)part / (double)whole : 0; }

static double ms_a_run(const hl_profile *profile, uint64_t ns) { return (double)ns * 1e-6 / (double)profile->runs; }

static int longest_first(const void *a, const void *b) {
    const hl_profile_call *x = *(const hl_profile_call *const *)a, *y = *(const hl_profile_call *const *)b;
    return (x->ns < y->ns) - (x->ns > y->ns);
}

static void print_call(const hl_profile *profile, const hl_profile_call *call, uint64_t work_ns) {
    printf("%-40s %8zu %10.3f %6.1f%% %9.1f %8.1f %6.1f%%\n", call->name, call->tiles / profile->runs,
           ms_a_run(profile, call->ns), percent(call->ns, work_ns), call->flops_per_second * 1e-9,
           call->bytes_per_second * 1e-9, percent(call->critical_ns, profile->critical_ns));
}

static bool print_calls(const hl_profile *profile) {
    const hl_profile_call **order = calloc(profile->n_calls + 1, sizeof order[0]);
    if (!order) return bench_complain("profile", HL_OUT_OF_MEMORY, NULL);
    uint64_t work_ns = 0, rest_ns = 0;
    for (size_t c = 0; c < profile->n_calls; c++) {
        order[c] = &profile->calls[c];
        work_ns += order[c]->ns;
    }
    qsort(order, profile->n_calls, sizeof order[0], longest_first);
    printf("%-40s %8s %10s %7s %9s %8s %7s\n", "call (of one worker)", "tiles", "ms", "work", "GFLOP/s", "GB/s",
           "path");
    for (size_t c = 0; c < profile->n_calls; c++) {
        if (c < MOST_CALLS) print_call(profile, order[c], work_ns);
        else rest_ns += order[c]->ns;
    }
    if (profile->n_calls > MOST_CALLS)
        printf("%zu other calls %*s %10.3f %6.1f%%\n", profile->n_calls - MOST_CALLS, 34, "",
               ms_a_run(profile, rest_ns), percent(rest_ns, work_ns));
    free(order);
    return true;
}

static void print_workers(const hl_profile *profile) {
    printf("\n%-8s %6s %8s %8s %8s %9s %12s %14s %10s\n", "worker", "node", "tiles", "work", "idle", "overhead",
           "steals near", "steals remote", "sent home");
    for (size_t w = 0; w < profile->n_workers; w++) {
        const hl_profile_worker *worker = &profile->workers[w];
        printf("%-8zu %6zu %8zu %7.1f%% %7.1f%% %8.1f%% %12zu %14zu %10zu\n", w, worker->node,
               worker->tiles / profile->runs, percent(worker->work_ns, profile->wall_ns),
               percent(worker->idle_ns, profile->wall_ns), percent(worker->overhead_ns, profile->wall_ns),
               worker->steals_near / profile->runs, worker->steals_remote / profile->runs,
               worker->sent_home / profile->runs);
    }
}

static bool print(const hl_profile *profile) {
    printf("\nprofile of %zu runs, %.3f ms each\n", profile->runs, ms_a_run(profile, profile->wall_ns));
    if (!print_calls(profile)) return false;
    print_workers(profile);
    printf("critical path of the last run: %.3f of %.3f ms (%.1f %%), %zu tiles\n", (double)profile->critical_ns * 1e-6,
           (double)profile->last_ns * 1e-6, percent(profile->critical_ns, profile->last_ns), profile->critical_tiles);
    return true;
}

bool bench_profile(hl_program *program, size_t runs, json_t *entry) {
    hl_profile *profile = NULL;
    hl_status status = take(program, runs, &profile);
    if (status != HL_OK) return bench_complain("profile", status, hl_program_error(program));
    json_object_set_new(entry, "profile", describe(profile));
    bool good = print(profile);
    hl_profile_destroy(profile);
    return good;
}
