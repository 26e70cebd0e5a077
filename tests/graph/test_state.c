/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The state: tensors go in and come out whole, wrong shapes are refused with both named, what a failed program entered
 * can be taken back, and readers never see half a write. */
#include "graph/state.h"

#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "tests/graph/kit.h"
#include "tests/support/suite.h"

static const float six[] = {1, 2, 3, 4, 5, 6};

static hl_state *with_weights(void) {
    hl_state *state = kit_state();
    ck_assert_int_eq(hl_state_enter(state, "w", HL_F32, HL_SHAPE(2, 3), six, sizeof six), HL_OK);
    return state;
}

START_TEST(TensorsComeOutAsTheyWentIn) {
    hl_state *state = with_weights();
    float read[6] = {0};
    ck_assert_int_eq(hl_state_read(state, "w", read, sizeof read), HL_OK);
    ck_assert_mem_eq(read, six, sizeof six);
    float other[] = {9, 8, 7, 6, 5, 4};
    ck_assert_int_eq(hl_state_write(state, "w", other, sizeof other), HL_OK);
    ck_assert_int_eq(hl_state_read(state, "w", read, sizeof read), HL_OK);
    ck_assert_mem_eq(read, other, sizeof other);
    ck_assert_int_eq(hl_state_enter(state, "w", HL_F32, HL_SHAPE(2, 3), six, sizeof six), HL_OK);
    ck_assert_int_eq(hl_state_read(state, "w", read, sizeof read), HL_OK);
    ck_assert_mem_eq(read, six, sizeof six);
    ck_assert_uint_eq(hl_state_count(state), 1);
    ck_assert_str_eq(hl_state_error(state), "");
    hl_state_destroy(state);
}
END_TEST

START_TEST(TensorsAreListedInTheOrderInWhichTheyEntered) {
    hl_state *state = with_weights();
    ck_assert_int_eq(hl_state_enter(state, "step", HL_I32, HL_SCALAR, &(int32_t){5}, sizeof(int32_t)), HL_OK);
    const char *name;
    hl_dtype dtype;
    hl_shape shape;
    ck_assert_uint_eq(hl_state_count(state), 2);
    ck_assert_int_eq(hl_state_tensor(state, 0, &name, &dtype, &shape), HL_OK);
    ck_assert_str_eq(name, "w");
    ck_assert_int_eq(dtype, HL_F32);
    ck_assert_uint_eq(shape.rank, 2);
    ck_assert_uint_eq(shape.extent[1], 3);
    ck_assert_int_eq(hl_state_tensor(state, 1, &name, &dtype, &shape), HL_OK);
    ck_assert_str_eq(name, "step");
    ck_assert_int_eq(dtype, HL_I32);
    ck_assert_uint_eq(shape.rank, 0);
    name = "untouched";
    ck_assert_int_eq(hl_state_tensor(state, 2, &name, NULL, NULL), HL_OUT_OF_RANGE);
    ck_assert_str_eq(name, "untouched");
    kit_assert_says(hl_state_error(state), "2");
    hl_state_destroy(state);
}
END_TEST

START_TEST(AnotherShapeOrTypeIsRefusedWithBothNamed) {
    hl_state *state = with_weights();
    float read[6];
    ck_assert_int_eq(hl_state_enter(state, "w", HL_F32, HL_SHAPE(3, 2), six, sizeof six), HL_SHAPE_MISMATCH);
    kit_assert_says(hl_state_error(state), "'w'");
    kit_assert_says(hl_state_error(state), "[2, 3]");
    kit_assert_says(hl_state_error(state), "[3, 2]");
    ck_assert_int_eq(hl_state_enter(state, "w", HL_I32, HL_SHAPE(2, 3), six, sizeof six), HL_TYPE_MISMATCH);
    kit_assert_says(hl_state_error(state), hl_dtype_name(HL_I32));
    ck_assert_int_eq(hl_state_read(state, "w", read, sizeof read), HL_OK);
    ck_assert_mem_eq(read, six, sizeof six);
    ck_assert_uint_eq(hl_state_count(state), 1);
    hl_state_destroy(state);
}
END_TEST

