/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Scores of queries against keys: scaled dot products (Vaswani et al. 2017, equation 1), with an additive bias and
 * masks.
 *
 *   forward:  S_i[j]    = scale * dot(q_i, k_j) + bias_i[j], -infinity where query i does not see key j
 *   backward: dq_i      = scale * sum_j dS_i[j] k_j        over the keys that query i sees, whatever dS holds elsewhere
 *             dk_j      = scale * sum_i dS_i[j] q_i      and over the heads of a group, in their order
 *             dbias_i[j] = sum of dS_i[j] over what the bias was spread over, in the order of b, h, i
 *
 *   q [B, H, Tq, D], k [B, Hk, Tk, D], bias [B or 1, H or 1, Tq or 1, Tk], lengths I32 [B]; S [B, H, Tq, Tk]
 *
 * H is a multiple of Hk: query head h uses key head h / (H / Hk) (grouped queries, Ainslie et al. 2023). Keys and
 * queries whose dS is 0 add nothing to a gradient, whatever they are (masked.h). */
#include <string.h>

#include "ops/kernels/masked.h"
#include "ops/kernels/score_rows.h"
#include "ops/op.h"

#define KEYS 128  /* of a tile of dk */
#define INNER 128 /* rows of dS that are transposed, or columns that are masked, at once */

/* ---- checks ---- */

static hl_status score_infer(hl_inference *inference) {
    return hl__check_scores(inference, inference->options, HL__SCORE_BIAS, HL__SCORE_LENGTHS, &inference->output[0]);
}

/* ---- forward ---- */

enum { FORWARD_S = HL__SCORE_LENGTHS + 1 };

static void forward_row(const hl_call *call, const hl__sight *sight, size_t b, size_t h, size_t i, float *s_i) {
    const hl_view *bias = &call->operand[HL__SCORE_BIAS];
    hl__range seen = hl__keys_seen(sight, i, i + 1);
    if (hl_view_present(bias))
        hl__add_bias(s_i + seen.begin, hl__bias_row(bias, b, h, i) + seen.begin, 0, 1, seen.end - seen.begin);
    hl__score_hide(seen, call->operand[HL__SCORE_K].shape.extent[2], s_i);
}

static void forward_kernel(const hl_call *call, const hl_tile *tile) {
    const hl__score_rows *x = &((const hl__score_plan *)call->plan)->x;
    hl__head_tile at = hl__head_tile_at(&x->tiles, tile);
    hl__sight sight = hl__score_sight(call, call->options, at.b);
    for (size_t h = at.h0; h < at.h1; h++) {
        float *s = hl__head_row(&call->operand[FORWARD_S], at.b, h, at.r0);
        hl__score_products(call, &at, &sight, hl__score_scale(call->options, x->D), h, tile->scratch, s);
        for (size_t i = at.r0; i < at.r1; i++, s += x->Tk) forward_row(call, &sight, at.b, h, i, s);
    }
}

static void forward_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl__score_rows x = hl__score_rows_of(call);
    hl__head_tile at = hl__head_tile_at(&x.tiles, tile);
    hl__score_boxes(call, &at, boxes);
    hl__box_heads(&boxes[FORWARD_S], at.b, at.h0, at.h1, at.r0, at.r1);
}

static const hl_pass forward_pass = {
    .name = "forward",
    .grid = hl__score_grid,
    .access = forward_access,
    .cost = hl__score_cost,
    .scratch = hl__score_scratch,
    .plan_bytes = sizeof(hl__score_plan),
    .prepare = hl__score_prepare,
    .kernel = forward_kernel,
};

/* ---- backward: dq and dk ---- */

/* Both passes read dS, the other operand of the product and the lengths, and write the gradient. */
enum product_operand { DS, OTHER, PRODUCT_LENGTHS, RESULT };

typedef struct product {
    hl__head_tiles tiles;      /* of the gradient's rows */
    bool of_keys;              /* dk, not dq */
    size_t group;              /* query heads that share a key head */
    size_t Tq, Tk, D, n_inner; /* rows of the other operand */
} product;

