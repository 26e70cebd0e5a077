/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The same bits: losses, gradients, weights and moments of the model of two blocks, trained with dropout, do not depend
 * on the number of workers, on the policy, on the order of stealing, or on whether somebody looks at the attention; nor
 * do the gradients of keys and values that heads share. */
#include <math.h>

#include "tests/graph/training.h"
#include "tests/support/suite.h"

/* Rows and columns for several tiles of every kernel, and more tokens than one block of weight gradients takes (512),
 * so that these are sums over several tiles. */
static const two_block_sizes sizes = {
    .batch = 8, .tokens = 70, .width = 24, .heads = 2, .hidden = 72, .classes = 5, .words = 31, .dropout = 0.1f};

enum { STEPS = TRAINING_SANITIZED ? 4 : 20 };

typedef struct record {
    float losses[STEPS];
    snapshot state;
    snapshot read; /* gradients of the last step */
} record;

static void clear(record *r) {
    free(r->state.bytes);
    free(r->read.bytes);
}

/* Trains from the first weights on; reads `kept` of the outputs from the second on after the last step. */
static record train(const training *t, const hl_runtime_options *options, hl_tensor *const outputs[], size_t n,
                    size_t kept) {
    record r = {.state = {0}};
    hl_runtime *runtime = kit_runtime_of(options);
    hl_state *state = kit_state();
    hl_program *program = training_program(t, runtime, state, outputs, n);
    for (size_t i = 0; i < STEPS; i++) r.losses[i] = training_step(t, program);
    for (size_t i = 0; i < kept; i++) {
        size_t bytes = training_bytes(outputs[2 + i]);
        void *data = malloc(bytes);
        kit_read(program, outputs[2 + i], data, bytes);
        snapshot_add(&r.read, data, bytes);
        free(data);
    }
    r.state = snapshot_of(state);
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    return r;
}

static void assert_same(const record *a, const record *b, const hl_runtime_options *options) {
    const char *what = NULL;
    if (memcmp(a->losses, b->losses, sizeof a->losses) != 0) what = "losses";
    else if (!snapshot_equal(&a->read, &b->read)) what = "gradients";
    else if (!snapshot_equal(&a->state, &b->state)) what = "weights or moments";
    ck_assert_msg(!what, "%s differ with %zu workers, policy %d, steal seed %llu", what, options->workers,
                  (int)options->policy, (unsigned long long)options->steal_seed);
}

static const hl_runtime_options settings[] = {
    {.workers = 2, .steal_seed = 1},
    {.workers = 2, .policy = HL_POLICY_LEVELS},
    {.workers = 3, .steal_seed = 2},
    {.workers = 7, .steal_seed = 3},
    {.workers = 3, .policy = HL_POLICY_LEVELS},
    {.workers = 2, .policy = HL_POLICY_SERIAL},
    {.workers = 1},
    {.workers = 7, .steal_seed = 0x123456789abcdefu},
    {.workers = 2, .steal_seed = UINT64_MAX},
    {.workers = 3},
    {.workers = 7, .policy = HL_POLICY_LEVELS},
    {.workers = 1, .policy = HL_POLICY_LEVELS},
};

static void check_settings(const training *t, hl_tensor *step, size_t moments) {
    hl_tensor *outputs[2 + TWO_BLOCK_PARAMS] = {t->model.loss, step};
    memcpy(outputs + 2, t->gradients, sizeof t->gradients);
    record serial = train(t, &(hl_runtime_options){.workers = 1, .policy = HL_POLICY_SERIAL}, outputs,
                          2 + TWO_BLOCK_PARAMS, TWO_BLOCK_PARAMS);
    ck_assert_uint_eq(serial.state.n_tensors, TWO_BLOCK_PARAMS * (1 + moments + 1) + 1); /* and counts */
    ck_assert_float_lt(serial.losses[STEPS - 1], serial.losses[0]);                      /* something was learnt */
    size_t n = TRAINING_SANITIZED ? 4 : KIT_COUNT(settings);
    for (size_t i = 0; i < n; i++) {
        record other = train(t, &settings[i], outputs, 2 + TWO_BLOCK_PARAMS, TWO_BLOCK_PARAMS);
        assert_same(&serial, &other, &settings[i]);
        clear(&other);
    }
    clear(&serial);
}

START_TEST(AdamwGivesTheSameBitsForAnyWorkersPolicyAndSeed) {
    training t = training_open(&sizes, 1);
    check_settings(&t, t.adamw, 2);
    training_close(&t);
}
END_TEST

