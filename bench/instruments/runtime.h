/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The runtimes that are measured: with a policy of the library's, or with OpenMP's own scheduler. */
#ifndef HL_BENCH_RUNTIME_H
#define HL_BENCH_RUNTIME_H

#include "headloom/runtime.h"

/* The library's policies by their own values, then OpenMP's scheduler (bench/peers/policy_tasks.c). */
typedef enum bench_policy {
#define BENCH_POLICY(name, value, text) BENCH_POLICY_##name = (value),
    HL_POLICY_LIST(BENCH_POLICY)
#undef BENCH_POLICY
        BENCH_POLICY_TASKS,
} bench_policy;

typedef struct bench_runtime_options { /* zeros are defaults, as in hl_runtime_options */
    size_t workers;
    bench_policy policy;
    size_t trace_events;
} bench_runtime_options;

/* As hl_runtime_create. With BENCH_POLICY_TASKS runs allocate, and the OpenMP runtime ends the process where it finds
 * no memory. */
hl_status bench_runtime_create(const bench_runtime_options *options, hl_runtime **runtime);

#endif
