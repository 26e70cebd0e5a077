/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The same graph computed in several ways: on other runtimes, again, and with what is fused taken apart. */
#include <math.h>
#include <string.h>

#include "tests/api/fuzz.h"

#define MOST_OUTPUTS 24

/* A program and the state that it alone uses. */
typedef struct way {
    hl_state *state;
    hl_program *program;
} way;

static way open_way(fuzz *f, hl_runtime *runtime, hl_tensor *const outputs[], size_t n) {
    way made = {NULL, NULL};
    hl_status status = hl_state_create(&made.state);
    fuzz_check(f, status == HL_OK || f->short_of_memory, "no state");
    if (status == HL_OK) made.program = fuzz_program(f, runtime, made.state, outputs, n);
    return made;
}

static void close_way(way *w) {
    hl_program_destroy(w->program);
    hl_state_destroy(w->state);
}

/* The same values for every program, from a seed. */
static void write_from(fuzz *f, hl_program *program, uint64_t seed) {
    uint64_t state = f->state;
    f->state = seed;
    fuzz_write_all(f, program);
    f->state = state;
}

static hl_status run_way(fuzz *f, way *w) {
    hl_status status = hl_program_run(w->program);
    fuzz_status(f, "hl_program_run", status, FUZZ_BIT(HL_OK) | FUZZ_BIT(HL_NOT_FINITE), hl_program_error(w->program));
    return status;
}

/* ---- the same bits ---- */

static float ours[FUZZ_ELEMENTS], theirs[FUZZ_ELEMENTS];

static size_t bytes_of(const hl_tensor *tensor) {
    hl_shape shape = hl_tensor_shape(tensor);
    return hl_shape_elements(&shape) * hl_dtype_bytes(hl_tensor_dtype(tensor));
}

static void read_way(fuzz *f, way *w, hl_tensor *tensor, float *values) {
    hl_status status = hl_program_read(w->program, tensor, values, bytes_of(tensor));
    fuzz_check(f, status == HL_OK, "an output cannot be read: %s", hl_program_error(w->program));
}

static void compare_bits(fuzz *f, const char *what, const char *name, size_t bytes) {
    if (memcmp(ours, theirs, bytes) == 0) return;
    size_t i = 0;
    while (memcmp(&ours[i], &theirs[i], sizeof ours[i]) == 0) i++;
    fuzz_fail(f, "%s: element %zu of '%s' is %.9g and %.9g", what, i, name, (double)ours[i], (double)theirs[i]);
}

static void compare_states(fuzz *f, const char *what, hl_state *a, hl_state *b) {
    size_t n = hl_state_count(a);
    fuzz_check(f, n == hl_state_count(b), "%s: the states hold other tensors", what);
    for (size_t i = 0; i < n; i++) {
        const char *name;
        hl_dtype dtype;
        hl_shape shape;
        fuzz_check(f, hl_state_tensor(a, i, &name, &dtype, &shape) == HL_OK, "tensor %zu is lost", i);
        size_t bytes = hl_shape_elements(&shape) * hl_dtype_bytes(dtype);
        if (bytes > sizeof ours) continue;
        fuzz_check(f, hl_state_read(a, name, ours, bytes) == HL_OK && hl_state_read(b, name, theirs, bytes) == HL_OK,
                   "%s: '%s' cannot be read", what, name);
        compare_bits(f, what, name, bytes);
    }
}

static size_t draw_outputs(fuzz *f, hl_tensor **outputs, size_t most) {
    size_t n = 0;
    for (size_t i = 0; i < most; i++) {
        hl_tensor *one = f->n_tensors ? f->tensor[f->n_tensors - 1 - fuzz_below(f, f->n_tensors) / 2] : NULL;
        if (f->n_gradients && fuzz_one_in(f, 3)) one = f->gradient[fuzz_below(f, f->n_gradients)];
        if (f->n_weights && fuzz_one_in(f, 5)) one = f->weights[fuzz_below(f, f->n_weights)];
        if (f->n_steps && fuzz_one_in(f, 3)) one = f->step[fuzz_below(f, f->n_steps)];
        if (one && fuzz_small(one)) outputs[n++] = one;
    }
    return n;
}

/* On every runtime, profiled or not: outputs and states agree after each of some runs. */
void fuzz_same_bits(fuzz *f, const fuzz_runtimes *runtimes) {
    hl_tensor *outputs[5];
    size_t n = draw_outputs(f, outputs, 1 + fuzz_below(f, FUZZ_COUNT(outputs)));
    if (n == 0) return;
    way ways[FUZZ_RUNTIMES + 1];
    for (size_t i = 0; i < FUZZ_COUNT(ways); i++)
        ways[i] = open_way(f, runtimes->runtime[i % FUZZ_RUNTIMES], outputs, n);
    for (size_t run = 0; run < 3 && ways[0].program; run++) {
        uint64_t seed = fuzz_draw(f);
        hl_status first = HL_OK;
        for (size_t i = 0; i < FUZZ_COUNT(ways); i++) {
            fuzz_check(f, ways[i].program != NULL, "a program is made once and refused once");
            write_from(f, ways[i].program, seed);
            if (i == 1 && run == 1) hl_program_profile_start(ways[i].program);
            hl_status status = run_way(f, &ways[i]);
            if (i == 0) first = status;
            fuzz_check(f, status == first, "on another runtime: %s", hl_status_string(status));
            for (size_t o = 0; o < n && i > 0; o++) {
                read_way(f, &ways[0], outputs[o], ours);
                read_way(f, &ways[i], outputs[o], theirs);
                compare_bits(f, "on another runtime", hl_tensor_name(outputs[o]), bytes_of(outputs[o]));
            }
            if (i > 0) compare_states(f, "on another runtime", ways[0].state, ways[i].state);
        }
    }
    bool stateless = f->n_steps == 0 && ways[0].program;
    uint64_t seed = fuzz_draw(f);
    for (size_t o = 0; o < n && stateless; o++) { /* the same run again, over what another one has left */
        write_from(f, ways[0].program, seed);
        run_way(f, &ways[0]);
        read_way(f, &ways[0], outputs[o], ours);
        write_from(f, ways[0].program, seed + 1);
        run_way(f, &ways[0]);
        write_from(f, ways[0].program, seed);
        run_way(f, &ways[0]);
        read_way(f, &ways[0], outputs[o], theirs);
        compare_bits(f, "once more", hl_tensor_name(outputs[o]), bytes_of(outputs[o]));
    }
    for (size_t i = 0; i < FUZZ_COUNT(ways); i++) close_way(&ways[i]);
}

