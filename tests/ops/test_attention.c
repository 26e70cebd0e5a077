/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fused attention agrees with scores, softmax, dropout and weighted sum written out: at any head size, across the
 * limits of blocks, under every mask, with keys and values that heads share, and with zeros, forward and backward, for
 * queries that see no key. */
#include <math.h>
#include <stdlib.h>

#include "ops/op.h"
#include "tests/support/attention_oracle.h"
#include "tests/support/suite.h"

enum { Q, K, V, BIAS, LENGTHS, STEP };

static void weighted_sum(const op_case *c, const double *const in[], double *o, bool of_sizes) {
    const hl_attention_config *config = c->options;
    const size_t *q = c->inputs[Q].shape.extent, *v = c->inputs[V].shape.extent;
    size_t planes = q[0] * q[1], Tq = q[2], Tk = v[2], Dv = v[3];
    double *p = malloc(planes * Tq * Tk * sizeof *p);
    ck_assert_ptr_nonnull(p);
    oracle_scores(c, &config->score, BIAS, LENGTHS, in, p);
    oracle_softmax(p, planes * Tq, Tk, p, NULL);
    for (size_t e = 0; e < planes * Tq * Tk; e++) {
        size_t row = e / Tk, plane = row / Tq, j = e % Tk, shared = oracle_shared_plane(plane, q[1], v[1]);
        double weight = p[e];
        if (weight == 0) continue;
        if (config->dropout.rate > 0)
            weight *= oracle_dropout(&config->dropout, c->node_id, (int32_t)in[STEP][0], plane, row % Tq, j);
        for (size_t d = 0; d < Dv; d++) {
            double value = in[V][(shared * Tk + j) * Dv + d];
            o[row * Dv + d] += weight * (of_sizes ? fabs(value) : value);
        }
    }
    free(p);
}

static void attention(const op_case *c, const double *const in[], double *const out[]) {
    weighted_sum(c, in, out[0], false);
}

static void sizes(const op_case *c, const double *const in[], double *const out[]) {
    weighted_sum(c, in, out[0], true);
}

typedef struct extents {
    size_t B, H, Tq, Tk, D, Dv;
} extents;

/* Errors in units of FLT_EPSILON, two roundings. q lies within -reach .. reach, everything else within -1 .. 1, at
 * random, and so do rounding errors: sums are bounded by six standard deviations, since the worst case (all roundings
 * the same way) is a thousand times what is seen and would hide a forgotten key.
 *
 * A product of two such numbers has a deviation of reach / 3, so |S| <= most = 2 scale reach sqrt(D), + 2 with a bias,
 * which is relative to the largest of its row.
 * Roundings of partial sums that grow with sqrt(d) / 3 add up to 0.41 D, those of the scaled queries to 0.6 sqrt(D);
 * the rounded scale and the bias cost half of most each. The error of a weight is that of its own score and of all
 * others in the sum, the rounding of S - max, exp, the factor of a later piece, 1 / l and the product with it (7), and
 * the sum in at least four lanes (six deviations: sqrt(Tk / 4)). The sum over the values adds at
 * most 1.8 sqrt(Tk), which is where a single weight makes all of it.
 *
 * Backward, dS = P (dP - D) cancels. |dP| and |D| <= most_dp = 2 sqrt(Dv) / (1 - rate), their sums are off by 0.41 Dv /
 * (1 - rate), and D by the weights of o: in all dS is off by P error_ds. dq is off by scale times that, for the weights
 * add up to 1, and by its own sum. Where weights add up to more (dk, dbias: many queries that look at one key) the size
 * of the element grows with them: it holds P sum_d |dO||v - o| for each query, about P Dv / 4. dv sums P dO over the
 * queries, dbias over `repeats` times as many, dk and dv over those of all heads that share a key. */
