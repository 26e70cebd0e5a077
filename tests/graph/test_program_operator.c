/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A user's own operator, passed to hl_apply by its descriptor, is differentiated, cut into tiles and trained like a
 * built-in one. */
#include <math.h>

#include "tests/graph/training.h"
#include "tests/support/suite.h"

/* curve: y = gain x^2 + lift, by channel; x [N, C], gain [C] -> y [N, C], and x^2 is saved for the backward steps.
 *   dx = 2 gain x dy        dgain = sum over rows of dy x^2, tile after tile */
#define CURVE_ROWS 16 /* of a tile */

typedef struct curve_options {
    float lift;
} curve_options;

static hl_status curve_infer(hl_inference *i) {
    const hl_shape *x = &i->input[0].shape, *gain = &i->input[1].shape;
    char a[HL_SHAPE_TEXT], b[HL_SHAPE_TEXT];
    if (x->rank != 2 || gain->rank != 1 || gain->extent[0] != x->extent[1])
        return hl_refuse(i, HL_SHAPE_MISMATCH, "x %s and gain %s are not [N, C] and [C]", hl_shape_text(x, a, sizeof a),
                         hl_shape_text(gain, b, sizeof b));
    i->output[0] = i->output[1] = *x;
    return HL_OK;
}

/* Of every pass, operand 0 is [N, C]. */
static void curve_grid(const hl_call *call, hl_grid *grid) {
    grid->extent[0] = (call->operand[0].shape.extent[0] + CURVE_ROWS - 1) / CURVE_ROWS;
}

static size_t end_row(const hl_call *call, const hl_tile *tile) {
    size_t end = (tile->index[0] + 1) * (size_t)CURVE_ROWS, n = call->operand[0].shape.extent[0];
    return end < n ? end : n;
}

static void curve_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    for (size_t i = 0; i < call->n_reads + call->n_writes; i++) {
        if (call->operand[i].shape.rank != 2) continue; /* the gain and its gradient: whole */
        boxes[i].begin[0] = tile->index[0] * (size_t)CURVE_ROWS;
        boxes[i].end[0] = end_row(call, tile);
    }
}

static void curve_forward(const hl_call *call, const hl_tile *tile) {
    const curve_options *options = call->options;
    const float *x = call->operand[0].data, *gain = call->operand[1].data;
    float *y = call->operand[2].data, *square = call->operand[3].data;
    size_t C = call->operand[1].shape.extent[0];
    for (size_t i = tile->index[0] * (size_t)CURVE_ROWS; i < end_row(call, tile); i++) {
        for (size_t c = 0; c < C; c++) {
            square[i * C + c] = x[i * C + c] * x[i * C + c];
            y[i * C + c] = gain[c] * square[i * C + c] + options->lift;
        }
    }
}

static void curve_dx(const hl_call *call, const hl_tile *tile) {
    const float *dy = call->operand[0].data, *x = call->operand[1].data, *gain = call->operand[2].data;
    float *dx = call->operand[3].data;
    size_t C = call->operand[2].shape.extent[0];
    for (size_t i = tile->index[0] * (size_t)CURVE_ROWS; i < end_row(call, tile); i++)
        for (size_t c = 0; c < C; c++) dx[i * C + c] = 2 * gain[c] * x[i * C + c] * dy[i * C + c];
}

static void curve_dgain(const hl_call *call, const hl_tile *tile) {
    const float *dy = call->operand[0].data, *square = call->operand[1].data;
    float *dgain = call->operand[2].data;
    size_t C = call->operand[2].shape.extent[0];
    if (tile->index[0] == 0) memset(dgain, 0, C * sizeof *dgain);
    for (size_t i = tile->index[0] * (size_t)CURVE_ROWS; i < end_row(call, tile); i++)
        for (size_t c = 0; c < C; c++) dgain[c] += dy[i * C + c] * square[i * C + c];
}

static const hl_pass forward_pass = {
    .name = "forward", .grid = curve_grid, .access = curve_access, .kernel = curve_forward};
