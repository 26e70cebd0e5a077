/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tags mean the same entities in every scheme, and what keeps to no scheme is refused where it first shows. */
#include "examples/ner/scheme.h"

#include "examples/ner/random.h"
#include "tests/examples/ner/kit.h"

enum { MOST = 400 };

/* A text of tags, "B-PER I-PER O | O": sentences are separated by "|", every tag stands on a line of its own. */
typedef struct tagged {
    ner_tag tags[MOST];
    size_t first[MOST];
    size_t n, n_sentences;
} tagged;

static tagged tags_of(const char *text) {
    tagged t = {.n = 0};
    for (const char *rest = text; *rest; rest += strspn(rest, " ")) {
        size_t bytes = strcspn(rest, " ");
        if (*rest == '|') {
            t.first[++t.n_sentences] = t.n;
        } else {
            t.tags[t.n] = (ner_tag){.line = t.n + 1};
            ck_assert_int_eq(ner_tag_read(&t.tags[t.n], rest, bytes), 0);
            t.n++;
        }
        rest += bytes;
    }
    t.first[++t.n_sentences] = t.n;
    return t;
}

static void expect(const char *text, const char *labels) {
    tagged t = tags_of(text), wanted = tags_of(labels);
    int32_t found[MOST];
    ner_error error = {""};
    hl_status status = ner_scheme_labels(t.tags, t.first, t.n_sentences, "f", found, &error);
    ck_assert_msg(status == HL_OK, "%s: %s", text, error.text);
    ck_assert_uint_eq(t.n, wanted.n);
    for (size_t i = 0; i < t.n; i++) {
        const char *tag = ner_label_tag(found[i]);
        ck_assert_msg(tag[0] == wanted.tags[i].part, "%s: tag %zu has the label %s", text, i + 1, tag);
        ck_assert(found[i] == NER_O || ner_label_type(found[i]) == wanted.tags[i].type);
    }
}

static void refuse(const char *text, const char *words) {
    tagged t = tags_of(text);
    int32_t found[MOST];
    ner_error error = {""};
    ck_assert_int_eq(ner_scheme_labels(t.tags, t.first, t.n_sentences, "f", found, &error), HL_FORMAT);
    ck_assert_str_eq(error.text, words);
}

START_TEST(TagsAreReadWhole) {
    static const char *const wrong[] = {"",      "B",     "B-", "-PER", "B-PERS", "B-PE",
                                        "B_PER", "X-PER", "o",  "OO",   "O-PER",  "b-PER"};
    ner_tag tag;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_msg(ner_tag_read(&tag, wrong[i], strlen(wrong[i])) != 0, "'%s' was read", wrong[i]);
    }
    ck_assert_int_eq(ner_tag_read(&tag, "U-ORG", 5), 0);
    ck_assert(tag.part == 'U' && tag.type == NER_ORG);
    ck_assert_int_eq(ner_tag_read(&tag, "I-OTH", 5), 0);
    ck_assert(tag.part == 'I' && tag.type == NER_TYPES);
}
END_TEST

START_TEST(NoEntityFitsEveryScheme) {
    expect("O O | O", "O O | O");
    tagged none = {.n = 0};
    ck_assert_int_eq(ner_scheme_labels(none.tags, none.first, 0, "f", NULL, NULL), HL_OK);
}
END_TEST

START_TEST(InIob1NeighboursOfOneTypeAreKeptApart) {
    expect("I-PER I-PER B-PER I-PER I-LOC O I-LOC | I-LOC B-LOC",
           "B-PER I-PER B-PER I-PER B-LOC O B-LOC | B-LOC B-LOC");
    expect("I-PER | I-PER", "B-PER | B-PER"); /* a sentence ends what is in it */
}
END_TEST

START_TEST(InIob2EveryEntityBeginsWithB) {
    expect("B-PER I-PER B-PER B-LOC O B-LOC I-LOC", "B-PER I-PER B-PER B-LOC O B-LOC I-LOC");
}
END_TEST

START_TEST(IobMayNotBeMixed) {
    refuse("B-PER O I-PER", "f:3: I-PER begins an entity as in IOB1, but as in IOB2 does B-PER at line 1");
    refuse("I-PER O B-PER", "f:3: B-PER begins an entity as in IOB2, but as in IOB1 does I-PER at line 1");
    refuse("B-PER I-LOC", "f:2: I-LOC begins an entity as in IOB1, but as in IOB2 does B-PER at line 1");
    refuse("I-PER B-LOC", "f:2: B-LOC begins an entity as in IOB2, but as in IOB1 does I-PER at line 1");
    refuse("B-PER | I-PER", "f:2: I-PER begins an entity as in IOB1, but as in IOB2 does B-PER at line 1");
    refuse("B-OTH I-PER", "f:2: I-PER begins an entity as in IOB1, but as in IOB2 does B-OTH at line 1");
}
END_TEST

