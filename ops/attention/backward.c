/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The backward tiles of fused attention, in the transposed form: with keys along the rows, what is saved of the rows of
 * scores (m, l, base) and D are vectors along the contiguous axis, and dQ is a product with dS^T read by its
 * columns.
 *
 *   D_i    = dot(do_i, o_i)
 *   Pt_j   = exp(St_j + biast_j - base - m) / l           the weights of key j for the queries of the block, made as
 *            2^(...) with all four in units of ln 2; queries are scaled first, as forwards, so that St is the same to
 *            the bit: at scores of 1e8 the next float is a factor of exp(8)
 *   dPt    = V dO^T
 *   dSt_j  = Pt_j * (Mt_j * dPt_j - D)
 *   dV    += (Mt * Pt) dO       dK += scale * dSt Q       dQ += scale * dS K       dbias += dS
 *
 * Tile (b, h, t, c) takes key block c and query block q = (c + t) mod n, n the larger number of blocks, in squares of
 * queries and keys: one, or where heads are many, 2 x 2 that share what they read and write. The tiles of
 * one t touch different blocks of dQ, dK and dV, so they run at once, and each block is added to in the order of t: the
 * same bits for any number of workers, without partial sums. Tiles of t = 0 begin by zeroing block c of dQ, dK and dV,
 * also where it has no partner or is masked.
 *
 * A bias that more than 512 rows of scores share has its gradient summed with what each addition rounds away, which is
 * kept beside it (Kahan, "Further remarks on reducing truncation errors", 1965).
 *
 * Where query heads share the heads of keys and values, the tiles of all of them add to one block of dK and dV, head
 * by head: the first one's t = 0 zeroes it. */
#include "ops/attention/attention.h"

#include <string.h>

#include "ops/attention/squares.h"
#include "ops/kernels/masked.h"
#include "ops/kernels/random.h"
#include "ops/kernels/vector.h"

/* ---- kernel ---- */

typedef struct square_plan {
    hl__squares g;
    /* of a full block of queries and of the last one, by number of keys */
    hl__gemm st[2][HL__KEY_SIZES], dpt[2][HL__KEY_SIZES];
    hl__gemm dv[2][HL__KEY_SIZES], dk[2][HL__KEY_SIZES], dq[2][HL__KEY_SIZES];
} square_plan;

static void square_sizes(const hl_call *call, const hl__squares *g, bool wanted[HL__KEY_SIZES]) {
    size_t most = hl__min(g->side, g->Tk);
    hl__sight sight = hl__sight_of(&((const hl_attention_config *)call->options)->score, g->Tq, g->Tk, g->Tk);
    for (size_t n = 1; hl_view_present(&call->operand[SLENGTHS]) && n <= most; n++)
        if (n % HL__KEY_STEP == 0 || n % HL__KEY_STEP == g->Tk % HL__KEY_STEP) wanted[hl__key_size(n)] = true;
    for (size_t i0 = 0; i0 < g->Tq; i0 += g->side)
        for (size_t j0 = 0; j0 < g->Tk; j0 += g->side) {
            hl__range seen = hl__keys_seen(&sight, i0, hl__min(i0 + g->side, g->Tq));
            hl__range keys = hl__clip_keys(seen, j0, hl__min(j0 + g->side, g->Tk));
            if (!hl__range_empty(keys)) wanted[hl__key_size(keys.end - keys.begin)] = true;
        }
}

