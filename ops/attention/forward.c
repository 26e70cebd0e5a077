/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fused attention: FlashAttention-2 (Dao, "FlashAttention-2: faster attention with better parallelism and work
 * partitioning", 2023). Scores and weights are never stored, only what each row of scores is relative to.
 *
 *   S_i[j] = scale * dot(q_i, k_j) + bias_i[j] - base_i, -infinity where query i does not see key j
 *   P_i[j] = exp(S_i[j] - m_i) / l_i,  m_i = max_j S_i[j], l_i = sum_j exp(S_i[j] - m_i)
 *   o_i    = sum_j P_i[j] M_i[j] v_j, M the dropout factors: 0 or 1 / (1 - rate)
 *
 *   q [B, H, Tq, D], k [B, Hk, Tk, D], v [B, Hk, Tk, Dv], bias [B or 1, H or 1, Tq or 1, Tk], lengths I32 [B],
 *   step I32 []; o [B, H, Tq, Dv], rows [B, H, 2, Tq], or [B, H, 3, Tq] with a bias
 *
 * H is a multiple of Hk: query head h uses key and value head h / (H / Hk) (grouped queries, Ainslie et al. 2023).
 *
 * Saved of each row are m and l, and base, the largest bias that the query sees: apart, since one number for all of
 * them, the log-sum-exp, rounds away log l where scores are large. A query that sees no key has m = +infinity and
 * l = 1, so that P = 0 without a special case, and o = 0.
 *
 * A pair of query and key does not exist where a mask or the length hides it, or where its bias is -infinity: whatever
 * stands there reaches nothing (masked.h).
 *
 * A forward tile takes a block of queries past all keys, a piece of them at a time, with a running maximum m and sum l
 * of each row. A piece is transposed once; then come the queries, a stripe at a time, so that scores are still in the
 * first-level cache when they become weights and meet the values. Scores are kept in units of ln 2, and m is less by a
 * half: exponentials to the base 2, of numbers that a half has been taken from, are cheaper. m - 1/2 may be rounded, as
 * all of a row is relative to what it is rounded to. The backward tiles, in backward.c, make the same scores,
 * bit for bit. */
#include "ops/attention/attention.h"
#include "ops/kernels/masked.h"
#include "ops/kernels/random.h"
#include "ops/kernels/score_mask.h"
#include "ops/kernels/score_tiles.h"
#include "ops/kernels/vector.h"
#include "ops/op.h"

#define MOST_QUERIES 256
#define LEAST_STRIPE 16
#define PIECE_FLOATS 32768 /* of the keys of a piece, which stay in the second-level cache, transposed */
#define STRIPE_FLOATS 8192 /* of the scores of a stripe, which stay in the first-level one */

enum forward_operand { Q, K, V, BIAS, LENGTHS, STEP, O, ROWS };

/* ---- checks ---- */

static hl_status attention_infer(hl_inference *inference) {
    const hl_attention_config *config = inference->options;
    const hl_view *k = &inference->input[K], *v = &inference->input[V];
    hl_shape scores;
    hl_status status = hl__check_scores(inference, &config->score, BIAS, LENGTHS, &scores);
    if (status == HL_OK) status = hl__check_batches(inference, "key", k, "value", v);
    if (status != HL_OK) return status;
    if (k->shape.extent[1] != v->shape.extent[1])
        return hl__refuse_pair(inference, "the numbers of heads differ", "key", k, "value", v);
    if (k->shape.extent[2] != v->shape.extent[2])
        return hl__refuse_pair(inference, "the numbers of keys and values differ", "key", k, "value", v);
    status = hl__check_dropout(inference, &config->dropout, STEP);
    if (status != HL_OK) return status;
    inference->output[0] = scores;
    inference->output[0].extent[3] = v->shape.extent[3];
    inference->output[1] = hl__row_numbers(&scores, hl__optional_input(inference, BIAS) != NULL);
    inference->temp[0] = HL_SHAPE(scores.extent[0], scores.extent[1], scores.extent[2]);
    const hl_view *bias = hl__optional_input(inference, BIAS);
    inference->temp[1] = bias ? hl__attention_bias_rests(&bias->shape, &scores) : HL_SHAPE(1);
    return HL_OK;
}

/* ---- forward ---- */

typedef struct geometry {
    hl__head_tiles tiles; /* of queries */
    size_t H, Tq, Tk, D, Dv;
    size_t block_k; /* keys of a piece */
    size_t stripe;  /* queries */
} geometry;

static geometry geometry_of(const hl_call *call) {
    const hl_shape *q = &call->operand[Q].shape, *v = &call->operand[V].shape;
    geometry g = {.H = q->extent[1], .Tq = q->extent[2], .Tk = v->extent[2], .D = q->extent[3], .Dv = v->extent[3]};
    g.tiles = hl__head_tiles_of(q, MOST_QUERIES, 2.0 * (double)g.Tk * (double)(g.D + g.Dv));
    size_t keys = PIECE_FLOATS / hl__max(g.D, 1) / HL__KEY_STEP * HL__KEY_STEP;
    g.block_k = hl__even_block(g.Tk, hl__max(HL__KEY_STEP, hl__min(keys, HL__MAX_KEYS)));
    size_t rows = hl__max(LEAST_STRIPE, STRIPE_FLOATS / g.block_k / LEAST_STRIPE * LEAST_STRIPE);
    g.stripe = hl__min(g.tiles.block, rows);
    return g;
}

static const hl_attention_config *config_of(const hl_call *call) { return call->options; }

typedef struct forward_plan {
    geometry g;
    /* products of a full stripe, of what is left of a full block and of the last one, by number of keys */
    hl__gemm score[3][HL__KEY_SIZES];
    hl__gemm first[3][HL__KEY_SIZES], next[3][HL__KEY_SIZES]; /* with the values: the first piece, a later one */
} forward_plan;

/* Keys of the piece that begins at j, where the tile sees no key from `end` on. */
static size_t piece_keys(const geometry *g, size_t j, size_t end) {
    return hl__min(hl__min(g->block_k, hl__round_up(end - j, HL__KEY_STEP)), g->Tk - j);
}

/* The keys that a tile walks over, from a multiple of the step. None stay none: a window that begins behind the length
 * would else reach for keys that the tile does not declare. */
static hl__range walk_of(const hl__sight *sight, size_t i0, size_t i1) {
    hl__range seen = hl__keys_seen(sight, i0, i1);
    if (hl__range_empty(seen)) return seen;
    return (hl__range){seen.begin - seen.begin % HL__KEY_STEP, seen.end};
}

/* A stripe of queries at one piece of keys. */
typedef struct stripe {
    size_t r0, r1;  /* rows of the tile */
    hl__range keys; /* of the piece: those worth computing */
    bool first;     /* no earlier piece has any */
} stripe;

/* The stripe from row r0 of a tile of queries i0 .. i1 - 1 at keys j .. j + n - 1. */
static stripe stripe_at(const geometry *g, const hl__sight *sight, size_t i0, size_t i1, size_t r0, size_t j,
                        size_t n) {
    stripe at = {.r0 = r0, .r1 = hl__min(r0 + g->stripe, i1 - i0)};
    hl__range seen = hl__keys_seen(sight, i0 + at.r0, i0 + at.r1);
    at.keys = hl__clip_keys(seen, j, j + n);
    at.first = seen.begin >= j;
    return at;
}

/* Queries of a full stripe, of what is left of a full block, and of what is left of the last one. */
static size_t stripe_rows(const geometry *g, size_t which) {
    return which == 0 ? g->stripe : hl__block_rows(g->Tq, g->tiles.block, which - 1) % g->stripe;
}

/* Marks the numbers of keys that can occur: all that end on steps or with the last key where lengths are given, else
 * those that the mask leads to. */
static void key_sizes(const hl_call *call, const geometry *g, bool wanted[HL__KEY_SIZES]) {
    size_t most = hl__min(g->block_k, g->Tk);
    for (size_t n = 1; hl_view_present(&call->operand[LENGTHS]) && n <= most; n++)
        if (n % HL__KEY_STEP == 0 || n % HL__KEY_STEP == g->Tk % HL__KEY_STEP) wanted[hl__key_size(n)] = true;
    hl__sight sight = hl__sight_of(&config_of(call)->score, g->Tq, g->Tk, g->Tk);
    for (size_t i0 = 0; i0 < g->Tq; i0 += g->tiles.block) {
        size_t i1 = hl__min(i0 + g->tiles.block, g->Tq);
        hl__range keys = walk_of(&sight, i0, i1);
        for (size_t j = keys.begin, n; j < keys.end; j += n) {
            n = piece_keys(g, j, keys.end);
            for (size_t r0 = 0; r0 < i1 - i0; r0 += g->stripe) {
                hl__range seen = stripe_at(g, &sight, i0, i1, r0, j, n).keys;
                if (!hl__range_empty(seen)) wanted[hl__key_size(seen.end - seen.begin)] = true;
            }
        }
    }
}

static hl_status forward_prepare(const hl_call *call, void *data) {
    forward_plan *plan = data;
    plan->g = geometry_of(call);
    const geometry *g = &plan->g;
    bool wanted[HL__KEY_SIZES] = {false};
    key_sizes(call, g, wanted);
    for (size_t size = 0; size < HL__KEY_SIZES; size++)
        for (size_t which = 0; which < 3 && wanted[size]; which++) {
            size_t rows = stripe_rows(g, which), n = hl__keys_of_size(size, g->Tk);
            if (rows == 0) continue;
            hl__gemm_shape score = {.m = rows,
                                    .n = n,
                                    .k = g->D,
                                    .lda = g->D,
                                    .ldb = g->block_k,
                                    .ldc = g->block_k,
                                    .kind = HL__GEMM_ATTENTION};
            hl__gemm_shape first = {.m = rows,
                                    .n = g->Dv,
                                    .k = n,
                                    .lda = g->block_k,
                                    .ldb = g->Dv,
                                    .ldc = g->Dv,
                                    .kind = HL__GEMM_ATTENTION};
            hl__gemm_shape next = first;
            next.accumulate = true;
            hl_status status = hl__gemm_prepare(call->code, &score, &plan->score[which][size]);
            if (status == HL_OK) status = hl__gemm_prepare(call->code, &first, &plan->first[which][size]);
            if (status == HL_OK) status = hl__gemm_prepare(call->code, &next, &plan->next[which][size]);
            if (status != HL_OK) return status;
        }
    return HL_OK;
}

static void forward_grid(const hl_call *call, hl_grid *grid) {
    geometry g = geometry_of(call);
    *grid = hl__head_tiles_grid(&g.tiles);
}

/* One head's share of a tile. */
typedef struct share {
    const hl_call *call;
    const geometry *g;
    hl__sight sight;
    hl__dropout dropout;
    bool drops, biased;
    size_t b, h, i0, i1, last;
    float *q, *kt, *s;   /* scaled queries [rows][D], keys [D][block_k], scores [stripe][block_k] */
    float *m, *l, *base; /* of each row */
    float *v;            /* the finite values of a piece [block_k][Dv] */
    uint32_t *words;     /* of one row's dropout */
} share;

static size_t forward_floats(const geometry *g, share *at, float *base) {
    size_t rows = hl__round_up(g->tiles.block, HL__LANES), used = 0;
    size_t sizes[] = {rows * g->D, g->D * g->block_k,  g->stripe * g->block_k,           rows, rows,
                      rows,        g->block_k * g->Dv, hl__dropout_row_words(g->block_k)};
    float *words, **parts[] = {&at->q, &at->kt, &at->s, &at->m, &at->l, &at->base, &at->v, &words};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        *parts[i] = base ? base + used : NULL;
        used += hl__round_up(sizes[i], HL__LANES);
    }
    at->words = (uint32_t *)words;
    return used;
}

