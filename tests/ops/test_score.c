/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Scores: scaled products of queries and keys, whose heads may be shared, a bias that spreads, and -infinity where a
 * query does not see a key, whatever the gradient holds there. */
#include <math.h>
#include <string.h>

#include "tests/support/attention_oracle.h"
#include "tests/support/suite.h"

enum { Q, K, BIAS, LENGTHS };

static void score(const op_case *c, const double *const in[], double *const out[]) {
    oracle_scores(c, c->options, BIAS, LENGTHS, in, out[0]);
}

static void sizes(const op_case *c, const double *const in[], double *const out[]) {
    oracle_score_sizes(c, c->options, BIAS, in, out[0]);
}

/* n products and n sums are off by (n + 1) / 2 units of FLT_EPSILON of the sum of sizes (Higham 2002, section 3.1; 1 %
 * for terms in the square). n is D, + 1 for the bias, forward; Tk for dq, Tq for dk; for dbias what it was spread over.
 * The scale is rounded, and so is its product with q or dS: 1 more. */
static op_case case_of(size_t B, size_t H, size_t Tq, size_t Tk, size_t D, const hl_score_config *config) {
    return (op_case){.op = HL__OP_score,
                     .options = config,
                     .inputs = {{.shape = HL_SHAPE(B, H, Tq, D)},
                                {.shape = HL_SHAPE(B, H, Tk, D)},
                                {.shape = HL_SHAPE(B, H, Tq, Tk), .absent = true},
                                {.shape = HL_SHAPE(B), .dtype = HL_I32, .absent = true}},
                     .oracle = score,
                     .magnitude = sizes,
                     .value = {.relative = 1.01 * ((double)D + 4) / 2},
                     .gradient = {.relative = 1.01 * ((double)(Tq > Tk ? Tq : Tk) + 3) / 2},
                     .samples = 12};
}

static const hl_score_config plain = {.mask = HL_MASK_NONE};

START_TEST(AnyExtents) {
    size_t extents[][5] = {{1, 1, 1, 1, 1},     {1, 1, 1, 67, 5},    {2, 1, 67, 1, 16},   {1, 3, 5, 3, 40},
                           {2, 2, 33, 31, 64},  {1, 1, 127, 129, 3}, {1, 1, 128, 128, 4}, {1, 1, 129, 257, 5},
                           {1, 1, 300, 40, 80}, {1, 8, 130, 50, 3},  {1, 2, 3, 513, 6}};
    for (size_t i = 0; i < sizeof extents / sizeof *extents; i++) {
        const size_t *e = extents[i];
        op_case c = case_of(e[0], e[1], e[2], e[3], e[4], &plain);
        op_check(&c);
    }
}
END_TEST

START_TEST(EightTilesAtLeast) {
    size_t extents[][5] = {{2, 4, 70, 130, 8}, {4, 6, 17, 17, 8}, {1, 1, 256, 256, 4}, {8, 1, 5, 6, 16}};
    for (size_t i = 0; i < sizeof extents / sizeof *extents; i++) {
        const size_t *e = extents[i];
        op_case c = case_of(e[0], e[1], e[2], e[3], e[4], &plain);
        c.inputs[BIAS].absent = false;
        c.min_tiles = 8;
        c.samples = 6;
        op_check(&c);
    }
}
END_TEST

START_TEST(MasksHideKeysWhateverTheLengths) {
    hl_score_config masks[] = {
        {.mask = HL_MASK_CAUSAL},
        {.mask = HL_MASK_WINDOW, .window = 1},
        {.mask = HL_MASK_WINDOW, .window = 40},
        {.mask = HL_MASK_WINDOW, .window = SIZE_MAX},
        {.mask = HL_MASK_CAUSAL_WINDOW, .window = 1},
        {.mask = HL_MASK_CAUSAL_WINDOW, .window = 33},
        {.mask = HL_MASK_NONE, .scale = -0.3f},
    };
    size_t lengths[][2] = {{70, 70}, {45, 300}, {270, 45}, {1, 66}};
    for (size_t m = 0; m < sizeof masks / sizeof *masks; m++)
        for (size_t i = 0; i < 2 * sizeof lengths / sizeof *lengths; i++) {
            size_t Tq = lengths[i / 2][0], Tk = lengths[i / 2][1];
            op_case c = case_of(2, 1, Tq, Tk, 4, &masks[m]);
            c.inputs[LENGTHS].absent = i % 2 == 0;
            c.inputs[LENGTHS].values = (int32_t[]){(int32_t)Tk - 7, 37};
            c.samples = 6;
            op_check(&c);
        }
}
END_TEST

