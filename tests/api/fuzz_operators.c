/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Graphs: hl_apply. Built-in operators with any number of any inputs, and operators of the caller's own that do what
 * the contract allows and the built-in ones hardly do: no access, tiles that touch nothing, several temporaries, views
 * that repeat elements, tiles that add to one region, most inputs and outputs, shares, state updated in place. */
#include <stdio.h>
#include <string.h>

#include "tests/api/fuzz.h"

/* ---- built-in operators ---- */

#define HL_OPERATOR(name) #name,
static const char *const built_in[] = {
#include "ops/op_list.h"
};
#undef HL_OPERATOR

typedef union any_options {
    hl_score_config score;
    hl_dropout_config dropout;
    hl_attention_config attention;
    hl_dense_config dense;
    hl_axes_config axes;
    hl_scale_config scale;
    hl_slice_config slice;
    hl_axis_config axis;
    hl_shape_config shape;
    hl_order_config order;
    hl_norm_config norm;
    hl_sgd_config sgd;
    hl_clamp_config clamp;
    hl_adamw_config adamw;
    unsigned char bytes[256];
} any_options;

static void draw_options(fuzz *f, const char *name, any_options *o) {
    memset(o, 0, sizeof *o);
    if (fuzz_one_in(f, 4)) return; /* zeros are defaults */
    hl_score_config score = {
        .scale = fuzz_float(f, 0.5f), .mask = (hl_mask)fuzz_below(f, 5), .window = fuzz_size(f, 3)};
    hl_dropout_config drop = {.rate = fuzz_float(f, 0.25f), .seed = fuzz_draw(f)};
    if (strcmp(name, "score") == 0) o->score = score;
    else if (strcmp(name, "dropout") == 0) o->dropout = drop;
    else if (strncmp(name, "attention", 9) == 0) o->attention = (hl_attention_config){.score = score, .dropout = drop};
    else if (strcmp(name, "dense") == 0)
        o->dense = (hl_dense_config){.activation = (hl_activation)fuzz_below(f, 9),
                                     .heads = fuzz_one_in(f, 2),
                                     .transposed = fuzz_one_in(f, 2),
                                     .scale = fuzz_float(f, 2)};
    else if (strcmp(name, "sum") == 0 || strcmp(name, "mean") == 0)
        o->axes = (hl_axes_config){.axes = (uint32_t)fuzz_draw(f), .keep = fuzz_one_in(f, 2)};
    else if (strcmp(name, "clamp") == 0) o->clamp = (hl_clamp_config){fuzz_float(f, 0), fuzz_float(f, 1)};
    else if (strcmp(name, "scale") == 0) o->scale.factor = fuzz_float(f, 2);
    else if (strcmp(name, "slice") == 0)
        o->slice = (hl_slice_config){.axis = fuzz_size(f, 0), .begin = fuzz_size(f, 0), .end = fuzz_size(f, 1)};
    else if (strcmp(name, "split") == 0 || strcmp(name, "append") == 0 || strcmp(name, "gather") == 0)
        o->axis = (hl_axis_config){.axis = fuzz_size(f, 0), .parts = fuzz_size(f, 1)};
    else if (strcmp(name, "reshape") == 0) o->shape.shape = fuzz_shape(f, fuzz_below(f, HL_MAX_RANK + 1));
    else if (strcmp(name, "transpose") == 0)
        for (size_t i = 0; i < HL_MAX_RANK; i++) o->order.order[i] = fuzz_size(f, fuzz_below(f, 3));
    else if (strcmp(name, "layer_norm") == 0) o->norm.epsilon = fuzz_float(f, 0.1f);
    else if (strcmp(name, "sgd") == 0)
        o->sgd = (hl_sgd_config){.momentum = fuzz_float(f, 0.5f), .decay = fuzz_float(f, 0)};
    else if (strcmp(name, "adamw") == 0)
        o->adamw = (hl_adamw_config){.beta1 = fuzz_float(f, 0.9f), .beta2 = fuzz_float(f, 0.9f), .epsilon = 1e-8f};
}

