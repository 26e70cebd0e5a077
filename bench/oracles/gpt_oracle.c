/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A GPT forward, written down plainly in double. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/oracles/check.h"
#include "bench/subjects/gpt.h"

typedef struct oracle {
    const gpt_sizes *s;
    hl_state *state;
    size_t n;                  /* rows */
    double *x, *y, *q, *k, *v; /* [n, width] */
    double *h;                 /* [n, 4 width] */
    float *w;                  /* the parameter that was read last; room for the largest */
    bool failed;               /* a parameter is not as it should be */
} oracle;

/* The parameter "<layer>.<part>" of so many elements. */
static const float *param(oracle *o, const char *layer, const char *part, size_t elements) {
    char name[64];
    snprintf(name, sizeof name, "%s.%s", layer, part);
    if (hl_state_read(o->state, name, o->w, elements * sizeof *o->w) != HL_OK) o->failed = true;
    return o->w;
}

static void add_bias(oracle *o, const char *layer, const char *part, size_t columns, double *out) {
    if (o->s->no_bias) return;
    const float *bias = param(o, layer, part, columns);
    for (size_t r = 0; r < o->n; r++)
        for (size_t c = 0; c < columns; c++) out[r * columns + c] += (double)bias[c];
}

/* out [n, columns] += in [n, inner] w [inner, columns] */
static void multiply(const oracle *o, const double *in, const float *w, size_t inner, size_t columns, double *out) {
    for (size_t r = 0; r < o->n; r++)
        for (size_t i = 0; i < inner; i++)
            for (size_t c = 0; c < columns; c++) out[r * columns + c] += in[r * inner + i] * (double)w[i * columns + c];
}

static void linear(oracle *o, const char *layer, const char *const parts[2], const double *in, size_t inner,
                   size_t columns, double *out) {
    multiply(o, in, param(o, layer, parts[0], inner * columns), inner, columns, out);
    add_bias(o, layer, parts[1], columns, out);
}

static void clear(const oracle *o, double *out, size_t columns) { memset(out, 0, o->n * columns * sizeof *out); }

static void norm(oracle *o, const char *layer, const char *gain, const char *bias, double *out) {
    size_t W = o->s->width;
    for (size_t r = 0; r < o->n; r++) {
        const double *x = o->x + r * W;
        double mean = 0, variance = 0;
        for (size_t c = 0; c < W; c++) mean += x[c] / (double)W;
        for (size_t c = 0; c < W; c++) variance += (x[c] - mean) * (x[c] - mean) / (double)W;
        for (size_t c = 0; c < W; c++) out[r * W + c] = (x[c] - mean) / sqrt(variance + 1e-5);
    }
    const float *gains = param(o, layer, gain, W);
    for (size_t r = 0; r < o->n; r++)
        for (size_t c = 0; c < W; c++) out[r * W + c] *= (double)gains[c];
    add_bias(o, layer, bias, W, out);
}

/* x += what the heads make of the queries, keys and values. */
static void attend(oracle *o, const char *layer) {
    size_t W = o->s->width, D = W / o->s->heads;
    double *p = o->h; /* not in use yet, and longer than n */
    clear(o, o->y, W);
    for (size_t i = 0; i < o->n; i++)
        for (size_t first = 0; first < W; first += D) {
            for (size_t j = 0; j <= i; j++)
                p[j] = bench_dot(o->q + i * W + first, o->k + j * W + first, D) / sqrt((double)D);
            bench_softmax(p, i + 1);
            for (size_t j = 0; j <= i; j++)
                for (size_t d = first; d < first + D; d++) o->y[i * W + d] += p[j] * o->v[j * W + d];
        }
    linear(o, layer, (const char *[]){"wo", "bo"}, o->y, W, W, o->x);
}

