/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Dumps: pictures are sound Graphviz, parsed here by its grammar, and show every node, leaf, tile and edge once; the
 * texts of the stages name what the stage made; a path that cannot be written, or a full disk, is reported. */
#include <ctype.h>
#include <stdio.h>
#include <unistd.h>

#include "graph/place.h"
#include "graph/program.h"
#include "tests/graph/linked.h"
#include "tests/support/suite.h"

/* ---- files ---- */

static const char *scratch_path(void) {
    static char path[64];
    snprintf(path, sizeof path, "/tmp/headloom_dump_%ld", (long)getpid());
    return path;
}

/* The file's text; the file is removed. */
static char *take_file(void) {
    FILE *in = fopen(scratch_path(), "r");
    ck_assert_ptr_nonnull(in);
    ck_assert_int_eq(fseek(in, 0, SEEK_END), 0);
    long size = ftell(in);
    ck_assert_int_ge(size, 0);
    rewind(in);
    char *text = calloc((size_t)size + 1, 1);
    ck_assert_uint_eq(fread(text, 1, (size_t)size, in), (size_t)size);
    fclose(in);
    remove(scratch_path());
    return text;
}

static size_t count_lines(const char *text) {
    size_t n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

static size_t count(const char *text, const char *part) {
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part)) n++;
    return n;
}

/* ---- Graphviz's language, as far as it is used: statements of nodes, edges, subgraphs, defaults and attributes ----
 */

#define MAX_DOT 4000

typedef struct dot_node {
    char id[24], label[160], shape[24];
    size_t cluster; /* 0: none */
} dot_node;

typedef struct dot {
    const char *at;
    char token[200];
    bool quoted;
    dot_node nodes[MAX_DOT];
    char edges[MAX_DOT * 4][2][24];
    char clusters[MAX_DOT][160]; /* labels; number 0 is no cluster */
    size_t n_nodes, n_edges, n_clusters;
} dot;

/* The next token: an identifier or number, a quoted string without its escapes, or a mark. Empty at the end. */
static void next(dot *d) {
    while (isspace((unsigned char)*d->at)) d->at++;
    size_t n = 0;
    d->quoted = *d->at == '"';
    if (d->quoted) {
        for (d->at++; *d->at != '"'; d->at++) {
            ck_assert_msg(*d->at != '\0', "a string without end");
            bool escaped = *d->at == '\\';
            if (escaped) d->at++;
            if (n + 1 < sizeof d->token) d->token[n++] = escaped && *d->at == 'n' ? '\n' : *d->at;
        }
        d->at++;
    } else if (isalnum((unsigned char)*d->at) || *d->at == '_') {
        while (isalnum((unsigned char)*d->at) || *d->at == '_') {
            ck_assert_uint_lt(n + 1, sizeof d->token);
            d->token[n++] = *d->at++;
        }
    } else if (d->at[0] == '-' && d->at[1] == '>') {
        d->token[n++] = *d->at++;
        d->token[n++] = *d->at++;
    } else if (*d->at) {
        ck_assert_msg(strchr("{}[]=;,", *d->at) != NULL, "'%c' where a statement should go on", *d->at);
        d->token[n++] = *d->at++;
    }
    d->token[n] = '\0';
}

static bool is(const dot *d, const char *mark) { return !d->quoted && strcmp(d->token, mark) == 0; }

static void expect(dot *d, const char *mark) {
    ck_assert_msg(is(d, mark), "'%s' where '%s' should be", d->token, mark);
    next(d);
}

/* [name=value, ...], where there is one. */
static void attributes(dot *d, dot_node *node) {
    if (!is(d, "[")) return;
    next(d);
    while (!is(d, "]")) {
        char name[24];
        ck_assert_uint_lt(strlen(d->token), sizeof name);
        strcpy(name, d->token);
        next(d);
        expect(d, "=");
        if (node && strcmp(name, "label") == 0) snprintf(node->label, sizeof node->label, "%.159s", d->token);
        if (node && strcmp(name, "shape") == 0) snprintf(node->shape, sizeof node->shape, "%.23s", d->token);
        next(d);
        if (is(d, ",")) next(d);
    }
    next(d);
}