static op_case case_of(extents x, const hl_attention_config *config, double reach, bool biased, size_t repeats) {
    double D = (double)x.D, Dv = (double)x.Dv, Tk = (double)x.Tk, Tq = (double)x.Tq;
    double scale = config->score.scale != 0 ? fabs((double)config->score.scale) : 1 / sqrt(D);
    double most = 2 * scale * reach * sqrt(D) + (biased ? 2 : 0);
    double score = scale * reach * (0.41 * D + 0.6 * sqrt(D)) + most, sum = 1.8 * sqrt(Tk);
    double weight = 2 * score + 2 * most + 7 + sqrt(Tk / 4);
    double kept = 1 - (double)config->dropout.rate, most_dp = 2 * sqrt(Dv) / kept;
    double error_ds = 3 * weight * most_dp + 2 * 0.41 * Dv / kept, up = biased ? 1 : scale * fmax(reach, 1);
    return (op_case){
        .op = HL__OP_attention,
        .options = config,
        .node_id = 77,
        .inputs = {{.shape = HL_SHAPE(x.B, x.H, x.Tq, x.D), .low = -reach, .high = reach},
                   {.shape = HL_SHAPE(x.B, x.H, x.Tk, x.D)},
                   {.shape = HL_SHAPE(x.B, x.H, x.Tk, x.Dv)},
                   {.shape = HL_SHAPE(x.B, x.H, x.Tq, x.Tk), .absent = !biased},
                   {.shape = HL_SHAPE(x.B), .dtype = HL_I32, .absent = true},
                   {.dtype = HL_I32, .absent = config->dropout.rate == 0}},
        .oracle = attention,
        .magnitude = sizes,
        .value = {.relative = weight + sum},
        .gradient = {.absolute = up * (error_ds + sum * most_dp),
                     .relative = 4 * error_ds / Dv + 1.8 * sqrt((double)repeats * Tq)},
        .samples = 8,
    };
}

static const hl_attention_config plain = {.score = {.mask = HL_MASK_NONE}};

START_TEST(AnyHeadSize) {
    size_t head_sizes[][2] = {{1, 1}, {5, 5}, {16, 16}, {40, 40}, {64, 64}, {80, 80}, {3, 17}, {64, 24}, {8, 1}};
    for (size_t i = 0; i < sizeof head_sizes / sizeof *head_sizes; i++) {
        op_case c = case_of((extents){1, 2, 33, 37, head_sizes[i][0], head_sizes[i][1]}, &plain, 1, false, 1);
        op_check(&c);
    }
}
END_TEST

START_TEST(AnyLengthAcrossTheLimitsOfBlocks) {
    size_t lengths[][2] = {{1, 1},    {1, 67},   {67, 1},    {5, 3},     {31, 33},   {32, 32},
                           {33, 31},  {64, 65},  {127, 129}, {128, 128}, {129, 127}, {130, 256},
                           {40, 257}, {257, 40}, {255, 255}, {3, 300},   {300, 3}};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        op_case c = case_of((extents){1, 1, lengths[i][0], lengths[i][1], 5, 3}, &plain, 1, false, 1);
        op_check(&c);
    }
}
END_TEST

START_TEST(ManyHeadsTakeWholeBlocks) {
    extents shapes[] = {{2, 4, 256, 256, 8, 8}, {1, 8, 270, 290, 3, 2}, {3, 3, 200, 70, 4, 6}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        op_case c = case_of(shapes[i], &plain, 1, false, 1);
        c.min_tiles = 8;
        c.samples = 2;
        op_check(&c);
    }
}
END_TEST

/* Several heads to a tile, and one head in many blocks. */
START_TEST(SmallShapesStillMakeEightTiles) {
    extents shapes[] = {{4, 6, 17, 17, 8, 8}, {1, 11, 9, 20, 4, 4}, {1, 1, 256, 64, 4, 4}, {8, 1, 5, 5, 16, 16}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        op_case c = case_of(shapes[i], &plain, 1, false, 1);
        c.min_tiles = 8;
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
        {.mask = HL_MASK_NONE, .scale = 0.3f},
    };
    size_t lengths[][2] = {{70, 70}, {45, 110}, {110, 45}, {1, 66}, {140, 140}};
    for (size_t m = 0; m < sizeof masks / sizeof *masks; m++)
        for (size_t i = 0; i < 2 * sizeof lengths / sizeof *lengths; i++) {
            hl_attention_config config = {.score = masks[m]};
            op_case c = case_of((extents){2, 1, lengths[i / 2][0], lengths[i / 2][1], 4, 3}, &config, 1, false, 1);
            int32_t given[] = {(int32_t)lengths[i / 2][1] - 7, 37};
            c.inputs[LENGTHS].absent = i % 2 == 0;
            c.inputs[LENGTHS].values = given;
            c.samples = 3;
            op_check(&c);
        }
}
END_TEST

