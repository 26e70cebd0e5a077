/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a trace of a training step shows: every tile once, never two slices of a worker at the same time, a tile never
 * before those it waits for; with the dataflow policy tiles of different operators at the same time, with the levels
 * policy never. All is read from the file that is written. */
#include <stdio.h>
#include <unistd.h>

#include "graph/program.h"
#include "tests/graph/training.h"
#include "tests/support/suite.h"

static const two_block_sizes sizes = {
    .batch = 4, .tokens = 128, .width = 64, .heads = 4, .hidden = 192, .classes = 9, .words = 50, .dropout = 0.1f};

typedef struct slice {
    char name[64];
    size_t worker, task; /* task: among the program's */
    uint64_t begin_ns, end_ns;
    uint32_t index[HL__TASK_GRID_RANK];
} slice;

typedef struct trace {
    slice *slices; /* sorted by begin */
    size_t n;
} trace;

static int earlier(const void *a, const void *b) {
    const slice *x = a, *y = b;
    return (x->begin_ns > y->begin_ns) - (x->begin_ns < y->begin_ns);
}

/* Each event is a line of its own; "ts" and "dur" are microseconds with three digits behind the point. */
static bool parse(const char *line, slice *s) {
    unsigned long long begin_us, begin_ns, us, ns;
    if (sscanf(line,
               "{\"ph\":\"X\",\"pid\":1,\"tid\":%zu,\"name\":\"%63[^\"]\",\"ts\":%llu.%3llu,\"dur\":%llu.%3llu,"
               "\"args\":{\"index\":[%u,%u,%u,%u]}}",
               &s->worker, s->name, &begin_us, &begin_ns, &us, &ns, &s->index[0], &s->index[1], &s->index[2],
               &s->index[3]) != 10)
        return false;
    s->begin_ns = begin_us * 1000 + begin_ns;
    s->end_ns = s->begin_ns + us * 1000 + ns;
    return true;
}

static trace read_trace(const char *path, size_t room) {
    trace t = {.slices = calloc(room, sizeof *t.slices)};
    char line[512];
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file)) {
        if (!strstr(line, "\"ph\":\"X\"")) continue;
        ck_assert_uint_lt(t.n, room);
        ck_assert_msg(parse(line, &t.slices[t.n]), "not understood: %s", line);
        t.n++;
    }
    fclose(file);
    qsort(t.slices, t.n, sizeof *t.slices, earlier);
    return t;
}

typedef struct traced {
    training t;
    hl_runtime *runtime;
    hl_state *state;
    hl_program *program;
    size_t n_tiles;
    char path[64];
} traced;

static traced open_traced(size_t workers, hl_policy policy) {
    traced d = {.t = training_open(&sizes, 1), .state = kit_state()};
    d.runtime = kit_runtime_of(&(hl_runtime_options){.workers = workers, .policy = policy, .trace_events = 1 << 14});
    d.program = training_program(&d.t, d.runtime, d.state, (hl_tensor *[]){d.t.model.loss, d.t.adamw}, 2);
    for (size_t i = 0; i < d.program->tasks.n_tasks; i++) d.n_tiles += d.program->tasks.tasks[i].run != NULL;
    snprintf(d.path, sizeof d.path, "/tmp/headloom-trace-%ld.json", (long)getpid());
    return d;
}

static void close_traced(traced *d) {
    remove(d->path);
    hl_program_destroy(d->program);
    hl_state_destroy(d->state);
    hl_runtime_destroy(d->runtime);
    training_close(&d->t);
}

/* The trace of one more step; the caller frees its slices. */
static trace trace_step(traced *d) {
    ck_assert_int_eq(hl_runtime_trace_clear(d->runtime), HL_OK);
    training_step(&d->t, d->program);
    ck_assert_int_eq(hl_runtime_trace_write(d->runtime, d->path), HL_OK);
    return read_trace(d->path, d->n_tiles + 1);
}

