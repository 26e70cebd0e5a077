/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How much CPU time and memory the process's control groups allow. */
#ifndef HL_RUNTIME_CGROUP_H
#define HL_RUNTIME_CGROUP_H

#include <stddef.h>

#include "headloom/status.h"
#include "runtime/system.h"

/* The tightest CPU quota of the process's control group and of those above it, in whole CPUs (a fraction counts as
 * one: it can be used); 0 where there is none. HL_OUT_OF_MEMORY. */
hl_status hl__cgroup_cpus(const hl__system *system, size_t *cpus);

/* The tightest limit of memory in the same way, in bytes, without swap; 0 where there is none. */
hl_status hl__cgroup_memory(const hl__system *system, size_t *bytes);

#endif
