/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Linking, against the oracle of linked.h, on random programs: two tiles that touch a common word, one of them writing,
 * are joined by a path, whether they belong to one buffer or to two that share memory; and nothing else is joined by an
 * edge. Joins keep the edges of n readers behind k writers about n + k. */
#include "graph/link.h"

#include <stdio.h>

#include "graph/place.h"
#include "tests/graph/linked.h"
#include "tests/graph/training.h"
#include "tests/support/suite.h"

/* ---- operators whose tiles touch random boxes ---- */

typedef struct scatter_config {
    uint64_t seed;
    size_t n_tiles;
} scatter_config;

static hl_status infer_scatter(hl_inference *inference) {
    for (size_t i = 0; i < inference->n_outputs; i++) inference->output[i] = inference->input[0].shape;
    return HL_OK;
}

static void scatter_grid(const hl_call *call, hl_grid *grid) {
    const scatter_config *config = call->options;
    grid->extent[1] = config->n_tiles;
}

static void scatter_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    const scatter_config *config = call->options;
    uint64_t seed = config->seed * 1000 + tile->index[1];
    for (size_t i = 0; i < call->n_reads + call->n_writes; i++)
        for (size_t axis = 0; axis < call->operand[i].shape.rank; axis++) {
            size_t extent = call->operand[i].shape.extent[axis];
            boxes[i].begin[axis] = kit_below(&seed, extent);
            boxes[i].end[axis] = boxes[i].begin[axis] + kit_below(&seed, extent - boxes[i].begin[axis] + 1);
        }
}

static const hl_pass scatter_pass = {
    .name = "forward", .grid = scatter_grid, .access = scatter_access, .layout = {HL_LAYOUT_ANY, HL_LAYOUT_ANY}};
static const hl_operator scatter = {
    .name = "scatter",
    .min_inputs = 2,
    .max_inputs = 2,
    .n_outputs = 2,
    .options_bytes = sizeof(scatter_config),
    .infer = infer_scatter,
    .forward = {{.pass = &scatter_pass, .reads = {HL_IN(0), HL_IN(1)}, .writes = {HL_OUT(0), HL_OUT(1)}}}};
/* Input 0 is a state tensor, written in place. */
static const hl_operator patch = {
    .name = "patch",
    .min_inputs = 2,
    .max_inputs = 2,
    .n_outputs = 1,
    .options_bytes = sizeof(scatter_config),
    .infer = infer_scatter,
    .forward = {{.pass = &scatter_pass, .reads = {HL_IN(0), HL_IN(1)}, .writes = {HL_IN(0), HL_OUT(0)}}}};

/* ---- random programs: tensors [2, 6, 8] in, tensors [2, 6, 8] out ---- */

#define POOL 24

static hl_tensor *weights(hl_graph *g, const char *kind, size_t n, hl_shape shape) {
    char name[32];
    snprintf(name, sizeof name, "%s%zu", kind, n);
    return kit_param(g, name, shape);
}

static hl_tensor *attend(hl_graph *g, hl_tensor *q, hl_tensor *kv, size_t n, uint64_t *seed) {
    hl_tensor *query = hl_project(g, q, weights(g, "wq", n, HL_SHAPE(8, 2, 4)), NULL);
    hl_tensor *key = hl_project(g, kv, weights(g, "wk", n, HL_SHAPE(8, 2, 4)), NULL);
    hl_tensor *p = hl_softmax(g, hl_score(g, query, key, &(hl_score_options){.mask = (hl_mask)kit_below(seed, 2)}));
    if (kit_below(seed, 2)) p = hl_dropout(g, p, 0.25f, 5);
    return hl_concat(g, hl_weight(g, p, key));
}

static hl_tensor *cut_and_append(hl_graph *g, hl_tensor *a, hl_tensor *b, uint64_t *seed) {
    size_t axis = kit_below(seed, 3), extent = hl_tensor_shape(a).extent[axis];
    size_t at = 1 + kit_below(seed, extent - 1);
    return hl_append(g, (hl_tensor *[]){hl_slice(g, a, axis, at, extent), hl_slice(g, b, axis, 0, at)}, 2, axis);
}

enum { TRAINS = 1, BOXES_ONLY = 2 }; /* of programs */

