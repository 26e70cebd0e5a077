/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Programs of a case's graph and states, used in any legal order; and what each call may answer. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/api/fuzz.h"

#define PROGRAMS 3
#define STATES 2
#define UNTOUCHED 0xA5

static unsigned char buffer[FUZZ_ELEMENTS * sizeof(float) + 8];

void fuzz_status(const fuzz *f, const char *call, hl_status status, unsigned allowed, const char *words) {
    const char *text = hl_status_string(status);
    fuzz_check(f, status <= 31 && allowed >> status & 1, "%s gives %d (%s): %s", call, (int)status, text,
               words ? words : "");
    if (words) fuzz_check(f, status == HL_OK || *words, "%s gives %s without words", call, text);
}

hl_program *fuzz_program(fuzz *f, hl_runtime *runtime, hl_state *state, hl_tensor *const outputs[], size_t n) {
    hl_program *untouched = (hl_program *)(void *)f, *program = untouched;
    fuzz_say(f, "program of %zu outputs:", n);
    for (size_t i = 0; i < n && outputs; i++) fuzz_say(f, " %s", hl_tensor_name(outputs[i]));
    fuzz_say(f, "\n");
    size_t n_held = hl_state_count(state);
    hl_status status = hl_program_create(runtime, f->graph, state, outputs, n, &program);
    fuzz_say(f, "  -> %s %s\n", hl_status_string(status), status == HL_OK ? "" : hl_graph_error(f->graph));
    unsigned missing = FUZZ_BIT(HL_NOT_FOUND);
    fuzz_status(f, "hl_program_create", status,
                FUZZ_BIT(HL_OK) | (FUZZ_REFUSED & ~FUZZ_BIT(HL_EXISTS)) | missing | FUZZ_BIT(f->first),
                hl_graph_error(f->graph));
    fuzz_check(f, status == HL_OK || hl_state_count(state) == n_held, "a program that is refused changes the state");
    if (f->first != HL_OK) fuzz_check(f, status == f->first, "a program of a graph that has failed");
    fuzz_check(f, (program == untouched) == (status != HL_OK), "hl_program_create: the program is %p", (void *)program);
    if (!f->wild && !f->short_of_memory && f->first == HL_OK)
        fuzz_check(f, status == HL_OK, "hl_program_create refuses what fits: %s", hl_graph_error(f->graph));
    return status == HL_OK ? program : NULL;
}

static size_t bytes_of(const hl_tensor *tensor) {
    hl_shape shape = hl_tensor_shape(tensor);
    return hl_shape_elements(&shape) * hl_dtype_bytes(hl_tensor_dtype(tensor));
}

static void write_leaf(fuzz *f, hl_program *program, const fuzz_leaf *leaf) {
    if (!fuzz_small(leaf->tensor)) return;
    size_t bytes = bytes_of(leaf->tensor), given = fuzz_size(f, bytes);
    fuzz_fill(f, leaf, buffer, bytes / 4);
    if (given > sizeof buffer) given = sizeof buffer;
    bool none = fuzz_odd(f);
    hl_status status = hl_program_write(program, leaf->tensor, none ? NULL : buffer, given);
    if (none) fuzz_check(f, status != HL_OK, "hl_program_write of nothing");
    fuzz_status(f, "hl_program_write", status,
                FUZZ_BIT(HL_OK) | FUZZ_BIT(HL_NOT_FOUND) | FUZZ_BIT(HL_SHAPE_MISMATCH) | FUZZ_BIT(HL_OUT_OF_RANGE) |
                    (none ? FUZZ_BIT(HL_INVALID_ARGUMENT) : 0),
                hl_program_error(program));
    if (!leaf->input) fuzz_check(f, status != HL_OK, "hl_program_write of what is no input");
    if (given != bytes) fuzz_check(f, status != HL_OK, "hl_program_write of the wrong size");
    bool rate = hl_tensor_dtype(leaf->tensor) == HL_F32 && bytes == sizeof(float); /* must be finite */
    if (!f->wild && leaf->input)
        fuzz_check(f, status == HL_OK || status == HL_NOT_FOUND || (rate && status == HL_OUT_OF_RANGE),
                   "hl_program_write refuses what fits: %s", hl_program_error(program));
}

