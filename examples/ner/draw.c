/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Drawing with cairo, one function a part of the page. Everything is laid out once, in points, before the surface is
 * made; the same drawing then goes to SVG or, at twice the size, to PNG. */
#include "examples/ner/draw.h"

#include <cairo-svg.h>
#include <cairo.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "examples/ner/corpus.h"
#include "examples/ner/output.h"
#include "examples/ner/spans.h"

#define MARGIN 30.0
#define GAP 34.0         /* between panels */
#define PANEL_SIDE 340.0 /* wanted; cells are kept between the two sizes below, so long sentences get larger panels */
#define CELL_LEAST 13.0
#define CELL_MOST 30.0
#define TITLE_SIZE 20.0
#define TEXT_SIZE 12.0
#define WORD_SIZE 15.0   /* of the sentence */
#define LINE_HEIGHT 44.0 /* of the sentence */
#define LINE_WIDTH 620.0 /* at least, before the sentence wraps */
#define LEGEND_WIDTH 150.0
#define PNG_SCALE 2.0
#define FONT "DejaVu Sans"

enum { LABEL_POINTS = 14 }; /* longer words are cut in the panels */

typedef struct colour {
    double red, green, blue;
} colour;

static const colour ink = {0.13, 0.15, 0.19}, faint = {0.45, 0.49, 0.55}, rule = {0.82, 0.85, 0.88};
static const colour type_colour[NER_TYPES] = {{0.80, 0.24, 0.36}, {0.10, 0.55, 0.42}, {0.85, 0.50, 0.05}};

typedef struct page {
    cairo_t *cairo;
    const ner_picture *picture;
    ner_span *spans;
    size_t n_spans, columns, rows;
    double cell, label_size, label_width; /* of the panels' words */
    double panel_width, panel_height;
    double sentence_height;
    double width, height;
} page;

static void use(page *p, colour c, double alpha) { cairo_set_source_rgba(p->cairo, c.red, c.green, c.blue, alpha); }