static hl_tensor *one_step(hl_graph *g, hl_tensor *a, hl_tensor *b, size_t n, uint64_t *seed, unsigned kinds) {
    hl_tensor *parts[4];
    hl_shape shape = HL_SHAPE(2, 6, 8);
    size_t what = kit_below(seed, kinds & TRAINS ? 10 : 13);
    switch (what == 7 && kinds & BOXES_ONLY ? 4 : what) {
    case 0: return hl_add(g, a, b);
    case 1: return hl_multiply(g, a, b);
    case 2: return hl_dense(g, a, weights(g, "w", n, HL_SHAPE(8, 8)), weights(g, "bias", n, HL_SHAPE(8)));
    case 3: return hl_layer_norm(g, a, weights(g, "gain", n, HL_SHAPE(8)), NULL, 0);
    case 4: return attend(g, a, b, n, seed);
    case 5: return cut_and_append(g, a, b, seed);
    case 6:
        if (hl_split(g, a, 2, 4, parts) != HL_OK) return NULL;
        return hl_append(g, (hl_tensor *[]){parts[3], hl_exp(g, parts[1]), parts[0], parts[2]}, 4, 2);
    case 7: { /* rows 3 to 8 of [12, 8] are no box of [2, 6, 8] */
        hl_tensor *flat = hl_reshape(g, a, HL_SHAPE(12, 8)), *middle = hl_tanh(g, hl_slice(g, flat, 0, 3, 9));
        return hl_reshape(g, hl_append(g, (hl_tensor *[]){middle, hl_slice(g, flat, 0, 0, 6)}, 2, 0), shape);
    }
    case 8: return hl_add(g, a, hl_mean(g, b, 1u << 1, true));
    case 9: return hl_transpose(g, hl_relu(g, hl_transpose(g, a, (size_t[]){2, 0, 1})), (size_t[]){1, 2, 0});
    case 10: {
        hl_tensor *w = weights(g, "patched", n, HL_SHAPE(6, 8));
        scatter_config config = {kit_random(seed), 1 + kit_below(seed, 6)};
        return hl_add(g, a, hl_apply(g, &patch, (hl_tensor *[]){w, b}, 2, &config, NULL));
    }
    default: {
        scatter_config config = {kit_random(seed), 1 + kit_below(seed, 12)};
        return hl_apply(g, &scatter, (hl_tensor *[]){a, b}, 2, &config, NULL);
    }
    }
}

/* Half of the programs have gradients and a training step, the others the operators above. boxes: whatever a tile
 * touches is a box in its buffer, too. */
static hl_graph *random_program(uint64_t seed, bool boxes, hl_tensor *outputs[3], size_t *n_outputs) {
    hl_graph *g = kit_graph();
    bool trains = seed % 2 == 0;
    unsigned kinds = (trains ? TRAINS : 0) | (boxes ? BOXES_ONLY : 0);
    hl_tensor *pool[POOL] = {hl_input(g, "x", HL_F32, HL_SHAPE(2, 6, 8)), hl_input(g, "y", HL_F32, HL_SHAPE(2, 6, 8))};
    size_t n = 2, wanted = trains ? 8 : POOL;
    pool[1] = hl_dense(g, pool[1], weights(g, "first", 0, HL_SHAPE(8, 8)), NULL);
    for (; n < wanted; n++) {
        pool[n] = one_step(g, pool[kit_below(&seed, n)], pool[n - 1], n, &seed, kinds);
        kit_assert_ok(g, hl_graph_status(g));
    }
    outputs[0] = hl_mean(g, hl_add(g, pool[n - 1], pool[1]), 0, false);
    outputs[1] = pool[n / 2];
    *n_outputs = 2;
    if (!trains) return g;
    hl_tensor *rate = hl_input(g, "rate", HL_F32, HL_SCALAR);
    outputs[2] = hl_adamw(g, outputs[0], &(hl_adamw_options){.rate = rate});
    *n_outputs = 3;
    return g;
}

/* ---- the oracle's answers ---- */

/* Every pair that conflicts has a path. */
static void check_ordered(const linked *l, uint64_t seed) {
    touches t = touches_of(l);
    touches_drop_unwritten(&t, &l->ir);
    follows paths = follows_paths(&l->tasks), conflicts = follows_conflicts(&t, l->tasks.n_tasks, false);
    for (size_t later = 0; later < paths.n; later++)
        for (size_t w = 0; w < paths.words; w++) {
            uint64_t missing = conflicts.bits[later * paths.words + w] & ~paths.bits[later * paths.words + w];
            ck_assert_msg(missing == 0,
                          "program %llu: task %zu ('%s') does not wait for one of %zu.. it conflicts with",
                          (unsigned long long)seed, later, l->tasks.names[l->tasks.tasks[later].name], w * 64);
        }
    free(t.list);
    free(paths.bits);
    free(conflicts.bits);
}

