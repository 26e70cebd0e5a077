/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Profiles of programs: tiles and flops are the formulas' to the last digit, what each worker did adds up to the wall
 * time to the nanosecond, and the critical path lies between the longest tile and the run. */
#include "headloom/profile.h"

#include <sys/wait.h>
#include <unistd.h>

#include "graph/program.h"
#include "tests/graph/training.h"
#include "tests/support/policies.h"
#include "tests/support/scarce_memory.h"
#include "tests/support/suite.h"

void *__wrap_hl__allocate(size_t count, size_t size); /* tests/support/scarce_memory.h */
void __wrap_hl__release(void *memory);

static const two_block_sizes sizes = {
    .batch = 2, .tokens = 40, .width = 32, .heads = 2, .hidden = 48, .classes = 5, .words = 7, .dropout = 0.2f};

typedef struct profiled {
    training t;
    hl_runtime *runtime;
    hl_state *state;
    hl_program *program;
} profiled;

static profiled open_profiled(size_t workers, hl_policy policy) {
    profiled p = {.t = training_open(&sizes, 3), .state = kit_state()};
    p.runtime = kit_runtime_of(&(hl_runtime_options){.workers = workers, .policy = policy});
    p.program = training_program(&p.t, p.runtime, p.state, (hl_tensor *[]){p.t.model.loss, p.t.adamw}, 2);
    return p;
}

static void close_profiled(profiled *p) {
    hl_program_destroy(p->program);
    hl_state_destroy(p->state);
    hl_runtime_destroy(p->runtime);
    training_close(&p->t);
}

static void start(hl_program *program) {
    ck_assert_msg(hl_program_profile_start(program) == HL_OK, "%s", hl_program_error(program));
}

static hl_profile *profile_of(hl_program *program) {
    hl_profile *profile = NULL;
    ck_assert_msg(hl_program_profile(program, &profile) == HL_OK, "%s", hl_program_error(program));
    ck_assert_ptr_nonnull(profile);
    return profile;
}

/* ---- sums ---- */

static void check_calls(const hl_profile *profile, const hl_program *program, size_t runs) {
    const hl__ir *ir = &program->ir;
    double flops = 0, bytes = 0;
    ck_assert_uint_eq(profile->n_calls, ir->n_calls);
    for (size_t c = 0; c < ir->n_calls; c++) {
        const hl_profile_call *row = &profile->calls[c];
        ck_assert_str_eq(row->name, ir->calls[c]->name);
        ck_assert_uint_eq(row->tiles, ir->calls[c]->n_tiles * runs);
        ck_assert_double_eq(row->flops, ir->calls[c]->flops * (double)runs);
        ck_assert_double_eq(row->bytes, ir->calls[c]->bytes * (double)runs);
        ck_assert_double_eq(row->flops_per_second, row->ns ? row->flops / ((double)row->ns * 1e-9) : 0);
        ck_assert_double_eq(row->bytes_per_second, row->ns ? row->bytes / ((double)row->ns * 1e-9) : 0);
        flops += ir->calls[c]->flops;
        bytes += ir->calls[c]->bytes;
    }
    hl_program_sizes all;
    ck_assert_int_eq(hl_program_measure(program, &all), HL_OK);
    ck_assert(all.flops == flops && all.bytes == bytes);
}

/* Each sum is rounded down to whole nanoseconds by itself, so that `n` of them may miss n - 1. */
static void check_parts(uint64_t whole, uint64_t parts, size_t n) {
    ck_assert_uint_le(parts, whole);
    ck_assert_uint_le(whole - parts, n);
}