static void statements(dot *d, size_t cluster) {
    while (!is(d, "}")) {
        char id[24];
        if (is(d, "subgraph")) {
            next(d);
            ck_assert_int_eq(strncmp(d->token, "cluster", 7), 0); /* only these are drawn as boxes */
            next(d);
            expect(d, "{");
            ck_assert_uint_lt(d->n_clusters + 1, MAX_DOT);
            statements(d, ++d->n_clusters);
            expect(d, "}");
            continue;
        }
        ck_assert_uint_lt(strlen(d->token), sizeof id);
        ck_assert_msg(isalpha((unsigned char)d->token[0]), "'%s' is no identifier", d->token);
        strcpy(id, d->token);
        next(d);
        if (is(d, "=")) {
            next(d);
            if (strcmp(id, "label") == 0) snprintf(d->clusters[cluster], sizeof d->clusters[0], "%.159s", d->token);
            next(d);
        } else if (is(d, "->")) {
            next(d);
            ck_assert_uint_lt(d->n_edges, MAX_DOT * 4);
            strcpy(d->edges[d->n_edges][0], id);
            snprintf(d->edges[d->n_edges++][1], sizeof id, "%.23s", d->token);
            next(d);
            attributes(d, NULL);
        } else if (strcmp(id, "node") == 0 || strcmp(id, "edge") == 0) {
            attributes(d, NULL);
        } else {
            ck_assert_uint_lt(d->n_nodes, MAX_DOT);
            dot_node *node = &d->nodes[d->n_nodes++];
            node->cluster = cluster;
            strcpy(node->id, id);
            attributes(d, node);
        }
        expect(d, ";");
    }
}

static const dot_node *find_node(const dot *d, const char *id) {
    for (size_t i = 0; i < d->n_nodes; i++)
        if (strcmp(d->nodes[i].id, id) == 0) return &d->nodes[i];
    return NULL;
}

/* The scratch file as a graph: every edge joins two nodes that are declared, each of them once. */
static dot *take_dot(void) {
    char *text = take_file();
    dot *d = calloc(1, sizeof *d);
    d->at = text;
    next(d);
    expect(d, "digraph");
    ck_assert(isalpha((unsigned char)d->token[0]));
    next(d);
    expect(d, "{");
    statements(d, 0);
    expect(d, "}");
    ck_assert_str_eq(d->token, "");
    for (size_t i = 0; i < d->n_nodes; i++) ck_assert_ptr_eq(find_node(d, d->nodes[i].id), &d->nodes[i]);
    for (size_t i = 0; i < d->n_edges; i++)
        for (size_t end = 0; end < 2; end++)
            ck_assert_msg(find_node(d, d->edges[i][end]) != NULL, "an edge at '%s', which is no node",
                          d->edges[i][end]);
    free(text);
    return d;
}

/* ---- a small model: attention, loss, gradient, training step ---- */

typedef struct model {
    hl_graph *graph;
    hl_tensor *x, *w, *heads, *p, *loss, *dx, *step, *looked_up;
} model;

static model model_open(void) {
    model m = {.graph = kit_graph()};
    hl_graph *g = m.graph;
    m.x = hl_input(g, "the \"x\" of C:\\data {0}", HL_F32, HL_SHAPE(2, 5, 8));
    m.w = kit_param(g, "w", HL_SHAPE(8, 2, 4));
    m.heads = hl_name(g, hl_project(g, m.x, m.w, NULL), "heads \\ of \"x\"");
    m.p = hl_softmax(g, hl_score(g, m.heads, m.heads, NULL));
    m.loss = hl_name(g, hl_mean(g, hl_weight(g, m.p, m.heads), 0, false), "loss");
    hl_tensor *table = hl_exp(g, hl_input(g, "table", HL_F32, HL_SHAPE(20, 8))); /* all of it, for every tile */
    m.looked_up = hl_embedding(g, table, hl_input(g, "index", HL_I32, HL_SHAPE(64)));
    m.dx = hl_gradient(g, m.loss, m.x);
    m.step = hl_adamw(g, m.loss, &(hl_adamw_options){.rate = hl_input(g, "rate", HL_F32, HL_SCALAR)});
    kit_assert_ok(g, hl_graph_status(g));
    return m;
}

