/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl-bench block: a multi-head attention block, forward and backward. */
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/commands/block_options.h"
#include "bench/instruments/speed.h"

int bench_block(int argc, char **argv) {
    block_options options;
    if (!block_options_parse(
            argc, argv,
            "Measures a multi-head attention block: the projections q, k and v, score, softmax, weight, concat and "
            "dense. Forward makes y from x; forward_backward also makes the gradients of all weights and of x, from "
            "sum of y * r. GFLOP/s count products alone, the backward ones twice the forward ones." BENCH_SPEED_DOC,
            true, &options))
        return EXIT_FAILURE;
    bench_subject subject = block_subject(&options.shape);
    return bench_speed(&subject, &options.line);
}