static void check_workers(const hl_profile *profile, const hl_runtime *runtime) {
    uint64_t work = 0, in_calls = 0;
    size_t tiles = 0, tiles_of_calls = 0;
    ck_assert_uint_eq(profile->n_workers, hl_runtime_workers(runtime));
    for (size_t w = 0; w < profile->n_workers; w++) {
        const hl_profile_worker *row = &profile->workers[w];
        ck_assert(row->work_ns <= profile->wall_ns && row->idle_ns <= profile->wall_ns);
        ck_assert_uint_eq(row->work_ns + row->idle_ns + row->overhead_ns, profile->wall_ns);
        ck_assert_uint_le(row->overhead_ns, profile->wall_ns);
        ck_assert_uint_lt(row->node, hl_runtime_nodes(runtime));
        if (hl_runtime_nodes(runtime) == 1) ck_assert(row->steals_remote == 0 && row->sent_home == 0);
        if (row->tiles == 0) ck_assert_uint_eq(row->work_ns, 0);
        work += row->work_ns;
        tiles += row->tiles;
    }
    for (size_t c = 0; c < profile->n_calls; c++) {
        in_calls += profile->calls[c].ns;
        tiles_of_calls += profile->calls[c].tiles;
    }
    ck_assert_uint_eq(tiles, tiles_of_calls);
    size_t n = profile->n_calls + profile->n_workers;
    ck_assert(work <= in_calls + n && in_calls <= work + n);
}

static void check_path(const hl_profile *profile) {
    uint64_t ns = 0;
    size_t tiles = 0;
    for (size_t c = 0; c < profile->n_calls; c++) {
        const hl_profile_call *row = &profile->calls[c];
        ck_assert_uint_le(row->critical_tiles, row->tiles / profile->runs);
        /* Of one run, a mean is not above the longest tile. */
        if (profile->runs == 1) ck_assert_uint_ge(profile->critical_ns, row->ns / row->tiles);
        ns += row->critical_ns;
        tiles += row->critical_tiles;
    }
    ck_assert_uint_eq(tiles, profile->critical_tiles);
    ck_assert_uint_gt(tiles, 0);
    check_parts(profile->critical_ns, ns, profile->n_calls);
    ck_assert(profile->critical_ns <= profile->last_ns && profile->last_ns <= profile->wall_ns);
}

START_TEST(EveryTileIsCountedAndEveryNanosecond) {
    for (size_t i = 0; i < N_POLICIES; i++) {
        for (size_t workers = 1; workers <= 3; workers++) {
            profiled p = open_profiled(workers, policies[i].policy);
            start(p.program);
            for (size_t run = 1; run <= 3; run++) {
                training_step(&p.t, p.program);
                hl_profile *profile = profile_of(p.program);
                ck_assert_uint_eq(profile->runs, run);
                check_calls(profile, p.program, run);
                check_workers(profile, p.runtime);
                check_path(profile);
                hl_profile_destroy(profile);
            }
            close_profiled(&p);
        }
    }
}
END_TEST

static const hl_profile_call *call_of(const hl_profile *profile, const char *end) {
    for (size_t c = 0; c < profile->n_calls; c++) {
        size_t length = strlen(profile->calls[c].name), wanted = strlen(end);
        if (length >= wanted && strcmp(profile->calls[c].name + length - wanted, end) == 0) return &profile->calls[c];
    }
    ck_abort_msg("no call '%s'", end);
}

/* y = x w: 2 flops for each element of x and column of w. Attention without a mask: a product with the keys and one
 * with the values, each with 2 flops for each query, key and element. All are whole numbers, so nothing is rounded. */
