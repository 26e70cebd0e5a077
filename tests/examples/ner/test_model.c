/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Networks: every rung has its shapes, and differs from the others by its attention alone. */
#include "examples/ner/model.h"

#include "tests/examples/ner/kit.h"

static const ner_model base = {.word_rows = 50, .shape_rows = 9, .seed = 1, .decay = 0.1f};

static ner_network network_of(ner_rung rung, int training) {
    ner_network network;
    ner_model model = base;
    model.rung = rung;
    ck_assert_int_eq(ner_network_build(&network, &model, 4, 7, training), HL_OK);
    ck_assert_msg(hl_graph_status(network.graph) == HL_OK, "%s", hl_graph_error(network.graph));
    return network;
}

static void expect_shape(hl_tensor *tensor, hl_shape wanted) {
    char got[HL_SHAPE_TEXT], want[HL_SHAPE_TEXT];
    hl_shape shape = hl_tensor_shape(tensor);
    ck_assert_str_eq(hl_shape_text(&shape, got, sizeof got), hl_shape_text(&wanted, want, sizeof want));
}

START_TEST(EveryRungLabelsEveryWord) {
    for (ner_rung rung = NER_RUNG_NONE; rung < NER_RUNGS; rung++) {
        for (int training = 0; training < 2; training++) {
            ner_network network = network_of(rung, training);
            expect_shape(network.logits, HL_SHAPE(4, 7, NER_LABELS));
            ck_assert_int_eq(network.loss != NULL, training);
            ck_assert_int_eq(network.step != NULL, training);
            ck_assert_int_eq(network.labels != NULL, training);
            ck_assert_int_eq(network.lengths != NULL, rung != NER_RUNG_NONE);
            ck_assert_int_eq(network.distance != NULL, rung == NER_RUNG_STACKED);
            ner_network_clear(&network);
        }
    }
}
END_TEST

START_TEST(WeightsHaveTheHeadsOfTheRung) {
    static const size_t heads[NER_RUNGS] = {0, 1, 1, NER_THREE, NER_BLOCK_HEADS};
    static const size_t attentions[NER_RUNGS] = {0, 1, 1, 1, NER_BLOCKS};
    for (ner_rung rung = NER_RUNG_NONE; rung < NER_RUNGS; rung++) {
        ner_network network = network_of(rung, 0);
        ck_assert_uint_eq(network.n_weights, attentions[rung]);
        for (size_t i = 0; i < network.n_weights; i++) {
            expect_shape(network.weights[i], HL_SHAPE(4, heads[rung], 7, 7));
        }
        ner_network_clear(&network);
    }
}
END_TEST

START_TEST(SignsNameRungs) {
    for (ner_rung rung = NER_RUNG_NONE; rung < NER_RUNGS; rung++) {
        ck_assert_int_eq(ner_rung_of(ner_rung_sign(rung)), rung);
        ck_assert_uint_gt(strlen(ner_rung_text(rung)), 5);
    }
    ck_assert_int_eq(ner_rung_of("e"), NER_RUNGS);
    ck_assert_int_eq(ner_rung_of(""), NER_RUNGS);
    ck_assert_str_eq(ner_rung_sign(NER_RUNGS), "?");
}
END_TEST

int main(void) {
    return run_tests("model", TESTS(EveryRungLabelsEveryWord, WeightsHaveTheHeadsOfTheRung, SignsNameRungs));
}