START_TEST(ManyPiecesOfKeys) {
    hl_score_config masks[] = {{.mask = HL_MASK_NONE}, {.mask = HL_MASK_CAUSAL_WINDOW, .window = 600}};
    for (size_t i = 0; i < 2; i++) {
        hl_attention_config config = {.score = masks[i]};
        op_case c = case_of((extents){2, 1, 20, 1100, 3, 2}, &config, 1, false, 1);
        c.inputs[LENGTHS].absent = false;
        c.inputs[LENGTHS].values = (int32_t[]){1093, 530};
        c.samples = 3;
        op_check(&c);
    }
}
END_TEST

/* A window leaves few pairs of blocks, on both sides of the diagonal and away from it. */
START_TEST(NarrowWindowsOverManyBlocks) {
    size_t lengths[][2] = {{400, 400}, {170, 420}, {420, 170}};
    for (size_t i = 0; i < 6; i++) {
        hl_attention_config config = {
            .score = {.mask = i % 2 ? HL_MASK_WINDOW : HL_MASK_CAUSAL_WINDOW, .window = i < 3 ? 20 : 75}};
        op_case c = case_of((extents){1, 1, lengths[i / 2][0], lengths[i / 2][1], 2, 2}, &config, 1, false, 1);
        c.min_tiles = 5;
        c.samples = 4;
        op_check(&c);
    }
}
END_TEST

START_TEST(ABiasSpreadsAndHasAGradient) {
    hl_shape shapes[] = {HL_SHAPE(2, 3, 37, 70), HL_SHAPE(1, 3, 37, 70), HL_SHAPE(2, 1, 37, 70),
                         HL_SHAPE(2, 3, 1, 70),  HL_SHAPE(1, 1, 37, 70), HL_SHAPE(1, 1, 1, 70)};
    for (size_t i = 0; i < 2 * sizeof shapes / sizeof *shapes; i++) {
        hl_attention_config config = {.score = {.mask = i % 2 ? HL_MASK_CAUSAL_WINDOW : HL_MASK_NONE, .window = 30}};
        size_t repeats = 2 * 3 * 37 * 70 / hl_shape_elements(&shapes[i / 2]);
        op_case c = case_of((extents){2, 3, 37, 70, 6, 4}, &config, 1, true, repeats);
        c.inputs[BIAS].shape = shapes[i / 2];
        c.inputs[LENGTHS].absent = i % 2 == 0;
        c.inputs[LENGTHS].values = (int32_t[]){70, 51};
        c.samples = 10;
        op_check(&c);
    }
}
END_TEST

START_TEST(ABiasIsAddedAcrossBlocks) {
    size_t lengths[][2] = {{140, 600}, {300, 33}, {129, 129}};
    for (size_t i = 0; i < 3; i++) {
        hl_attention_config config = {.score = {.mask = HL_MASK_CAUSAL}};
        op_case c = case_of((extents){1, 2, lengths[i][0], lengths[i][1], 3, 3}, &config, 1, true, 2);
        c.inputs[BIAS].shape.extent[1] = 1;
        c.samples = 5;
        op_check(&c);
    }
}
END_TEST

typedef struct grouped {
    extents x;
    size_t Hk;
    hl_attention_config config;
    bool biased;
} grouped;

static op_case grouped_case(const grouped *g) {
    op_case c = case_of(g->x, &g->config, 1, g->biased, g->x.H / g->Hk);
    c.inputs[K].shape.extent[1] = c.inputs[V].shape.extent[1] = g->Hk;
    c.samples = 3;
    return c;
}

