/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A team of OpenMP: OMP_PLACES, OMP_PROC_BIND, OMP_THREAD_LIMIT and OMP_DYNAMIC are obeyed by those who know them. This
 * is the library's only parallel region. */
#include <omp.h>

#include "runtime/team.h"

void hl__team_run(size_t n, void (*body)(void *argument), void *argument) {
#pragma omp parallel num_threads((int)n)
    body(argument);
}

size_t hl__team_size(void) { return (size_t)omp_get_num_threads(); }

size_t hl__team_number(void) { return (size_t)omp_get_thread_num(); }

void hl__team_wait(void) {
#pragma omp barrier
}