static void font(page *p, double size, int bold) {
    cairo_select_font_face(p->cairo, FONT, CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(p->cairo, size);
}

static double width_of(page *p, const char *text) {
    cairo_text_extents_t extents;
    cairo_text_extents(p->cairo, text, &extents);
    return extents.x_advance;
}

static void text_at(page *p, double x, double y, const char *text) {
    cairo_move_to(p->cairo, x, y);
    cairo_show_text(p->cairo, text);
}

static void rounded(page *p, double x, double y, double width, double height, double radius) {
    cairo_new_sub_path(p->cairo);
    cairo_arc(p->cairo, x + width - radius, y + radius, radius, -M_PI / 2, 0);
    cairo_arc(p->cairo, x + width - radius, y + height - radius, radius, 0, M_PI / 2);
    cairo_arc(p->cairo, x + radius, y + height - radius, radius, M_PI / 2, M_PI);
    cairo_arc(p->cairo, x + radius, y + radius, radius, M_PI, 3 * M_PI / 2);
    cairo_close_path(p->cairo);
}

/* Small weights are what most of a long sentence has: a square root spreads them. */
static double shade_of(double weight) { return sqrt(fmin(fmax(weight, 0), 1)); }

/* From white over blue to near black, each part linear. */
static colour heat(double shade) {
    static const colour stops[] = {{1, 1, 1}, {0.72, 0.84, 0.94}, {0.26, 0.57, 0.78}, {0.03, 0.19, 0.42}};
    double at = shade * 3;
    size_t i = at >= 3 ? 2 : (size_t)at;
    double part = at - (double)i;
    const colour *a = &stops[i], *b = &stops[i + 1];
    return (colour){a->red + part * (b->red - a->red), a->green + part * (b->green - a->green),
                    a->blue + part * (b->blue - a->blue)};
}

/* A word, cut behind LABEL_POINTS code points. */
static const char *label_of(const char *token, char label[4 * LABEL_POINTS + 4]) {
    size_t points = 0, bytes = 0;
    for (; token[bytes]; bytes++) {
        if (((unsigned char)token[bytes] & 0xC0) != 0x80 && points++ == LABEL_POINTS) {
            memcpy(label, token, bytes);
            strcpy(label + bytes, "\xE2\x80\xA6");
            return label;
        }
    }
    return token;
}

static const ner_span *span_at(const page *p, size_t token) {
    for (size_t i = 0; i < p->n_spans; i++) {
        if (p->spans[i].begin <= token && token < p->spans[i].end) {
            return &p->spans[i];
        }
    }
    return NULL;
}

/* ---- the sentence ---- */

/* Where each word stands; draws it where draw is set. Returns the height of all lines. */
static double sentence(page *p, double x0, double y0, double width, int draw) {
    double x = x0, line = y0;
    font(p, WORD_SIZE, 0);
    double space = width_of(p, " ") + 3;
    for (size_t i = 0; i < p->picture->n_tokens; i++) {
        const ner_span *span = span_at(p, i);
        font(p, WORD_SIZE, span != NULL);
        double advance = width_of(p, p->picture->tokens[i]);
        if (x > x0 && x + advance > x0 + width) {
            x = x0;
            line += LINE_HEIGHT;
        }
        if (draw && span) {
            /* the box reaches over the space to the next word of the span, if that is on the same line */
            double box = advance + 8;
            double next = i + 1 < span->end ? width_of(p, p->picture->tokens[i + 1]) : 0;
            int joined = i + 1 < span->end && x + advance + space + next <= x0 + width;
            use(p, type_colour[span->type], 0.16);
            cairo_rectangle(p->cairo, x - 4, line + 16, joined ? advance + space : box, 22);
            cairo_fill(p->cairo);
            use(p, type_colour[span->type], 1);
            cairo_rectangle(p->cairo, x - 4, line + 38, joined ? advance + space : box, 2);
            cairo_fill(p->cairo);
            if (i == span->begin) {
                font(p, 9, 1);
                text_at(p, x - 3, line + 12, ner_type_name(span->type));
            }
        }
        if (draw) {
            font(p, WORD_SIZE, span != NULL);
            use(p, span ? type_colour[span->type] : ink, 1);
            text_at(p, x, line + 32, p->picture->tokens[i]);
        }
        x += advance + space;
    }
    return line + LINE_HEIGHT - y0;
}

/* ---- a panel ---- */

static void panel_words(page *p) {
    char label[4 * LABEL_POINTS + 4];
    double ascent = p->label_size * 0.36; /* half the height of a lower-case letter and some */
    for (size_t i = 0; i < p->picture->n_tokens; i++) {
        const ner_span *span = span_at(p, i);
        const char *word = label_of(p->picture->tokens[i], label);
        double at = p->label_width + (double)i * p->cell;
        if (span) {
            use(p, type_colour[span->type], 0.16);
            cairo_rectangle(p->cairo, 0, at, p->label_width - 3, p->cell);
            cairo_rectangle(p->cairo, at, 0, p->cell, p->label_width - 3);
            cairo_fill(p->cairo);
        }
        font(p, p->label_size, span != NULL);
        use(p, span ? type_colour[span->type] : ink, 1);
        text_at(p, p->label_width - 7 - width_of(p, word), at + p->cell / 2 + ascent, word);
        cairo_save(p->cairo);
        cairo_translate(p->cairo, at + p->cell / 2 + ascent, p->label_width - 7);
        cairo_rotate(p->cairo, -M_PI / 2);
        text_at(p, 0, 0, word);
        cairo_restore(p->cairo);
    }
}

static void panel_cells(page *p, const float *weights) {
    size_t n = p->picture->n_tokens;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            use(p, heat(shade_of(weights[i * n + j])), 1);
            cairo_rectangle(p->cairo, p->label_width + (double)j * p->cell, p->label_width + (double)i * p->cell,
                            p->cell, p->cell);
            cairo_fill(p->cairo);
        }
    }
    double side = (double)n * p->cell;
    use(p, rule, 0.6);
    cairo_set_line_width(p->cairo, 0.5);
    for (size_t i = 1; i < n; i++) {
        double at = p->label_width + (double)i * p->cell;
        cairo_move_to(p->cairo, p->label_width, at);
        cairo_rel_line_to(p->cairo, side, 0);
        cairo_move_to(p->cairo, at, p->label_width);
        cairo_rel_line_to(p->cairo, 0, side);
    }
    cairo_stroke(p->cairo);
    use(p, faint, 1);
    cairo_set_line_width(p->cairo, 0.8);
    cairo_rectangle(p->cairo, p->label_width, p->label_width, side, side);
    cairo_stroke(p->cairo);
}

