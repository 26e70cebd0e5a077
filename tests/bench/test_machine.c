/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a report says of the machine is what this process may use. */
#include "bench/instruments/machine.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "headloom/version.h"
#include "tests/bench/kit.h"

START_TEST(TheAffinityMaskIsWhatCounts) {
    cpu_set_t all, one;
    ck_assert_int_eq(sched_getaffinity(0, sizeof all, &all), 0);
    bench_machine machine;
    ck_assert(bench_machine_create(&machine));
    ck_assert_uint_eq(machine.threads, (size_t)CPU_COUNT(&all));
    ck_assert(machine.cores >= 1 && machine.cores <= machine.threads && machine.numa_nodes >= 1);
    bench_machine_destroy(&machine);

    int cpu = 0;
    while (!CPU_ISSET(cpu, &all)) cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    ck_assert(bench_machine_create(&machine));
    ck_assert(machine.cores == 1 && machine.threads == 1 && machine.numa_nodes == 1);
    bench_machine_destroy(&machine);
    ck_assert_int_eq(sched_setaffinity(0, sizeof all, &all), 0);
}
END_TEST

START_TEST(WordsAreThere) {
    bench_machine machine;
    ck_assert(bench_machine_create(&machine));
    ck_assert(machine.cpu[0] != '\0' && strchr(machine.cpu, '\n') == NULL && machine.commit[0] != '\0');
    ck_assert(strcmp(machine.isa, "baseline") == 0 || strcmp(machine.isa, "avx2") == 0 ||
              strcmp(machine.isa, "avx512") == 0);
    ck_assert(strcmp(machine.gemm, "libxsmm") == 0 || strcmp(machine.gemm, "portable") == 0);
    ck_assert_str_eq(machine.version, HL_VERSION_STRING);
    ck_assert_ptr_nonnull(strpbrk(machine.compiler, "0123456789"));
    ck_assert_ptr_nonnull(strstr(machine.flags, "-ffp-contract=off")); /* the flags of every file */
    ck_assert(machine.build[0] != '\0' && machine.host[0] != '\0');
    bench_machine_destroy(&machine);
    bench_machine_destroy(&machine); /* twice is harmless */
}
END_TEST

START_TEST(TheDateIsThatOfTheMeasurement) {
    bench_machine machine;
    time_t before = time(NULL);
    ck_assert(bench_machine_create(&machine));
    time_t after = time(NULL);
    struct tm parts = {0};
    const char *end = strptime(machine.date, "%Y-%m-%dT%H:%M:%SZ", &parts);
    ck_assert(end != NULL && *end == '\0');
    ck_assert(timegm(&parts) >= before && timegm(&parts) <= after);
    bench_machine_destroy(&machine);
}
END_TEST

START_TEST(ATeamHasAtMostOneThreadACore) {
    bench_machine machine = {.cores = 4};
    ck_assert_uint_eq(bench_machine_threads(&machine, 0), 4);
    ck_assert_uint_eq(bench_machine_threads(&machine, 1), 1);
    ck_assert_uint_eq(bench_machine_threads(&machine, 4), 4);
    ck_assert_uint_eq(bench_machine_threads(&machine, 5), 4);
}
END_TEST

typedef struct pinned {
    const bench_machine *machine;
    size_t core;
    cpu_set_t set;
} pinned;

static void *pin(void *argument) {
    pinned *p = argument;
    bench_machine_pin(p->machine, p->core);
    sched_getaffinity(0, sizeof p->set, &p->set);
    return NULL;
}

START_TEST(EachCoreIsOneHardwareThreadOfItsOwn) {
    bench_machine machine;
    ck_assert(bench_machine_create(&machine));
    cpu_set_t seen;
    CPU_ZERO(&seen);
    for (size_t core = 0; core <= machine.cores; core++) {
        pinned p = {.machine = &machine, .core = core};
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, pin, &p), 0);
        pthread_join(thread, NULL);
        ck_assert_int_eq(CPU_COUNT(&p.set), 1);
        cpu_set_t both;
        CPU_AND(&both, &seen, &p.set);
        ck_assert_int_eq(CPU_COUNT(&both), core == machine.cores); /* the one behind the last is the first again */
        CPU_OR(&seen, &seen, &p.set);
    }
    bench_machine_destroy(&machine);
}
END_TEST

int main(void) {
    return run_tests("machine", TESTS(TheAffinityMaskIsWhatCounts, WordsAreThere, TheDateIsThatOfTheMeasurement,
                                      ATeamHasAtMostOneThreadACore, EachCoreIsOneHardwareThreadOfItsOwn));
}
