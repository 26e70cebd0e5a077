/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The progress line. The time left is that of the remaining steps at the mean rate so far: all batches have about the
 * same number of positions, so steps take about the same time. */
#include "examples/ner/progress.h"

#include <time.h>
#include <unistd.h>

static const uint64_t SECOND_NS = 1000000000u;
static const uint64_t REDRAW_NS = 200000000u; /* often enough to look alive, too seldom to cost */

uint64_t ner_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

void ner_progress_begin(ner_progress *progress, FILE *file, const char *title, size_t n_epochs, size_t n_steps) {
    *progress = (ner_progress){.file = file, .title = title, .n_epochs = n_epochs, .n_steps = n_steps};
    progress->terminal = file && isatty(fileno(file));
    progress->begun_ns = ner_now_ns();
}

size_t ner_progress_text(const ner_progress *progress, const ner_progress_now *now, uint64_t elapsed_ns, char *text,
                         size_t bytes) {
    double seconds = (double)elapsed_ns / (double)SECOND_NS;
    double rate = seconds > 0 ? (double)now->tokens / seconds : 0;
    size_t rest = now->step < progress->n_steps ? progress->n_steps - now->step : 0;
    double left = now->step ? seconds * (double)rest / (double)now->step : 0;
    unsigned long left_s = (unsigned long)(left + 0.5);
    size_t epoch = now->epoch < progress->n_epochs ? now->epoch + 1 : progress->n_epochs;
    int n = snprintf(text, bytes, "%s  epoch %zu/%zu  step %zu/%zu  loss %.4f  %.1fk tokens/s  %lu:%02lu left",
                     progress->title, epoch, progress->n_epochs, now->step, progress->n_steps, now->loss, rate / 1000,
                     left_s / 60, left_s % 60);
    size_t length = n > 0 ? (size_t)n : 0;
    return length < bytes ? length : bytes - 1;
}

static void show(ner_progress *progress, const ner_progress_now *now) {
    char text[200];
    uint64_t ns = ner_now_ns();
    size_t width = ner_progress_text(progress, now, ns - progress->begun_ns, text, sizeof text);
    if (progress->terminal) {
        size_t blank = progress->shown_width > width ? progress->shown_width - width : 0;
        fprintf(progress->file, "\r%s%*s", text, (int)blank, "");
    } else {
        fprintf(progress->file, "%s\n", text);
    }
    fflush(progress->file);
    progress->shown_ns = ns;
    progress->shown_width = width;
}

void ner_progress_step(ner_progress *progress, const ner_progress_now *now) {
    if (progress->file && progress->terminal && ner_now_ns() - progress->shown_ns >= REDRAW_NS) {
        show(progress, now);
    }
}

void ner_progress_epoch(ner_progress *progress, const ner_progress_now *now) {
    if (progress->file) {
        /* the epoch that was finished, not the one that follows */
        ner_progress_now last = *now;
        last.epoch = now->epoch ? now->epoch - 1 : 0;
        show(progress, &last);
    }
}

void ner_progress_end(ner_progress *progress) {
    if (progress->file && progress->terminal && progress->shown_width > 0) {
        fprintf(progress->file, "\r%*s\r", (int)progress->shown_width, "");
        fflush(progress->file);
        progress->shown_width = 0;
    }
}
