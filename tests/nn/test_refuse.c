/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Refusals of layers stay in the graph. */
#include "nn/refuse.h"

#include "tests/nn/kit.h"

START_TEST(RefusalStaysInTheGraphWithItsWords) {
    kit used = kit_open();
    ck_assert_ptr_null(hl__nn_refuse(used.nn.graph, HL_OUT_OF_RANGE, "%d is too %s", 3, "many"));
    kit_expect_error(&used, HL_OUT_OF_RANGE, "3 is too many");
    kit_close(&used);
}
END_TEST

START_TEST(FirstRefusalWins) {
    kit used = kit_open();
    hl__nn_refuse(used.nn.graph, HL_OUT_OF_RANGE, "first");
    hl__nn_refuse(used.nn.graph, HL_INVALID_ARGUMENT, "second");
    kit_expect_error(&used, HL_OUT_OF_RANGE, "first");
    kit_close(&used);
}
END_TEST

START_TEST(RefusalWithoutGraphIsHarmless) {
    ck_assert_ptr_null(hl__nn_refuse(NULL, HL_OUT_OF_RANGE, "nobody hears this"));
}
END_TEST

int main(void) {
    return run_tests("nn/refuse",
                     TESTS(RefusalStaysInTheGraphWithItsWords, FirstRefusalWins, RefusalWithoutGraphIsHarmless));
}
