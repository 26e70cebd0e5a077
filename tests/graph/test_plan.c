/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The memory plan: what lives at the same time never shares bytes, what does not is put on the same bytes, and every
 * change of hands is known, so that linking can order it. */
#include "graph/plan.h"

#include "graph/place.h"
#include "runtime/memory.h"
#include "runtime/run.h"
#include "tests/graph/linked.h"
#include "tests/graph/training.h"
#include "tests/support/suite.h"

static bool persistent(const hl__value *value) {
    return value->kind == HL__VALUE_INPUT || value->kind == HL__VALUE_CONSTANT || value->output;
}

static bool overlap(const hl__value *a, const hl__value *b) {
    return a->home == b->home && a->arena_offset < b->arena_offset + b->bytes &&
           b->arena_offset < a->arena_offset + a->bytes;
}

/* First and last call that names a buffer, found by looking; false where none does. */
static bool find_calls(const hl__ir *ir, uint32_t base, size_t *first, size_t *last) {
    bool found = false;
    for (size_t c = 0; c < ir->n_calls; c++)
        for (size_t i = 0; i < ir->calls[c]->call.n_reads + ir->calls[c]->call.n_writes; i++) {
            uint32_t id = ir->calls[c]->operand[i];
            if (id == HL__NONE || ir->values[id].base != base) continue;
            if (!found) *first = c;
            *last = c;
            found = true;
        }
    return found;
}

static const hl__buffer *buffer_of(const hl__plan *plan, uint32_t value) {
    for (size_t b = 0; b < plan->n_buffers; b++)
        if (plan->buffers[b].value == value) return &plan->buffers[b];
    return NULL;
}

/* True where `later` takes over from `earlier`, directly or by way of others. */
static bool follows_buffer(const hl__plan *plan, const hl__buffer *later, uint32_t earlier) {
    for (size_t i = 0; i < later->n_before; i++)
        if (later->before[i] == earlier || follows_buffer(plan, buffer_of(plan, later->before[i]), earlier))
            return true;
    return false;
}

static void check_plan(const hl__ir *ir, const hl__plan *plan) {
    size_t unplanned = 0;
    for (uint32_t v = 0; v < ir->n_values; v++) {
        const hl__value *value = &ir->values[v];
        size_t first = 0, last = 0;
        bool used = value->base == v && value->kind != HL__VALUE_STATE && find_calls(ir, v, &first, &last);
        bool planned = value->base == v && value->kind != HL__VALUE_STATE && (used || persistent(value));
        ck_assert_int_eq(planned, buffer_of(plan, v) != NULL);
        if (!planned) continue;
        ck_assert_uint_le(value->first_call, first);
        ck_assert_uint_ge(value->last_call, persistent(value) ? ir->n_calls : last);
        size_t unit = value->home == HL__DIVIDED ? hl__arena_unit(value->bytes, ir->n_homes) : 64;
        ck_assert_uint_eq(value->arena_offset % unit, 0);
        ck_assert_uint_eq(value->padded_bytes, (value->bytes + unit - 1) / unit * unit);
        ck_assert_uint_le(value->arena_offset + value->padded_bytes,
                          plan->arena_bytes[hl__plan_arena(plan, value->home)]);
        unplanned += value->padded_bytes;
    }
    ck_assert_uint_eq(plan->unplanned_bytes, unplanned);
    for (size_t a = 0; a < plan->n_buffers; a++)
        for (size_t b = 0; b < a; b++) {
            const hl__value *x = &ir->values[plan->buffers[a].value], *y = &ir->values[plan->buffers[b].value];
            bool together = x->first_call <= y->last_call && y->first_call <= x->last_call;
            ck_assert_msg(!together || !overlap(x, y), "'%s' and '%s' live together on the same bytes", x->name,
                          y->name);
            if (together || !overlap(x, y)) continue;
            if (x->home == HL__DIVIDED) { /* their shares are bound alike */
                ck_assert_uint_eq(x->arena_offset, y->arena_offset);
                ck_assert_uint_eq(x->padded_bytes, y->padded_bytes);
            }
            bool x_later = x->first_call > y->last_call;
            ck_assert_msg(follows_buffer(plan, &plan->buffers[x_later ? a : b], plan->buffers[x_later ? b : a].value),
                          "nothing says that one of '%s' and '%s' takes over from the other", x->name, y->name);
        }
    for (size_t b = 0; b < plan->n_buffers; b++)
        for (size_t i = 0; i < plan->buffers[b].n_before; i++) {
            const hl__value *later = &ir->values[plan->buffers[b].value];
            const hl__value *earlier = &ir->values[plan->buffers[b].before[i]];
            ck_assert_uint_lt(earlier->last_call, later->first_call);
            ck_assert_uint_eq(earlier->home, later->home);
        }
}

