/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl-bench attention: attention alone, forward and backward. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/instruments/speed.h"
#include "bench/subjects/attention_subject.h"

static bool agree(const void *context, char *words, size_t size) {
    const attention_shape *shape = context;
    size_t kv_heads = attention_kv_heads(shape);
    if (shape->heads % kv_heads != 0) {
        snprintf(words, size, "%zu key and value heads do not divide the %zu heads", kv_heads, shape->heads);
        return false;
    }
    return bench_mask_agrees(&shape->mask, words, size);
}

int bench_attention(int argc, char **argv) {
    bench_options common = {.repetitions = 10};
    attention_shape shape = {.batch = 4, .heads = 12, .tokens = 512, .head_size = 64};
    const bench_option own[] = {
        BENCH_SIZE_OPTION("batch", &shape.batch, "sequences"),
        BENCH_SIZE_OPTION("heads", &shape.heads, "heads"),
        BENCH_SIZE_OPTION("kv-heads", &shape.kv_heads, "key and value heads, which heads share (default: heads)"),
        BENCH_SIZE_OPTION("tokens", &shape.tokens, "queries, and keys"),
        BENCH_SIZE_OPTION("head-size", &shape.head_size, "features of a query, a key and a value"),
        BENCH_MASK_OPTION(&shape.mask),
        BENCH_WINDOW_OPTION(&shape.mask),
        {.name = "dropout", .doc = "rate, on the attention weights", .kind = BENCH_RATE, .value = &shape.dropout},
        BENCH_POLICY_OPTION(&common),
        BENCH_NO_SCALING_OPTION(&common),
        BENCH_PROFILE_OPTION(&common)};
    const bench_line line = {
        .doc =
            "Measures attention alone: score, softmax, dropout and weight, fused, of given queries, keys and values. "
            "forward_backward also makes their gradients, from sum of o * r. GFLOP/s count the products of the pairs "
            "of query and key that the mask leaves: two forward, five backward." BENCH_SPEED_DOC,
        .common = &common,
        .own = own,
        .n_own = sizeof own / sizeof own[0],
        .agree = agree,
        .context = &shape};
    if (!bench_options_parse(&line, argc, argv)) return EXIT_FAILURE;
    shape.kv_heads = attention_kv_heads(&shape); /* for the report */
    bench_subject subject = attention_subject(&shape);
    return bench_speed(&subject, &line);
}
