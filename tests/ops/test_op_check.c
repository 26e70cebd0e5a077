/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The harness itself: an operator that keeps the contract passes, and each way to break it is caught.
 *
 * The operator is y[b, c] = x[b, c] g[i[b], c] with x [B, C], g [G, C], i [B]: it has an index input, a gradient that
 * is chained over tiles (dg), scratch, a saved output, a temporary and an alias, and it adds earlier shares to dx. */
#include "tests/support/op_check.h"

#include <math.h>
#include <string.h>

#include "ops/op.h"
#include "tests/support/suite.h"

#define ROWS 2 /* of a tile */

typedef enum fault {
    NO_FAULT,
    WRONG_VALUE,
    WRONG_GRADIENT,
    UNDECLARED_READ,
    UNDECLARED_COMPARISON, /* a read that NaN would not show in */
    UNDECLARED_INDEX,
    UNDECLARED_WRITE,
    WRITE_BEHIND_THE_END,
    OLD_SCRATCH,
    SCRATCH_TOO_SMALL,
    OLD_OUTPUT,
    NOT_ALONE,
    SHARE_LEFT_OUT,
    SHARE_FORGOTTEN_ONCE,
    UNDECLARED_SHARE,
    UNCHAINED,
    BOX_TOO_LARGE,
    UNPREPARED,
    NO_TILES,
} fault;

typedef struct toy_options {
    fault fault;
} toy_options;

static fault fault_of(const hl_call *call) { return ((const toy_options *)call->options)->fault; }

static hl_status toy_infer(hl_inference *inference) {
    const hl_view *x = &inference->input[0], *g = &inference->input[1];
    if (x->shape.rank != 2 || g->shape.rank != 2 || x->shape.extent[1] != g->shape.extent[1])
        return hl_refuse(inference, HL_SHAPE_MISMATCH, "the columns differ");
    inference->output[0] = inference->output[1] = inference->temp[0] = x->shape;
    inference->index_min[2] = 0;
    inference->index_max[2] = (int32_t)g->shape.extent[0] - 1;
    return HL_OK;
}

static size_t n_blocks(const hl_call *call) { return hl__ceil_div(call->operand[0].shape.extent[0], ROWS); }

static void rows_of(const hl_call *call, size_t block, hl_box *box) {
    box->begin[0] = block * ROWS;
    box->end[0] = hl__min(block * ROWS + ROWS, call->operand[0].shape.extent[0]);
}

static void forward_grid(const hl_call *call, hl_grid *grid) { grid->extent[0] = n_blocks(call); }

/* reads x, g, i; writes y, y's copy */
static void forward_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    rows_of(call, tile->index[0], &boxes[0]);
    rows_of(call, tile->index[0], &boxes[2]);
    rows_of(call, tile->index[0], &boxes[3]);
    rows_of(call, tile->index[0], &boxes[4]);
    if (fault_of(call) == BOX_TOO_LARGE) boxes[0].end[0] = call->operand[0].shape.extent[0] + 1;
}

static size_t forward_scratch(const hl_call *call) { return call->operand[0].shape.extent[1] * sizeof(float); }

static hl_status forward_prepare(const hl_call *call, void *plan) {
    *(float *)plan = fault_of(call) == WRONG_VALUE ? 1.001f : 1;
    return fault_of(call) == UNPREPARED ? HL_UNSUPPORTED : HL_OK;
}

/* One of the faults that show in the values of a row. */
static void spoil_row(const hl_call *call, const hl_tile *tile, size_t row, float *y) {
    const hl_view *x = &call->operand[0], *i = &call->operand[2];
    size_t columns = x->shape.extent[1], other = (row + ROWS) % x->shape.extent[0];
    float stray = hl__f32(x)[other * x->stride[0]];
    switch (fault_of(call)) {
    case UNDECLARED_READ: y[0] += stray * 1e-30f; break;
    case UNDECLARED_COMPARISON: y[0] = stray > 1e20f ? 1 : y[0]; break;
    case UNDECLARED_INDEX: y[0] = hl__i32(i)[other * i->stride[0]] == 0 ? y[0] : y[0] + 1e-6f; break;
    case UNDECLARED_WRITE:
        if (row + ROWS < x->shape.extent[0]) y[ROWS * columns] = 1;
        break;
    case WRITE_BEHIND_THE_END:
        if (row + 1 == x->shape.extent[0]) y[columns] = 1;
        break;
    case OLD_SCRATCH: y[0] += ((float *)tile->scratch)[columns - 1] * 1e-30f; break;
    case OLD_OUTPUT: y[1] += y[columns - 1] * 1e-30f; break;
    default: break;
    }
}