static size_t arena_bytes(const hl__plan *plan) {
    size_t bytes = 0;
    for (size_t a = 0; a < plan->n_arenas; a++) bytes += plan->arena_bytes[a];
    return bytes;
}

static void plan_make(hl__ir *ir, hl__plan *plan, hl_graph *g, hl_tensor *const outputs[], size_t n, size_t n_homes) {
    ck_assert_int_eq(kit_stages(ir, g, outputs, n, KIT_TILED), HL_OK);
    ck_assert_int_eq(hl__ir_place(ir, n_homes), HL_OK);
    ck_assert_int_eq(hl__ir_plan(ir, plan), HL_OK);
}

START_TEST(WhatLivesTogetherNeverSharesBytesInATrainingStep) {
    two_block_sizes sizes = {.batch = 2, .tokens = 8, .width = 16, .heads = 2, .hidden = 24, .classes = 5, .words = 9};
    for (size_t n_homes = 1; n_homes <= 4; n_homes++) {
        training t = training_open(&sizes, 1);
        hl_tensor *outputs[] = {t.model.loss, n_homes % 2 ? t.adamw : t.sgd, t.model.weights[0], t.gradients[3]};
        hl__ir ir = {0};
        hl__plan plan;
        plan_make(&ir, &plan, t.model.graph, outputs, 4, n_homes);
        ck_assert_uint_eq(plan.n_arenas, n_homes + 2);
        check_plan(&ir, &plan);
        ck_assert_uint_lt(arena_bytes(&plan), plan.unplanned_bytes);
        hl__ir_clear(&ir);
        training_close(&t);
    }
}
END_TEST

START_TEST(DividedBuffersHandOnWholeShares) {
    two_block_sizes sizes = {
        .batch = 4, .tokens = 256, .width = 128, .heads = 4, .hidden = 512, .classes = 5, .words = 1500};
    for (size_t n_homes = 2; n_homes <= 4; n_homes++) {
        training t = training_open(&sizes, 1);
        hl__ir ir = {0};
        hl__plan plan;
        plan_make(&ir, &plan, t.model.graph, (hl_tensor *[]){t.model.loss, t.adamw}, 2, n_homes);
        check_plan(&ir, &plan);
        size_t n_divided = 0, n_handed_on = 0;
        for (size_t b = 0; b < plan.n_buffers; b++) {
            bool divided = ir.values[plan.buffers[b].value].home == HL__DIVIDED;
            n_divided += divided;
            n_handed_on += divided && plan.buffers[b].n_before > 0;
        }
        ck_assert_uint_gt(n_divided, 30);
        ck_assert_uint_gt(n_handed_on, n_divided / 4);
        hl__ir_clear(&ir);
        training_close(&t);
    }
}
END_TEST

