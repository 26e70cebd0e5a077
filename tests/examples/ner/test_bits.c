/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The same bits, over a whole training: a tagger of stacked blocks, trained with dropout on short sentences of the
 * shipped data, has bitwise the same losses, weights, moments and count of steps for any number of workers, by every
 * policy, and in whatever order workers steal from each other.
 *
 * As a rule the test trains a few steps with a few seeds. HEADLOOM_LONG=1 trains 200 steps with 100 seeds, which takes
 * nine minutes on two cores; HEADLOOM_LONG=2/10 does the second of ten parts of that. */
#include <stdlib.h>
#include <string.h>

#include "examples/ner/tagger.h"
#include "tests/examples/ner/kit.h"
#include "tests/support/policies.h"

/* Few enough tokens that a step takes a millisecond or two, and enough for several tiles of every kernel: there are
 * four sentences and four heads, and the matrices of the blocks have four and more tiles. */
enum { ROWS = 4, TOKENS = 12, BATCHES = 6, MOST_STEPS = 200, WORKERS = 5, CAPACITY = ROWS * BATCHES };

static const size_t workers[WORKERS] = {1, 2, 3, 7, 16};

/* What is trained: by all policies, with each number of workers, so many steps. */
typedef struct extent {
    size_t seeds;   /* of stealing */
    size_t repeats; /* where nobody steals and the seed is not looked at: one training differs from another by chance */
    size_t steps;
    size_t part, parts; /* of the seeds, those that are `part` modulo `parts` */
} extent;

static extent chosen(void) {
    extent few = {.seeds = 2, .repeats = 1, .steps = 4, .part = 0, .parts = 1};
    const char *text = getenv("HEADLOOM_LONG");
    if (!text) return few;
    extent all = {.seeds = 100, .repeats = 10, .steps = MOST_STEPS, .part = 0, .parts = 1};
    if (sscanf(text, "%zu/%zu", &all.part, &all.parts) == 2) all.part--;
    else all.part = strcmp(text, "1") == 0 ? 0 : all.parts;
    ck_assert_msg(all.part < all.parts, "HEADLOOM_LONG=%s: neither 1 nor a part such as 2/10", text);
    return all;
}

typedef struct world {
    ner_corpus corpus;
    ner_vocabulary vocabulary;
    ner_packed *batches; /* [BATCHES] */
} world;

/* The first sentences that fill a row at least by half. */
static void choose_sentences(ner_corpus *chosen_ones) {
    ner_corpus all = {0};
    read_data(&all, "dev");
    for (size_t s = 0; s < all.n_sentences && chosen_ones->n_sentences < CAPACITY; s++) {
        size_t length = ner_corpus_length(&all, s);
        if (length < TOKENS / 2 || length > TOKENS) continue;
        for (size_t t = all.first[s]; t < all.first[s] + length; t++) {
            const char *word = ner_corpus_token(&all, t);
            ck_assert_int_eq(ner_corpus_add_token(chosen_ones, word, strlen(word), all.labels[t], NULL), HL_OK);
        }
        ck_assert_int_eq(ner_corpus_end_sentence(chosen_ones, NULL), HL_OK);
    }
    ck_assert_uint_eq(chosen_ones->n_sentences, CAPACITY);
    ner_corpus_clear(&all);
}

static void pack(ner_packed *batch, const ner_corpus *corpus, const ner_features *features, size_t first) {
    *batch = (ner_packed){.rows = ROWS, .tokens = TOKENS};
    for (size_t i = 0; i < (size_t)ROWS * TOKENS; i++) batch->labels[i] = NER_NO_LABEL;
    for (size_t row = 0; row < ROWS; row++) {
        size_t from = corpus->first[first + row], length = ner_corpus_length(corpus, first + row), to = row * TOKENS;
        memcpy(batch->word + to, features->word + from, length * sizeof *batch->word);
        memcpy(batch->affix + to * NER_AFFIXES, features->affix + from, length * sizeof *features->affix);
        memcpy(batch->shape + to * NER_SHAPES, features->shape + from, length * sizeof *features->shape);
        memcpy(batch->labels + to, corpus->labels + from, length * sizeof *batch->labels);
        batch->lengths[row] = (int32_t)length;
        batch->real += length;
    }
}

static world open_world(void) {
    world w = {.batches = calloc(BATCHES, sizeof *w.batches)};
    ner_features features = {0};
    ck_assert_ptr_nonnull(w.batches);
    choose_sentences(&w.corpus);
    ck_assert_int_eq(ner_vocabulary_build(&w.vocabulary, &w.corpus, NULL), HL_OK);
    ck_assert_int_eq(ner_features_build(&features, &w.corpus, &w.vocabulary, NULL), HL_OK);
    for (size_t b = 0; b < BATCHES; b++) pack(&w.batches[b], &w.corpus, &features, b * ROWS);
    ner_features_clear(&features);
    return w;
}

