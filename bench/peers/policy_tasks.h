/* SPDX-License-Identifier: BSD-3-Clause
 *
 * OpenMP's own scheduler behind the runtime's table of policies, to be compared with those of the library. */
#ifndef HL_BENCH_POLICY_TASKS_H
#define HL_BENCH_POLICY_TASKS_H

#include "runtime/policy.h"

extern const hl__policy bench_policy_tasks;

#endif
