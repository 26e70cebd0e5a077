/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Programs on machines of several NUMA nodes that are not there: the same bits as on one node, and memory where it
 * belongs, large tensors of a state over all nodes, once, with their values. */
#include "graph/place.h"
#include "graph/program.h"
#include "graph/region.h"
#include "ops/op.h"
#include "runtime/run.h"
#include "runtime/topology.h"
#include "tests/graph/training.h"
#include "tests/support/suite.h"

#define MOST_ARENAS 256

/* Arenas in use. */
static struct {
    void *memory;
    size_t bytes;
    uint16_t node;
} arenas[MOST_ARENAS];
static size_t n_arenas;

void *__real_hl__arena_create(hl_runtime *runtime, size_t bytes, uint16_t node);
void *__wrap_hl__arena_create(hl_runtime *runtime, size_t bytes, uint16_t node);
void __real_hl__arena_destroy(hl_runtime *runtime, void *memory, size_t bytes);
void __wrap_hl__arena_destroy(hl_runtime *runtime, void *memory, size_t bytes);

void *__wrap_hl__arena_create(hl_runtime *runtime, size_t bytes, uint16_t node) {
    void *memory = __real_hl__arena_create(runtime, bytes, node);
    ck_assert_uint_lt(n_arenas, MOST_ARENAS);
    arenas[n_arenas].memory = memory;
    arenas[n_arenas].bytes = bytes;
    arenas[n_arenas++].node = node;
    return memory;
}

void __wrap_hl__arena_destroy(hl_runtime *runtime, void *memory, size_t bytes) {
    for (size_t i = 0; memory && i < n_arenas; i++)
        if (arenas[i].memory == memory) {
            ck_assert_uint_eq(arenas[i].bytes, bytes);
            arenas[i] = arenas[--n_arenas];
            break;
        }
    __real_hl__arena_destroy(runtime, memory, bytes);
}

/* Where memory was bound to, the last word first. */
static struct {
    const char *memory;
    size_t bytes, node;
} bound[1024];
static size_t n_bound;

void __wrap_hl__topology_place_memory(const hl__topology *topology, void *memory, size_t bytes, size_t node);

void __wrap_hl__topology_place_memory(const hl__topology *topology, void *memory, size_t bytes, size_t node) {
    (void)topology; /* whose nodes are not there */
    ck_assert_uint_lt(n_bound, KIT_COUNT(bound));
    bound[n_bound].memory = memory;
    bound[n_bound].bytes = bytes;
    bound[n_bound++].node = node;
}

/* The node that an address is bound to; HL__NO_NODE: all of them. */
static size_t node_of(const void *address) {
    for (size_t i = n_bound; i-- > 0;)
        if ((const char *)address >= bound[i].memory && (const char *)address < bound[i].memory + bound[i].bytes)
            return bound[i].node;
    ck_abort_msg("%p was never bound", address);
}

/* hwloc takes the machine from the environment, and then binds nothing. */
static hl_runtime *runtime_on(const char *machine, hl_policy policy, size_t n_nodes) {
    setenv("HWLOC_SYNTHETIC", machine, 1);
    hl_runtime *runtime = kit_runtime_of(&(hl_runtime_options){.policy = policy});
    unsetenv("HWLOC_SYNTHETIC");
    ck_assert_uint_eq(hl_runtime_nodes(runtime), n_nodes);
    return runtime;
}

enum { STEPS = TRAINING_SANITIZED ? 2 : 6 };

static const two_block_sizes sizes = {
    .batch = 5, .tokens = 70, .width = 96, .heads = 3, .hidden = 288, .classes = 7, .words = 31, .dropout = 0.1f};

typedef struct record {
    float losses[STEPS];
    snapshot state;
} record;

static record train(const training *t, hl_runtime *runtime) {
    record r = {.state = {0}};
    hl_state *state = kit_state();
    hl_tensor *outputs[] = {t->model.loss, t->adamw};
    hl_program *program = training_program(t, runtime, state, outputs, 2);
    for (size_t i = 0; i < STEPS; i++) r.losses[i] = training_step(t, program);
    r.state = snapshot_of(state);
    hl_program_destroy(program);
    hl_state_destroy(state);
    return r;
}