static const hl_pass dx_pass = {.name = "dx", .grid = curve_grid, .access = curve_access, .kernel = curve_dx};
static const hl_pass dgain_pass = {
    .name = "dgain", .grid = curve_grid, .access = curve_access, .kernel = curve_dgain, .background = true};

static const hl_operator curve = {
    .name = "curve",
    .min_inputs = 2,
    .max_inputs = 2,
    .n_outputs = 2,
    .n_saved = 1,
    .options_bytes = sizeof(curve_options),
    .infer = curve_infer,
    .forward = {{.pass = &forward_pass, .reads = {HL_IN(0), HL_IN(1)}, .writes = {HL_OUT(0), HL_OUT(1)}}},
    .backward = {{.pass = &dx_pass, .reads = {HL_DOUT(0), HL_IN(0), HL_IN(1)}, .writes = {HL_DIN(0)}},
                 {.pass = &dgain_pass, .reads = {HL_DOUT(0), HL_OUT(1)}, .writes = {HL_DIN(1)}}}};

/* loss = squared error of curve(x w, gain) v against a target, all [N, C] or [C, C]. */
enum { N = 150, C = 6, N_VALUES = N * C, N_WEIGHTS = C * C };
#define LIFT 0.5f

typedef struct own {
    hl_graph *graph;
    hl_tensor *x, *target, *rate, *w, *gain, *v, *loss, *step;
    hl_tensor *gradients[3]; /* of w, gain, v */
    float x_values[N_VALUES], targets[N_VALUES];
} own;

static void open_own(own *o) {
    hl_graph *g = o->graph = kit_graph();
    o->x = hl_input(g, "x", HL_F32, HL_SHAPE(N, C));
    o->target = hl_input(g, "target", HL_F32, HL_SHAPE(N, C));
    o->rate = hl_input(g, "rate", HL_F32, HL_SCALAR);
    o->w = kit_param(g, "w", HL_SHAPE(C, C));
    o->gain = kit_param(g, "gain", HL_SHAPE(C));
    o->v = kit_param(g, "v", HL_SHAPE(C, C));
    hl_tensor *inputs[] = {hl_dense(g, o->x, o->w, NULL), o->gain}, *seen[] = {NULL, NULL};
    hl_tensor *y = hl_apply(g, &curve, inputs, 2, &(curve_options){LIFT}, seen);
    ck_assert_ptr_eq(seen[0], y);
    ck_assert_ptr_null(seen[1]); /* what is saved is not shown */
    o->loss = hl_squared_error(g, hl_dense(g, y, o->v, NULL), o->target);
    o->gradients[0] = hl_gradient(g, o->loss, o->w);
    o->gradients[1] = hl_gradient(g, o->loss, o->gain);
    o->gradients[2] = hl_gradient(g, o->loss, o->v);
    o->step = hl_adamw(g, o->loss, &(hl_adamw_options){.rate = o->rate});
    kit_assert_ok(g, hl_graph_status(g));
    kit_fill(o->x_values, N_VALUES, 1);
    kit_fill(o->targets, N_VALUES, 2);
}

static hl_program *own_program(own *o, hl_runtime *runtime, hl_state *state) {
    hl_tensor *outputs[] = {o->loss, o->step, o->gradients[0], o->gradients[1], o->gradients[2]};
    hl_program *program = kit_program(runtime, o->graph, state, outputs, 5);
    kit_write(program, o->x, o->x_values, sizeof o->x_values);
    kit_write(program, o->target, o->targets, sizeof o->targets);
    kit_write(program, o->rate, &(float){0.05f}, sizeof(float));
    return program;
}

enum { N_PARAMS = 2 * N_WEIGHTS + C }; /* w, gain, v */

/* The loss in double; or its size: the same with every number's absolute value and every difference a sum, so that it
 * bounds the loss however its terms cancel, and its derivatives bound the terms of the gradients. */
