/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Several optimisers, in one program or in several on one state: each parameter moves as if nobody but those who train
 * it were there, each optimiser counts its own steps, the step of dropout goes on by one a run; and a rate that is not
 * finite costs no parameter. */
#include <math.h>
#include <stdio.h>

#include "tests/graph/training.h"
#include "tests/support/suite.h"

/* ---- numbers with known gradients: the loss is the sum of p_i x_i ---- */

enum { N_NUMBERS = 4, RUNS = 40 };

static const char *const names[N_NUMBERS] = {"a", "b", "c", "d"};

typedef struct number {
    double p, m, v;
    double error; /* what the program's number may be off by */
    int32_t t;
} number;

/* A move rounds some twelve times, the number once. */
static void move(number *n, double by) {
    n->p -= by;
    n->error += KIT_UNIT * (12 * fabs(by) + fabs(n->p));
}

static void adamw_step(number *n, double gradient, double rate) {
    double b1 = (double)0.9f, b2 = (double)0.999f;
    n->t++;
    n->m = b1 * n->m + (1 - b1) * gradient;
    n->v = b2 * n->v + (1 - b2) * gradient * gradient;
    move(n, rate * n->m / (1 - pow(b1, n->t)) / (sqrt(n->v / (1 - pow(b2, n->t))) + (double)1e-8f));
}

static void sgd_step(number *n, double gradient, double rate) {
    n->t++;
    n->v = (double)0.5f * n->v + gradient;
    move(n, rate * n->v);
}

/* A program that trains some of the numbers by AdamW, and some by SGD with momentum 1/2. */
typedef struct trainer {
    const char *by_adamw, *by_sgd; /* letters of their names */
    hl_graph *graph;
    hl_tensor *x[N_NUMBERS], *rate, *adamw, *sgd;
    hl_program *program;
} trainer;

static hl_tensor *loss_of(trainer *t, const char *letters, hl_tensor *params[], size_t *n) {
    hl_tensor *loss = NULL;
    for (*n = 0; letters[*n]; ++*n) {
        size_t i = (size_t)(letters[*n] - 'a');
        params[*n] = hl_param(t->graph, names[i], HL_F32, HL_SCALAR);
        hl_tensor *term = hl_multiply(t->graph, params[*n], t->x[i]);
        loss = loss ? hl_add(t->graph, loss, term) : term;
    }
    return loss;
}

static void open_trainer(trainer *t, hl_runtime *runtime, hl_state *state) {
    static const char *const inputs[N_NUMBERS] = {"x of a", "x of b", "x of c", "x of d"};
    hl_tensor *params[N_NUMBERS], *outputs[2];
    size_t n, n_outputs = 0;
    t->graph = kit_graph();
    t->rate = hl_input(t->graph, "rate", HL_F32, HL_SCALAR);
    for (size_t i = 0; i < N_NUMBERS; i++) t->x[i] = hl_input(t->graph, inputs[i], HL_F32, HL_SCALAR);
    if (*t->by_adamw) {
        hl_tensor *loss = loss_of(t, t->by_adamw, params, &n);
        outputs[n_outputs++] = t->adamw =
            hl_adamw(t->graph, loss, &(hl_adamw_options){.rate = t->rate, .params = params, .n_params = n});
    }
    if (*t->by_sgd) {
        hl_tensor *loss = loss_of(t, t->by_sgd, params, &n);
        outputs[n_outputs++] = t->sgd = hl_sgd(
            t->graph, loss, &(hl_sgd_options){.rate = t->rate, .momentum = 0.5f, .params = params, .n_params = n});
    }
    t->program = kit_program(runtime, t->graph, state, outputs, n_outputs);
}

static int32_t least(const number *numbers, const char *letters) {
    int32_t t = INT32_MAX;
    for (; *letters; letters++) t = numbers[*letters - 'a'].t < t ? numbers[*letters - 'a'].t : t;
    return t;
}