/* ---- fused and apart ---- */

/* `ordinary` is the size of numbers that those of the tensor are made from: what cancels is no more exact than they
 * are. A wrong formula is found here, not a rounding: values are of ordinary size and every function of a gentle graph
 * changes little where its arguments do (fuzz_pool.c keeps sizes below some units, layer norms have an epsilon of 0.1),
 * so that errors of 2^-24 grow by less than the 2^10 that this leaves. */
static void compare_near(fuzz *f, hl_tensor *tensor, float ordinary) {
    size_t n = bytes_of(tensor) / sizeof *ours;
    float largest = ordinary;
    for (size_t i = 0; i < n; i++) {
        fuzz_check(f, isfinite(ours[i]) && isfinite(theirs[i]), "element %zu of '%s' is %g fused, %g apart", i,
                   hl_tensor_name(tensor), (double)ours[i], (double)theirs[i]);
        largest = fmaxf(largest, fabsf(theirs[i]));
    }
    for (size_t i = 0; i < n; i++)
        fuzz_check(f, fabsf(ours[i] - theirs[i]) <= 0x1p-14f * largest,
                   "element %zu of '%s' is %.9g fused, %.9g apart, of up to %g", i, hl_tensor_name(tensor),
                   (double)ours[i], (double)theirs[i], (double)largest);
}

/* Gradients of the means of some tensors, computed alone, and together with tensors between that keep operators from
 * being fused. */
void fuzz_fused_and_apart(fuzz *f, const fuzz_runtimes *runtimes) {
    hl_tensor *outputs[MOST_OUTPUTS], *means[2] = {NULL};
    float of_mean[2];
    for (size_t i = 0; i < 2 && f->n_tensors; i++) {
        hl_tensor *y = f->tensor[f->n_tensors - 1 - fuzz_below(f, f->n_tensors) / 2];
        hl_tensor *loss = fuzz_made(f, "loss", hl_mean(f->graph, hl_multiply(f->graph, y, y), 0, false), 1);
        hl_tensor *wrt = f->n_leaves ? f->leaf[fuzz_below(f, f->n_leaves)].tensor : y;
        if (hl_tensor_dtype(wrt) != HL_F32) wrt = f->tensor[fuzz_below(f, f->n_tensors)];
        hl_tensor *d = hl_gradient(f->graph, loss, wrt);
        fuzz_check(f, d != NULL, "no gradient: %s", hl_graph_error(f->graph));
        if (f->n_gradients < FUZZ_COUNT(f->gradient)) f->gradient[f->n_gradients++] = d;
        means[i] = d;
        of_mean[i] = 1 / (float)fmax(1, (double)(bytes_of(y) / sizeof(float))); /* that of an element of y */
    }
    size_t n = draw_outputs(f, outputs, 4), all = n;
    if (n == 0) return;
    bool gradients = fuzz_one_in(f, 2);
    for (size_t i = 0; all < MOST_OUTPUTS && i < f->n_tensors; i++) {
        if (!fuzz_small(f->tensor[i]) || fuzz_one_in(f, 3)) continue;
        hl_tensor *loss = hl_tensor_shape(f->tensor[f->n_tensors - 1]).rank == 0 ? f->tensor[f->n_tensors - 1] : NULL;
        outputs[all++] = gradients && loss ? hl_gradient(f->graph, loss, f->tensor[i]) : f->tensor[i];
    }
    way fused = open_way(f, runtimes->runtime[0], outputs, n), apart = open_way(f, runtimes->runtime[1], outputs, all);
    uint64_t seed = fuzz_draw(f);
    write_from(f, fused.program, seed);
    write_from(f, apart.program, seed);
    run_way(f, &fused);
    run_way(f, &apart);
    for (size_t o = 0; o < n; o++) {
        read_way(f, &fused, outputs[o], ours);
        read_way(f, &apart, outputs[o], theirs);
        float ordinary = outputs[o] == means[0] ? of_mean[0] : outputs[o] == means[1] ? of_mean[1] : 1;
        if (hl_tensor_dtype(outputs[o]) == HL_F32) compare_near(f, outputs[o], ordinary);
    }
    close_way(&fused);
    close_way(&apart);
}