/* One key for all heads, for two, for odd groups; tiles whose heads end within a group (of 2 where a tile has 3, of 3
 * where it has 4), among them such that have no partner but open blocks. */
START_TEST(QueryHeadsShareKeysAndValues) {
    hl_score_config causal = {.mask = HL_MASK_CAUSAL}, window = {.mask = HL_MASK_WINDOW, .window = 10};
    hl_score_config both = {.mask = HL_MASK_CAUSAL_WINDOW, .window = 33};
    hl_dropout_config dropout = {.rate = 0.3f, .seed = 5};
    grouped cases[] = {
        {{2, 4, 37, 70, 6, 4}, 1, plain, false},
        {{2, 4, 130, 140, 5, 3}, 2, {.score = causal}, false},
        {{1, 9, 40, 33, 4, 6}, 3, {.score = window}, true},
        {{1, 5, 129, 300, 3, 2}, 1, {both, dropout}, false},
        {{4, 6, 17, 17, 8, 8}, 3, {.score = causal}, true},
        {{2, 6, 17, 200, 2, 2}, 2, {window, dropout}, false},
        {{2, 6, 200, 17, 2, 2}, 2, {.score = causal}, true},
        {{2, 6, 12, 140, 2, 2}, 3, {plain.score, dropout}, true},
    };
    int32_t step = 7;
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        const grouped *g = &cases[i / 2];
        op_case c = grouped_case(g);
        c.inputs[STEP].values = &step;
        c.inputs[LENGTHS].absent = i % 2 == 0;
        c.inputs[LENGTHS].values = (int32_t[]){(int32_t)g->x.Tk - 7, 11, 0, (int32_t)g->x.Tk};
        op_check(&c);
    }
}
END_TEST

/* Heads enough for backward tiles of several squares, the last of which may be short or missing. */
START_TEST(LargeTilesTakeAllTheirSquares) {
    hl_score_config causal = {.mask = HL_MASK_CAUSAL}, window = {.mask = HL_MASK_WINDOW, .window = 40};
    hl_dropout_config dropout = {.rate = 0.3f, .seed = 5};
    grouped cases[] = {
        {{2, 16, 150, 260, 1, 2}, 8, {window, dropout}, true},
        {{2, 8, 257, 130, 2, 1}, 8, {.score = causal}, false},
    };
    int32_t step = 7;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        op_case c = grouped_case(&cases[i]);
        c.inputs[STEP].values = &step;
        c.inputs[LENGTHS].absent = i > 0;
        c.inputs[LENGTHS].values = (int32_t[]){259, 131};
        c.samples = 1;
        op_check(&c);
    }
}
END_TEST

START_TEST(ABiasOfEveryShapeSpreadsOverGroups) {
    hl_shape shapes[] = {HL_SHAPE(1, 6, 37, 70), HL_SHAPE(2, 1, 37, 70), HL_SHAPE(2, 6, 1, 70), HL_SHAPE(1, 1, 1, 70)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        grouped g = {{2, 6, 37, 70, 4, 3}, 2, {.score = {.mask = HL_MASK_CAUSAL}}, true};
        op_case c = case_of(g.x, &g.config, 1, true, 2 * 6 * 37 * 70 / hl_shape_elements(&shapes[i]) * 3);
        c.inputs[K].shape.extent[1] = c.inputs[V].shape.extent[1] = g.Hk;
        c.inputs[BIAS].shape = shapes[i];
        c.samples = 4;
        op_check(&c);
    }
}
END_TEST

/* The chains of a group are no longer than they must be: a tile declares blocks of dk and dv where it computes, or
 * where it is the first to touch them, and nothing else. The first two blocks of queries stand before all keys. */