static size_t forward_scratch(const hl_call *call) {
    geometry g = geometry_of(call);
    share at;
    return forward_floats(&g, &at, NULL) * sizeof(float);
}

/* Adds the bias and hides what row i does not see; s_i covers keys j0 .. j0 + n - 1 and padding up to whole vectors. */
static void finish_scores(const share *at, size_t i, size_t j0, size_t n, bool sees_all, float *s_i) {
    if (at->biased)
        hl__add_bias(s_i, hl__bias_row(&at->call->operand[BIAS], at->b, at->h, i) + j0, at->base[i - at->i0],
                     HL__LOG2_E, n);
    hl__range seen = {j0, j0 + n};
    if (!sees_all) seen = hl__keys_seen(&at->sight, i, i + 1);
    size_t begin = hl__min(hl__max(seen.begin, j0) - j0, n), end = hl__min(hl__max(seen.end, j0) - j0, n);
    for (size_t j = 0; j < begin; j++) s_i[j] = -INFINITY;
    for (size_t j = end; j < hl__round_up(n, HL__LANES); j++) s_i[j] = -INFINITY;
}

static float row_max(const float *s_i, size_t n) {
    hl__floats most = hl__splat(-INFINITY);
    for (size_t j = 0; j < n; j += HL__LANES) most = hl__larger(most, hl__load(s_i + j));
    return hl__max_lanes(most);
}