void fuzz_write_all(fuzz *f, hl_program *program) {
    for (size_t i = 0; i < f->n_leaves; i++)
        if (f->leaf[i].input) write_leaf(f, program, &f->leaf[i]);
}

/* ---- one action each ---- */

typedef struct party {
    hl_program *program[PROGRAMS];
    hl_runtime *runtime[PROGRAMS];
    hl_state *state[STATES];
    bool traced[PROGRAMS];
} party;

static const unsigned run_statuses = FUZZ_BIT(HL_OK) | FUZZ_BIT(HL_NOT_FINITE) | FUZZ_BIT(HL_CANCELLED);

static hl_tensor *any_known(fuzz *f) {
    if (fuzz_one_in(f, 12)) return fuzz_one_in(f, 2) ? NULL : f->foreign;
    if (f->n_leaves && fuzz_one_in(f, 2)) return f->leaf[fuzz_below(f, f->n_leaves)].tensor;
    if (f->n_steps && fuzz_one_in(f, 4)) return f->step[fuzz_below(f, f->n_steps)];
    if (f->n_gradients && fuzz_one_in(f, 3)) return f->gradient[fuzz_below(f, f->n_gradients)];
    if (f->n_weights && fuzz_one_in(f, 3)) return f->weights[fuzz_below(f, f->n_weights)];
    return f->n_tensors ? f->tensor[fuzz_below(f, f->n_tensors)] : NULL;
}

static void read_one(fuzz *f, hl_program *program) {
    hl_tensor *tensor = any_known(f);
    if (tensor && !fuzz_small(tensor)) return;
    size_t bytes = bytes_of(tensor), asked = fuzz_size(f, bytes);
    if (asked > sizeof buffer) asked = sizeof buffer;
    memset(buffer, UNTOUCHED, bytes + 1);
    hl_status status = hl_program_read(program, tensor, fuzz_odd(f) ? NULL : buffer, asked);
    fuzz_status(f, "hl_program_read", status,
                FUZZ_BIT(HL_OK) | FUZZ_BIT(HL_NOT_FOUND) | FUZZ_BIT(HL_SHAPE_MISMATCH) | FUZZ_BIT(HL_NO_VALUE) |
                    FUZZ_BIT(HL_CANCELLED) | FUZZ_BIT(HL_INVALID_ARGUMENT),
                hl_program_error(program));
    if (status == HL_OK) fuzz_check(f, asked == bytes, "hl_program_read of the wrong size");
    for (size_t i = status == HL_OK ? bytes : 0; i < bytes + 1; i++)
        fuzz_check(f, buffer[i] == UNTOUCHED, "hl_program_read writes byte %zu of %zu: %s", i, bytes,
                   hl_status_string(status));
}

static void *cancel(void *argument) {
    hl_program *program = argument;
    for (int i = 0; i < 40; i++) {
        hl_status status = hl_program_cancel(program);
        if (status == HL_OK || status == HL_TOO_LATE) break;
        if (status != HL_NOT_RUNNING) return argument;
        usleep(5);
    }
    return NULL;
}

static void run_one(fuzz *f, hl_program *program, bool cancelled) {
    pthread_t thread;
    void *wrong = NULL;
    cancelled = cancelled && pthread_create(&thread, NULL, cancel, program) == 0;
    hl_status status = hl_program_run(program);
    if (cancelled) pthread_join(thread, &wrong);
    fuzz_say(f, "run: %s\n", hl_status_string(status));
    fuzz_check(f, !wrong, "hl_program_cancel gives what it may not");
    fuzz_status(f, "hl_program_run", status, run_statuses, hl_program_error(program));
    if (!cancelled) fuzz_check(f, status != HL_CANCELLED, "a run that nobody has cancelled");
}