/* A program with so many nodes, without a runtime: dumps look at what was compiled only. */
static hl_program *compile(const model *m, hl_tensor **outputs, size_t n, size_t n_homes) {
    linked l;
    linked_make(&l, m->graph, outputs, n, n_homes);
    hl_program *program = calloc(1, sizeof *program);
    program->graph = m->graph;
    program->ir = l.ir;
    program->plan = l.plan;
    program->tasks = l.tasks;
    program->counts = l.counts;
    program->outputs = outputs;
    program->n_outputs = n;
    return program;
}

static void discard(hl_program *program) {
    hl__task_graph_clear(&program->tasks);
    hl__ir_clear(&program->ir);
    free(program);
}

static char *dump(const hl_program *program, hl_stage stage) {
    ck_assert_int_eq(hl_program_dump(program, stage, scratch_path()), HL_OK);
    return take_file();
}

/* ---- graphs ---- */

START_TEST(TheGraphsPictureShowsEveryNodeLeafAndOperand) {
    model m = model_open();
    ck_assert_int_eq(hl_graph_dump_dot(m.graph, scratch_path()), HL_OK);
    dot *d = take_dot();
    size_t n_nodes = 0, n_edges = 0;
    char id[24], type[HL_SHAPE_TEXT + 8], shape[HL_SHAPE_TEXT];
    for (const hl_tensor *t = m.graph->tensors; t; t = t->next) {
        if (t->kind == HL__TENSOR_OUTPUT) continue;
        snprintf(id, sizeof id, "t%u", t->id);
        const dot_node *leaf = find_node(d, id);
        ck_assert_msg(leaf != NULL, "'%s' is missing", t->name);
        kit_assert_says(leaf->label, t->name); /* the quotes and strokes of names arrive as they are */
        snprintf(type, sizeof type, "\n%s %s", hl_dtype_name(t->dtype), hl_shape_text(&t->shape, shape, sizeof shape));
        kit_assert_says(leaf->label, type);
        n_nodes++;
        n_edges += t->kind == HL__TENSOR_GRADIENT;
    }
    for (const hl__node *n = m.graph->nodes; n; n = n->next) {
        snprintf(id, sizeof id, "n%u", n->id);
        const dot_node *node = find_node(d, id);
        ck_assert_msg(node != NULL, "'%s' is missing", n->name);
        kit_assert_says(node->label, n->name);
        kit_assert_says(node->label, n->op->name); /* "loss" alone would not say what it is */
        n_nodes++;
        n_edges += n->n_after;
        for (size_t i = 0; i < n->n_inputs; i++) n_edges += n->inputs[i] != NULL;
    }
    ck_assert_uint_eq(d->n_nodes, n_nodes);
    ck_assert_uint_eq(d->n_edges, n_edges);
    free(d);
    hl_graph_destroy(m.graph);
}
END_TEST

START_TEST(EdgesOfTheGraphRunFromOperandsToNodes) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(3, 4)), *y = hl_tanh(g, x), *z = hl_add(g, y, x);
    ck_assert_int_eq(hl_graph_dump_dot(g, scratch_path()), HL_OK);
    dot *d = take_dot();
    char wanted[3][2][24] = {{"t0", "n0"}, {"n0", "n1"}, {"t0", "n1"}};
    ck_assert_uint_eq(z->node->id, 1);
    ck_assert_uint_eq(d->n_edges, 3);
    for (size_t i = 0; i < 3; i++) {
        size_t found = 0;
        for (size_t k = 0; k < 3; k++)
            found += strcmp(d->edges[k][0], wanted[i][0]) == 0 && strcmp(d->edges[k][1], wanted[i][1]) == 0;
        ck_assert_uint_eq(found, 1);
    }
    free(d);
    hl_graph_destroy(g);
}
END_TEST