/* s_i becomes 2^(s_i - shift - 1/2), without what is dropped; returns the sum with it. words may be NULL. */
static float row_exp(float *s_i, size_t n, float shift, const hl__dropout *dropout, const uint32_t *words) {
    hl__floats sum = hl__splat(0), by = hl__splat(shift);
    for (size_t j = 0; j < n; j += HL__LANES) {
        hl__floats p = hl__exp2_half(hl__load(s_i + j) - by);
        sum += p;
        if (words) p *= hl__dropout_factors(dropout, hl__dropout_words(words, j), hl__dropout_upper(j));
        hl__store(s_i + j, p);
    }
    return hl__sum_lanes(sum);
}

/* Turns the scores of a stripe into weights under the new maximum, and what was summed so far too. */
static void soften(const share *at, const stripe *part) {
    const geometry *g = at->g;
    size_t j0 = part->keys.begin, n = part->keys.end - j0;
    bool sees_all = hl__sees_all(&at->sight, at->i0 + part->r0, at->i0 + part->r1, j0, part->keys.end);
    for (size_t r0 = part->r0; r0 < part->r1; r0 += HL__LANES) {
        size_t some = hl__min(HL__LANES, part->r1 - r0);
        float *s = at->s + (r0 - part->r0) * g->block_k;
        float most[HL__LANES] = {0}, shift[HL__LANES], fade[HL__LANES];
        for (size_t r = 0; r < some; r++) {
            float *s_i = s + r * g->block_k;
            finish_scores(at, at->i0 + r0 + r, j0, n, sees_all, s_i);
            most[r] = row_max(s_i, n);
        }
        hl__floats old = hl__load(at->m + r0), now = hl__larger(old, hl__load(most));
        hl__floats finite =
            hl__select(now == hl__splat(-INFINITY), hl__splat(0), now); /* nothing seen yet: exp(-inf) */
        hl__store(shift, finite - 0.5f);
        hl__store(fade, hl__exp2_half((old - 0.5f) - (finite - 0.5f) + 0.5f));
        hl__store(at->m + r0, now);
        for (size_t r = 0; r < some; r++) {
            float *s_i = s + r * g->block_k, *o_i;
            if (at->drops)
                hl__dropout_row(&at->dropout, (uint32_t)(at->b * g->H + at->h), at->i0 + r0 + r, j0, n, at->words);
            float sum = row_exp(s_i, n, shift[r], &at->dropout, at->drops ? at->words : NULL);
            at->l[r0 + r] = at->l[r0 + r] * fade[r] + sum;
            if (part->first || fade[r] == 1) continue;
            o_i = hl__head_row(&at->call->operand[O], at->b, at->h, at->i0 + r0 + r);
            for (size_t d = 0; d < g->Dv; d++) o_i[d] *= fade[r];
        }
    }
}