static hl_tensor *any_tensor(fuzz *f) {
    if (fuzz_one_in(f, 6)) return NULL;
    if (fuzz_one_in(f, 20)) return f->foreign;
    if (f->n_leaves && fuzz_one_in(f, 2)) return f->leaf[fuzz_below(f, f->n_leaves)].tensor;
    if (f->n_steps && fuzz_one_in(f, 10)) return f->step[0];
    return fuzz_pick(f, 0, HL_MAX_RANK);
}

static void apply(fuzz *f, const char *words, const hl_operator *op, hl_tensor *const inputs[], size_t n,
                  const void *options) {
    hl_tensor *outputs[HL_MAX_OUTPUTS], *untouched = (hl_tensor *)(void *)&outputs;
    for (size_t i = 0; i < HL_MAX_OUTPUTS; i++) outputs[i] = untouched;
    hl_tensor *first = hl_apply(f->graph, op, inputs, n, options, outputs);
    if (hl_graph_status(f->graph) != HL_OK) {
        fuzz_made(f, words, NULL, 1);
        fuzz_check(f, first == NULL, "%s: a tensor in spite of an error", words);
        for (size_t i = 0; i < HL_MAX_OUTPUTS; i++)
            fuzz_check(f, outputs[i] == untouched, "%s writes its outputs when it fails", words);
        return;
    }
    fuzz_check(f, first ? outputs[0] == first : outputs[0] == untouched, "%s: outputs differ", words);
    for (size_t i = 0; i < HL_MAX_OUTPUTS && outputs[i] != untouched; i++)
        fuzz_made(f, words, outputs[i], 2 * (float)n);
}

void fuzz_apply(fuzz *f) {
    if (!f->wild) return;
    if (fuzz_one_in(f, 3)) fuzz_check(f, !hl_operator_find("no such") && !hl_operator_find(NULL), "found what is not");
    if (!fuzz_odd(f)) return;
    const hl_operator *op = hl_operator_find(built_in[fuzz_below(f, FUZZ_COUNT(built_in))]);
    fuzz_check(f, op != NULL, "a built-in operator is not found");
    any_options options;
    draw_options(f, op->name, &options);
    hl_tensor *inputs[HL_MAX_INPUTS + 2];
    size_t n = op->min_inputs + fuzz_below(f, op->max_inputs - op->min_inputs + 1);
    if (fuzz_one_in(f, 8)) n = fuzz_below(f, FUZZ_COUNT(inputs));
    if (fuzz_one_in(f, 40)) n = fuzz_size(f, SIZE_MAX);
    for (size_t i = 0; i < FUZZ_COUNT(inputs); i++) inputs[i] = any_tensor(f);
    char words[64];
    snprintf(words, sizeof words, "apply %s of %zu", op->name, n);
    bool given = !fuzz_one_in(f, 40);
    apply(f, words, fuzz_one_in(f, 40) ? NULL : op, given ? inputs : NULL, n, fuzz_one_in(f, 40) ? NULL : &options);
}

/* ---- operators of the caller's own ---- */

static hl_status same_infer(hl_inference *i) { /* all inputs are f32 of one shape, and so are the outputs */
    for (size_t k = 0; k < i->n_inputs; k++) {
        const hl_view *x = &i->input[k];
        if (!hl_view_present(x)) continue;
        if (x->dtype != HL_F32) return hl_refuse(i, HL_TYPE_MISMATCH, "input %zu is no f32", k);
        if (hl_shape_elements(&x->shape) != hl_shape_elements(&i->input[0].shape) ||
            x->shape.rank != i->input[0].shape.rank)
            return hl_refuse(i, HL_SHAPE_MISMATCH, "input %zu has another shape", k);
        for (size_t a = 0; a < x->shape.rank; a++)
            if (x->shape.extent[a] != i->input[0].shape.extent[a])
                return hl_refuse(i, HL_SHAPE_MISMATCH, "input %zu has another shape", k);
    }
    for (size_t k = 0; k < i->n_outputs; k++) i->output[k] = i->input[0].shape;
    for (size_t k = 0; k < HL_MAX_TEMPS; k++) i->temp[k] = i->input[0].shape;
    return HL_OK;
}

static void one_tile(const hl_call *call, hl_grid *grid) {
    (void)call;
    *grid = (hl_grid){{1, 1, 1, 1}};
}

