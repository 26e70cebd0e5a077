/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Runs take no memory from anywhere: neither the library nor what it is linked with (OpenMP's runtime, hwloc, the
 * generator of kernels) calls the C library's allocator or maps pages while a program is written, run and read, on
 * whatever thread. The allocator is replaced for the whole process by one that counts. Sanitizers bring their own,
 * which cannot be replaced: there only the calls of the library's own code are counted. Programs that are gone keep
 * nothing either. */
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/code.h"
#include "runtime/memory.h"
#include "tests/graph/training.h"
#include "tests/support/policies.h"
#include "tests/support/suite.h"

static atomic_size_t n_asked;

/* ---- the library's own code, at link time ---- */

void *__real_hl__allocate(size_t count, size_t size);
void *__real_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset);
void *__wrap_hl__allocate(size_t count, size_t size);
void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset);

void *__wrap_hl__allocate(size_t count, size_t size) {
    n_asked++;
    return __real_hl__allocate(count, size);
}

void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset) {
    n_asked++;
    return __real_mmap(address, bytes, protection, flags, file, offset);
}

/* ---- everybody, by names that the dynamic linker finds here first ---- */

#if !TRAINING_SANITIZED
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void *memory);

#define SEEN_BY_ALL __attribute__((visibility("default")))

SEEN_BY_ALL void *malloc(size_t bytes) {
    n_asked++;
    return __libc_malloc(bytes);
}

SEEN_BY_ALL void *calloc(size_t count, size_t size) {
    n_asked++;
    return __libc_calloc(count, size);
}

SEEN_BY_ALL void *realloc(void *memory, size_t bytes) {
    n_asked++;
    return __libc_realloc(memory, bytes);
}

SEEN_BY_ALL void *memalign(size_t alignment, size_t bytes) {
    n_asked++;
    return __libc_memalign(alignment, bytes);
}

SEEN_BY_ALL void *aligned_alloc(size_t alignment, size_t bytes) {
    n_asked++;
    return __libc_memalign(alignment, bytes);
}

SEEN_BY_ALL int posix_memalign(void **memory, size_t alignment, size_t bytes) {
    n_asked++;
    void *made = __libc_memalign(alignment, bytes);
    if (made) *memory = made;
    return made ? 0 : ENOMEM;
}

SEEN_BY_ALL void free(void *memory) { __libc_free(memory); }
#endif

/* ---- the test ---- */

static const two_block_sizes sizes = {
    .batch = 2, .tokens = 70, .width = 24, .heads = 2, .hidden = 72, .classes = 5, .words = 31, .dropout = 0.1f};

static float weights[2 * 2 * 70 * 70], gradient[24 * 72];

/* Counts from the first run on: nothing is put off until then. */
static void check_runs(const hl_runtime_options *options) {
    training t = training_open(&sizes, 1);
    hl_tensor *d_up = t.gradients[13];
    ck_assert_uint_le(training_bytes(d_up), sizeof gradient);
    hl_tensor *outputs[] = {t.model.loss, t.adamw, t.model.weights[0], d_up};
    hl_runtime *runtime = kit_runtime_of(options);
    hl_state *state = kit_state();
    size_t before = n_asked;
    hl_program *program = kit_program(runtime, t.model.graph, state, outputs, 4);
    ck_assert_uint_gt(n_asked, before); /* the count counts */
    hl_status status = HL_OK;
    size_t rows = sizes.batch * sizes.tokens;
    before = n_asked;
    for (int run = 0; run < 10 && status == HL_OK; run++) { /* Check's assertions take memory, so none in here */
        status = hl_program_write(program, t.model.words, t.words, rows * sizeof *t.words);
        if (status == HL_OK) status = hl_program_write(program, t.model.labels, t.labels, rows * sizeof *t.labels);
        if (status == HL_OK)
            status = hl_program_write(program, t.model.lengths, t.lengths, sizes.batch * sizeof *t.lengths);
        if (status == HL_OK) status = hl_program_write(program, t.model.rate, &t.rate, sizeof t.rate);
        if (status == HL_OK) status = hl_program_run(program);
        if (status == HL_OK) status = hl_program_read(program, t.model.weights[0], weights, sizeof weights);
        if (status == HL_OK) status = hl_program_read(program, d_up, gradient, training_bytes(d_up));
        if (status == HL_OK) /* a state tensor, under its lock */
            status = hl_program_read(program, t.model.params[13], gradient, training_bytes(d_up));
    }
    size_t after = n_asked;
    ck_assert_msg(status == HL_OK, "%s", hl_program_error(program));
    ck_assert_msg(after == before, "%zu pieces of memory in 10 runs, policy %d, %zu workers", after - before,
                  (int)options->policy, options->workers);
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    training_close(&t);
}

