/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The tightest limit of memory counts, and is named. Limits of the process are lowered and put back: none here is near
 * what it needs itself. */
#include "runtime/memory_limit.h"

#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

#include "tests/runtime/kit.h"
#include "tests/support/limits.h"
#include "tests/support/suite.h"

static size_t machine_bytes(bool swap_alone) {
    struct sysinfo machine;
    ck_assert_int_eq(sysinfo(&machine), 0);
    return (size_t)(machine.totalswap + (swap_alone ? 0 : machine.totalram)) * machine.mem_unit;
}

static void check(size_t groups, size_t bytes, const char *of) {
    hl__memory_limit limit = hl__memory_limit_find(groups);
    ck_assert_uint_eq(limit.bytes, bytes);
    ck_assert_msg(strstr(limit.of, of) != NULL, "'%s' does not speak of %s", limit.of, of);
}

/* With a limit that is above those of this test, where the process has one already, there is nothing to lower. */
static bool lower(__rlimit_resource_t resource, rlim_t to, struct rlimit *before) {
    ck_assert_int_eq(getrlimit(resource, before), 0);
    return before->rlim_cur == RLIM_INFINITY && setrlimit(resource, &(struct rlimit){to, before->rlim_max}) == 0;
}

START_TEST(TheMachinesMemoryIsALimit) { check(0, machine_bytes(false), "machine"); }
END_TEST

START_TEST(TheProcessesOwnLimitsCount) {
    if (!LIMITS_OF_MEMORY) return;
    static const struct {
        __rlimit_resource_t resource;
        const char *name;
    } limits[] = {{RLIMIT_AS, "RLIMIT_AS"}, {RLIMIT_DATA, "RLIMIT_DATA"}};
    const rlim_t bytes = machine_bytes(false) / 2;
    for (size_t i = 0; i < 2; i++) {
        struct rlimit before;
        if (!lower(limits[i].resource, bytes, &before)) continue;
        check(0, bytes, limits[i].name);
        ck_assert_int_eq(setrlimit(limits[i].resource, &before), 0);
        check(0, machine_bytes(false), "machine");
    }
}
END_TEST

START_TEST(ControlGroupsCountWithSwap) {
    check(12345, 12345 + machine_bytes(true), "control group");
    check(SIZE_MAX, machine_bytes(false), "machine"); /* above all memory: no limit */
}
END_TEST

START_TEST(ARuntimeKnowsTheLimitOfItsGroups) {
    fake_system fake;
    fake_system_init(&fake, "pu:2");
    fake.files = (fake_pair[]){{"/proc/self/mountinfo", "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"},
                               {"/proc/self/cgroup", "0::/job\n"},
                               {"/sys/fs/cgroup/job/memory.max", "4096\n"},
                               {NULL, NULL}};
    hl_runtime *runtime = NULL;
    ck_assert_int_eq(hl__runtime_create_on(&fake.system, &(hl_runtime_options){.workers = 1}, &runtime), HL_OK);
    ck_assert_uint_eq(hl__runtime_memory_limit(runtime).bytes, 4096 + machine_bytes(true));
    hl_runtime_destroy(runtime);
}
END_TEST

int main(void) {
    return run_tests("memory limit", TESTS(TheMachinesMemoryIsALimit, TheProcessesOwnLimitsCount,
                                           ControlGroupsCountWithSwap, ARuntimeKnowsTheLimitOfItsGroups));
}