START_TEST(WrongSizesAndUnknownNamesAreRefused) {
    hl_state *state = with_weights();
    float read[6] = {-1, -1, -1, -1, -1, -1};
    ck_assert_int_eq(hl_state_read(state, "w", read, 20), HL_SHAPE_MISMATCH);
    kit_assert_says(hl_state_error(state), "24 bytes, not 20");
    ck_assert_int_eq(hl_state_write(state, "w", six, 28), HL_SHAPE_MISMATCH);
    ck_assert_int_eq(hl_state_read(state, "v", read, 24), HL_NOT_FOUND);
    kit_assert_says(hl_state_error(state), "'v'");
    ck_assert_int_eq(hl_state_write(state, "v", six, 24), HL_NOT_FOUND);
    ck_assert_int_eq(hl_state_enter(state, "u", HL_F32, HL_SHAPE(2, 2), six, sizeof six), HL_SHAPE_MISMATCH);
    for (size_t i = 0; i < 6; i++) ck_assert_float_eq(read[i], -1);
    ck_assert_uint_eq(hl_state_count(state), 1);
    hl_state_destroy(state);
}
END_TEST

START_TEST(ArgumentsThatAreNullEmptyOrNoShapeAreRefused) {
    hl_state *state = with_weights();
    float read[6];
    hl_shape seven = {.rank = 7};
    ck_assert_int_eq(hl_state_create(NULL), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_state_enter(NULL, "u", HL_F32, HL_SCALAR, six, 4), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_state_enter(state, NULL, HL_F32, HL_SCALAR, six, 4), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_state_enter(state, "", HL_F32, HL_SCALAR, six, 4), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_state_enter(state, "u", HL_F32, HL_SCALAR, NULL, 4), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_state_enter(state, "u", HL_NONE, HL_SCALAR, six, 4), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_state_enter(state, "u", HL_F32, seven, six, 4), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_state_enter(state, "u", HL_F32, HL_SHAPE(2, 0), six, 0), HL_SHAPE_MISMATCH);
    ck_assert_int_eq(hl_state_enter(state, "u", HL_F32, HL_SHAPE(SIZE_MAX, 4), six, 0), HL_SHAPE_MISMATCH);
    ck_assert_int_eq(hl_state_read(NULL, "w", read, 24), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_state_read(state, NULL, read, 24), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_state_read(state, "w", NULL, 24), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_state_write(state, "w", NULL, 24), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_state_write(NULL, "w", six, 24), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_state_tensor(NULL, 0, NULL, NULL, NULL), HL_INVALID_ARGUMENT);
    bool used = true;
    ck_assert_int_eq(hl_state_used(NULL, 0, &used), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_state_used(state, 0, NULL), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_state_used(state, 1, &used), HL_OUT_OF_RANGE);
    ck_assert(used);
    ck_assert_int_eq(hl_state_set_missing(NULL, HL_MISSING_MADE), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_state_set_missing(state, (hl_missing)3), HL_INVALID_ARGUMENT);
    ck_assert_uint_eq(hl_state_count(NULL), 0);
    ck_assert_uint_eq(hl_state_count(state), 1);
    ck_assert_str_ne(hl_state_error(NULL), "");
    hl_state_destroy(NULL);
    hl_state_destroy(state);
}
END_TEST

START_TEST(BoundDataStaysWhereItIs) {
    hl_state *state = with_weights();
    void *first, *again;
    bool fresh;
    hl_shape shape = HL_SHAPE(2, 3), scalar = HL_SCALAR;
    hl__state_hold(state, true);
    ck_assert_int_eq(hl__state_bind(state, "w", HL_F32, &shape, &first, &fresh), HL_OK);
    ck_assert(!fresh);
    for (int i = 0; i < 500; i++) {
        char name[16];
        void *data;
        snprintf(name, sizeof name, "p%d", i);
        ck_assert_int_eq(hl__state_bind(state, name, HL_F32, &scalar, &data, &fresh), HL_OK);
        ck_assert(fresh);
        ck_assert_float_eq(*(float *)data, 0);
    }
    ck_assert_int_eq(hl__state_bind(state, "w", HL_F32, &shape, &again, &fresh), HL_OK);
    ck_assert_ptr_eq(first, again);
    ck_assert_int_eq(hl__state_bind(state, "w", HL_F32, &scalar, &again, &fresh), HL_SHAPE_MISMATCH);
    ck_assert_int_eq(hl__state_bind(state, "w", HL_I32, &shape, &again, &fresh), HL_TYPE_MISMATCH);
    hl__state_let_go(state);
    ck_assert_mem_eq(first, six, sizeof six);
    hl_state_destroy(state);
}
END_TEST

