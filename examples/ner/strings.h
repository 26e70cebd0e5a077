/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A table of distinct strings: each gets a number in the order in which it was first seen, and a count. */
#ifndef NER_STRINGS_H
#define NER_STRINGS_H

#include <stddef.h>
#include <stdint.h>

typedef struct ner_strings {
    size_t n;
    char **text;     /* [n] */
    size_t *bytes;   /* [n], without the end */
    uint32_t *count; /* [n], how often the string was added */
    size_t capacity;
    size_t *slots; /* [n_slots]: 1 + number, or 0; open addressing, linear probing */
    size_t n_slots;
} ner_strings;

#define NER_STRINGS_NONE SIZE_MAX

/* FNV-1a, 32 bits (Fowler, Noll and Vo). start: NER_HASH_START, or the hash of what comes before. */
#define NER_HASH_START 2166136261u
uint32_t ner_hash(uint32_t start, const void *data, size_t bytes);

/* Counts one more of this string; a zero-filled table is an empty one. Returns its number, NER_STRINGS_NONE when memory
 * is out. */
size_t ner_strings_add(ner_strings *strings, const char *text, size_t bytes);
size_t ner_strings_find(const ner_strings *strings, const char *text, size_t bytes);
void ner_strings_clear(ner_strings *strings); /* frees all; the table is empty then */

#endif