static void profile(fuzz *f, hl_program *program) {
    hl_profile *made = NULL;
    hl_status status;
    switch (fuzz_below(f, 3)) {
    case 0:
        status = hl_program_profile_start(program);
        fuzz_status(f, "hl_program_profile_start", status, FUZZ_BIT(HL_OK) | FUZZ_BIT(HL_OUT_OF_MEMORY),
                    hl_program_error(program));
        break;
    case 1:
        status = hl_program_profile_stop(program);
        fuzz_status(f, "hl_program_profile_stop", status, FUZZ_BIT(HL_OK), hl_program_error(program));
        break;
    default:
        status = hl_program_profile(program, fuzz_odd(f) ? NULL : &made);
        fuzz_status(f, "hl_program_profile", status,
                    FUZZ_BIT(HL_OK) | FUZZ_BIT(HL_OUT_OF_MEMORY) | FUZZ_BIT(HL_UNSUPPORTED) |
                        FUZZ_BIT(HL_INVALID_ARGUMENT),
                    hl_program_error(program));
        for (size_t i = 0; made && i < made->n_workers; i++) {
            const hl_profile_worker *w = &made->workers[i];
            fuzz_check(f, w->work_ns + w->idle_ns + w->overhead_ns == made->wall_ns, "a worker's times do not add up");
        }
        hl_profile_destroy(made);
    }
}

static void dump(fuzz *f, hl_program *program) {
    const char *paths[] = {"/dev/null", "/dev/null", "/nowhere/at/all", "", NULL};
    const char *path = paths[fuzz_below(f, f->wild ? FUZZ_COUNT(paths) : 2)];
    const unsigned allowed = FUZZ_BIT(HL_OK) | FUZZ_BIT(HL_SYSTEM) | FUZZ_BIT(HL_INVALID_ARGUMENT) |
                             FUZZ_BIT(HL_OUT_OF_MEMORY) | FUZZ_BIT(HL_OUT_OF_RANGE);
    hl_stage stage = (hl_stage)(fuzz_odd(f) ? (int)(fuzz_draw(f) & INT32_MAX) : (int)fuzz_below(f, HL_STAGE_LINK + 1));
    fuzz_status(f, "hl_program_dump", hl_program_dump(program, stage, path), allowed, NULL);
    bool found;
    size_t n = hl_program_state_count(program), index = fuzz_size(f, n ? fuzz_below(f, n) : 0);
    const char *name = NULL;
    hl_status status = hl_program_state(program, index, &name, &found);
    fuzz_check(f, index < n ? status == HL_OK && name : status == HL_OUT_OF_RANGE && !name, "hl_program_state");
    hl_program_sizes sizes;
    fuzz_status(f, "hl_program_measure", hl_program_measure(program, &sizes), FUZZ_BIT(HL_OK), NULL);
    if (sizes.tasks < 500) fuzz_status(f, "hl_program_dump_dot", hl_program_dump_dot(program, path), allowed, NULL);
    fuzz_status(f, "hl_graph_dump_dot", hl_graph_dump_dot(f->graph, path), allowed, NULL);
}

static void look_at_state(fuzz *f, hl_state *state) {
    size_t n = hl_state_count(state), index = n ? fuzz_below(f, n) : 0;
    const char *name = NULL;
    hl_dtype dtype = HL_NONE;
    hl_shape shape = HL_SCALAR;
    bool used;
    fuzz_check(f, hl_state_tensor(state, n, &name, &dtype, &shape) == HL_OUT_OF_RANGE && !name, "a tensor too many");
    fuzz_check(f, hl_state_used(state, fuzz_size(f, n), &used) == HL_OUT_OF_RANGE || f->wild, "a tensor too many");
    if (n == 0) return;
    fuzz_check(f, hl_state_tensor(state, index, &name, &dtype, &shape) == HL_OK && name, "no tensor %zu", index);
    size_t bytes = hl_shape_elements(&shape) * hl_dtype_bytes(dtype);
    if (bytes > sizeof buffer - 1) return;
    const char *asked = fuzz_odd(f) ? fuzz_name(f, "w") : name;
    size_t given = fuzz_size(f, bytes);
    if (given > sizeof buffer) given = sizeof buffer;
    const unsigned allowed = FUZZ_BIT(HL_OK) | FUZZ_BIT(HL_SHAPE_MISMATCH) | FUZZ_BIT(HL_NOT_FOUND) |
                             FUZZ_BIT(HL_OUT_OF_RANGE) | FUZZ_BIT(HL_INVALID_ARGUMENT) | FUZZ_BIT(HL_TYPE_MISMATCH) |
                             FUZZ_BIT(HL_OUT_OF_MEMORY) | FUZZ_BIT(HL_EXISTS);
    memset(buffer, 0, sizeof buffer);
    hl_status status = hl_state_read(state, asked, fuzz_odd(f) ? NULL : buffer, given);
    fuzz_status(f, "hl_state_read", status, allowed, hl_state_error(state));
    if (fuzz_one_in(f, 3)) {
        const fuzz_leaf any = {.low = INT32_MIN, .high = INT32_MAX};
        fuzz_fill(f, &any, buffer, bytes / 4);
        if (dtype == HL_I32 && !fuzz_odd(f)) memset(buffer, 0, bytes);
        fuzz_status(f, "hl_state_write", hl_state_write(state, asked, fuzz_odd(f) ? NULL : buffer, given), allowed,
                    hl_state_error(state));
    }
    if (!fuzz_odd(f)) return;
    if (fuzz_odd(f)) dtype = (hl_dtype)fuzz_below(f, 4);
    if (fuzz_odd(f)) shape = fuzz_shape(f, 2);
    memset(buffer, 0, sizeof buffer);
    fuzz_status(f, "hl_state_enter", hl_state_enter(state, asked, dtype, shape, fuzz_odd(f) ? NULL : buffer, given),
                allowed, hl_state_error(state));
}

