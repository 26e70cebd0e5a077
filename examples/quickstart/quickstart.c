/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A first program: causal attention with two heads learns to copy the word three places back. Only the learned bias on
 * distances tells places apart, so that a head has to find out where to look. */
#include <headloom/headloom.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 16, TOKENS = 32, WORDS = 16, WIDTH = 32, HEADS = 2, SIZE = WIDTH / HEADS, BACK = 3, REACH = 4 };

/* A macro, so that the message is fetched after the call that it explains: C evaluates the arguments of a function in
 * any order. */
#define CHECK(call, message)                       \
    do {                                           \
        hl_status status = (call);                 \
        if (status != HL_OK) end(status, message); \
    } while (0)

static void end(hl_status status, const char *message) {
    fprintf(stderr, "%s: %s\n", hl_status_string(status), message);
    exit(EXIT_FAILURE);
}

static hl_tensor *weight(hl_graph *g, const char *name, hl_shape shape) {
    return hl_init_normal(g, hl_param(g, name, HL_F32, shape), 0, 0.2f, 1);
}

int main(void) {
    hl_runtime *runtime;
    hl_state *state;
    hl_graph *g;
    CHECK(hl_runtime_create(NULL, &runtime), hl_runtime_error(NULL)); /* a worker a core */
    CHECK(hl_state_create(&state), "hl_state_create");                /* will hold parameters and moments */
    CHECK(hl_graph_create(&g), "hl_graph_create");

    /* The model. A wrong shape anywhere is remembered by the graph and reported by hl_program_create. */
    hl_tensor *words = hl_input(g, "words", HL_I32, HL_SHAPE(BATCH, TOKENS));
    hl_tensor *labels = hl_input(g, "labels", HL_I32, HL_SHAPE(BATCH, TOKENS));
    hl_tensor *distance = hl_input(g, "distance", HL_I32, HL_SHAPE(TOKENS, TOKENS));
    hl_tensor *rate = hl_input(g, "rate", HL_F32, HL_SCALAR);
    hl_tensor *x = hl_embedding(g, weight(g, "words.table", HL_SHAPE(WORDS, WIDTH)), words);
    hl_tensor *q = hl_project(g, x, weight(g, "wq", HL_SHAPE(WIDTH, HEADS, SIZE)), NULL);
    hl_tensor *k = hl_project(g, x, weight(g, "wk", HL_SHAPE(WIDTH, HEADS, SIZE)), NULL);
    hl_tensor *v = hl_project(g, x, weight(g, "wv", HL_SHAPE(WIDTH, HEADS, SIZE)), NULL);
    hl_tensor *bias = hl_nn_distance_bias(&(hl_nn){.graph = g}, "distance", distance, HEADS, REACH);
    hl_tensor *s = hl_score(g, q, k, &(hl_score_options){.mask = HL_MASK_CAUSAL, .bias = bias});
    hl_tensor *y = hl_concat(g, hl_weight(g, hl_softmax(g, s), v));
    hl_tensor *logits = hl_dense(g, y, weight(g, "wo", HL_SHAPE(WIDTH, WORDS)), NULL);
    hl_tensor *loss = hl_cross_entropy(g, logits, labels);
    hl_tensor *step = hl_adamw(g, loss, &(hl_adamw_options){.rate = rate});

    /* Forward, backward and update as one program, compiled once and run for each batch. */
    hl_program *program;
    hl_tensor *outputs[] = {loss, logits, step};
    CHECK(hl_program_create(runtime, g, state, outputs, 3, &program), hl_graph_error(g));
    static int32_t distances[TOKENS * TOKENS], batch[BATCH][TOKENS], wanted[BATCH][TOKENS];
    static float made[BATCH][TOKENS][WORDS];
    hl_nn_distances(distances, TOKENS, TOKENS, REACH);
    CHECK(hl_program_write(program, distance, distances, sizeof distances), hl_program_error(program));
    CHECK(hl_program_write(program, rate, &(float){0.02f}, sizeof(float)), hl_program_error(program));

    uint32_t random = 1;
    for (int i = 1; i <= 300; i++) {
        for (int b = 0; b < BATCH; b++)
            for (int t = 0; t < TOKENS; t++) {
                batch[b][t] = (int32_t)((random = random * 1664525 + 1013904223) >> 28);
                wanted[b][t] = t < BACK ? HL_IGNORED : batch[b][t - BACK];
            }
        CHECK(hl_program_write(program, words, batch, sizeof batch), hl_program_error(program));
        CHECK(hl_program_write(program, labels, wanted, sizeof wanted), hl_program_error(program));
        CHECK(hl_program_run(program), hl_program_error(program));
        if (i != 1 && i % 50 != 0) continue;

        float value;
        CHECK(hl_program_read(program, loss, &value, sizeof value), hl_program_error(program));
        CHECK(hl_program_read(program, logits, made, sizeof made), hl_program_error(program));
        int right = 0;
        for (int b = 0; b < BATCH; b++)
            for (int t = BACK; t < TOKENS; t++) {
                int best = 0;
                for (int w = 1; w < WORDS; w++) best = made[b][t][w] > made[b][t][best] ? w : best;
                right += best == wanted[b][t];
            }
        printf("step %3d: loss %.4f, %5.1f%% copied\n", i, (double)value, 100.0 * right / (BATCH * (TOKENS - BACK)));
    }

    hl_program_destroy(program);
    hl_graph_destroy(g);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    return EXIT_SUCCESS;
}
