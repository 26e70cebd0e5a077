/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Constants in programs: they hold what the graph was given, whatever becomes of the caller's memory, stand where
 * inputs may stand, are there to be read and not to be written, and train nothing. */
#include "graph/graph.h"
#include "headloom/program.h"
#include "tests/graph/kit.h"
#include "tests/support/suite.h"

typedef struct machine {
    hl_runtime *runtime;
    hl_state *state;
    hl_graph *graph;
} machine;

static machine open_machine(void) {
    return (machine){.runtime = kit_runtime(2), .state = kit_state(), .graph = kit_graph()};
}

static void close_machine(machine *m) {
    hl_graph_destroy(m->graph);
    hl_state_destroy(m->state);
    hl_runtime_destroy(m->runtime);
}

START_TEST(TheirValuesAreCopiedAndLastFromRunToRun) {
    machine m = open_machine();
    float values[3] = {1, 2, 4};
    hl_tensor *c = hl_constant(m.graph, "c", HL_F32, HL_SHAPE(3), values), *y = c;
    hl_tensor *x = hl_input(m.graph, "x", HL_F32, HL_SHAPE(2, 3));
    memset(values, 0, sizeof values);
    y = hl_add(m.graph, hl_multiply(m.graph, x, y), hl_scale(m.graph, hl_multiply(m.graph, x, x), 0));
    hl_program *program = kit_program(m.runtime, m.graph, m.state, &y, 1);
    for (int run = 1; run < 4; run++) {
        float factor = (float)run, in[6] = {factor, 1, 1, 2, 2, 2}, out[6], seen[3];
        kit_write(program, x, in, sizeof in);
        kit_run(program);
        kit_read(program, y, out, sizeof out);
        ck_assert_mem_eq(out, ((float[6]){factor, 2, 4, 2, 4, 8}), sizeof out);
        kit_read(program, c, seen, sizeof seen);
        ck_assert_mem_eq(seen, ((float[3]){1, 2, 4}), sizeof seen);
    }
    hl_program_destroy(program);
    close_machine(&m);
}
END_TEST

START_TEST(TheyCannotBeWritten) {
    machine m = open_machine();
    hl_tensor *c = hl_constant(m.graph, "c", HL_F32, HL_SHAPE(2), (float[]){3, 5}), *y = hl_tanh(m.graph, c);
    hl_program *program = kit_program(m.runtime, m.graph, m.state, &y, 1);
    ck_assert_int_eq(hl_program_write(program, c, (float[]){0, 0}, 2 * sizeof(float)), HL_NOT_FOUND);
    kit_assert_says(hl_program_error(program), "'c' is no input");
    float seen[2];
    kit_read(program, c, seen, sizeof seen);
    ck_assert_mem_eq(seen, ((float[2]){3, 5}), sizeof seen);
    hl_program_destroy(program);
    close_machine(&m);
}
END_TEST

START_TEST(TheyAndViewsOfThemMayBeOutputs) {
    machine m = open_machine();
    const int32_t values[6] = {1, -2, INT32_MAX, INT32_MIN, 5, 6};
    hl_tensor *c = hl_constant(m.graph, NULL, HL_I32, HL_SHAPE(2, 3), values);
    hl_tensor *turned = hl_transpose(m.graph, c, (size_t[]){1, 0}), *part = hl_slice(m.graph, c, 1, 1, 3);
    hl_program *program = kit_program(m.runtime, m.graph, m.state, (hl_tensor *[]){c, turned, part}, 3);
    kit_run(program);
    int32_t whole[6], other[6], some[4];
    kit_read(program, c, whole, sizeof whole);
    kit_read(program, turned, other, sizeof other);
    kit_read(program, part, some, sizeof some);
    ck_assert_mem_eq(whole, values, sizeof values);
    ck_assert_mem_eq(other, ((int32_t[]){1, INT32_MIN, -2, 5, INT32_MAX, 6}), sizeof other);
    ck_assert_mem_eq(some, ((int32_t[]){-2, INT32_MAX, 5, 6}), sizeof some);
    hl_program_destroy(program);
    close_machine(&m);
}
END_TEST