START_TEST(NodesDoNotChangeTheBits) {
    static const struct {
        const char *machine;
        size_t n_nodes;
    } machines[] = {{"pu:1", 1}, {"pu:4", 1}, {"node:2 core:2 pu:1", 2}, {"node:4 pu:1", 4}, {"node:12 pu:1", 12}};
    training t = training_open(&sizes, 3);
    record first = {.state = {0}};
    for (size_t m = 0; m < KIT_COUNT(machines); m++)
        for (int policy = 0; policy < (m == 2 ? 3 : 1); policy++) {
            hl_runtime *runtime = runtime_on(machines[m].machine, (hl_policy)policy, machines[m].n_nodes);
            record r = train(&t, runtime);
            hl_runtime_destroy(runtime);
            if (m == 0) {
                first = r;
                continue;
            }
            ck_assert_mem_eq(r.losses, first.losses, sizeof r.losses);
            ck_assert(snapshot_equal(&r.state, &first.state));
            free(r.state.bytes);
        }
    free(first.state.bytes);
    training_close(&t);
    ck_assert_uint_eq(n_arenas, 0);
}
END_TEST

/* How many arenas there are over all nodes, of this size. */
static size_t count_spread(size_t bytes) {
    size_t n = 0;
    for (size_t i = 0; i < n_arenas; i++) n += arenas[i].node == HL__NO_NODE && arenas[i].bytes == bytes;
    return n;
}

#define ROWS ((size_t)200)
#define COLUMNS ((size_t)333)
#define LARGE (ROWS * COLUMNS * sizeof(float))

typedef struct layer {
    hl_graph *graph;
    hl_tensor *x, *y;
} layer;

static layer layer_open(size_t batch) {
    layer l = {.graph = kit_graph()};
    l.x = hl_input(l.graph, "x", HL_F32, HL_SHAPE(batch, ROWS));
    l.y = hl_dense(l.graph, l.x, kit_param(l.graph, "w", HL_SHAPE(ROWS, COLUMNS)),
                   kit_param(l.graph, "b", HL_SHAPE(COLUMNS)));
    return l;
}

START_TEST(LargeTensorsOfAStateAreSpreadOnceOverTheNodes) {
    float *values = malloc(LARGE), *seen = malloc(LARGE);
    kit_fill(values, ROWS * COLUMNS, 5);
    layer l[2] = {layer_open(3), layer_open(4)};
    for (int entered = 0; entered < 2; entered++) { /* by the user, before there is a program */
        hl_runtime *runtime = runtime_on("node:4 pu:1", HL_POLICY_DATAFLOW, 4);
        hl_state *state = kit_state();
        if (entered)
            ck_assert_int_eq(hl_state_enter(state, "w", HL_F32, HL_SHAPE(ROWS, COLUMNS), values, LARGE), HL_OK);
        ck_assert_uint_eq(count_spread(LARGE), 0);
        hl_program *program[2];
        for (size_t p = 0; p < 2; p++) {
            program[p] = kit_program(runtime, l[p].graph, state, &l[p].y, 1);
            ck_assert_uint_eq(count_spread(LARGE), 1); /* no more than once, and the small one not at all */
            ck_assert_uint_eq(count_spread(COLUMNS * sizeof(float)), 0);
        }
        ck_assert_int_eq(hl_state_read(state, "w", seen, LARGE), HL_OK);
        if (entered) ck_assert_mem_eq(seen, values, LARGE);
        else ck_assert_float_ne(seen[0], seen[1]); /* its first values, which come after */
        for (size_t p = 0; p < 2; p++) {
            kit_run(program[p]);
            hl_program_destroy(program[p]);
        }
        hl_runtime_destroy(runtime);
        ck_assert_uint_eq(count_spread(LARGE), 1); /* it outlives the runtime */
        ck_assert_int_eq(hl_state_write(state, "w", values, LARGE), HL_OK);
        ck_assert_int_eq(hl_state_read(state, "w", seen, LARGE), HL_OK);
        ck_assert_mem_eq(seen, values, LARGE);
        hl_state_destroy(state);
        ck_assert_uint_eq(n_arenas, 0);
    }
    for (size_t i = 0; i < 2; i++) hl_graph_destroy(l[i].graph);
    free(values);
    free(seen);
}
END_TEST

