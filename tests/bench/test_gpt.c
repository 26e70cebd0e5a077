/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The GPTs that are measured: how many parameters and operations they have, that one table serves words and logits, and
 * that they learn. */
#include "bench/subjects/gpt.h"

#include "tests/bench/gpt_kit.h"

/* The published counts (GPT-2 with its 1024 positions; nanoGPT's two, which leave positions out of theirs). */
START_TEST(ModelsHaveThePublishedNumberOfParameters) {
    gpt_sizes gpt2 = gpt_sizes_of(GPT_gpt2_124m), nano = gpt_sizes_of(GPT_nanogpt), six = gpt_sizes_of(GPT_nano6l);
    ck_assert_str_eq(gpt2.name, "gpt2-124m");
    ck_assert_str_eq(nano.name, "nanogpt");
    ck_assert_str_eq(six.name, "nano6l");
    ck_assert(!gpt2.no_bias && nano.no_bias && six.no_bias);
    ck_assert_uint_eq(gpt_parameters(&gpt2), 124439808 - (1024 - gpt2.tokens) * gpt2.width);
    ck_assert_int_eq(lround((double)(gpt_parameters(&nano) - nano.tokens * nano.width) * 1e-4), 80);
    ck_assert_int_eq(lround((double)(gpt_parameters(&six) - six.tokens * six.width) * 1e-4), 1065);
    const gpt_sizes all[] = {gpt2, nano, six};
    for (size_t i = 0; i < 3; i++) {
        ck_assert(all[i].batch > 0 && all[i].tokens > 0);
        ck_assert_uint_eq(all[i].width % all[i].heads, 0);
    }
}
END_TEST

/* What a state holds. */
typedef struct census {
    size_t parameters, moments;                  /* elements */
    size_t biases, others, of_vocabulary_extent; /* parameters */
} census;

static census count(const small_gpt *small) {
    census made = {0};
    for (size_t t = 0; t < hl_state_count(small->state); t++) {
        held tensor = held_at(small, t);
        const char *part = strrchr(tensor.name, '.');
        bool is_moment = strncmp(tensor.name, "adamw.m", 7) == 0 || strncmp(tensor.name, "adamw.v", 7) == 0;
        if (is_moment) made.moments += tensor.elements;
        if (!is_parameter(tensor.name)) continue;
        ck_assert_ptr_nonnull(part);
        made.parameters += tensor.elements;
        if (part[1] == 'b') made.biases++;
        else made.others++;
        for (size_t axis = 0; axis < tensor.shape.rank; axis++)
            made.of_vocabulary_extent += tensor.shape.extent[axis] == small->model.sizes.vocabulary;
    }
    return made;
}

/* A block has four matrices of attention, two of its feed-forward and two gains; behind each of these a bias. */
START_TEST(TheStateHoldsTheParametersThatAreCounted) {
    for (size_t i = 0; i < 2; i++) {
        small_gpt small = open_gpt(&tiny[i], true);
        census found = count(&small);
        ck_assert_uint_eq(found.parameters, gpt_parameters(&tiny[i]));
        ck_assert_uint_eq(found.moments, 2 * found.parameters);
        ck_assert_uint_eq(found.others, 2 + 8 * tiny[i].layers + 1);
        ck_assert_uint_eq(found.biases, tiny[i].no_bias ? 0 : 8 * tiny[i].layers + 1);
        close_gpt(&small);
    }
}
END_TEST

/* One batch; each word's label is the word behind it. */
static void write_batch(const small_gpt *small, size_t words, float rate) {
    enum { N = 15 };
    int32_t text[N + 1];
    for (size_t i = 0; i <= N; i++) text[i] = (int32_t)(i * i % words);
    ck_assert_uint_eq(small->model.sizes.batch * small->model.sizes.tokens, N);
    write_input(small, small->model.words, text, N * sizeof *text);
    write_input(small, small->model.labels, text + 1, N * sizeof *text);
    write_input(small, small->model.rate, &rate, sizeof rate);
}

static float run_step(const small_gpt *small) {
    float loss;
    CHECK_OK(hl_program_run(small->program), hl_program_error(small->program));
    CHECK_OK(hl_program_read(small->program, small->model.loss, &loss, sizeof loss), "loss");
    return loss;
}

/* The logits have no table of their own: no other parameter has as many rows, and what the logits say moves the vectors
 * of words that are neither read nor expected anywhere. */