static void look_at_runtime(fuzz *f, hl_runtime *runtime, bool traced) {
    char text[64];
    memset(text, UNTOUCHED, sizeof text);
    size_t whole = hl_runtime_describe(runtime, text, 40);
    fuzz_check(f, whole > 40 && strlen(text) == 39 && (unsigned char)text[40] == UNTOUCHED, "hl_runtime_describe");
    const char *path = !fuzz_odd(f) ? "/dev/null" : fuzz_one_in(f, 2) ? "/nowhere/at" : NULL;
    hl_status status = fuzz_one_in(f, 3) ? hl_runtime_trace_clear(runtime) : hl_runtime_trace_write(runtime, path);
    fuzz_status(f, "a trace", status,
                FUZZ_BIT(HL_OK) | FUZZ_BIT(HL_OUT_OF_MEMORY) | FUZZ_BIT(HL_SYSTEM) | FUZZ_BIT(HL_UNSUPPORTED) |
                    FUZZ_BIT(HL_INVALID_ARGUMENT),
                hl_runtime_error(runtime));
    fuzz_check(f, (status == HL_UNSUPPORTED) == !traced, "a trace: %s", hl_status_string(status));
}

/* ---- all of them ---- */

static void make_program(fuzz *f, party *p, size_t place, const fuzz_runtimes *runtimes) {
    hl_tensor *outputs[6];
    size_t n = 1 + fuzz_below(f, FUZZ_COUNT(outputs)), r = fuzz_below(f, FUZZ_RUNTIMES);
    for (size_t i = 0; i < n; i++) {
        outputs[i] = f->wild && fuzz_one_in(f, 4) ? any_known(f)
                     : f->n_tensors               ? f->tensor[f->n_tensors - 1 - fuzz_below(f, f->n_tensors) / 2]
                                                  : any_known(f);
        if (f->n_steps && fuzz_one_in(f, 3)) outputs[i] = f->step[fuzz_below(f, f->n_steps)];
        if (f->n_gradients && fuzz_one_in(f, 3)) outputs[i] = f->gradient[fuzz_below(f, f->n_gradients)];
        if (f->n_weights && fuzz_one_in(f, 4)) outputs[i] = f->weights[fuzz_below(f, f->n_weights)];
        if (!f->wild && (!outputs[i] || outputs[i] == f->foreign)) return;
    }
    if (fuzz_odd(f)) n = 0;
    p->traced[place] = runtimes->options[r].trace_events > 0;
    p->runtime[place] = runtimes->runtime[r];
    p->program[place] =
        fuzz_program(f, fuzz_odd(f) ? NULL : p->runtime[place], fuzz_odd(f) ? NULL : p->state[fuzz_below(f, STATES)],
                     fuzz_odd(f) ? NULL : outputs, n);
}

static void act(fuzz *f, party *p, const fuzz_runtimes *runtimes) {
    size_t place = fuzz_below(f, PROGRAMS);
    hl_program *program = p->program[place];
    if (!program) {
        make_program(f, p, place, runtimes);
        return;
    }
    switch (fuzz_below(f, 12)) {
    case 0: fuzz_write_all(f, program); break;
    case 1:
        if (f->n_leaves) write_leaf(f, program, &f->leaf[fuzz_below(f, f->n_leaves)]);
        break;
    case 2:
    case 3: run_one(f, program, false); break;
    case 4: run_one(f, program, true); break;
    case 5:
    case 6: read_one(f, program); break;
    case 7: profile(f, program); break;
    case 8: dump(f, program); break;
    case 9: look_at_state(f, p->state[fuzz_below(f, STATES)]); break;
    case 10: look_at_runtime(f, p->runtime[place], p->traced[place]); break;
    default:
        if (!fuzz_one_in(f, 3)) break;
        hl_program_destroy(program);
        p->program[place] = NULL;
    }
}