static hl_status square_prepare(const hl_call *call, void *data) {
    square_plan *plan = data;
    plan->g = hl__squares_of(call);
    const hl__squares *g = &plan->g;
    bool wanted[HL__KEY_SIZES] = {false};
    square_sizes(call, g, wanted);
    for (size_t size = 0; size < HL__KEY_SIZES; size++)
        for (size_t last = 0; last < 2 && wanted[size]; last++) {
            size_t nq = hl__block_rows(g->Tq, g->side, last), S = g->side;
            size_t nk = hl__keys_of_size(size, g->Tk), D = g->D, Dv = g->Dv;
            hl__gemm_shape st = {
                .m = nk, .n = nq, .k = D, .lda = D, .ldb = S, .ldc = S, .kind = HL__GEMM_ATTENTION_BACKWARD};
            hl__gemm_shape dpt = st;
            dpt.k = dpt.lda = Dv;
            hl__gemm_shape dv = {.m = nk,
                                 .n = Dv,
                                 .k = nq,
                                 .lda = S,
                                 .ldb = Dv,
                                 .ldc = Dv,
                                 .kind = HL__GEMM_ATTENTION_BACKWARD,
                                 .accumulate = true};
            hl__gemm_shape dk = dv;
            dk.n = dk.ldb = dk.ldc = D;
            hl__gemm_shape dq = dk;
            dq.m = nq;
            dq.k = nk;
            dq.transpose_a = true;
            hl_status status = hl__gemm_prepare(call->code, &st, &plan->st[last][size]);
            if (status == HL_OK) status = hl__gemm_prepare(call->code, &dpt, &plan->dpt[last][size]);
            if (status == HL_OK) status = hl__gemm_prepare(call->code, &dv, &plan->dv[last][size]);
            if (status == HL_OK) status = hl__gemm_prepare(call->code, &dk, &plan->dk[last][size]);
            if (status == HL_OK) status = hl__gemm_prepare(call->code, &dq, &plan->dq[last][size]);
            if (status != HL_OK) return status;
        }
    return HL_OK;
}

/* What one head of a tile works on. */
typedef struct square_work {
    const hl_call *call;
    const square_plan *plan;
    const hl__square *at;
    size_t h;
    hl__sight sight;
    hl__dropout dropout;
    bool drops;
    float *qt, *dot;               /* transposed scaled queries and dO, [D][block] */
    float *st, *dpt, *ds, *biast;  /* [block][block]; ds: the transpose of what dpt becomes, where dbias needs it */
    float *m, *inverse, *base, *d; /* of the rows [block], and D [block] */
    float *finite_k;               /* [block][D] */
    uint32_t *words;               /* of 32 keys' dropout, [16][block] */
} square_work;

static size_t square_floats(const hl_call *call, const hl__squares *g, square_work *work, float *base) {
    size_t S = g->side, used = 0, bias = hl_view_present(&call->operand[SBIAS]) ? S * S : 0;
    size_t ds = hl_view_present(&call->operand[SDBIAS]) ? S * S : 0;
    size_t sizes[] = {g->D * S, g->Dv * S, S * S, S * S, ds, bias, S, S, S, S, g->D * S, HL__DROPOUT_WORDS * S};
    float *words, **parts[] = {&work->qt, &work->dot,     &work->st,   &work->dpt, &work->ds,       &work->biast,
                               &work->m,  &work->inverse, &work->base, &work->d,   &work->finite_k, &words};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        *parts[i] = base ? base + used : NULL;
        used += hl__round_up(sizes[i], HL__LANES);
    }
    work->words = (uint32_t *)words;
    return used;
}

static size_t square_scratch(const hl_call *call) {
    hl__squares g = hl__squares_of(call);
    square_work work;
    return square_floats(call, &g, &work, NULL) * sizeof(float);
}

static void zero_rows(const hl_view *view, size_t b, size_t h, size_t r0, size_t r1) {
    if (!hl_view_present(view) || r0 >= r1) return;
    memset(hl__head_row(view, b, h, r0), 0, (r1 - r0) * view->stride[2] * sizeof(float));
}

/* Row r of the square's share of dbias, or of its rests. */
static float *bias_gradient_row(const hl_view *dbias, const hl__square *at, size_t h, size_t r) {
    return hl__bias_row(dbias, at->b, h, at->i0 + r);
}

/* First writes: what this tile is the first to touch. */
static void open_regions(const square_work *w) {
    const hl__square *at = w->at;
    const hl_view *operand = w->call->operand, *dbias = &operand[SDBIAS];
    if (at->t == 0) zero_rows(&operand[SDQ], at->b, w->h, at->i0, at->i1);
    size_t group = w->plan->g.group;
    if (at->t == 0 && w->h % group == 0) {
        zero_rows(&operand[SDK], at->b, w->h / group, at->j0, at->j1);
        zero_rows(&operand[SDV], at->b, w->h / group, at->j0, at->j1);
    }
    if (!hl__square_opens_bias(at, dbias, w->h)) return;
    size_t rows = dbias->shape.extent[2] == 1 ? 1 : at->i1 - at->i0;
    for (size_t r = 0; r < rows; r++) {
        memset(bias_gradient_row(dbias, at, w->h, r) + at->j0, 0, (at->j1 - at->j0) * sizeof(float));
        if (hl__keeps_bias_rests(w->call))
            memset(bias_gradient_row(&operand[SREST], at, w->h, r) + at->j0, 0, (at->j1 - at->j0) * sizeof(float));
    }
}

