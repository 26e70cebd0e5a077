/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the commands that run a subject have in common: check it, then measure it beside the peak and beside one worker.
 */
#ifndef HL_BENCH_SPEED_H
#define HL_BENCH_SPEED_H

#include "bench/commands/options.h"
#include "bench/instruments/work.h"

/* For the end of a command's doc. */
#define BENCH_SPEED_DOC                                                                                               \
    " backward is what forward_backward takes beyond forward. What one worker does is compared with the peak of one " \
    "core."

/* Prints and writes what is measured: forward, backward and forward_backward, the same with _1_worker unless that is
 * left out. Returns the exit code of the process. */
int bench_speed(const bench_subject *subject, const bench_line *line);

#endif