START_TEST(TheTableOfWordsMakesTheLogits) {
    enum { SEEN = 4 };
    small_gpt small = open_gpt(&tiny[0], true);
    size_t V = tiny[0].vocabulary, W = tiny[0].width;
    ck_assert_uint_eq(count(&small).of_vocabulary_extent, 1);
    write_batch(&small, SEEN, 1e-3f);
    run_step(&small);
    float moment[11 * 8];
    ck_assert_uint_eq(V * W, 11 * 8);
    CHECK_OK(hl_state_read(small.state, "adamw.m/word.table", moment, sizeof moment), hl_state_error(small.state));
    for (size_t word = SEEN; word < V; word++)
        for (size_t c = 0; c < W; c++) ck_assert_msg(moment[word * W + c] != 0, "word %zu, %zu", word, c);
    close_gpt(&small);
}
END_TEST

/* AdamW's first steps go down the sign of the gradient: at this rate each lowers the loss, at rate 0 none does. */
START_TEST(EachStepLowersTheLossAtTheRateThatIsWritten) {
    for (size_t i = 0; i < 2; i++) {
        small_gpt small = open_gpt(&tiny[i], true);
        write_batch(&small, tiny[i].vocabulary, 0);
        float last = run_step(&small);
        ck_assert_float_eq(run_step(&small), last);
        write_batch(&small, tiny[i].vocabulary, 1e-3f);
        ck_assert_float_eq(run_step(&small), last); /* before its update */
        for (size_t step = 0; step < 8; step++) {
            float loss = run_step(&small);
            ck_assert_msg(loss < last, "step %zu: %g, then %g", step, last, loss);
            last = loss;
        }
        close_gpt(&small);
    }
}
END_TEST

/* ---- operations ---- */

static double product(size_t m, size_t n, size_t k) { return 2 * (double)m * (double)n * (double)k; }

/* Product by product and query by query: forward, then for each product one with either operand. */
static double weights_counted(const gpt_sizes *s) {
    size_t rows = s->batch * s->tokens, W = s->width;
    double flops = product(rows, s->vocabulary, W);
    for (size_t layer = 0; layer < s->layers; layer++) {
        for (size_t projection = 0; projection < 4; projection++) flops += product(rows, W, W);
        flops += product(rows, 4 * W, W) + product(rows, W, 4 * W);
    }
    return 3 * flops;
}

/* One query against the keys that it sees, and their values: forward and backward. */
static double attention_counted(const gpt_sizes *s) {
    double flops = 0;
    for (size_t query = 0; query < s->tokens; query++) {
        size_t keys = query + 1, size = s->width / s->heads;
        flops += product(1, keys, size) + product(1, size, keys);
    }
    return 3 * (double)(s->batch * s->layers * s->heads) * flops;
}

/* Whole numbers below 2^53: nothing is rounded. */
START_TEST(OperationsAreThoseOfTheProducts) {
    const gpt_sizes all[] = {gpt_sizes_of(GPT_gpt2_124m), gpt_sizes_of(GPT_nanogpt), gpt_sizes_of(GPT_nano6l), tiny[0]};
    for (size_t i = 0; i < 4; i++)
        ck_assert_double_eq(gpt_flops(&all[i]), weights_counted(&all[i]) + attention_counted(&all[i]));
}
END_TEST

/* What a program counts are products alone too, with two differences. Attention makes its scores again when it goes
 * backward: 7 products where 6 count. And it works on blocks of pairs, whose masked pairs are computed along, so that
 * between T (T + 1) / 2 pairs and T^2 are: for one token, exactly one. */
START_TEST(AProgramCountsTheSameProducts) {
    static const size_t lengths[] = {1, 2, 5, 70, 300};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        gpt_sizes s = tiny[i % 2];
        size_t T = s.tokens = lengths[i];
        small_gpt small = open_gpt(&s, true);
        hl_program_sizes sizes;
        CHECK_OK(hl_program_measure(small.program, &sizes), "sizes");
        double weights = weights_counted(&s), least = attention_counted(&s) / 6 * 7;
        double most = least * 2 * (double)T / (double)(T + 1);
        ck_assert_msg(sizes.flops >= weights + least && sizes.flops <= weights + most,
                      "%zu tokens: %.0f is not between %.0f and %.0f", T, sizes.flops, weights + least, weights + most);
        close_gpt(&small);
    }
}
END_TEST

int main(void) {
    return run_tests("gpt", TESTS(ModelsHaveThePublishedNumberOfParameters, TheStateHoldsTheParametersThatAreCounted,
                                  TheTableOfWordsMakesTheLogits, EachStepLowersTheLossAtTheRateThatIsWritten,
                                  OperationsAreThoseOfTheProducts, AProgramCountsTheSameProducts));
}
