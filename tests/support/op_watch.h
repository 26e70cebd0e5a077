/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Runs one call of a pass, tile by tile, and checks what each tile touches. Under op_engine. */
#ifndef HL_TESTS_SUPPORT_OP_WATCH_H
#define HL_TESTS_SUPPORT_OP_WATCH_H

#include "tests/support/op_engine.h"

bool op_run_call(op_engine *e, const hl_pass *pass, const op_value *operands, size_t n_reads, size_t n_writes);

#endif
