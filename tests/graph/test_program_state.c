/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One state for many programs: training, evaluation and other lengths see the same weights, from several threads and
 * runtimes at once; what does not fit is refused and the state left as it was; who is trained and whose gradients are
 * asked for is the graph's choice. */
#include <math.h>
#include <pthread.h>

#include "tests/graph/training.h"
#include "tests/support/suite.h"

static const two_block_sizes sizes = {
    .batch = 2, .tokens = 12, .width = 8, .heads = 2, .hidden = 12, .classes = 5, .words = 7};

static two_block_sizes with_tokens(size_t tokens) {
    two_block_sizes s = sizes;
    s.tokens = tokens;
    return s;
}

START_TEST(TrainingEvaluationAndOtherLengthsShareTheWeights) {
    two_block_sizes bucket = with_tokens(20);
    training a = training_open(&sizes, 1), b = training_open(&bucket, 2);
    hl_runtime *runtime = kit_runtime(2);
    hl_state *state = kit_state();
    hl_program *train_a = training_program(&a, runtime, state, (hl_tensor *[]){a.model.loss, a.adamw}, 2);
    size_t entered = hl_state_count(state);
    ck_assert_uint_eq(entered, 4 * TWO_BLOCK_PARAMS + 1);
    hl_program *train_b = training_program(&b, runtime, state, (hl_tensor *[]){b.model.loss, b.adamw}, 2);
    hl_program *evaluate = training_program(&a, runtime, state, &a.model.loss, 1);
    ck_assert_uint_eq(hl_state_count(state), entered); /* nothing new */
    for (int32_t round = 0; round < 6; round++) {
        float loss = training_step(&a, evaluate);
        ck_assert_float_eq(training_step(&a, evaluate), loss); /* evaluation changes nothing */
        ck_assert_float_eq(training_step(&a, train_a), loss);  /* the same forward pass, before its update */
        ck_assert_float_ne(training_step(&a, evaluate), loss);
        training_step(&b, train_b);
        int32_t step;
        ck_assert_int_eq(hl_state_read(state, "step", &step, sizeof step), HL_OK);
        ck_assert_int_eq(step, 2 * (round + 1)); /* one count for both lengths */
        kit_read(train_a, a.adamw, &step, sizeof step);
        ck_assert_int_eq(step, 2 * round + 1); /* an output is what its own run left */
    }
    hl_program_destroy(train_a);
    hl_program_destroy(train_b);
    hl_program_destroy(evaluate);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    training_close(&a);
    training_close(&b);
}
END_TEST

START_TEST(TheStateOutlivesItsProgramsAndGoesOn) {
    training t = training_open(&sizes, 3);
    hl_tensor *outputs[] = {t.model.loss, t.adamw};
    hl_runtime *runtime = kit_runtime(2);
    hl_state *kept = kit_state(), *whole = kit_state();
    hl_program *program = training_program(&t, runtime, whole, outputs, 2);
    for (int step = 0; step < 6; step++) {
        hl_program *one = training_program(&t, runtime, kept, outputs, 2); /* a program for each step */
        ck_assert_float_eq(training_step(&t, one), training_step(&t, program));
        hl_program_destroy(one);
    }
    snapshot expected = snapshot_of(whole);
    ck_assert(snapshot_holds(&expected, kept));
    free(expected.bytes);
    hl_program_destroy(program);
    hl_state_destroy(kept);
    hl_state_destroy(whole);
    hl_runtime_destroy(runtime);
    training_close(&t);
}
END_TEST

/* ---- several threads ----
 *
 * Every step adds exactly `amount` to every element of w: loss = -amount * sum of w, rate 1. Sums of small integers are
 * exact, so that a lost or torn update shows. */

enum { ELEMENTS = 1 << 16, RUNS = TRAINING_SANITIZED ? 40 : 200 };

typedef struct counter {
    hl_runtime *runtime;
    hl_state *state;
    float amount; /* 0: evaluates */
    size_t n_torn;
    hl_status status;
} counter;

/* max - min of w, without a max: the sum of squares of its differences to its first element. */
static hl_tensor *spread_of(hl_graph *g, hl_tensor *w) {
    hl_tensor *difference = hl_subtract(g, w, hl_slice(g, w, 0, 0, 1));
    return hl_sum(g, hl_multiply(g, difference, difference), 0, false);
}