/* Buffers whose bytes `base` takes over, directly or by way of others: marked. */
static void mark_before(const linked *l, uint32_t base, char *marked) {
    for (size_t b = 0; b < l->plan.n_buffers; b++) {
        const hl__buffer *buffer = &l->plan.buffers[b];
        for (size_t i = 0; buffer->value == base && i < buffer->n_before; i++) {
            marked[buffer->before[i]] = 1;
            mark_before(l, buffer->before[i], marked);
        }
    }
}

/* Every edge between tiles stands for a conflict in one buffer, or for memory that changes hands. */
static void check_needed(const linked *l, uint64_t seed) {
    touches t = touches_of(l);
    size_t n = l->tasks.n_tasks, n_values = l->ir.n_values;
    follows direct = follows_direct(&l->tasks), conflicts = follows_conflicts(&t, n, true);
    char *touched = calloc(n, n_values), *written = calloc(n, n_values), *before = malloc(n_values);
    for (size_t i = 0; i < t.n; i++) {
        touched[t.list[i].task * n_values + t.list[i].base] = 1;
        written[t.list[i].task * n_values + t.list[i].base] |= t.list[i].write;
    }
    for (size_t later = 0; later < n; later++) {
        if (!l->tasks.tasks[later].run) continue;
        memset(before, 0, n_values);
        for (uint32_t v = 0; v < n_values; v++)
            if (written[later * n_values + v]) mark_before(l, v, before);
        for (size_t earlier = 0; earlier < later; earlier++) {
            if (!follows_has(&direct, later, earlier) || follows_has(&conflicts, later, earlier)) continue;
            bool hands_over = false;
            for (size_t v = 0; v < n_values; v++) hands_over |= before[v] && touched[earlier * n_values + v];
            ck_assert_msg(hands_over, "program %llu: task %zu ('%s') waits for task %zu ('%s') without need",
                          (unsigned long long)seed, later, l->tasks.names[l->tasks.tasks[later].name], earlier,
                          l->tasks.names[l->tasks.tasks[earlier].name]);
        }
    }
    free(t.list);
    free(direct.bits);
    free(conflicts.bits);
    free(touched);
    free(written);
    free(before);
}

static uint64_t n_programs(void) { return TRAINING_SANITIZED ? 6 : 24; }

START_TEST(TilesThatTouchACommonWordAreOrdered) {
    for (uint64_t seed = 0; seed < n_programs(); seed++) {
        hl_tensor *outputs[3];
        size_t n;
        hl_graph *g = random_program(seed, false, outputs, &n);
        linked l;
        linked_make(&l, g, outputs, n, 1 + seed % 3);
        check_ordered(&l, seed);
        linked_clear(&l);
        hl_graph_destroy(g);
    }
}
END_TEST

START_TEST(TilesThatShareNothingAreNotOrdered) {
    for (uint64_t seed = 0; seed < n_programs(); seed++) {
        hl_tensor *outputs[3];
        size_t n;
        hl_graph *g = random_program(seed, true, outputs, &n);
        linked l;
        linked_make(&l, g, outputs, n, 1 + seed % 3);
        check_needed(&l, seed);
        linked_clear(&l);
        hl_graph_destroy(g);
    }
}
END_TEST

/* ---- what tasks are ---- */