START_TEST(AConstantIsDrawnAsALeaf) {
    hl_graph *g = kit_graph();
    hl_tanh(g, hl_constant(g, "c", HL_F32, HL_SHAPE(3), (float[]){1, 2, 3}));
    ck_assert_int_eq(hl_graph_dump_dot(g, scratch_path()), HL_OK);
    dot *d = take_dot();
    const dot_node *leaf = find_node(d, "t0");
    ck_assert_ptr_nonnull(leaf);
    kit_assert_says(leaf->label, "c\nf32 [3]");
    ck_assert_uint_eq(d->n_nodes, 2);
    ck_assert_uint_eq(d->n_edges, 1);
    free(d);
    hl_graph_destroy(g);
}
END_TEST

START_TEST(AnEmptyGraphHasAPictureAndOneWithAnErrorHasNone) {
    hl_graph *g = kit_graph();
    ck_assert_int_eq(hl_graph_dump_dot(g, scratch_path()), HL_OK);
    dot *d = take_dot();
    ck_assert_uint_eq(d->n_nodes + d->n_edges, 0);
    free(d);
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(3, 4)), *y = hl_input(g, "y", HL_F32, HL_SHAPE(5));
    ck_assert_ptr_null(hl_add(g, x, y));
    ck_assert_int_eq(hl_graph_dump_dot(g, scratch_path()), HL_SHAPE_MISMATCH);
    ck_assert_int_ne(access(scratch_path(), F_OK), 0);
    hl_graph_destroy(g);
}
END_TEST

/* ---- programs ---- */

START_TEST(TheProgramsPictureShowsEveryTileInItsCallAndEveryEdge) {
    model m = model_open();
    hl_tensor *outputs[] = {m.loss, m.dx, m.step, m.looked_up};
    hl_program *program = compile(&m, outputs, 4, 1);
    ck_assert_int_eq(hl_program_dump_dot(program, scratch_path()), HL_OK);
    dot *d = take_dot();
    ck_assert_uint_eq(d->n_clusters, program->ir.n_calls);
    ck_assert_uint_eq(d->n_nodes, program->tasks.n_tasks);
    ck_assert_uint_eq(d->n_edges, program->tasks.n_successors);
    size_t n_joins = 0;
    for (size_t t = 0; t < program->tasks.n_tasks; t++) {
        const hl__task *task = &program->tasks.tasks[t];
        char id[24], label[64];
        snprintf(id, sizeof id, "t%zu", t);
        const dot_node *node = find_node(d, id);
        ck_assert_ptr_nonnull(node);
        n_joins += !task->run;
        if (!task->run) {
            ck_assert_uint_eq(node->cluster, 0);
            ck_assert_str_eq(node->shape, "point");
            continue;
        }
        ck_assert_str_eq(d->clusters[node->cluster], program->tasks.names[task->name]);
        snprintf(label, sizeof label, "%u,%u,%u,%u", task->index[0], task->index[1], task->index[2], task->index[3]);
        ck_assert_str_eq(node->label, label);
    }
    ck_assert_uint_gt(n_joins, 0);
    for (size_t e = 0; e < d->n_edges; e++) /* "t12": rising, as all edges do */
        ck_assert_int_lt(atoi(d->edges[e][0] + 1), atoi(d->edges[e][1] + 1));
    free(d);
    discard(program);
    hl_graph_destroy(m.graph);
}
END_TEST

