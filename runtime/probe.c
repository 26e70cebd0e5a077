/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A chain of threads: each starts the next, waits for its end, and ends. When the last has been refused, or has come,
 * all are alive at once. A chain needs no list of its threads, and is gone when its first thread is. */
#include "runtime/probe.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BLANKS " \t\n\v\f\r"
#define MOST_LOOKS 100000

typedef struct member {
    const pthread_attr_t *attributes;
    size_t n_wanted, n_came; /* from this thread on */
    pid_t id;
} member;

/* The system counts a thread for some microseconds after it has been joined. Whether it still does is seen by its id;
 * where that cannot be asked for, or another has got it already, some looks are all that is spent on it. */
static void wait_until_gone(pid_t id) {
    for (int look = 0; look < MOST_LOOKS && syscall(SYS_tgkill, getpid(), id, 0) == 0; look++) sched_yield();
}

static size_t start(size_t n, const pthread_attr_t *attributes);

static void *stay(void *argument) {
    member *m = argument;
    m->id = (pid_t)syscall(SYS_gettid);
    m->n_came = 1 + start(m->n_wanted - 1, m->attributes);
    return NULL;
}

/* How many of n came. */
static size_t start(size_t n, const pthread_attr_t *attributes) {
    member first = {.attributes = attributes, .n_wanted = n};
    pthread_t thread;
    if (n == 0 || pthread_create(&thread, attributes, stay, &first) != 0) return 0;
    pthread_join(thread, NULL);
    wait_until_gone(first.id);
    return first.n_came;
}

static size_t with_reserve(size_t n) { return n + 1 + n / 4; }

size_t hl__probe_threads(size_t n, size_t stack_bytes) {
    pthread_attr_t attributes;
    if (n == 0 || pthread_attr_init(&attributes) != 0) return 0;
    /* A size that is refused here is refused to the OpenMP runtime as well, which then takes the default. */
    if (stack_bytes > 0) pthread_attr_setstacksize(&attributes, stack_bytes);
    size_t n_came = start(with_reserve(n), &attributes);
    pthread_attr_destroy(&attributes);
    while (n > 0 && with_reserve(n) > n_came) n--;
    return n;
}

size_t hl__probe_stack_bytes(const char *text) {
    text += strspn(text, BLANKS);
    size_t n_digits = strspn(text, "0123456789"), bytes = 0;
    for (size_t i = 0; i < n_digits; i++)
        if (__builtin_mul_overflow(bytes, 10, &bytes) || __builtin_add_overflow(bytes, (size_t)(text[i] - '0'), &bytes))
            return 0;
    text += n_digits;
    text += strspn(text, BLANKS);
    static const char units[] = "bkmgBKMG";
    const char *unit = *text ? strchr(units, *text) : units + 1;
    if (n_digits == 0 || !unit) return 0;
    text += *text != '\0';
    unsigned shift = 10 * (unsigned)((unit - units) % 4);
    return text[strspn(text, BLANKS)] == '\0' && bytes <= SIZE_MAX >> shift ? bytes << shift : 0;
}