START_TEST(TasksAreTheTilesInSerialOrderAndJoins) {
    size_t n_writers = 0;
    for (uint64_t seed = 0; seed < 6; seed++) {
        hl_tensor *outputs[3];
        size_t n, n_joins = 0, c = 0, t = 0;
        hl_graph *g = random_program(seed, false, outputs, &n);
        linked l;
        linked_make(&l, g, outputs, n, 1 + seed % 3);
        ck_assert_uint_eq(l.tasks.n_names, l.ir.n_calls + 1);
        ck_assert_str_eq(l.tasks.names[l.ir.n_calls], "join");
        ck_assert_uint_eq(l.tasks.scratch_bytes, l.ir.scratch_bytes);
        for (size_t number = 0; number < l.tasks.n_tasks; number++) {
            const hl__task *task = &l.tasks.tasks[number];
            if (!task->run) {
                n_joins++;
                ck_assert_str_eq(l.tasks.names[task->name], "join");
                ck_assert_uint_eq(task->home, HL__NO_NODE);
                ck_assert_uint_gt(task->n_predecessors, 1);
                ck_assert(!task->writes_state);
                continue;
            }
            const hl__call *call = l.ir.calls[c];
            hl_tile tile;
            hl__tile_at(call, t, &tile);
            ck_assert_ptr_eq(task->argument, call);
            ck_assert_mem_eq(task->index, tile.index, sizeof task->index);
            ck_assert_str_eq(l.tasks.names[task->name], call->name);
            ck_assert_uint_eq(task->home, linked_home(call, t, l.ir.n_homes));
            ck_assert_uint_eq(l.ir.tiles.home[call->first_tile + t], task->home);
            ck_assert_uint_eq(l.ir.tiles.task[call->first_tile + t], task - l.tasks.tasks);
            ck_assert_int_eq(task->background, call->background);
            ck_assert_int_eq(task->writes_state, hl__ir_writes_state(&l.ir, call));
            n_writers += task->writes_state;
            if (++t == call->n_tiles) {
                t = 0;
                c++;
            }
        }
        ck_assert_uint_eq(c, l.ir.n_calls);
        ck_assert_uint_eq(n_joins, l.counts.joins);
        linked_clear(&l);
        hl_graph_destroy(g);
    }
    ck_assert_uint_gt(n_writers, 0);
}
END_TEST

/* The policy with a barrier between levels runs one operator after the other, and chained tiles one by one. */
START_TEST(LevelsRiseAlongEdgesAndFromCallToCall) {
    for (uint64_t seed = 0; seed < 6; seed++) {
        hl_tensor *outputs[3];
        size_t n;
        hl_graph *g = random_program(seed, false, outputs, &n);
        linked l;
        linked_make(&l, g, outputs, n, 1);
        uint32_t lowest = 0, next = 0, name = 0;
        for (size_t t = 0; t < l.tasks.n_tasks; t++) {
            const hl__task *task = &l.tasks.tasks[t];
            for (size_t s = 0; s < task->n_successors; s++) {
                const hl__task *after = &l.tasks.tasks[l.tasks.successors[task->first_successor + s]];
                if (after->run) ck_assert_uint_gt(after->level, task->level);
                else ck_assert_uint_ge(after->level, task->level);
            }
            if (!task->run) continue;
            if (task->name != name) lowest = next;
            name = task->name;
            ck_assert_uint_ge(task->level, lowest);
            if (task->level >= next) next = task->level + 1;
        }
        linked_clear(&l);
        hl_graph_destroy(g);
    }
}
END_TEST

/* ---- how many edges ---- */

static hl_status infer_rows(hl_inference *inference) {
    const scatter_config *config = inference->options;
    inference->output[0] = HL_SHAPE(config->n_tiles, 4);
    return HL_OK;
}

/* Tile t of the written operands' row t, whole operands read. */
static void rows_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    for (size_t i = call->n_reads; i < call->n_reads + call->n_writes; i++) {
        boxes[i].begin[0] = tile->index[1];
        boxes[i].end[0] = tile->index[1] + 1;
    }
}

static const hl_pass rows_pass = {.name = "forward", .grid = scatter_grid, .access = rows_access};
static const hl_operator rows_of_all = {.name = "rows",
                                        .min_inputs = 1,
                                        .max_inputs = 1,
                                        .n_outputs = 1,
                                        .options_bytes = sizeof(scatter_config),
                                        .infer = infer_rows,
                                        .forward = {{.pass = &rows_pass, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}}};
static const hl_operator overwrite = {
    .name = "overwrite",
    .min_inputs = 2,
    .max_inputs = 2,
    .n_outputs = 1,
    .options_bytes = sizeof(scatter_config),
    .infer = infer_rows,
    .forward = {{.pass = &rows_pass, .reads = {HL_IN(1)}, .writes = {HL_IN(0), HL_OUT(0)}}}};

static hl_tensor *rows(hl_graph *g, hl_tensor *x, size_t n) {
    return hl_apply(g, &rows_of_all, &x, 1, &(scatter_config){.n_tiles = n}, NULL);
}

