/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Initialisers: their mathematics against libm, their bits as recorded, their distribution, and that they depend on the
 * parameter's name and seed alone. */
#include "nn/init.h"

#include <math.h>

#include "tests/nn/kit.h"

/* A unit of rounding in double. */
#define U 0x1p-53

/* The quotient s rounds twice, its series of falling terms, the exponent's part and the sums some three times more.
 * What cancels between exponent and series is at most a half. */
START_TEST(LogAgreesWithLibm) {
    for (int exponent = -33; exponent <= 3; exponent++) {
        for (int i = 0; i < 1000; i++) {
            double x = ldexp(1 + i / 1000.0, exponent), expected = log(x);
            ck_assert_double_le(fabs(hl__init_log(x) - expected), 8 * U * fabs(expected));
        }
    }
    ck_assert(hl__init_log(1) == 0);
}
END_TEST

/* The angle here is off by two roundings and that of 2 pi of up to 2 pi, 15 u at most; that of the circle, below pi /
 * 4, and its series by less than 4. */
START_TEST(CircleAgreesWithLibm) {
    const double turn = 2 * acos(-1.0);
    for (uint32_t i = 0; i < 65536; i++) {
        uint32_t word = i * 65537u; /* 0 and 2^32 - 1 and all quarters among them */
        double sine, cosine, angle = ((double)word + 0.5) * 0x1p-32 * turn;
        hl__init_circle(word, &sine, &cosine);
        ck_assert_double_le(fabs(sine - sin(angle)), 20 * U);
        ck_assert_double_le(fabs(cosine - cos(angle)), 20 * U);
    }
    for (uint32_t eighth = 0; eighth < 8; eighth++) { /* both sides of where the quarter changes */
        for (uint32_t step = 0; step < 4; step++) {
            uint32_t word = (eighth << 29) + step - 2;
            double sine, cosine, angle = ((double)word + 0.5) * 0x1p-32 * turn;
            hl__init_circle(word, &sine, &cosine);
            ck_assert_double_le(fabs(sine - sin(angle)), 20 * U);
            ck_assert_double_le(fabs(cosine - cos(angle)), 20 * U);
        }
    }
}
END_TEST

typedef enum kind { CONSTANT, UNIFORM, NORMAL } kind;

/* First values of a parameter: uniform in [a, b), or normal with mean a and deviation b. */
static void first_values(kind which, const char *name, float a, float b, uint64_t seed, float *values, size_t n) {
    kit used = kit_open();
    hl_graph *g = used.nn.graph;
    hl_tensor *param = hl_param(g, name, HL_F32, HL_SHAPE(n)), *made = NULL;
    switch (which) {
    case CONSTANT: made = hl_init_constant(g, param, a); break;
    case UNIFORM: made = hl_init_uniform(g, param, a, b, seed); break;
    case NORMAL: made = hl_init_normal(g, param, a, b, seed); break;
    }
    ck_assert_ptr_eq(made, param);
    hl_program *program = kit_program(&used, (hl_tensor *[]){hl_scale(g, param, 1)}, 1);
    ck_assert_int_eq(hl_state_read(used.state, name, values, n * sizeof values[0]), HL_OK);
    hl_program_destroy(program);
    kit_close(&used);
}

static const uint64_t seed = 0x123456789abcdef;

/* Recorded from a second implementation, which shares no code with this one. */
START_TEST(UniformBitsAreAsRecorded) {
    static const uint32_t expected[8] = {0x3e8290ff, 0x3e541d82, 0x3ef71708, 0x3e60b3e4,
                                         0x3e978215, 0x3f206a90, 0xbe80aa67, 0xbb856cbb};
    float values[8];
    first_values(UNIFORM, "block.0.wq", -0.3f, 0.7f, seed, values, 8);
    ck_assert_mem_eq(values, expected, sizeof values);
}
END_TEST

START_TEST(NormalBitsAreAsRecorded) {
    static const uint32_t expected[8] = {0xbfb02318, 0x3e3535d1, 0xbf4adf5b, 0x3df9f81b,
                                         0x3fcef708, 0xbedba2d9, 0xbf4caaaf, 0x4072416a};
    float values[8];
    first_values(NORMAL, "block.0.wq", 0.25f, 1.5f, seed, values, 8);
    ck_assert_mem_eq(values, expected, sizeof values);
}
END_TEST

START_TEST(ConstantFillsAll) {
    float values[7];
    first_values(CONSTANT, "gain", 1.25f, 0, 0, values, 7);
    for (size_t i = 0; i < 7; i++) ck_assert(values[i] == 1.25f);
}
END_TEST

