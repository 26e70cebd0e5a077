/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Runtimes by the public call, but for the one policy that the library does not have. */
#include "bench/instruments/runtime.h"

#include "bench/peers/policy_tasks.h"
#include "runtime/pool.h"

hl_status bench_runtime_create(const bench_runtime_options *options, hl_runtime **runtime) {
    hl_runtime_options given = {.workers = options->workers, .trace_events = options->trace_events};
    if (options->policy == BENCH_POLICY_TASKS)
        return hl__runtime_create_with(&hl__native_system, &bench_policy_tasks, &given, runtime);
    given.policy = (hl_policy)options->policy;
    return hl_runtime_create(&given, runtime);
}
