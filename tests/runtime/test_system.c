/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The machine that the tests run on, compared with what the system itself says of it. */
#include "runtime/system.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/suite.h"

static const hl__system *const native = &hl__native_system;

static hwloc_topology_t machine(void) {
    hwloc_topology_t topology;
    ck_assert_int_eq(hwloc_topology_init(&topology), 0);
    ck_assert_int_eq(native->choose(native->context, topology), 0);
    ck_assert_int_eq(hwloc_topology_load(topology), 0);
    return topology;
}

/* Where the calling thread may run, as the scheduler says. */
static void check_thread(hwloc_const_bitmap_t cpus) {
    cpu_set_t set;
    ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
        ck_assert_int_eq(hwloc_bitmap_isset(cpus, cpu) != 0, CPU_ISSET(cpu, &set) != 0);
}

START_TEST(TheTopologyIsThisMachines) {
    hwloc_topology_t topology = machine();
    ck_assert_int_eq(hwloc_topology_is_thissystem(topology), 1);
    ck_assert_int_ge(hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU), 1);
    hwloc_topology_destroy(topology);
}
END_TEST

START_TEST(MasksAreTheSchedulers) {
    hwloc_topology_t topology = machine();
    hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
    ck_assert_int_eq(native->thread_cpus(native->context, topology, cpus), 0);
    check_thread(cpus);
    ck_assert_int_eq(native->process_cpus(native->context, topology, cpus), 0);
    check_thread(cpus); /* the process has one thread here, or threads with one mask */
    hwloc_bitmap_free(cpus);
    hwloc_topology_destroy(topology);
}
END_TEST

/* In a process of its own, where the OpenMP runtime has bound the first thread to one of its places. */
static void check_places(const char *all) {
    hwloc_topology_t topology = machine();
    hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
    ck_assert_int_eq(native->openmp_cpus(native->context, cpus), 0);
    char seen[4096];
    hwloc_bitmap_list_snprintf(seen, sizeof seen, cpus);
    ck_assert_str_eq(seen, all);
    hwloc_bitmap_free(cpus);
    hwloc_topology_destroy(topology);
}

START_TEST(PlacesOfTheOpenmpRuntimeAreAllCpusThatItUses) {
    if (getenv("HEADLOOM_TEST_CPUS")) {
        check_places(getenv("HEADLOOM_TEST_CPUS"));
        return;
    }
    hwloc_topology_t topology = machine();
    hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
    ck_assert_int_eq(native->thread_cpus(native->context, topology, cpus), 0);
    char all[4096];
    hwloc_bitmap_list_snprintf(all, sizeof all, cpus);
    hwloc_bitmap_free(cpus);
    hwloc_topology_destroy(topology);
    extern char **environ;
    setenv("HEADLOOM_TEST_CPUS", all, 1);
    setenv("OMP_PROC_BIND", "true", 1);
    setenv("CK_RUN_CASE", "PlacesOfTheOpenmpRuntimeAreAllCpusThatItUses", 1);
    pid_t child;
    int failure = posix_spawn(&child, "/proc/self/exe", NULL, NULL, (char *[]){"test_system", NULL}, environ);
    unsetenv("HEADLOOM_TEST_CPUS");
    unsetenv("OMP_PROC_BIND");
    unsetenv("CK_RUN_CASE");
    ck_assert_int_eq(failure, 0);
    int outcome = -1;
    ck_assert_int_eq(waitpid(child, &outcome, 0), child);
    ck_assert(WIFEXITED(outcome));
    ck_assert_int_eq(WEXITSTATUS(outcome), EXIT_SUCCESS);
}
END_TEST

static void *bind_about(void *argument) {
    hwloc_topology_t topology = *(hwloc_topology_t *)argument;
    hwloc_bitmap_t all = hwloc_bitmap_alloc(), one = hwloc_bitmap_alloc(), seen = hwloc_bitmap_alloc();
    ck_assert_int_eq(native->thread_cpus(native->context, topology, all), 0);
    int cpu;
    hwloc_bitmap_foreach_begin(cpu, all) {
        hwloc_bitmap_only(one, (unsigned)cpu);
        ck_assert_int_eq(native->bind_thread(native->context, topology, one), 0);
        check_thread(one);
        ck_assert_int_eq(native->thread_cpus(native->context, topology, seen), 0);
        ck_assert(hwloc_bitmap_isequal(one, seen));
    }
    hwloc_bitmap_foreach_end();
    hwloc_bitmap_free(all);
    hwloc_bitmap_free(one);
    hwloc_bitmap_free(seen);
    return NULL;
}