START_TEST(ReadersOfWhatSeveralWroteWaitForOneJoin) {
    static const size_t counts[][2] = {{1, 1}, {1, 9}, {9, 1}, {2, 2}, {2, 3}, {3, 3}, {2, 4}, {7, 5}, {40, 60}};
    for (size_t i = 0; i < KIT_COUNT(counts); i++) {
        size_t writers = counts[i][0], readers = counts[i][1];
        hl_graph *g = kit_graph();
        hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(3, 4)), *y = rows(g, rows(g, x, writers), readers);
        linked l;
        linked_make(&l, g, &y, 1, 1);
        bool saves = writers * readers > writers + readers + 1; /* the join is a task, too */
        ck_assert_uint_eq(l.counts.joins, saves);
        ck_assert_uint_eq(l.tasks.n_successors, saves ? writers + readers : writers * readers);
        linked_clear(&l);
        hl_graph_destroy(g);
    }
}
END_TEST

START_TEST(WritersOfWhatSeveralReadWaitForOneJoin) {
    static const size_t counts[][2] = {{1, 1}, {1, 9}, {9, 1}, {2, 2}, {7, 5}, {40, 60}};
    for (size_t i = 0; i < KIT_COUNT(counts); i++) {
        size_t readers = counts[i][0], writers = counts[i][1];
        hl_graph *g = kit_graph();
        hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(3, 4)), *w = kit_param(g, "w", HL_SHAPE(writers, 4));
        scatter_config config = {.n_tiles = writers};
        hl_tensor *outputs[] = {rows(g, w, readers), hl_apply(g, &overwrite, (hl_tensor *[]){w, x}, 2, &config, NULL)};
        linked l;
        linked_make(&l, g, outputs, 2, 1);
        ck_assert_uint_eq(l.counts.joins, readers > 1 && writers > 1);
        ck_assert_uint_eq(l.tasks.n_successors, readers > 1 && writers > 1 ? readers + writers : readers * writers);
        linked_clear(&l);
        hl_graph_destroy(g);
    }
}
END_TEST

/* Attention has thousands of tiles that read what hundreds wrote; a few edges a task is all that may come of it. */
START_TEST(EdgesStayInProportionToTasks) {
    two_block_sizes sizes = {
        .batch = 2, .tokens = 64, .width = 64, .heads = 8, .hidden = 128, .classes = 5, .words = 50};
    training t = training_open(&sizes, 1);
    hl_tensor *outputs[] = {t.model.loss, t.adamw};
    linked l;
    linked_make(&l, t.model.graph, outputs, 2, 1);
    ck_assert_uint_gt(l.tasks.n_tasks, 500);
    ck_assert_uint_lt(l.tasks.n_successors, 8 * l.tasks.n_tasks);
    linked_clear(&l);
    training_close(&t);
}
END_TEST

/* ---- memory that changes hands ---- */

static void ghost_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    (void)tile;
    boxes[call->n_reads + 1].end[0] = 0; /* named for its shape alone */
}

static const hl_pass ghost_pass = {.name = "forward", .access = ghost_access};
static const hl_operator ghost = {
    .name = "ghost",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 2,
    .infer = infer_scatter,
    .forward = {{.pass = &ghost_pass, .reads = {HL_IN(0)}, .writes = {HL_OUT(0), HL_OUT(1)}}}};

/* Each link of a chain has another reader, which nothing follows: only memory orders what comes later behind it. Now
 * and then a call also names an output that no tile touches, whose bytes are handed on all the same. */
START_TEST(BuffersThatNobodyTouchesHandOnTheOrder) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(16)), *outputs[60];
    uint64_t seed = 1;
    for (size_t i = 0; i < KIT_COUNT(outputs); i++) {
        x = kit_below(&seed, 2) ? hl_tanh(g, x) : hl_apply(g, &ghost, &x, 1, NULL, NULL);
        outputs[i] = hl_sum(g, x, 0, false);
    }
    linked l;
    linked_make(&l, g, outputs, KIT_COUNT(outputs), 1);
    check_ordered(&l, 0);
    size_t from_ghosts = 0;
    for (size_t i = 0; i < l.plan.n_buffers; i++)
        for (size_t k = 0; k < l.plan.buffers[i].n_before; k++) {
            const hl__value *earlier = &l.ir.values[l.plan.buffers[i].before[k]];
            from_ghosts += earlier->tensor && earlier->tensor->output == 1;
        }
    ck_assert_uint_gt(from_ghosts, 20);
    linked_clear(&l);
    hl_graph_destroy(g);
}
END_TEST

/* ---- no memory ---- */

static size_t allocations_left = SIZE_MAX;

void *__real_hl__allocate(size_t count, size_t size);
void *__wrap_hl__allocate(size_t count, size_t size);
bool __real_hl__grow(void *array, size_t *capacity, size_t used, size_t needed, size_t size);
bool __wrap_hl__grow(void *array, size_t *capacity, size_t used, size_t needed, size_t size);