static double own_oracle(const own *o, const double *params, bool size) {
    double loss = 0, theta[N_PARAMS];
    const double *w = theta, *gain = w + N_WEIGHTS, *v = gain + C;
    for (size_t i = 0; i < N_PARAMS; i++) theta[i] = size ? fabs(params[i]) : params[i];
    for (size_t i = 0; i < N; i++) {
        double y[C];
        for (size_t c = 0; c < C; c++) {
            double sum = 0;
            for (size_t k = 0; k < C; k++) {
                double x = (double)o->x_values[i * C + k];
                sum += (size ? fabs(x) : x) * w[k * C + c];
            }
            y[c] = gain[c] * sum * sum + (double)LIFT;
        }
        for (size_t c = 0; c < C; c++) {
            double target = (double)o->targets[i * C + c], sum = size ? fabs(target) : -target;
            for (size_t k = 0; k < C; k++) sum += y[k] * v[k * C + c];
            loss += sum * sum / N_VALUES;
        }
    }
    return loss;
}

static double own_difference(const own *o, const double *params, size_t i, bool size) {
    double moved[N_PARAMS], h = 1e-5;
    memcpy(moved, params, sizeof moved);
    moved[i] = params[i] + h;
    double above = own_oracle(o, moved, size);
    moved[i] = params[i] - h;
    return (above - own_oracle(o, moved, size)) / (2 * h);
}

/* A difference prediction - target has behind it C roundings of x w, twice for the square, two of gain and lift, C of
 * the product with v and one of the subtraction: 3 C + 3 units of its size. Squared, and with the mean of N_VALUES
 * squares, the loss has 2 (3 C + 3) + 1 + N_VALUES + 1. A gradient has those of the difference once, two of the loss's
 * own, C of the way back through v, six of curve's, and a sum over N rows: 4 C + 11 + N. Differences of the oracle
 * itself err by less than 1e-9. */
#define LOSS_ROUNDINGS (6 * C + 8 + N_VALUES)
#define GRADIENT_ROUNDINGS (4 * C + 11 + N)

START_TEST(ItHasTheLossAndTheGradientsOfItsOracle) {
    own o;
    open_own(&o);
    hl_runtime *runtime = kit_runtime(2);
    hl_state *state = kit_state();
    hl_program *program = own_program(&o, runtime, state);
    float values[N_PARAMS], gradients[N_PARAMS], loss;
    double exact[N_PARAMS];
    hl_tensor *params[] = {o.w, o.gain, o.v};
    for (size_t p = 0, at = 0; p < 3; at += training_bytes(params[p]) / sizeof(float), p++)
        kit_read(program, params[p], values + at, training_bytes(params[p]));
    kit_run(program);
    kit_read(program, o.loss, &loss, sizeof loss);
    for (size_t p = 0, at = 0; p < 3; at += training_bytes(params[p]) / sizeof(float), p++)
        kit_read(program, o.gradients[p], gradients + at, training_bytes(params[p]));
    for (size_t i = 0; i < N_PARAMS; i++) exact[i] = (double)values[i];
    ck_assert_double_le(fabs((double)loss - own_oracle(&o, exact, false)),
                        LOSS_ROUNDINGS * KIT_UNIT * own_oracle(&o, exact, true));
    for (size_t i = 0; i < N_PARAMS; i++) {
        double wanted = own_difference(&o, exact, i, false);
        double bound = GRADIENT_ROUNDINGS * KIT_UNIT * fabs(own_difference(&o, exact, i, true)) + 1e-9;
        ck_assert_msg(fabs((double)gradients[i] - wanted) <= bound, "gradient %zu is %.9g, not %.9g", i,
                      (double)gradients[i], wanted);
        ck_assert_msg(bound < 0.01, "a bound of %g for gradient %zu, %g, says little", bound, i, wanted);
    }
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    hl_graph_destroy(o.graph);
}
END_TEST

