/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A corpus that a tagger can learn in seconds: made-up names, places and organisations, told apart by the words around
 * them and by their forms. */
#ifndef HL_TESTS_EXAMPLES_NER_SMALL_H
#define HL_TESTS_EXAMPLES_NER_SMALL_H

#include "examples/ner/tagger.h"
#include "tests/examples/ner/kit.h"

typedef struct small_world {
    ner_corpus corpus;
    ner_vocabulary vocabulary;
    hl_runtime *runtime;
} small_world;

/* "Doctor NAME lives in PLACE ." and "The ORG of PLACE hired NAME yesterday .", in turn. */
static inline void small_sentence(ner_corpus *corpus, size_t number) {
    static const char *const names[] = {"Ada", "Bela", "Cora", "Dora", "Emil"};
    static const char *const places[] = {"Rome", "Oslo", "Bonn", "Graz"};
    static const char *const firms[] = {"Bank", "Institute", "Ministry"};
    const char *name = names[number % 5], *place = places[number % 4], *firm = firms[number % 3];
    struct {
        const char *word;
        int32_t label;
    } lives[] = {{"Doctor", NER_O}, {name, NER_B_PER},  {"lives", NER_O},
                 {"in", NER_O},     {place, NER_B_LOC}, {".", NER_O}},
      hired[] = {{"The", NER_O},   {firm, NER_B_ORG}, {"of", NER_I_ORG},    {place, NER_I_ORG},
                 {"hired", NER_O}, {name, NER_B_PER}, {"yesterday", NER_O}, {".", NER_O}};
    size_t n = number % 2 ? sizeof hired / sizeof *hired : sizeof lives / sizeof *lives;
    for (size_t i = 0; i < n; i++) {
        const char *word = number % 2 ? hired[i].word : lives[i].word;
        int32_t label = number % 2 ? hired[i].label : lives[i].label;
        ck_assert_int_eq(ner_corpus_add_token(corpus, word, strlen(word), label, NULL), HL_OK);
    }
    ck_assert_int_eq(ner_corpus_end_sentence(corpus, NULL), HL_OK);
}

static inline small_world small_open(size_t sentences) {
    small_world world = {.runtime = NULL};
    for (size_t s = 0; s < sentences; s++) {
        small_sentence(&world.corpus, s);
    }
    ck_assert_int_eq(ner_vocabulary_build(&world.vocabulary, &world.corpus, NULL), HL_OK);
    ck_assert_int_eq(hl_runtime_create(&(hl_runtime_options){.workers = 2}, &world.runtime), HL_OK);
    return world;
}

static inline void small_close(small_world *world) {
    hl_runtime_destroy(world->runtime);
    ner_vocabulary_clear(&world->vocabulary);
    ner_corpus_clear(&world->corpus);
}

static inline ner_tagger small_tagger(const small_world *world, ner_rung rung) {
    ner_tagger tagger;
    ner_tagger_options options = {.rung = rung, .seed = 3, .decay = 0.01f};
    ck_assert_int_eq(ner_tagger_create(&tagger, world->runtime, &world->vocabulary, &options, NULL), HL_OK);
    return tagger;
}

#endif
