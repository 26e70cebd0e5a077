/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A cancel that comes between a task's look at the word and its attempt to commit: the one moment that a schedule
 * rarely hits, and in which state would be torn. The hooks around atomic operations (runtime/atomic.h) are this test's
 * own. */
#define HEADLOOM_HOOKS
#include "runtime/cancel.h"

#include <stddef.h>

#include "tests/support/suite.h"

static struct {
    size_t left; /* the operation before which it happens, counted down; 0: it does not */
    hl__task_graph *graph;
    uint32_t to; /* what somebody else makes of an open word then */
} other;

void hl__before_atomic(const volatile void *object, size_t bytes, memory_order order) {
    ck_assert(object == &other.graph->outcome);
    ck_assert_uint_eq(bytes, sizeof other.graph->outcome);
    ck_assert_int_eq(order, memory_order_relaxed);
    if (other.left == 0 || --other.left > 0) return;
    uint32_t open = HL__RUN_OPEN;
    atomic_compare_exchange_strong(&other.graph->outcome, &open, other.to);
}

void hl__after_atomic(const volatile void *object, memory_order order) {
    (void)object;
    (void)order;
}

/* Whether a task is admitted while somebody else decides before its n-th operation; *outcome is the word then. */
static bool admits(bool writes_state, uint32_t to, size_t n, uint32_t *outcome) {
    hl__task_graph graph = {.outcome = HL__RUN_OPEN};
    const hl__task task = {.writes_state = writes_state};
    other.graph = &graph;
    other.to = to;
    other.left = n;
    bool admitted = hl__run_admits(&graph, &task);
    *outcome = atomic_load(&graph.outcome);
    return admitted;
}

START_TEST(ATaskThatWritesStateDoesNotTrustItsLook) {
    uint32_t outcome;
    for (size_t n = 1; n <= 2; n++) { /* before the look, and between it and the exchange */
        ck_assert(!admits(true, HL__RUN_CANCELLED, n, &outcome));
        ck_assert_uint_eq(outcome, HL__RUN_CANCELLED);
        ck_assert(admits(true, HL__RUN_COMMITTED, n, &outcome)); /* by another task */
        ck_assert_uint_eq(outcome, HL__RUN_COMMITTED);
    }
    ck_assert(admits(true, HL__RUN_CANCELLED, 3, &outcome)); /* there is no third: it has committed */
    ck_assert_uint_eq(outcome, HL__RUN_COMMITTED);
}
END_TEST

START_TEST(OtherTasksLookOnceAndDecideNothing) {
    uint32_t outcome;
    ck_assert(!admits(false, HL__RUN_CANCELLED, 1, &outcome));
    ck_assert(admits(false, HL__RUN_COMMITTED, 1, &outcome));
    ck_assert(admits(false, HL__RUN_CANCELLED, 2, &outcome)); /* there is no second */
    ck_assert_uint_eq(outcome, HL__RUN_OPEN);
}
END_TEST

START_TEST(NothingIsDecidedTwice) {
    static const uint32_t all[] = {HL__NO_RUN, HL__RUN_OPEN, HL__RUN_COMMITTED, HL__RUN_CANCELLED};
    for (size_t from = 0; from < 4; from++) {
        for (size_t to = 2; to < 4; to++) {
            hl__task_graph graph = {.outcome = all[from]};
            other.graph = &graph;
            other.left = 0;
            uint32_t wanted = all[from] == HL__RUN_OPEN ? all[to] : all[from];
            ck_assert_uint_eq(hl__run_decide(&graph, all[to]), wanted);
            ck_assert_uint_eq(atomic_load(&graph.outcome), wanted);
        }
    }
}
END_TEST

int main(void) {
    return run_tests("cancel race", TESTS(ATaskThatWritesStateDoesNotTrustItsLook, OtherTasksLookOnceAndDecideNothing,
                                          NothingIsDecidedTwice));
}
