/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The tasks policy: one OpenMP task for each task of the graph, generated in the serial order, with depend clauses for
 * its edges. It is there to be compared with: the same graph, workers, scratch and trace under the OpenMP runtime's own
 * scheduler. Three things follow from that runtime and cannot be mended here: it allocates in every run, it ends the
 * process where it finds no memory for a task, and background tasks yield only where OMP_MAX_TASK_PRIORITY allows it.
 * Nothing is ever given to the loop of worker.c: within next() this runtime runs the tasks of a whole run. What a
 * worker does between two tasks, waiting or looking, is not seen from here: a profile counts all of it as time that was
 * neither work nor idle.
 *
 * Which constructs may stand here: every worker is a thread of the team that the pool has entered, and each calls
 * next() once a run, so that all of them meet the barrier of hl__team_wait equally often, as the standard asks. Waiting
 * there is a task scheduling point; it ends when all tasks of the run have. */
#include "bench/peers/policy_tasks.h"

#include <stdint.h>

#include "runtime/atomic.h"
#include "runtime/pool.h"
#include "runtime/team.h"

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

/* The OpenMP runtime hands the memory of a finished task on to the next one, by means that the thread sanitizer does
 * not see: it must not take what is written here for a race with what the task before read there. The tasks themselves
 * are seen like any other code. */
#define GENERATES __attribute__((noinline, no_sanitize("thread")))

/* Generates one task. It reads the place of each of its successors and writes its own, so a successor, generated later,
 * waits for exactly those that have read its place, which are its predecessors. The usual way round, with the
 * predecessors' places read, would have as many items, and needs lists that the frozen graph does not keep. The places
 * are only names: what stands there is not touched.
 *
 * Not inlined: compilers put the items on the stack, and give them back when the function returns, not in a loop. A
 * task is tied and its kernel has no scheduling point, so the worker that it asks for is its own up to its end. */
static GENERATES void generate(hl_runtime *runtime, const hl__task_graph *graph, uint32_t number) {
    hl__task *tasks = graph->tasks;
    const hl__task *task = &tasks[number];
    /* clang-format off */
#pragma omp task default(none) firstprivate(runtime, task) priority(task->background ? 0 : 1) \
    depend(iterator(uint32_t s = 0 : task->n_successors), in : tasks[graph->successors[task->first_successor + s]]) \
    depend(out : tasks[number])
    /* clang-format on */
    if (task->run) hl__worker_run(&runtime->workers[hl__team_number()], task);
}

/* Within a task of its own, which is not put off: what the OpenMP runtime keeps about places belongs to the task that
 * has generated those who named them. This one ends with its run; the worker's own ends with the runtime. */
static GENERATES void generate_all(hl_runtime *runtime) {
#pragma omp task if (0) default(none) firstprivate(runtime)
    for (uint32_t number = 0; number < runtime->graph->n_tasks; number++) generate(runtime, runtime->graph, number);
}

/* The last worker generates. The first is the host thread, and ends when the runtime does, while the others are kept
 * for other teams, with lists of what they have to give back to whom: LLVM's runtime (14) would go on to give memory
 * back to the host. */
static uint32_t next(hl__worker *worker) {
    if (!ready(worker)) return HL__NO_TASK;
    worker->run_seen++; /* the next run waits for this one, and this one for us: at most one is new */
    hl_runtime *runtime = worker->runtime;
    bool generator = worker->number + 1 == runtime->n_workers;
    if (generator) generate_all(runtime);
    hl__team_wait();
    /* The barrier has ordered what all tasks did before this; who is still leaving it looks at the graph no more. */
    if (generator) hl__run_finished(runtime);
    return HL__NO_TASK;
}

static void done(hl__worker *worker, uint32_t number) { (void)worker, (void)number; /* none is ever given */ }

HL__WORKER_LOOP(loop, next, done)

const hl__policy bench_policy_tasks = {
    .name = "tasks",
    .state_bytes = sizeof(tasks_state),
    .submit = submit,
    .next = next,
    .done = done,
    .loop = loop,
    .ready = ready,
};