/* biast[j][i] for the keys at hand. */
static void load_bias(const square_work *w, size_t nq, size_t nk) {
    const hl_view *bias = &w->call->operand[SBIAS];
    size_t S = w->plan->g.side;
    const float *first = hl__bias_row(bias, w->at->b, w->h, w->at->i0) + w->at->keys.begin;
    if (bias->shape.extent[2] != 1) {
        hl__transpose_block(first, bias->stride[2], nq, nk, w->biast, S);
        return;
    }
    for (size_t j = 0; j < nk; j++)
        for (size_t i = 0; i < hl__round_up(nq, HL__LANES); i++) w->biast[j * S + i] = first[j];
}

/* st_j becomes the dropped weights, dpt_j (where not NULL) becomes by * dSt_j. bias_j and words may be NULL; the upper
 * halves of the words decide, or the lower ones. A pair whose bias is -infinity does not exist. */
static void weigh_row(const square_work *w, size_t n, float *st_j, float *dpt_j, const float *bias_j,
                      const uint32_t *words, bool upper, float by) {
    hl__floats bys = hl__splat(by);
    for (size_t i = 0; i < n; i += HL__LANES) {
        hl__floats s = hl__load(st_j + i), bias = bias_j ? hl__load(bias_j + i) : hl__splat(0);
        hl__ints hidden = bias == -INFINITY;
        if (bias_j) s += (bias - hl__load(w->base + i)) * HL__LOG2_E;
        hl__floats p = hl__exp2_half(s - hl__load(w->m + i)) * hl__load(w->inverse + i);
        hl__floats factors = words ? hl__dropout_factors(&w->dropout, words + i, upper) : hl__splat(1);
        hl__floats dropped = words ? p * factors : p;
        hl__store(st_j + i, bias_j ? hl__select(hidden, hl__splat(0), dropped) : dropped);
        if (!dpt_j) continue;
        hl__floats dp = hl__load(dpt_j + i);
        if (words) dp *= factors;
        hl__floats ds = p * (dp - hl__load(w->d + i)) * bys;
        hl__store(dpt_j + i, bias_j ? hl__select(hidden, hl__splat(0), ds) : ds);
    }
}

/* The queries of the square that see key j of it, counted from its first one. */
static hl__range rows_seeing(const square_work *w, size_t j) {
    const hl__square *at = w->at;
    hl__range seen = hl__queries_seeing(&w->sight, at->keys.begin + j);
    size_t begin = hl__min(hl__max(seen.begin, at->i0), at->i1) - at->i0;
    return (hl__range){begin, hl__max(begin, hl__min(hl__max(seen.end, at->i0), at->i1) - at->i0)};
}

static void weigh_rows(const square_work *w, size_t nq, size_t nk, bool sees_all, bool needs_ds, float by) {
    const hl__square *at = w->at;
    const hl__squares *g = &w->plan->g;
    bool biased = hl_view_present(&w->call->operand[SBIAS]);
    for (size_t j = 0; j < nk; j++) {
        float *st_j = w->st + j * g->side, *dpt_j = w->dpt + j * g->side;
        if (w->drops && j % HL__DROPOUT_COLUMNS == 0)
            hl__dropout_columns(&w->dropout, (uint32_t)(at->b * g->H + w->h), at->i0, nq, at->keys.begin + j, w->words,
                                g->side);
        weigh_row(w, nq, st_j, needs_ds ? dpt_j : NULL, biased ? w->biast + j * g->side : NULL,
                  w->drops ? w->words + j % HL__DROPOUT_WORDS * g->side : NULL, hl__dropout_upper(j), by);
        if (sees_all) continue;
        hl__range seen = rows_seeing(w, j);
        for (size_t i = 0; i < seen.begin; i++) st_j[i] = dpt_j[i] = 0;
        for (size_t i = seen.end; i < nq; i++) st_j[i] = dpt_j[i] = 0;
    }
}

static float lane_sum(const float *x, size_t n) {
    hl__floats sum = hl__splat(0);
    for (size_t i = 0; i < n; i += HL__LANES) sum += hl__load_some(x + i, hl__min(HL__LANES, n - i), 0);
    return hl__sum_lanes(sum);
}

