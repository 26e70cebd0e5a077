/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Linked with tests of the library, puts OpenMP's scheduler in the place of the dataflow policy: what holds by any
 * policy holds by this one, too. */
#include "bench/peers/policy_tasks.h"
#include "runtime/pool.h"

hl_status __real_hl__runtime_create_on(const hl__system *system, const hl_runtime_options *options,
                                       hl_runtime **runtime);
hl_status __wrap_hl__runtime_create_on(const hl__system *system, const hl_runtime_options *options,
                                       hl_runtime **runtime);
hl_status __wrap_hl_runtime_create(const hl_runtime_options *options, hl_runtime **runtime);

hl_status __wrap_hl__runtime_create_on(const hl__system *system, const hl_runtime_options *options,
                                       hl_runtime **runtime) {
    if (options->policy != HL_POLICY_DATAFLOW) return __real_hl__runtime_create_on(system, options, runtime);
    return hl__runtime_create_with(system, &bench_policy_tasks, options, runtime);
}

hl_status __wrap_hl_runtime_create(const hl_runtime_options *options, hl_runtime **runtime) {
    return __wrap_hl__runtime_create_on(&hl__native_system, options, runtime);
}
