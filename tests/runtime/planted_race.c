/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One thread writes a number of its own for each task that it pushes, others read it when they have stolen the task.
 * With the real deque no tool may complain; with planted_deque.c each must. Which of them is linked is not this file's
 * business. Ends with 0 unless a tool says otherwise. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "runtime/deque.h"
#include "runtime/memory.h"

#define N_NUMBERS 200
#define N_THIEVES 2

static hl__deque deque;
static size_t written[N_NUMBERS]; /* plain: ordered by the deque alone, or not at all */
static _Atomic size_t n_taken;

static void *steal(void *argument) {
    size_t *sum = argument;
    while (atomic_load_explicit(&n_taken, memory_order_relaxed) < N_NUMBERS) {
        uint32_t number;
        if (hl__deque_steal(&deque, 1, &number)) {
            *sum += written[number];
            atomic_fetch_add_explicit(&n_taken, 1, memory_order_relaxed);
        } else {
            sched_yield();
        }
    }
    return NULL;
}

int main(void) {
    size_t bytes = hl__ring_bytes(N_NUMBERS);
    void *ring = hl__allocate(bytes, 1);
    if (!ring) return EXIT_FAILURE;
    hl__deque_install(&deque, ring, bytes, N_NUMBERS);
    pthread_t thread[N_THIEVES];
    size_t sum[N_THIEVES] = {0}, total = 0;
    for (size_t i = 0; i < N_THIEVES; i++)
        if (pthread_create(&thread[i], NULL, steal, &sum[i]) != 0) return EXIT_FAILURE;
    for (uint32_t number = 0; number < N_NUMBERS; number++) {
        written[number] = number + 1;
        hl__deque_push(&deque, number);
    }
    for (size_t i = 0; i < N_THIEVES; i++) {
        pthread_join(thread[i], NULL);
        total += sum[i];
    }
    hl__release(ring);
    return total == N_NUMBERS * (N_NUMBERS + 1) / 2 ? EXIT_SUCCESS : EXIT_FAILURE;
}