static void close_world(world *w) {
    ner_vocabulary_clear(&w->vocabulary);
    ner_corpus_clear(&w->corpus);
    free(w->batches);
}

typedef struct record {
    float losses[MOST_STEPS];
    char *state; /* of each tensor its name and elements, one after the other */
    size_t bytes, n_tensors;
} record;

static void keep_state(record *r, hl_state *state) {
    r->n_tensors = hl_state_count(state);
    for (size_t i = 0; i < r->n_tensors; i++) {
        const char *name;
        hl_dtype dtype;
        hl_shape shape;
        ck_assert_int_eq(hl_state_tensor(state, i, &name, &dtype, &shape), HL_OK);
        size_t bytes = hl_shape_elements(&shape) * hl_dtype_bytes(dtype), named = strlen(name) + 1;
        r->state = realloc(r->state, r->bytes + named + bytes);
        ck_assert_ptr_nonnull(r->state);
        memcpy(r->state + r->bytes, name, named);
        ck_assert_int_eq(hl_state_read(state, name, r->state + r->bytes + named, bytes), HL_OK);
        r->bytes += named + bytes;
    }
}

/* Trains from the first weights on. */
static record train(const world *w, const hl_runtime_options *options, size_t steps, uint64_t seed) {
    record r = {.state = NULL};
    hl_runtime *runtime = NULL;
    ner_tagger tagger;
    ner_error error = {""};
    ner_tagger_options model = {.rung = NER_RUNG_STACKED, .seed = seed, .decay = 0.01f};
    ck_assert_int_eq(hl_runtime_create(options, &runtime), HL_OK);
    ck_assert_uint_eq(hl_runtime_workers(runtime), options->workers);
    ck_assert_int_eq(ner_tagger_create(&tagger, runtime, &w->vocabulary, &model, &error), HL_OK);
    for (size_t step = 0; step < steps; step++) {
        hl_status status = ner_tagger_train(&tagger, &w->batches[step % BATCHES], 0, 3e-3f, &r.losses[step], &error);
        ck_assert_msg(status == HL_OK, "%s", error.text);
    }
    keep_state(&r, tagger.state);
    ner_tagger_clear(&tagger);
    hl_runtime_destroy(runtime);
    return r;
}

static bool same(const record *a, const record *b) {
    return memcmp(a->losses, b->losses, sizeof a->losses) == 0 && a->n_tensors == b->n_tensors &&
           a->bytes == b->bytes && memcmp(a->state, b->state, a->bytes) == 0;
}

START_TEST(AnyWorkersPolicyAndSeedGiveTheSameWeights) {
    extent e = chosen();
    world w = open_world();
    record serial = train(&w, &(hl_runtime_options){.workers = 1, .policy = HL_POLICY_SERIAL}, e.steps, 5);
    record other = train(&w, &(hl_runtime_options){.workers = 1, .policy = HL_POLICY_SERIAL}, e.steps, 6);
    ck_assert(!same(&serial, &other)); /* the comparison can tell others apart */
    if (e.steps > BATCHES) ck_assert_float_lt(serial.losses[e.steps - 1], serial.losses[0] / 2); /* it learns */
    size_t n_trained = 0;
    for (size_t seed = e.part; seed < e.seeds; seed += e.parts) {
        for (size_t i = 0; i < (size_t)N_POLICIES * WORKERS; i++) {
            hl_runtime_options options = {
                .workers = workers[i % WORKERS], .policy = policies[i / WORKERS].policy, .steal_seed = seed};
            if (seed >= e.repeats && (options.policy != HL_POLICY_DATAFLOW || options.workers == 1)) continue;
            record r = train(&w, &options, e.steps, 5);
            n_trained++;
            ck_assert_msg(same(&serial, &r), "%s, %zu workers, steal seed %zu: other bits than in the serial order",
                          policies[i / WORKERS].name, options.workers, seed);
            free(r.state);
        }
    }
    printf("%zu trainings of %zu steps, %zu tensors of %zu bytes: the same bits\n", n_trained, e.steps,
           serial.n_tensors, serial.bytes);
    free(serial.state);
    free(other.state);
    close_world(&w);
}
END_TEST

int main(void) { return run_tests("ner bits", TESTS(AnyWorkersPolicyAndSeedGiveTheSameWeights)); }