/* Chains of tensors of different sizes, with branches that live long. */
START_TEST(RandomLivesAndSizesArePlanned) {
    for (uint64_t seed = 0; seed < 30; seed++) {
        uint64_t random = seed;
        hl_graph *g = kit_graph();
        hl_tensor *pool[60], *outputs[2];
        size_t n = 1;
        pool[0] = hl_input(g, "x", HL_F32, HL_SHAPE(37, 11));
        for (; n < KIT_COUNT(pool); n++) {
            hl_tensor *from = pool[n - 1 - kit_below(&random, n < 8 ? n : 8)];
            switch (kit_below(&random, 4)) {
            case 0: pool[n] = hl_tanh(g, from); break;
            case 1: pool[n] = hl_add(g, from, pool[n - 1]); break;
            case 2: pool[n] = hl_multiply(g, pool[0], hl_mean(g, from, 1u << kit_below(&random, 2), true)); break;
            default:
                pool[n] = hl_append(g, (hl_tensor *[]){hl_slice(g, from, 0, 1, 37), hl_slice(g, from, 0, 0, 1)}, 2, 0);
            }
        }
        outputs[0] = hl_sum(g, pool[n - 1], 0, false);
        outputs[1] = seed % 2 ? pool[n / 2] : hl_gradient(g, outputs[0], pool[0]);
        hl__ir ir = {0};
        hl__plan plan;
        plan_make(&ir, &plan, g, outputs, 2, 1 + seed % 3);
        check_plan(&ir, &plan);
        hl__ir_clear(&ir);
        hl_graph_destroy(g);
    }
}
END_TEST

/* A link of the chain needs what it reads and what it writes, and is handed on some calls later: the memory of a chain
 * does not grow with its length. */
START_TEST(TheMemoryOfAChainDoesNotGrowWithItsLength) {
    size_t bytes[2];
    for (size_t i = 0; i < 2; i++) {
        hl_graph *g = kit_graph();
        hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(64, 64));
        for (size_t link = 0; link < (i ? 400 : 100); link++) x = hl_tanh(g, x);
        x = hl_sum(g, x, 0, false);
        hl__ir ir = {0};
        hl__plan plan;
        plan_make(&ir, &plan, g, &x, 1, 1);
        check_plan(&ir, &plan);
        bytes[i] = arena_bytes(&plan);
        ck_assert_uint_ge(plan.unplanned_bytes, (i ? 400u : 100u) * 64 * 64 * 4);
        hl__ir_clear(&ir);
        hl_graph_destroy(g);
    }
    ck_assert_uint_eq(bytes[0], bytes[1]);
    ck_assert_uint_lt(bytes[0], (size_t)20 * 64 * 64 * 4);
}
END_TEST

/* Written before a run or read after it. */
START_TEST(InputsOutputsAndConstantsShareWithNobody) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(32)), *unread = hl_input(g, "unread", HL_F32, HL_SHAPE(32)),
              *y = x;
    hl_tensor *outputs[4] = {unread};
    for (size_t i = 0; i < 60; i++) {
        y = hl_tanh(g, y);
        if (i == 0) outputs[1] = y;
        if (i == 20) outputs[2] = hl_slice(g, y, 0, 3, 9); /* the whole is kept for the slice */
    }
    hl_tensor *loss = hl_sum(g, y, 0, false);
    outputs[3] = hl_gradient(g, loss, x);
    hl__ir ir = {0};
    hl__plan plan;
    plan_make(&ir, &plan, g, outputs, 4, 1);
    check_plan(&ir, &plan);
    size_t kept = 0;
    for (size_t a = 0; a < plan.n_buffers; a++) {
        const hl__value *value = &ir.values[plan.buffers[a].value];
        if (!persistent(value)) continue;
        kept++;
        for (size_t b = 0; b < plan.n_buffers; b++)
            ck_assert(a == b || !overlap(value, &ir.values[plan.buffers[b].value]));
    }
    ck_assert_uint_ge(kept, 6); /* two inputs, the one of the loss's own gradient, three outputs */
    ck_assert_ptr_nonnull(buffer_of(&plan, hl__ir_find(&ir, unread)));
    hl__ir_clear(&ir);
    hl_graph_destroy(g);
}
END_TEST

START_TEST(StateIsNotPlanned) {
    hl_graph *g = kit_graph();
    hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(3, 4)), *w = kit_param(g, "w", HL_SHAPE(4, 5));
    hl_tensor *y = hl_dense(g, x, w, NULL);
    hl__ir ir = {0};
    hl__plan plan;
    plan_make(&ir, &plan, g, (hl_tensor *[]){y, w}, 2, 1);
    ck_assert_ptr_null(buffer_of(&plan, hl__ir_find(&ir, w)));
    check_plan(&ir, &plan);
    hl__ir_clear(&ir);
    hl_graph_destroy(g);
}
END_TEST