/* Finds each slice's task, by name and index; every tile must be there once. */
static void match(const traced *d, trace *t) {
    const hl__task_graph *tasks = &d->program->tasks;
    ck_assert_uint_eq(t->n, d->n_tiles);
    char *seen = calloc(tasks->n_tasks, 1);
    for (size_t s = 0; s < t->n; s++) {
        size_t i = 0;
        while (i < tasks->n_tasks &&
               (seen[i] || !tasks->tasks[i].run || strcmp(tasks->names[tasks->tasks[i].name], t->slices[s].name) != 0 ||
                memcmp(tasks->tasks[i].index, t->slices[s].index, sizeof t->slices[s].index)))
            i++;
        ck_assert_msg(i < tasks->n_tasks, "no tile (%u, %u, %u, %u) of %s is left", t->slices[s].index[0],
                      t->slices[s].index[1], t->slices[s].index[2], t->slices[s].index[3], t->slices[s].name);
        seen[i] = 1;
        t->slices[s].task = i;
    }
    free(seen);
}

/* Calls visit for each two slices that overlap, the earlier one first. */
typedef void visit_function(const traced *d, const slice *a, const slice *b, void *context);

static void each_overlap(const traced *d, const trace *t, visit_function *visit, void *context) {
    for (size_t a = 0; a < t->n; a++)
        for (size_t b = a + 1; b < t->n && t->slices[b].begin_ns < t->slices[a].end_ns; b++)
            visit(d, &t->slices[a], &t->slices[b], context);
}

typedef struct overlaps {
    size_t n_operators; /* slices of different operators, */
    size_t n_dependent; /* and one operator reads what the other computes */
    char words[160];
} overlaps;

/* True where some tile of call `b` waits for a tile of call `a`. */
static bool waits_for(const hl__task_graph *tasks, uint32_t a, uint32_t b) {
    for (size_t i = 0; i < tasks->n_tasks; i++) {
        if (!tasks->tasks[i].run || tasks->tasks[i].name != a) continue;
        for (size_t s = 0; s < tasks->tasks[i].n_successors; s++) {
            const hl__task *next = &tasks->tasks[tasks->successors[tasks->tasks[i].first_successor + s]];
            if (next->run && next->name == b) return true;
            for (size_t j = 0; !next->run && j < next->n_successors; j++) /* through a join */
                if (tasks->tasks[tasks->successors[next->first_successor + j]].name == b) return true;
        }
    }
    return false;
}

static void count_overlap(const traced *d, const slice *a, const slice *b, void *context) {
    overlaps *found = context;
    const hl__task_graph *tasks = &d->program->tasks;
    ck_assert_msg(a->worker != b->worker, "worker %zu runs %s and %s at the same time", a->worker, a->name, b->name);
    if (strcmp(a->name, b->name) == 0) return;
    found->n_operators++;
    found->n_dependent += waits_for(tasks, tasks->tasks[a->task].name, tasks->tasks[b->task].name);
}

/* A tile waits for its predecessors, joins included. */
static void check_order(const traced *d, const trace *t) {
    const hl__task_graph *tasks = &d->program->tasks;
    uint64_t *ready = calloc(tasks->n_tasks, sizeof *ready);
    const slice **of = calloc(tasks->n_tasks, sizeof *of);
    for (size_t s = 0; s < t->n; s++) of[t->slices[s].task] = &t->slices[s];
    for (size_t i = 0; i < tasks->n_tasks; i++) { /* edges rise */
        uint64_t end = of[i] ? of[i]->end_ns : ready[i];
        if (of[i]) ck_assert_msg(of[i]->begin_ns >= ready[i], "a tile of %s starts too early", of[i]->name);
        for (size_t e = 0; e < tasks->tasks[i].n_successors; e++) {
            uint32_t next = tasks->successors[tasks->tasks[i].first_successor + e];
            if (ready[next] < end) ready[next] = end;
        }
    }
    free(ready);
    free(of);
}

