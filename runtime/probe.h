/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the system still gives, found out by taking it: OpenMP's runtimes end the process where they are refused a
 * thread or memory, so what they will ask for is asked for first, by means that may fail. */
#ifndef HL_RUNTIME_PROBE_H
#define HL_RUNTIME_PROBE_H

#include <stddef.h>

/* How many threads can be started, up to n, so that as many are alive at once and some are left for others, who may
 * take theirs before ours are started in earnest: one, and one for each four of ours. stack_bytes: of each; 0: the
 * default of the process. The limits of processes (RLIMIT_NPROC, control groups), of memory, and filters of system
 * calls are all met as they would be in earnest. Allocates nothing. */
size_t hl__probe_threads(size_t n, size_t stack_bytes);

/* The bytes of a size as OMP_STACKSIZE has it: a whole number, then B, K, M, G or nothing, which is K. 0: it is none.
 */
size_t hl__probe_stack_bytes(const char *text);

#endif
