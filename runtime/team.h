/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where threads come from. The product's come from OpenMP (team_openmp.c). Tests build the runtime once more on plain
 * threads (team_pthread.c): the thread sanitizers of every compiler, Helgrind and DRD understand those by themselves.
 */
#ifndef HL_RUNTIME_TEAM_H
#define HL_RUNTIME_TEAM_H

#include <stddef.h>

#include "headloom/status.h"

/* Runs body(argument) on n threads, 1 <= n <= HL__MAX_TEAM, one of which is the caller's; fewer where the system gives
 * no more. Returns when all have returned. HL_OUT_OF_MEMORY: not even the caller's own could be made one of a team;
 * body has not been called. */
hl_status hl__team_run(size_t n, void (*body)(void *argument), void *argument);
#define HL__MAX_TEAM 4096

/* For the threads of a team alone. */
size_t hl__team_size(void);   /* how many came */
size_t hl__team_number(void); /* which one calls, from 0 */
void hl__team_wait(void);     /* until all have called this */

#endif