/* dbias += dS; then dSt, which was computed without the scale, gets it. */
static void add_bias_gradient(const square_work *w, size_t nq, size_t nk, float scale) {
    const hl_view *dbias = &w->call->operand[SDBIAS], *rest = &w->call->operand[SREST];
    size_t S = w->plan->g.side, j0 = w->at->keys.begin, rows = nq;
    const float *ds = w->ds;
    if (dbias->shape.extent[2] == 1) {
        rows = 1;
        for (size_t j = 0; j < nk; j++) w->ds[j] = lane_sum(w->dpt + j * S, nq);
    } else {
        hl__transpose_block(w->dpt, S, nk, nq, w->ds, S);
    }
    for (size_t i = 0; i < rows; i++, ds += S) {
        float *db_i = bias_gradient_row(dbias, w->at, w->h, i) + j0;
        if (hl__keeps_bias_rests(w->call)) hl__row_add_kept(db_i, bias_gradient_row(rest, w->at, w->h, i) + j0, ds, nk);
        else
            for (size_t j = 0; j < nk; j++) db_i[j] += ds[j];
    }
    for (size_t j = 0; j < nk; j++)
        for (size_t i = 0; i < nq; i++) w->dpt[j * S + i] *= scale;
}

static void load_padded(float *to, const float *from, size_t n) {
    memcpy(to, from, n * sizeof *to);
    memset(to + n, 0, (hl__round_up(n, HL__LANES) - n) * sizeof *to);
}

/* What is saved of the queries' rows of scores, D, and where there is one the bias. */
static void load_rows(const square_work *w, size_t nq, size_t nk) {
    const hl__square *at = w->at;
    const hl_view *x = w->call->operand, *rows = &x[SROWS];
    load_padded(w->m, hl__row_number(rows, at->b, w->h, HL__ROW_SHIFT) + at->i0, nq);
    load_padded(w->inverse, hl__row_number(rows, at->b, w->h, HL__ROW_SUM) + at->i0, nq);
    for (size_t i = 0; i < nq; i++) w->inverse[i] = 1 / w->inverse[i];
    load_padded(w->d, hl__f32(&x[SD]) + (at->b * w->plan->g.H + w->h) * w->plan->g.Tq + at->i0, nq);
    if (!hl_view_present(&x[SBIAS])) return;
    load_padded(w->base, hl__row_number(rows, at->b, w->h, HL__ROW_BASE) + at->i0, nq);
    load_bias(w, nq, nk);
}

/* The operands of one square of one head, each from the square's first row on. */
typedef struct square_rows {
    const float *q, *k, *v, *d_o;
    float *dq, *dk, *dv; /* NULL where they are not asked for */
} square_rows;

/* The terms of dV, dK and dQ that products with copies of q, k and dO have left out, for the pairs that exist. */
static void add_not_finite_terms(const square_work *w, const square_rows *x, size_t nk) {
    const hl__squares *g = &w->plan->g;
    for (size_t j = 0; j < nk; j++) {
        const float *st_j = w->st + j * g->side, *dpt_j = w->dpt + j * g->side;
        const float *bias_j = hl_view_present(&w->call->operand[SBIAS]) ? w->biast + j * g->side : NULL;
        hl__range seen = rows_seeing(w, j);
        for (size_t i = seen.begin; i < seen.end; i++) {
            if (bias_j && bias_j[i] == -INFINITY) continue;
            if (x->dv) hl__add_not_finite(x->dv + j * g->Dv, st_j[i], x->d_o + i * g->Dv, g->Dv);
            if (x->dk) hl__add_not_finite(x->dk + j * g->D, dpt_j[i], x->q + i * g->D, g->D);
            if (x->dq) hl__add_not_finite(x->dq + i * g->D, dpt_j[i], x->k + j * g->D, g->D);
        }
    }
}

/* The rows with zeros for what is not finite: dO and q in the scratch of their transposes, which have been used. */
static square_rows finite_rows(const square_work *w, const square_rows *x, size_t nq, size_t nk) {
    const hl__squares *g = &w->plan->g;
    square_rows clean = *x;
    hl__copy_finite(x->q, nq * g->D, w->qt);
    hl__copy_finite(x->d_o, nq * g->Dv, w->dot);
    hl__copy_finite(x->k, nk * g->D, w->finite_k);
    clean.q = w->qt;
    clean.d_o = w->dot;
    clean.k = w->finite_k;
    return clean;
}