START_TEST(AProgramMayHoldThemAlone) {
    machine m = open_machine();
    hl_tensor *c = hl_constant(m.graph, NULL, HL_F32, HL_SHAPE(2), (float[]){3, 5});
    hl_program *program = kit_program(m.runtime, m.graph, m.state, &c, 1);
    float seen[2];
    kit_run(program);
    kit_read(program, c, seen, sizeof seen);
    ck_assert_mem_eq(seen, ((float[2]){3, 5}), sizeof seen);
    hl_program_destroy(program);
    close_machine(&m);
}
END_TEST

/* ---- where inputs stand ---- */

enum { B = 2, T = 5, H = 2, D = 3, C = 4, WORDS = 7 };

typedef struct leaf_values {
    int32_t words[B * T], labels[B * T], lengths[B];
    float bias[H * T * T];
} leaf_values;

static hl_tensor *leaf(hl_graph *graph, bool constant, const char *name, hl_dtype dtype, hl_shape shape,
                       const void *values) {
    return constant ? hl_constant(graph, name, dtype, shape, values) : hl_input(graph, name, dtype, shape);
}

/* Loss and gradient of the table of a small model whose data are inputs, or constants. */
static void small_model(const leaf_values *given, bool constant, float *loss, float gradient[WORDS * H * D]) {
    machine m = open_machine();
    hl_graph *g = m.graph;
    hl_tensor *words = leaf(g, constant, "words", HL_I32, HL_SHAPE(B, T), given->words);
    hl_tensor *labels = leaf(g, constant, "labels", HL_I32, HL_SHAPE(B, T), given->labels);
    hl_tensor *lengths = leaf(g, constant, "lengths", HL_I32, HL_SHAPE(B), given->lengths);
    hl_tensor *bias = leaf(g, constant, "bias", HL_F32, HL_SHAPE(1, H, T, T), given->bias);
    hl_tensor *table = kit_param(g, "table", HL_SHAPE(WORDS, H * D)), *x = hl_embedding(g, table, words);
    hl_tensor *q = hl_project(g, x, kit_param(g, "wq", HL_SHAPE(H * D, H, D)), NULL);
    hl_tensor *k = hl_project(g, x, kit_param(g, "wk", HL_SHAPE(H * D, H, D)), NULL);
    hl_tensor *p = hl_softmax(g, hl_score(g, q, k, &(hl_score_options){.bias = bias, .lengths = lengths}));
    hl_tensor *y = hl_dense(g, hl_concat(g, hl_weight(g, p, k)), kit_param(g, "w", HL_SHAPE(H * D, C)), NULL);
    hl_tensor *made[] = {hl_cross_entropy(g, y, labels), NULL};
    made[1] = hl_gradient(g, made[0], table);
    hl_program *program = kit_program(m.runtime, g, m.state, made, 2);
    if (!constant) {
        kit_write(program, words, given->words, sizeof given->words);
        kit_write(program, labels, given->labels, sizeof given->labels);
        kit_write(program, lengths, given->lengths, sizeof given->lengths);
        kit_write(program, bias, given->bias, sizeof given->bias);
    }
    kit_run(program);
    kit_read(program, made[0], loss, sizeof *loss);
    kit_read(program, made[1], gradient, WORDS * H * D * sizeof *gradient);
    hl_program_destroy(program);
    close_machine(&m);
}

