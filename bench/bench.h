/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a command of hl-bench is. A new command is one file with a bench_NAME function and one line of the table in
 * main.c. */
#ifndef HL_BENCH_BENCH_H
#define HL_BENCH_BENCH_H

/* argv[0] is "hl-bench NAME". Returns the exit code of the process. */
typedef int (*bench_function)(int argc, char **argv);

int bench_peak(int argc, char **argv);
int bench_block(int argc, char **argv);
int bench_ops(int argc, char **argv);

#endif