void *__wrap_hl__allocate(size_t count, size_t size) {
    if (allocations_left == 0) return NULL;
    allocations_left--;
    return __real_hl__allocate(count, size);
}

bool __wrap_hl__grow(void *array, size_t *capacity, size_t used, size_t needed, size_t size) {
    if (needed > *capacity && allocations_left == 0) return false;
    if (needed > *capacity) allocations_left--;
    return __real_hl__grow(array, capacity, used, needed, size);
}

/* Operators whose forward tiles write apart, fused as a program fuses them: none waits for another. */
START_TEST(TilesOfOneOperatorRunAtOnce) {
    for (int i = 0; i < 8; i++) {
        hl_graph *g = kit_graph();
        hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(2, 150, 64)), *w = kit_param(g, "w", HL_SHAPE(64, 700));
        hl_tensor *heads = hl_input(g, "heads", HL_F32, HL_SHAPE(2, 8, 150, 8)), *y = NULL;
        hl_tensor *turned = hl_transpose(g, kit_param(g, "turned", HL_SHAPE(700, 64)), (size_t[]){1, 0});
        switch (i) {
        case 0: y = hl_dense(g, x, w, NULL); break;
        case 1: y = hl_relu(g, hl_dense(g, x, w, NULL)); break;
        case 2: y = hl_gelu(g, hl_dense(g, x, w, kit_param(g, "b", HL_SHAPE(700)))); break;
        case 3: y = hl_dense(g, x, turned, NULL); break;
        case 4: y = hl_project(g, x, kit_param(g, "p", HL_SHAPE(64, 8, 16)), NULL); break;
        case 5: y = hl_weight(g, hl_softmax(g, hl_score(g, heads, heads, NULL)), heads); break;
        case 6: y = hl_layer_norm(g, x, kit_param(g, "gain", HL_SHAPE(64)), NULL, 0); break;
        default: y = hl_dense(g, hl_concat(g, heads), w, NULL); break;
        }
        linked l;
        linked_make(&l, g, &y, 1, 1);
        ck_assert_uint_eq(l.ir.n_calls, 1);
        ck_assert_uint_ge(l.tasks.n_tasks, 8);
        for (size_t t = 0; t < l.tasks.n_tasks; t++)
            ck_assert_msg(l.tasks.tasks[t].n_predecessors == 0, "case %d: tile %zu waits", i, t);
        linked_clear(&l);
        hl_graph_destroy(g);
    }
}
END_TEST

START_TEST(WithoutMemoryLinkingFailsInWordsAndLeavesNothing) {
    hl_tensor *outputs[3];
    size_t n, limit = 0;
    hl_graph *g = random_program(0, false, outputs, &n);
    for (bool done = false; !done; limit++) {
        linked l = {.counts = {0}};
        ck_assert_int_eq(kit_stages(&l.ir, g, outputs, n, KIT_TILED), HL_OK);
        ck_assert_int_eq(hl__ir_place(&l.ir, 1), HL_OK);
        ck_assert_int_eq(hl__ir_plan(&l.ir, &l.plan), HL_OK);
        allocations_left = limit;
        hl_status status = hl__ir_link(&l.ir, &l.plan, linked_tile, &l.tasks, &l.counts);
        allocations_left = SIZE_MAX;
        done = status == HL_OK;
        ck_assert(done || status == HL_OUT_OF_MEMORY);
        if (!done) ck_assert_uint_eq(l.tasks.n_tasks, 0);
        if (!done) kit_assert_says(l.ir.message, "no memory");
        linked_clear(&l);
    }
    ck_assert_uint_gt(limit, 20);
    hl_graph_destroy(g);
}
END_TEST

int main(void) {
    return run_tests("graph/link",
                     TESTS(TilesThatTouchACommonWordAreOrdered, TilesThatShareNothingAreNotOrdered,
                           TasksAreTheTilesInSerialOrderAndJoins, LevelsRiseAlongEdgesAndFromCallToCall,
                           ReadersOfWhatSeveralWroteWaitForOneJoin, WritersOfWhatSeveralReadWaitForOneJoin,
                           EdgesStayInProportionToTasks, BuffersThatNobodyTouchesHandOnTheOrder,
                           TilesOfOneOperatorRunAtOnce, WithoutMemoryLinkingFailsInWordsAndLeavesNothing));
}
