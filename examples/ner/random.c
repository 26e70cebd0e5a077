/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Random words from Random123's Philox. */
#include "examples/ner/random.h"

#include <Random123/philox.h>

uint64_t ner_random_stream(uint64_t purpose, uint64_t epoch) { return purpose + 16 * epoch; }

uint32_t ner_random_word(uint64_t seed, uint64_t stream, uint64_t index) {
    uint64_t block = index / 4;
    philox4x32_ctr_t counter = {{(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)stream, (uint32_t)(stream >> 32)}};
    philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    return philox4x32(counter, key).v[index % 4];
}

void ner_random_shuffle(size_t *items, size_t n, uint64_t seed, uint64_t stream) {
    for (size_t i = n; i > 1; i--) {
        /* the high half of a product in place of a remainder: unbiased to 2^-32 * n, and no division */
        size_t j = (size_t)(((uint64_t)ner_random_word(seed, stream, i) * i) >> 32);
        size_t item = items[i - 1];
        items[i - 1] = items[j];
        items[j] = item;
    }
}