START_TEST(TilesThatNeitherWorkNorOpenTouchNothing) {
    enum { SDK = 10, SDV = 11, N = 14, H = 6, Tk = 500, Tq = Tk + 256, BLOCKS_K = 4, BLOCKS_Q = 6 };
    hl_attention_config config = {.score = {.mask = HL_MASK_CAUSAL}};
    hl_view q = {.dtype = HL_F32, .shape = HL_SHAPE(1, H, Tq, 8), .stride = {H * Tq * 8, Tq * 8, 8, 1}};
    hl_view k = {.dtype = HL_F32, .shape = HL_SHAPE(1, 2, Tk, 8), .stride = {2 * Tk * 8, Tk * 8, 8, 1}};
    hl_view d = {.dtype = HL_F32, .shape = HL_SHAPE(1, H, Tq), .stride = {H * Tq, Tq, 1}};
    hl_view rows = {.dtype = HL_F32, .shape = HL_SHAPE(1, H, 2, Tq), .stride = {H * 2 * Tq, 2 * Tq, Tq, 1}};
    hl_view rest = {.dtype = HL_F32, .shape = HL_SHAPE(1), .stride = {1}};
    hl_view operand[N] = {q, k, k, {0}, {0}, {0}, rows, q, d, q, k, k, {0}, rest};
    hl_call call = {.operand = operand, .n_reads = 9, .n_writes = 5, .options = &config};
    const hl_pass *pass = hl__operator(HL__OP_attention)->backward[1].pass;
    hl_grid grid = {{1, 1, 1, 1}};
    size_t n_works = 0, n_opens = 0;
    pass->grid(&call, &grid);
    ck_assert(grid.extent[1] == H && grid.extent[2] == BLOCKS_Q && grid.extent[3] == BLOCKS_Q); /* a head a tile */
    for (uint32_t e = 0; e < H * BLOCKS_Q * BLOCKS_Q; e++) {
        uint32_t h = e / BLOCKS_Q / BLOCKS_Q, t = e / BLOCKS_Q % BLOCKS_Q, c = e % BLOCKS_Q;
        hl_tile tile = {.index = {0, h, t, c}};
        hl_box boxes[N];
        for (size_t i = 0; i < N; i++) boxes[i] = hl__box_whole(&operand[i]);
        pass->access(&call, &tile, boxes);
        bool works = c < BLOCKS_K && (c + t) % BLOCKS_Q >= c + 2, opens = c < BLOCKS_K && t == 0 && h % 3 == 0;
        for (size_t i = SDK; i <= SDV; i++) {
            bool touched = boxes[i].begin[1] < boxes[i].end[1] && boxes[i].begin[2] < boxes[i].end[2];
            ck_assert_int_eq(touched, works || opens);
            if (touched) ck_assert(boxes[i].begin[1] == h / 3 && boxes[i].end[1] == h / 3 + 1);
        }
        n_works += works;
        n_opens += opens;
    }
    ck_assert_uint_eq(n_works, H * (4 + 3 + 2 + 1));
    ck_assert_uint_eq(n_opens, 2 * BLOCKS_K);
}
END_TEST

START_TEST(DropoutFollowsTheCounter) {
    extents shapes[] = {{2, 3, 20, 37, 4, 6}, {1, 2, 130, 70, 3, 3}, {1, 1, 33, 570, 4, 2}};
    int32_t steps[] = {0, 123456789, 5};
    for (size_t i = 0; i < 6; i++) {
        hl_attention_config config = {.score = {.mask = i % 2 ? HL_MASK_CAUSAL_WINDOW : HL_MASK_NONE, .window = 45},
                                      .dropout = {.rate = i < 4 ? 0.1f : 0.6f, .seed = 0x123456789abcdefu + i}};
        op_case c = case_of(shapes[i / 2], &config, 1, i % 2, 1);
        c.inputs[STEP].values = &steps[i / 2];
        c.samples = 6;
        op_check(&c);
    }
}
END_TEST

