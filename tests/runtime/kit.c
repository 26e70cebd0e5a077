/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Runtimes and graphs for tests. */
#include "tests/runtime/kit.h"

#include <check.h>
#include <sched.h>
#include <stdlib.h>

const size_t kit_workers[N_KIT_WORKERS] = {1, 2, 3, 7};

hl_runtime *kit_runtime(fake_system *fake, const char *topology, const hl_runtime_options *options) {
    fake_system_init(fake, topology);
    hl_runtime *runtime = NULL;
    ck_assert_int_eq(hl__runtime_create_on(&fake->system, options, &runtime), HL_OK);
    ck_assert_uint_eq(hl_runtime_workers(runtime), options->workers);
    return runtime;
}

hl__task_graph kit_graph(const hl__task *tasks, size_t n_tasks, const kit_edge *edges, size_t n_edges) {
    hl__task_builder *builder = NULL;
    ck_assert_int_eq(hl__task_builder_create(&builder), HL_OK);
    hl__task_graph graph = {0};
    uint32_t *level = calloc(n_tasks + 1, sizeof *level);
    ck_assert_ptr_nonnull(level);
    for (uint32_t t = 0, number; t < n_tasks; t++) {
        hl__task task = tasks[t];
        for (size_t e = 0; e < n_edges; e++)
            if (edges[e].after == t && level[edges[e].before] >= task.level) task.level = level[edges[e].before] + 1;
        level[t] = task.level;
        ck_assert_int_eq(hl__task_builder_add(builder, &task, &number), HL_OK);
    }
    for (size_t e = 0; e < n_edges; e++)
        ck_assert_int_eq(hl__task_builder_edge(builder, edges[e].before, edges[e].after), HL_OK);
    ck_assert_int_eq(hl__task_builder_freeze(builder, &graph), HL_OK);
    hl__task_builder_destroy(builder);
    free(level);
    return graph;
}

void kit_wait_for_sleep(hl_runtime *runtime) {
    /* Once all are counted none is left to wake another; each is then about to set its flag, if it has not. */
    while (atomic_load(&runtime->n_parked) < runtime->n_workers) sched_yield();
    for (size_t w = 0; w < runtime->n_workers; w++)
        while (atomic_load(&runtime->workers[w].parked) == 0) sched_yield();
}