static void *count(void *argument) {
    counter *c = argument;
    hl_graph *g = NULL;
    hl_program *program = NULL;
    c->status = hl_graph_create(&g);
    if (c->status != HL_OK) return NULL;
    hl_tensor *rate = hl_input(g, "rate", HL_F32, HL_SCALAR);
    hl_tensor *w = hl_param(g, "w", HL_F32, HL_SHAPE(ELEMENTS));
    hl_tensor *spread = spread_of(g, w);
    hl_tensor *loss = hl_sum(g, hl_scale(g, w, -c->amount), 0, false);
    hl_tensor *outputs[] = {spread, c->amount > 0 ? hl_sgd(g, loss, &(hl_sgd_options){.rate = rate}) : loss};
    c->status = hl_program_create(c->runtime, g, c->state, outputs, 2, &program);
    if (c->status == HL_OK && c->amount > 0) c->status = hl_program_write(program, rate, &(float){1}, sizeof(float));
    for (int run = 0; run < RUNS && c->status == HL_OK; run++) {
        float apart = -1;
        c->status = hl_program_run(program);
        if (c->status == HL_OK) c->status = hl_program_read(program, spread, &apart, sizeof apart);
        c->n_torn += apart != 0;
    }
    hl_program_destroy(program);
    hl_graph_destroy(g);
    return NULL;
}

