/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A program's tensors in the state: found there or entered with their first values, all of them or none; and what the
 * program says of them afterwards. */
#include "graph/place.h"
#include "graph/program.h"
#include "graph/state.h"

static hl_status no_memory(hl_program *program) { return hl__ir_no_memory(&program->ir); }

/* Lists the state tensors that the program uses, each once. */
static hl_status list_bindings(hl_program *program) {
    hl__ir *ir = &program->ir;
    program->bindings = hl__store_take(&ir->store, ir->n_values, sizeof *program->bindings);
    if (!program->bindings) return no_memory(program);
    for (uint32_t v = 0; v < ir->n_values; v++)
        if (ir->values[v].kind == HL__VALUE_STATE && ir->values[v].base == v)
            program->bindings[program->n_bindings++].value = v;
    return HL_OK;
}

static hl_status check_missing(hl_program *program) {
    hl__ir *ir = &program->ir;
    size_t n = program->n_bindings;
    const char **names = hl__store_take(&ir->store, n, sizeof *names);
    bool *params = hl__store_take(&ir->store, n, sizeof *params);
    if (!names || !params) return no_memory(program);
    for (size_t i = 0; i < n; i++) {
        const hl__value *value = &ir->values[program->bindings[i].value];
        names[i] = value->name;
        params[i] = value->tensor->kind == HL__TENSOR_PARAM;
    }
    hl_status status = hl__state_check_missing(program->state, names, params, n);
    return status == HL_OK ? HL_OK : hl__ir_fail(ir, status, "%s", hl_state_error(program->state));
}

static hl_status bind_value(hl_program *program, hl__binding *binding) {
    hl__value *value = &program->ir.values[binding->value];
    bool fresh;
    hl_status status = hl__state_bind(program->state, value->name, value->dtype, &value->shape, &value->data, &fresh);
    if (status != HL_OK) return hl__ir_fail(&program->ir, status, "%s", hl_state_error(program->state));
    binding->found = !fresh;
    value->data = hl__state_settle(program->state, program->runtime, value->name, value->home == HL__DIVIDED);
    const hl_tensor *tensor = value->tensor;
    if (fresh && tensor->init) tensor->init(value->data, &value->shape, tensor->name, tensor->init_context);
    return HL_OK;
}

static hl_status bind_all(hl_program *program) {
    hl__ir *ir = &program->ir;
    size_t mark = hl__state_mark(program->state);
    hl_status status = check_missing(program);
    for (size_t i = 0; i < program->n_bindings && status == HL_OK; i++)
        status = bind_value(program, &program->bindings[i]);
    if (status != HL_OK) hl__state_rewind(program->state, mark);
    for (size_t i = 0; i < program->n_bindings && status == HL_OK; i++)
        hl__state_use(program->state, ir->values[program->bindings[i].value].name);
    return status;
}

hl_status hl__program_bind(hl_program *program) {
    hl_status status = list_bindings(program);
    if (status != HL_OK) return status;
    if ((status = hl__state_hold(program->state, true)) != HL_OK)
        return hl__ir_fail(&program->ir, status, "%s", hl__state_refusal(status));
    status = bind_all(program);
    hl__state_let_go(program->state);
    return status;
}

/* ---- asked afterwards ---- */

size_t hl_program_state_count(const hl_program *program) { return program ? program->n_bindings : 0; }

hl_status hl_program_state(const hl_program *program, size_t index, const char **name, bool *found) {
    if (!program) return HL_INVALID_ARGUMENT;
    if (index >= program->n_bindings) return HL_OUT_OF_RANGE;
    const hl__binding *binding = &program->bindings[index];
    if (name) *name = program->ir.values[binding->value].name;
    if (found) *found = binding->found;
    return HL_OK;
}