static void assert_count(const trainer *t, hl_tensor *step, int32_t wanted) {
    int32_t count;
    kit_read(t->program, step, &count, sizeof count);
    ck_assert_int_eq(count, wanted);
}

static void train(const trainer *t, number *numbers, uint64_t *seed) {
    const float rate = 0.1f;
    float gradients[N_NUMBERS];
    kit_write(t->program, t->rate, &rate, sizeof rate);
    for (size_t i = 0; i < N_NUMBERS; i++) {
        gradients[i] = kit_below(seed, 3) ? 1 : -0.5f;
        if (strchr(t->by_adamw, 'a' + (int)i) || strchr(t->by_sgd, 'a' + (int)i))
            kit_write(t->program, t->x[i], &gradients[i], sizeof gradients[i]);
    }
    kit_run(t->program);
    for (const char *l = t->by_adamw; *l; l++)
        adamw_step(&numbers[*l - 'a'], (double)gradients[*l - 'a'], (double)rate);
    for (const char *l = t->by_sgd; *l; l++) sgd_step(&numbers[*l - 'a'], (double)gradients[*l - 'a'], (double)rate);
    if (t->adamw) assert_count(t, t->adamw, least(numbers, t->by_adamw));
    if (t->sgd) assert_count(t, t->sgd, least(numbers, t->by_sgd));
}

/* In any order; some numbers belong to several programs, whose counts then differ from number to number. */
START_TEST(EachParameterIsCorrectedByTheNumberOfItsOwnUpdates) {
    hl_runtime *runtime = kit_runtime(2);
    hl_state *state = kit_state();
    trainer trainers[] = {{.by_adamw = "a", .by_sgd = ""},
                          {.by_adamw = "ab", .by_sgd = ""},
                          {.by_adamw = "bc", .by_sgd = "d"},
                          {.by_adamw = "", .by_sgd = "d"}};
    number numbers[N_NUMBERS] = {{.t = 0}};
    uint64_t seed = 5;
    for (size_t i = 0; i < KIT_COUNT(trainers); i++) open_trainer(&trainers[i], runtime, state);
    for (int run = 0; run < RUNS; run++) train(&trainers[kit_below(&seed, KIT_COUNT(trainers))], numbers, &seed);
    ck_assert(numbers[0].t != numbers[1].t && numbers[1].t != numbers[2].t && numbers[2].t > 3);
    for (size_t i = 0; i < N_NUMBERS; i++) {
        float p;
        int32_t count;
        char name[16];
        snprintf(name, sizeof name, "%s.t/%s", i == 3 ? "sgd" : "adamw", names[i]);
        ck_assert_int_eq(hl_state_read(state, names[i], &p, sizeof p), HL_OK);
        ck_assert_double_le(fabs((double)p - numbers[i].p), numbers[i].error);
        ck_assert_int_eq(hl_state_read(state, name, &count, sizeof count), HL_OK);
        ck_assert_int_eq(count, numbers[i].t);
    }
    int32_t step;
    ck_assert_int_eq(hl_state_read(state, "step", &step, sizeof step), HL_OK);
    ck_assert_int_eq(step, RUNS); /* also of runs with two optimisers */
    for (size_t i = 0; i < KIT_COUNT(trainers); i++) {
        hl_program_destroy(trainers[i].program);
        hl_graph_destroy(trainers[i].graph);
    }
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
}
END_TEST

/* ---- groups of a model's parameters ---- */

static const two_block_sizes sizes = {
    .batch = 2, .tokens = 6, .width = 8, .heads = 2, .hidden = 12, .classes = 5, .words = 7, .dropout = 0.2f};

