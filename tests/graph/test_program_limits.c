/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Programs in processes that may not have everything: no executable memory, little address space. Each case runs in
 * children of its own, since no limit can be taken back: they end by themselves, with codes alone, leave nothing
 * behind, and whoever gets a result gets the same bits. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <math.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "ops/kernels/gemm.h"
#include "runtime/code.h"
#include "runtime/run.h"
#include "tests/graph/training.h"
#include "tests/support/limits.h"
#include "tests/support/scarce_memory.h"
#include "tests/support/suite.h"

void *__wrap_hl__allocate(size_t count, size_t size);
void __wrap_hl__release(void *memory);
void *__real_hl__arena_create(hl_runtime *runtime, size_t bytes, uint16_t node);
void *__wrap_hl__arena_create(hl_runtime *runtime, size_t bytes, uint16_t node);
void __real_hl__arena_destroy(hl_runtime *runtime, void *memory, size_t bytes);
void __wrap_hl__arena_destroy(hl_runtime *runtime, void *memory, size_t bytes);

void *__wrap_hl__arena_create(hl_runtime *runtime, size_t bytes, uint16_t node) {
    void *memory = __real_hl__arena_create(runtime, bytes, node);
    n_held += memory != NULL;
    return memory;
}

void __wrap_hl__arena_destroy(hl_runtime *runtime, void *memory, size_t bytes) {
    n_held -= memory != NULL;
    __real_hl__arena_destroy(runtime, memory, bytes);
}

#define MIB ((size_t)1 << 20)

/* ---- what each child does: two steps of training ---- */

enum { BATCH = 2, TOKENS = 20, STEPS = 2, WORKERS = 2 };

static const two_block_sizes sizes = {
    .batch = BATCH, .tokens = TOKENS, .width = 24, .heads = 2, .hidden = 72, .classes = 5, .words = 31};

#define STAGES(X) X(RUNTIME) X(STATE) X(GRAPH) X(PROGRAM) X(WRITE) X(RUN) X(READ) X(DONE)
#define NAME_OF(stage) #stage,
#define ENUM_OF(stage) stage,
typedef enum stage { STAGES(ENUM_OF) N_STAGES } stage;
static const char *const stage_names[N_STAGES] = {STAGES(NAME_OF)};

typedef struct outcome {
    bool (*restrict_process)(void); /* false: the kernel does not know this restriction. NULL: there is none */
    size_t address_space;           /* bytes beyond what the child begins with; 0: no limit */
    bool restricted;
    stage reached; /* the first that failed */
    hl_status status;
    bool explained; /* there are words for it */
    size_t held;    /* in the end */
    hl__code_counts code;
    float loss[STEPS];
    char description[8192];
} outcome;

typedef struct things {
    hl_runtime *runtime;
    hl_state *state;
    two_block model;
    hl_program *program;
    int32_t words[BATCH * TOKENS], labels[BATCH * TOKENS], lengths[BATCH];
} things;

static hl_status make_graph(things *t, hl_tensor *outputs[2]) {
    hl_status status = hl_graph_create(&t->model.graph);
    if (status != HL_OK) return status;
    two_block_build(&t->model, &sizes, t->model.graph);
    outputs[0] = t->model.loss;
    outputs[1] = hl_adamw(t->model.graph, t->model.loss, &(hl_adamw_options){.rate = t->model.rate, .decay = 0.01f});
    return hl_graph_status(t->model.graph);
}

static hl_status write_all(things *t) {
    const float rate = 0.01f;
    two_block_data(&sizes, 1, t->words, t->labels, t->lengths);
    hl_status status = hl_program_write(t->program, t->model.words, t->words, sizeof t->words);
    if (status == HL_OK) status = hl_program_write(t->program, t->model.labels, t->labels, sizeof t->labels);
    if (status == HL_OK) status = hl_program_write(t->program, t->model.lengths, t->lengths, sizeof t->lengths);
    return status == HL_OK ? hl_program_write(t->program, t->model.rate, &rate, sizeof rate) : status;
}

static hl_status go_through(things *t, outcome *o) {
    hl_tensor *outputs[2];
    hl_status status = hl_runtime_create(&(hl_runtime_options){.workers = WORKERS}, &t->runtime);
    o->explained = status == HL_OK || *hl_runtime_error(NULL) != '\0';
    if ((o->reached = RUNTIME, status) != HL_OK) return status;
    if ((o->reached = STATE, status = hl_state_create(&t->state)) != HL_OK) return status;
    if ((o->reached = GRAPH, status = make_graph(t, outputs)) != HL_OK) return status;
    o->reached = PROGRAM;
    status = hl_program_create(t->runtime, t->model.graph, t->state, outputs, 2, &t->program);
    o->explained = status == HL_OK || *hl_graph_error(t->model.graph) != '\0';
    if (status != HL_OK) return status;
    o->code = hl__code_count(hl__runtime_code(t->runtime));
    hl_runtime_describe(t->runtime, o->description, sizeof o->description);
    if ((o->reached = WRITE, status = write_all(t)) != HL_OK) return status;
    for (size_t i = 0; i < STEPS; i++) {
        if ((o->reached = RUN, status = hl_program_run(t->program)) != HL_OK) return status;
        o->reached = READ;
        status = hl_program_read(t->program, t->model.loss, &o->loss[i], sizeof o->loss[i]);
        if (status != HL_OK) return status;
    }
    o->reached = DONE;
    return HL_OK;
}