/* Bounds of 0: not small, but zero, although dO and a bias of any value stand there. */
START_TEST(QueriesThatSeeNoKeyGiveZeros) {
    hl_attention_config config = {.dropout = {.rate = 0.25f, .seed = 3}};
    int32_t step = 9;
    for (size_t i = 0; i < 4; i++) {
        op_case c = case_of((extents){2, 3, 40, i % 2 ? 70 : 33, 4, 5}, i < 2 ? &plain : &config, 1, true, 1);
        c.inputs[LENGTHS] = (op_input){.shape = HL_SHAPE(2), .dtype = HL_I32, .values = (int32_t[]){0, 0}};
        c.inputs[STEP].values = &step;
        c.value = c.gradient = (op_bound){0, 0};
        op_check(&c);
        c.inputs[K].shape.extent[1] = c.inputs[V].shape.extent[1] = 1;
        op_check(&c);
    }
}
END_TEST

/* The first 60 of 100 queries stand before all keys of a causal mask, and one sequence is empty. */
START_TEST(SomeQueriesSeeNoKey) {
    hl_mask masks[] = {HL_MASK_CAUSAL, HL_MASK_CAUSAL_WINDOW, HL_MASK_WINDOW};
    for (size_t i = 0; i < 3; i++) {
        hl_attention_config config = {.score = {.mask = masks[i], .window = 10}};
        op_case c = case_of((extents){3, 2, 100, 40, 5, 4}, &config, 1, i == 1, 1);
        c.inputs[LENGTHS] = (op_input){.shape = HL_SHAPE(3), .dtype = HL_I32, .values = (int32_t[]){40, 0, 17}};
        op_check(&c);
        grouped g = {{3, 6, 100, 40, 5, 4}, 2, config, i == 1};
        op_case shared = grouped_case(&g);
        shared.inputs[LENGTHS] = c.inputs[LENGTHS];
        op_check(&shared);
    }
}
END_TEST

static void attention_and_rows(const op_case *c, const double *const in[], double *const out[]) {
    const hl_score_config *config = &((const hl_attention_config *)c->options)->score;
    const size_t *q = c->inputs[Q].shape.extent;
    size_t planes = q[0] * q[1], Tq = q[2], Tk = c->inputs[K].shape.extent[2], numbers = in[BIAS] ? 3 : 2;
    double *s = malloc(planes * Tq * Tk * sizeof *s);
    ck_assert_ptr_nonnull(s);
    weighted_sum(c, in, out[0], false);
    oracle_scores(c, config, BIAS, LENGTHS, in, s);
    for (size_t row = 0; row < planes * Tq; row++) {
        double max = -INFINITY, base = -INFINITY, sum = 0;
        for (size_t j = 0; j < Tk; j++) {
            if (s[row * Tk + j] == -INFINITY) continue;
            max = fmax(max, s[row * Tk + j]);
            if (in[BIAS]) base = fmax(base, in[BIAS][row * Tk + j]);
        }
        for (size_t j = 0; j < Tk; j++) sum += max == -INFINITY ? 0 : exp(s[row * Tk + j] - max);
        double *numbers_i = out[1] + row / Tq * numbers * Tq + row % Tq;
        numbers_i[0] = max == -INFINITY ? INFINITY : (max - (in[BIAS] ? base : 0)) / log(2) - 0.5;
        numbers_i[Tq] = sum > 0 ? sum : 1;
        if (in[BIAS]) numbers_i[2 * Tq] = base == -INFINITY ? 0 : base;
    }
    free(s);
}

/* attention_weights reads them where a user looks at the weights: so they are compared here, as if they were a visible
 * output. Each is off by what a weight is, at most; what stands for no key is exact. */
START_TEST(MaximumAndSumOfARowAreSavedApart) {
    for (int i = 0; i < 2 * HL__N_ISAS; i++) {
        if (!hl__operator_for(HL__OP_attention, (hl__isa)(i / 2))) continue;
        hl_operator visible = *hl__operator_for(HL__OP_attention, (hl__isa)(i / 2));
        visible.n_saved = 0;
        hl_attention_config config = {.score = {.mask = HL_MASK_CAUSAL}};
        op_case c = case_of((extents){2, 2, 100, 70, 5, 4}, &config, 1, i % 2, 1);
        c.operator= & visible;
        c.oracle = attention_and_rows;
        c.magnitude = NULL;
        c.value = (op_bound){.absolute = 2 * c.value.relative, .relative = 1};
        c.absent_d_outputs = 1 << 1;
        c.inputs[LENGTHS] = (op_input){.shape = HL_SHAPE(2), .dtype = HL_I32, .values = (int32_t[]){61, 0}};
        op_check(&c);
    }
}
END_TEST

