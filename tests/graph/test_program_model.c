/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a whole program computes: losses and gradients of the model of two blocks against its oracle in double, before
 * and while it is trained, and updates from exactly these gradients. */
#include <math.h>

#include "tests/graph/training.h"
#include "tests/support/suite.h"

/* Several tiles of rows and of columns in every kernel, keys in several blocks. */
static const two_block_sizes sizes = {
    .batch = 2, .tokens = 70, .width = 24, .heads = 2, .hidden = 72, .classes = 5, .words = 31};

/* Widest reduction: the 140 tokens over which gradients of weights are summed. */
#define WIDEST 140
/* Passes between a parameter and its gradient: embedding; in each of two blocks norm, project, score, softmax, weight,
 * dense, add, norm, dense, GELU, dense, add; norm, dense, loss: 28; the same backwards. */
#define PASSES 56
/* Of each parameter, beside the derivative along its whole gradient. */
#define SAMPLES (TRAINING_SANITIZED ? 2 : 8)

/* Each pass is a reduction of at most WIDEST terms and a few roundings more. Norms keep activations near 1 and weights
 * are below 0.5 with fan-ins of 24 to 72 and random signs, so that no pass makes the largest relative error of its
 * operands much larger: PASSES (WIDEST + 4) roundings of at most u of the numbers at hand. They go either way, so they
 * add up as a random walk does, to the root of their number; eight times that is not exceeded. 4e-5 of the largest
 * number of the same tensor. */
static double tolerance(double largest) { return 8 * sqrt(PASSES * (WIDEST + 4)) * KIT_UNIT * largest; }

/* Central differences with step h err by h^2 / 6 f''' and by rounding of the oracle, some 1e-15 / h of a loss of about
 * 2: with h = 1e-5 both are below 1e-9, nothing beside the above where gradients are as long as LEAST. */
#define H 1e-5
#define LEAST 1e-3

typedef struct checked {
    training t;
    size_t n_params;
    double *exact;    /* all parameters */
    float *gradients; /* what the program says */
} checked;

static double loss_at(const checked *c) {
    return two_block_loss(&sizes, c->exact, c->t.words, c->t.labels, c->t.lengths);
}

/* Derivative of the oracle's loss along `direction` in the elements [begin, end). */
static double difference(const checked *c, const double *direction, size_t begin, size_t end) {
    double *kept = malloc((end - begin) * sizeof *kept), loss[2];
    memcpy(kept, c->exact + begin, (end - begin) * sizeof *kept);
    for (size_t side = 0; side < 2; side++) {
        double h = side ? H : -H;
        for (size_t i = begin; i < end; i++) c->exact[i] = kept[i - begin] + h * direction[i - begin];
        loss[side] = loss_at(c);
    }
    memcpy(c->exact + begin, kept, (end - begin) * sizeof *kept);
    free(kept);
    return (loss[1] - loss[0]) / (2 * H);
}

/* softmax does not see what is added to all scores of a row: the bias of the keys has no gradient. */
static bool has_none(const checked *c, size_t p) {
    const char *name = hl_tensor_name(c->t.model.params[p]);
    return strcmp(name, "0.bk") == 0 || strcmp(name, "1.bk") == 0;
}

/* Of a parameter's gradient. What cancels in that of the keys' bias is as large as in that of their matrix, the
 * parameter before it. */
static double largest_of(const checked *c, size_t p) {
    double largest = 0;
    if (has_none(c, p)) p--;
    for (size_t i = two_block_offset(&sizes, p); i < two_block_offset(&sizes, p + 1); i++)
        largest = fmax(largest, fabs((double)c->gradients[i]));
    return largest;
}

/* The derivative along a parameter's own gradient is the gradient's length: this weighs every element at once. An error
 * e of the gradient changes it by at most the length of e, sqrt(n) times the tolerance of an element. */
static void check_length(const checked *c, size_t p) {
    size_t begin = two_block_offset(&sizes, p), end = two_block_offset(&sizes, p + 1);
    double *direction = malloc((end - begin) * sizeof *direction), length = 0;
    for (size_t i = begin; i < end; i++) length += (double)c->gradients[i] * (double)c->gradients[i];
    length = sqrt(length);
    const char *name = hl_tensor_name(c->t.model.params[p]);
    double bound = sqrt((double)(end - begin)) * tolerance(largest_of(c, p));
    ck_assert_msg(has_none(c, p) ? length <= bound : length > LEAST, "the gradient of %s has length %g", name, length);
    for (size_t i = begin; i < end; i++) direction[i - begin] = length > 0 ? (double)c->gradients[i] / length : 0;
    double along = difference(c, direction, begin, end);
    ck_assert_msg(fabs(along - length) <= bound, "along the gradient of %s the loss grows by %g, not %g", name, along,
                  length);
    free(direction);
}

static void check_samples(const checked *c, size_t p, uint64_t *seed) {
    size_t begin = two_block_offset(&sizes, p), n = two_block_offset(&sizes, p + 1) - begin;
    double bound = tolerance(largest_of(c, p));
    for (size_t s = 0; s < SAMPLES; s++) {
        size_t i = begin + kit_below(seed, n);
        double wanted = difference(c, &(double){1}, i, i + 1);
        ck_assert_msg(fabs((double)c->gradients[i] - wanted) <= bound, "gradient of %s: element %zu is %g, not %g",
                      hl_tensor_name(c->t.model.params[p]), i - begin, (double)c->gradients[i], wanted);
    }
}