/* Ten steps, by one optimiser for each group of parameters, whose sizes end with 0. */
static hl_state *train_groups(hl_runtime *runtime, const size_t groups[]) {
    enum { STEPS = 10 };
    training t = training_open(&sizes, 7);
    hl_state *state = kit_state();
    hl_tensor *outputs[1 + TWO_BLOCK_PARAMS] = {t.model.loss};
    size_t n = 0;
    for (size_t first = 0; groups[n]; first += groups[n++])
        outputs[1 + n] =
            hl_adamw(t.model.graph, t.model.loss,
                     &(hl_adamw_options){
                         .rate = t.model.rate, .decay = 0.1f, .params = t.model.params + first, .n_params = groups[n]});
    hl_program *program = training_program(&t, runtime, state, outputs, 1 + n);
    kit_write(program, t.model.rate, &t.rate, sizeof t.rate);
    for (int32_t step = 1; step <= STEPS; step++) {
        training_step(&t, program);
        for (size_t i = 0; i < n; i++) {
            int32_t count;
            kit_read(program, outputs[1 + i], &count, sizeof count);
            ck_assert_int_eq(count, step);
        }
    }
    hl_program_destroy(program);
    training_close(&t);
    return state;
}

/* True where both states hold the same tensors with the same bits, in whatever order; `but` may differ. */
static bool same_bits(hl_state *a, hl_state *b, const char *but) {
    bool same = hl_state_count(a) == hl_state_count(b);
    for (size_t i = 0; same && i < hl_state_count(a); i++) {
        const char *name;
        hl_dtype dtype;
        hl_shape shape;
        ck_assert_int_eq(hl_state_tensor(a, i, &name, &dtype, &shape), HL_OK);
        size_t bytes = hl_shape_elements(&shape) * hl_dtype_bytes(dtype);
        void *left = malloc(bytes), *right = malloc(bytes);
        ck_assert_int_eq(hl_state_read(a, name, left, bytes), HL_OK);
        same = hl_state_read(b, name, right, bytes) == HL_OK;
        same = same && (memcmp(left, right, bytes) == 0 || strcmp(name, but) == 0);
        free(left);
        free(right);
    }
    return same;
}

/* With dropout, so that a step that went on twice a run would show in every mask. */
START_TEST(GroupsInOneProgramTrainAsOneOptimiserToTheBit) {
    hl_runtime *runtimes[] = {kit_runtime(1), kit_runtime(3)};
    size_t whole[] = {TWO_BLOCK_PARAMS, 0}, two[] = {13, TWO_BLOCK_PARAMS - 13, 0}, many[] = {1, 14, 2, 20, 0};
    const size_t *groups[] = {whole, two, many};
    hl_state *one = train_groups(runtimes[0], whole);
    for (size_t r = 0; r < 2; r++)
        for (size_t i = 0; i < 3; i++) {
            hl_state *other = train_groups(runtimes[r], groups[i]);
            ck_assert(same_bits(one, other, ""));
            hl_state_destroy(other);
        }
    hl_state_destroy(one);
    for (size_t r = 0; r < 2; r++) hl_runtime_destroy(runtimes[r]);
}
END_TEST

START_TEST(AParameterThatTwoOptimisersOfAProgramUpdateIsRefusedByName) {
    hl_runtime *runtime = kit_runtime(1);
    hl_state *state = kit_state();
    hl_graph *g = kit_graph();
    hl_tensor *w = hl_param(g, "shared", HL_F32, HL_SHAPE(3)), *own = hl_param(g, "own", HL_F32, HL_SHAPE(3));
    hl_tensor *rate = hl_input(g, "rate", HL_F32, HL_SCALAR);
    hl_tensor *losses[] = {hl_sum(g, w, 0, false), hl_sum(g, hl_multiply(g, w, own), 0, false)};
    hl_tensor *steps[] = {hl_adamw(g, losses[0], &(hl_adamw_options){.rate = rate}),
                          hl_adamw(g, losses[1], &(hl_adamw_options){.rate = rate}),
                          hl_sgd(g, losses[1], &(hl_sgd_options){.rate = rate})};
    for (size_t i = 0; i < 3; i++) {
        hl_tensor *pair[] = {steps[i], steps[(i + 1) % 3]};
        hl_program *program = NULL;
        ck_assert_int_eq(hl_program_create(runtime, g, state, pair, 2, &program), HL_UNSUPPORTED);
        kit_assert_says(hl_graph_error(g), "'shared' is updated by 'adamw_");
        kit_assert_says(hl_graph_error(g), i == 0 ? "and by 'adamw_" : "and by 'sgd_");
        ck_assert_uint_eq(hl_state_count(state), 0);
        hl_program_destroy(kit_program(runtime, g, state, &steps[i], 1));
        hl_state_destroy(state);
        state = kit_state();
    }
    hl_state_destroy(state);
    hl_graph_destroy(g);
    hl_runtime_destroy(runtime);
}
END_TEST