START_TEST(TheFirstStagesShowTheNodesThatTheOutputsNeed) {
    model m = model_open();
    hl_program *program = compile(&m, &m.loss, 1, 1);
    char *build = dump(program, HL_STAGE_BUILD), *fuse = dump(program, HL_STAGE_FUSE);
    ck_assert_uint_eq(count_lines(build), 5); /* project, score, softmax, weight, mean; the exp is not needed */
    ck_assert_ptr_null(strstr(build, "exp"));
    kit_assert_says(build,
                    "heads \\ of \"x\" = project: the \"x\" of C:\\data {0}#0(f32 [2, 5, 8]) w#1(f32 [8, 2, 4])");
    kit_assert_says(build, " = softmax:");
    kit_assert_says(build, "loss = mean:");
    kit_assert_says(build, "(f32 [2, 2, 5, 5])"); /* scores */
    ck_assert_uint_eq(count_lines(fuse), 3);
    kit_assert_says(fuse, " = attention:");
    ck_assert_ptr_null(strstr(fuse, "softmax:"));
    hl_exp(m.graph, m.loss); /* the graph goes on, the program does not */
    char *later = dump(program, HL_STAGE_BUILD);
    ck_assert_str_eq(later, build);
    free(build);
    free(fuse);
    free(later);
    discard(program);
    hl_graph_destroy(m.graph);
}
END_TEST

/* Line by line, a call each. */
static void check_calls(const hl_program *program, const char *text) {
    const char *line = text;
    for (size_t c = 0; c < program->ir.n_calls; c++) {
        char start[128];
        size_t length = (size_t)snprintf(start, sizeof start, "%4zu %s", c, program->ir.calls[c]->name);
        ck_assert_msg(strncmp(line, start, length) == 0, "line %zu is no '%s'", c, start);
        line = strchr(line, '\n') + 1;
    }
}

START_TEST(TheStagesOfCallsHaveALineForEach) {
    model m = model_open();
    hl_tensor *outputs[] = {m.loss, m.step};
    hl_program *program = compile(&m, outputs, 2, 2);
    size_t n = program->ir.n_calls, n_background = 0, n_several = 0;
    char *calls = dump(program, HL_STAGE_DIFFERENTIATE), *tiles = dump(program, HL_STAGE_TILE);
    char *homes = dump(program, HL_STAGE_PLACE);
    check_calls(program, calls);
    check_calls(program, tiles);
    check_calls(program, homes);
    ck_assert_uint_eq(count_lines(calls), n);
    ck_assert_uint_eq(count_lines(tiles), n);
    ck_assert_uint_eq(count_lines(homes), n + program->plan.n_buffers);
    for (size_t c = 0; c < n; c++) {
        const hl__call *call = program->ir.calls[c];
        char grid[160];
        snprintf(grid, sizeof grid, "%8zu tiles  %zu x %zu x %zu x %zu ", call->n_tiles, call->grid.extent[0],
                 call->grid.extent[1], call->grid.extent[2], call->grid.extent[3]);
        kit_assert_says(tiles, grid);
        n_background += call->background;
        n_several += call->n_tiles > 1;
        snprintf(grid, sizeof grid, "node 1: tiles %zu to %zu\n", (call->n_tiles + 1) / 2, call->n_tiles - 1);
        if (call->n_tiles > 1) kit_assert_says(homes, grid);
    }
    ck_assert_uint_gt(n_background, 0);
    ck_assert_uint_eq(count(calls, " (background)"), n_background);
    ck_assert_uint_gt(n_several, 0);
    ck_assert_uint_eq(count(homes, "node 0: tiles 0 to "), n);
    ck_assert_uint_eq(count(homes, "node 1: tiles "), n_several);
    free(calls);
    free(tiles);
    free(homes);
    discard(program);
    hl_graph_destroy(m.graph);
}
END_TEST