START_TEST(SgdWithMomentumGivesTheSameBitsForAnyWorkersPolicyAndSeed) {
    training t = training_open(&sizes, 2);
    check_settings(&t, t.sgd, 1);
    training_close(&t);
}
END_TEST

/* Three heads to each key and value, whose gradients several tiles add to, one behind the other. */
START_TEST(GroupsOfHeadsGiveTheSameBits) {
    enum { B = 2, H = 6, HK = 2, T = 150, D = 8, N = B * (2 * H + 2 * HK) * T * D };
    static float data[B * H * T * D], first[N], made[N];
    hl_graph *g = kit_graph();
    hl_tensor *q = hl_input(g, "q", HL_F32, HL_SHAPE(B, H, T, D)), *k = hl_input(g, "k", HL_F32, HL_SHAPE(B, HK, T, D));
    hl_tensor *v = hl_input(g, "v", HL_F32, HL_SHAPE(B, HK, T, D));
    hl_tensor *p = hl_softmax(g, hl_score(g, q, k, &(hl_score_options){.mask = HL_MASK_CAUSAL}));
    hl_tensor *y = hl_weight(g, hl_dropout(g, p, 0.2f, 3), v), *loss = hl_sum(g, hl_multiply(g, y, y), 0, false);
    hl_tensor *outputs[] = {y, hl_gradient(g, loss, q), hl_gradient(g, loss, k), hl_gradient(g, loss, v)};
    hl_tensor *inputs[] = {q, k, v};
    for (size_t i = 0; i < (TRAINING_SANITIZED ? 4 : KIT_COUNT(settings)); i++) {
        hl_runtime *runtime = kit_runtime_of(&settings[i]);
        hl_state *state = kit_state();
        hl_program *program = kit_program(runtime, g, state, outputs, 4);
        for (size_t input = 0; input < 3; input++) {
            kit_fill(data, B * H * T * D, input + 1);
            kit_write(program, inputs[input], data, training_bytes(inputs[input]));
        }
        for (size_t run = 0; run < 4; run++) {
            float *to = i + run == 0 ? first : made;
            kit_run(program);
            for (size_t o = 0; o < 4; to += training_bytes(outputs[o++]) / sizeof *to)
                kit_read(program, outputs[o], to, training_bytes(outputs[o]));
            if (i + run > 0) ck_assert_mem_eq(first, made, sizeof first);
        }
        hl_program_destroy(program);
        hl_state_destroy(state);
        hl_runtime_destroy(runtime);
    }
    hl_graph_destroy(g);
}
END_TEST

/* A table of ones that is looked up and makes the logits, and their bias, over more than 64 blocks of 512 tokens. y is
 * the sum of the logits, each word's times its factor, so that
 *   dtable[v, d] = n factor_v + n_v sum_w factor_w      n_v: how often v is looked up
 *   dbias[v]     = n factor_v
 * Terms are equal and have all digits: added one by one they would be off by 1e-4 and more. */
START_TEST(GradientsOfALongTextAreRightAndHaveTheSameBits) {
    enum { N = 70 * 512 + 1, V = 3, D = 2 };
    static int32_t index[N];
    const float ones[V * D] = {1, 1, 1, 1, 1, 1}, factors[V] = {0x1.fe06p-1f, 0x1.fe06p0f, 0x1.7e84p1f};
    size_t found[V] = {0};
    for (size_t i = 0; i < N; i++) found[index[i] = (int32_t)(i % 7 == 3 ? 1 : i % 7 == 5 ? 2 : 0)]++;
    float first[V * D + V], made[V * D + V];
    hl_graph *g = kit_graph();
    hl_tensor *words = hl_input(g, "words", HL_F32, HL_SHAPE(V, D)), *text = hl_input(g, "text", HL_I32, HL_SHAPE(N));
    hl_tensor *bias = hl_input(g, "bias", HL_F32, HL_SHAPE(V)), *factor = hl_input(g, "factor", HL_F32, HL_SHAPE(V));
    hl_tensor *logits = hl_dense(g, hl_embedding(g, words, text), hl_transpose(g, words, (size_t[]){1, 0}), bias);
    hl_tensor *y = hl_sum(g, hl_multiply(g, logits, factor), 0, false);
    hl_tensor *outputs[] = {hl_gradient(g, y, words), hl_gradient(g, y, bias)};
    for (size_t i = 0; i < (TRAINING_SANITIZED ? 4 : KIT_COUNT(settings)); i++) {
        float *to = i == 0 ? first : made;
        hl_runtime *runtime = kit_runtime_of(&settings[i]);
        hl_state *state = kit_state();
        hl_program *program = kit_program(runtime, g, state, outputs, 2);
        kit_write(program, words, ones, sizeof ones);
        kit_write(program, text, index, sizeof index);
        kit_write(program, bias, ones, V * sizeof *ones);
        kit_write(program, factor, factors, sizeof factors);
        kit_run(program);
        kit_read(program, outputs[0], to, V * D * sizeof *to);
        kit_read(program, outputs[1], to + V * D, V * sizeof *to);
        if (i > 0) ck_assert_mem_eq(first, made, sizeof first);
        hl_program_destroy(program);
        hl_state_destroy(state);
        hl_runtime_destroy(runtime);
    }
    hl_graph_destroy(g);
    double bound = 1e-6 * log2(N), sum = 0;
    for (size_t v = 0; v < V; v++) sum += (double)factors[v];
    for (size_t v = 0; v < V; v++) {
        double of_bias = N * (double)factors[v], of_table = of_bias + (double)found[v] * sum;
        for (size_t d = 0; d < D; d++) ck_assert_double_le(fabs((double)first[v * D + d] / of_table - 1), bound);
        ck_assert_double_le(fabs((double)first[V * D + v] / of_bias - 1), bound);
    }
}
END_TEST