static void panel(page *p, size_t head, double x, double y) {
    size_t n = p->picture->n_tokens;
    cairo_save(p->cairo);
    cairo_translate(p->cairo, x, y);
    font(p, TEXT_SIZE + 1, 1);
    use(p, ink, 1);
    text_at(p, p->label_width, TEXT_SIZE, p->picture->heads[head]);
    cairo_translate(p->cairo, 0, TEXT_SIZE + 10);
    panel_cells(p, p->picture->weights + head * n * n);
    panel_words(p);
    cairo_restore(p->cairo);
}

/* ---- title and legend ---- */

static void legend(page *p, double x, double y) {
    static const double ticks[] = {0, 0.05, 0.25, 0.5, 1};
    static const char *const words[] = {"0", ".05", ".25", ".5", "1"};
    cairo_pattern_t *scale = cairo_pattern_create_linear(x, 0, x + LEGEND_WIDTH, 0);
    for (int i = 0; i <= 3; i++) {
        colour c = heat(i / 3.0);
        cairo_pattern_add_color_stop_rgb(scale, i / 3.0, c.red, c.green, c.blue);
    }
    font(p, 10, 0);
    use(p, faint, 1);
    text_at(p, x, y + 8, "attention weight");
    cairo_set_source(p->cairo, scale);
    cairo_rectangle(p->cairo, x, y + 14, LEGEND_WIDTH, 10);
    cairo_fill_preserve(p->cairo);
    cairo_pattern_destroy(scale);
    use(p, faint, 1);
    cairo_set_line_width(p->cairo, 0.6);
    cairo_stroke(p->cairo);
    for (size_t i = 0; i < sizeof ticks / sizeof *ticks; i++) {
        text_at(p, x + LEGEND_WIDTH * shade_of(ticks[i]) - width_of(p, words[i]) / 2, y + 36, words[i]);
    }
}

static void heading(page *p) {
    static const char *const names[NER_TYPES] = {"person", "place", "organisation"};
    use(p, ink, 1);
    font(p, TITLE_SIZE, 1);
    text_at(p, MARGIN, MARGIN + TITLE_SIZE, p->picture->title);
    font(p, TEXT_SIZE, 0);
    use(p, faint, 1);
    text_at(p, MARGIN, MARGIN + TITLE_SIZE + 20, p->picture->subtitle);
    double x = p->width - MARGIN - LEGEND_WIDTH;
    legend(p, x, MARGIN);
    for (size_t type = NER_TYPES; type > 0; type--) {
        font(p, 11, 0);
        x -= width_of(p, names[type - 1]) + 34;
        use(p, type_colour[type - 1], 0.85);
        rounded(p, x, MARGIN + 14, 12, 12, 3);
        cairo_fill(p->cairo);
        use(p, ink, 1);
        text_at(p, x + 17, MARGIN + 24, names[type - 1]);
    }
}

/* ---- the page ---- */

static void lay_out(page *p) {
    const ner_picture *picture = p->picture;
    char label[4 * LABEL_POINTS + 4];
    p->columns = picture->columns && picture->columns < picture->n_heads ? picture->columns : picture->n_heads;
    p->rows = (picture->n_heads + p->columns - 1) / p->columns;
    p->cell = fmin(fmax(PANEL_SIDE / (double)picture->n_tokens, CELL_LEAST), CELL_MOST);
    p->label_size = fmin(TEXT_SIZE, p->cell - 3);
    font(p, p->label_size, 1);
    for (size_t i = 0; i < picture->n_tokens; i++) {
        p->label_width = fmax(p->label_width, width_of(p, label_of(picture->tokens[i], label)));
    }
    p->label_width += 12;
    p->panel_width = p->label_width + (double)picture->n_tokens * p->cell;
    p->panel_height = p->panel_width + TEXT_SIZE + 10;
    double panels = (double)p->columns * (p->panel_width + GAP) - GAP;
    font(p, TITLE_SIZE, 1);
    double title = width_of(p, picture->title);
    font(p, TEXT_SIZE, 0);
    title = fmax(title, width_of(p, picture->subtitle)) + LEGEND_WIDTH + 310;
    p->width = 2 * MARGIN + fmax(fmax(panels, LINE_WIDTH), title);
    p->sentence_height = sentence(p, 0, 0, p->width - 2 * MARGIN, 0);
    p->height = 2 * MARGIN + 62 + p->sentence_height + 20 + (double)p->rows * (p->panel_height + GAP) - GAP;
}

