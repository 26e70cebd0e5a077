/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Spans from labels, labels from scores, F1 from spans. */
#include "examples/ner/spans.h"

#include <math.h>

/* Does a span begin at this label, given the one before it? */
static int begins(int32_t before, int32_t label) {
    if (label == NER_O) {
        return 0;
    }
    return ner_label_begins(label) || before == NER_O || ner_label_type(before) != ner_label_type(label);
}

size_t ner_spans_find(const int32_t *labels, size_t n, ner_span *spans) {
    size_t n_spans = 0;
    int32_t before = NER_O;
    for (size_t i = 0; i < n; i++) {
        if (begins(before, labels[i])) {
            spans[n_spans++] = (ner_span){.begin = i, .end = i + 1, .type = ner_label_type(labels[i])};
        } else if (labels[i] != NER_O) {
            spans[n_spans - 1].end = i + 1;
        }
        before = labels[i];
    }
    return n_spans;
}

static int may_follow(int32_t before, int32_t label) {
    return !ner_label_continues(label) || (before != NER_O && ner_label_type(before) == ner_label_type(label));
}

/* The best label before this one; the lower one where two are equal. */
static int32_t best_before(const double score[NER_LABELS], int32_t label) {
    int32_t best = -1;
    for (int32_t before = 0; before < NER_LABELS; before++) {
        if (may_follow(before, label) && (best < 0 || score[before] > score[best])) {
            best = before;
        }
    }
    return best;
}

void ner_spans_decode(const float *scores, size_t n, int32_t *labels, unsigned char *scratch) {
    if (n == 0) {
        return;
    }
    double score[NER_LABELS]; /* of the best valid labels that end in this one */
    for (int32_t label = 0; label < NER_LABELS; label++) {
        score[label] = may_follow(NER_O, label) ? scores[label] : -INFINITY;
    }
    for (size_t i = 1; i < n; i++) {
        double next[NER_LABELS];
        for (int32_t label = 0; label < NER_LABELS; label++) {
            int32_t before = best_before(score, label);
            next[label] = score[before] + scores[i * NER_LABELS + (size_t)label];
            scratch[i * NER_LABELS + (size_t)label] = (unsigned char)before;
        }
        for (int32_t label = 0; label < NER_LABELS; label++) {
            score[label] = next[label];
        }
    }
    int32_t best = 0;
    for (int32_t label = 1; label < NER_LABELS; label++) {
        if (score[label] > score[best]) {
            best = label;
        }
    }
    labels[n - 1] = best;
    for (size_t i = n - 1; i > 0; i--) {
        labels[i - 1] = scratch[i * NER_LABELS + (size_t)labels[i]];
    }
}

void ner_counts_add(ner_counts *counts, const int32_t *gold, const int32_t *found, size_t n, ner_span *spans) {
    ner_span *found_spans = spans + n;
    size_t n_gold = ner_spans_find(gold, n, spans);
    size_t n_found = ner_spans_find(found, n, found_spans);
    for (size_t g = 0; g < n_gold; g++) {
        counts->gold[spans[g].type]++;
    }
    size_t g = 0;
    for (size_t f = 0; f < n_found; f++) {
        counts->found[found_spans[f].type]++;
        while (g < n_gold && spans[g].begin < found_spans[f].begin) {
            g++;
        }
        counts->correct[found_spans[f].type] += g < n_gold && spans[g].begin == found_spans[f].begin &&
                                                spans[g].end == found_spans[f].end &&
                                                spans[g].type == found_spans[f].type;
    }
}

static ner_score score_of(size_t correct, size_t found, size_t gold) {
    ner_score score = {.correct = correct, .found = found, .gold = gold};
    score.precision = found ? 100.0 * (double)correct / (double)found : 0;
    score.recall = gold ? 100.0 * (double)correct / (double)gold : 0;
    score.f1 = found + gold ? 200.0 * (double)correct / (double)(found + gold) : 0;
    return score;
}

ner_score ner_counts_score(const ner_counts *counts) {
    size_t correct = 0, found = 0, gold = 0;
    for (size_t type = 0; type < NER_TYPES; type++) {
        correct += counts->correct[type];
        found += counts->found[type];
        gold += counts->gold[type];
    }
    return score_of(correct, found, gold);
}

ner_score ner_counts_score_of(const ner_counts *counts, size_t type) {
    return score_of(counts->correct[type], counts->found[type], counts->gold[type]);
}