START_TEST(WritesFromSeveralThreadsFollowOneAnother) {
    hl_runtime *runtimes[] = {kit_runtime(2), kit_runtime(2)};
    hl_state *state = kit_state();
    static const float amounts[] = {1, 2, 0, 3}; /* the third evaluates */
    pthread_t threads[4];
    counter counters[4];
    for (size_t i = 0; i < 4; i++) {
        counters[i] = (counter){.runtime = runtimes[i % 2], .state = state, .amount = amounts[i]};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count, &counters[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_msg(counters[i].status == HL_OK, "thread %zu: %s", i, hl_status_string(counters[i].status));
        ck_assert_uint_eq(counters[i].n_torn, 0);
    }
    static float w[ELEMENTS];
    int32_t step;
    ck_assert_int_eq(hl_state_read(state, "w", w, sizeof w), HL_OK);
    ck_assert_int_eq(hl_state_read(state, "step", &step, sizeof step), HL_OK);
    ck_assert_int_eq(step, 3 * RUNS);
    for (size_t i = 0; i < ELEMENTS; i++) ck_assert_float_eq(w[i], 6 * RUNS);
    hl_state_destroy(state);
    hl_runtime_destroy(runtimes[0]);
    hl_runtime_destroy(runtimes[1]);
}
END_TEST

typedef struct evaluation {
    training t; /* a graph of its own */
    hl_runtime *runtime;
    hl_state *state;
    float *losses; /* of the weights after each step */
    size_t n_losses, n_unknown;
    pthread_t thread;
} evaluation;

static void *evaluate(void *argument) {
    evaluation *e = argument;
    hl_program *program = training_program(&e->t, e->runtime, e->state, &e->t.model.loss, 1);
    for (int run = 0; run < RUNS; run++) {
        float loss = training_step(&e->t, program);
        bool known = false;
        for (size_t i = 0; i < e->n_losses; i++) known |= loss == e->losses[i];
        e->n_unknown += !known;
    }
    hl_program_destroy(program);
    return NULL;
}

START_TEST(EvaluationBesideTrainingSeesWholeStepsOnly) {
    enum { STEPS = RUNS / 2 };
    float losses[2][STEPS + 1];
    two_block_sizes bucket = with_tokens(20);
    hl_runtime *runtimes[] = {kit_runtime(2), kit_runtime(2)};
    hl_state *alone = kit_state(), *shared = kit_state();
    evaluation e[2] = {{.t = training_open(&sizes, 4)}, {.t = training_open(&bucket, 5)}};
    training t = training_open(&sizes, 4);
    hl_tensor *outputs[] = {t.model.loss, t.adamw};
    hl_program *train = training_program(&t, runtimes[0], alone, outputs, 2);
    hl_program *other = training_program(&e[1].t, runtimes[0], alone, &e[1].t.model.loss, 1);
    for (size_t i = 0; i <= STEPS; i++) {
        losses[1][i] = training_step(&e[1].t, other);
        losses[0][i] = training_step(&t, train);
    }
    hl_program_destroy(train);
    hl_program_destroy(other);
    train = training_program(&t, runtimes[0], shared, outputs, 2);
    for (size_t i = 0; i < 2; i++) { /* the second shares the runtime with the training */
        e[i].runtime = runtimes[1 - i];
        e[i].state = shared;
        e[i].losses = losses[i];
        e[i].n_losses = STEPS + 1;
        ck_assert_int_eq(pthread_create(&e[i].thread, NULL, evaluate, &e[i]), 0);
    }
    for (size_t i = 0; i < STEPS; i++) ck_assert_float_eq(training_step(&t, train), losses[0][i]);
    for (size_t i = 0; i < 2; i++) {
        pthread_join(e[i].thread, NULL);
        ck_assert_uint_eq(e[i].n_unknown, 0);
        training_close(&e[i].t);
    }
    hl_program_destroy(train);
    hl_state_destroy(alone);
    hl_state_destroy(shared);
    hl_runtime_destroy(runtimes[0]);
    hl_runtime_destroy(runtimes[1]);
    training_close(&t);
}
END_TEST

/* ---- one graph, several threads ---- */

typedef struct maker {
    const training *t;
    hl_runtime *runtime;
    hl_state *state, *narrow; /* in `narrow` the classifier has another shape */
    float loss;
    size_t n_wrong;
    pthread_barrier_t *round; /* words that were handed out stay whole during a few failures, not for ever */
    pthread_t thread;
} maker;

static void *make(void *argument) {
    maker *m = argument;
    hl_graph *g = m->t->model.graph;
    hl_tensor *outputs[] = {m->t->model.loss, m->t->gradients[1]};
    for (int i = 0; i < RUNS / 10; i++) {
        hl_program *program = NULL;
        m->n_wrong += hl_program_create(m->runtime, g, m->narrow, outputs, 2, &program) != HL_SHAPE_MISMATCH;
        m->n_wrong += strstr(hl_graph_error(g), "'wc' is f32 [8, 4], not f32 [8, 5]") == NULL;
        pthread_barrier_wait(m->round);
        program = training_program(m->t, m->runtime, m->state, outputs, 2);
        m->loss = training_step(m->t, program);
        hl_program_destroy(program);
    }
    return NULL;
}

START_TEST(SeveralThreadsMakeProgramsOfOneGraph) {
    training t = training_open(&sizes, 9);
    hl_runtime *runtime = kit_runtime(2);
    hl_state *state = kit_state(), *narrow = kit_state();
    static const float classifier[8 * 4];
    ck_assert_int_eq(hl_state_enter(narrow, "wc", HL_F32, HL_SHAPE(8, 4), classifier, sizeof classifier), HL_OK);
    pthread_barrier_t round;
    pthread_barrier_init(&round, NULL, 3);
    maker makers[3];
    for (size_t i = 0; i < 3; i++) {
        makers[i] = (maker){.t = &t, .runtime = runtime, .state = state, .narrow = narrow, .round = &round};
        ck_assert_int_eq(pthread_create(&makers[i].thread, NULL, make, &makers[i]), 0);
    }
    for (size_t i = 0; i < 3; i++) {
        pthread_join(makers[i].thread, NULL);
        ck_assert_uint_eq(makers[i].n_wrong, 0);
        ck_assert_float_eq(makers[i].loss, makers[0].loss);
    }
    ck_assert_uint_eq(hl_state_count(state), TWO_BLOCK_PARAMS);
    ck_assert_uint_eq(hl_state_count(narrow), 1);
    pthread_barrier_destroy(&round);
    hl_state_destroy(state);
    hl_state_destroy(narrow);
    hl_runtime_destroy(runtime);
    training_close(&t);
}
END_TEST

/* ---- what does not fit ---- */

START_TEST(AStateTensorOfAnotherShapeIsRefusedAndTheStateLeftAlone) {
    two_block_sizes wide = sizes;
    wide.classes = 6; /* wc and bc: the last parameters, when everything else has been entered */
    training t = training_open(&sizes, 5), other = training_open(&wide, 5);
    hl_runtime *runtime = kit_runtime(2);
    hl_state *state = kit_state();
    static const float weights[8 * 5] = {1, 2, 3};
    ck_assert_int_eq(hl_state_enter(state, "wc", HL_F32, HL_SHAPE(8, 5), weights, sizeof weights), HL_OK);
    snapshot before = snapshot_of(state);
    hl_program *program = NULL;
    hl_tensor *outputs[] = {other.model.loss, other.adamw};
    ck_assert_int_eq(hl_program_create(runtime, other.model.graph, state, outputs, 2, &program), HL_SHAPE_MISMATCH);
    ck_assert_ptr_null(program);
    kit_assert_says(hl_graph_error(other.model.graph), "'wc'");
    kit_assert_says(hl_graph_error(other.model.graph), "[8, 5]");
    kit_assert_says(hl_graph_error(other.model.graph), "[8, 6]");
    ck_assert(snapshot_holds(&before, state));
    program = training_program(&t, runtime, state, (hl_tensor *[]){t.model.loss, t.adamw}, 2); /* who fits is let in */
    float read[8 * 5];
    kit_read(program, t.model.params[TWO_BLOCK_PARAMS - 2], read, sizeof read);
    ck_assert_mem_eq(read, weights, sizeof read); /* what was there is not initialised again */
    training_step(&t, program);
    free(before.bytes);
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    training_close(&other);
    training_close(&t);
}
END_TEST

/* ---- who is trained ---- */

/* Trains as many steps as there are parameters; bit p: step p has changed parameter p. */
static uint64_t changed_by(const training *t, hl_runtime *runtime, hl_tensor *step) {
    uint64_t changed = 0;
    hl_state *state = kit_state();
    hl_program *program = kit_program(runtime, t->model.graph, state, (hl_tensor *[]){t->model.loss, step}, 2);
    training_write(t, program);
    kit_write(program, t->model.rate, &t->rate, sizeof t->rate);
    for (size_t p = 0; p < TWO_BLOCK_PARAMS; p++) {
        const hl_tensor *param = t->model.params[p];
        size_t bytes = training_bytes(param);
        float *before = malloc(bytes), *after = malloc(bytes);
        ck_assert_int_eq(hl_state_read(state, hl_tensor_name(param), before, bytes), HL_OK);
        training_step(t, program);
        ck_assert_int_eq(hl_state_read(state, hl_tensor_name(param), after, bytes), HL_OK);
        if (memcmp(before, after, bytes) != 0) changed |= (uint64_t)1 << p;
        free(before);
        free(after);
    }
    hl_program_destroy(program);
    hl_state_destroy(state);
    return changed;
}

START_TEST(FrozenAndUnchosenParametersAreLeftAlone) {
    uint64_t all = ((uint64_t)1 << TWO_BLOCK_PARAMS) - 1;
    hl_runtime *runtime = kit_runtime(2);
    training t = training_open(&sizes, 6);
    hl_graph *g = t.model.graph;
    ck_assert_uint_eq(changed_by(&t, runtime, t.adamw), all);
    hl_tensor *chosen[] = {t.model.params[3], t.model.params[36], t.model.params[20]};
    hl_tensor *some = hl_sgd(
        g, t.model.loss, &(hl_sgd_options){.rate = t.model.rate, .momentum = 0.5f, .params = chosen, .n_params = 3});
    ck_assert_uint_eq(changed_by(&t, runtime, some), (uint64_t)1 << 3 | (uint64_t)1 << 36 | (uint64_t)1 << 20);
    for (size_t p = 0; p < 20; p++) hl_param_freeze(g, t.model.params[p]);
    hl_tensor *rest = hl_adamw(g, t.model.loss, &(hl_adamw_options){.rate = t.model.rate, .decay = 0.01f});
    ck_assert_uint_eq(changed_by(&t, runtime, rest), all & ~(((uint64_t)1 << 20) - 1));
    training_close(&t);
    hl_runtime_destroy(runtime);
}
END_TEST

/* ---- gradients of anything ---- */

START_TEST(GradientsOfActivationsAndInputsAreThere) {
    enum { B = 3, T = 4, C = 5, SIZE = B * T * C };
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(B, T, C)), *target = hl_input(g, "t", HL_F32, HL_SHAPE(B, T, C));
    hl_tensor *square = hl_multiply(g, x, x);             /* x^2 */
    hl_tensor *between = hl_add(g, square, x);            /* x^2 + x */
    hl_tensor *twice = hl_scale(g, between, 2);           /* 2 x^2 + 2 x */
    hl_tensor *loss = hl_squared_error(g, twice, target); /* mean (2 x^2 + 2 x - t)^2 */
    hl_tensor *outputs[] = {hl_gradient(g, loss, x),     hl_gradient(g, loss, square), hl_gradient(g, loss, between),
                            hl_gradient(g, loss, twice), hl_gradient(g, loss, target), loss};
    hl_runtime *runtime = kit_runtime(2);
    hl_state *state = kit_state();
    hl_program *program = kit_program(runtime, g, state, outputs, 6);
    float in[SIZE], wanted[SIZE], got[5][SIZE];
    kit_fill(in, SIZE, 1);
    kit_fill(wanted, SIZE, 2);
    kit_write(program, x, in, sizeof in);
    kit_write(program, target, wanted, sizeof wanted);
    kit_run(program);
    for (size_t i = 0; i < 5; i++) kit_read(program, outputs[i], got[i], sizeof got[i]);
    for (size_t i = 0; i < SIZE; i++) {
        double v = (double)in[i], difference = 2 * v * v + 2 * v - (double)wanted[i], d = 2 * difference / SIZE;
        double exact[5] = {2 * d * (2 * v + 1), 2 * d, 2 * d, d, -d};
        /* the difference: square and sum, which round; the target's; two for 2 / n and its product. dx: 2 d v twice and
         * two sums, or fewer: three more of 2 d (2 |v| + 1). What cancels in the difference does so in double, too. */
        double of_d = (5 * (2 * v * v + 2 * fabs(v) + fabs((double)wanted[i]))) * 2 / SIZE;
        double units[5] = {2 * (of_d + 3 * fabs(d)) * (2 * fabs(v) + 1), 2 * of_d, 2 * of_d, of_d, of_d};
        for (size_t k = 0; k < 5; k++)
            ck_assert_msg(fabs((double)got[k][i] - exact[k]) <= KIT_UNIT * units[k],
                          "gradient %zu, element %zu: %g, not %g", k, i, (double)got[k][i], exact[k]);
    }
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    hl_graph_destroy(g);
}
END_TEST