static void forward_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *x = &call->operand[0], *g = &call->operand[1], *i = &call->operand[2];
    float factor = *(const float *)call->plan, *scratch = tile->scratch;
    size_t columns = x->shape.extent[1];
    hl_box box;
    rows_of(call, tile->index[0], &box);
    for (size_t row = box.begin[0]; row < box.end[0]; row++) {
        const float *x_b = hl__f32(x) + row * x->stride[0];
        const float *g_b = hl__f32(g) + (size_t)hl__i32(i)[row * i->stride[0]] * columns;
        float *y_b = hl__f32(&call->operand[3]) + row * columns, *saved_b = hl__f32(&call->operand[4]) + row * columns;
        if (fault_of(call) == OLD_SCRATCH || fault_of(call) == OLD_OUTPUT) spoil_row(call, tile, row, y_b);
        for (size_t c = 0; c < columns; c++) {
            scratch[c] = factor * x_b[c];
            float value = scratch[c] * g_b[c];
            bool late = c < 2 && (fault_of(call) == OLD_SCRATCH || fault_of(call) == OLD_OUTPUT);
            y_b[c] = late ? y_b[c] * 0 + value : value;
            saved_b[c] = value;
        }
        if (fault_of(call) != OLD_SCRATCH && fault_of(call) != OLD_OUTPUT) spoil_row(call, tile, row, y_b);
    }
    if (fault_of(call) == SCRATCH_TOO_SMALL) scratch[columns] = 0;
}

/* reads dy, g, i, the share of dx; writes dx (and touches dg's presence) */
static void dx_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    rows_of(call, tile->index[0], &boxes[0]);
    rows_of(call, tile->index[0], &boxes[2]);
    rows_of(call, tile->index[0], &boxes[3]);
    rows_of(call, tile->index[0], &boxes[4]);
    if (fault_of(call) == UNDECLARED_SHARE) boxes[3].end[1] = 2;
    boxes[5] = hl__box_empty();
}

static void dx_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *dy = &call->operand[0], *g = &call->operand[1], *i = &call->operand[2], *share = &call->operand[3];
    size_t columns = dy->shape.extent[1];
    float factor = fault_of(call) == WRONG_GRADIENT ? 1.001f : 1;
    if (fault_of(call) == NOT_ALONE && hl_view_present(&call->operand[5])) factor = 1 + 1e-7f;
    if (!hl_view_present(&call->operand[4])) return; /* the step also names dg, and runs for it */
    hl_box box;
    rows_of(call, tile->index[0], &box);
    for (size_t row = box.begin[0]; row < box.end[0]; row++)
        for (size_t c = 0; c < columns; c++) {
            float dx = factor * hl__f32(dy)[row * columns + c] * hl__f32(g)[(size_t)hl__i32(i)[row] * columns + c];
            bool once = fault_of(call) == SHARE_FORGOTTEN_ONCE && row == 11 && c == 3;
            if (hl_view_present(share) && fault_of(call) != SHARE_LEFT_OUT && !once)
                dx += hl__f32(share)[row * columns + c];
            hl__f32(&call->operand[4])[row * columns + c] = dx;
        }
}

/* temp = dy, where it is not a view of it anyway */
static bool temp_alias(const hl_call *call, const hl_view *source, hl_view *view, size_t *offset) {
    (void)call;
    memcpy(view->stride, source->stride, sizeof view->stride);
    *offset = 0;
    return true;
}

/* reads temp, x, i; writes dg: rows of the grid's first axis add up, in order. */
static void dg_grid(const hl_call *call, hl_grid *grid) {
    grid->extent[0] = n_blocks(call);
    if (fault_of(call) == NO_TILES) grid->extent[0] = 0;
}

static void dg_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    rows_of(call, tile->index[0], &boxes[0]);
    rows_of(call, tile->index[0], &boxes[1]);
    rows_of(call, tile->index[0], &boxes[2]);
    if (fault_of(call) == UNCHAINED) boxes[3].end[1] = tile->index[0] % 2 + 1;
    if (fault_of(call) == UNCHAINED) boxes[3].begin[1] = tile->index[0] % 2;
}