START_TEST(AModelHasTheSameBitsWithThemAsWithInputs) {
    leaf_values given;
    float loss[2], gradient[2][WORDS * H * D];
    for (int i = 0; i < B * T; i++) {
        given.words[i] = i * 5 % WORDS;
        given.labels[i] = i % 3 ? i % C : HL_IGNORED;
    }
    given.lengths[0] = T;
    given.lengths[1] = 2;
    kit_fill(given.bias, KIT_COUNT(given.bias), 3);
    for (int constant = 0; constant < 2; constant++) small_model(&given, constant, &loss[constant], gradient[constant]);
    ck_assert_mem_eq(&loss[0], &loss[1], sizeof loss[0]);
    ck_assert_mem_eq(gradient[0], gradient[1], sizeof gradient[0]);
    ck_assert(loss[0] > 0);
}
END_TEST

/* ---- gradients ---- */

START_TEST(GradientsPassThemByUnlessAskedFor) {
    machine m = open_machine();
    hl_tensor *c = hl_constant(m.graph, "c", HL_F32, HL_SHAPE(2), (float[]){3, -5});
    hl_tensor *apart = hl_constant(m.graph, "apart", HL_F32, HL_SHAPE(2), (float[]){1, 1});
    hl_tensor *w = hl_param(m.graph, "w", HL_F32, HL_SHAPE(2));
    hl_tensor *loss = hl_sum(m.graph, hl_multiply(m.graph, c, w), 0, false);
    hl_tensor *asked[] = {hl_gradient(m.graph, loss, w), hl_gradient(m.graph, loss, c),
                          hl_gradient(m.graph, loss, apart)};
    ck_assert_int_eq(hl_state_enter(m.state, "w", HL_F32, HL_SHAPE(2), (float[]){7, 9}, 2 * sizeof(float)), HL_OK);
    hl_program *program = kit_program(m.runtime, m.graph, m.state, asked, 3);
    kit_run(program);
    const float wanted[3][2] = {{3, -5}, {7, 9}, {0, 0}};
    for (size_t i = 0; i < 3; i++) {
        float seen[2];
        kit_read(program, asked[i], seen, sizeof seen);
        ck_assert_mem_eq(seen, wanted[i], sizeof seen);
    }
    hl_program_destroy(program);
    close_machine(&m);
}
END_TEST

START_TEST(OptimisersTrainWhatIsBesideThemAtARateThatIsOne) {
    machine m = open_machine();
    hl_tensor *c = hl_constant(m.graph, "c", HL_F32, HL_SHAPE(2), (float[]){1, 2});
    hl_tensor *rate = hl_constant(m.graph, NULL, HL_F32, HL_SCALAR, &(float){0.5f});
    hl_tensor *w = hl_param(m.graph, "w", HL_F32, HL_SHAPE(2));
    hl_tensor *loss = hl_sum(m.graph, hl_multiply(m.graph, c, w), 0, false);
    hl_tensor *step = hl_sgd(m.graph, loss, &(hl_sgd_options){.rate = rate});
    hl_program *program = kit_program(m.runtime, m.graph, m.state, &step, 1);
    kit_run(program);
    float seen[2];
    kit_read(program, c, seen, sizeof seen);
    ck_assert_mem_eq(seen, ((float[2]){1, 2}), sizeof seen);
    kit_read(program, w, seen, sizeof seen);
    ck_assert_mem_eq(seen, ((float[2]){-0.5f, -1}), sizeof seen);
    for (size_t i = 0; i < hl_state_count(m.state); i++) {
        const char *name;
        ck_assert_int_eq(hl_state_tensor(m.state, i, &name, NULL, NULL), HL_OK);
        ck_assert(strcmp(name, "c") != 0);
    }
    hl_program_destroy(program);
    close_machine(&m);
}
END_TEST

int main(void) {
    return run_tests("graph/program_constants",
                     TESTS(TheirValuesAreCopiedAndLastFromRunToRun, TheyCannotBeWritten, TheyAndViewsOfThemMayBeOutputs,
                           AProgramMayHoldThemAlone, AModelHasTheSameBitsWithThemAsWithInputs,
                           GradientsPassThemByUnlessAskedFor, OptimisersTrainWhatIsBesideThemAtARateThatIsOne));
}