/* Every row that a query sees sums to one, to half a unit for each key and the exponentials' few units; keys behind it
 * and keys beyond the length weigh nothing. */
static void assert_attention(const float *p, const int32_t *lengths) {
    size_t T = sizes.tokens, H = sizes.heads;
    for (size_t row = 0; row < sizes.batch * H * T; row++) {
        size_t length = (size_t)lengths[row / T / H], i = row % T, seen = i + 1 < length ? i + 1 : length;
        double sum = 0;
        for (size_t j = 0; j < T; j++) {
            float weight = p[row * T + j];
            ck_assert_msg(j < seen ? weight > 0 : weight == 0, "row %zu: weight of key %zu is %g", row, j,
                          (double)weight);
            sum += (double)weight;
        }
        ck_assert_double_le(fabs(sum - 1), (double)(T + 8) * KIT_UNIT);
    }
}

START_TEST(LookingAtTheAttentionChangesNoBitOfTheTraining) {
    training t = training_open(&sizes, 3);
    hl_tensor *looking[] = {t.model.loss, t.adamw, t.model.weights[0], t.model.weights[1]};
    hl_runtime_options options = {.workers = 2};
    record blind = train(&t, &options, looking, 2, 0);
    for (size_t n = 3; n <= 4; n++) { /* at the first block; at both */
        record seeing = train(&t, &options, looking, n, n - 2);
        size_t elements = sizes.batch * sizes.heads * sizes.tokens * sizes.tokens;
        ck_assert_uint_eq(seeing.read.n_bytes, (n - 2) * elements * sizeof(float));
        for (size_t k = 0; k < n - 2; k++)
            assert_attention((float *)(void *)seeing.read.bytes + k * elements, t.lengths);
        free(seeing.read.bytes);
        seeing.read = (snapshot){0};
        assert_same(&blind, &seeing, &options);
        clear(&seeing);
    }
    clear(&blind);
    training_close(&t);
}
END_TEST

START_TEST(TwoRunsFromTheSameWeightsGiveTheSameBits) {
    training t = training_open(&sizes, 4);
    hl_tensor *outputs[] = {t.model.loss, t.adamw};
    hl_runtime_options options = {.workers = 2};
    record one = train(&t, &options, outputs, 2, 0), two = train(&t, &options, outputs, 2, 0);
    assert_same(&one, &two, &options);
    training other = training_open(&sizes, 5); /* and the comparison can tell others apart */
    hl_tensor *others[] = {other.model.loss, other.adamw};
    record three = train(&other, &options, others, 2, 0);
    ck_assert(memcmp(one.losses, three.losses, sizeof one.losses) != 0);
    ck_assert(!snapshot_equal(&one.state, &three.state));
    clear(&one);
    clear(&two);
    clear(&three);
    training_close(&other);
    training_close(&t);
}
END_TEST

int main(void) {
    return run_tests("graph/program bits",
                     TESTS(AdamwGivesTheSameBitsForAnyWorkersPolicyAndSeed,
                           SgdWithMomentumGivesTheSameBitsForAnyWorkersPolicyAndSeed, GroupsOfHeadsGiveTheSameBits,
                           GradientsOfALongTextAreRightAndHaveTheSameBits,
                           LookingAtTheAttentionChangesNoBitOfTheTraining, TwoRunsFromTheSameWeightsGiveTheSameBits));
}