START_TEST(EmptySequencesHaveNoScoresAndNoGradients) {
    op_case c = case_of(3, 2, 20, 37, 5, &plain);
    c.inputs[LENGTHS].absent = c.inputs[BIAS].absent = false;
    c.inputs[LENGTHS].values = (int32_t[]){0, 0, 0};
    c.value = c.gradient = (op_bound){0, 0};
    op_check(&c);
    c = case_of(3, 2, 20, 37, 5, &plain);
    c.inputs[LENGTHS].absent = c.inputs[BIAS].absent = false;
    c.inputs[LENGTHS].values = (int32_t[]){37, 0, 1};
    op_check(&c);
}
END_TEST

START_TEST(ABiasSpreadsAndHasAGradient) {
    hl_shape shapes[] = {HL_SHAPE(2, 3, 37, 70), HL_SHAPE(1, 3, 37, 70), HL_SHAPE(2, 1, 37, 70),
                         HL_SHAPE(2, 3, 1, 70),  HL_SHAPE(1, 1, 37, 70), HL_SHAPE(1, 1, 1, 70)};
    for (size_t i = 0; i < 2 * sizeof shapes / sizeof *shapes; i++) {
        hl_score_config config = {.mask = i % 2 ? HL_MASK_CAUSAL_WINDOW : HL_MASK_NONE, .window = 30};
        op_case c = case_of(2, 3, 37, 70, 6, &config);
        c.inputs[BIAS].absent = false;
        c.inputs[BIAS].shape = shapes[i / 2];
        c.inputs[LENGTHS].absent = i % 2 == 0;
        c.inputs[LENGTHS].values = (int32_t[]){70, 51};
        double repeats = 2 * 3 * 37 * 70 / (double)hl_shape_elements(&shapes[i / 2]);
        c.gradient.relative = 1.01 * (fmax(repeats, 70) + 3) / 2;
        op_check(&c);
    }
}
END_TEST

/* Key heads for one, some or all query heads; groups that are odd; several key heads to a tile; more queries, or keys,
 * than a tile takes. dk adds up Tq products of each head of a group. */
START_TEST(QueryHeadsShareKeys) {
    size_t extents[][6] = {{2, 4, 1, 37, 70, 5},  {1, 4, 2, 130, 50, 3}, {2, 9, 3, 20, 33, 4},  {4, 12, 4, 5, 6, 8},
                           {1, 5, 1, 40, 290, 3}, {1, 10, 2, 1, 7, 1},   {1, 6, 3, 300, 17, 2}, {8, 8, 4, 3, 3, 2}};
    hl_score_config configs[] = {plain, {.mask = HL_MASK_CAUSAL}, {.mask = HL_MASK_WINDOW, .window = 9}};
    for (size_t i = 0; i < 3 * sizeof extents / sizeof *extents; i++) {
        const size_t *e = extents[i / 3];
        op_case c = case_of(e[0], e[1], e[3], e[4], e[5], &configs[i % 3]);
        int32_t lengths[8] = {0, (int32_t)e[4], 3, 1, 2, 0, 3, 2};
        c.inputs[K].shape.extent[1] = e[2];
        c.inputs[BIAS].absent = i % 3 == 0;
        c.inputs[BIAS].shape.extent[1] = i % 2 ? 1 : e[1];
        c.inputs[LENGTHS].absent = i % 3 == 1 || e[0] == 1;
        c.inputs[LENGTHS].values = lengths;
        c.gradient.relative = 1.01 * (fmax((double)(e[1] * e[3]), (double)e[4]) + 3) / 2;
        op_check(&c);
    }
}
END_TEST