/* ---- rates ---- */

static const float not_finite[] = {NAN, INFINITY, -INFINITY};

START_TEST(ARateThatIsWrittenIsRefusedUnlessItIsFinite) {
    hl_runtime *runtime = kit_runtime(1);
    for (size_t i = 0; i < 2 * KIT_COUNT(not_finite); i++) {
        hl_graph *g = kit_graph();
        hl_state *state = kit_state();
        hl_tensor *rates = hl_input(g, "rates", HL_F32, HL_SHAPE(3)), *w = hl_param(g, "w", HL_F32, HL_SHAPE(4));
        hl_tensor *rate = hl_reshape(g, hl_slice(g, rates, 0, 1, 2), HL_SCALAR), *loss = hl_sum(g, w, 0, false);
        hl_tensor *step = i % 2 ? hl_adamw(g, loss, &(hl_adamw_options){.rate = rate})
                                : hl_sgd(g, loss, &(hl_sgd_options){.rate = rate});
        hl_program *program = kit_program(runtime, g, state, &step, 1);
        float good[] = {1, 0.5f, 2}, bad[] = {1, 0.25f, not_finite[i / 2]}, read[3];
        kit_write(program, rates, good, sizeof good);
        ck_assert_int_eq(hl_program_write(program, rates, bad, sizeof bad), HL_OUT_OF_RANGE);
        kit_assert_says(hl_program_error(program), "'rates': element 2 is ");
        kit_assert_says(hl_program_error(program), i % 2 ? "'adamw_" : "'sgd_");
        kit_read(program, rates, read, sizeof read);
        ck_assert_mem_eq(read, good, sizeof good);
        kit_run(program);
        hl_program_destroy(program);
        hl_state_destroy(state);
        hl_graph_destroy(g);
    }
    hl_runtime_destroy(runtime);
}
END_TEST

START_TEST(AConstantRateThatIsNotFiniteIsRefusedAtOnce) {
    for (size_t i = 0; i < KIT_COUNT(not_finite); i++) {
        hl_graph *g = kit_graph();
        hl_tensor *rate = hl_constant(g, "fixed", HL_F32, HL_SCALAR, &not_finite[i]);
        hl_tensor *loss = hl_sum(g, hl_param(g, "w", HL_F32, HL_SHAPE(4)), 0, false);
        ck_assert_ptr_null(hl_adamw(g, loss, &(hl_adamw_options){.rate = rate}));
        ck_assert_int_eq(hl_graph_status(g), HL_OUT_OF_RANGE);
        kit_assert_says(hl_graph_error(g), "constant 'fixed'");
        hl_graph_destroy(g);
    }
}
END_TEST

/* Ways in which a rate can come from something else than an input: each is `factor` or infinite or NaN with it. */
typedef enum origin { COMPUTED, STATE, VIEW_OF_STATE, GRADIENT, N_ORIGINS } origin;

typedef struct rated {
    hl_graph *graph;
    hl_state *state;
    hl_tensor *factor;
    hl_program *program;
    origin from;
} rated;