static product product_of(const hl_call *call, bool of_keys) {
    const hl_shape *s = &call->operand[DS].shape, *other = &call->operand[OTHER].shape;
    product x = {
        .of_keys = of_keys, .Tq = s->extent[2], .Tk = s->extent[3], .D = other->extent[3], .n_inner = other->extent[2]};
    x.group = hl__group(&call->operand[of_keys ? RESULT : OTHER], s->extent[1]);
    double row_work = 2.0 * (double)x.n_inner * (double)x.D * (double)(of_keys ? x.group : 1);
    x.tiles = hl__head_tiles_of(&call->operand[RESULT].shape, KEYS, row_work);
    return x;
}

typedef struct product_plan {
    product x;
    hl__gemm gemm[2][2]; /* full and last blocks of rows; of inner extent INNER, and the rest */
} product_plan;

static hl_status prepare_product(const hl_call *call, void *data, bool of_keys) {
    product_plan *plan = data;
    product x = plan->x = product_of(call, of_keys);
    for (size_t i = 0; i < 4; i++) {
        hl__gemm_shape shape = {.m = hl__block_rows(x.tiles.T, x.tiles.block, i / 2),
                                .n = x.D,
                                .k = hl__block_rows(x.n_inner, INNER, i % 2),
                                .lda = INNER,
                                .ldb = x.D,
                                .ldc = x.D,
                                .kind = HL__GEMM_ATTENTION_BACKWARD,
                                .accumulate = true};
        hl_status status = hl__gemm_prepare(call->code, &shape, &plan->gemm[i / 2][i % 2]);
        if (status != HL_OK) return status;
    }
    return HL_OK;
}

/* A block of dS, its transpose, and the finite numbers of the other operand. */
static size_t product_scratch(const hl_call *call) {
    return (2 * INNER * INNER + INNER * call->operand[OTHER].shape.extent[3]) * sizeof(float);
}

/* to[i][j] = scale * dS[i][j] of the head for i0 <= i < i1, j0 <= j < j1, and 0 where i does not see j. */
static void copy_seen(const float *ds, size_t Tk, const hl__sight *sight, const hl__range *i, const hl__range *j,
                      float scale, float *to) {
    for (size_t row = i->begin; row < i->end; row++, to += INNER) {
        const float *ds_i = ds + row * Tk + j->begin;
        hl__range seen = hl__keys_seen(sight, row, row + 1);
        size_t n = j->end - j->begin, begin = hl__min(hl__max(seen.begin, j->begin) - j->begin, n);
        size_t end = hl__max(begin, hl__min(hl__max(seen.end, j->begin) - j->begin, n));
        for (size_t c = 0; c < begin; c++) to[c] = 0;
        for (size_t c = begin; c < end; c++) to[c] = scale * ds_i[c];
        for (size_t c = end; c < n; c++) to[c] = 0;
    }
}

/* result += the share of query head h in the rows of a tile. */
static void add_head(const hl_call *call, const hl__head_tile *at, size_t h, float *ds, float *result) {
    const product_plan *plan = call->plan;
    const product *x = &plan->x;
    const hl_view *operand = call->operand;
    float *dst = ds + INNER * INNER, *clean = dst + INNER * INNER, scale = hl__score_scale(call->options, x->D);
    hl__sight sight = hl__sight_of(call->options, x->Tq, x->Tk, hl__length(&operand[PRODUCT_LENGTHS], at->b, x->Tk));
    const float *other = hl__head_row(&operand[OTHER], at->b, x->of_keys ? h : h / x->group, 0);
    hl__range outer = {at->r0, at->r1};
    for (size_t n0 = 0; n0 < x->n_inner; n0 += INNER) {
        hl__range inner = {n0, hl__min(n0 + INNER, x->n_inner)};
        const hl__range *i = x->of_keys ? &inner : &outer, *j = x->of_keys ? &outer : &inner;
        hl__range seen = hl__keys_seen(&sight, i->begin, i->end);
        if (seen.end <= j->begin || seen.begin >= j->end) continue;
        copy_seen(hl__head_row(&operand[DS], at->b, h, 0), x->Tk, &sight, i, j, scale, ds);
        if (x->of_keys) hl__transpose_block(ds, INNER, i->end - i->begin, j->end - j->begin, dst, INNER);
        size_t last = inner.end == x->n_inner && x->n_inner > INNER ? 1 : 0, n = inner.end - n0;
        const float *a = x->of_keys ? dst : ds, *b = other + n0 * x->D;
        bool finite = hl__all_finite(b, n * x->D);
        if (!finite) hl__copy_finite(b, n * x->D, clean);
        hl__gemm_run(&plan->gemm[at->last][last], a, finite ? b : clean, result);
        if (!finite) hl__add_product_not_finite(a, INNER, at->r1 - at->r0, n, b, x->D, result);
    }
}