/* Whatever stands behind the length, and in the queries of a sequence that is empty. */
START_TEST(WhatIsBehindTheLengthDoesNotExist) {
    enum { N = 3 * 70 * 4 };
    static const float strange[] = {NAN, INFINITY, -INFINITY, 1e30f, -3e38f};
    static float q[N], k[N], v[N], bias[3 * 70];
    static const int32_t lengths[] = {41, 64, 0};
    for (size_t i = 0; i < N; i++) {
        size_t b = i / 4 / 70, j = i / 4 % 70;
        bool hidden = j >= (size_t)lengths[b];
        q[i] = b == 2 ? strange[i % 5] : sinf(5 * (float)i);
        k[i] = hidden ? strange[(i + 1) % 5] : sinf((float)i);
        v[i] = hidden ? strange[(i + 2) % 5] : cosf(3 * (float)i);
        if (i % 4 == 0) bias[i / 4] = hidden ? strange[j % 5] : cosf((float)i);
    }
    for (size_t i = 0; i < 2; i++) {
        op_case c = case_of((extents){3, 1, 70, 70, 4, 4}, &plain, 1, i, 70);
        c.inputs[Q].values = q;
        c.inputs[K].values = k;
        c.inputs[V].values = v;
        c.inputs[BIAS].shape = HL_SHAPE(3, 1, 1, 70);
        c.inputs[BIAS].values = bias;
        c.inputs[LENGTHS] = (op_input){.shape = HL_SHAPE(3), .dtype = HL_I32, .values = lengths};
        op_check(&c);
    }
}
END_TEST

/* exp(S) would be infinite from S = 89 on; the running maximum rises from piece to piece. */
START_TEST(LargeScoresDoNotOverflow) {
    size_t lengths[][2] = {{20, 40}, {40, 1100}};
    for (size_t i = 0; i < 2; i++) {
        hl_attention_config config = {.score = {.scale = 4}};
        op_case c = case_of((extents){1, 2, lengths[i][0], lengths[i][1], 6, 4}, &config, 25, false, 1);
        op_check(&c);
    }
}
END_TEST

START_TEST(StridedOperandsAreRead) {
    hl_layout layouts[] = {HL_LAYOUT_ROWS, HL_LAYOUT_ANY};
    for (size_t i = 0; i < 2; i++) {
        op_case c = case_of((extents){2, 2, 19, 35, 5, 7}, &plain, 1, true, 1);
        c.inputs[LENGTHS].absent = false;
        for (size_t input = Q; input <= LENGTHS; input++) c.inputs[input].layout = layouts[i];
        c.d_output_layout = layouts[i];
        op_check(&c);
    }
}
END_TEST

static op_case small_case(const hl_attention_config *config) {
    op_case c = case_of((extents){2, 3, 5, 7, 4, 6}, config, 1, true, 1);
    c.inputs[LENGTHS].absent = false;
    return c;
}

START_TEST(ShapesThatDoNotFitAreRefused) {
    struct {
        size_t input;
        hl_shape shape;
    } wrong[] = {
        {Q, HL_SHAPE(2, 3, 5, 3)},    {Q, HL_SHAPE(2, 2, 5, 4)},    {Q, HL_SHAPE(1, 3, 5, 4)},
        {Q, HL_SHAPE(6, 5, 4)},       {K, HL_SHAPE(2, 3, 6, 4)},    {V, HL_SHAPE(2, 3, 8, 6)},
        {V, HL_SHAPE(2, 4, 7, 6)},    {V, HL_SHAPE(6, 7, 6)},       {BIAS, HL_SHAPE(2, 3, 5, 1)},
        {BIAS, HL_SHAPE(2, 3, 4, 7)}, {BIAS, HL_SHAPE(2, 2, 5, 7)}, {BIAS, HL_SHAPE(5, 7)},
        {LENGTHS, HL_SHAPE(3)},       {LENGTHS, HL_SCALAR},         {LENGTHS, HL_SHAPE(2, 1)},
        {K, HL_SHAPE(2, 2, 7, 4)},    {K, HL_SHAPE(2, 1, 7, 4)},    {V, HL_SHAPE(2, 1, 7, 6)},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        op_case c = small_case(&plain);
        c.inputs[wrong[i].input].shape = wrong[i].shape;
        op_check_refused(&c, HL_SHAPE_MISMATCH);
    }
}
END_TEST

