/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Waiting for a word of memory to change: a short pause for loops that spin, and Linux's futex for those that sleep.
 * Every word that is slept on is private to the process. */
#ifndef HL_RUNTIME_WAIT_H
#define HL_RUNTIME_WAIT_H

#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Tells the core that this thread spins, so that a sibling thread gets its resources. */
static inline void hl__pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory"); /* `yield` is a no-op on most cores */
#endif
}

/* Sleeps while *word is value. May return at any time: callers look at the word again. */
static inline void hl__futex_wait(_Atomic uint32_t *word, uint32_t value) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static inline void hl__futex_wake(_Atomic uint32_t *word, int sleepers) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, sleepers, NULL, NULL, 0);
}

static inline void hl__futex_wake_all(_Atomic uint32_t *word) { hl__futex_wake(word, INT_MAX); }

#endif
