/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One line that says how far training is: "d  epoch 3/8  step 812/2856  loss 0.0812  21.4k tokens/s  1:12 left". On a
 * terminal it is rewritten in place a few times a second; elsewhere one line an epoch is written. */
#ifndef NER_PROGRESS_H
#define NER_PROGRESS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct ner_progress {
    FILE *file;        /* NULL: nothing is shown */
    const char *title; /* borrowed */
    size_t n_epochs, n_steps;
    int terminal;
    uint64_t begun_ns, shown_ns;
    size_t shown_width;
} ner_progress;

typedef struct ner_progress_now {
    size_t epoch, step; /* finished */
    size_t tokens;      /* trained on since the start */
    double loss;        /* mean of the last steps */
} ner_progress_now;

uint64_t ner_now_ns(void); /* a clock that never goes back */

void ner_progress_begin(ner_progress *progress, FILE *file, const char *title, size_t n_epochs, size_t n_steps);
void ner_progress_step(ner_progress *progress, const ner_progress_now *now);
void ner_progress_epoch(ner_progress *progress, const ner_progress_now *now); /* shows always */
void ner_progress_end(ner_progress *progress);                                /* takes the line away from a terminal */

/* The line without its end; elapsed_ns since the start. Returns its length. */
size_t ner_progress_text(const ner_progress *progress, const ner_progress_now *now, uint64_t elapsed_ns, char *text,
                         size_t bytes);

#endif