static bool all_finite(const hl__squares *g, const square_rows *x, size_t nq, size_t nk) {
    return hl__all_finite(x->q, nq * g->D) && hl__all_finite(x->k, nk * g->D) && hl__all_finite(x->v, nk * g->Dv) &&
           hl__all_finite(x->d_o, nq * g->Dv);
}

/* St, and dPt where it is needed. */
static void score_square(const square_work *w, const square_rows *x, size_t last, size_t nq, size_t size,
                         bool needs_ds) {
    const square_plan *plan = w->plan;
    const hl__squares *g = &plan->g;
    size_t S = g->side;
    float scale = hl__score_scale(&((const hl_attention_config *)w->call->options)->score, g->D) * HL__LOG2_E;
    hl__transpose_block(x->q, g->D, nq, g->D, w->qt, S);
    for (size_t d = 0; d < g->D; d++)
        for (size_t i = 0; i < nq; i++) w->qt[d * S + i] *= scale;
    hl__gemm_run(&plan->st[last][size], x->k, w->qt, w->st);
    if (!needs_ds) return;
    hl__transpose_block(x->d_o, g->Dv, nq, g->Dv, w->dot, S);
    hl__gemm_run(&plan->dpt[last][size], x->v, w->dot, w->dpt);
}

/* First element of row i of a head of a gradient; NULL where it is not asked for. */
static float *gradient_row(const hl_view *view, size_t b, size_t h, size_t i) {
    return hl_view_present(view) ? hl__head_row(view, b, h, i) : NULL;
}

/* One square of one head, whose queries and keys see each other. */
static void square_head(const square_work *w) {
    const hl__square *at = w->at;
    const square_plan *plan = w->plan;
    const hl__squares *g = &plan->g;
    const hl_view *x = w->call->operand;
    size_t nq = at->i1 - at->i0, nk = at->keys.end - at->keys.begin, j0 = at->keys.begin;
    size_t last = at->i1 == g->Tq && at->i0 > 0 ? 1 : 0, size = hl__key_size(nk), key_head = w->h / g->group;
    square_rows rows = {.q = hl__head_row(&x[SQ], at->b, w->h, at->i0),
                        .k = hl__head_row(&x[SK], at->b, key_head, j0),
                        .v = hl__head_row(&x[SV], at->b, key_head, j0),
                        .d_o = hl__head_row(&x[SDO], at->b, w->h, at->i0),
                        .dq = gradient_row(&x[SDQ], at->b, w->h, at->i0),
                        .dk = gradient_row(&x[SDK], at->b, key_head, j0),
                        .dv = gradient_row(&x[SDV], at->b, key_head, j0)};
    bool needs_dbias = hl_view_present(&x[SDBIAS]), needs_ds = rows.dq || rows.dk || needs_dbias;
    bool biased = hl_view_present(&x[SBIAS]);
    bool sees_all = hl__sees_all(&w->sight, at->i0, at->i1, j0, at->keys.end);
    bool strange = (biased || !sees_all) && !all_finite(g, &rows, nq, nk);
    float scale = hl__score_scale(&((const hl_attention_config *)w->call->options)->score, g->D);

    load_rows(w, nq, nk);
    score_square(w, &rows, last, nq, size, needs_ds);
    weigh_rows(w, nq, nk, sees_all, needs_ds, needs_dbias ? 1 : scale);
    square_rows used = strange ? finite_rows(w, &rows, nq, nk) : rows;
    if (rows.dv) hl__gemm_run(&plan->dv[last][size], w->st, used.d_o, rows.dv);
    if (needs_dbias) add_bias_gradient(w, nq, nk, scale);
    if (rows.dk) hl__gemm_run(&plan->dk[last][size], w->dpt, used.q, rows.dk);
    if (rows.dq) hl__gemm_run(&plan->dq[last][size], w->dpt, used.k, rows.dq);
    if (strange) add_not_finite_terms(w, &rows, nk);
}