static int live(void *argument) {
    outcome *o = argument;
    things t = {0};
    size_t held = n_held;
    o->restricted = !o->restrict_process || o->restrict_process();
    if (!o->restricted) return 0;
    if (o->address_space) {
        rlim_t most = limits_mapped_bytes() + o->address_space;
        if (setrlimit(RLIMIT_AS, &(struct rlimit){most, most}) != 0) return LIMITS_CANNOT_TELL;
    }
    o->status = go_through(&t, o);
    hl_program_destroy(t.program);
    hl_graph_destroy(t.model.graph);
    hl_state_destroy(t.state);
    hl_runtime_destroy(t.runtime);
    o->held = n_held - held;
    return 0;
}

/* Lives through it in a child, which ends by itself. The outcome is to be unmapped. */
static outcome *child_of(bool (*restrict_process)(void), size_t bytes) {
    outcome *o = mmap(NULL, sizeof *o, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(o != MAP_FAILED);
    *o = (outcome){.restrict_process = restrict_process, .address_space = bytes};
    int end = limits_child(live, o);
    ck_assert_msg(end == 0, "ended with %d (a signal, where negative) at %s, with %zu MiB more", end,
                  stage_names[o->reached], bytes / MIB);
    ck_assert_msg(o->held == 0, "%zu pieces of memory are left after %s with %zu MiB more", o->held,
                  stage_names[o->reached], bytes / MIB);
    return o;
}

/* ---- no executable memory ---- */

#define SWITCH_OF_THE_KERNEL 65 /* PR_SET_MDWE, Linux 6.3 */

static bool forbid_by_switch(void) { return prctl(SWITCH_OF_THE_KERNEL, 1UL, 0UL, 0UL, 0UL) == 0; }

/* A filter of system calls as service managers set it: none may ask for executable memory. */
static bool forbid_by_filter(void) {
    const unsigned int protection = offsetof(struct seccomp_data, args[2]);
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, protection),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) == 0 &&
           prctl(PR_SET_SECCOMP, (unsigned long)SECCOMP_MODE_FILTER, &program) == 0;
}

START_TEST(WithoutExecutableMemoryTheBitsAreTheSame) {
    if (!LIMITS_OF_CODE) return;
    outcome *free_one = child_of(NULL, 0);
    ck_assert_int_eq(free_one->status, HL_OK);
    ck_assert(isfinite(free_one->loss[0]) && free_one->loss[0] != free_one->loss[1]);
    bool generates = strcmp(hl__gemm_name(), "portable") != 0;
    ck_assert_int_eq(free_one->code.pieces > 0, generates);
    bool (*const ways[])(void) = {forbid_by_switch, forbid_by_filter};
    for (size_t i = 0; i < KIT_COUNT(ways); i++) {
        outcome *bound = child_of(ways[i], 0);
        if (!bound->restricted) continue;
        ck_assert_int_eq(bound->status, HL_OK);
        ck_assert_mem_eq(bound->loss, free_one->loss, sizeof bound->loss);
        ck_assert_uint_eq(bound->code.pieces, 0);
        if (!generates) continue;
        ck_assert_int_eq(bound->code.lack, HL__CODE_FORBIDDEN);
        kit_assert_says(bound->description, "generated kernels: 0, ");
        kit_assert_says(bound->description, "since memory may not become executable (");
    }
}
END_TEST

/* ---- little address space ---- */

/* From none on, a quarter of a MiB more each time, until everything has come out well forty times running: a little
 * more is not always enough where less was, since threads reserve arenas where they can. */
START_TEST(EveryLimitOfAddressSpaceIsACode) {
    if (!LIMITS_OF_MEMORY) return;
    const size_t step = MIB / 4, enough = 40;
    size_t reached[N_STAGES] = {0}, well = 0;
    outcome *free_one = child_of(NULL, 0);
    for (size_t bytes = step; well < enough; bytes += step) {
        ck_assert_uint_lt(bytes, 512 * MIB);
        outcome *o = child_of(NULL, bytes);
        ck_assert_msg(o->status == HL_OK || o->status == HL_OUT_OF_MEMORY || o->status == HL_SYSTEM,
                      "%zu KiB more: %s at %s", bytes / 1024, hl_status_string(o->status), stage_names[o->reached]);
        ck_assert_msg(o->explained, "%zu KiB more: no words at %s", bytes / 1024, stage_names[o->reached]);
        if (o->status == HL_OK) ck_assert_mem_eq(o->loss, free_one->loss, sizeof o->loss);
        reached[o->reached]++;
        well = o->status == HL_OK ? well + 1 : 0;
        munmap(o, sizeof *o);
    }
    ck_assert_uint_gt(reached[RUNTIME], 0);
    ck_assert_uint_gt(reached[PROGRAM], 0);
    munmap(free_one, sizeof *free_one);
}
END_TEST

int main(void) {
    return run_tests("graph/program limits",
                     TESTS(WithoutExecutableMemoryTheBitsAreTheSame, EveryLimitOfAddressSpaceIsACode));
}