START_TEST(ShorterParametersArePrefixes) {
    float longer[23], shorter[10];
    first_values(NORMAL, "w", 0, 1, 5, longer, 23);
    first_values(NORMAL, "w", 0, 1, 5, shorter, 10);
    ck_assert_mem_eq(longer, shorter, sizeof shorter);
}
END_TEST

START_TEST(NameAndEveryBitOfTheSeedMatter) {
    float one[4], other[4];
    first_values(UNIFORM, "w", 0, 1, 5, one, 4);
    first_values(UNIFORM, "v", 0, 1, 5, other, 4);
    ck_assert_mem_ne(one, other, sizeof one);
    for (int bit = 0; bit < 64; bit += 21) {
        first_values(UNIFORM, "w", 0, 1, 5 ^ (uint64_t)1 << bit, other, 4);
        ck_assert_mem_ne(one, other, sizeof one);
    }
}
END_TEST

/* Means of n independent values lie within 5 standard errors, with these seeds as with all but one of 1.7 million. */
START_TEST(NormalHasItsMomentsAndTails) {
    enum { N = 40000 };
    static float values[N];
    first_values(NORMAL, "w", 2, 3, 11, values, N);
    double sum = 0, square = 0, beyond = 0;
    for (size_t i = 0; i < N; i++) {
        double z = ((double)values[i] - 2) / 3;
        sum += z;
        square += z * z;
        beyond += fabs(z) > 2;
    }
    ck_assert_double_lt(fabs(sum / N), 5 / sqrt(N));
    ck_assert_double_lt(fabs(square / N - 1), 5 * sqrt(2.0 / N));
    double share = erfc(sqrt(2)); /* of values beyond 2 deviations */
    ck_assert_double_lt(fabs(beyond / N - share), 5 * sqrt(share * (1 - share) / N));
}
END_TEST

START_TEST(UniformStaysInItsRangeAndFillsIt) {
    enum { N = 40000, BINS = 16 };
    static float values[N];
    first_values(UNIFORM, "w", -2, 6, 11, values, N);
    size_t bins[BINS] = {0};
    for (size_t i = 0; i < N; i++) {
        ck_assert(values[i] >= -2 && values[i] <= 6);
        size_t bin = (size_t)((values[i] + 2) * (BINS / 8.0f));
        bins[bin < BINS ? bin : BINS - 1]++;
    }
    double share = 1.0 / BINS;
    for (size_t i = 0; i < BINS; i++)
        ck_assert_double_lt(fabs((double)bins[i] / N - share), 5 * sqrt(share * (1 - share) / N));
}
END_TEST

START_TEST(RangesThatAreNoneAreRefused) {
    for (int i = 0; i < 5; i++) {
        kit used = kit_open();
        hl_graph *g = used.nn.graph;
        hl_tensor *w = hl_param(g, "w", HL_F32, HL_SHAPE(3));
        switch (i) {
        case 0: ck_assert_ptr_null(hl_init_uniform(g, w, 1, 0, 1)); break;
        case 1: ck_assert_ptr_null(hl_init_uniform(g, w, 0, INFINITY, 1)); break;
        case 2: ck_assert_ptr_null(hl_init_uniform(g, w, NAN, 1, 1)); break;
        case 3: ck_assert_ptr_null(hl_init_normal(g, w, 0, -1, 1)); break;
        default: ck_assert_ptr_null(hl_init_normal(g, w, NAN, 1, 1)); break;
        }
        kit_expect_error(&used, HL_OUT_OF_RANGE, "of 'w'");
        kit_close(&used);
    }
}
END_TEST

START_TEST(OnlyParametersHaveFirstValues) {
    kit used = kit_open();
    ck_assert_ptr_null(hl_init_constant(used.nn.graph, kit_input(&used), 1));
    kit_expect_error(&used, HL_INVALID_ARGUMENT, "'x'");
    kit_close(&used);
    used = kit_open();
    ck_assert_ptr_null(hl_init_normal(used.nn.graph, NULL, 0, 1, 1));
    ck_assert_int_eq(hl_graph_status(used.nn.graph), HL_INVALID_ARGUMENT);
    kit_close(&used);
}
END_TEST

int main(void) {
    return run_tests("nn/init",
                     TESTS(LogAgreesWithLibm, CircleAgreesWithLibm, UniformBitsAreAsRecorded, NormalBitsAreAsRecorded,
                           ConstantFillsAll, ShorterParametersArePrefixes, NameAndEveryBitOfTheSeedMatter,
                           NormalHasItsMomentsAndTails, UniformStaysInItsRangeAndFillsIt, RangesThatAreNoneAreRefused,
                           OnlyParametersHaveFirstValues));
}