/* o_i / l_i, and what is saved of the rows. */
static void finish_rows(const share *at) {
    const geometry *g = at->g;
    const hl_view *saved = &at->call->operand[ROWS];
    size_t rows = at->i1 - at->i0;
    float *m = hl__row_number(saved, at->b, at->h, HL__ROW_SHIFT) + at->i0;
    float *l = hl__row_number(saved, at->b, at->h, HL__ROW_SUM) + at->i0;
    for (size_t r0 = 0; r0 < rows; r0 += HL__LANES) {
        size_t some = hl__min(HL__LANES, rows - r0);
        hl__floats sum = hl__load(at->l + r0);
        hl__ints none = sum == 0.0f;
        hl__store_some(m + r0, hl__select(none, hl__splat(INFINITY), hl__load(at->m + r0) - 0.5f), some);
        hl__store_some(l + r0, hl__select(none, hl__splat(1), sum), some);
    }
    if (at->biased) memcpy(hl__row_number(saved, at->b, at->h, HL__ROW_BASE) + at->i0, at->base, rows * sizeof(float));
    for (size_t r = 0; r < rows; r++) {
        float *o_i = hl__head_row(&at->call->operand[O], at->b, at->h, at->i0 + r), factor = 1 / l[r];
        for (size_t d = 0; d < g->Dv; d++) o_i[d] *= factor;
    }
}