START_TEST(FlopsAreThoseOfTheFormula) {
    enum { B = 3, T = 70, K = 24, N = 100, H = 2, D = 8, RUNS = 4 };
    hl_runtime *runtime = kit_runtime(2);
    hl_state *state = kit_state();
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(B, T, K));
    hl_tensor *q = hl_input(g, "q", HL_F32, HL_SHAPE(B, H, T, D)), *k = hl_input(g, "k", HL_F32, HL_SHAPE(B, H, T, D));
    hl_tensor *v = hl_input(g, "v", HL_F32, HL_SHAPE(B, H, T, D));
    hl_tensor *y =
        hl_name(g, hl_dense(g, x, kit_param(g, "w", HL_SHAPE(K, N)), kit_param(g, "b", HL_SHAPE(N))), "wide");
    hl_tensor *z = hl_weight(g, hl_softmax(g, hl_score(g, q, k, NULL)), v);
    hl_program *program = kit_program(runtime, g, state, (hl_tensor *[]){y, hl_name(g, z, "attend")}, 2);
    start(program);
    for (size_t run = 0; run < RUNS; run++) kit_run(program);
    hl_profile *profile = profile_of(program);
    ck_assert_double_eq(call_of(profile, "wide.forward")->flops, 2.0 * B * T * K * N * RUNS);
    ck_assert_double_eq(call_of(profile, "attend.forward")->flops, 2.0 * B * H * T * T * (D + D) * RUNS);
    hl_profile_destroy(profile);
    hl_program_destroy(program);
    hl_graph_destroy(g);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
}
END_TEST

/* ---- on and off ---- */

START_TEST(WithoutAStartThereIsNoProfile) {
    profiled p = open_profiled(2, HL_POLICY_DATAFLOW);
    hl_profile *profile = NULL;
    training_step(&p.t, p.program);
    ck_assert_int_eq(hl_program_profile(p.program, &profile), HL_UNSUPPORTED);
    kit_assert_says(hl_program_error(p.program), "hl_program_profile");
    ck_assert_int_eq(hl_program_profile_stop(p.program), HL_OK);
    start(p.program);
    hl_profile *none = profile_of(p.program); /* of no run */
    ck_assert(none->runs == 0 && none->wall_ns == 0 && none->critical_tiles == 0 && none->critical_ns == 0);
    hl_profile_destroy(none);
    training_step(&p.t, p.program);
    ck_assert_int_eq(hl_program_profile_stop(p.program), HL_OK);
    ck_assert_int_eq(hl_program_profile(p.program, &profile), HL_UNSUPPORTED);
    ck_assert_ptr_null(profile);
    training_step(&p.t, p.program);
    close_profiled(&p);
}
END_TEST

START_TEST(StartingAgainForgets) {
    profiled p = open_profiled(2, HL_POLICY_DATAFLOW);
    for (size_t round = 1; round <= 3; round++) {
        start(p.program);
        for (size_t run = 0; run < round; run++) training_step(&p.t, p.program);
        hl_profile *profile = profile_of(p.program);
        ck_assert_uint_eq(profile->runs, round);
        check_calls(profile, p.program, round);
        hl_profile_destroy(profile);
    }
    close_profiled(&p);
}
END_TEST

START_TEST(OtherProgramsAreNotCounted) {
    profiled p = open_profiled(2, HL_POLICY_DATAFLOW);
    hl_program *other = training_program(&p.t, p.runtime, p.state, (hl_tensor *[]){p.t.model.loss}, 1);
    start(p.program);
    training_step(&p.t, p.program);
    for (size_t run = 0; run < 3; run++) training_step(&p.t, other);
    start(other);
    training_step(&p.t, other);
    hl_profile *mine = profile_of(p.program), *others = profile_of(other);
    check_calls(mine, p.program, 1);
    check_calls(others, other, 1);
    check_workers(mine, p.runtime);
    check_workers(others, p.runtime);
    hl_profile_destroy(mine);
    hl_profile_destroy(others);
    hl_program_destroy(other);
    close_profiled(&p);
}
END_TEST

START_TEST(ProfilesOutliveTheirProgram) {
    profiled p = open_profiled(2, HL_POLICY_DATAFLOW);
    start(p.program);
    training_step(&p.t, p.program);
    hl_profile *profile = profile_of(p.program);
    hl_program_sizes all;
    ck_assert_int_eq(hl_program_measure(p.program, &all), HL_OK);
    close_profiled(&p);
    double flops = 0;
    for (size_t c = 0; c < profile->n_calls; c++) {
        ck_assert_ptr_nonnull(strchr(profile->calls[c].name, '.'));
        flops += profile->calls[c].flops;
    }
    ck_assert_double_eq(flops, all.flops);
    hl_profile_destroy(profile);
    hl_profile_destroy(NULL);
}
END_TEST

