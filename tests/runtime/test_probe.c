/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Threads that could be started: all of them where nothing limits them, fewer than a limit leaves, and none is left
 * behind. Limits are set in forked children, since they hold for a process. */
#include "runtime/probe.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "tests/support/limits.h"
#include "tests/support/suite.h"

static size_t threads_of_this_process(void) {
    DIR *folder = opendir("/proc/self/task");
    ck_assert_ptr_nonnull(folder);
    size_t n = 0;
    for (struct dirent *entry; (entry = readdir(folder));) n += entry->d_name[0] != '.';
    closedir(folder);
    return n;
}

START_TEST(AllThreadsComeAndNoneIsLeft) {
    hl__probe_threads(1, 0); /* sanitizers may start a thread of their own beside the first */
    for (size_t n = 0; n <= 40; n++) {
        size_t before = threads_of_this_process();
        ck_assert_uint_eq(hl__probe_threads(n, 0), n);
        ck_assert_uint_eq(hl__probe_threads(n, 256 << 10), n);
        ck_assert_uint_eq(threads_of_this_process(), before);
    }
}
END_TEST

/* Of what a limit leaves, one thread is spared, and one for each four that are given. */
static int fewer_by_processes(void *argument) {
    rlim_t limit = *(rlim_t *)argument; /* this thread is one of them */
    if (!limits_own_user()) return LIMITS_CANNOT_TELL;
    if (setrlimit(RLIMIT_NPROC, &(struct rlimit){limit, limit}) != 0) return LIMITS_CANNOT_TELL;
    size_t n_left = limit - 1, expected = 0;
    while (expected < 8 && expected + 1 + 1 + (expected + 1) / 4 <= n_left) expected++;
    for (size_t round = 0; round < 20; round++) /* the threads of one round are no longer counted in the next */
        if (hl__probe_threads(8, 0) != expected) return 1;
    return 0;
}

START_TEST(LimitsOfProcessesAreMet) {
    if (!LIMITS_OF_PROCESSES) return;
    for (rlim_t limit = 1; limit <= 13; limit++) limits_check_child(fewer_by_processes, &limit);
}
END_TEST

/* Room for four stacks of 64 MiB. */
static int fewer_by_memory(void *argument) {
    (void)argument;
    rlim_t room = limits_mapped_bytes() + ((rlim_t)(4 * 64 + 16) << 20);
    if (setrlimit(RLIMIT_AS, &(struct rlimit){room, room}) != 0) return LIMITS_CANNOT_TELL;
    if (hl__probe_threads(8, (size_t)64 << 20) != 3) return 1; /* one is spared */
    return hl__probe_threads(8, (size_t)1 << 20) == 8 ? 0 : 2;
}

START_TEST(LimitsOfMemoryAreMet) {
    if (!LIMITS_OF_MEMORY) return;
    limits_check_child(fewer_by_memory, NULL);
}
END_TEST

START_TEST(StackSizesAreReadAsOpenMpHasThem) {
    static const struct {
        const char *text;
        size_t bytes;
    } sizes[] = {{"128", 128 << 10},
                 {"128k", 128 << 10},
                 {"128K", 128 << 10},
                 {" 2 M ", 2 << 20},
                 {"1G", 1 << 30},
                 {"65536b", 65536},
                 {"65536 B", 65536},
                 {"", 0},
                 {" ", 0},
                 {"k", 0},
                 {"12kk", 0},
                 {"12 k k", 0},
                 {"1.5M", 0},
                 {"-4M", 0},
                 {"0x10", 0},
                 {"12T", 0},
                 {"99999999999999999999", 0},
                 {"18014398509481985k", 0} /* 2^64 and 1024 more */};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        ck_assert_msg(hl__probe_stack_bytes(sizes[i].text) == sizes[i].bytes, "'%s'", sizes[i].text);
}
END_TEST

int main(void) {
    return run_tests("probe", TESTS(AllThreadsComeAndNoneIsLeft, LimitsOfProcessesAreMet, LimitsOfMemoryAreMet,
                                    StackSizesAreReadAsOpenMpHasThem));
}
