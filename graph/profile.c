/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Profiles of programs: what the runtime has timed, in the words and units of the public header. Ticks become
 * nanoseconds sum by sum, rounded down; a worker's overhead is what its work and idle time leave of the wall time, so
 * that the three add up to it exactly. */
#include "headloom/profile.h"

#include <stdio.h>
#include <string.h>

#include "graph/program.h"
#include "runtime/clock.h"
#include "runtime/memory.h"
#include "runtime/run.h"
#include "runtime/watch.h"

typedef struct owned_profile {
    hl_profile made; /* first: what the user holds */
    hl__store store;
    hl_profile_call *calls;
    hl_profile_worker *workers;
} owned_profile;

static hl_status fail(hl_program *program, hl_status status, const char *words) {
    snprintf(program->message, sizeof program->message, "%s: %s", words, hl_status_string(status));
    return status;
}

hl_status hl_program_profile_start(hl_program *program) {
    if (!program) return HL_INVALID_ARGUMENT;
    if (!hl__program_take(program)) return HL_BUSY;
    hl_status status = hl__runtime_check(program->runtime);
    if (status == HL_OK) status = hl__watch_start(program->runtime, &program->tasks);
    if (status != HL_OK) fail(program, status, "hl_program_profile_start");
    hl__program_give_back(program);
    return status;
}

hl_status hl_program_profile_stop(hl_program *program) {
    if (!program) return HL_INVALID_ARGUMENT;
    if (!hl__program_take(program)) return HL_BUSY;
    hl__watch_stop(&program->tasks);
    hl__program_give_back(program);
    return HL_OK;
}

static double per_second(double amount, uint64_t ns) { return ns > 0 ? amount / ((double)ns * 1e-9) : 0; }

static bool fill_calls(const hl_program *program, const hl__rate *rate, const hl__path *path, owned_profile *p) {
    const hl__watch *watch = program->tasks.watch;
    for (size_t c = 0; c < program->ir.n_calls; c++) {
        const hl__call *call = program->ir.calls[c];
        const hl__name_sum *sum = &watch->names[c];
        hl_profile_call *row = &p->calls[c];
        row->name = hl__store_string(&p->store, call->name);
        if (!row->name) return false;
        row->tiles = sum->n_tasks;
        row->ns = hl__clock_ns(rate, sum->ticks);
        /* Whole runs first: their product is what the formula gives, whatever the number of tiles. */
        size_t runs = sum->n_tasks / call->n_tiles, rest = sum->n_tasks % call->n_tiles;
        double share = (double)runs + (double)rest / (double)call->n_tiles;
        row->flops = call->flops * share;
        row->bytes = call->bytes * share;
        row->flops_per_second = per_second(row->flops, row->ns);
        row->bytes_per_second = per_second(row->bytes, row->ns);
        row->critical_tiles = path->names[c].n_tasks;
        row->critical_ns = hl__clock_ns(rate, path->names[c].ticks);
    }
    return true;
}

static void fill_workers(const hl_program *program, const hl__rate *rate, owned_profile *p) {
    const hl__watch *watch = program->tasks.watch;
    for (size_t w = 0; w < watch->n_workers; w++) {
        const hl__worker_sum *sum = &watch->workers[w];
        hl_profile_worker *row = &p->workers[w];
        *row = (hl_profile_worker){.node = hl__watch_node(program->runtime, w),
                                   .tiles = sum->n_tasks,
                                   .work_ns = hl__clock_ns(rate, sum->work),
                                   .idle_ns = hl__clock_ns(rate, sum->idle),
                                   .steals_near = sum->n_taken[HL__FROM_NODE],
                                   .steals_remote = sum->n_taken[HL__FROM_OTHERS],
                                   .sent_home = sum->n_taken[HL__FROM_INBOX]};
        row->overhead_ns = p->made.wall_ns - row->work_ns - row->idle_ns;
    }
}

static bool fill(const hl_program *program, const hl__path *path, owned_profile *p) {
    const hl__watch *watch = program->tasks.watch;
    size_t n_calls = program->ir.n_calls, n_workers = watch->n_workers;
    hl__rate rate = hl__watch_rate(program->runtime);
    p->calls = hl__store_take(&p->store, n_calls, sizeof *p->calls);
    p->workers = hl__store_take(&p->store, n_workers, sizeof *p->workers);
    if (!p->calls || !p->workers) return false;
    p->made = (hl_profile){.runs = watch->n_runs,
                           .wall_ns = hl__clock_ns(&rate, watch->wall),
                           .last_ns = hl__clock_ns(&rate, watch->last.end - watch->last.begin),
                           .critical_ns = hl__clock_ns(&rate, path->ticks),
                           .critical_tiles = path->n_tasks,
                           .calls = p->calls,
                           .n_calls = n_calls,
                           .workers = p->workers,
                           .n_workers = n_workers};
    fill_workers(program, &rate, p);
    return fill_calls(program, &rate, path, p);
}

static hl_status make(hl_program *program, hl_profile **made) {
    hl_status status = hl__runtime_check(program->runtime);
    if (status != HL_OK) return fail(program, status, "hl_program_profile");
    if (!program->tasks.watch) return fail(program, HL_UNSUPPORTED, "hl_program_profile: it was not started");
    hl__path path;
    status = hl__watch_path(&program->tasks, &path);
    if (status != HL_OK) return fail(program, status, "hl_program_profile");
    owned_profile *p = hl__allocate(1, sizeof *p);
    bool good = p && fill(program, &path, p);
    hl__release(path.names);
    if (good) {
        *made = &p->made;
        return HL_OK;
    }
    hl_profile_destroy(p ? &p->made : NULL);
    return fail(program, HL_OUT_OF_MEMORY, "hl_program_profile");
}

hl_status hl_program_profile(hl_program *program, hl_profile **profile) {
    if (!program) return HL_INVALID_ARGUMENT;
    if (!hl__program_take(program)) return HL_BUSY;
    hl_status status = profile ? make(program, profile) : HL_INVALID_ARGUMENT;
    if (!profile) fail(program, status, "hl_program_profile: no place for the profile");
    hl__program_give_back(program);
    return status;
}

void hl_profile_destroy(hl_profile *made) {
    if (!made) return;
    owned_profile *p = (owned_profile *)made;
    hl__store_clear(&p->store);
    hl__release(p);
}
