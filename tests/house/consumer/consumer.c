/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A program outside of the tree: it finds the installed library, computes with it, and asks for its version. */
#include <headloom/headloom.h>
#include <stdio.h>

int main(void) {
    hl_runtime *runtime = NULL;
    hl_state *state = NULL;
    hl_graph *graph = NULL;
    hl_program *program = NULL;
    float value[2] = {1, 2}, sum[2] = {0, 0};
    if (hl_runtime_create(NULL, &runtime) || hl_state_create(&state) || hl_graph_create(&graph)) return 1;
    hl_tensor *x = hl_input(graph, "x", HL_F32, HL_SHAPE(2));
    hl_tensor *y = hl_add(graph, x, x);
    if (hl_program_create(runtime, graph, state, (hl_tensor *[]){y}, 1, &program)) return 2;
    if (hl_program_write(program, x, value, sizeof value) || hl_program_run(program)) return 3;
    if (hl_program_read(program, y, sum, sizeof sum) || sum[0] != 2 || sum[1] != 4) return 4;
    hl_program_destroy(program);
    hl_graph_destroy(graph);
    hl_state_destroy(state);
    hl_runtime_destroy(runtime);
    printf("headloom %s\n", hl_version_string());
    return 0;
}
