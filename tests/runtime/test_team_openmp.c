/* SPDX-License-Identifier: BSD-3-Clause
 *
 * OpenMP's runtimes end the process where they are refused a thread or the memory for one. A runtime is made of what
 * there is instead, and works; or there is a code. No team is made in the test's own process, so that it may fork. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <omp.h>
#include <spawn.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "headloom/runtime.h"
#include "tests/runtime/dag.h"
#include "tests/support/limits.h"
#include "tests/support/policies.h"
#include "tests/support/suite.h"

/* No thread allocates before all have been started. LLVM's do, so that who comes first gets the memory that there is:
 * nearly always a runtime is made of what is left, but not always (team_openmp.c). */
#ifdef KMP_VERSION_MAJOR
#define WAITS_FOR_ALL 0
#else
#define WAITS_FOR_ALL 1
#endif

enum { ASKED = 8 };

/* Makes a runtime for so many workers, which runs a graph, and is destroyed. Gives how many it had, or minus the code
 * that there was instead; 1000 where the graph did not run. */
static int workers_of(size_t asked, hl_policy policy) {
    hl_runtime *runtime = NULL;
    hl_status status = hl_runtime_create(&(hl_runtime_options){.workers = asked, .policy = policy}, &runtime);
    if (status != HL_OK) return hl_runtime_error(NULL)[0] ? -(int)status : 1000;
    int n = (int)hl_runtime_workers(runtime);
    dag *d = dag_create(&(dag_options){.n_tasks = 60, .n_edges = 100});
    if (hl__runtime_run(runtime, &d->graph) == HL_OK) dag_check(d, 1);
    else n = 1000;
    dag_destroy(d);
    hl_runtime_destroy(runtime);
    return n;
}

typedef struct limited {
    rlim_t limit;
    hl_policy policy;
} limited;

/* This thread and the host of the team count, too. */
static int by_processes(void *argument) {
    const limited *l = argument;
    if (!limits_own_user()) return LIMITS_CANNOT_TELL;
    if (setrlimit(RLIMIT_NPROC, &(struct rlimit){l->limit, l->limit}) != 0) return LIMITS_CANNOT_TELL;
    int n = workers_of(ASKED, l->policy);
    if (l->limit < 2) return n == -HL_SYSTEM ? 0 : 1;
    if (l->limit >= 2 + ASKED + 2) return n == ASKED ? 0 : 2; /* two are spared */
    return n >= 1 && n < (int)l->limit ? 0 : 3;
}

START_TEST(ALimitOfProcessesMakesForFewerWorkers) {
    if (!LIMITS_OF_PROCESSES) return;
    for (size_t p = 0; p < N_POLICIES; p++)
        for (rlim_t limit = 1; limit <= 2 + ASKED + 3; limit++)
            limits_check_child(by_processes, &(limited){limit, policies[p].policy});
}
END_TEST

/* What hwloc, which reads the machine first, does without memory is its own: the limit leaves it some. */
static int by_memory(void *argument) {
    const limited *l = argument;
    rlim_t room = limits_mapped_bytes() + l->limit;
    if (setrlimit(RLIMIT_AS, &(struct rlimit){room, room}) != 0) return LIMITS_CANNOT_TELL;
    int n = workers_of(ASKED, l->policy);
    return (n >= 1 && n <= ASKED) || n == -HL_SYSTEM || n == -HL_OUT_OF_MEMORY ? 0 : 1;
}

START_TEST(ALimitOfMemoryMakesForFewerWorkers) {
    if (!LIMITS_OF_MEMORY || !WAITS_FOR_ALL) return;
    for (rlim_t mib = 8; mib <= 120; mib += 2) limits_check_child(by_memory, &(limited){mib << 20, HL_POLICY_DATAFLOW});
}
END_TEST

/* A filter of system calls by which no thread can be started. */
static int by_filter(void *argument) {
    (void)argument;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        return LIMITS_CANNOT_TELL;
    return workers_of(ASKED, HL_POLICY_DATAFLOW) == -HL_SYSTEM ? 0 : 1;
}

START_TEST(AFilterOfSystemCallsIsACode) { limits_check_child(by_filter, NULL); }
END_TEST

/* ---- stacks whose size the OpenMP runtime has from its environment, which it reads when a process starts ---- */

/* Runs a case of this file once more with an environment of its own. */
static void check_with(const char *name, const char *stack_size) {
    extern char **environ;
    setenv("HEADLOOM_TEST_STACKS", "1", 1);
    setenv("OMP_STACKSIZE", stack_size, 1);
    setenv("CK_RUN_CASE", name, 1);
    pid_t child;
    int failure = posix_spawn(&child, "/proc/self/exe", NULL, NULL, (char *[]){"test_team_openmp", NULL}, environ);
    unsetenv("HEADLOOM_TEST_STACKS");
    unsetenv("OMP_STACKSIZE");
    unsetenv("CK_RUN_CASE");
    ck_assert_int_eq(failure, 0);
    int outcome = -1;
    ck_assert_int_eq(waitpid(child, &outcome, 0), child);
    ck_assert(WIFEXITED(outcome));
    ck_assert_int_eq(WEXITSTATUS(outcome), EXIT_SUCCESS);
}

static int with_large_stacks(void *argument) {
    (void)argument;
    rlim_t room = limits_mapped_bytes() + ((rlim_t)5 << 30); /* five of them, less the reserve */
    if (setrlimit(RLIMIT_AS, &(struct rlimit){room, room}) != 0) return LIMITS_CANNOT_TELL;
    int n = workers_of(ASKED, HL_POLICY_DATAFLOW);
    return n > 1 && n < 6 ? 0 : 1;
}

START_TEST(LargeStacksMakeForFewerWorkers) {
    if (!LIMITS_OF_MEMORY) return;
    if (getenv("HEADLOOM_TEST_STACKS")) limits_check_child(with_large_stacks, NULL);
    else check_with("LargeStacksMakeForFewerWorkers", "1G");
}
END_TEST

static int with_small_stacks(void *argument) {
    (void)argument;
    rlim_t room = limits_mapped_bytes() + ((rlim_t)32 << 20); /* less than eight stacks of the usual size */
    if (setrlimit(RLIMIT_AS, &(struct rlimit){room, room}) != 0) return LIMITS_CANNOT_TELL;
    return workers_of(ASKED, HL_POLICY_DATAFLOW) == ASKED ? 0 : 1;
}

START_TEST(SmallStacksLeaveRoomForAllWorkers) {
    if (!LIMITS_OF_MEMORY) return;
    if (getenv("HEADLOOM_TEST_STACKS")) limits_check_child(with_small_stacks, NULL);
    else check_with("SmallStacksLeaveRoomForAllWorkers", "256k");
}
END_TEST

int main(void) {
    return run_tests("team/openmp", TESTS(ALimitOfProcessesMakesForFewerWorkers, ALimitOfMemoryMakesForFewerWorkers,
                                          AFilterOfSystemCallsIsACode, LargeStacksMakeForFewerWorkers,
                                          SmallStacksLeaveRoomForAllWorkers));
}