static void dg_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *dy = &call->operand[0], *x = &call->operand[1], *i = &call->operand[2];
    float *dg = hl__f32(&call->operand[3]);
    size_t columns = dy->shape.extent[1], n = call->operand[3].shape.extent[0] * columns;
    hl_box box;
    rows_of(call, tile->index[0], &box);
    for (size_t at = 0; at < n && tile->index[0] == 0; at++) dg[at] = 0;
    for (size_t row = box.begin[0]; row < box.end[0]; row++)
        for (size_t c = 0; c < columns; c++)
            dg[(size_t)hl__i32(i)[row] * columns + c] += hl__f32(dy)[row * columns + c] * hl__f32(x)[row * columns + c];
}

static const hl_pass forward_pass = {.name = "forward",
                                     .grid = forward_grid,
                                     .access = forward_access,
                                     .scratch = forward_scratch,
                                     .plan_bytes = sizeof(float),
                                     .prepare = forward_prepare,
                                     .kernel = forward_kernel,
                                     .layout = {[0] = HL_LAYOUT_ROWS, [2] = HL_LAYOUT_ANY}};
static const hl_pass dx_pass = {.name = "dx", .grid = forward_grid, .access = dx_access, .kernel = dx_kernel};
static const hl_pass temp_pass = {.name = "temp", .kernel = NULL};
static const hl_pass dg_pass = {.name = "dg", .grid = dg_grid, .access = dg_access, .kernel = dg_kernel};

static const hl_operator toy = {
    .name = "toy",
    .min_inputs = 3,
    .max_inputs = 3,
    .n_outputs = 2,
    .n_saved = 1,
    .options_bytes = sizeof(toy_options),
    .infer = toy_infer,
    .forward = {{.pass = &forward_pass, .reads = {HL_IN(0), HL_IN(1), HL_IN(2)}, .writes = {HL_OUT(0), HL_OUT(1)}}},
    .backward = {{.pass = &temp_pass, .reads = {HL_DOUT(0)}, .writes = {HL_TEMP(0)}, .alias = temp_alias},
                 {.pass = &dx_pass,
                  .reads = {HL_DOUT(0), HL_IN(1), HL_IN(2), HL_SHARE(0)},
                  .writes = {HL_DIN(0), HL_DIN(1)}},
                 {.pass = &dg_pass, .reads = {HL_TEMP(0), HL_IN(0), HL_IN(2)}, .writes = {HL_DIN(1)}}},
};

static void toy_oracle(const op_case *c, const double *const in[], double *const out[]) {
    size_t rows = c->inputs[0].shape.extent[0], columns = c->inputs[0].shape.extent[1];
    for (size_t b = 0; b < rows; b++)
        for (size_t k = 0; k < columns; k++)
            out[0][b * columns + k] = in[0][b * columns + k] * in[1][(size_t)in[2][b] * columns + k];
}

static op_case toy_case(const toy_options *options) {
    return (op_case){
        .operator= & toy,
        .options = options,
        .inputs = {{.shape = HL_SHAPE(17, 5)}, {.shape = HL_SHAPE(3, 5)}, {.shape = HL_SHAPE(17), .dtype = HL_I32}},
        .oracle = toy_oracle,
        .value = {.relative = 2},
        .gradient = {.relative = 20},
        .min_tiles = 8};
}

static void expect_fault(fault kind, const char *in_words) {
    char words[512] = "";
    op_case c = toy_case(&(toy_options){kind});
    ck_assert_msg(!op_check_holds(&c, words, sizeof words), "fault %d was not found", (int)kind);
    ck_assert_msg(strstr(words, in_words) != NULL, "fault %d gave other words: %s", (int)kind, words);
}

START_TEST(AnOperatorThatKeepsTheContractPasses) {
    op_case c = toy_case(&(toy_options){NO_FAULT});
    op_check(&c);
}
END_TEST

START_TEST(LayoutsThatAPassDoesNotTakeAreCopiedAndOthersAreNot) {
    op_case c = toy_case(&(toy_options){NO_FAULT});
    for (int layout = HL_LAYOUT_DENSE; layout <= HL_LAYOUT_ANY; layout++) {
        c.inputs[0].layout = c.inputs[1].layout = c.inputs[2].layout = c.d_output_layout = (hl_layout)layout;
        op_check(&c);
    }
}
END_TEST

START_TEST(WrongValuesAreFound) { expect_fault(WRONG_VALUE, "wrong value"); }
END_TEST

START_TEST(WrongGradientsAreFound) { expect_fault(WRONG_GRADIENT, "wrong gradient: of input 0"); }
END_TEST

