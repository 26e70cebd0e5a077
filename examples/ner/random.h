/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Counter-based random numbers (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): a word depends on
 * seed, stream and index alone, so shuffles and replaced words are the same on every machine and in every order. */
#ifndef NER_RANDOM_H
#define NER_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* What the numbers are for; a stream is purpose + 16 * epoch, so that no two purposes share numbers. */
enum { NER_STREAM_SHUFFLE, NER_STREAM_ORDER, NER_STREAM_UNKNOWN };
uint64_t ner_random_stream(uint64_t purpose, uint64_t epoch);

/* Word index mod 4 of Philox4x32-10(counter {index / 4, stream}, key seed), each of them 64 bits in two words. */
uint32_t ner_random_word(uint64_t seed, uint64_t stream, uint64_t index);

/* Shuffles n < 2^32 items (Durstenfeld 1964). */
void ner_random_shuffle(size_t *items, size_t n, uint64_t seed, uint64_t stream);

#endif