/* Programs have its address by then. */
START_TEST(ATensorInUseStaysWhereItIs) {
    layer l = layer_open(3);
    hl_runtime *one = runtime_on("pu:2", HL_POLICY_DATAFLOW, 1),
               *four = runtime_on("node:4 pu:1", HL_POLICY_DATAFLOW, 4);
    hl_state *state = kit_state();
    hl_program *first = kit_program(one, l.graph, state, &l.y, 1);
    ck_assert_uint_eq(count_spread(LARGE), 0); /* one node needs no spreading */
    hl_program *second = kit_program(four, l.graph, state, &l.y, 1);
    ck_assert_uint_eq(count_spread(LARGE), 0);
    float x[3 * ROWS], *y[2] = {malloc(3 * COLUMNS * sizeof(float)), malloc(3 * COLUMNS * sizeof(float))};
    kit_fill(x, 3 * ROWS, 9);
    hl_program *programs[] = {first, second};
    for (size_t p = 0; p < 2; p++) {
        kit_write(programs[p], l.x, x, sizeof x);
        kit_run(programs[p]);
        kit_read(programs[p], l.y, y[p], 3 * COLUMNS * sizeof(float));
        hl_program_destroy(programs[p]);
    }
    ck_assert_mem_eq(y[0], y[1], 3 * COLUMNS * sizeof(float));
    free(y[0]);
    free(y[1]);
    hl_state_destroy(state);
    hl_runtime_destroy(one);
    hl_runtime_destroy(four);
    hl_graph_destroy(l.graph);
}
END_TEST

/* Of the numbers that tiles write of buffers that one node or several hold, how many are on the tile's own node? By
 * the first and the last number of each row of each box. */
START_TEST(TilesWriteToTheirOwnNode) {
    two_block_sizes large = {
        .batch = 4, .tokens = 128, .width = 128, .heads = 4, .hidden = 512, .classes = 7, .words = 1100};
    training t = training_open(&large, 3);
    n_bound = 0;
    hl_runtime *runtime = runtime_on("node:4 pu:1", HL_POLICY_DATAFLOW, 4);
    hl_state *state = kit_state();
    hl_program *program = training_program(&t, runtime, state, (hl_tensor *[]){t.model.loss, t.adamw}, 2);
    size_t n_home = 0, n_away = 0, n_anywhere = 0;
    for (size_t c = 0; c < program->ir.n_calls; c++) {
        const hl__call *call = program->ir.calls[c];
        for (size_t number = 0; number < call->n_tiles; number++) {
            hl_tile tile;
            hl_box boxes[HL_MAX_OPERANDS];
            hl__tile_at(call, number, &tile);
            hl__tile_boxes(call, &tile, boxes);
            size_t home = program->ir.tiles.home[call->first_tile + number];
            for (size_t i = call->call.n_reads; i < call->call.n_reads + call->call.n_writes; i++) {
                const hl_view *view = &call->view[i];
                if (!hl_view_present(view) || hl_shape_elements(&view->shape) * sizeof(float) < 4 * (64 << 10) ||
                    hl__box_is_empty(&boxes[i], view->shape.rank))
                    continue;
                size_t index[HL_MAX_RANK] = {0}, rank = view->shape.rank;
                for (bool started = false; hl__next_row(&boxes[i], rank, index, &started);) {
                    const float *row = (const float *)view->data + hl__offset(view, index);
                    size_t length = boxes[i].end[rank - 1] - boxes[i].begin[rank - 1];
                    for (size_t end = 0; end < 2; end++) {
                        size_t node = node_of(row + end * (length - 1));
                        if (node == HL__NO_NODE) n_anywhere++;
                        else if (node == home) n_home++;
                        else n_away++;
                    }
                }
            }
        }
    }
    /* Parameters are everywhere; at the seams shares are rounded. */
    ck_assert_msg(n_home > 50 * n_away && n_home > 10 * n_anywhere, "%zu at home, %zu away, %zu anywhere", n_home,
                  n_away, n_anywhere);
    hl_program_destroy(program);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    training_close(&t);
}
END_TEST

int main(void) {
    return run_tests("graph/program_nodes",
                     TESTS(NodesDoNotChangeTheBits, LargeTensorsOfAStateAreSpreadOnceOverTheNodes,
                           ATensorInUseStaysWhereItIs, TilesWriteToTheirOwnNode));
}