START_TEST(EndsAreTranslated) {
    expect("B-PER E-PER S-PER B-LOC I-LOC I-LOC E-LOC O S-ORG S-ORG",
           "B-PER I-PER B-PER B-LOC I-LOC I-LOC I-LOC O B-ORG B-ORG");
    expect("B-PER L-PER U-PER B-LOC I-LOC I-LOC L-LOC O U-ORG U-ORG",
           "B-PER I-PER B-PER B-LOC I-LOC I-LOC I-LOC O B-ORG B-ORG");
    expect("O B-PER E-PER", "O B-PER I-PER"); /* nothing of one token alone */
    expect("S-PER B-OTH E-OTH S-OTH", "B-PER O O O");
}
END_TEST

START_TEST(EndsMayNotBeMissing) {
    static const char open[] = "no I-PER or E-PER follows B-PER, as BIOES has it, the scheme of S-LOC at line 1";
    static const char *const texts[] = {"S-LOC B-PER O",     "S-LOC B-PER B-PER E-PER", "S-LOC B-PER S-PER",
                                        "S-LOC B-PER I-LOC", "S-LOC B-PER E-LOC",       "S-LOC B-PER | E-PER",
                                        "S-LOC B-PER"};
    char words[200];
    snprintf(words, sizeof words, "f:2: %s", open);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        refuse(texts[i], words);
    }
    refuse("B-PER I-PER O U-LOC",
           "f:2: no I-PER or L-PER follows I-PER, as BILOU has it, the scheme of U-LOC at line 4");
    refuse("S-LOC E-LOC", "f:2: E-LOC follows no B-LOC or I-LOC, as BIOES has it, the scheme of S-LOC at line 1");
    refuse("O I-LOC L-LOC", "f:2: I-LOC follows no B-LOC or I-LOC, as BILOU has it, the scheme of L-LOC at line 3");
    refuse("B-LOC E-LOC E-LOC", "f:3: E-LOC follows no B-LOC or I-LOC, as BIOES has it, the scheme of E-LOC at line 2");
}
END_TEST

START_TEST(EndsMayNotBeMixed) {
    refuse("S-PER O U-PER", "f:3: U-PER is a tag of BILOU, but of BIOES is S-PER at line 1");
    refuse("B-PER L-PER S-PER", "f:3: S-PER is a tag of BIOES, but of BILOU is L-PER at line 2");
}
END_TEST

/* Random entities, written in each scheme by its definition, come back as they were. */
START_TEST(RandomEntitiesComeBack) {
    enum { IOB2, IOB1, BIOES, BILOU, SCHEMES };
    static const char last[SCHEMES] = {'I', 'I', 'E', 'L'}, only[SCHEMES] = {'B', 'B', 'S', 'U'};
    for (uint64_t seed = 0; seed < 200; seed++) {
        tagged t[SCHEMES];
        int32_t wanted[MOST], found[MOST];
        uint64_t drawn = 0;
        memset(t, 0, sizeof t);
        size_t n = 0, n_sentences = 1 + ner_random_word(seed, 9, drawn++) % 8;
        for (size_t s = 0; s < n_sentences; s++) {
            size_t before = NER_TYPES + 1; /* the type of the entity that ends here */
            for (size_t piece = 0; piece < 6; piece++) {
                size_t type = ner_random_word(seed, 9, drawn++) % (NER_TYPES + 2),
                       length = 1 + ner_random_word(seed, 9, drawn++) % 4;
                for (size_t i = 0; i < length; i++, n++) {
                    int entity = type <= NER_TYPES, end = i + 1 == length;
                    wanted[n] = entity && type < NER_TYPES ? (int32_t)(2 * type + (i ? 2 : 1)) : NER_O;
                    for (int scheme = 0; scheme < SCHEMES; scheme++) {
                        char part = i ? (end ? last[scheme] : 'I') : end ? only[scheme] : 'B';
                        part = scheme == IOB1 && i == 0 && type != before ? 'I' : part;
                        t[scheme].tags[n] =
                            (ner_tag){.part = entity ? part : 'O', .type = entity ? type : 0, .line = n + 1};
                    }
                }
                before = type;
            }
            for (int scheme = 0; scheme < SCHEMES; scheme++) t[scheme].first[s + 1] = n;
        }
        for (int scheme = 0; scheme < SCHEMES; scheme++) {
            ner_error error = {""};
            hl_status status = ner_scheme_labels(t[scheme].tags, t[scheme].first, n_sentences, "f", found, &error);
            ck_assert_msg(status == HL_OK, "seed %d, scheme %d: %s", (int)seed, scheme, error.text);
            ck_assert_mem_eq(found, wanted, n * sizeof *found);
        }
    }
}
END_TEST

int main(void) {
    return run_tests("scheme", TESTS(TagsAreReadWhole, NoEntityFitsEveryScheme, InIob1NeighboursOfOneTypeAreKeptApart,
                                     InIob2EveryEntityBeginsWithB, IobMayNotBeMixed, EndsAreTranslated,
                                     EndsMayNotBeMissing, EndsMayNotBeMixed, RandomEntitiesComeBack));
}
