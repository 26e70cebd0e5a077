/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Children with limits: they are forked while this process has no team of threads, and end by themselves, or the test
 * fails. */
#ifndef HL_TESTS_SUPPORT_LIMITS_H
#define HL_TESTS_SUPPORT_LIMITS_H

#include <check.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMITS_CANNOT_TELL 77 /* a child's code where this machine does not let it set the limit */

/* The address sanitizer maps terabytes. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LIMITS_OF_MEMORY 0
#elif defined(__has_feature)
#define LIMITS_OF_MEMORY (!__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer))
#else
#define LIMITS_OF_MEMORY 1
#endif

/* The thread sanitizer has a thread of its own in each process. */
#if defined(__SANITIZE_THREAD__)
#define LIMITS_OF_PROCESSES 0
#elif defined(__has_feature)
#define LIMITS_OF_PROCESSES (!__has_feature(thread_sanitizer))
#else
#define LIMITS_OF_PROCESSES 1
#endif

/* Under the thread sanitizer the OpenMP runtime tells what it synchronises through a library (Archer) that it loads
 * with its first team, which needs executable memory. */
#define LIMITS_OF_CODE LIMITS_OF_PROCESSES

/* Makes this process the only one of its user: limits of processes do not hold for root, and count those of the same
 * user elsewhere. */
static inline bool limits_own_user(void) {
    return geteuid() == 0 ? setuid(100000u + (uid_t)getpid()) == 0 : unshare(CLONE_NEWUSER) == 0;
}

static inline rlim_t limits_mapped_bytes(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    ck_assert(file && fscanf(file, "%lu", &pages) == 1);
    fclose(file);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

/* Runs the body in a child. Its result, or less than 0 where a signal ended it. */
static inline int limits_child(int (*body)(void *argument), void *argument) {
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(60); /* a child that hangs becomes one that was killed */
        _exit(body(argument));
    }
    ck_assert_int_gt(pid, 0);
    int outcome;
    ck_assert_int_eq(waitpid(pid, &outcome, 0), pid);
    return WIFEXITED(outcome) ? WEXITSTATUS(outcome) : -WTERMSIG(outcome);
}

/* Fails the test unless the body comes to its end in a child and gives 0, or LIMITS_CANNOT_TELL. */
static inline void limits_check_child(int (*body)(void *argument), void *argument) {
    int code = limits_child(body, argument);
    ck_assert_msg(code >= 0, "ended by signal %d", -code);
    ck_assert_msg(code == 0 || code == LIMITS_CANNOT_TELL, "the child ended with %d", code);
}

#endif
