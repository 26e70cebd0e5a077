/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The model of two blocks, through the API and in plain double. */
#include "tests/support/two_block.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The parameters of a block, in order; then those behind the blocks. */
enum { GAIN1, BIAS1, WQ, BQ, WK, BK, WV, BV, WO, BO, GAIN2, BIAS2, UP, UB, DOWN, DB, N_PARTS };
enum { FIRST_BLOCK = 1, GAIN = FIRST_BLOCK + 2 * N_PARTS, BIAS, WC, BC };

static const char *const part_names[N_PARTS] = {"gain1", "bias1", "wq",    "bq",    "wk", "bk", "wv",   "bv",
                                                "wo",    "bo",    "gain2", "bias2", "up", "ub", "down", "db"};

static hl_shape part_shape(const two_block_sizes *s, size_t part) {
    size_t size = s->width / s->heads;
    switch (part) {
    case WQ:
    case WK:
    case WV: return HL_SHAPE(s->width, s->heads, size);
    case BQ:
    case BK:
    case BV: return HL_SHAPE(s->heads, size);
    case WO: return HL_SHAPE(s->width, s->width);
    case UP: return HL_SHAPE(s->width, s->hidden);
    case UB: return HL_SHAPE(s->hidden);
    case DOWN: return HL_SHAPE(s->hidden, s->width);
    default: return HL_SHAPE(s->width);
    }
}

hl_shape two_block_shape(const two_block_sizes *s, size_t param) {
    switch (param) {
    case 0: return HL_SHAPE(s->words, s->width);
    case GAIN:
    case BIAS: return HL_SHAPE(s->width);
    case WC: return HL_SHAPE(s->width, s->classes);
    case BC: return HL_SHAPE(s->classes);
    default: return part_shape(s, (param - FIRST_BLOCK) % N_PARTS);
    }
}

size_t two_block_offset(const two_block_sizes *sizes, size_t param) {
    size_t offset = 0;
    for (size_t p = 0; p < param; p++) {
        hl_shape shape = two_block_shape(sizes, p);
        offset += hl_shape_elements(&shape);
    }
    return offset;
}

/* ---- through the API ---- */

