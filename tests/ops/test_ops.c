/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The operator table and the choice of instruction set. */
#include "ops/ops.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/suite.h"

static bool available(hl__isa isa) { return hl__operator_for(HL__OP_project, isa) != NULL; }

static hl__isa widest(void) {
    hl__isa found = HL__ISA_BASELINE;
    for (int isa = 0; isa < HL__N_ISAS; isa++)
        if (available((hl__isa)isa)) found = (hl__isa)isa;
    return found;
}

START_TEST(EveryOperatorIsInTheTableOfEachSetUnderItsName) {
    static const char *const names[] = {
#define HL_OPERATOR(name) #name,
#include "ops/op_list.h"
#undef HL_OPERATOR
    };
    for (int isa = 0; isa < HL__N_ISAS; isa++) {
        if (!available((hl__isa)isa)) continue;
        for (int op = 0; op < HL__N_OPS; op++)
            ck_assert_str_eq(hl__operator_for((hl__op)op, (hl__isa)isa)->name, names[op]);
    }
}
END_TEST

START_TEST(SetsHaveOperatorsOfTheirOwn) {
    ck_assert(available(HL__ISA_BASELINE));
    for (int isa = 1; isa < HL__N_ISAS; isa++)
        ck_assert_ptr_ne(hl__operator_for(HL__OP_project, (hl__isa)isa),
                         hl__operator_for(HL__OP_project, HL__ISA_BASELINE));
}
END_TEST

START_TEST(NumbersOutsideTheTableGiveNull) {
    ck_assert_ptr_null(hl__operator_for(HL__N_OPS, HL__ISA_BASELINE));
    ck_assert_ptr_null(hl__operator_for(HL__OP_project, HL__N_ISAS));
}
END_TEST

START_TEST(NoWordChoosesTheWidestSet) {
    hl__isa isa = HL__N_ISAS;
    ck_assert_int_eq(hl__isa_choose(NULL, &isa), HL_OK);
    ck_assert_int_eq(isa, widest());
    ck_assert_int_eq(hl__isa_choose("", &isa), HL_OK);
    ck_assert_int_eq(isa, widest());
}
END_TEST

START_TEST(AWordNarrowsTheSetAndIsRefusedWhereTheProcessorLacksIt) {
    for (int i = 0; i < HL__N_ISAS; i++) {
        hl__isa isa = HL__N_ISAS;
        hl_status status = hl__isa_choose(hl__isa_name((hl__isa)i), &isa);
        ck_assert_int_eq(status, available((hl__isa)i) ? HL_OK : HL_UNSUPPORTED);
        ck_assert_int_eq(isa, available((hl__isa)i) ? (hl__isa)i : widest());
    }
}
END_TEST

START_TEST(AnUnknownWordIsRefused) {
    hl__isa isa = HL__N_ISAS;
    ck_assert_int_eq(hl__isa_choose("avx1024", &isa), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(isa, widest());
    ck_assert_int_eq(hl__isa_choose("AVX2", &isa), HL_INVALID_ARGUMENT);
}
END_TEST

/* The environment is looked at once: a later change must not switch kernels between two programs. */
START_TEST(TheProcessKeepsItsFirstChoice) {
    char message[160] = "untouched";
    setenv("HEADLOOM_ISA", "mistyped", 1);
    ck_assert_int_eq(hl__isa_status(message, sizeof message), HL_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(message, "HEADLOOM_ISA"));
    ck_assert_int_eq(hl__isa_chosen(), widest());
    setenv("HEADLOOM_ISA", "baseline", 1);
    ck_assert_int_eq(hl__isa_status(message, sizeof message), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl__isa_chosen(), widest());
    ck_assert_ptr_eq(hl__operator(HL__OP_dense), hl__operator_for(HL__OP_dense, widest()));
}
END_TEST

START_TEST(RefusalsCarryTheirWords) {
    hl_inference inference = {0};
    ck_assert_int_eq(hl_refuse(&inference, HL_SHAPE_MISMATCH, "%s does not fit %d", "[2, 3]", 4), HL_SHAPE_MISMATCH);
    ck_assert_str_eq(inference.message, "[2, 3] does not fit 4");
}
END_TEST

START_TEST(LongRefusalsAreCut) {
    hl_inference inference = {0};
    char words[1000];
    memset(words, 'w', sizeof words - 1);
    words[sizeof words - 1] = 0;
    hl_refuse(&inference, HL_UNSUPPORTED, "%s", words);
    ck_assert_uint_eq(strlen(inference.message), sizeof inference.message - 1);
}
END_TEST

int main(void) {
    return run_tests("ops", TESTS(EveryOperatorIsInTheTableOfEachSetUnderItsName, SetsHaveOperatorsOfTheirOwn,
                                  NumbersOutsideTheTableGiveNull, NoWordChoosesTheWidestSet,
                                  AWordNarrowsTheSetAndIsRefusedWhereTheProcessorLacksIt, AnUnknownWordIsRefused,
                                  TheProcessKeepsItsFirstChoice, RefusalsCarryTheirWords, LongRefusalsAreCut));
}