START_TEST(GradientsInsideTheWholeModelAreThere) {
    enum { ROWS = 2 * 12, WIDTH = 8, CLASSES = 5, DOWN_BIAS = 16 }; /* of the first block, added to each row of it */
    training t = training_open(&sizes, 7);
    hl_graph *g = t.model.graph;
    hl_tensor *outputs[] = {hl_gradient(g, t.model.loss, t.model.between), t.gradients[DOWN_BIAS], t.model.logits,
                            hl_gradient(g, t.model.loss, t.model.logits), t.model.loss};
    ck_assert_str_eq(hl_tensor_name(t.model.params[DOWN_BIAS]), "0.db");
    hl_runtime *runtime = kit_runtime(2);
    hl_state *state = kit_state();
    hl_program *program = training_program(&t, runtime, state, outputs, 5);
    training_step(&t, program);
    float d[ROWS * WIDTH], bias[WIDTH], logits[ROWS * CLASSES], d_logits[ROWS * CLASSES];
    kit_read(program, outputs[0], d, sizeof d);
    kit_read(program, outputs[1], bias, sizeof bias);
    kit_read(program, outputs[2], logits, sizeof logits);
    kit_read(program, outputs[3], d_logits, sizeof d_logits);
    for (size_t c = 0; c < WIDTH; c++) { /* a bias gets the sum over the rows that it is added to */
        double sum = 0, size = 0;
        for (size_t r = 0; r < ROWS; r++) {
            sum += (double)d[r * WIDTH + c];
            size += fabs((double)d[r * WIDTH + c]);
        }
        ck_assert_double_le(fabs(sum - (double)bias[c]), ROWS * KIT_UNIT * size);
        ck_assert_double_gt(size, 1e-3);
    }
    size_t n_labels = 0;
    for (size_t r = 0; r < ROWS; r++) n_labels += t.labels[r] != HL_IGNORED;
    for (size_t r = 0; r < ROWS; r++) { /* softmax less the label, and nothing where it is ignored */
        double sum = 0, least = INFINITY, most = -INFINITY;
        for (size_t c = 0; c < CLASSES; c++) {
            double logit = (double)logits[r * CLASSES + c];
            sum += exp(logit);
            least = fmin(least, logit);
            most = fmax(most, logit);
        }
        for (size_t c = 0; c < CLASSES; c++) {
            double p = exp((double)logits[r * CLASSES + c]) / sum, less = p - (t.labels[r] == (int32_t)c);
            double wanted = t.labels[r] == HL_IGNORED ? 0 : less / (double)n_labels;
            /* p: twice exp (3 u) of a rounded difference of logits, five sums, a division; then the label's difference,
             * 1 / n_labels and the product with it */
            double bound = (2 * (most - least + 3) + 6) * p + 3 * fabs(less);
            ck_assert_msg(fabs((double)d_logits[r * CLASSES + c] - wanted) <= bound * KIT_UNIT / (double)n_labels,
                          "row %zu, class %zu: %g, not %g", r, c, (double)d_logits[r * CLASSES + c], wanted);
        }
    }
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    training_close(&t);
}
END_TEST