START_TEST(BindingMovesTheCallingThreadAlone) {
    hwloc_topology_t topology = machine();
    hwloc_bitmap_t before = hwloc_bitmap_alloc();
    ck_assert_int_eq(native->thread_cpus(native->context, topology, before), 0);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, bind_about, &topology), 0);
    pthread_join(thread, NULL);
    check_thread(before);
    hwloc_bitmap_free(before);
    hwloc_topology_destroy(topology);
}
END_TEST

/* Containers may forbid it, which costs speed only; but where the call says that it is done, it is. */
START_TEST(BoundMemoryIsBound) {
    hwloc_topology_t topology = machine();
    hwloc_const_nodeset_t nodes = hwloc_get_obj_by_type(topology, HWLOC_OBJ_NUMANODE, 0)->nodeset;
    size_t bytes = 4 * (size_t)sysconf(_SC_PAGESIZE);
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(memory != MAP_FAILED);
    errno = 0;
    if (native->bind_memory(native->context, topology, memory, bytes, nodes, HWLOC_MEMBIND_BIND) == 0) {
        hwloc_nodeset_t seen = hwloc_bitmap_alloc();
        hwloc_membind_policy_t policy;
        ck_assert_int_eq(hwloc_get_area_membind(topology, memory, bytes, seen, &policy, HWLOC_MEMBIND_BYNODESET), 0);
        ck_assert_int_eq(policy, HWLOC_MEMBIND_BIND);
        ck_assert(hwloc_bitmap_isequal(seen, nodes));
        hwloc_bitmap_free(seen);
    } else {
        ck_assert_int_ne(errno, EINVAL);
    }
    memset(memory, 1, bytes); /* usable, either way */
    munmap(memory, bytes);
    hwloc_topology_destroy(topology);
}
END_TEST

START_TEST(TheEnvironmentIsTheProcesss) {
    ck_assert_int_eq(setenv("HEADLOOM_TEST_SYSTEM", "some words", 1), 0);
    ck_assert_str_eq(native->environment(native->context, "HEADLOOM_TEST_SYSTEM"), "some words");
    ck_assert_int_eq(unsetenv("HEADLOOM_TEST_SYSTEM"), 0);
    ck_assert_ptr_null(native->environment(native->context, "HEADLOOM_TEST_SYSTEM"));
}
END_TEST

START_TEST(FilesAreReadUpToTheRoomThereIs) {
    enum { LENGTH = 20000 };
    char path[64], *text = malloc(LENGTH + 1), *seen = malloc(LENGTH + 2);
    snprintf(path, sizeof path, "/tmp/headloom_test_system_%ld", (long)getpid());
    for (size_t i = 0; i < LENGTH; i++) text[i] = (char)('a' + i % 23);
    text[LENGTH] = '\0';
    FILE *file = fopen(path, "w");
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    static const size_t rooms[] = {1, 2, 100, LENGTH, LENGTH + 1, LENGTH + 2};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
        memset(seen, '#', LENGTH + 2);
        ck_assert(native->read_file(native->context, path, seen, rooms[i]));
        size_t n = rooms[i] - 1 < LENGTH ? rooms[i] - 1 : LENGTH;
        ck_assert_uint_eq(strlen(seen), n);
        ck_assert_mem_eq(seen, text, n);
        for (size_t b = rooms[i]; b < LENGTH + 2; b++) ck_assert_int_eq(seen[b], '#');
    }
    unlink(path);
    strcpy(seen, "as before");
    ck_assert(!native->read_file(native->context, path, seen, 100));
    ck_assert(native->read_file(native->context, "/proc/self/status", seen, LENGTH)); /* of no size that stat knows */
    ck_assert_uint_gt(strlen(seen), 0);
    free(text);
    free(seen);
}
END_TEST

START_TEST(FilesAreClosed) {
    char text[64];
    int first = open("/dev/null", O_RDONLY);
    close(first);
    for (size_t i = 0; i < 100; i++)
        ck_assert(native->read_file(native->context, "/proc/self/stat", text, sizeof text));
    int second = open("/dev/null", O_RDONLY);
    close(second);
    ck_assert_int_eq(first, second);
}
END_TEST

int main(void) {
    return run_tests("system", TESTS(TheTopologyIsThisMachines, MasksAreTheSchedulers,
                                     PlacesOfTheOpenmpRuntimeAreAllCpusThatItUses, BindingMovesTheCallingThreadAlone,
                                     BoundMemoryIsBound, TheEnvironmentIsTheProcesss, FilesAreReadUpToTheRoomThereIs,
                                     FilesAreClosed));
}
