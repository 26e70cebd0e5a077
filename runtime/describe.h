/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a runtime has found and decided, in words. The environment and quotas are kept as they were when it was made:
 * that is what its decisions follow from. */
#ifndef HL_RUNTIME_DESCRIBE_H
#define HL_RUNTIME_DESCRIBE_H

#include <stdbool.h>
#include <stddef.h>

#include "headloom/runtime.h"

struct hl__system;

/* Variables of the environment that say how many threads there are, and where. */
#define HL__VARIABLE_LIST(X) \
    X(OMP_NUM_THREADS)       \
    X(OMP_PLACES)            \
    X(OMP_PROC_BIND)         \
    X(GOMP_CPU_AFFINITY)     \
    X(KMP_AFFINITY)
#define HL__VARIABLE_BYTES 128

enum {
#define HL__VARIABLE_ENUM(name) HL__VARIABLE_##name,
    HL__VARIABLE_LIST(HL__VARIABLE_ENUM) HL__N_VARIABLES
#undef HL__VARIABLE_ENUM
};

typedef struct hl__findings {
    size_t workers; /* that the options ask for; 0: none */
    size_t quota;   /* CPUs that the control groups allow; 0: no limit */
    size_t memory;  /* bytes that they allow, without swap; 0: no limit */
    bool is_set[HL__N_VARIABLES];
    char variable[HL__N_VARIABLES][HL__VARIABLE_BYTES]; /* longer ones are cut */
} hl__findings;

/* HL_OUT_OF_MEMORY. */
hl_status hl__findings_keep(hl__findings *findings, const struct hl__system *system, size_t workers);

/* A text in a buffer, which may be too small for it. */
typedef struct hl__text {
    char *text; /* may be NULL where size is 0 */
    size_t size;
    size_t length; /* of the whole text */
} hl__text;

void hl__text_add(hl__text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* All but what operators know. */
void hl__runtime_describe(const hl_runtime *runtime, hl__text *text);

#endif
