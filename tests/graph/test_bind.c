/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a program finds in a state and what it makes there: both are said by name, a name that was misspelt on entry
 * shows, and whoever asks for it gets a refusal in place of fresh values. */
#include "tests/graph/kit.h"
#include "tests/support/suite.h"

enum { ROWS = 2, WIDTH = 3 };

typedef struct model {
    hl_runtime *runtime;
    hl_state *state;
    hl_graph *graph;
    hl_tensor *loss, *step;
} model;

/* loss = mean of (x w + b)^2, trained by AdamW. */
static model open_model(void) {
    model m = {.runtime = kit_runtime(1), .state = kit_state(), .graph = kit_graph()};
    hl_tensor *x = hl_input(m.graph, "x", HL_F32, HL_SHAPE(ROWS, WIDTH));
    hl_tensor *w = kit_param(m.graph, "layer.w", HL_SHAPE(WIDTH, WIDTH)), *b = kit_param(m.graph, "b", HL_SHAPE(WIDTH));
    hl_tensor *y = hl_dense(m.graph, x, w, b), *rate = hl_input(m.graph, "rate", HL_F32, HL_SCALAR);
    m.loss = hl_mean(m.graph, hl_multiply(m.graph, y, y), 0, false);
    m.step = hl_adamw(m.graph, m.loss, &(hl_adamw_options){.rate = rate});
    return m;
}

static void close_model(model *m) {
    hl_graph_destroy(m->graph);
    hl_state_destroy(m->state);
    hl_runtime_destroy(m->runtime);
}

static void enter(hl_state *state, const char *name, hl_shape shape) {
    float values[WIDTH * WIDTH] = {1, 2, 3};
    size_t bytes = hl_shape_elements(&shape) * sizeof *values;
    ck_assert_int_eq(hl_state_enter(state, name, HL_F32, shape, values, bytes), HL_OK);
}

/* Whether the program uses the tensor, and found it. */
static bool is_found(const hl_program *program, const char *wanted, bool *found) {
    for (size_t i = 0; i < hl_program_state_count(program); i++) {
        const char *name;
        ck_assert_int_eq(hl_program_state(program, i, &name, found), HL_OK);
        if (strcmp(name, wanted) == 0) return true;
    }
    return false;
}

static bool is_used(const hl_state *state, const char *wanted) {
    bool used = false;
    for (size_t i = 0; i < hl_state_count(state); i++) {
        const char *name;
        ck_assert_int_eq(hl_state_tensor(state, i, &name, NULL, NULL), HL_OK);
        ck_assert_int_eq(hl_state_used(state, i, &used), HL_OK);
        if (strcmp(name, wanted) == 0) return used;
    }
    ck_abort_msg("the state does not hold '%s'", wanted);
}

START_TEST(AProgramSaysWhatItFoundAndWhatItMade) {
    model m = open_model();
    enter(m.state, "b", HL_SHAPE(WIDTH));
    enter(m.state, "layer.W", HL_SHAPE(WIDTH, WIDTH)); /* misspelt */
    ck_assert(!is_used(m.state, "b"));
    hl_program *program = kit_program(m.runtime, m.graph, m.state, &m.loss, 1);
    bool found = false;
    ck_assert_uint_eq(hl_program_state_count(program), 2);
    ck_assert(is_found(program, "b", &found) && found);
    ck_assert(is_found(program, "layer.w", &found) && !found);
    ck_assert(!is_found(program, "layer.W", &found));
    ck_assert(is_used(m.state, "b"));
    ck_assert(is_used(m.state, "layer.w"));
    ck_assert(!is_used(m.state, "layer.W"));
    hl_program *training = kit_program(m.runtime, m.graph, m.state, (hl_tensor *[]){m.loss, m.step}, 2);
    ck_assert(is_found(training, "layer.w", &found) && found); /* the first program made it */
    ck_assert(is_found(training, "adamw.m/layer.w", &found) && !found);
    ck_assert(is_found(training, "step", &found) && !found);
    ck_assert_uint_eq(hl_program_state_count(training), hl_state_count(m.state) - 1);
    const char *name = "untouched";
    ck_assert_int_eq(hl_program_state(program, 2, &name, &found), HL_OUT_OF_RANGE);
    ck_assert_int_eq(hl_program_state(NULL, 0, &name, &found), HL_INVALID_ARGUMENT);
    ck_assert_str_eq(name, "untouched");
    ck_assert_int_eq(hl_program_state(program, 0, NULL, NULL), HL_OK);
    ck_assert_uint_eq(hl_program_state_count(NULL), 0);
    hl_program_destroy(program);
    hl_program_destroy(training);
    close_model(&m);
}
END_TEST

