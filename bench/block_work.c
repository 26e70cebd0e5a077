/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The block's graph, programs and values. The graph is what a user would write; only its parameters are random. */
#include "bench/block_work.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/block_oracle.h"
#include "bench/measure.h"

static const char *const part_names[BLOCK_N_WRT] = {"x",      "mha.wq", "mha.wk", "mha.wv", "mha.wo",
                                                    "mha.bq", "mha.bk", "mha.bv", "mha.bo"};

static bool complain(const char *doing, hl_status status, const char *words) {
    fprintf(stderr, "hl-bench: %s: %s%s%s\n", doing, hl_status_string(status), words && *words ? ": " : "",
            words ? words : "");
    return false;
}

static hl_shape part_shape(const block_shape *shape, int part) {
    size_t W = shape->width, H = shape->heads, D = W / H;
    switch (part) {
    case BLOCK_X: return HL_SHAPE(shape->batch, shape->tokens, W);
    case BLOCK_WO: return HL_SHAPE(W, W);
    case BLOCK_BO: return HL_SHAPE(W);
    case BLOCK_WQ:
    case BLOCK_WK:
    case BLOCK_WV: return HL_SHAPE(W, H, D);
    default: return HL_SHAPE(H, D);
    }
}

size_t block_part_elements(const block_shape *shape, int part) {
    hl_shape extents = part_shape(shape, part);
    return hl_shape_elements(&extents);
}

/* Numbers in (-1, 1), the same on every machine (Steele, Lea and Flood 2014). */
static double next_random(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)(int64_t)(z ^ (z >> 31)) * 0x1p-63;
}

/* Of variance 1 for x, 1 / width for weights: queries, keys and values then have variance 1, too, and the softmax is
 * neither flat nor a single one. */
static float *random_part(const block_shape *shape, int part) {
    size_t n = block_part_elements(shape, part);
    float *values = calloc(n, sizeof values[0]);
    uint64_t seed = 1000 + (uint64_t)part;
    double deviation = part == BLOCK_X ? 1 : 1 / sqrt((double)shape->width);
    for (size_t i = 0; values && i < n; i++) values[i] = (float)(sqrt(3) * deviation * next_random(&seed));
    return values;
}

static bool build(block_work *work) {
    hl_status status = hl_graph_create(&work->graph);
    if (status != HL_OK) return complain("graph", status, NULL);
    hl_graph *g = work->graph;
    hl_nn nn = {.graph = g, .training = true};
    hl_tensor **wrt = work->wrt;
    wrt[BLOCK_X] = hl_input(g, part_names[BLOCK_X], HL_F32, part_shape(&work->shape, BLOCK_X));
    work->r = hl_input(g, "r", HL_F32, part_shape(&work->shape, BLOCK_X));
    work->y = hl_nn_multi_head_attention(&nn, "mha", wrt[BLOCK_X],
                                         &(hl_attention_options){.heads = work->shape.heads, .mask = work->shape.mask});
    hl_tensor *loss = hl_sum(g, hl_multiply(g, work->y, work->r), 0, false);
    for (int i = BLOCK_WQ; i < BLOCK_N_WRT; i++) /* the same name gives the layer's own parameter */
        wrt[i] = hl_param(g, part_names[i], HL_F32, part_shape(&work->shape, i));
    for (int i = 0; i < BLOCK_N_WRT; i++) work->gradient[i] = hl_gradient(g, loss, wrt[i]);

    status = hl_state_create(&work->state);
    if (status != HL_OK) return complain("state", status, NULL);
    status = hl_program_create(work->runtime, g, work->state, &work->y, 1, &work->forward);
    if (status != HL_OK) return complain("forward", status, hl_graph_error(g));
    hl_tensor *outputs[1 + BLOCK_N_WRT] = {work->y};
    for (int i = 0; i < BLOCK_N_WRT; i++) outputs[1 + i] = work->gradient[i];
    status = hl_program_create(work->runtime, g, work->state, outputs, 1 + BLOCK_N_WRT, &work->both);
    if (status != HL_OK) return complain("forward and backward", status, hl_graph_error(g));
    return true;
}

bool block_write_r(block_work *work, const float *r) {
    size_t bytes = block_part_elements(&work->shape, BLOCK_X) * sizeof r[0];
    hl_status status = hl_program_write(work->both, work->r, r, bytes);
    return status == HL_OK || complain("writing r", status, hl_program_error(work->both));
}

static bool fill(block_work *work) {
    for (int i = 0; i < BLOCK_N_WRT; i++) {
        float *values = random_part(&work->shape, i);
        size_t bytes = block_part_elements(&work->shape, i) * sizeof values[0];
        hl_status status = values ? HL_OK : HL_OUT_OF_MEMORY;
        if (status == HL_OK && i == BLOCK_X) {
            status = hl_program_write(work->forward, work->wrt[i], values, bytes);
            if (status == HL_OK) status = hl_program_write(work->both, work->wrt[i], values, bytes);
            if (status == HL_OK && !block_write_r(work, values)) status = HL_INVALID_ARGUMENT;
        } else if (status == HL_OK) {
            status = hl_state_write(work->state, part_names[i], values, bytes);
        }
        free(values);
        if (status != HL_OK) return complain(part_names[i], status, hl_state_error(work->state));
    }
    return true;
}

bool block_work_create(const block_shape *shape, const hl_runtime_options *options, block_work *work) {
    *work = (block_work){.shape = *shape};
    hl_status status = hl_runtime_create(options, &work->runtime);
    if (status != HL_OK) return complain("runtime", status, NULL);
    return build(work) && fill(work);
}

void block_work_destroy(block_work *work) {
    hl_program_destroy(work->both);
    hl_program_destroy(work->forward);
    hl_state_destroy(work->state);
    hl_graph_destroy(work->graph);
    hl_runtime_destroy(work->runtime);
    *work = (block_work){.shape = work->shape};
}

double block_flops(const block_shape *shape) {
    double B = (double)shape->batch, T = (double)shape->tokens, W = (double)shape->width;
    double pairs = shape->mask == HL_MASK_CAUSAL ? T * (T + 1) / 2 : T * T;
    return B * (4 * 2 * T * W * W + 2 * 2 * pairs * W);
}

double block_run(void *program) {
    double begin = bench_now_ms();
    hl_status status = hl_program_run(program);
    double end = bench_now_ms();
    if (status == HL_OK) return end - begin;
    complain("run", status, hl_program_error(program));
    return -1;
}