static void square_kernel(const hl_call *call, const hl_tile *tile) {
    const square_plan *plan = call->plan;
    const hl__squares *g = &plan->g;
    const hl_attention_config *config = call->options;
    size_t length = hl__length(&call->operand[SLENGTHS], tile->index[0], g->Tk);
    hl__square at = hl__square_at(call, g, tile, length);
    square_work w = {.call = call, .plan = plan, .at = &at, .drops = config->dropout.rate > 0};
    w.sight = hl__sight_of(&config->score, g->Tq, g->Tk, length);
    if (w.drops) w.dropout = hl__dropout_of(&config->dropout, call->node_id, *hl__i32(&call->operand[SSTEP]));
    square_floats(call, g, &w, tile->scratch);
    if (hl__is_first_square(tile) && !hl__keeps_bias_rests(call)) *hl__f32(&call->operand[SREST]) = 0;
    for (w.h = at.h0; w.h < at.h1; w.h++) {
        w.at = &at;
        open_regions(&w);
        for (size_t j0 = at.j0; j0 < at.j1; j0 += g->side)
            for (size_t i0 = at.i0; i0 < at.i1; i0 += g->side) {
                hl__square part = hl__square_within(g, &at, &w.sight, i0, j0);
                w.at = &part;
                if (!hl__range_empty(part.keys)) square_head(&w);
            }
    }
}

static hl_cost square_cost(const hl_call *call, const hl_tile *tile) {
    hl__squares g = hl__squares_of(call);
    hl__square at = hl__square_at(call, &g, tile, g.Tk);
    double heads = (double)(at.h1 - at.h0), nq = (double)(at.i1 - at.i0), nk = (double)(at.keys.end - at.keys.begin);
    double D = (double)g.D, Dv = (double)g.Dv;
    return (hl_cost){.flops = heads * 2 * nq * nk * (3 * D + 2 * Dv),
                     .bytes = heads * sizeof(float) * (nq * (3 * D + Dv + 2) + nk * (3 * D + 3 * Dv))};
}

const hl_pass HL__ISA_NAME(hl__attention_squares) = {
    .name = "backward",
    .grid = hl__square_grid,
    .access = hl__square_access,
    .cost = square_cost,
    .scratch = square_scratch,
    .plan_bytes = sizeof(square_plan),
    .prepare = square_prepare,
    .kernel = square_kernel,
};

/* ---- D_i = dot(do_i, o_i) ---- */

enum delta_operand { DELTA_DO, DELTA_O, DELTA_D };

static void delta_grid(const hl_call *call, hl_grid *grid) {
    grid->extent[0] = hl__cut_rows(&call->operand[DELTA_O].shape, 1).n_tiles;
}

static void delta_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const hl_shape *shape = &call->operand[DELTA_O].shape;
    hl__cut cut = hl__cut_rows(shape, 1);
    boxes[DELTA_DO] = boxes[DELTA_O] = boxes[DELTA_D] = hl__cut_box(&cut, shape, tile->index[0]);
    boxes[DELTA_D].begin[3] = boxes[DELTA_D].end[3] = 0;
}

static float row_dot(const float *x, const float *y, size_t n) {
    hl__floats sum = hl__splat(0);
    for (size_t j = 0; j < n; j += HL__LANES) {
        size_t some = hl__min(HL__LANES, n - j);
        sum = hl__fma(hl__load_some(x + j, some, 0), hl__load_some(y + j, some, 0), sum);
    }
    return hl__sum_lanes(sum);
}

static void delta_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *o = &call->operand[DELTA_O], *d_o = &call->operand[DELTA_DO], *d = &call->operand[DELTA_D];
    hl__cut cut = hl__cut_rows(&o->shape, 1);
    hl_box box = hl__cut_box(&cut, &o->shape, tile->index[0]);
    size_t head[HL_MAX_RANK] = {0}, n = box.end[2] - box.begin[2], Dv = o->shape.extent[3];
    for (bool started = false; hl__next_row(&box, 3, head, &started);) {
        const float *o_i = hl__f32(o) + hl__offset(o, head), *do_i = hl__f32(d_o) + hl__offset(d_o, head);
        float *d_i = hl__f32(d) + hl__offset(d, head);
        for (size_t i = 0; i < n; i++) d_i[i] = row_dot(do_i + i * d_o->stride[2], o_i + i * o->stride[2], Dv);
    }
}

const hl_pass HL__ISA_NAME(hl__attention_delta) = {
    .name = "delta", .grid = delta_grid, .access = delta_access, .kernel = delta_kernel};
