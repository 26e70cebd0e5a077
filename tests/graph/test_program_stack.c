/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Threads may have little stack: 128 KiB is what musl gives them, and some callers give no more. Everything from a
 * runtime to the reading of results, with all that libraries below take, fits into it; how much was touched is seen on
 * a stack that was painted before. */
#include <pthread.h>
#include <sys/mman.h>

#include "tests/graph/training.h"
#include "tests/support/policies.h"
#include "tests/support/suite.h"

#define STACK_BYTES ((size_t)128 << 10)
#define PAINTED_BYTES ((size_t)1 << 20) /* so that what is too much is counted, and no crash */
#define PAINT 0xA5

/* What a thread has on its stack before it runs (the C library's own, thread-local variables of all libraries), and
 * what a signal may put there. */
#define SPARE_BYTES ((size_t)16 << 10)

/* Runs body on a painted stack; gives how many bytes of it were touched. */
static size_t touched_by(void *(*body)(void *argument), void *argument) {
    unsigned char *stack =
        mmap(NULL, PAINTED_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    ck_assert(stack != MAP_FAILED);
    memset(stack, PAINT, PAINTED_BYTES);
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    ck_assert_int_eq(pthread_attr_setstack(&attributes, stack, PAINTED_BYTES), 0);
    ck_assert_int_eq(pthread_create(&thread, &attributes, body, argument), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    size_t untouched = 0;
    while (untouched < PAINTED_BYTES && stack[untouched] == PAINT) untouched++;
    munmap(stack, PAINTED_BYTES);
    return PAINTED_BYTES - untouched;
}

static void *make_a_runtime(void *argument) {
    const hl_runtime_options *options = argument;
    hl_runtime_destroy(kit_runtime_of(options));
    return NULL;
}

/* Blocks with dropout, normed, trained by AdamW: products, fused attention, and sums of every kind. */
static void *train(void *argument) {
    const hl_runtime_options *options = argument;
    two_block_sizes sizes = {
        .batch = 2, .tokens = 40, .width = 32, .heads = 2, .hidden = 48, .classes = 5, .words = 7, .dropout = 0.1f};
    training t = training_open(&sizes, 1);
    hl_runtime *runtime = kit_runtime_of(options);
    hl_state *state = kit_state();
    hl_program *program = training_program(&t, runtime, state, (hl_tensor *[]){t.model.loss, t.adamw}, 2);
    for (size_t i = 0; i < 2; i++) training_step(&t, program);
    for (hl_stage stage = HL_STAGE_BUILD; stage <= HL_STAGE_LINK; stage++)
        ck_assert_int_eq(hl_program_dump(program, stage, "/dev/null"), HL_OK);
    ck_assert_int_eq(hl_runtime_trace_write(runtime, "/dev/null"), HL_OK);
    char text[64];
    hl_runtime_describe(runtime, text, sizeof text);
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    training_close(&t);
    return NULL;
}

START_TEST(SmallStacksAreEnough) {
    if (TRAINING_SANITIZED) return; /* whose frames are several times as large */
    for (size_t p = 0; p < N_POLICIES; p++) {
        hl_runtime_options options = {.workers = 2, .policy = policies[p].policy, .trace_events = 1000};
        size_t creation = touched_by(make_a_runtime, &options), steps = touched_by(train, &options);
        ck_assert_msg(creation + SPARE_BYTES <= STACK_BYTES, "a runtime takes %zu bytes of stack", creation);
        ck_assert_msg(steps + SPARE_BYTES <= STACK_BYTES, "training takes %zu bytes of stack", steps);
    }
}
END_TEST

int main(void) { return run_tests("graph/program stack", TESTS(SmallStacksAreEnough)); }