static void draw(page *p) {
    cairo_set_source_rgb(p->cairo, 1, 1, 1);
    cairo_paint(p->cairo);
    heading(p);
    sentence(p, MARGIN, MARGIN + 58, p->width - 2 * MARGIN, 1);
    double top = MARGIN + 62 + p->sentence_height + 20;
    for (size_t head = 0; head < p->picture->n_heads; head++) {
        panel(p, head, MARGIN + (double)(head % p->columns) * (p->panel_width + GAP),
              top + (double)(head / p->columns) * (p->panel_height + GAP));
    }
}

/* ---- the file ---- */

static int ends_in(const char *path, const char *ending) {
    size_t n = strlen(path), m = strlen(ending);
    return n > m && strcasecmp(path + n - m, ending) == 0;
}

hl_status ner_picture_check(const char *path, ner_error *error) {
    if (!ends_in(path, ".svg") && !ends_in(path, ".png")) {
        return ner_fail(error, HL_INVALID_ARGUMENT, "%.120s: the name must end in .svg or .png", path);
    }
    return ner_output_may_make(path, error);
}

/* Where cairo's bytes go; it keeps no reason of a failure, so that this does. */
typedef struct sink {
    FILE *file;
    int reason; /* errno of the first write that failed; 0: none did */
} sink;

static cairo_status_t write_bytes(void *to, const unsigned char *data, unsigned int bytes) {
    sink *s = to;
    errno = 0;
    if (fwrite(data, 1, bytes, s->file) == bytes) {
        return CAIRO_STATUS_SUCCESS;
    }
    s->reason = s->reason ? s->reason : errno ? errno : EIO;
    return CAIRO_STATUS_WRITE_ERROR;
}

/* Draws the page, and writes it. */
static cairo_status_t make_page(page *p, int png, sink *to) {
    cairo_surface_t *surface = png ? cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)ceil(p->width * PNG_SCALE),
                                                                (int)ceil(p->height * PNG_SCALE))
                                   : cairo_svg_surface_create_for_stream(write_bytes, to, p->width, p->height);
    p->cairo = cairo_create(surface);
    if (png) {
        cairo_scale(p->cairo, PNG_SCALE, PNG_SCALE);
    }
    draw(p);
    cairo_status_t status = cairo_status(p->cairo);
    cairo_destroy(p->cairo);
    if (png && status == CAIRO_STATUS_SUCCESS) {
        status = cairo_surface_write_to_png_stream(surface, write_bytes, to);
    }
    cairo_surface_finish(surface); /* SVG is written here */
    status = status == CAIRO_STATUS_SUCCESS ? cairo_surface_status(surface) : status;
    cairo_surface_destroy(surface);
    return status;
}

hl_status ner_picture_draw(const ner_picture *picture, const char *path, ner_error *error) {
    if (picture->n_tokens == 0 || picture->n_heads == 0) {
        return ner_fail(error, HL_INVALID_ARGUMENT, "%.120s: no words or no heads to draw", path);
    }
    hl_status status = ner_picture_check(path, error);
    if (status != HL_OK) {
        return status;
    }
    page p = {.picture = picture};
    p.spans = malloc(picture->n_tokens * sizeof *p.spans);
    if (!p.spans) {
        return ner_fail_memory(error);
    }
    p.n_spans = ner_spans_find(picture->labels, picture->n_tokens, p.spans);
    /* words are measured before there is a page to draw them on */
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_A8, 1, 1);
    p.cairo = cairo_create(surface);
    lay_out(&p);
    cairo_destroy(p.cairo);
    cairo_surface_destroy(surface);

    sink to = {.file = fopen(path, "wb")};
    if (!to.file) {
        free(p.spans);
        return ner_fail(error, HL_SYSTEM, "%.120s: %s", path, strerror(errno));
    }
    cairo_status_t drawn = make_page(&p, ends_in(path, ".png"), &to);
    free(p.spans);
    if (fclose(to.file) != 0 && !to.reason) {
        to.reason = errno;
    }
    if (to.reason) {
        return ner_fail(error, HL_SYSTEM, "%.120s: %s", path, strerror(to.reason));
    }
    return drawn == CAIRO_STATUS_SUCCESS
               ? HL_OK
               : ner_fail(error, HL_SYSTEM, "%.120s: %s", path, cairo_status_to_string(drawn));
}