static void read_params(const checked *c, hl_program *program, double *params) {
    for (size_t p = 0; p < TWO_BLOCK_PARAMS; p++) {
        size_t at = two_block_offset(&sizes, p), n = two_block_offset(&sizes, p + 1) - at;
        float *values = malloc(n * sizeof *values);
        kit_read(program, c->t.model.params[p], values, n * sizeof *values);
        for (size_t i = 0; i < n; i++) params[at + i] = (double)values[i];
        free(values);
    }
}

static void read_gradients(const checked *c, hl_program *program) {
    for (size_t p = 0; p < TWO_BLOCK_PARAMS; p++) {
        size_t at = two_block_offset(&sizes, p), n = two_block_offset(&sizes, p + 1) - at;
        kit_read(program, c->t.gradients[p], c->gradients + at, n * sizeof(float));
    }
}

static checked open_checked(uint64_t seed) {
    checked c = {.t = training_open(&sizes, seed), .n_params = two_block_offset(&sizes, TWO_BLOCK_PARAMS)};
    c.exact = calloc(c.n_params, sizeof *c.exact);
    c.gradients = calloc(c.n_params, sizeof *c.gradients);
    return c;
}

static void close_checked(checked *c) {
    free(c->exact);
    free(c->gradients);
    training_close(&c->t);
}

START_TEST(LossAndGradientsOfTheWholeModelAgreeWithItsOracle) {
    checked c = open_checked(1);
    hl_tensor *outputs[1 + TWO_BLOCK_PARAMS] = {c.t.model.loss};
    memcpy(outputs + 1, c.t.gradients, sizeof c.t.gradients);
    hl_runtime *runtime = kit_runtime(2);
    hl_state *state = kit_state();
    hl_program *program = training_program(&c.t, runtime, state, outputs, 1 + TWO_BLOCK_PARAMS);
    double loss = (double)training_step(&c.t, program);
    read_gradients(&c, program);
    read_params(&c, program, c.exact);
    double wanted = loss_at(&c);
    ck_assert_msg(fabs(loss - wanted) <= tolerance(wanted), "the loss is %.9g, not %.9g", loss, wanted);
    uint64_t seed = 1;
    for (size_t p = 0; p < TWO_BLOCK_PARAMS; p++) {
        check_length(&c, p);
        check_samples(&c, p, &seed);
    }
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    close_checked(&c);
}
END_TEST

START_TEST(EveryLossOnTheWayIsThatOfTheWeightsBeforeTheUpdate) {
    checked c = open_checked(2);
    hl_runtime *runtime = kit_runtime(3);
    hl_state *state = kit_state();
    hl_tensor *outputs[] = {c.t.model.loss, c.t.adamw};
    hl_program *program = training_program(&c.t, runtime, state, outputs, 2);
    double before = INFINITY;
    for (int step = 1; step <= 8; step++) {
        read_params(&c, program, c.exact);
        double loss = (double)training_step(&c.t, program), wanted = loss_at(&c);
        ck_assert_msg(fabs(loss - wanted) <= tolerance(wanted), "step %d: the loss is %.9g, not %.9g", step, loss,
                      wanted);
        ck_assert_double_lt(loss, before - 10 * tolerance(wanted)); /* so each step's loss is told from the last */
        before = loss;
        int32_t finished;
        kit_read(program, c.t.adamw, &finished, sizeof finished);
        ck_assert_int_eq(finished, step);
    }
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    close_checked(&c);
}
END_TEST

/* p - rate g has two roundings, and the same two here: the weights are known to the bit. A product of a parameter with
 * its own gradient can only be made behind all of the loss, and still sees the parameter before its update. */
START_TEST(UpdatesTakeTheGradientsOfTheirOwnRun) {
    enum { WQ = 3, N_OUTPUTS = TWO_BLOCK_PARAMS + 3 };
    checked c = open_checked(3);
    hl_graph *g = c.t.model.graph;
    hl_tensor *step = hl_sgd(g, c.t.model.loss, &(hl_sgd_options){.rate = c.t.model.rate});
    hl_tensor *product = hl_multiply(g, c.t.model.params[WQ], c.t.gradients[WQ]);
    hl_tensor *outputs[N_OUTPUTS] = {c.t.model.loss, step, product};
    memcpy(outputs + 3, c.t.gradients, sizeof c.t.gradients);
    hl_runtime *runtime = kit_runtime(3);
    hl_state *state = kit_state();
    hl_program *program = training_program(&c.t, runtime, state, outputs, N_OUTPUTS);
    double *after = calloc(c.n_params, sizeof *after);
    size_t wq = two_block_offset(&sizes, WQ), n = two_block_offset(&sizes, WQ + 1) - wq;
    float *products = calloc(n, sizeof *products);
    for (int run = 0; run < 5; run++) {
        float rate = 0.25f / (float)(run + 1);
        kit_write(program, c.t.model.rate, &rate, sizeof rate);
        read_params(&c, program, c.exact);
        kit_run(program);
        read_gradients(&c, program);
        read_params(&c, program, after);
        kit_read(program, product, products, n * sizeof *products);
        for (size_t i = 0; i < c.n_params; i++) {
            float change = rate * c.gradients[i], wanted = (float)c.exact[i] - change;
            ck_assert_msg((float)after[i] == wanted, "run %d: weight %zu is %.9g, not %.9g", run, i, after[i],
                          (double)wanted);
        }
        for (size_t i = 0; i < n; i++) ck_assert_float_eq(products[i], (float)c.exact[wq + i] * c.gradients[wq + i]);
    }
    free(products);
    free(after);
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    close_checked(&c);
}
END_TEST

int main(void) {
    return run_tests("graph/program model",
                     TESTS(LossAndGradientsOfTheWholeModelAgreeWithItsOracle,
                           EveryLossOnTheWayIsThatOfTheWeightsBeforeTheUpdate, UpdatesTakeTheGradientsOfTheirOwnRun));
}