START_TEST(UndeclaredReadsAreFound) {
    expect_fault(UNDECLARED_READ, "boxes that it declares for reading");
    expect_fault(UNDECLARED_COMPARISON, "boxes that it declares for reading");
    expect_fault(UNDECLARED_INDEX, "boxes that it declares for reading");
}
END_TEST

START_TEST(UndeclaredWritesAreFound) {
    expect_fault(UNDECLARED_WRITE, "boxes that it declares for writing");
    expect_fault(WRITE_BEHIND_THE_END, "boxes that it declares for writing");
    expect_fault(UNCHAINED, "boxes that it declares for writing");
}
END_TEST

START_TEST(MisuseOfScratchIsFound) {
    expect_fault(SCRATCH_TOO_SMALL, "writes behind its scratch");
    expect_fault(OLD_SCRATCH, "wrong value");
}
END_TEST

START_TEST(UseOfAnUnwrittenOutputIsFound) { expect_fault(OLD_OUTPUT, "wrong value"); }
END_TEST

START_TEST(GradientsThatDependOnWhatElseIsAskedForAreFound) { expect_fault(NOT_ALONE, "asked for alone"); }
END_TEST

/* One element without its share shows, though few are sampled. */
START_TEST(SharesThatAreNotAddedAreFound) {
    expect_fault(SHARE_LEFT_OUT, "earlier shares included");
    expect_fault(UNDECLARED_SHARE, "boxes that it declares for reading");
    op_case c = toy_case(&(toy_options){SHARE_FORGOTTEN_ONCE});
    char words[512] = "";
    c.samples = 4;
    ck_assert(!op_check_holds(&c, words, sizeof words));
    ck_assert_msg(strstr(words, "wrong share: gradient of input 0 at [11, 3]") != NULL, "%s", words);
}
END_TEST

/* The other writer of dg, or a view, would go without the share. */
START_TEST(SharesGoIntoTheOneStepThatMakesTheGradient) {
    hl_operator wrong[] = {toy, toy, toy};
    wrong[0].backward[1].reads[3] = HL_SHARE(1); /* dg has two writers */
    wrong[1].backward[1].alias = temp_alias;
    wrong[2].backward[2].reads[3] = HL_SHARE(0); /* dg's step does not make dx */
    for (size_t i = 0; i < 3; i++) {
        op_case c = toy_case(&(toy_options){NO_FAULT});
        char words[512] = "";
        c.operator= & wrong[i];
        ck_assert(!op_check_holds(&c, words, sizeof words));
        ck_assert_msg(strstr(words, "reads the share of input") != NULL, "%s", words);
    }
}
END_TEST

START_TEST(BoxesGridsAndPlansAreChecked) {
    expect_fault(BOX_TOO_LARGE, "beyond the extent");
    expect_fault(NO_TILES, "has no tiles");
    expect_fault(UNPREPARED, "could not be prepared");
    char words[512] = "";
    op_case c = toy_case(&(toy_options){NO_FAULT});
    c.min_tiles = 10;
    ck_assert(!op_check_holds(&c, words, sizeof words));
    ck_assert_ptr_nonnull(strstr(words, "fewer than 10"));
    c.few_tiles[0] = "forward";
    c.few_tiles[1] = "dx";
    c.few_tiles[2] = "dg";
    op_check(&c);
}
END_TEST

START_TEST(GradientsMustBeDeclaredAsExpected) {
    char words[512] = "";
    op_case c = toy_case(&(toy_options){NO_FAULT});
    c.no_gradient = 1;
    ck_assert(!op_check_holds(&c, words, sizeof words));
    ck_assert_ptr_nonnull(strstr(words, "unexpected backward step for input 0"));
    hl_operator without_dg = toy;
    without_dg.backward[1].writes[1] = 0;
    without_dg.backward[2] = (hl_step){.pass = NULL};
    c = toy_case(&(toy_options){NO_FAULT});
    c.operator= & without_dg;
    ck_assert(!op_check_holds(&c, words, sizeof words));
    ck_assert_ptr_nonnull(strstr(words, "no backward step for input 1"));
}
END_TEST

START_TEST(ForwardStepsAloneAreChecked) {
    op_case c = toy_case(&(toy_options){WRONG_GRADIENT});
    c.forward_only = true;
    op_check(&c);
    char words[512] = "";
    c.options = &(toy_options){WRONG_VALUE};
    ck_assert(!op_check_holds(&c, words, sizeof words));
    ck_assert_ptr_nonnull(strstr(words, "wrong value"));
}
END_TEST