static void seven_tiles(const hl_call *call, hl_grid *grid) {
    (void)call;
    *grid = (hl_grid){{1, 7, 1, 1}};
}

/* Every operand written is the sum of those read, of one shape; dense as layouts default to. */
static void add_up(const hl_call *call, const hl_tile *tile) {
    (void)tile;
    for (size_t w = call->n_reads; w < call->n_reads + call->n_writes; w++) {
        const hl_view *y = &call->operand[w];
        if (!hl_view_present(y)) continue;
        size_t n = hl_shape_elements(&y->shape);
        for (size_t e = 0; e < n; e++) {
            float sum = 0;
            for (size_t r = 0; r < call->n_reads; r++)
                if (hl_view_present(&call->operand[r])) sum += ((const float *)call->operand[r].data)[e];
            ((float *)y->data)[e] = sum;
        }
    }
}

static const hl_pass whole = {.name = "whole", .grid = one_tile, .kernel = add_up};
static const hl_pass whole_later = {.name = "later", .grid = one_tile, .kernel = add_up, .background = true};

/* y = x + x by three temporaries; backward two more, in the background. */
static const hl_operator chain = {
    .name = "chain",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .infer = same_infer,
    .forward = {{.pass = &whole, .reads = {HL_IN(0)}, .writes = {HL_TEMP(2)}},
                {.pass = &whole, .reads = {HL_TEMP(2)}, .writes = {HL_TEMP(0), HL_TEMP(3)}},
                {.pass = &whole, .reads = {HL_TEMP(0), HL_TEMP(3)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &whole_later, .reads = {HL_DOUT(0)}, .writes = {HL_TEMP(1)}},
                 {.pass = &whole_later, .reads = {HL_TEMP(1), HL_DOUT(0)}, .writes = {HL_DIN(0)}}}};

#define EVERY(X) X(0), X(1), X(2), X(3), X(4), X(5), X(6), X(7), X(8), X(9), X(10), X(11), X(12), X(13), X(14), X(15)

/* Most inputs, most outputs, two of them saved; backward all gradients in one step. */
static const hl_operator crowd = {
    .name = "crowd",
    .min_inputs = 1,
    .max_inputs = HL_MAX_INPUTS,
    .optional = 0xfffe,
    .n_outputs = HL_MAX_OUTPUTS,
    .n_saved = 2,
    .infer = same_infer,
    .forward = {{.pass = &whole,
                 .reads = {EVERY(HL_IN)},
                 .writes = {HL_OUT(0), HL_OUT(1), HL_OUT(2), HL_OUT(3), HL_OUT(4), HL_OUT(5), HL_OUT(6), HL_OUT(7)}}},
    .backward = {{.pass = &whole,
                  .reads = {HL_DOUT(0), HL_DOUT(1), HL_DOUT(2), HL_DOUT(3), HL_DOUT(4), HL_DOUT(5)},
                  .writes = {EVERY(HL_DIN)}}}};

/* Tiles that each add to the whole output, one after the other; backward adds to the share of other readers. */
static void seventh(const hl_call *call, const hl_tile *tile) {
    const hl_view *x = &call->operand[0], *y = &call->operand[1];
    size_t n = hl_shape_elements(&y->shape);
    float *scratch = tile->scratch;
    for (size_t e = 0; e < n; e++) {
        scratch[e % 16] = ((const float *)x->data)[e] / 7;
        float before = tile->index[1] == 0 ? 0 : ((float *)y->data)[e];
        ((float *)y->data)[e] = before + scratch[e % 16];
    }
}

static size_t some_scratch(const hl_call *call) {
    (void)call;
    return 16 * sizeof(float);
}

static const hl_pass sevenths = {.name = "sevenths", .grid = seven_tiles, .kernel = seventh, .scratch = some_scratch};

static const hl_operator slow_copy = {
    .name = "slow_copy",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .infer = same_infer,
    .forward = {{.pass = &sevenths, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}}},
    .backward = {{.pass = &whole, .reads = {HL_DOUT(0), HL_SHARE(0)}, .writes = {HL_DIN(0)}}}};