START_TEST(RewindingTakesBackWhatEnteredSince) {
    hl_state *state = with_weights();
    hl_shape scalar = HL_SCALAR;
    void *data;
    bool fresh;
    hl__state_hold(state, true);
    size_t mark = hl__state_mark(state);
    ck_assert_int_eq(hl__state_bind(state, "a", HL_F32, &scalar, &data, &fresh), HL_OK);
    *(float *)data = 3;
    ck_assert_int_eq(hl__state_bind(state, "b", HL_F32, &scalar, &data, &fresh), HL_OK);
    hl__state_rewind(state, mark);
    ck_assert_int_eq(hl__state_bind(state, "a", HL_F32, &scalar, &data, &fresh), HL_OK);
    ck_assert(fresh);
    ck_assert_float_eq(*(float *)data, 0);
    hl__state_let_go(state);
    float read[6];
    ck_assert_int_eq(hl_state_read(state, "w", read, sizeof read), HL_OK);
    ck_assert_mem_eq(read, six, sizeof six);
    ck_assert_int_eq(hl_state_read(state, "b", read, 4), HL_NOT_FOUND);
    ck_assert_uint_eq(hl_state_count(state), 2);
    hl_state_destroy(state);
}
END_TEST

/* ---- readers and a writer ---- */

#define N_VALUES 16384
#define N_WRITES 200

typedef struct shared {
    hl_state *state;
    atomic_bool done;
} shared;

static void *write_rounds(void *argument) {
    shared *s = argument;
    static int32_t values[N_VALUES]; /* this thread's alone */
    for (int32_t round = 1; round <= N_WRITES; round++) {
        for (size_t i = 0; i < N_VALUES; i++) values[i] = round;
        if (hl_state_write(s->state, "t", values, sizeof values) != HL_OK) break;
    }
    atomic_store(&s->done, true);
    return NULL;
}

START_TEST(AReaderNeverSeesHalfAWrite) {
    static int32_t values[N_VALUES];
    shared s = {.state = kit_state()};
    memset(values, 0, sizeof values);
    ck_assert_int_eq(hl_state_enter(s.state, "t", HL_I32, HL_SHAPE(N_VALUES), values, sizeof values), HL_OK);
    pthread_t writer;
    ck_assert_int_eq(pthread_create(&writer, NULL, write_rounds, &s), 0);
    int32_t last = 0;
    for (bool done = false; !done;) {
        done = atomic_load(&s.done);
        ck_assert_int_eq(hl_state_read(s.state, "t", values, sizeof values), HL_OK);
        ck_assert_int_ge(values[0], last);
        last = values[0];
        for (size_t i = 1; i < N_VALUES; i++)
            if (values[i] != last) ck_abort_msg("element %zu is of write %d, the first of %d", i, values[i], last);
    }
    pthread_join(writer, NULL);
    ck_assert_int_eq(last, N_WRITES);
    hl_state_destroy(s.state);
}
END_TEST

/* Two readers, each of whom stays until the other one has come again: one of them is always inside, and a lock that
 * lets readers in beside others would keep a writer out for ever. Where the writer is waited for, the other reader does
 * not come, and the one inside has to leave without it. */
#define MOST_ROUNDS 3000 /* beside a writer that asks: some seconds, if it is not let in */
#define MOST_LOOKS 100   /* a millisecond each */

typedef struct relay {
    hl_state *state;
    atomic_size_t n_entered;
    atomic_bool asks, written, gave_up;
} relay;