static uint64_t scramble(uint64_t *seed) { /* splitmix64, Steele et al. 2014 */
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Gains near 1; all else uniform in +-0.5, biases too, so that no gradient is zero for want of a value. */
static void init(float *values, const hl_shape *shape, const char *name, const void *context) {
    (void)context;
    uint64_t seed = 3;
    for (const char *c = name; *c; c++) seed = seed * 31 + (unsigned char)*c;
    float around = strstr(name, "gain") ? 1.0f : 0.0f;
    for (size_t i = 0; i < hl_shape_elements(shape); i++)
        values[i] = around + (float)((double)(scramble(&seed) >> 40) * 0x1p-24 - 0.5);
}

static void make_params(two_block *m) {
    static const char *const last_names[] = {"gain", "bias", "wc", "bc"};
    for (size_t p = 0; p < TWO_BLOCK_PARAMS; p++) {
        char name[48];
        size_t part = (p + N_PARTS - FIRST_BLOCK) % N_PARTS, number = (p - FIRST_BLOCK) / N_PARTS;
        if (p == 0) strcpy(name, "table");
        else if (p >= GAIN) strcpy(name, last_names[p - GAIN]);
        else snprintf(name, sizeof name, "%zu.%s", number, part_names[part]);
        hl_tensor *param = hl_param(m->graph, name, HL_F32, two_block_shape(&m->sizes, p));
        m->params[p] = hl_param_init(m->graph, param, init, NULL, 0);
    }
}

static hl_tensor *block(two_block *m, size_t number, hl_tensor *x) {
    hl_graph *g = m->graph;
    hl_tensor *const *w = &m->params[FIRST_BLOCK + number * N_PARTS];
    float dropout = m->sizes.dropout;
    hl_tensor *n = hl_layer_norm(g, x, w[GAIN1], w[BIAS1], 0);
    hl_tensor *q = hl_project(g, n, w[WQ], w[BQ]), *k = hl_project(g, n, w[WK], w[BK]);
    hl_tensor *v = hl_project(g, n, w[WV], w[BV]);
    hl_tensor *s = hl_score(g, q, k, &(hl_score_options){.mask = HL_MASK_CAUSAL, .lengths = m->lengths});
    m->weights[number] = hl_softmax(g, s);
    hl_tensor *y = hl_weight(g, hl_dropout(g, m->weights[number], dropout, 5), v);
    x = hl_add(g, x, hl_dropout(g, hl_dense(g, hl_concat(g, y), w[WO], w[BO]), dropout, 5));
    n = hl_layer_norm(g, x, w[GAIN2], w[BIAS2], 0);
    hl_tensor *h = hl_gelu(g, hl_dense(g, n, w[UP], w[UB]));
    return hl_add(g, x, hl_dropout(g, hl_dense(g, h, w[DOWN], w[DB]), dropout, 5));
}

void two_block_build(two_block *m, const two_block_sizes *sizes, hl_graph *graph) {
    *m = (two_block){.sizes = *sizes, .graph = graph};
    m->words = hl_input(graph, "words", HL_I32, HL_SHAPE(sizes->batch, sizes->tokens));
    m->labels = hl_input(graph, "labels", HL_I32, HL_SHAPE(sizes->batch, sizes->tokens));
    m->lengths = hl_input(graph, "lengths", HL_I32, HL_SHAPE(sizes->batch));
    m->rate = hl_input(graph, "rate", HL_F32, HL_SCALAR);
    make_params(m);
    m->between = block(m, 0, hl_embedding(graph, m->params[0], m->words));
    hl_tensor *x = hl_layer_norm(graph, block(m, 1, m->between), m->params[GAIN], m->params[BIAS], 0);
    m->logits = hl_dense(graph, x, m->params[WC], m->params[BC]);
    m->loss = hl_cross_entropy(graph, m->logits, m->labels);
}

void two_block_data(const two_block_sizes *s, uint64_t seed, int32_t *words, int32_t *labels, int32_t *lengths) {
    for (size_t i = 0; i < s->batch * s->tokens; i++) {
        words[i] = (int32_t)(scramble(&seed) % s->words);
        labels[i] = i % 5 == 4 ? HL_IGNORED : (int32_t)(scramble(&seed) % s->classes);
    }
    for (size_t b = 0; b < s->batch; b++) lengths[b] = (int32_t)(s->tokens - b % s->tokens);
}

/* ---- in double ---- */

typedef struct oracle {
    const two_block_sizes *s;
    const double *params;
    size_t rows;                       /* batch * tokens */
    double *x, *n, *q, *k, *v, *y, *h; /* [rows, width]; h [rows, hidden] */
} oracle;

static const double *param(const oracle *o, size_t p) { return o->params + two_block_offset(o->s, p); }

/* out [rows, columns] = or += in [rows, inner] w [inner, columns] + bias */
static void linear(const oracle *o, const double *in, const double *w, const double *bias, size_t inner, size_t columns,
                   bool add, double *out) {
    for (size_t r = 0; r < o->rows; r++) {
        for (size_t c = 0; c < columns; c++) {
            double sum = bias[c];
            for (size_t i = 0; i < inner; i++) sum += in[r * inner + i] * w[i * columns + c];
            out[r * columns + c] = add ? out[r * columns + c] + sum : sum;
        }
    }
}

static void norm(const oracle *o, const double *gain, const double *bias) {
    size_t C = o->s->width;
    for (size_t r = 0; r < o->rows; r++) {
        const double *x = o->x + r * C;
        double mean = 0, variance = 0;
        for (size_t c = 0; c < C; c++) mean += x[c] / (double)C;
        for (size_t c = 0; c < C; c++) variance += (x[c] - mean) * (x[c] - mean) / (double)C;
        for (size_t c = 0; c < C; c++) o->n[r * C + c] = (x[c] - mean) / sqrt(variance + 1e-5) * gain[c] + bias[c];
    }
}

/* y of one query, row i of sequence b, columns from `first` on */
static void attend(const oracle *o, size_t b, size_t i, size_t first, size_t length, double *p) {
    size_t C = o->s->width, D = C / o->s->heads, T = o->s->tokens, n_keys = i + 1 < length ? i + 1 : length;
    double max = -INFINITY, sum = 0;
    for (size_t j = 0; j < n_keys; j++) {
        p[j] = 0;
        for (size_t d = first; d < first + D; d++) p[j] += o->q[(b * T + i) * C + d] * o->k[(b * T + j) * C + d];
        p[j] /= sqrt((double)D);
        max = fmax(max, p[j]);
    }
    for (size_t j = 0; j < n_keys; j++) sum += p[j] = exp(p[j] - max);
    for (size_t d = first; d < first + D; d++) {
        double *y = &o->y[(b * T + i) * C + d];
        *y = 0;
        for (size_t j = 0; j < n_keys; j++) *y += p[j] / sum * o->v[(b * T + j) * C + d];
    }
}

static void block_forward(const oracle *o, size_t number, const int32_t *lengths, double *p) {
    const two_block_sizes *s = o->s;
    size_t first = FIRST_BLOCK + number * N_PARTS, C = s->width, size = C / s->heads;
    norm(o, param(o, first + GAIN1), param(o, first + BIAS1));
    linear(o, o->n, param(o, first + WQ), param(o, first + BQ), C, C, false, o->q); /* [K][H][D] is [K][C] */
    linear(o, o->n, param(o, first + WK), param(o, first + BK), C, C, false, o->k);
    linear(o, o->n, param(o, first + WV), param(o, first + BV), C, C, false, o->v);
    for (size_t b = 0; b < s->batch; b++)
        for (size_t i = 0; i < s->tokens; i++)
            for (size_t head = 0; head < s->heads; head++) attend(o, b, i, head * size, (size_t)lengths[b], p);
    linear(o, o->y, param(o, first + WO), param(o, first + BO), C, C, true, o->x);
    norm(o, param(o, first + GAIN2), param(o, first + BIAS2));
    linear(o, o->n, param(o, first + UP), param(o, first + UB), C, s->hidden, false, o->h);
    for (size_t i = 0; i < o->rows * s->hidden; i++) {
        double h = o->h[i];
        o->h[i] = 0.5 * h * (1 + tanh(sqrt(2 / acos(-1)) * (h + 0.044715 * h * h * h)));
    }
    linear(o, o->h, param(o, first + DOWN), param(o, first + DB), s->hidden, C, true, o->x);
}

static double classify(const oracle *o, const int32_t *labels, double *logits) {
    size_t classes = o->s->classes;
    double loss = 0, count = 0;
    norm(o, param(o, GAIN), param(o, BIAS));
    linear(o, o->n, param(o, WC), param(o, BC), o->s->width, classes, false, logits);
    for (size_t r = 0; r < o->rows; r++) {
        if (labels[r] == HL_IGNORED) continue;
        const double *z = logits + r * classes;
        double max = -INFINITY, sum = 0;
        for (size_t c = 0; c < classes; c++) max = fmax(max, z[c]);
        for (size_t c = 0; c < classes; c++) sum += exp(z[c] - max);
        loss += log(sum) + max - z[labels[r]];
        count++;
    }
    return loss / count;
}

double two_block_loss(const two_block_sizes *s, const double *params, const int32_t *words, const int32_t *labels,
                      const int32_t *lengths) {
    size_t rows = s->batch * s->tokens, C = s->width;
    double *room = calloc(rows * (6 * C + s->hidden + s->classes) + s->tokens, sizeof *room);
    if (!room) return NAN;
    oracle o = {.s = s, .params = params, .rows = rows, .x = room};
    o.n = o.x + rows * C;
    o.q = o.n + rows * C;
    o.k = o.q + rows * C;
    o.v = o.k + rows * C;
    o.y = o.v + rows * C;
    o.h = o.y + rows * C;
    double *logits = o.h + rows * s->hidden, *p = logits + rows * s->classes;
    for (size_t r = 0; r < rows; r++) memcpy(o.x + r * C, params + (size_t)words[r] * C, C * sizeof *params);
    for (size_t number = 0; number < 2; number++) block_forward(&o, number, lengths, p);
    double loss = classify(&o, labels, logits);
    free(room);
    return loss;
}