/* y [5, x...] is a view that repeats x; backward adds the five up, in any layout. */
static hl_status repeat_infer(hl_inference *i) {
    hl_shape x = i->input[0].shape;
    if (i->input[0].dtype != HL_F32 || x.rank != 1) return hl_refuse(i, HL_SHAPE_MISMATCH, "x is no f32 vector");
    i->output[0] = HL_SHAPE(5, x.extent[0]);
    return HL_OK;
}

static bool repeat_alias(const hl_call *call, const hl_view *source, hl_view *view, size_t *offset) {
    (void)call;
    view->stride[0] = 0;
    view->stride[1] = source->stride[0];
    *offset = 0;
    return true;
}

static void no_kernel(const hl_call *call, const hl_tile *tile) { (void)call, (void)tile; }

static void fold_kernel(const hl_call *call, const hl_tile *tile) {
    const hl_view *dy = &call->operand[0], *dx = &call->operand[1];
    if (tile->index[1] != 3) return; /* the others declare nothing */
    for (size_t e = 0; e < dx->shape.extent[0]; e++) {
        float sum = 0;
        for (size_t r = 0; r < 5; r++) sum += ((const float *)dy->data)[r * dy->stride[0] + e * dy->stride[1]];
        ((float *)dx->data)[e] = sum;
    }
}

static void fold_access(const hl_call *call, const hl_tile *tile, hl_box *boxes) {
    (void)call;
    if (tile->index[1] == 3) return;
    boxes[0].end[0] = boxes[0].begin[0];
    boxes[1].end[0] = boxes[1].begin[0];
}

static const hl_pass repeated = {.name = "repeated", .grid = one_tile, .kernel = no_kernel, .layout = {HL_LAYOUT_ANY}};
static const hl_pass fold = {
    .name = "fold", .grid = seven_tiles, .access = fold_access, .kernel = fold_kernel, .layout = {HL_LAYOUT_ANY}};

static const hl_operator repeat = {
    .name = "repeat",
    .min_inputs = 1,
    .max_inputs = 1,
    .n_outputs = 1,
    .infer = repeat_infer,
    .forward = {{.pass = &repeated, .reads = {HL_IN(0)}, .writes = {HL_OUT(0)}, .alias = repeat_alias}},
    .backward = {{.pass = &fold, .reads = {HL_DOUT(0)}, .writes = {HL_DIN(0)}}}};

/* Nothing to see, and nothing to differentiate; a pass that cannot be prepared where its option says so. */
static hl_status unlucky(const hl_call *call, void *plan) {
    *(int *)plan = 1;
    return *(const int *)call->options ? HL_UNSUPPORTED : HL_OK;
}

static const hl_pass prepared = {
    .name = "prepared", .grid = one_tile, .kernel = add_up, .plan_bytes = sizeof(int), .prepare = unlucky};

static const hl_operator sullen = {
    .name = "sullen",
    .min_inputs = 1,
    .max_inputs = 2,
    .optional = 2,
    .n_outputs = 1,
    .options_bytes = sizeof(int),
    .infer = same_infer,
    .forward = {{.pass = &prepared, .reads = {HL_IN(0), HL_IN(1)}, .writes = {HL_OUT(0)}}}};

void fuzz_user_operator(fuzz *f) {
    static const hl_operator *const all[] = {&chain, &crowd, &slow_copy, &repeat, &sullen /* has no gradient */};
    size_t which = fuzz_below(f, f->wild ? FUZZ_COUNT(all) : FUZZ_COUNT(all) - 1);
    const hl_operator *op = all[which];
    hl_tensor *inputs[HL_MAX_INPUTS] = {fuzz_pick(f, op == &repeat ? 1 : 0, op == &repeat ? 1 : HL_MAX_RANK)};
    if (fuzz_bound(f, inputs[0]) > 2 && f->gentle) return;
    size_t n = 1;
    if (op == &crowd && fuzz_one_in(f, 2)) n = HL_MAX_INPUTS;
    for (size_t i = 1; i < n; i++)
        if (fuzz_one_in(f, 2)) inputs[i] = fuzz_want(f, hl_tensor_shape(inputs[0]), 1);
    inputs[0] = fuzz_argument(f, inputs[0]);
    int unprepared = fuzz_odd(f);
    apply(f, op->name, op, inputs, fuzz_size(f, n), &unprepared);
}