static void *read_in_turn(void *argument) {
    relay *r = argument;
    for (size_t round = 0; round < MOST_ROUNDS && !atomic_load(&r->written); round += atomic_load(&r->asks)) {
        if (hl__state_hold(r->state, false) != HL_OK) break;
        size_t entered = atomic_fetch_add(&r->n_entered, 1) + 1;
        for (size_t look = 0; look < MOST_LOOKS && atomic_load(&r->n_entered) == entered; look++)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        hl__state_let_go(r->state);
    }
    if (!atomic_load(&r->written)) atomic_store(&r->gave_up, true);
    return NULL;
}

START_TEST(ReadersThatOverlapForEverKeepNoWriterOut) {
    relay r = {.state = with_weights()};
    pthread_t readers[2];
    for (size_t i = 0; i < 2; i++) ck_assert_int_eq(pthread_create(&readers[i], NULL, read_in_turn, &r), 0);
    while (atomic_load(&r.n_entered) < 4) sched_yield();
    atomic_store(&r.asks, true);
    hl_status status = hl__state_hold(r.state, true);
    bool gave_up = atomic_load(&r.gave_up);
    atomic_store(&r.written, true);
    if (status == HL_OK) hl__state_let_go(r.state);
    for (size_t i = 0; i < 2; i++) pthread_join(readers[i], NULL);
    ck_assert_int_eq(status, HL_OK);
    ck_assert_msg(!gave_up, "the writer was let in when a reader had gone, after %d rounds", MOST_ROUNDS);
    hl_state_destroy(r.state);
}
END_TEST

/* As in a file that was read into memory: the sanitizers see it if more is asked of an address. */
START_TEST(DataMayStandAtAnyAddress) {
    char packed[1 + 3 * sizeof(int32_t)];
    int32_t counts[] = {3, 0, 5}, read[3];
    hl_state *state = kit_state();
    memcpy(packed + 1, counts, sizeof counts);
    ck_assert_int_eq(hl_state_enter(state, "n", HL_I32, HL_SHAPE(3), packed + 1, sizeof counts), HL_OK);
    ck_assert_int_eq(hl_state_write(state, "n", packed + 1, sizeof counts), HL_OK);
    memset(packed, 0, sizeof packed);
    ck_assert_int_eq(hl_state_read(state, "n", packed + 1, sizeof counts), HL_OK);
    memcpy(read, packed + 1, sizeof read);
    ck_assert_mem_eq(read, counts, sizeof counts);
    hl_state_destroy(state);
}
END_TEST

START_TEST(CountsAreNeverNegative) {
    hl_state *state;
    int32_t value = -1, read = 7;
    ck_assert_int_eq(hl_state_create(&state), HL_OK);
    ck_assert_int_eq(hl_state_enter(state, "step", HL_I32, HL_SCALAR, &value, sizeof value), HL_OUT_OF_RANGE);
    ck_assert_uint_eq(hl_state_count(state), 0);
    value = 5;
    ck_assert_int_eq(hl_state_enter(state, "step", HL_I32, HL_SCALAR, &value, sizeof value), HL_OK);
    value = INT32_MIN;
    ck_assert_int_eq(hl_state_write(state, "step", &value, sizeof value), HL_OUT_OF_RANGE);
    ck_assert_ptr_nonnull(strstr(hl_state_error(state), "'step'"));
    ck_assert_int_eq(hl_state_read(state, "step", &read, sizeof read), HL_OK);
    ck_assert_int_eq(read, 5);
    hl_state_destroy(state);
}
END_TEST

int main(void) {
    return run_tests("graph/state",
                     TESTS(ReadersThatOverlapForEverKeepNoWriterOut, DataMayStandAtAnyAddress, CountsAreNeverNegative,
                           TensorsComeOutAsTheyWentIn, TensorsAreListedInTheOrderInWhichTheyEntered,
                           AnotherShapeOrTypeIsRefusedWithBothNamed, WrongSizesAndUnknownNamesAreRefused,
                           ArgumentsThatAreNullEmptyOrNoShapeAreRefused, BoundDataStaysWhereItIs,
                           RewindingTakesBackWhatEnteredSince, AReaderNeverSeesHalfAWrite));
}
