/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of built-in operators, and the choice of instruction set. */
#ifndef HL_OPS_OPS_H
#define HL_OPS_OPS_H

#include "headloom/operator.h"

typedef enum hl__op {
#define HL_OPERATOR(name) HL__OP_##name,
#include "ops/op_list.h"
#undef HL_OPERATOR
    HL__N_OPS
} hl__op;

typedef enum hl__isa { HL__ISA_BASELINE, HL__ISA_AVX2, HL__ISA_AVX512, HL__N_ISAS } hl__isa;

/* The instruction set that `word` (of the environment variable HEADLOOM_ISA: baseline, avx2, avx512) asks for; NULL or
 * "" asks for the widest that build and processor have, which *isa also gets on failure. HL_INVALID_ARGUMENT: another
 * word. HL_UNSUPPORTED: this build or this processor does not have it. */
hl_status hl__isa_choose(const char *word, hl__isa *isa);

/* What HEADLOOM_ISA chose, the same for the whole process: decided at the first call of either. hl__isa_status is what
 * hl__isa_choose said then, and in words; hl_program_create reports it, so that a mistyped word is not ignored. */
hl__isa hl__isa_chosen(void);
hl_status hl__isa_status(char *message, size_t size);
const char *hl__isa_name(hl__isa isa);

/* Descriptor of a built-in operator for the chosen instruction set, or for a given one (NULL where this build or this
 * processor does not have it). The pointers are stable. */
const hl_operator *hl__operator(hl__op op);
const hl_operator *hl__operator_for(hl__op op, hl__isa isa);

#endif