/* Products of hidden keys may be anything finite. */
START_TEST(HiddenKeysDoNotCount) {
    enum { N = 2 * 70 * 4 };
    static float k[N];
    for (size_t i = 0; i < N; i++) k[i] = i / 4 % 70 >= (i < N / 2 ? 41u : 64u) ? 1e30f : sinf((float)i);
    op_case c = case_of(2, 1, 50, 70, 4, &plain);
    c.inputs[K].values = k;
    c.inputs[LENGTHS] = (op_input){.shape = HL_SHAPE(2), .dtype = HL_I32, .values = (int32_t[]){41, 64}};
    op_check(&c);
}
END_TEST

START_TEST(StridedOperandsAreRead) {
    hl_layout layouts[] = {HL_LAYOUT_ROWS, HL_LAYOUT_ANY};
    for (size_t i = 0; i < 2; i++) {
        op_case c = case_of(2, 2, 19, 35, 5, &plain);
        c.inputs[BIAS].absent = c.inputs[LENGTHS].absent = false;
        for (size_t input = Q; input <= LENGTHS; input++) c.inputs[input].layout = layouts[i];
        c.d_output_layout = layouts[i];
        op_check(&c);
    }
}
END_TEST

static op_case small_case(const hl_score_config *config) {
    op_case c = case_of(2, 3, 5, 7, 4, config);
    c.inputs[BIAS].absent = c.inputs[LENGTHS].absent = false;
    return c;
}

START_TEST(ShapesAndTypesThatDoNotFitAreRefused) {
    struct {
        size_t input;
        hl_shape shape;
    } wrong[] = {{Q, HL_SHAPE(2, 3, 5, 3)},    {Q, HL_SHAPE(2, 2, 5, 4)},    {Q, HL_SHAPE(1, 3, 5, 4)},
                 {Q, HL_SHAPE(6, 5, 4)},       {K, HL_SHAPE(2, 3, 6, 4)},    {K, HL_SHAPE(1, 2, 3, 7, 4)},
                 {K, HL_SHAPE(2, 2, 7, 4)},    {K, HL_SHAPE(2, 6, 7, 4)},    {BIAS, HL_SHAPE(2, 3, 5, 1)},
                 {BIAS, HL_SHAPE(2, 3, 4, 7)}, {BIAS, HL_SHAPE(2, 2, 5, 7)}, {BIAS, HL_SHAPE(5, 7)},
                 {LENGTHS, HL_SHAPE(3)},       {LENGTHS, HL_SHAPE(2, 1)}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        op_case c = small_case(&plain);
        c.inputs[wrong[i].input].shape = wrong[i].shape;
        op_check_refused(&c, HL_SHAPE_MISMATCH);
    }
    for (size_t input = Q; input <= LENGTHS; input++) {
        op_case c = small_case(&plain);
        c.inputs[input].dtype = input == LENGTHS ? HL_F32 : HL_I32;
        op_check_refused(&c, HL_TYPE_MISMATCH);
    }
}
END_TEST

START_TEST(HeadsThatDoNotFallIntoGroupsAreRefusedInWords) {
    op_case c = small_case(&plain);
    char words[512] = "";
    c.inputs[K].shape.extent[1] = 2;
    ck_assert(!op_check_holds(&c, words, sizeof words));
    ck_assert_msg(strstr(words, "no multiple of the number of shared heads: query [2, 3, 5, 4], key [2, 2, 7, 4]"),
                  "%s", words);
}
END_TEST

START_TEST(OptionsThatAreNoneAreRefused) {
    hl_score_config wrong[] = {{.mask = (hl_mask)4}, {.mask = (hl_mask)-1},           {.mask = HL_MASK_WINDOW},
                               {.scale = NAN},       {.mask = HL_MASK_CAUSAL_WINDOW}, {.scale = -INFINITY}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        op_case c = small_case(&wrong[i]);
        op_check_refused(&c, HL_INVALID_ARGUMENT);
    }
}
END_TEST

int main(void) {
    return run_tests("score",
                     TESTS(AnyExtents, EightTilesAtLeast, MasksHideKeysWhateverTheLengths,
                           EmptySequencesHaveNoScoresAndNoGradients, ABiasSpreadsAndHasAGradient, QueryHeadsShareKeys,
                           HiddenKeysDoNotCount, StridedOperandsAreRead, ShapesAndTypesThatDoNotFitAreRefused,
                           HeadsThatDoNotFallIntoGroupsAreRefusedInWords, OptionsThatAreNoneAreRefused));
}
