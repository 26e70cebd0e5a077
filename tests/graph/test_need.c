/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a program needs at least is counted from its shapes; what can never be had is refused at once, by name. */
#include "graph/need.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>

#include "tests/graph/kit.h"
#include "tests/support/suite.h"

enum { N = 1000, BYTES = 4 * N };

static hl__need need_of(hl_graph *g, hl_tensor *const outputs[], size_t n) {
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, g, outputs, n, KIT_DIFFERENTIATED), HL_OK);
    hl__need need = hl__ir_need(&ir);
    hl__ir_clear(&ir);
    hl_graph_destroy(g);
    return need;
}

START_TEST(WhatIsThereAtTheSameTimeIsCountedOnce) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(N)), *w = kit_param(g, "w", HL_SHAPE(N));
    hl_tensor *y = hl_add(g, x, w);
    ck_assert_uint_eq(need_of(g, &y, 1).bytes, 3 * BYTES);

    g = kit_graph(); /* x, the output, and of what lies between never more than two at a time */
    x = hl_input(g, "x", HL_F32, HL_SHAPE(N));
    y = hl_exp(g, hl_exp(g, hl_exp(g, hl_exp(g, x))));
    ck_assert_uint_eq(need_of(g, &y, 1).bytes, 4 * BYTES);

    g = kit_graph(); /* one operand, twice */
    x = hl_input(g, "x", HL_F32, HL_SHAPE(N));
    hl_tensor *e = hl_exp(g, x);
    y = hl_multiply(g, e, e);
    ck_assert_uint_eq(need_of(g, &y, 1).bytes, 3 * BYTES);

    g = kit_graph(); /* a view is no memory of its own */
    x = hl_input(g, "x", HL_F32, HL_SHAPE(N));
    y = hl_reshape(g, x, HL_SHAPE(2, N / 2));
    ck_assert_uint_eq(need_of(g, (hl_tensor *[]){hl_exp(g, y)}, 1).bytes, 2 * BYTES);
}
END_TEST

/* Six tensors of 2^61 elements and more: their bytes together are no number. */
START_TEST(WhatCannotBeCountedIsTheMost) {
    hl_graph *g = kit_graph();
    hl_tensor *y = hl_input(g, "x", HL_F32, HL_SHAPE((size_t)1 << 60));
    for (int i = 0; i < 6; i++) {
        char name[8];
        snprintf(name, sizeof name, "x%d", i);
        y = hl_add(g, y, hl_input(g, name, HL_F32, HL_SHAPE((size_t)1 << 60)));
    }
    ck_assert_uint_eq(need_of(g, &y, 1).bytes, SIZE_MAX);
}
END_TEST

START_TEST(TheLargestTensorIsNamed) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "small", HL_F32, HL_SHAPE(N, 1)), *w = hl_input(g, "wide", HL_F32, HL_SHAPE(1, 2 * N));
    hl_tensor *y = hl_sum(g, hl_name(g, hl_multiply(g, x, w), "product"), 3, false);
    hl__ir ir = {0};
    ck_assert_int_eq(kit_stages(&ir, g, &y, 1, KIT_DIFFERENTIATED), HL_OK);
    size_t bytes = hl__ir_need(&ir).bytes;
    hl__memory_limit limit = {.bytes = bytes, .of = "the allowance"};
    ck_assert_int_eq(hl__ir_check_need(&ir), HL_OK); /* no limit is known */
    ir.limit = &limit;
    ck_assert_int_eq(hl__ir_check_need(&ir), HL_OK);
    limit.bytes--;
    ck_assert_int_eq(hl__ir_check_need(&ir), HL_OUT_OF_MEMORY);
    kit_assert_says(ir.message, "product");
    kit_assert_says(ir.message, "[1000, 2000] is 8000000 bytes");
    kit_assert_says(ir.message, "the allowance is");
    hl__ir_clear(&ir);
    hl_graph_destroy(g);
}
END_TEST

/* A program beyond the machine: 2^42 elements are 2^29 tiles, which nobody should list to find that out. Counted in
 * memory that is taken on the way. */
START_TEST(AProgramBeyondTheMachineIsRefusedBeforeItIsCut) {
    hl_runtime *runtime = kit_runtime(1);
    hl_state *state = kit_state();
    static const size_t extents[] = {(size_t)1 << 42, (size_t)1 << 59};
    for (size_t i = 0; i < KIT_COUNT(extents); i++) {
        hl_graph *g = kit_graph();
        hl_tensor *w = kit_param(g, "w", HL_SHAPE(extents[i])), *loss = hl_sum(g, hl_exp(g, w), 1, false);
        hl_tensor *rate = hl_input(g, "rate", HL_F32, HL_SCALAR);
        hl_tensor *outputs[] = {loss, hl_sgd(g, loss, &(hl_sgd_options){.rate = rate})};
        hl_program *program = NULL;
        struct rusage before, after;
        getrusage(RUSAGE_SELF, &before);
        ck_assert_int_eq(hl_program_create(runtime, g, state, outputs, 2, &program), HL_OUT_OF_MEMORY);
        getrusage(RUSAGE_SELF, &after);
        ck_assert_ptr_null(program);
        kit_assert_says(hl_graph_error(g), " bytes");
        ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 64 << 10);
        ck_assert_uint_eq(hl_state_count(state), 0);
        hl_graph_destroy(g);
    }
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
}
END_TEST

int main(void) {
    return run_tests("graph/need", TESTS(WhatIsThereAtTheSameTimeIsCountedOnce, WhatCannotBeCountedIsTheMost,
                                         TheLargestTensorIsNamed, AProgramBeyondTheMachineIsRefusedBeforeItIsCut));
}
