/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The words of the last failure: kept whole, cut where they are too long, and steady for those who still read them. */
#include "runtime/error.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/suite.h"

#define N_THREADS 4
#define N_ROUNDS 500

static void init(hl__error *error) {
    memset(error, 0, sizeof *error);
    pthread_mutex_init(&error->mutex, NULL);
}

START_TEST(WithoutAFailureThereAreNoWords) {
    hl__error error;
    init(&error);
    ck_assert_str_eq(hl__error_words(&error), "");
}
END_TEST

START_TEST(TheLastFailureIsKept) {
    hl__error error;
    init(&error);
    ck_assert_int_eq(hl__error_set(&error, HL_SYSTEM, "%s of %d", "one", 7), HL_SYSTEM);
    ck_assert_str_eq(hl__error_words(&error), "one of 7");
    ck_assert_int_eq(hl__error_set(&error, HL_BUSY, "100%% of %zu", (size_t)3), HL_BUSY);
    ck_assert_str_eq(hl__error_words(&error), "100% of 3");
    ck_assert_int_eq(hl__error_set(&error, HL_OUT_OF_MEMORY, "%s", ""), HL_OUT_OF_MEMORY);
    ck_assert_str_eq(hl__error_words(&error), "");
}
END_TEST

START_TEST(LongWordsAreCut) {
    hl__error error;
    char text[2 * HL__ERROR_BYTES + 1], cut[HL__ERROR_BYTES];
    for (size_t length = HL__ERROR_BYTES - 2; length <= 2 * HL__ERROR_BYTES; length++) {
        init(&error);
        for (size_t i = 0; i < length; i++) text[i] = (char)('a' + i % 26);
        text[length] = '\0';
        snprintf(cut, sizeof cut, "%.*s", HL__ERROR_BYTES - 1, text);
        hl__error_set(&error, HL_SYSTEM, "%s", text);
        ck_assert_str_eq(hl__error_words(&error), cut);
        for (size_t b = 1; b < HL__ERROR_BUFFERS; b++) ck_assert_int_eq(error.words[b][0], '\0'); /* none spilt over */
    }
}
END_TEST

START_TEST(WordsThatWereHandedOutOutliveTheNextFailures) {
    hl__error error;
    init(&error);
    const char *handed_out[3 * HL__ERROR_BUFFERS];
    for (int i = 0; i < 3 * HL__ERROR_BUFFERS; i++) {
        hl__error_set(&error, HL_SYSTEM, "failure %d", i);
        handed_out[i] = hl__error_words(&error);
        for (int old = i < HL__ERROR_BUFFERS ? 0 : i - HL__ERROR_BUFFERS + 1; old <= i; old++) {
            char words[32];
            snprintf(words, sizeof words, "failure %d", old);
            ck_assert_str_eq(handed_out[old], words);
        }
    }
}
END_TEST

typedef struct failing {
    hl__error *error;
    pthread_barrier_t *start;
    char letter;
    bool whole;
} failing;

/* Some thread's words: one of the letters, as often as it goes. */
static bool are_whole(const char *words) {
    return strlen(words) == HL__ERROR_BYTES - 1 && words[0] >= 'a' && words[0] < 'a' + N_THREADS &&
           strspn(words, (char[]){words[0], '\0'}) == HL__ERROR_BYTES - 1;
}

static void *fail_twice(void *argument) {
    failing *f = argument;
    char text[HL__ERROR_BYTES];
    memset(text, f->letter, sizeof text);
    text[sizeof text - 1] = '\0';
    pthread_barrier_wait(f->start);
    for (size_t i = 0; i < HL__ERROR_BUFFERS / N_THREADS; i++) { /* all together do not come round the buffers */
        hl__error_set(f->error, HL_SYSTEM, "%s", text);
        f->whole &= are_whole(hl__error_words(f->error));
    }
    return NULL;
}

START_TEST(WordsOfThreadsThatFailAtOnceDoNotMix) {
    for (size_t round = 0; round < N_ROUNDS; round++) {
        hl__error error;
        init(&error);
        pthread_barrier_t start;
        pthread_barrier_init(&start, NULL, N_THREADS);
        pthread_t thread[N_THREADS];
        failing f[N_THREADS];
        for (size_t i = 0; i < N_THREADS; i++) {
            f[i] = (failing){.error = &error, .start = &start, .letter = (char)('a' + i), .whole = true};
            ck_assert_int_eq(pthread_create(&thread[i], NULL, fail_twice, &f[i]), 0);
        }
        for (size_t i = 0; i < N_THREADS; i++) pthread_join(thread[i], NULL);
        for (size_t i = 0; i < N_THREADS; i++) ck_assert(f[i].whole);
        ck_assert(are_whole(hl__error_words(&error)));
        pthread_barrier_destroy(&start);
    }
}
END_TEST

int main(void) {
    return run_tests("error",
                     TESTS(WithoutAFailureThereAreNoWords, TheLastFailureIsKept, LongWordsAreCut,
                           WordsThatWereHandedOutOutliveTheNextFailures, WordsOfThreadsThatFailAtOnceDoNotMix));
}