START_TEST(ThePlanAndTheTasksAreWrittenOutWhole) {
    model m = model_open();
    hl_tensor *outputs[] = {m.loss, m.step};
    hl_program *program = compile(&m, outputs, 2, 1);
    char *plan = dump(program, HL_STAGE_PLAN), *link = dump(program, HL_STAGE_LINK);
    ck_assert_uint_eq(count_lines(plan), program->plan.n_buffers);
    for (size_t b = 0; b < program->plan.n_buffers; b++) {
        const hl__value *value = &program->ir.values[program->plan.buffers[b].value];
        char part[96];
        kit_assert_says(plan, value->name);
        snprintf(part, sizeof part, "offset %12zu  %12zu bytes  calls %u to ", value->arena_offset, value->bytes,
                 value->first_call);
        kit_assert_says(plan, part);
    }
    ck_assert_ptr_null(strstr(plan, "4294967294")); /* "to the end" is a number of calls */
    ck_assert_uint_eq(count_lines(link), program->tasks.n_tasks);
    ck_assert_uint_eq(count(link, " join ("), program->counts.joins);
    for (size_t t = 0; t < program->tasks.n_tasks; t++)
        kit_assert_says(link, program->tasks.names[program->tasks.tasks[t].name]);
    free(plan);
    free(link);
    discard(program);
    hl_graph_destroy(m.graph);
}
END_TEST

/* ---- what cannot be done ---- */

START_TEST(APathThatCannotBeWrittenIsReported) {
    model m = model_open();
    hl_program *program = compile(&m, &m.loss, 1, 1);
    static const char *const paths[] = {"/nowhere/at/all", "/tmp", "", "/dev/full"}; /* the last: no space is left */
    for (size_t i = 0; i < KIT_COUNT(paths); i++) {
        ck_assert_int_eq(hl_graph_dump_dot(m.graph, paths[i]), HL_SYSTEM);
        ck_assert_int_eq(hl_program_dump_dot(program, paths[i]), HL_SYSTEM);
        for (int stage = HL_STAGE_BUILD; stage <= HL_STAGE_LINK; stage++)
            ck_assert_int_eq(hl_program_dump(program, (hl_stage)stage, paths[i]), HL_SYSTEM);
    }
    discard(program);
    hl_graph_destroy(m.graph);
}
END_TEST

START_TEST(NullAndStagesThatAreNoneAreRefused) {
    model m = model_open();
    hl_program *program = compile(&m, &m.loss, 1, 1);
    ck_assert_int_eq(hl_graph_dump_dot(NULL, scratch_path()), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_graph_dump_dot(m.graph, NULL), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_program_dump_dot(NULL, scratch_path()), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_program_dump_dot(program, NULL), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_program_dump(NULL, HL_STAGE_LINK, scratch_path()), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_program_dump(program, HL_STAGE_LINK, NULL), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_program_dump(program, (hl_stage)(HL_STAGE_LINK + 1), scratch_path()), HL_INVALID_ARGUMENT);
    ck_assert_int_eq(hl_program_dump(program, (hl_stage)-1, scratch_path()), HL_INVALID_ARGUMENT);
    ck_assert_int_ne(access(scratch_path(), F_OK), 0); /* nothing was begun */
    discard(program);
    hl_graph_destroy(m.graph);
}
END_TEST

int main(void) {
    return run_tests("graph/dump",
                     TESTS(TheGraphsPictureShowsEveryNodeLeafAndOperand, EdgesOfTheGraphRunFromOperandsToNodes,
                           AConstantIsDrawnAsALeaf, AnEmptyGraphHasAPictureAndOneWithAnErrorHasNone,
                           TheProgramsPictureShowsEveryTileInItsCallAndEveryEdge,
                           TheFirstStagesShowTheNodesThatTheOutputsNeed, TheStagesOfCallsHaveALineForEach,
                           ThePlanAndTheTasksAreWrittenOutWhole, APathThatCannotBeWrittenIsReported,
                           NullAndStagesThatAreNoneAreRefused));
}
