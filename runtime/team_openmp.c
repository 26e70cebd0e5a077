/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A team of OpenMP: OMP_PLACES, OMP_PROC_BIND, OMP_THREAD_LIMIT and OMP_DYNAMIC are obeyed by those who know them. This
 * is the library's only parallel region.
 *
 * OpenMP's runtimes end the process where they are refused a thread, or memory for one. Both are therefore tried before
 * the region is entered, and no more is asked for than there was. What others take between the two comes out of the
 * reserve that probe.h leaves. Threads of LLVM's runtime are among these others where the address space is limited:
 * each allocates when it is started, for which the C library maps up to 128 MiB, while the next are still to come. */
#include <omp.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "runtime/probe.h"
#include "runtime/team.h"

/* Memory that a team may take beside stacks: libgomp's for a team and its threads is some 2 KiB each, LLVM's 10. */
#define TEAM_BYTES ((size_t)1 << 20)
#define MEMBER_BYTES ((size_t)16 << 10)

#ifdef KMP_VERSION_MAJOR
/* Of the stacks of OpenMP's threads. LLVM's runtime adds to what it says 128 bytes for each thread before, so that
 * caches meet less. The C library keeps the stacks of threads that have ended, and must find them large enough. */
static size_t stack_bytes(void) { return kmp_get_stacksize_s() + HL__MAX_TEAM * (size_t)128; }
#else
/* Of the stacks of OpenMP's threads; 0: the default of the process. */
static size_t stack_bytes(void) {
    static const char *const names[] = {"OMP_STACKSIZE", "GOMP_STACKSIZE"}; /* libgomp's come in this order */
    size_t bytes = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names && bytes == 0; i++) {
        const char *text = getenv(names[i]);
        if (text) bytes = hl__probe_stack_bytes(text);
    }
    return bytes;
}
#endif

hl_status hl__team_run(size_t n, void (*body)(void *argument), void *argument) {
    size_t limit = (size_t)omp_get_thread_limit();
    if (n > limit) n = limit;
    size_t bytes = TEAM_BYTES + n * MEMBER_BYTES;
    void *held = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (held == MAP_FAILED) return HL_OUT_OF_MEMORY;
    n = 1 + hl__probe_threads(n - 1, stack_bytes());
    munmap(held, bytes); /* only here: the C library keeps the stacks of threads that have ended */
#pragma omp parallel num_threads((int)n)
    body(argument);
    return HL_OK;
}

size_t hl__team_size(void) { return (size_t)omp_get_num_threads(); }

size_t hl__team_number(void) { return (size_t)omp_get_thread_num(); }

void hl__team_wait(void) {
#pragma omp barrier
}
