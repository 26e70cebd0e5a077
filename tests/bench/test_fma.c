/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The FMA loop does the operations that it is counted for: its sum is that of the recurrence. */
#include "bench/subjects/fma.h"

#include "ops/kernels/portable.h"
#include "tests/bench/kit.h"

#define CHAINS 12

/* Chain i starts with i in each lane and goes x <- 0.999 x + 0.001, so that after n rounds it is 1 + (i - 1) 0.999^n.
 * Each round is wrong by at most a unit of values up to 11, 11 u, and shrinks what was wrong before: never more than
 * 1000 * 11 u = 6.6e-4 a chain. The constants are rounded to u of themselves: 0.999 to u moves x by at most
 * 1000 * 11 u, 0.001 by 1000 * u / 1000. The chains of a lane are added up to at most 66 in four additions behind each
 * other: 4 * 66 u a lane. Together below 2e-3 a lane and chain. */
static void check_loop(const bench_fma *fma) {
    double lanes = fma->flops_per_round / (2 * CHAINS);
    ck_assert(lanes == 4 || lanes == 8 || lanes == 16);
    static const size_t rounds[] = {0, 1, 2, 100, 3000};
    for (size_t r = 0; r < 5; r++) {
        double expected = 0;
        for (int i = 0; i < CHAINS; i++) expected += lanes * (1 + (i - 1) * pow(0.999, (double)rounds[r]));
        ck_assert_double_eq_tol(fma->run(rounds[r]), expected, 2e-3 * lanes * CHAINS);
    }
}

/* One round more or less moves the sum of the chains, (i - 1) apart from 1 each, by 54 * 0.001 a lane at first: more
 * than twice the tolerance of 0.024. */
START_TEST(EachInstructionSetDoesItsRounds) {
    check_loop(&bench_fma_baseline);
#ifdef __x86_64__
    if (hl__kernels_for(HL__ISA_AVX2)) check_loop(&bench_fma_avx2);
    if (hl__kernels_for(HL__ISA_AVX512)) check_loop(&bench_fma_avx512);
#endif
}
END_TEST

int main(void) { return run_tests("fma", TESTS(EachInstructionSetDoesItsRounds)); }
