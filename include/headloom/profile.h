/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where a program's time goes: operator by operator, worker by worker, and along the chain of tiles that no number of
 * workers could have shortened. A program that is not profiled pays nothing for it but one look at a flag a tile;
 * profiled, a tile costs two readings of a clock (some 10 ns each on x86-64). */
#ifndef HEADLOOM_PROFILE_H
#define HEADLOOM_PROFILE_H

#include "headloom/program.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hl_profile_call { /* a pass applied to tensors: dense.forward */
    const char *name;            /* node.pass */
    size_t tiles;                /* that have run, in all runs */
    uint64_t ns;                 /* that they took, each on its worker */
    double flops, bytes;         /* of these tiles, as the pass counts them (hl_pass.cost) */
    double flops_per_second;     /* of one worker while it ran them; 0 where they took no time */
    double bytes_per_second;
    size_t critical_tiles; /* on the critical path */
    uint64_t critical_ns;
} hl_profile_call;

typedef struct hl_profile_worker { /* work + idle + overhead = hl_profile.wall_ns */
    size_t node;                   /* NUMA node, among those with workers */
    size_t tiles;
    uint64_t work_ns;     /* in tiles */
    uint64_t idle_ns;     /* from having nothing left, or from the run's beginning, to the next tile, or to its end */
    uint64_t overhead_ns; /* had tiles and was in none: finding the next, releasing what waited for the last */
    size_t steals_near;   /* tasks stolen from workers of the same node */
    size_t steals_remote; /* from other nodes */
    size_t sent_home;     /* tasks that workers of other nodes have released and sent to this one's */
} hl_profile_worker;

typedef struct hl_profile {
    size_t runs;
    uint64_t wall_ns; /* of all runs, from submission to the last worker's end */
    uint64_t last_ns; /* of the last run */

    /* The critical path of the last run: of all chains of tiles, each of which waited for the one before, the one that
     * took longest; at least as long as the longest tile, never longer than last_ns. */
    uint64_t critical_ns;
    size_t critical_tiles;

    const hl_profile_call *calls; /* in the serial order */
    size_t n_calls;
    const hl_profile_worker *workers;
    size_t n_workers;
} hl_profile;

/* Profiles the program's runs from the next one on; what an earlier start has counted is forgotten. Results, and their
 * bits, do not depend on it. HL_OUT_OF_MEMORY (nothing has changed then), HL_BUSY, HL_FORKED. */
HL_PUBLIC hl_status hl_program_profile_start(hl_program *program);

/* Ends it, and frees what was counted. Harmless where nothing is profiled. HL_BUSY. */
HL_PUBLIC hl_status hl_program_profile_stop(hl_program *program);

/* What the runs since hl_program_profile_start have taken. *profile is the caller's to destroy; it borrows nothing and
 * outlives the program. In each call, tiles = its grid x runs, but for runs that were cancelled (hl_program_cancel):
 * tiles that were passed over are not counted, and flops and bytes then are the call's share by number of tiles.
 * HL_UNSUPPORTED: profiling was not started. HL_OUT_OF_MEMORY, HL_BUSY, HL_FORKED. */
HL_PUBLIC hl_status hl_program_profile(hl_program *program, hl_profile **profile);
HL_PUBLIC void hl_profile_destroy(hl_profile *profile); /* NULL is harmless */

#ifdef __cplusplus
}
#endif
#endif