static void product_kernel(const hl_call *call, const hl_tile *tile) {
    const product *x = &((const product_plan *)call->plan)->x;
    hl__head_tile at = hl__head_tile_at(&x->tiles, tile);
    size_t summed = x->of_keys ? x->group : 1;
    for (size_t h = at.h0; h < at.h1; h++) {
        float *result = hl__head_row(&call->operand[RESULT], at.b, h, at.r0);
        memset(result, 0, (at.r1 - at.r0) * x->D * sizeof *result);
        for (size_t s = h * summed; s < (h + 1) * summed; s++) add_head(call, &at, s, tile->scratch, result);
    }
}

static void product_access(const hl_call *call, const hl_tile *tile, hl_box *boxes, bool of_keys) {
    product x = product_of(call, of_keys);
    hl__head_tile at = hl__head_tile_at(&x.tiles, tile);
    size_t summed = of_keys ? x.group : 1;
    hl__box_heads(&boxes[DS], at.b, at.h0 * summed, at.h1 * summed, 0, x.Tq);
    boxes[DS].begin[of_keys ? 3 : 2] = at.r0;
    boxes[DS].end[of_keys ? 3 : 2] = at.r1;
    hl__box_heads(&boxes[OTHER], at.b, at.h0 * summed, at.h1 * summed, 0, x.n_inner);
    if (!of_keys) hl__box_share(&boxes[OTHER], &call->operand[OTHER], x.tiles.H);
    hl__box_batch(&boxes[PRODUCT_LENGTHS], &call->operand[PRODUCT_LENGTHS], at.b);
    hl__box_heads(&boxes[RESULT], at.b, at.h0, at.h1, at.r0, at.r1);
}

static hl_cost product_cost(const hl_call *call, const hl_tile *tile, bool of_keys) {
    product x = product_of(call, of_keys);
    hl__head_tile at = hl__head_tile_at(&x.tiles, tile);
    double heads = (double)((at.h1 - at.h0) * (of_keys ? x.group : 1)), rows = (double)(at.r1 - at.r0);
    double inner = (double)x.n_inner, D = (double)x.D;
    return (hl_cost){.flops = heads * 2 * rows * inner * D,
                     .bytes = heads * sizeof(float) * (rows * inner + (rows + inner) * D)};
}

static void dq_grid(const hl_call *call, hl_grid *grid) {
    product x = product_of(call, false);
    *grid = hl__head_tiles_grid(&x.tiles);
}

static void dq_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    product_access(call, tile, boxes, false);
}

static hl_cost dq_cost(const hl_call *call, const hl_tile *tile) { return product_cost(call, tile, false); }
static hl_status dq_prepare(const hl_call *call, void *plan) { return prepare_product(call, plan, false); }

static const hl_pass dq_pass = {
    .name = "dq",
    .grid = dq_grid,
    .access = dq_access,
    .cost = dq_cost,
    .scratch = product_scratch,
    .plan_bytes = sizeof(product_plan),
    .prepare = dq_prepare,
    .kernel = product_kernel,
};

static void dk_grid(const hl_call *call, hl_grid *grid) {
    product x = product_of(call, true);
    *grid = hl__head_tiles_grid(&x.tiles);
}

static void dk_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    product_access(call, tile, boxes, true);
}

static hl_cost dk_cost(const hl_call *call, const hl_tile *tile) { return product_cost(call, tile, true); }
static hl_status dk_prepare(const hl_call *call, void *plan) { return prepare_product(call, plan, true); }

static const hl_pass dk_pass = {
    .name = "dk",
    .grid = dk_grid,
    .access = dk_access,
    .cost = dk_cost,
    .scratch = product_scratch,
    .plan_bytes = sizeof(product_plan),
    .prepare = dk_prepare,
    .kernel = product_kernel,
};

/* ---- backward: dbias ---- */

enum bias_operand { BIAS_DS, BIAS_LENGTHS, DBIAS };

