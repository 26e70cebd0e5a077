/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Initialisers: first values of parameters, the same bits on every machine. The counter-based generator
 * Philox4x32-10 (Salmon et al. 2011) makes element i from i, the seed and the parameter's name alone, so that values
 * depend neither on the order in which parameters are made nor on what else a model holds. */
#include "nn/init.h"

#include <Random123/philox.h>
#include <math.h>
#include <string.h>

#include "headloom/nn.h"
#include "nn/refuse.h"

#define TWO_TO_MINUS_32 0x1p-32
#define PI 0x1.921fb54442d18p+1
#define LN2_HIGH 0x1.62e42fee00000p-1 /* 21 low bits zero: an exponent's multiple is exact */
#define LN2_LOW 0x1.a39ef35793c76p-33

typedef struct uniform_range {
    float low, high;
    uint64_t seed;
} uniform_range;

typedef struct normal_curve {
    float mean, deviation;
    uint64_t seed;
} normal_curve;

/* x = 2^e m, m in [sqrt(1/2), sqrt(2)); with s = (m - 1) / (m + 1), log m = 2 (s + s^3/3 + s^5/5 + ...). |s| < 0.172,
 * so the term s^23/23, the first left out, is below 1.2e-19. */
double hl__init_log(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int exponent = (int)(bits >> 52) - 1023;
    bits = (bits & 0x000fffffffffffffu) | 0x3ff0000000000000u;
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 0x1.6a09e667f3bcdp+0) {
        m *= 0.5;
        exponent++;
    }
    double s = (m - 1) / (m + 1), s2 = s * s, series = 0;
    for (int n = 21; n >= 3; n -= 2) series = (series + 1.0 / n) * s2;
    return exponent * LN2_HIGH + (exponent * LN2_LOW + (2 * s * series + 2 * s));
}

/* The nearest quarter turn is taken off in integers, exactly; the Taylor series at the rest, within pi/4, leave out
 * terms below 1e-19. */
void hl__init_circle(uint32_t word, double *sine, double *cosine) {
    uint32_t quarter = (word + 0x20000000u) >> 30;
    int64_t rest = (int64_t)word - ((int64_t)(quarter + (word > 0xdfffffffu ? 4u : 0u)) << 30);
    double angle = ((double)rest + 0.5) * (2 * PI * TWO_TO_MINUS_32), a2 = angle * angle;
    double s = 0, c = 0;
    for (int n = 19; n >= 3; n -= 2) s = (s + 1) * (-a2 / (n * (n - 1)));
    for (int n = 20; n >= 2; n -= 2) c = (c + 1) * (-a2 / (n * (n - 1)));
    s = angle + angle * s;
    c = 1 + c;
    const double sines[4] = {s, c, -s, -c}, cosines[4] = {c, -s, -c, s};
    *sine = sines[quarter & 3];
    *cosine = cosines[quarter & 3];
}

/* FNV-1a, 32 bits (Fowler, Noll and Vo). */
static uint32_t hash_name(const char *name) {
    uint32_t hash = 2166136261u;
    for (const char *at = name; *at; at++) hash = (hash ^ (unsigned char)*at) * 16777619u;
    return hash;
}

static void philox(size_t block, uint64_t seed, uint32_t name, uint32_t word[4]) {
    philox4x32_ctr_t counter = {{(uint32_t)block, (uint32_t)((uint64_t)block >> 32), (uint32_t)(seed >> 32), 0}};
    philox4x32_key_t key = {{(uint32_t)seed, name}};
    philox4x32_ctr_t made = philox4x32_R(10, counter, key);
    memcpy(word, made.v, sizeof made.v);
}

/* In (0, 1), symmetric about 1/2. */
static double unit(uint32_t word) { return (word + 0.5) * TWO_TO_MINUS_32; }

static void fill_constant(float *values, const hl_shape *shape, const char *name, const void *context) {
    (void)name;
    float value;
    memcpy(&value, context, sizeof value);
    size_t n = hl_shape_elements(shape);
    for (size_t i = 0; i < n; i++) values[i] = value;
}

static void fill_uniform(float *values, const hl_shape *shape, const char *name, const void *context) {
    uniform_range range;
    memcpy(&range, context, sizeof range);
    double low = range.low, width = (double)range.high - low;
    uint32_t hash = hash_name(name), word[4];
    size_t n = hl_shape_elements(shape);
    for (size_t i = 0; i < n; i++) {
        if (i % 4 == 0) philox(i / 4, range.seed, hash, word);
        values[i] = (float)(low + width * unit(word[i % 4]));
    }
}

/* Box and Muller 1958: two words make a radius and an angle, and so two independent normal values. */
static void fill_normal(float *values, const hl_shape *shape, const char *name, const void *context) {
    normal_curve curve;
    memcpy(&curve, context, sizeof curve);
    uint32_t hash = hash_name(name), word[4];
    double normal[4];
    size_t n = hl_shape_elements(shape);
    for (size_t i = 0; i < n; i++) {
        if (i % 4 == 0) {
            philox(i / 4, curve.seed, hash, word);
            for (size_t pair = 0; pair < 4; pair += 2) {
                double radius = sqrt(-2 * hl__init_log(unit(word[pair])));
                hl__init_circle(word[pair + 1], &normal[pair + 1], &normal[pair]);
                normal[pair] *= radius;
                normal[pair + 1] *= radius;
            }
        }
        values[i] = (float)((double)curve.mean + (double)curve.deviation * normal[i % 4]);
    }
}

hl_tensor *hl_init_constant(hl_graph *graph, hl_tensor *param, float value) {
    return hl_param_init(graph, param, fill_constant, &value, sizeof value);
}

hl_tensor *hl_init_uniform(hl_graph *graph, hl_tensor *param, float low, float high, uint64_t seed) {
    if (!(isfinite(low) && isfinite(high) && low <= high))
        return hl__nn_refuse(graph, HL_OUT_OF_RANGE, "hl_init_uniform of '%s': no range from %g to %g",
                             hl_tensor_name(param), (double)low, (double)high);
    uniform_range range = {.low = low, .high = high, .seed = seed};
    return hl_param_init(graph, param, fill_uniform, &range, sizeof range);
}

hl_tensor *hl_init_normal(hl_graph *graph, hl_tensor *param, float mean, float deviation, uint64_t seed) {
    if (!(isfinite(mean) && isfinite(deviation) && deviation >= 0))
        return hl__nn_refuse(graph, HL_OUT_OF_RANGE,
                             "hl_init_normal of '%s': no normal curve with mean %g, deviation %g",
                             hl_tensor_name(param), (double)mean, (double)deviation);
    normal_curve curve = {.mean = mean, .deviation = deviation, .seed = seed};
    return hl_param_init(graph, param, fill_normal, &curve, sizeof curve);
}