/* Values that are not finite, which the product with a stripe's weights has left out, for the queries that see them. v:
 * from the first key of the stripe on. */
static void add_not_finite(const share *at, const stripe *part, const float *v) {
    const geometry *g = at->g;
    for (size_t r = part->r0; r < part->r1; r++) {
        size_t i = at->i0 + r;
        float *o_i = hl__head_row(&at->call->operand[O], at->b, at->h, i);
        const float *p_i = at->s + (r - part->r0) * g->block_k - part->keys.begin, *v_0 = v - part->keys.begin * g->Dv;
        const float *bias_i = at->biased ? hl__bias_row(&at->call->operand[BIAS], at->b, at->h, i) : NULL;
        hl__range seen = hl__keys_seen(&at->sight, i, i + 1);
        for (size_t j = hl__max(seen.begin, part->keys.begin); j < hl__min(seen.end, part->keys.end); j++)
            if (!bias_i || bias_i[j] != -INFINITY) hl__add_not_finite(o_i, p_i[j], v_0 + j * g->Dv, g->Dv);
    }
}

/* A stripe meets a piece of keys and values, both from key j on. strange: the values again, where some of them are not
 * finite, which v is without; else NULL. */
static void attend_stripe(const forward_plan *plan, const share *at, const stripe *part, size_t j, const float *v,
                          const float *strange) {
    const geometry *g = at->g;
    size_t rows = part->r1 - part->r0, which = rows == g->stripe ? 0 : 1 + at->last;
    size_t size = hl__key_size(part->keys.end - part->keys.begin), behind = part->keys.begin - j;
    const hl__gemm *product = part->first ? plan->first[which] : plan->next[which];
    hl__gemm_run(&plan->score[which][size], at->q + part->r0 * g->D, at->kt + behind, at->s);
    soften(at, part);
    hl__gemm_run(&product[size], at->s, v + behind * g->Dv,
                 hl__head_row(&at->call->operand[O], at->b, at->h, at->i0 + part->r0));
    if (strange) add_not_finite(at, part, strange + behind * g->Dv);
}

