/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of built-in operators, made from op_list.h for each instruction set of the build, and the choice among
 * those sets. What the processor has, and what the environment asks for, is looked at once for each process. */
#include "ops/ops.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/kernels/portable.h"

#define HL_OPERATOR(name) extern const hl_operator hl__op_##name##_baseline;
#include "ops/op_list.h"
#undef HL_OPERATOR

static const hl_operator *const baseline[] = {
#define HL_OPERATOR(name) &hl__op_##name##_baseline,
#include "ops/op_list.h"
#undef HL_OPERATOR
};

#ifdef HL__HAVE_AVX2
#define HL_OPERATOR(name) extern const hl_operator hl__op_##name##_avx2;
#include "ops/op_list.h"
#undef HL_OPERATOR

static const hl_operator *const avx2[] = {
#define HL_OPERATOR(name) &hl__op_##name##_avx2,
#include "ops/op_list.h"
#undef HL_OPERATOR
};

static bool has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif

#ifdef HL__HAVE_AVX512
#define HL_OPERATOR(name) extern const hl_operator hl__op_##name##_avx512;
#include "ops/op_list.h"
#undef HL_OPERATOR

static const hl_operator *const avx512[] = {
#define HL_OPERATOR(name) &hl__op_##name##_avx512,
#include "ops/op_list.h"
#undef HL_OPERATOR
};

static bool has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx2") &&
           __builtin_cpu_supports("fma");
}
#endif

extern const hl__kernels hl__kernels_baseline, hl__kernels_avx2, hl__kernels_avx512;

/* Operators of a set; NULL where the build or the processor does not have it. */
static const hl_operator *const *operators_of(hl__isa isa) {
    switch (isa) {
    case HL__ISA_BASELINE: return baseline;
#ifdef HL__HAVE_AVX2
    case HL__ISA_AVX2: return has_avx2() ? avx2 : NULL;
#endif
#ifdef HL__HAVE_AVX512
    case HL__ISA_AVX512: return has_avx512() ? avx512 : NULL;
#endif
    default: return NULL;
    }
}

const char *hl__isa_name(hl__isa isa) {
    switch (isa) {
    case HL__ISA_BASELINE: return "baseline";
    case HL__ISA_AVX2: return "avx2";
    case HL__ISA_AVX512: return "avx512";
    default: return "unknown";
    }
}

hl_status hl__isa_choose(const char *word, hl__isa *isa) {
    hl__isa widest = HL__ISA_BASELINE, asked = HL__N_ISAS;
    for (int i = 0; i < HL__N_ISAS; i++) {
        if (operators_of((hl__isa)i)) widest = (hl__isa)i;
        if (word && strcmp(word, hl__isa_name((hl__isa)i)) == 0) asked = (hl__isa)i;
    }
    *isa = widest;
    if (!word || !*word) return HL_OK;
    if (asked == HL__N_ISAS) return HL_INVALID_ARGUMENT;
    if (!operators_of(asked)) return HL_UNSUPPORTED;
    *isa = asked;
    return HL_OK;
}

/* The decision is one number: 0 before it is made, else 1 + set + HL__N_ISAS * status. Whoever is first to store it
 * decides for all. Nothing else is published through it, so relaxed operations do. */
static int decision(void) {
    static atomic_int decided;
    int found = atomic_load_explicit(&decided, memory_order_relaxed);
    if (found) return found - 1;
    hl__isa isa;
    hl_status status = hl__isa_choose(getenv("HEADLOOM_ISA"), &isa);
    int made = 1 + (int)isa + HL__N_ISAS * (int)status;
    if (!atomic_compare_exchange_strong_explicit(&decided, &found, made, memory_order_relaxed, memory_order_relaxed))
        return found - 1;
    return made - 1;
}

hl__isa hl__isa_chosen(void) { return (hl__isa)(decision() % HL__N_ISAS); }

hl_status hl__isa_status(char *message, size_t size) {
    hl_status status = (hl_status)(decision() / HL__N_ISAS);
    if (status == HL_INVALID_ARGUMENT)
        snprintf(message, size, "HEADLOOM_ISA names no instruction set: baseline, avx2 and avx512 are accepted");
    else if (status == HL_UNSUPPORTED)
        snprintf(message, size,
                 "HEADLOOM_ISA names an instruction set that this build or this processor does not have");
    return status;
}

const hl_operator *hl__operator(hl__op op) { return hl__operator_for(op, hl__isa_chosen()); }

const hl_operator *hl__operator_for(hl__op op, hl__isa isa) {
    const hl_operator *const *operators = operators_of(isa);
    return operators && op >= 0 && op < HL__N_OPS ? operators[op] : NULL;
}

const hl__kernels *hl__kernels_for(hl__isa isa) {
    if (!operators_of(isa)) return NULL;
    switch (isa) {
#ifdef HL__HAVE_AVX2
    case HL__ISA_AVX2: return &hl__kernels_avx2;
#endif
#ifdef HL__HAVE_AVX512
    case HL__ISA_AVX512: return &hl__kernels_avx512;
#endif
    default: return &hl__kernels_baseline;
    }
}

hl_status hl_refuse(hl_inference *inference, hl_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(inference->message, sizeof inference->message, format, arguments);
    va_end(arguments);
    return status;
}
