/* SPDX-License-Identifier: BSD-3-Clause
 *
 * CPU quotas and limits of memory, as control groups of both versions give them. */
#include "runtime/cgroup.h"

#include "tests/runtime/fake_system.h"
#include "tests/support/suite.h"

#define V2_MOUNT "30 20 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1_MOUNT "31 20 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
#define V1_CPUSET_MOUNT "32 20 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"

static size_t cpus_of(const fake_pair *files) {
    fake_system fake;
    fake_system_init(&fake, "pu:4");
    fake.files = files;
    size_t cpus = 99;
    ck_assert_int_eq(hl__cgroup_cpus(&fake.system, &cpus), HL_OK);
    return cpus;
}

static size_t memory_of(const fake_pair *files) {
    fake_system fake;
    fake_system_init(&fake, "pu:4");
    fake.files = files;
    size_t bytes = 99;
    ck_assert_int_eq(hl__cgroup_memory(&fake.system, &bytes), HL_OK);
    return bytes;
}

START_TEST(MemoryOfVersion2IsTheTightestOnTheWayUp) {
    ck_assert_uint_eq(memory_of(NULL), 0);
    ck_assert_uint_eq(memory_of((fake_pair[]){{"/proc/self/mountinfo", V2_MOUNT},
                                              {"/proc/self/cgroup", "0::/a/b/c\n"},
                                              {"/sys/fs/cgroup/a/b/c/memory.max", "max\n"},
                                              {"/sys/fs/cgroup/a/b/memory.max", "8589934592\n"},
                                              {"/sys/fs/cgroup/a/memory.max", "17179869184\n"},
                                              {NULL, NULL}}),
                      (size_t)8 << 30);
    ck_assert_uint_eq(memory_of((fake_pair[]){{"/proc/self/mountinfo", V2_MOUNT},
                                              {"/proc/self/cgroup", "0::/a\n"},
                                              {"/sys/fs/cgroup/a/memory.max", "max\n"},
                                              {NULL, NULL}}),
                      0);
}
END_TEST