static void block(oracle *o, size_t number) {
    static const char *const projections[3][2] = {{"wq", "bq"}, {"wk", "bk"}, {"wv", "bv"}};
    size_t W = o->s->width;
    char name[32], attention[48];
    snprintf(name, sizeof name, "block%zu", number);
    snprintf(attention, sizeof attention, "%s.attention", name);
    norm(o, name, "norm1.gain", "norm1.bias", o->y);
    double *const out[3] = {o->q, o->k, o->v};
    for (size_t i = 0; i < 3; i++) {
        clear(o, out[i], W);
        linear(o, attention, projections[i], o->y, W, W, out[i]); /* [W][heads][size] is [W][W] */
    }
    attend(o, attention);
    norm(o, name, "norm2.gain", "norm2.bias", o->y);
    clear(o, o->h, 4 * W);
    linear(o, name, (const char *[]){"up.w", "up.b"}, o->y, W, 4 * W, o->h);
    for (size_t i = 0; i < o->n * 4 * W; i++) {
        double h = o->h[i];
        o->h[i] = 0.5 * h * (1 + tanh(sqrt(2 / acos(-1)) * (h + 0.044715 * h * h * h)));
    }
    linear(o, name, (const char *[]){"down.w", "down.b"}, o->h, 4 * W, W, o->x);
}

/* x = the vectors of the words and of their positions */
static void embed(oracle *o, const int32_t *words) {
    size_t W = o->s->width;
    const float *table = param(o, "position", "table", o->s->tokens * W);
    for (size_t i = 0; i < o->n * W; i++) o->x[i] = (double)table[i];
    table = param(o, "word", "table", o->s->vocabulary * W);
    for (size_t r = 0; r < o->n; r++)
        for (size_t c = 0; c < W; c++) o->x[r * W + c] += (double)table[(size_t)words[r] * W + c];
}

/* logits = norm(x) table^T */
static void classify(oracle *o, double *logits) {
    size_t W = o->s->width, V = o->s->vocabulary;
    norm(o, "norm", "gain", "bias", o->y);
    const float *table = param(o, "word", "table", V * W);
    for (size_t r = 0; r < o->n; r++)
        for (size_t v = 0; v < V; v++) {
            double sum = 0;
            for (size_t c = 0; c < W; c++) sum += o->y[r * W + c] * (double)table[v * W + c];
            logits[r * V + v] = sum;
        }
}

static size_t largest_param(const gpt_sizes *s) {
    size_t rows = s->vocabulary > s->tokens ? s->vocabulary : s->tokens;
    return s->width * (rows > 4 * s->width ? rows : 4 * s->width);
}

bool gpt_oracle(const gpt_sizes *s, hl_state *state, const int32_t *words, size_t n, double *logits) {
    if (n > s->tokens) return false;
    size_t nW = n * s->width;
    oracle o = {.s = s, .state = state, .n = n};
    o.x = calloc(9 * nW, sizeof *o.x);
    o.w = calloc(largest_param(s), sizeof *o.w);
    bool good = o.x && o.w;
    if (good) {
        o.y = o.x + nW;
        o.q = o.y + nW;
        o.k = o.q + nW;
        o.v = o.k + nW;
        o.h = o.v + nW;
        embed(&o, words);
        for (size_t layer = 0; layer < s->layers; layer++) block(&o, layer);
        classify(&o, logits);
    }
    free(o.x);
    free(o.w);
    return good && !o.failed;
}

/* Logits are sums of `width` products behind layers of which each adds sums of up to 4 width products to what it is
 * given; errors of rounding add up like a random walk (Higham and Mary 2019), and a norm keeps them relative to what is
 * normed. So, relative to the logits' own deviation, sqrt(width + layers * 12 width) units, four times over for the
 * tail of the walk. */
double gpt_worst_error(const gpt_sizes *s, const float *logits, const double *expected, size_t n) {
    double unit = 4 * sqrt((double)(s->width * (1 + 12 * s->layers))) * (FLT_EPSILON / 2), squares = 0, worst = 0;
    size_t count = n * s->vocabulary;
    for (size_t i = 0; i < count; i++) squares += expected[i] * expected[i];
    double deviation = sqrt(squares / (double)count);
    for (size_t i = 0; i < count; i++)
        worst = fmax(worst, bench_worst_error(&logits[i], &expected[i], &deviation, 1, unit));
    return worst;
}
