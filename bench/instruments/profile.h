/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Profiles of programs that have been measured: where their time goes, as a table and as JSON. */
#ifndef HL_BENCH_PROFILE_H
#define HL_BENCH_PROFILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "headloom/headloom.h"

/* Runs the program profiled, once to warm up and then `runs` times that count; prints what came out, and adds it to the
 * entry as "profile": {"runs", "wall_ns", "last_ns", "critical_ns", "critical_tiles", "calls": [{"name", "tiles", "ns",
 * "flops", "bytes", "critical_tiles", "critical_ns"}, ...], "workers": [{"node", "tiles", "work_ns", "idle_ns",
 * "overhead_ns", "steals_near", "steals_remote", "sent_home"}, ...]}, calls in the serial order. False, with words on
 * stderr, where a run or the profile failed. */
bool bench_profile(hl_program *program, size_t runs, json_t *entry);

#endif