static hl_tensor *rate_from(const rated *r) {
    hl_tensor *stored = hl_param(r->graph, "stored", HL_F32, HL_SHAPE(1, 2)),
              *y = hl_param(r->graph, "y", HL_F32, HL_SCALAR);
    switch (r->from) {
    case COMPUTED: return hl_name(r->graph, hl_scale(r->graph, r->factor, 1), "computed");
    case STATE: return hl_param(r->graph, "rate", HL_F32, HL_SCALAR);
    case VIEW_OF_STATE: return hl_reshape(r->graph, hl_slice(r->graph, stored, 1, 1, 2), HL_SCALAR);
    default: return hl_gradient(r->graph, hl_multiply(r->graph, y, r->factor), y);
    }
}

/* Trains w by AdamW and u by SGD; no output but the steps, so that nothing else can show what is wrong. */
static rated open_rated(hl_runtime *runtime, origin from) {
    rated r = {.graph = kit_graph(), .state = kit_state(), .from = from};
    hl_graph *g = r.graph;
    r.factor = hl_input(g, "factor", HL_F32, HL_SCALAR);
    hl_tensor *w = kit_param(g, "w", HL_SHAPE(5, 4)), *u = kit_param(g, "u", HL_SHAPE(4)), *rate = rate_from(&r);
    hl_tensor *loss = hl_squared_error(g, hl_multiply(g, w, w), hl_add(g, w, u));
    hl_adamw_options adamw = {.rate = rate, .decay = 0.1f, .params = &w, .n_params = 1};
    hl_sgd_options sgd = {.rate = rate, .momentum = 0.9f, .params = &u, .n_params = 1};
    hl_tensor *outputs[] = {hl_adamw(g, loss, &adamw), hl_sgd(g, loss, &sgd)};
    r.program = kit_program(runtime, g, r.state, outputs, 2);
    return r;
}

static void set_rate(const rated *r, float rate) {
    float stored[] = {1, rate};
    hl_status status;
    if (r->from == STATE) status = hl_state_write(r->state, "rate", &rate, sizeof rate);
    else if (r->from == VIEW_OF_STATE) status = hl_state_write(r->state, "stored", stored, sizeof stored);
    else status = hl_program_write(r->program, r->factor, &rate, sizeof rate);
    ck_assert_int_eq(status, HL_OK);
}

static void close_rated(rated *r) {
    hl_program_destroy(r->program);
    hl_graph_destroy(r->graph);
    hl_state_destroy(r->state);
}

START_TEST(ARateThatComesOutNotFiniteIsSaidAndChangesNothing) {
    hl_runtime *runtime = kit_runtime(2);
    for (origin from = COMPUTED; from < N_ORIGINS; from++) {
        rated r = open_rated(runtime, from), undisturbed = open_rated(runtime, from);
        for (size_t step = 0; step < 4; step++) {
            for (size_t i = 0; i < KIT_COUNT(not_finite) && step != 2; i++) {
                set_rate(&r, not_finite[i]);
                ck_assert_int_eq(hl_program_run(r.program), HL_NOT_FINITE);
                kit_assert_says(hl_program_error(r.program), "'adamw_");
                if (from == COMPUTED) kit_assert_says(hl_program_error(r.program), "'computed' is ");
                if (from == STATE) kit_assert_says(hl_program_error(r.program), "'rate' is ");
            }
            set_rate(&r, 0.1f);
            set_rate(&undisturbed, 0.1f);
            kit_run(r.program);
            kit_run(undisturbed.program);
            ck_assert(same_bits(r.state, undisturbed.state, "step")); /* which counts those runs, too */
        }
        close_rated(&r);
        close_rated(&undisturbed);
    }
    hl_runtime_destroy(runtime);
}
END_TEST

int main(void) {
    return run_tests(
        "graph/program_optimisers",
        TESTS(EachParameterIsCorrectedByTheNumberOfItsOwnUpdates, GroupsInOneProgramTrainAsOneOptimiserToTheBit,
              AParameterThatTwoOptimisersOfAProgramUpdateIsRefusedByName, ARateThatIsWrittenIsRefusedUnlessItIsFinite,
              AConstantRateThatIsNotFiniteIsRefusedAtOnce, ARateThatComesOutNotFiniteIsSaidAndChangesNothing));
}