/* Queries in units of ln 2, and what each row begins with. */
static void begin_rows(const share *at) {
    const geometry *g = at->g;
    const hl_view *operand = at->call->operand;
    size_t rows = at->i1 - at->i0;
    float scale = hl__score_scale(&config_of(at->call)->score, g->D) * HL__LOG2_E;
    const float *q = hl__head_row(&operand[Q], at->b, at->h, at->i0);
    for (size_t e = 0; e < rows * g->D; e++) at->q[e] = scale * q[e];
    for (size_t r = 0; r < hl__round_up(rows, HL__LANES); r++) {
        at->m[r] = -INFINITY;
        at->l[r] = 0;
    }
    for (size_t r = 0; at->biased && r < rows; r++) {
        hl__range seen = hl__keys_seen(&at->sight, at->i0 + r, at->i0 + r + 1);
        at->base[r] = hl__bias_base(&operand[BIAS], at->b, at->h, at->i0 + r, seen);
    }
    for (size_t r0 = 0; r0 < rows; r0 += g->stripe) {
        size_t r1 = hl__min(r0 + g->stripe, rows);
        if (hl__range_empty(hl__keys_seen(&at->sight, at->i0 + r0, at->i0 + r1)))
            memset(hl__head_row(&operand[O], at->b, at->h, at->i0 + r0), 0, (r1 - r0) * g->Dv * sizeof(float));
    }
}

static void attend(const forward_plan *plan, const share *at) {
    const geometry *g = at->g;
    const hl_view *operand = at->call->operand;
    size_t rows = at->i1 - at->i0, key_head = hl__shared_head(&operand[K], g->H, at->h);
    begin_rows(at);
    hl__range keys = walk_of(&at->sight, at->i0, at->i1);
    for (size_t j = keys.begin, n; j < keys.end; j += n) {
        n = piece_keys(g, j, keys.end);
        const float *v = hl__head_row(&operand[V], at->b, key_head, j), *strange = NULL;
        bool hides = at->biased || !hl__sees_all(&at->sight, at->i0, at->i1, j, j + n);
        if (hides && !hl__all_finite(v, n * g->Dv)) {
            hl__copy_finite(v, n * g->Dv, at->v);
            strange = v;
            v = at->v;
        }
        hl__transpose_block(hl__head_row(&operand[K], at->b, key_head, j), g->D, n, g->D, at->kt, g->block_k);
        for (size_t r0 = 0; r0 < rows; r0 += g->stripe) {
            stripe part = stripe_at(g, &at->sight, at->i0, at->i1, r0, j, n);
            if (hl__range_empty(part.keys)) continue;
            attend_stripe(plan, at, &part, j, v, strange);
        }
    }
    finish_rows(at);
}

static void forward_kernel(const hl_call *call, const hl_tile *tile) {
    const forward_plan *plan = call->plan;
    const geometry *g = &plan->g;
    const hl_attention_config *config = config_of(call);
    hl__head_tile heads = hl__head_tile_at(&g->tiles, tile);
    share at = {.call = call, .g = g, .b = heads.b, .i0 = heads.r0, .i1 = heads.r1, .last = heads.last};
    at.sight = hl__sight_of(&config->score, g->Tq, g->Tk, hl__length(&call->operand[LENGTHS], at.b, g->Tk));
    at.biased = hl_view_present(&call->operand[BIAS]);
    at.drops = config->dropout.rate > 0;
    if (at.drops) at.dropout = hl__dropout_of(&config->dropout, call->node_id, *hl__i32(&call->operand[STEP]));
    forward_floats(g, &at, tile->scratch);
    for (at.h = heads.h0; at.h < heads.h1; at.h++) attend(plan, &at);
}

/* ---- tiling and access ---- */