void fuzz_use(fuzz *f, const fuzz_runtimes *runtimes) {
    party p = {.program = {NULL}};
    for (size_t i = 0; i < STATES; i++) {
        fuzz_check(f, hl_state_create(&p.state[i]) == HL_OK, "no state");
        if (f->wild && fuzz_one_in(f, 6))
            fuzz_status(f, "hl_state_set_missing", hl_state_set_missing(p.state[i], (hl_missing)fuzz_below(f, 4)),
                        FUZZ_BIT(HL_OK) | FUZZ_BIT(HL_INVALID_ARGUMENT), NULL);
    }
    if (f->wild && fuzz_one_in(f, 8)) {
        const float none[4] = {0};
        hl_state_enter(p.state[0], "w0", HL_F32, HL_SHAPE(2, 2), none, sizeof none);
    }
    size_t n = 4 + fuzz_below(f, 14);
    for (size_t i = 0; i < n; i++) act(f, &p, runtimes);
    for (size_t i = 0; i < PROGRAMS; i++) hl_program_destroy(p.program[i]);
    for (size_t i = 0; i < STATES; i++) hl_state_destroy(p.state[i]);
}

/* ---- two threads ---- */

typedef struct side {
    hl_program *program;
    hl_state *state;
    hl_tensor *output;
    unsigned seen; /* statuses */
} side;

static void *work(void *argument) {
    side *s = argument;
    static _Thread_local float values[64];
    for (int i = 0; i < 6; i++) {
        s->seen |= FUZZ_BIT(hl_program_run(s->program));
        s->seen |= FUZZ_BIT(hl_program_read(s->program, s->output, values, bytes_of(s->output)));
        const char *name;
        if (hl_state_tensor(s->state, 0, &name, NULL, NULL) == HL_OK) hl_state_read(s->state, name, values, 4);
        hl_program_cancel(s->program);
    }
    return NULL;
}

/* Two threads, each with a program of its own, or both with the same one; one state, one runtime or two. */
void fuzz_two_threads(fuzz *f, const fuzz_runtimes *runtimes) {
    hl_state *state = NULL;
    fuzz_check(f, hl_state_create(&state) == HL_OK, "no state");
    hl_tensor *output = NULL;
    for (size_t i = f->n_tensors; i-- > 0 && !output;)
        if (bytes_of(f->tensor[i]) <= 64 * sizeof(float)) output = f->tensor[i];
    hl_tensor *outputs[] = {output, f->n_steps ? f->step[0] : output};
    side sides[2] = {{NULL}};
    bool same = fuzz_one_in(f, 4);
    for (size_t i = 0; i < 2; i++)
        sides[i] = (side){.program = same && i > 0 ? sides[0].program
                                     : output ? fuzz_program(f, runtimes->runtime[fuzz_below(f, FUZZ_RUNTIMES)], state,
                                                             outputs, 1 + fuzz_below(f, 2))
                                              : NULL,
                          .state = state,
                          .output = output};
    pthread_t thread;
    if (sides[0].program && sides[1].program) {
        bool started = pthread_create(&thread, NULL, work, &sides[1]) == 0;
        work(&sides[0]);
        if (started) pthread_join(thread, NULL);
    }
    for (size_t i = 0; i < 2; i++) {
        unsigned allowed = run_statuses | FUZZ_BIT(HL_BUSY) | FUZZ_BIT(HL_NO_VALUE);
        fuzz_check(f, (sides[i].seen & ~allowed) == 0, "two threads: statuses %x", sides[i].seen);
        fuzz_check(f, same || (sides[i].seen & FUZZ_BIT(HL_BUSY)) == 0, "two threads: a program of its own is busy");
    }
    hl_program_destroy(sides[0].program);
    if (!same) hl_program_destroy(sides[1].program);
    hl_state_destroy(state);
}
