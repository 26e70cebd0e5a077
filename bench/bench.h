/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The commands of hl-bench. A new command is one file with a bench_NAME function and one line here. */
#ifndef HL_BENCH_BENCH_H
#define HL_BENCH_BENCH_H

/* name, what it measures */
#define BENCH_COMMAND_LIST(X)                                               \
    X(peak, "fp32 peak of one core and of all: FMA loop and block product") \
    X(block, "a multi-head attention block, forward and backward")          \
    X(attention, "attention alone, forward and backward, under a mask")     \
    X(step, "a whole training step of a GPT")                               \
    X(ops, "the block, pass by pass, from a trace")                         \
    X(gemm, "one block product: generated and portable kernels")            \
    X(tasks, "what an empty task costs, and an idle runtime")               \
    X(metg, "how small a task may be (METG)")                               \
    X(trace, "what a traced or profiled task costs beside one that is not")

/* argv[0] is "hl-bench NAME". Returns the exit code of the process; words that are wrong end it with BENCH_USAGE. */
#define BENCH_COMMAND(name, text) int bench_##name(int argc, char **argv);
BENCH_COMMAND_LIST(BENCH_COMMAND)
#undef BENCH_COMMAND

enum { BENCH_USAGE = 2 };

#endif
