/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What tests of runs share: a runtime on a machine made up by the test, and small graphs written down as lists. */
#ifndef HL_TESTS_RUNTIME_KIT_H
#define HL_TESTS_RUNTIME_KIT_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/pool.h"
#include "tests/runtime/fake_system.h"

/* How often to repeat what chance decides: less often where each time takes some hundred times as long. */
#ifdef HEADLOOM_VALGRIND
#define KIT_ROUNDS(n) ((n) > 20 ? (n) / 20 : 1)
#else
#define KIT_ROUNDS(n) (n)
#endif

#define N_KIT_WORKERS 4 /* 7 is more than most machines that run this have cores for */
extern const size_t kit_workers[N_KIT_WORKERS];

typedef struct kit_edge {
    uint32_t before, after;
} kit_edge;

/* Fails the test unless the runtime is made, and with as many workers. fake must outlive it. */
hl_runtime *kit_runtime(fake_system *fake, const char *topology, const hl_runtime_options *options);

/* A frozen graph. A task without level gets the lowest that rises along its edges. */
hl__task_graph kit_graph(const hl__task *tasks, size_t n_tasks, const kit_edge *edges, size_t n_edges);

/* Waits until all workers sleep. */
void kit_wait_for_sleep(hl_runtime *runtime);

#endif