START_TEST(ItTrainsToTheSameBitsForAnyWorkers) {
    own o;
    open_own(&o);
    snapshot first = {0};
    for (size_t workers = 1; workers <= 7; workers += 2) {
        hl_runtime *runtime = kit_runtime(workers);
        hl_state *state = kit_state();
        hl_program *program = own_program(&o, runtime, state);
        float loss[2];
        for (int step = 0; step < 60; step++) {
            kit_run(program);
            kit_read(program, o.loss, &loss[step > 0], sizeof(float));
        }
        ck_assert_float_lt(loss[1], 0.75f * loss[0]);
        if (workers == 1) first = snapshot_of(state);
        ck_assert_msg(snapshot_holds(&first, state), "%zu workers train to other weights", workers);
        hl_program_destroy(program);
        hl_state_destroy(state);
        hl_runtime_destroy(runtime);
    }
    free(first.bytes);
    hl_graph_destroy(o.graph);
}
END_TEST

START_TEST(ItsShapeRuleSpeaksThroughTheGraph) {
    own o;
    open_own(&o);
    hl_tensor *wrong[] = {o.x, o.w};
    ck_assert_ptr_null(hl_apply(o.graph, &curve, wrong, 2, &(curve_options){LIFT}, NULL));
    ck_assert_int_eq(hl_graph_status(o.graph), HL_SHAPE_MISMATCH);
    kit_assert_says(hl_graph_error(o.graph), "curve 'curve_");
    kit_assert_says(hl_graph_error(o.graph), "x [150, 6] and gain [6, 6]");
    hl_graph_destroy(o.graph);
}
END_TEST

/* pick: y[i] = 1 / index[i], where no index may be 0. */
static hl_status pick_infer(hl_inference *i) {
    i->output[0] = i->input[0].shape;
    i->index_min[0] = 2;
    i->index_max[0] = 9;
    return HL_OK;
}

static void pick_forward(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    for (size_t i = 0; i < call->operand[0].shape.extent[0]; i++)
        ((float *)call->operand[1].data)[i] = 1 / (float)((const int32_t *)call->operand[0].data)[i];
}

static const hl_pass pick_pass = {.name = "forward", .kernel = pick_forward};
static const hl_operator pick = {.name = "pick",
                                 .min_inputs = 1,
                                 .max_inputs = 1,
                                 .n_outputs = 1,
                                 .infer = pick_infer,
                                 .forward = {{.pass = &pick_pass, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}}};

START_TEST(ItsKernelSeesNoIndexThatItDoesNotAccept) {
    hl_graph *g = kit_graph();
    hl_tensor *index = hl_input(g, "index", HL_I32, HL_SHAPE(3));
    hl_tensor *y = hl_apply(g, &pick, &index, 1, NULL, NULL);
    hl_runtime *runtime = kit_runtime(1);
    hl_state *state = kit_state();
    hl_program *program = kit_program(runtime, g, state, &y, 1);
    float values[3];
    kit_run(program); /* never written */
    kit_read(program, y, values, sizeof values);
    for (size_t i = 0; i < 3; i++) ck_assert_float_eq(values[i], 0.5f);
    ck_assert_int_eq(hl_program_write(program, index, (int32_t[]){9, 2, 0}, 12), HL_OUT_OF_RANGE);
    kit_assert_says(hl_program_error(program), "element 2 is 0; 'pick_0' takes 2 to 9");
    kit_write(program, index, (int32_t[]){4, 2, 8}, 12);
    kit_run(program);
    kit_read(program, y, values, sizeof values);
    ck_assert_mem_eq(values, ((float[]){0.25f, 0.5f, 0.125f}), sizeof values);
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    hl_graph_destroy(g);
}
END_TEST

int main(void) {
    return run_tests("graph/program operator",
                     TESTS(ItHasTheLossAndTheGradientsOfItsOracle, ItTrainsToTheSameBitsForAnyWorkers,
                           ItsShapeRuleSpeaksThroughTheGraph, ItsKernelSeesNoIndexThatItDoesNotAccept));
}