START_TEST(TypesThatDoNotFitAreRefused) {
    for (size_t input = Q; input <= LENGTHS; input++) {
        op_case c = small_case(&plain);
        c.inputs[input].dtype = input == LENGTHS ? HL_F32 : HL_I32;
        op_check_refused(&c, HL_TYPE_MISMATCH);
    }
    hl_attention_config config = {.dropout = {.rate = 0.5f}};
    op_case c = small_case(&config);
    c.inputs[STEP].dtype = HL_F32;
    op_check_refused(&c, HL_TYPE_MISMATCH);
    c.inputs[STEP] = (op_input){.dtype = HL_I32, .shape = HL_SHAPE(1)};
    op_check_refused(&c, HL_TYPE_MISMATCH);
}
END_TEST

START_TEST(OptionsThatAreNoneAreRefused) {
    struct {
        hl_attention_config config;
        hl_status status;
    } wrong[] = {
        {{.score = {.mask = (hl_mask)4}}, HL_INVALID_ARGUMENT},
        {{.score = {.mask = (hl_mask)-1}}, HL_INVALID_ARGUMENT},
        {{.score = {.mask = HL_MASK_WINDOW}}, HL_INVALID_ARGUMENT},
        {{.score = {.mask = HL_MASK_CAUSAL_WINDOW}}, HL_INVALID_ARGUMENT},
        {{.score = {.scale = NAN}}, HL_INVALID_ARGUMENT},
        {{.score = {.scale = INFINITY}}, HL_INVALID_ARGUMENT},
        {{.dropout = {.rate = 1}}, HL_OUT_OF_RANGE},
        {{.dropout = {.rate = -0.5f}}, HL_OUT_OF_RANGE},
        {{.dropout = {.rate = NAN}}, HL_OUT_OF_RANGE},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        op_case c = small_case(&wrong[i].config);
        op_check_refused(&c, wrong[i].status);
    }
    hl_attention_config dropping = {.dropout = {.rate = 0.5f}};
    op_case c = small_case(&dropping);
    c.inputs[STEP].absent = true;
    op_check_refused(&c, HL_INVALID_ARGUMENT);
}
END_TEST

int main(void) {
    return run_tests("attention",
                     TESTS(AnyHeadSize, AnyLengthAcrossTheLimitsOfBlocks, ManyHeadsTakeWholeBlocks,
                           SmallShapesStillMakeEightTiles, MasksHideKeysWhateverTheLengths, ManyPiecesOfKeys,
                           NarrowWindowsOverManyBlocks, ABiasSpreadsAndHasAGradient, ABiasIsAddedAcrossBlocks,
                           QueryHeadsShareKeysAndValues, LargeTilesTakeAllTheirSquares,
                           ABiasOfEveryShapeSpreadsOverGroups, TilesThatNeitherWorkNorOpenTouchNothing,
                           DropoutFollowsTheCounter, QueriesThatSeeNoKeyGiveZeros, SomeQueriesSeeNoKey,
                           MaximumAndSumOfARowAreSavedApart, WhatIsBehindTheLengthDoesNotExist,
                           LargeScoresDoNotOverflow, StridedOperandsAreRead, ShapesThatDoNotFitAreRefused,
                           TypesThatDoNotFitAreRefused, OptionsThatAreNoneAreRefused));
}
