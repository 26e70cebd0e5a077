/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Times of a trace are brought into the order of what happened (why, and why that is right: runtime/trace.h). Run by
 * run, tasks are visited behind all that they waited for: their predecessors in the graph, and what their worker did
 * before (Kahn 1962, "Topological sorting of large networks"). What left no event, joins among it, hands on the time at
 * which it could have begun. Linear in the tasks and edges of the runs. */
#include "runtime/memory.h"
#include "runtime/trace.h"

#define NO_TASK UINT32_MAX

typedef struct node { /* a task of the run */
    uint64_t ready;   /* the end of all that it waited for, as far as visited */
    hl__event *event; /* NULL: it left none */
    uint32_t next;    /* task of its worker, or NO_TASK */
    uint32_t waits;   /* for so many; once for none, the task below it on the stack, or NO_TASK */
} node;

typedef struct settling {
    const hl__trace *trace;
    const hl__trace_row *rows;
    size_t n_rows;
    size_t *done;  /* events of each row */
    node *nodes;   /* room for the largest graph */
    uint32_t top;  /* of the stack */
    uint64_t last; /* end of all runs before */
} settling;

static uint64_t later(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* The first event of the earliest run that is left, or NULL. */
static const hl__event *find_run(const settling *s) {
    const hl__event *found = NULL;
    for (size_t r = 0; r < s->n_rows; r++) {
        const hl__events *events = s->rows[r].events;
        if (s->done[r] == events->n_events) continue;
        const hl__event *event = &events->event[s->done[r]];
        if (!found || event->run < found->run) found = event;
    }
    return found;
}

static const hl__traced_graph *graph_of(const hl__trace *trace, uint32_t task) {
    size_t low = 0, high = trace->n_graphs; /* it is among these */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (trace->graphs[middle].first_task <= task) low = middle;
        else high = middle;
    }
    return &trace->graphs[low];
}

static void open_nodes(settling *s, const hl__traced_graph *graph) {
    for (size_t t = 0; t < graph->n_tasks; t++)
        s->nodes[t] =
            (node){.ready = s->last, .next = NO_TASK, .waits = s->trace->tasks[graph->first_task + t].n_predecessors};
}

/* Hangs the run's events onto their tasks, and the tasks of each worker behind each other. */
static void take_events(settling *s, const hl__traced_graph *graph, uint32_t run) {
    for (size_t r = 0; r < s->n_rows; r++) {
        const hl__events *events = s->rows[r].events;
        node *before = NULL;
        for (; s->done[r] < events->n_events && events->event[s->done[r]].run == run; s->done[r]++) {
            hl__event *event = &events->event[s->done[r]];
            uint32_t number = event->task - (uint32_t)graph->first_task;
            s->nodes[number].event = event;
            if (before) {
                before->next = number;
                s->nodes[number].waits++;
            }
            before = &s->nodes[number];
        }
    }
}

static void push(settling *s, uint32_t number) {
    s->nodes[number].waits = s->top;
    s->top = number;
}

static void release(settling *s, uint32_t number, uint64_t end) {
    node *at = &s->nodes[number];
    at->ready = later(at->ready, end);
    if (--at->waits == 0) push(s, number);
}

static void visit(settling *s, const hl__traced_graph *graph, uint32_t number) {
    const node *at = &s->nodes[number];
    uint64_t end = at->ready;
    if (at->event) {
        at->event->begin = later(at->event->begin, at->ready);
        at->event->end = end = later(at->event->end, at->event->begin);
    }
    s->last = later(s->last, end);
    const hl__traced_task *task = &s->trace->tasks[graph->first_task + number];
    size_t first = graph->first_successor + task->first_successor;
    for (size_t i = 0; i < task->n_successors; i++) release(s, s->trace->successors[first + i], end);
    if (at->next != NO_TASK) release(s, at->next, end);
}

static void settle_run(settling *s, const hl__traced_graph *graph, uint32_t run) {
    open_nodes(s, graph);
    take_events(s, graph, run);
    s->top = NO_TASK;
    for (uint32_t t = 0; t < graph->n_tasks; t++)
        if (s->nodes[t].waits == 0) push(s, t);
    while (s->top != NO_TASK) {
        uint32_t number = s->top;
        s->top = s->nodes[number].waits;
        visit(s, graph, number);
    }
}

hl_status hl__trace_settle(const hl__trace *trace, const hl__trace_row *rows, size_t n_rows) {
    size_t most = 0;
    for (size_t i = 0; i < trace->n_graphs; i++)
        if (trace->graphs[i].n_tasks > most) most = trace->graphs[i].n_tasks;
    settling s = {.trace = trace, .rows = rows, .n_rows = n_rows};
    s.done = hl__allocate(n_rows, sizeof *s.done);
    s.nodes = hl__allocate(most, sizeof *s.nodes);
    bool good = s.done && s.nodes;
    if (good)
        for (const hl__event *event; (event = find_run(&s));) settle_run(&s, graph_of(trace, event->task), event->run);
    hl__release(s.done);
    hl__release(s.nodes);
    return good ? HL_OK : HL_OUT_OF_MEMORY;
}
