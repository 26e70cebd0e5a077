/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Limits of memory, the tightest of which counts. */
#include "runtime/memory_limit.h"

#include <stdint.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

static void tighten(hl__memory_limit *limit, size_t bytes, const char *of) {
    if (bytes < limit->bytes) *limit = (hl__memory_limit){.bytes = bytes, .of = of};
}

static void tighten_by_process(hl__memory_limit *limit, int resource, const char *of) {
    struct rlimit own;
    if (getrlimit((__typeof__(RLIMIT_AS))resource, &own) == 0 && own.rlim_cur != RLIM_INFINITY)
        tighten(limit, own.rlim_cur, of);
}

static size_t plus(size_t a, size_t b) { return a > SIZE_MAX - b ? SIZE_MAX : a + b; }

hl__memory_limit hl__memory_limit_find(size_t groups) {
    hl__memory_limit limit = {.bytes = SIZE_MAX, .of = "no limit is known"};
    tighten_by_process(&limit, RLIMIT_AS, "the limit of the process's address space (RLIMIT_AS)");
    tighten_by_process(&limit, RLIMIT_DATA, "the limit of the process's data (RLIMIT_DATA)");
    struct sysinfo machine;
    size_t swap = 0;
    if (sysinfo(&machine) == 0) {
        swap = (size_t)machine.totalswap * machine.mem_unit;
        tighten(&limit, plus((size_t)machine.totalram * machine.mem_unit, swap), "the machine's memory and swap");
    }
    if (groups > 0) tighten(&limit, plus(groups, swap), "the limit of the process's control group, with swap,");
    return limit;
}