START_TEST(HomesHaveTheirOwnArenasAndTheLastAreOfAllNodes) {
    hl__plan plan = {.n_arenas = 5};
    ck_assert_uint_eq(hl__plan_arena(&plan, 0), 0);
    ck_assert_uint_eq(hl__plan_arena(&plan, 2), 2);
    ck_assert_uint_eq(hl__plan_arena(&plan, HL__INTERLEAVED), 3);
    ck_assert_uint_eq(hl__plan_arena(&plan, HL__DIVIDED), 4);
}
END_TEST

/* The oracle of linked.h over all bytes: whoever touches bytes that had another owner before comes behind that owner's
 * tiles. */
START_TEST(EveryChangeOfHandsIsOrderedInTheTaskGraph) {
    two_block_sizes sizes = {.batch = 1, .tokens = 4, .width = 8, .heads = 2, .hidden = 8, .classes = 3, .words = 5};
    training model = training_open(&sizes, 1);
    hl_tensor *outputs[] = {model.model.loss, model.sgd};
    linked l;
    linked_make(&l, model.model.graph, outputs, 2, 2);
    touches t = touches_of(&l);
    follows paths = follows_paths(&l.tasks);
    size_t n_changes = 0;
    for (size_t i = 0; i < t.n; i++)
        for (size_t k = i + 1; k < t.n && t.list[k].word == t.list[i].word; k++) {
            if (t.list[k].base == t.list[i].base) continue;
            ck_assert(follows_has(&paths, t.list[k].task, t.list[i].task));
            n_changes++;
        }
    ck_assert_uint_gt(n_changes, 100);
    free(t.list);
    free(paths.bits);
    linked_clear(&l);
    training_close(&model);
}
END_TEST

/* ---- no memory ---- */

static size_t allocations_left = SIZE_MAX;

void *__real_hl__allocate(size_t count, size_t size);
void *__wrap_hl__allocate(size_t count, size_t size);
void *__wrap_hl__allocate(size_t count, size_t size) {
    if (allocations_left == 0) return NULL;
    allocations_left--;
    return __real_hl__allocate(count, size);
}

START_TEST(WithoutMemoryPlanningFailsInWordsAndLeavesNothing) {
    size_t limit = 0;
    for (bool done = false; !done; limit++) {
        hl_graph *g = kit_graph();
        hl_tensor *x = hl_input(g, "x", HL_F32, HL_SHAPE(4));
        for (size_t i = 0; i < 400; i++) x = hl_tanh(g, x);
        hl__ir ir = {0};
        hl__plan plan;
        ck_assert_int_eq(kit_stages(&ir, g, &x, 1, KIT_TILED), HL_OK);
        ck_assert_int_eq(hl__ir_place(&ir, 1), HL_OK);
        allocations_left = limit;
        hl_status status = hl__ir_plan(&ir, &plan);
        allocations_left = SIZE_MAX;
        done = status == HL_OK;
        ck_assert(done || status == HL_OUT_OF_MEMORY);
        if (!done) kit_assert_says(ir.message, "no memory");
        hl__ir_clear(&ir);
        hl_graph_destroy(g);
    }
    ck_assert_uint_gt(limit, 1);
}
END_TEST

int main(void) {
    return run_tests("graph/plan",
                     TESTS(WhatLivesTogetherNeverSharesBytesInATrainingStep, DividedBuffersHandOnWholeShares,
                           RandomLivesAndSizesArePlanned, TheMemoryOfAChainDoesNotGrowWithItsLength,
                           InputsOutputsAndConstantsShareWithNobody, StateIsNotPlanned,
                           HomesHaveTheirOwnArenasAndTheLastAreOfAllNodes, EveryChangeOfHandsIsOrderedInTheTaskGraph,
                           WithoutMemoryPlanningFailsInWordsAndLeavesNothing));
}
