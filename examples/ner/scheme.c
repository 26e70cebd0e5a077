/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From tags to labels: which scheme it is, whether all tags keep to it, and what they mean. */
#include "examples/ner/scheme.h"

#include <string.h>

static const ner_tag none = {.part = 'O'};

static const char *type_name(size_t type) { return type < NER_TYPES ? ner_type_name(type) : "OTH"; }

int ner_tag_read(ner_tag *tag, const char *text, size_t bytes) {
    if (bytes == 1 && text[0] == 'O') {
        tag->part = 'O';
        tag->type = 0;
        return 0;
    }
    if (bytes < 2 || text[1] != '-' || !memchr("BIESLU", text[0], 6)) {
        return -1;
    }
    for (size_t type = 0; type <= NER_TYPES; type++) {
        const char *name = type_name(type);
        if (strlen(name) == bytes - 2 && memcmp(name, text + 2, bytes - 2) == 0) {
            tag->part = text[0];
            tag->type = type;
            return 0;
        }
    }
    return -1;
}

/* "name:line: TAG what OTHER-TAG at line n" */
static hl_status contradict(ner_error *error, const char *name, const ner_tag *tag, const char *what,
                            const ner_tag *other) {
    return ner_fail(error, HL_FORMAT, "%s:%zu: %c-%s %s %c-%s at line %zu", name, tag->line, tag->part,
                    type_name(tag->type), what, other->part, type_name(other->type), other->line);
}

static int32_t label_of(const ner_tag *tag, int begins) {
    if (tag->part == 'O' || tag->type == NER_TYPES) {
        return NER_O;
    }
    return (int32_t)(2 * tag->type + (begins ? 1 : 2));
}

/* ---- IOB1 and IOB2 ---- */

/* In both, an entity begins at every B- and at an I- that continues nothing. The first such I- is the mark of IOB1, the
 * first B- that stands behind no entity of its type that of IOB2; a file with both is neither. */
static hl_status iob_labels(const ner_tag *tags, const size_t *first, size_t n_sentences, const char *name,
                            int32_t *labels, ner_error *error) {
    const ner_tag *iob1 = NULL, *iob2 = NULL;
    for (size_t s = 0; s < n_sentences; s++) {
        const ner_tag *before = &none;
        for (size_t i = first[s]; i < first[s + 1]; i++) {
            const ner_tag *tag = &tags[i];
            int continues = before->part != 'O' && before->type == tag->type;
            if (tag->part == 'I' && !continues && !iob1) {
                iob1 = tag;
                if (iob2) {
                    return contradict(error, name, iob1, "begins an entity as in IOB1, but as in IOB2 does", iob2);
                }
            }
            if (tag->part == 'B' && !continues && !iob2) {
                iob2 = tag;
                if (iob1) {
                    return contradict(error, name, iob2, "begins an entity as in IOB2, but as in IOB1 does", iob1);
                }
            }
            labels[i] = label_of(tag, tag->part == 'B' || !continues);
            before = tag;
        }
    }
    return HL_OK;
}

/* ---- BIOES and BILOU ---- */

typedef struct ends {
    const char *name;
    char last, only;     /* the part of an entity's last token, and of its only one */
    const ner_tag *mark; /* the first tag with one of them; NULL: there is none */
} ends;

static void find_mark(ends *scheme, const ner_tag *tags, size_t n) {
    for (size_t i = 0; i < n && !scheme->mark; i++) {
        if (tags[i].part == scheme->last || tags[i].part == scheme->only) {
            scheme->mark = &tags[i];
        }
    }
}

static hl_status fail_begun(ner_error *error, const char *name, const ends *scheme, const ner_tag *tag) {
    const char *type = type_name(tag->type), *mark = type_name(scheme->mark->type);
    return ner_fail(error, HL_FORMAT,
                    "%s:%zu: no I-%s or %c-%s follows %c-%s, as %s has it, the scheme of %c-%s at line %zu", name,
                    tag->line, type, scheme->last, type, tag->part, type, scheme->name, scheme->mark->part, mark,
                    scheme->mark->line);
}

static hl_status fail_continued(ner_error *error, const char *name, const ends *scheme, const ner_tag *tag) {
    const char *type = type_name(tag->type), *mark = type_name(scheme->mark->type);
    return ner_fail(error, HL_FORMAT,
                    "%s:%zu: %c-%s follows no B-%s or I-%s, as %s has it, the scheme of %c-%s at line %zu", name,
                    tag->line, tag->part, type, type, type, scheme->name, scheme->mark->part, mark, scheme->mark->line);
}

static hl_status ended_labels(const ends *scheme, const ner_tag *tags, const size_t *first, size_t n_sentences,
                              const char *name, int32_t *labels, ner_error *error) {
    for (size_t s = 0; s < n_sentences; s++) {
        const ner_tag *open = NULL; /* the token before this one, where its entity goes on */
        for (size_t i = first[s]; i < first[s + 1]; i++) {
            const ner_tag *tag = &tags[i];
            int continues = tag->part == 'I' || tag->part == scheme->last;
            if (open && !(continues && open->type == tag->type)) {
                return fail_begun(error, name, scheme, open);
            }
            if (continues && !open) {
                return fail_continued(error, name, scheme, tag);
            }
            open = tag->part == 'B' || tag->part == 'I' ? tag : NULL;
            labels[i] = label_of(tag, !continues);
        }
        if (open) {
            return fail_begun(error, name, scheme, open);
        }
    }
    return HL_OK;
}

hl_status ner_scheme_labels(const ner_tag *tags, const size_t *first, size_t n_sentences, const char *name,
                            int32_t *labels, ner_error *error) {
    ends bioes = {.name = "BIOES", .last = 'E', .only = 'S'}, bilou = {.name = "BILOU", .last = 'L', .only = 'U'};
    size_t n = n_sentences ? first[n_sentences] : 0;
    find_mark(&bioes, tags, n);
    find_mark(&bilou, tags, n);
    if (bioes.mark && bilou.mark) {
        return bioes.mark > bilou.mark
                   ? contradict(error, name, bioes.mark, "is a tag of BIOES, but of BILOU is", bilou.mark)
                   : contradict(error, name, bilou.mark, "is a tag of BILOU, but of BIOES is", bioes.mark);
    }
    if (!bioes.mark && !bilou.mark) {
        return iob_labels(tags, first, n_sentences, name, labels, error);
    }
    return ended_labels(bioes.mark ? &bioes : &bilou, tags, first, n_sentences, name, labels, error);
}
