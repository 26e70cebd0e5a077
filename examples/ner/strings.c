/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A hash table of counted strings. */
#include "examples/ner/strings.h"

#include <stdlib.h>
#include <string.h>

uint32_t ner_hash(uint32_t start, const void *data, size_t bytes) {
    const unsigned char *byte = data;
    uint32_t hash = start;
    for (size_t i = 0; i < bytes; i++) {
        hash = (hash ^ byte[i]) * 16777619u;
    }
    return hash;
}

/* The slot of this string, or the empty one where it would stand. */
static size_t slot_of(const ner_strings *strings, const char *text, size_t bytes) {
    size_t mask = strings->n_slots - 1;
    size_t slot = ner_hash(NER_HASH_START, text, bytes) & mask;
    for (; strings->slots[slot] != 0; slot = (slot + 1) & mask) {
        size_t number = strings->slots[slot] - 1;
        if (strings->bytes[number] == bytes && memcmp(strings->text[number], text, bytes) == 0) {
            break;
        }
    }
    return slot;
}

static int grow_slots(ner_strings *strings) {
    size_t n_slots = strings->n_slots ? 2 * strings->n_slots : 64;
    size_t *slots = calloc(n_slots, sizeof *slots);
    if (!slots) {
        return -1;
    }
    free(strings->slots);
    strings->slots = slots;
    strings->n_slots = n_slots;
    for (size_t i = 0; i < strings->n; i++) {
        slots[slot_of(strings, strings->text[i], strings->bytes[i])] = i + 1;
    }
    return 0;
}

static int grow_arrays(ner_strings *strings) {
    size_t capacity = strings->capacity ? 2 * strings->capacity : 64;
    char **text = realloc(strings->text, capacity * sizeof *text);
    if (!text) {
        return -1;
    }
    strings->text = text;
    size_t *bytes = realloc(strings->bytes, capacity * sizeof *bytes);
    if (!bytes) {
        return -1;
    }
    strings->bytes = bytes;
    uint32_t *count = realloc(strings->count, capacity * sizeof *count);
    if (!count) {
        return -1;
    }
    strings->count = count;
    strings->capacity = capacity;
    return 0;
}

size_t ner_strings_add(ner_strings *strings, const char *text, size_t bytes) {
    /* at most half full, so that a run of probes stays short */
    if (2 * (strings->n + 1) > strings->n_slots && grow_slots(strings) != 0) {
        return NER_STRINGS_NONE;
    }
    size_t slot = slot_of(strings, text, bytes);
    if (strings->slots[slot] != 0) {
        size_t number = strings->slots[slot] - 1;
        strings->count[number]++;
        return number;
    }
    if (strings->n == strings->capacity && grow_arrays(strings) != 0) {
        return NER_STRINGS_NONE;
    }
    char *copy = malloc(bytes + 1);
    if (!copy) {
        return NER_STRINGS_NONE;
    }
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    size_t number = strings->n++;
    strings->text[number] = copy;
    strings->bytes[number] = bytes;
    strings->count[number] = 1;
    strings->slots[slot] = number + 1;
    return number;
}

size_t ner_strings_find(const ner_strings *strings, const char *text, size_t bytes) {
    if (strings->n == 0) {
        return NER_STRINGS_NONE;
    }
    size_t found = strings->slots[slot_of(strings, text, bytes)];
    return found ? found - 1 : NER_STRINGS_NONE;
}

void ner_strings_clear(ner_strings *strings) {
    for (size_t i = 0; i < strings->n; i++) {
        free(strings->text[i]);
    }
    free(strings->text);
    free(strings->bytes);
    free(strings->count);
    free(strings->slots);
    *strings = (ner_strings){0};
}
