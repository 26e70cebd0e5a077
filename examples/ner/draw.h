/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A picture of what each head looks at: the sentence with its entities, and a panel for each head in which the row of
 * a word shows how its attention is spread over the words of the columns. */
#ifndef NER_DRAW_H
#define NER_DRAW_H

#include <stddef.h>
#include <stdint.h>

#include "examples/ner/error.h"

typedef struct ner_picture {
    const char *title, *subtitle;
    size_t n_tokens;
    const char *const *tokens; /* [n_tokens], UTF-8 */
    const int32_t *labels;     /* [n_tokens] */
    size_t n_heads;
    size_t columns;           /* panels side by side; 0: all */
    const char *const *heads; /* [n_heads], titles */
    const float *weights;     /* [n_heads, n_tokens, n_tokens]: head, who looks, at what; 0 to 1 */
} ner_picture;

/* Can a picture be written there? HL_INVALID_ARGUMENT: the name ends neither in .svg nor in .png. HL_SYSTEM: the file
 * cannot be written. What is there stays. */
hl_status ner_picture_check(const char *path, ner_error *error);

/* Fails as ner_picture_check does, with HL_INVALID_ARGUMENT for an empty picture, too, and with HL_SYSTEM where not all
 * of it could be written. */
hl_status ner_picture_draw(const ner_picture *picture, const char *path, ner_error *error);

#endif