START_TEST(ProfiledTrainingGivesTheSameBits) {
    profiled p = open_profiled(3, HL_POLICY_DATAFLOW);
    hl_state *state = kit_state();
    hl_program *plain = training_program(&p.t, p.runtime, state, (hl_tensor *[]){p.t.model.loss, p.t.adamw}, 2);
    start(p.program);
    for (int step = 0; step < 3; step++) ck_assert_float_eq(training_step(&p.t, p.program), training_step(&p.t, plain));
    snapshot expected = snapshot_of(state);
    ck_assert(snapshot_holds(&expected, p.state));
    free(expected.bytes);
    hl_program_destroy(plain);
    hl_state_destroy(state);
    close_profiled(&p);
}
END_TEST

/* ---- refusals ---- */

START_TEST(WhatCannotBeIsRefused) {
    profiled p = open_profiled(1, HL_POLICY_DATAFLOW);
    hl_profile *profile = NULL;
    ck_assert_int_eq(hl_program_profile_start(NULL), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_program_profile_stop(NULL), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_program_profile(NULL, &profile), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_program_profile(p.program, NULL), HL_INVALID_ARGUMENT);
    kit_assert_says(hl_program_error(p.program), "no place for the profile");
    ck_assert(!atomic_flag_test_and_set(&p.program->busy)); /* as another thread would have it */
    ck_assert_int_eq(hl_program_profile_start(p.program), HL_BUSY);
    ck_assert_int_eq(hl_program_profile_stop(p.program), HL_BUSY);
    ck_assert_int_eq(hl_program_profile(p.program, &profile), HL_BUSY);
    atomic_flag_clear(&p.program->busy);
    start(p.program);
    pid_t child = fork();
    if (child == 0)
        _exit(hl_program_profile_start(p.program) == HL_FORKED && hl_program_profile(p.program, &profile) == HL_FORKED);
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    ck_assert_ptr_null(profile);
    close_profiled(&p);
}
END_TEST

START_TEST(AllocationsThatFailChangeNothing) {
    profiled p = open_profiled(2, HL_POLICY_DATAFLOW);
    start(p.program);
    training_step(&p.t, p.program);
    for (int call = 0; call < 2; call++) {
        hl_status status = HL_OUT_OF_MEMORY;
        for (size_t n = 0; status != HL_OK; n++) {
            ck_assert_uint_lt(n, 100);
            hl_profile *profile = NULL;
            size_t held = n_held;
            allocations_left = n;
            status = call == 0 ? hl_program_profile(p.program, &profile) : hl_program_profile_start(p.program);
            allocations_left = SIZE_MAX;
            if (status == HL_OK) {
                ck_assert_uint_gt(n, 2); /* some did fail */
                hl_profile_destroy(profile);
            } else {
                ck_assert_int_eq(status, HL_OUT_OF_MEMORY);
                ck_assert_ptr_null(profile);
                kit_assert_says(hl_program_error(p.program), "hl_program_profile");
                profile = profile_of(p.program);
                check_calls(profile, p.program, 1);
                hl_profile_destroy(profile);
            }
            ck_assert_uint_eq(n_held, held);
        }
    }
    close_profiled(&p);
    ck_assert_uint_eq(n_held, 0);
}
END_TEST

int main(void) {
    return run_tests("graph/profile",
                     TESTS(EveryTileIsCountedAndEveryNanosecond, FlopsAreThoseOfTheFormula,
                           WithoutAStartThereIsNoProfile, StartingAgainForgets, OtherProgramsAreNotCounted,
                           ProfilesOutliveTheirProgram, ProfiledTrainingGivesTheSameBits, WhatCannotBeIsRefused,
                           AllocationsThatFailChangeNothing));
}