/* Nothing is asserted about time: a step on a machine that is busy elsewhere may show no overlap, since workers may
 * never have run at once, so steps are repeated until one does. A scheduler that waits at the end of each operator
 * would never show one. */
enum { MOST_STEPS = 500 };

START_TEST(TilesOfDifferentOperatorsRunAtTheSameTime) {
    for (size_t workers = 2; workers <= 3; workers++) {
        traced d = open_traced(workers, HL_POLICY_DATAFLOW);
        overlaps found = {0};
        for (size_t step = 0; step < MOST_STEPS && found.n_dependent == 0; step++) {
            trace t = trace_step(&d);
            match(&d, &t);
            check_order(&d, &t);
            each_overlap(&d, &t, count_overlap, &found);
            free(t.slices);
        }
        ck_assert_msg(found.n_operators > 0, "%zu workers never ran tiles of different operators at once", workers);
        ck_assert_msg(found.n_dependent > 0, "%zu workers never ran an operator beside one that waits for it", workers);
        close_traced(&d);
    }
}
END_TEST

static void same_level(const traced *d, const slice *a, const slice *b, void *context) {
    const hl__task *tasks = d->program->tasks.tasks;
    size_t *n = context;
    ck_assert_msg(a->worker != b->worker, "worker %zu runs %s and %s at the same time", a->worker, a->name, b->name);
    ck_assert_msg(tasks[a->task].level == tasks[b->task].level && strcmp(a->name, b->name) == 0,
                  "%s (level %u) and %s (level %u) run at the same time", a->name, tasks[a->task].level, b->name,
                  tasks[b->task].level);
    ++*n;
}

START_TEST(LevelsNeverOverlap) {
    traced d = open_traced(2, HL_POLICY_LEVELS);
    size_t n_together = 0;
    for (size_t step = 0; step < 3 || (n_together == 0 && step < MOST_STEPS); step++) {
        trace t = trace_step(&d);
        match(&d, &t);
        check_order(&d, &t);
        each_overlap(&d, &t, same_level, &n_together);
        free(t.slices);
    }
    ck_assert_uint_gt(n_together, 0); /* within a level they do */
    close_traced(&d);
}
END_TEST

static void fail_overlap(const traced *d, const slice *a, const slice *b, void *context) {
    (void)d;
    (void)context;
    ck_abort_msg("%s and %s run at the same time", a->name, b->name);
}

START_TEST(SerialRunsAreInTheReferenceOrder) {
    traced d = open_traced(2, HL_POLICY_SERIAL);
    trace t = trace_step(&d);
    match(&d, &t);
    check_order(&d, &t);
    each_overlap(&d, &t, fail_overlap, NULL);
    for (size_t s = 1; s < t.n; s++) {
        ck_assert_uint_eq(t.slices[s].worker, 0);
        ck_assert_uint_lt(t.slices[s - 1].task, t.slices[s].task);
    }
    free(t.slices);
    close_traced(&d);
}
END_TEST

START_TEST(TracedTrainingGivesTheSameBits) {
    traced d = open_traced(3, HL_POLICY_DATAFLOW);
    hl_runtime *runtime = kit_runtime(1);
    hl_state *state = kit_state();
    hl_program *program = training_program(&d.t, runtime, state, (hl_tensor *[]){d.t.model.loss, d.t.adamw}, 2);
    for (int step = 0; step < 3; step++)
        ck_assert_float_eq(training_step(&d.t, d.program), training_step(&d.t, program));
    snapshot expected = snapshot_of(state);
    ck_assert(snapshot_holds(&expected, d.state));
    free(expected.bytes);
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    close_traced(&d);
}
END_TEST

int main(void) {
    return run_tests("graph/program trace", TESTS(TilesOfDifferentOperatorsRunAtTheSameTime, LevelsNeverOverlap,
                                                  SerialRunsAreInTheReferenceOrder, TracedTrainingGivesTheSameBits));
}
