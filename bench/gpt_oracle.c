/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A GPT forward, written down plainly in double. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/check.h"
#include "bench/gpt.h"

typedef struct oracle {
    const gpt_sizes *s;
    hl_state *state;
    size_t n;                  /* rows */
    double *x, *y, *q, *k, *v; /* [n, width] */
    double *h;                 /* [n, 4 width] */
    float *w;                  /* room for the largest parameter */
    size_t w_elements;
    bool failed; /* a parameter is not as it should be */
} oracle;

/* The parameter "<layer>.<part>" of so many elements. */
static const float *param(oracle *o, const char *layer, const char *part, size_t elements) {
    char name[64];
    snprintf(name, sizeof name, "%s.%s", layer, part);
    if (elements > o->w_elements || hl_state_read(o->state, name, o->w, elements * sizeof *o->w) != HL_OK)
        o->failed = true;
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

bool gpt_oracle(const gpt_sizes *s, hl_state *state, const int32_t *words, size_t n, double *logits) {
    size_t W = s->width, V = s->vocabulary;
    oracle o = {.s = s, .state = state, .n = n, .w_elements = (V > s->tokens ? V : s->tokens) * W};
    if (o.w_elements < 4 * W * W) o.w_elements = 4 * W * W;
    double *room = calloc(9 * n * W + n, sizeof *room);
    o.w = malloc(o.w_elements * sizeof *o.w);
    bool good = room && o.w && n <= s->tokens;
    if (good) {
        o.x = room;
        o.y = o.x + n * W;
        o.q = o.y + n * W;
        o.k = o.q + n * W;
        o.v = o.k + n * W;
        o.h = o.v + n * W;
        const float *table = param(&o, "position", "table", s->tokens * W);
        for (size_t i = 0; i < n * W; i++) o.x[i] = (double)table[i];
        table = param(&o, "word", "table", V * W);
        for (size_t i = 0; i < n * W; i++) o.x[i] += (double)table[(size_t)words[i / W] * W + i % W];
        for (size_t layer = 0; layer < s->layers; layer++) block(&o, layer);
        norm(&o, "norm", "gain", "bias", o.y);
        table = param(&o, "word", "table", V * W);
        for (size_t r = 0; r < n; r++)
            for (size_t v = 0; v < V; v++) {
                double sum = 0;
                for (size_t c = 0; c < W; c++) sum += o.y[r * W + c] * (double)table[v * W + c];
                logits[r * V + v] = sum;
            }
    }
    free(room);
    free(o.w);
    return good && !o.failed;
}
