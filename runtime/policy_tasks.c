/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The tasks policy: one OpenMP task for each task of the graph, generated in the serial order, with depend clauses for
 * its edges. It is there to be compared with: the same graph, workers, scratch and trace under the OpenMP runtime's own
 * scheduler. Three things follow from that runtime and cannot be mended here: it allocates in every run, it ends the
 * process where it finds no memory for a task, and background tasks yield only where OMP_MAX_TASK_PRIORITY allows it.
 * What a worker does between two tasks, waiting or looking, is not seen from here: a profile counts all of it as time
 * that was neither work nor idle.
 *
 * Which constructs may stand here: every worker is a thread of the team that the pool has entered, and each calls
 * work() once a run, so that all of them meet the barrier below equally often, as the standard asks. Waiting there is a
 * task scheduling point; it ends when all tasks of the run have. */
#include <omp.h>
#include <stdint.h>

#include "runtime/atomic.h"
#include "runtime/policy.h"
#include "runtime/pool.h"

typedef struct tasks_state {
    _Atomic uint64_t run; /* number of the last run submitted */
} tasks_state;

static void submit(hl_runtime *runtime) {
    tasks_state *state = runtime->policy_state;
    /* seq_cst: publishes the graph, and comes before the look for sleepers. */
    hl__atomic_fetch_add(tasks_submit, &state->run, 1, seq_cst);
    hl__wake_anywhere(runtime, 0, runtime->n_workers);
}

static bool ready(const hl__worker *worker) {
    const tasks_state *state = worker->runtime->policy_state;
    /* seq_cst: as policy.h asks. */
    return hl__atomic_load(tasks_ready, &state->run, seq_cst) != worker->run_seen;
}

/* Generates one task. It reads the place of each of its successors and writes its own, so a successor, generated later,
 * waits for exactly those that have read its place, which are its predecessors. The usual way round, with the
 * predecessors' places read, would have as many items, and needs lists that the frozen graph does not keep. The places
 * are only names: what stands there is not touched.
 *
 * Not inlined: compilers put the items on the stack, and give them back when the function returns, not in a loop. A
 * task is tied and its kernel has no scheduling point, so the worker that it asks for is its own up to its end. */
static __attribute__((noinline)) void generate(hl_runtime *runtime, const hl__task_graph *graph, uint32_t number) {
    hl__task *tasks = graph->tasks;
    const hl__task *task = &tasks[number];
    /* clang-format off */
#pragma omp task default(none) firstprivate(runtime, task) priority(task->background ? 0 : 1) \
    depend(iterator(uint32_t s = 0 : task->n_successors), in : tasks[graph->successors[task->first_successor + s]]) \
    depend(out : tasks[number])
    /* clang-format on */
    if (task->run) hl__worker_run(&runtime->workers[omp_get_thread_num()], task);
}

static void generate_all(hl_runtime *runtime) {
    const hl__task_graph *graph = runtime->graph;
    for (uint32_t number = 0; number < graph->n_tasks; number++) generate(runtime, graph, number);
}

static void work(hl__worker *worker) {
    if (!ready(worker)) return;
    worker->run_seen++; /* the next run waits for this one, and this one for us: at most one is new */
    hl_runtime *runtime = worker->runtime;
    if (worker->number == 0) {
        /* The generator is a task, too: what the OpenMP runtime keeps about places belongs to the task that has
         * generated those who named them, and this one ends with its run, while the worker's own is never over. */
#pragma omp task default(none) firstprivate(runtime) priority(1)
        generate_all(runtime);
    }
#pragma omp barrier
    /* The barrier has ordered what all tasks did before this; who is still leaving it looks at the graph no more. */
    if (worker->number == 0) hl__run_finished(runtime);
}

const hl__policy hl__policy_TASKS = {
    .name = "tasks",
    .state_bytes = sizeof(tasks_state),
    .submit = submit,
    .work = work,
    .ready = ready,
};