static void infinite_oracle(const op_case *c, const double *const in[], double *const out[]) {
    toy_oracle(c, in, out);
    out[0][3] = INFINITY;
}

START_TEST(AFiniteNumberIsNotInfinity) {
    char words[512] = "";
    op_case c = toy_case(&(toy_options){NO_FAULT});
    c.oracle = infinite_oracle;
    c.forward_only = true;
    ck_assert(!op_check_holds(&c, words, sizeof words));
    ck_assert_ptr_nonnull(strstr(words, "wrong value: output 0 at [0, 3]"));
}
END_TEST

START_TEST(RefusalsAreChecked) {
    op_case c = toy_case(&(toy_options){NO_FAULT});
    c.inputs[1].shape = HL_SHAPE(3, 4);
    op_check_refused(&c, HL_SHAPE_MISMATCH);
    char words[512] = "";
    ck_assert(!op_check_holds(&c, words, sizeof words));
    ck_assert_ptr_nonnull(strstr(words, "the columns differ"));
}
END_TEST

/* ---- updates in place: w -= rate * d, and a counter ---- */

static hl_status update_infer(hl_inference *inference) {
    (void)inference;
    return HL_OK;
}

static void update_grid(const hl_call *call, hl_grid *grid) { grid->extent[0] = call->operand[0].shape.extent[0]; }

static void update_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    (void)call;
    for (size_t i = 0; i < 4; i++) {
        if (i == 2) continue;
        boxes[i].begin[0] = tile->index[0];
        boxes[i].end[0] = tile->index[0] + 1;
    }
}

/* reads w, d, rate; writes w */
static void update_kernel(const hl_call *call, const hl_tile *tile) {
    hl__f32(&call->operand[3])[tile->index[0]] =
        hl__f32(&call->operand[0])[tile->index[0]] -
        *hl__f32(&call->operand[2]) * hl__f32(&call->operand[1])[tile->index[0]];
}

static void twice_kernel(const hl_call *call, const hl_tile *tile) {
    update_kernel(call, tile);
    if (tile->index[0] == 2) update_kernel(call, tile);
}

static const hl_pass update_pass = {
    .name = "update", .grid = update_grid, .access = update_access, .kernel = update_kernel};
static const hl_pass twice_pass = {
    .name = "update", .grid = update_grid, .access = update_access, .kernel = twice_kernel};

static void update_oracle(const op_case *c, const double *const in[], double *const out[]) {
    for (size_t i = 0; i < c->inputs[0].shape.extent[0]; i++) out[OP_UPDATED(0)][i] -= in[2][0] * in[1][i];
}

START_TEST(UpdatesInPlaceAreComparedWithTheOracle) {
    hl_operator update = {
        .name = "update",
        .min_inputs = 3,
        .max_inputs = 3,
        .infer = update_infer,
        .forward = {{.pass = &update_pass, .reads = {HL_IN(0), HL_IN(1), HL_IN(2)}, .writes = {HL_IN(0)}}}};
    op_case c = {.operator= & update,
                 .inputs = {{.shape = HL_SHAPE(9)}, {.shape = HL_SHAPE(9)}, {.low = 0.5, .high = 2}},
                 .oracle = update_oracle,
                 .value = {.absolute = 3},
                 .min_tiles = 8};
    op_check(&c);
    char words[512] = "";
    update.forward[0].pass = &twice_pass;
    ck_assert(!op_check_holds(&c, words, sizeof words));
    ck_assert_ptr_nonnull(strstr(words, "wrong value: updated input 0 at [2]"));
}
END_TEST

int main(void) {
    return run_tests("op_check",
                     TESTS(AnOperatorThatKeepsTheContractPasses, LayoutsThatAPassDoesNotTakeAreCopiedAndOthersAreNot,
                           WrongValuesAreFound, WrongGradientsAreFound, UndeclaredReadsAreFound,
                           UndeclaredWritesAreFound, MisuseOfScratchIsFound, UseOfAnUnwrittenOutputIsFound,
                           GradientsThatDependOnWhatElseIsAskedForAreFound, SharesThatAreNotAddedAreFound,
                           SharesGoIntoTheOneStepThatMakesTheGradient, BoxesGridsAndPlansAreChecked,
                           GradientsMustBeDeclaredAsExpected, ForwardStepsAloneAreChecked, AFiniteNumberIsNotInfinity,
                           RefusalsAreChecked, UpdatesInPlaceAreComparedWithTheOracle));
}
