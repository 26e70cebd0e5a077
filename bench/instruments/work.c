/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Graph, programs and values of a subject. The graph is what a user would write; only its values are random. */
#include "bench/instruments/work.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool bench_complain(const char *doing, hl_status status, const char *words) {
    fprintf(stderr, "hl-bench: %s: %s%s%s\n", doing, hl_status_string(status), words && *words ? ": " : "",
            words ? words : "");
    return false;
}

size_t bench_part_elements(const bench_subject *subject, size_t part) {
    return hl_shape_elements(&subject->part[part].shape);
}

/* Numbers in (-1, 1) (Steele, Lea and Flood 2014). */
static double next_random(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)(int64_t)(z ^ (z >> 31)) * 0x1p-63;
}

float *bench_random(size_t n, uint64_t seed, double deviation) {
    float *values = calloc(n, sizeof values[0]);
    for (size_t i = 0; values && i < n; i++) values[i] = (float)(sqrt(3) * deviation * next_random(&seed));
    return values;
}

/* ---- a loss whose gradient with respect to y is r, as if it were the sum of y * r ----
 *
 * The gradient is a view of r: nothing is run to make it, so what is measured is the subject alone. The value of the
 * loss is of no use to anybody and is 0. */

static hl_status given_infer(hl_inference *inference) {
    inference->output[0] = HL_SCALAR;
    return HL_OK;
}

static void one_tile(const hl_call *call, hl_grid *grid) {
    (void)call;
    grid->extent[0] = 1;
}

static void touch_result(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    (void)tile;
    for (size_t i = 0; i < call->n_reads; i++) boxes[i] = (hl_box){{0}, {0}};
}

static void store_zero(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    *(float *)call->operand[call->n_reads].data = 0;
}

static bool view_of_r(const hl_call *call, const hl_view *source, hl_view *view, size_t *offset) {
    (void)call;
    (void)offset;
    for (size_t i = 0; i < source->shape.rank; i++) view->stride[i] = source->stride[i];
    return true;
}

static const hl_pass loss_pass = {.name = "forward", .grid = one_tile, .access = touch_result, .kernel = store_zero};
static const hl_operator given_gradient = {
    .name = "given_gradient",
    .min_inputs = 2,
    .max_inputs = 2,
    .n_outputs = 1,
    .infer = given_infer,
    .forward = {{.pass = &loss_pass, .reads = {HL_IN(0), HL_IN(1)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &loss_pass, .reads = {HL_IN(1)}, .writes = {HL_DIN(0)}, .alias = view_of_r}}};

/* ---- graph and programs ---- */

static bool build(bench_work *work) {
    const bench_subject *subject = work->subject;
    hl_status status = hl_graph_create(&work->graph);
    if (status != HL_OK) return bench_complain("graph", status, NULL);
    hl_graph *g = work->graph;
    for (size_t i = 0; i < subject->n_parts; i++) {
        const bench_part *part = &subject->part[i];
        work->part[i] =
            part->input ? hl_input(g, part->name, HL_F32, part->shape) : hl_param(g, part->name, HL_F32, part->shape);
    }
    work->y = subject->build(subject, g, work->part);
    work->r = hl_input(g, "r", HL_F32, hl_tensor_shape(work->y));
    hl_tensor *loss = hl_apply(g, &given_gradient, (hl_tensor *[]){work->y, work->r}, 2, NULL, NULL);
    for (size_t i = 0; i < subject->n_parts; i++) work->gradient[i] = hl_gradient(g, loss, work->part[i]);

    status = hl_state_create(&work->state);
    if (status != HL_OK) return bench_complain("state", status, NULL);
    status = hl_program_create(work->runtime, g, work->state, &work->y, 1, &work->forward);
    if (status != HL_OK) return bench_complain("forward", status, hl_graph_error(g));
    hl_tensor *outputs[1 + BENCH_MAX_PARTS] = {work->y};
    for (size_t i = 0; i < subject->n_parts; i++) outputs[1 + i] = work->gradient[i];
    status = hl_program_create(work->runtime, g, work->state, outputs, 1 + subject->n_parts, &work->both);
    return status == HL_OK || bench_complain("forward and backward", status, hl_graph_error(g));
}

bool bench_work_write_r(bench_work *work, const float *r) {
    size_t n = work->subject->rows * work->subject->row_elements;
    hl_status status = hl_program_write(work->both, work->r, r, n * sizeof r[0]);
    return status == HL_OK || bench_complain("writing r", status, hl_program_error(work->both));
}

static bool fill_part(bench_work *work, size_t i) {
    const bench_part *part = &work->subject->part[i];
    size_t n = bench_part_elements(work->subject, i), bytes = n * sizeof(float);
    float *values = bench_random(n, 1000 + i, part->deviation);
    hl_status status = values ? HL_OK : HL_OUT_OF_MEMORY;
    if (status == HL_OK && part->input) {
        status = hl_program_write(work->forward, work->part[i], values, bytes);
        if (status == HL_OK) status = hl_program_write(work->both, work->part[i], values, bytes);
    } else if (status == HL_OK) {
        status = hl_state_write(work->state, part->name, values, bytes);
    }
    free(values);
    return status == HL_OK || bench_complain(part->name, status, NULL);
}

static bool fill(bench_work *work) {
    for (size_t i = 0; i < work->subject->n_parts; i++)
        if (!fill_part(work, i)) return false;
    float *r = bench_random(work->subject->rows * work->subject->row_elements, 999, 1);
    bool good = r ? bench_work_write_r(work, r) : bench_complain("r", HL_OUT_OF_MEMORY, NULL);
    free(r);
    return good;
}

bool bench_work_create(const bench_subject *subject, const bench_runtime_options *options, bench_work *work) {
    *work = (bench_work){.subject = subject};
    hl_status status = bench_runtime_create(options, &work->runtime);
    if (status != HL_OK) return bench_complain("runtime", status, hl_runtime_error(NULL));
    return build(work) && fill(work);
}

void bench_work_destroy(bench_work *work) {
    hl_program_destroy(work->both);
    hl_program_destroy(work->forward);
    hl_state_destroy(work->state);
    hl_graph_destroy(work->graph);
    hl_runtime_destroy(work->runtime);
    *work = (bench_work){.subject = work->subject};
}

double bench_run_program(void *program) {
    double begin = bench_now_ms();
    hl_status status = hl_program_run(program);
    double end = bench_now_ms();
    if (status == HL_OK) return end - begin;
    bench_complain("run", status, hl_program_error(program));
    return -1;
}

double bench_trace_program(hl_runtime *runtime, hl_program *program, const char *path) {
    hl_status status = hl_runtime_trace_clear(runtime);
    double ms = status == HL_OK ? bench_run_program(program) : -1;
    if (ms >= 0) status = hl_runtime_trace_write(runtime, path);
    if (status == HL_OK) return ms;
    bench_complain("trace", status, hl_runtime_error(runtime));
    return -1;
}

bench_measurement bench_program_measurement(const char *what, hl_program *program, double flops) {
    return (bench_measurement){.what = what, .run = bench_run_program, .context = program, .flops = flops};
}
