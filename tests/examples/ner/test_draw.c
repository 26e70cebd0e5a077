/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Pictures: the cells have the shades of their weights. */
#include "examples/ner/draw.h"

#include <cairo.h>

#include "tests/examples/ner/kit.h"

static const char *const tokens[3] = {"Ada", "saw", "internationalisations"};
static const int32_t labels[3] = {NER_B_PER, NER_O, NER_B_ORG};
static const char *const heads[2] = {"head 1", "head 2"};
/* head 1 looks at itself alone, head 2 at the first word alone */
static const float weights[18] = {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0, 1, 0, 0};
static const ner_picture picture = {"Title", "subtitle", 3, tokens, labels, 2, 0, heads, weights};

/* The darkest shade of the scale, and how often it stands in a picture. */
static size_t dark_pixels(const char *path, int *width, int *height) {
    cairo_surface_t *surface = cairo_image_surface_create_from_png(path);
    ck_assert_int_eq(cairo_surface_status(surface), CAIRO_STATUS_SUCCESS);
    *width = cairo_image_surface_get_width(surface);
    *height = cairo_image_surface_get_height(surface);
    size_t n = 0;
    for (int y = 0; y < *height; y++) {
        const uint32_t *row = (const uint32_t *)(const void *)(cairo_image_surface_get_data(surface) +
                                                               y * cairo_image_surface_get_stride(surface));
        for (int x = 0; x < *width; x++) {
            int red = row[x] >> 16 & 255, green = row[x] >> 8 & 255, blue = row[x] & 255;
            n += abs(red - 8) <= 2 && abs(green - 48) <= 2 && abs(blue - 107) <= 2;
        }
    }
    cairo_surface_destroy(surface);
    return n;
}

START_TEST(CellsAreAsDarkAsTheirWeights) {
    char path[64];
    int width, height;
    ner_error error = {""};
    name_file(path, ".png");
    ck_assert_msg(ner_picture_draw(&picture, path, &error) == HL_OK, "%s", error.text);
    size_t dark = dark_pixels(path, &width, &height);
    /* 6 cells of weight 1, each 30 points wide, at two pixels a point; grid lines take less than a tenth, the dark end
     * of the legend adds less than a cell */
    ck_assert_uint_gt(dark, 6 * 60 * 60 * 9 / 10);
    ck_assert_uint_lt(dark, 7 * 60 * 60);
    remove(path);
}
END_TEST

START_TEST(ColumnsWrapIntoRows) {
    char path[64];
    int width, height, tall_width, tall_height;
    name_file(path, ".png");
    ck_assert_int_eq(ner_picture_draw(&picture, path, NULL), HL_OK);
    size_t dark = dark_pixels(path, &width, &height);
    ner_picture tall = picture;
    tall.columns = 1;
    ck_assert_int_eq(ner_picture_draw(&tall, path, NULL), HL_OK);
    ck_assert_uint_eq(dark_pixels(path, &tall_width, &tall_height), dark);
    ck_assert_int_gt(tall_height, height);
    remove(path);
}
END_TEST

START_TEST(SvgIsWritten) {
    char path[64], begin[5] = "";
    name_file(path, ".SVG");
    ck_assert_int_eq(ner_picture_draw(&picture, path, NULL), HL_OK);
    FILE *file = fopen(path, "rb");
    ck_assert_uint_eq(fread(begin, 1, 4, file), 4);
    fclose(file);
    ck_assert(strcmp(begin, "<?xm") == 0 || strcmp(begin, "<svg") == 0);
    remove(path);
}
END_TEST

START_TEST(WhatCannotBeDrawnIsRefused) {
    ner_error error = {""};
    ck_assert_int_eq(ner_picture_draw(&picture, "heads.jpg", &error), HL_INVALID_ARGUMENT);
    ck_assert_str_eq(error.text, "heads.jpg: the name must end in .svg or .png");
    ner_picture empty = picture;
    empty.n_tokens = 0;
    ck_assert_int_eq(ner_picture_draw(&empty, "heads.svg", &error), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(ner_picture_draw(&picture, "/nonexistent/heads.png", &error), HL_SYSTEM);
    ck_assert_int_eq(ner_picture_draw(&picture, "/nonexistent/heads.svg", &error), HL_SYSTEM);
    ck_assert_ptr_nonnull(strstr(error.text, "/nonexistent/heads.svg: "));
}
END_TEST

/* A link, since the name must end in .svg or .png. */
START_TEST(PicturesOnAFullDiskAreFailures) {
    static const char *const endings[] = {".svg", ".png"};
    for (int i = 0; i < 2; i++) {
        char path[64];
        ner_error error = {""};
        name_file(path, endings[i]);
        ck_assert_int_eq(symlink("/dev/full", path), 0);
        ck_assert_int_eq(ner_picture_check(path, &error), HL_OK);
        ck_assert_int_eq(ner_picture_draw(&picture, path, &error), HL_SYSTEM);
        ck_assert_ptr_nonnull(strstr(error.text, ": No space left on device"));
        remove(path);
    }
}
END_TEST

int main(void) {
    return run_tests("draw", TESTS(CellsAreAsDarkAsTheirWeights, ColumnsWrapIntoRows, SvgIsWritten,
                                   WhatCannotBeDrawnIsRefused, PicturesOnAFullDiskAreFailures));
}