/* Tiles of dbias itself: everything that an element is spread over is added up within one tile. */
static void dbias_grid(const hl_call *call, hl_grid *grid) {
    hl__cut cut = hl__cut_rows(&call->operand[DBIAS].shape, 1);
    grid->extent[0] = cut.n_tiles;
}

/* The rows of dS that are added up into the rows of a box of dbias. */
static hl_box bias_sources(const hl_call *call, const hl_box *box) {
    hl_box source = *box;
    for (size_t axis = 0; axis < 3; axis++) {
        if (call->operand[DBIAS].shape.extent[axis] != 1) continue;
        source.begin[axis] = 0;
        source.end[axis] = call->operand[BIAS_DS].shape.extent[axis];
    }
    return source;
}

static void dbias_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    hl__cut cut = hl__cut_rows(&call->operand[DBIAS].shape, 1);
    boxes[DBIAS] = hl__cut_box(&cut, &call->operand[DBIAS].shape, tile->index[0]);
    boxes[BIAS_DS] = bias_sources(call, &boxes[DBIAS]);
    if (!hl_view_present(&call->operand[BIAS_LENGTHS])) return;
    boxes[BIAS_LENGTHS].begin[0] = boxes[BIAS_DS].begin[0];
    boxes[BIAS_LENGTHS].end[0] = boxes[BIAS_DS].end[0];
}

/* What the sums of a tile's rows have lost so far: each number may be the sum of all rows of scores. */
static size_t dbias_scratch(const hl_call *call) {
    hl__cut cut = hl__cut_rows(&call->operand[DBIAS].shape, 1);
    return cut.block[0] * cut.block[1] * cut.block[2] * cut.block[3] * sizeof(float);
}

static void dbias_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *ds = &call->operand[BIAS_DS], *lengths = &call->operand[BIAS_LENGTHS];
    const hl_view *dbias = &call->operand[DBIAS];
    size_t Tq = ds->shape.extent[2], Tk = ds->shape.extent[3], index[HL_MAX_RANK] = {0};
    hl__cut cut = hl__cut_rows(&dbias->shape, 1);
    hl_box box = hl__cut_box(&cut, &dbias->shape, tile->index[0]), source = bias_sources(call, &box);
    float *rest = tile->scratch, *first = hl__f32(dbias) + hl__offset(dbias, box.begin);
    memset(rest, 0, hl__box_elements(&box, 4) * sizeof *rest);
    for (bool started = false; hl__next_row(&box, 4, index, &started);)
        memset(hl__f32(dbias) + hl__offset(dbias, index), 0, Tk * sizeof(float));
    for (bool started = false; hl__next_row(&source, 4, index, &started);) {
        hl__sight sight = hl__sight_of(call->options, Tq, Tk, hl__length(lengths, index[0], Tk));
        hl__range seen = hl__keys_seen(&sight, index[2], index[2] + 1);
        const float *ds_i = hl__f32(ds) + hl__offset(ds, index);
        float *db_i = hl__bias_row(dbias, index[0], index[1], index[2]);
        hl__row_add_kept(db_i + seen.begin, rest + (db_i - first) + seen.begin, ds_i + seen.begin,
                         seen.end - seen.begin);
    }
}

static const hl_pass dbias_pass = {.name = "dbias",
                                   .grid = dbias_grid,
                                   .access = dbias_access,
                                   .scratch = dbias_scratch,
                                   .kernel = dbias_kernel,
                                   .background = true};

/* ---- descriptor ---- */

HL__DEFINE_OPERATOR(score) = {
    .name = "score",
    .min_inputs = 2,
    .max_inputs = 4,
    .optional = 1 << HL__SCORE_BIAS | 1 << HL__SCORE_LENGTHS,
    .n_outputs = 1,
    .options_bytes = sizeof(hl_score_config),
    .infer = score_infer,
    .forward = {{.pass = &forward_pass, .reads = {HL_IN(0), HL_IN(1), HL_IN(2), HL_IN(3)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &dq_pass, .reads = {HL_DOUT(0), HL_IN(1), HL_IN(3)}, .writes = {HL_DIN(0)}},
                 {.pass = &dk_pass, .reads = {HL_DOUT(0), HL_IN(0), HL_IN(3)}, .writes = {HL_DIN(1)}},
                 {.pass = &dbias_pass, .reads = {HL_DOUT(0), HL_IN(3)}, .writes = {HL_DIN(2)}}},
};