/* The hierarchy of the memory controller, not that of the CPUs. */
START_TEST(MemoryOfVersion1IsRead) {
    ck_assert_uint_eq(memory_of((fake_pair[]){{"/proc/self/mountinfo", V1_MOUNT
                                               "33 20 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"},
                                              {"/proc/self/cgroup", "5:memory:/job\n3:cpu,cpuacct:/other\n"},
                                              {"/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "1048576\n"},
                                              {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"},
                                              {"/sys/fs/cgroup/cpu,cpuacct/other/memory.limit_in_bytes", "1\n"},
                                              {NULL, NULL}}),
                      (size_t)1 << 20);
}
END_TEST

START_TEST(NoGroupsMeanNoLimit) {
    ck_assert_uint_eq(cpus_of(NULL), 0);
    ck_assert_uint_eq(cpus_of((fake_pair[]){{"/proc/self/mountinfo", "nonsense\n - \n1 2 3 - cgroup2\n"},
                                            {"/proc/self/cgroup", "nonsense\n:\n"},
                                            {NULL, NULL}}),
                      0);
}
END_TEST

START_TEST(Version2QuotaIsRead) {
    ck_assert_uint_eq(cpus_of((fake_pair[]){{"/proc/self/mountinfo", V2_MOUNT},
                                            {"/proc/self/cgroup", "0::/user.slice/job\n"},
                                            {"/sys/fs/cgroup/user.slice/job/cpu.max", "300000 100000\n"},
                                            {NULL, NULL}}),
                      3);
    ck_assert_uint_eq(cpus_of((fake_pair[]){{"/proc/self/mountinfo", V2_MOUNT},
                                            {"/proc/self/cgroup", "0::/job\n"},
                                            {"/sys/fs/cgroup/job/cpu.max", "max 100000\n"},
                                            {NULL, NULL}}),
                      0);
}
END_TEST

START_TEST(Version1QuotaIsRead) {
    ck_assert_uint_eq(cpus_of((fake_pair[]){{"/proc/self/mountinfo", V1_CPUSET_MOUNT V1_MOUNT},
                                            {"/proc/self/cgroup", "4:cpuset:/other\n3:cpu,cpuacct:/job\n"},
                                            {"/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "200000\n"},
                                            {"/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "50000\n"},
                                            {"/sys/fs/cgroup/cpuset/job/cpu.cfs_quota_us", "1\n"},
                                            {NULL, NULL}}),
                      4);
    ck_assert_uint_eq(cpus_of((fake_pair[]){{"/proc/self/mountinfo", V1_MOUNT},
                                            {"/proc/self/cgroup", "3:cpu,cpuacct:/\n"},
                                            {"/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"},
                                            {"/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"},
                                            {NULL, NULL}}),
                      0);
}
END_TEST

START_TEST(FractionsCountAsOne) {
    static const char *const limits[] = {"1000 100000", "100000 100000", "100001 100000", "250000 100000"};
    static const size_t expected[] = {1, 1, 2, 3};
    for (size_t i = 0; i < 4; i++)
        ck_assert_uint_eq(cpus_of((fake_pair[]){{"/proc/self/mountinfo", V2_MOUNT},
                                                {"/proc/self/cgroup", "0::/\n"},
                                                {"/sys/fs/cgroup/cpu.max", limits[i]},
                                                {"/sys/fs/cgroup//cpu.max", limits[i]},
                                                {NULL, NULL}}),
                          expected[i]);
}
END_TEST

START_TEST(TheTightestGroupOnTheWayUpCounts) {
    ck_assert_uint_eq(cpus_of((fake_pair[]){{"/proc/self/mountinfo", V2_MOUNT},
                                            {"/proc/self/cgroup", "0::/a/b/c\n"},
                                            {"/sys/fs/cgroup/a/b/c/cpu.max", "800000 100000"},
                                            {"/sys/fs/cgroup/a/b/cpu.max", "max 100000"},
                                            {"/sys/fs/cgroup/a/cpu.max", "200000 100000"},
                                            {"/sys/fs/cgroup/cpu.max", "400000 100000"},
                                            {"/sys/fs/cpu.max", "100000 100000"}, /* above the mount */
                                            {NULL, NULL}}),
                      2);
    ck_assert_uint_eq(cpus_of((fake_pair[]){{"/proc/self/mountinfo", V1_MOUNT V2_MOUNT},
                                            {"/proc/self/cgroup", "3:cpu,cpuacct:/x\n0::/y\n"},
                                            {"/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us", "700000"},
                                            {"/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us", "100000"},
                                            {"/sys/fs/cgroup/y/cpu.max", "500000 100000"},
                                            {NULL, NULL}}),
                      5);
}
END_TEST

START_TEST(TheMountsRootIsTakenOffThePath) {
    static const char mount[] = "30 20 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n";
    ck_assert_uint_eq(cpus_of((fake_pair[]){{"/proc/self/mountinfo", mount},
                                            {"/proc/self/cgroup", "0::/docker/abc/worker\n"},
                                            {"/sys/fs/cgroup/worker/cpu.max", "200000 100000"},
                                            {NULL, NULL}}),
                      2);
    /* A path that is not below what is mounted (another container's name that begins alike): the mount itself counts.
     */
    ck_assert_uint_eq(cpus_of((fake_pair[]){{"/proc/self/mountinfo", mount},
                                            {"/proc/self/cgroup", "0::/docker/abcdef\n"},
                                            {"/sys/fs/cgroup/cpu.max", "600000 100000"},
                                            {"/sys/fs/cgroupdef/cpu.max", "100000 100000"},
                                            {NULL, NULL}}),
                      6);
}
END_TEST

/* systemd writes bytes of a unit's name as \x2d; mountinfo escapes that backslash again, and blanks. */
START_TEST(EscapedPathsAreRead) {
    static const char mount[] =
        "30 20 0:26 /a\\134x2db.scope /my\\040groups rw - cgroup2 cgroup2 rw\n"; /* the compiler takes one of each two
                                                                                  */
    ck_assert_uint_eq(cpus_of((fake_pair[]){{"/proc/self/mountinfo", mount},
                                            {"/proc/self/cgroup", "0::/a\\x2db.scope/job\n"},
                                            {"/my groups/job/cpu.max", "300000 100000"},
                                            {NULL, NULL}}),
                      3);
    /* What is no escape stays, at the end of a path too. */
    ck_assert_uint_eq(
        cpus_of((fake_pair[]){{"/proc/self/mountinfo", "30 20 0:26 / /g\\9\\12 rw - cgroup2 cgroup2 rw\n"},
                              {"/proc/self/cgroup", "0::/\n"},
                              {"/g\\9\\12/cpu.max", "500000 100000"},
                              {"/g\\9\\12//cpu.max", "500000 100000"},
                              {NULL, NULL}}),
        5);
}
END_TEST

int main(void) {
    return run_tests("cgroup",
                     TESTS(NoGroupsMeanNoLimit, MemoryOfVersion2IsTheTightestOnTheWayUp, MemoryOfVersion1IsRead,
                           Version2QuotaIsRead, Version1QuotaIsRead, FractionsCountAsOne,
                           TheTightestGroupOnTheWayUpCounts, TheMountsRootIsTakenOffThePath, EscapedPathsAreRead));
}