static void assert_missing(model *m, size_t n_outputs, const char *const parts[], size_t n) {
    hl_program *program = NULL;
    size_t before = hl_state_count(m->state);
    hl_tensor *outputs[] = {m->loss, m->step};
    ck_assert_int_eq(hl_program_create(m->runtime, m->graph, m->state, outputs, n_outputs, &program), HL_NOT_FOUND);
    ck_assert_ptr_null(program);
    for (size_t i = 0; i < n; i++) kit_assert_says(hl_graph_error(m->graph), parts[i]);
    ck_assert_uint_eq(hl_state_count(m->state), before);
}

START_TEST(MissingTensorsAreRefusedByNameWhereThatIsAskedFor) {
    model m = open_model();
    hl_program *program;
    enter(m.state, "b", HL_SHAPE(WIDTH));
    enter(m.state, "layer.W", HL_SHAPE(WIDTH, WIDTH));
    ck_assert_int_eq(hl_state_set_missing(m.state, HL_MISSING_PARAMS_REFUSED), HL_OK);
    const char *misspelt[] = {"1 tensor", "'layer.w'", "1: 'layer.W'"};
    assert_missing(&m, 1, misspelt, KIT_COUNT(misspelt));
    ck_assert(!is_used(m.state, "b")); /* no program was made */
    enter(m.state, "layer.w", HL_SHAPE(WIDTH, WIDTH));
    program = kit_program(m.runtime, m.graph, m.state, &m.loss, 1);
    hl_program_destroy(program);
    /* A whole checkpoint holds moments and counts, too. */
    ck_assert_int_eq(hl_state_set_missing(m.state, HL_MISSING_REFUSED), HL_OK);
    const char *fresh[] = {"'adamw.m/", ", ...; "};
    assert_missing(&m, 2, fresh, KIT_COUNT(fresh));
    ck_assert_int_eq(hl_state_set_missing(m.state, HL_MISSING_PARAMS_REFUSED), HL_OK);
    program = kit_program(m.runtime, m.graph, m.state, (hl_tensor *[]){m.loss, m.step}, 2);
    hl_program_destroy(program);
    ck_assert_int_eq(hl_state_set_missing(m.state, HL_MISSING_REFUSED), HL_OK);
    program = kit_program(m.runtime, m.graph, m.state, (hl_tensor *[]){m.loss, m.step}, 2); /* all is there */
    hl_program_destroy(program);
    close_model(&m);
}
END_TEST

/* The message holds what of long names and long lists fits; nothing is written behind its end. */
START_TEST(LongNamesAndListsAreCutShort) {
    enum { LENGTH = 500, N = 9 };
    model m = {.runtime = kit_runtime(1), .state = kit_state(), .graph = kit_graph()};
    hl_tensor *sum = NULL;
    for (size_t i = 0; i < N; i++) {
        char name[LENGTH + 1];
        memset(name, 'a' + (int)i, LENGTH);
        name[LENGTH] = 0;
        hl_tensor *p = hl_param(m.graph, name, HL_F32, HL_SCALAR);
        sum = sum ? hl_add(m.graph, sum, p) : p;
        name[0] = 'z';
        enter(m.state, name, HL_SCALAR);
    }
    m.loss = sum;
    ck_assert_int_eq(hl_state_set_missing(m.state, HL_MISSING_REFUSED), HL_OK);
    const char *parts[] = {"9 tensors", "'aaaa", "'cccc", "no program uses 9: 'zaaa", "'zccc"};
    assert_missing(&m, 1, parts, KIT_COUNT(parts));
    ck_assert_ptr_null(strstr(hl_graph_error(m.graph), "dddd"));
    close_model(&m);
}
END_TEST

int main(void) {
    return run_tests("graph/bind",
                     TESTS(AProgramSaysWhatItFoundAndWhatItMade, MissingTensorsAreRefusedByNameWhereThatIsAskedFor,
                           LongNamesAndListsAreCutShort));
}