START_TEST(CallsFromOtherLibrariesAreCounted) {
    size_t before = n_asked;
    FILE *file = fopen("/dev/null", "r"); /* takes a buffer of its own inside the C library */
    ck_assert(TRAINING_SANITIZED || n_asked > before);
    fclose(file);
}
END_TEST

START_TEST(WritingRunningAndReadingTakeNoMemory) {
    for (size_t p = 0; p < N_POLICIES; p++)
        for (size_t workers = 1; workers <= 3; workers += 2)
            check_runs(&(hl_runtime_options){.workers = workers, .policy = policies[p].policy});
}
END_TEST

START_TEST(TracedRunsTakeNoMemoryEither) {
    check_runs(&(hl_runtime_options){.workers = 2, .trace_events = 1000}); /* full after a few runs */
}
END_TEST

/* Runs that fail: indices, sizes, names and numbers that are refused. */
START_TEST(RefusalsTakeNoMemory) {
    training t = training_open(&sizes, 2);
    hl_runtime *runtime = kit_runtime(2);
    hl_state *state = kit_state();
    hl_program *program = training_program(&t, runtime, state, &t.model.loss, 1);
    t.words[3] = -1;
    size_t before = n_asked, bytes = sizes.batch * sizes.tokens * sizeof *t.words;
    hl_status wrong_index = hl_program_write(program, t.model.words, t.words, bytes);
    hl_status wrong_size = hl_program_write(program, t.model.labels, t.labels, 4);
    hl_status wrong_name = hl_program_read(program, t.model.logits, gradient, sizeof gradient);
    size_t after = n_asked;
    ck_assert_int_eq(wrong_index, HL_OUT_OF_RANGE);
    ck_assert_int_eq(wrong_size, HL_SHAPE_MISMATCH);
    ck_assert_int_eq(wrong_name, HL_NOT_FOUND);
    ck_assert_uint_eq(after, before);
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    training_close(&t);
}
END_TEST

/* ---- many programs, one after the other ---- */

/* Memory that this process has now, in bytes: the second number of the file, in pages. */
static size_t resident_bytes(void) {
    unsigned long mapped = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    ck_assert(file && fscanf(file, "%lu %lu", &mapped, &resident) == 2);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* Attention of T tokens, and its gradient, in a program that lives for one run. */
static void attend_once(hl_runtime *runtime, hl_state *state, size_t T) {
    static float values[3 * 2 * 700 * 16];
    hl_graph *g = kit_graph();
    hl_shape shape = HL_SHAPE(1, 2, T, 16);
    hl_tensor *q = hl_input(g, "q", HL_F32, shape), *k = hl_input(g, "k", HL_F32, shape);
    hl_tensor *v = hl_input(g, "v", HL_F32, shape);
    hl_tensor *y = hl_weight(g, hl_softmax(g, hl_score(g, q, k, &(hl_score_options){.mask = HL_MASK_CAUSAL})), v);
    hl_tensor *loss = hl_sum(g, y, 15, false), *dq = hl_gradient(g, loss, q), *dv = hl_gradient(g, loss, v);
    hl_program *program = kit_program(runtime, g, state, (hl_tensor *[]){loss, dq, dv}, 3);
    size_t bytes = hl_shape_elements(&shape) * sizeof *values;
    kit_write(program, q, values, bytes);
    kit_write(program, k, values, bytes);
    kit_write(program, v, values, bytes);
    kit_run(program);
    hl_program_destroy(program);
    hl_graph_destroy(g);
}

/* 700 lengths may keep 64 MiB in all, so each a 700th of that: a few pages that the allocator does not give back, and
 * no kernels, of which each length has dozens of its own. */
START_TEST(ProgramsOfManyLengthsLeaveNothingBehind) {
    const size_t settled = 20, n = TRAINING_SANITIZED ? 60 : 700;
    hl_runtime *runtime = kit_runtime(1);
    hl_state *state = kit_state();
    size_t before = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == settled) before = resident_bytes();
        attend_once(runtime, state, n - i); /* the longest first: what they leave is there for the others */
        ck_assert_uint_eq(hl__code_count(hl__runtime_code(runtime)).pieces, 0);
    }
    size_t after = resident_bytes(), grown = after > before ? after - before : 0;
    if (!TRAINING_SANITIZED) ck_assert_uint_lt(grown, ((size_t)64 << 20) / 700 * (n - settled));
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
}
END_TEST

int main(void) {
    return run_tests("graph/program memory", TESTS(CallsFromOtherLibrariesAreCounted,
                                                   WritingRunningAndReadingTakeNoMemory, TracedRunsTakeNoMemoryEither,
                                                   RefusalsTakeNoMemory, ProgramsOfManyLengthsLeaveNothingBehind));
}