/* ---- sizes ---- */

START_TEST(SizesOfAProgramAddUp) {
    training t = training_open(&sizes, 8);
    hl_runtime *runtime = kit_runtime(2);
    hl_state *state = kit_state();
    hl_program *forward = training_program(&t, runtime, state, &t.model.loss, 1);
    hl_program *train = training_program(&t, runtime, state, (hl_tensor *[]){t.model.loss, t.adamw}, 2);
    hl_program_sizes f, s;
    ck_assert_int_eq(hl_program_measure(forward, &f), HL_OK);
    ck_assert_int_eq(hl_program_measure(train, &s), HL_OK);
    /* multiplications and additions of all products with weights, for each token, and no more than double that */
    double C = sizes.width, rows = (double)(sizes.batch * sizes.tokens);
    double products = 2 * rows * (2 * (4 * C * C + 2 * C * (double)sizes.hidden) + C * (double)sizes.classes);
    ck_assert_double_ge(f.flops, products);
    ck_assert_double_le(f.flops, 2 * products);
    ck_assert_double_ge(s.flops, 3 * products - 2 * rows * C); /* backward: twice the forward */
    ck_assert_double_ge(f.bytes, (double)two_block_offset(&sizes, TWO_BLOCK_PARAMS) * 4 / 2);
    ck_assert_uint_ge(f.tasks, f.calls + f.joins);
    ck_assert_uint_ge(s.tasks, s.calls + s.joins);
    ck_assert_uint_gt(s.calls, 2 * f.calls);
    ck_assert_uint_ge(s.edges, s.calls - 1);
    ck_assert_uint_lt(s.arena_bytes, s.unplanned_bytes); /* memory is used again */
    ck_assert_uint_ge(s.arena_bytes, rows * C * 4);
    hl_program_destroy(forward);
    hl_program_destroy(train);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    training_close(&t);
}
END_TEST

int main(void) {
    return run_tests("graph/program state",
                     TESTS(TrainingEvaluationAndOtherLengthsShareTheWeights, TheStateOutlivesItsProgramsAndGoesOn,
                           WritesFromSeveralThreadsFollowOneAnother, EvaluationBesideTrainingSeesWholeStepsOnly,
                           SeveralThreadsMakeProgramsOfOneGraph,
                           AStateTensorOfAnotherShapeIsRefusedAndTheStateLeftAlone,
                           FrozenAndUnchosenParametersAreLeftAlone, GradientsOfActivationsAndInputsAreThere,
                           GradientsInsideTheWholeModelAreThere, SizesOfAProgramAddUp));
}