static void forward_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    geometry g = geometry_of(call);
    hl__head_tile at = hl__head_tile_at(&g.tiles, tile);
    hl__sight sight = hl__sight_of(&config_of(call)->score, g.Tq, g.Tk, g.Tk);
    hl__range keys = walk_of(&sight, at.r0, at.r1);
    keys.end = hl__min(hl__round_up(keys.end, HL__KEY_STEP), g.Tk);
    hl__box_heads(&boxes[Q], at.b, at.h0, at.h1, at.r0, at.r1);
    hl__box_heads(&boxes[K], at.b, at.h0, at.h1, keys.begin, keys.end);
    hl__box_share(&boxes[K], &call->operand[K], g.H);
    hl__box_heads(&boxes[V], at.b, at.h0, at.h1, keys.begin, keys.end);
    hl__box_share(&boxes[V], &call->operand[V], g.H);
    hl__box_heads(&boxes[O], at.b, at.h0, at.h1, at.r0, at.r1);
    hl__box_row_numbers(&boxes[ROWS], at.b, at.h0, at.h1, at.r0, at.r1);
    hl__box_batch(&boxes[LENGTHS], &call->operand[LENGTHS], at.b);
    const hl_view *bias = &call->operand[BIAS];
    if (!hl_view_present(bias)) return;
    hl__box_narrow(&boxes[BIAS], bias, 0, at.b, at.b + 1);
    hl__box_narrow(&boxes[BIAS], bias, 1, at.h0, at.h1);
    hl__box_narrow(&boxes[BIAS], bias, 2, at.r0, at.r1);
    hl__box_narrow(&boxes[BIAS], bias, 3, keys.begin, keys.end);
}

static hl_cost forward_cost(const hl_call *call, const hl_tile *tile) {
    hl_box boxes[ROWS + 1];
    for (size_t i = 0; i <= ROWS; i++) boxes[i] = hl__box_whole(&call->operand[i]);
    forward_access(call, tile, boxes);
    double heads = (double)(boxes[Q].end[1] - boxes[Q].begin[1]), nq = (double)(boxes[Q].end[2] - boxes[Q].begin[2]);
    double nk = (double)(boxes[K].end[2] - boxes[K].begin[2]);
    double sizes = (double)(call->operand[Q].shape.extent[3] + call->operand[V].shape.extent[3]);
    return (hl_cost){.flops = heads * 2 * nq * nk * sizes, .bytes = heads * sizeof(float) * (nq + nk) * sizes};
}

static const hl_pass forward_pass = {
    .name = "forward",
    .grid = forward_grid,
    .access = forward_access,
    .cost = forward_cost,
    .scratch = forward_scratch,
    .plan_bytes = sizeof(forward_plan),
    .prepare = forward_prepare,
    .kernel = forward_kernel,
};

/* ---- descriptor ---- */

HL__DEFINE_OPERATOR(attention) = {
    .name = "attention",
    .min_inputs = 3,
    .max_inputs = 6,
    .optional = 1 << BIAS | 1 << LENGTHS | 1 << STEP,
    .n_outputs = 2,
    .n_saved = 1,
    .options_bytes = sizeof(hl_attention_config),
    .infer = attention_infer,
    .forward = {{.pass = &forward_pass,
                 .reads = {HL_IN(Q), HL_IN(K), HL_IN(V), HL_IN(BIAS), HL_IN(LENGTHS), HL_IN(STEP)},
                 .writes = {HL_OUT(0), HL_OUT(1)}}},
    .backward = {{.pass = &HL__ISA_NAME(hl__attention_delta), .reads = {HL_DOUT(0), HL_OUT(0)}, .writes = {HL_TEMP(0)}},
                 {.pass = &HL__ISA_NAME(hl__attention_squares),
                  .reads = {HL_IN(Q), HL_IN(K), HL_IN(V), HL_IN(BIAS), HL_IN(LENGTHS), HL_IN(STEP), HL_OUT(1),
                            HL_DOUT(0), HL_TEMP(0)},
                  .writes = {HL_DIN(Q), HL_DIN(K), HL_DIN(V), HL_DIN(BIAS), HL_TEMP(1)}}},
};
