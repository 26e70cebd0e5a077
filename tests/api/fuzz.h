/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A fuzzer of the public API. A case follows from its seed: it builds a graph call by call, of arguments that fit or,
 * one in so many, of any; makes programs of it, and uses them. Whatever the arguments, the library must answer with a
 * status that the headers name and with words, leave alone what it says it leaves alone, and release all that it took.
 * fuzz_draw.c draws, fuzz_build.c, fuzz_layers.c and fuzz_operators.c build, fuzz_use.c uses, fuzz_compare.c compares
 * results, fuzz_memory.c is the library's memory, and fuzz_api.c runs cases in child processes and reports. */
#ifndef TESTS_API_FUZZ_H
#define TESTS_API_FUZZ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "headloom/headloom.h"

#if defined(__SANITIZE_ADDRESS__)
#define FUZZ_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define FUZZ_SANITIZED 1
#endif
#endif
#ifndef FUZZ_SANITIZED
#define FUZZ_SANITIZED 0
#endif

#define FUZZ_COUNT(array) (sizeof(array) / sizeof(array)[0])
#define FUZZ_TENSORS 64
#define FUZZ_LEAVES 96
#define FUZZ_RUNTIMES 3
#define FUZZ_ELEMENTS ((size_t)1 << 16) /* of tensors that are written and read */
#define FUZZ_ORDINARY ((size_t)1 << 13) /* of tensors that are drawn to fit */

typedef struct fuzz_leaf {
    hl_tensor *tensor;
    bool input;
    int32_t low, high; /* indices that all consumers accept */
} fuzz_leaf;

typedef struct fuzz {
    uint64_t seed, state; /* of the case; of the generator */
    unsigned wild;        /* one argument in so many fits nothing; 0: none */
    bool gentle;          /* values stay of ordinary size, and every function is smooth there */
    bool short_of_memory; /* any call may fail for want of memory */
    hl_graph *graph;
    hl_graph *other; /* whose tensors do not belong to graph */
    hl_tensor *foreign;
    hl_tensor *tensor[FUZZ_TENSORS]; /* float, to be computed with */
    float bound[FUZZ_TENSORS];       /* about the size of its elements, in gentle cases */
    size_t n_tensors;
    fuzz_leaf leaf[FUZZ_LEAVES];
    size_t n_leaves;
    hl_tensor *step[4]; /* of optimisers */
    size_t n_steps;
    hl_tensor *gradient[16];
    size_t n_gradients;
    hl_tensor *weights[8]; /* attention weights */
    size_t n_weights;
    hl_status first; /* error of the graph */
    char words[512]; /* and its words */
    size_t n_names;
} fuzz;

/* ---- draws ---- */

void fuzz_start(fuzz *f, uint64_t seed);
uint64_t fuzz_draw(fuzz *f);
size_t fuzz_below(fuzz *f, size_t n);      /* 0 where n is 0 */
bool fuzz_one_in(fuzz *f, unsigned n);     /* false where n is 0 */
bool fuzz_odd(fuzz *f);                    /* this argument fits nothing */
size_t fuzz_extent(fuzz *f);               /* small, odd and unit ones among them */
hl_shape fuzz_shape(fuzz *f, size_t rank); /* of ordinary size, or any where the argument is odd */
size_t fuzz_size(fuzz *f, size_t fitting);
float fuzz_float(fuzz *f, float fitting);
float fuzz_uniform(fuzz *f, float low, float high);
const char *fuzz_name(fuzz *f, const char *kind); /* one that nothing has yet, or any where odd; static memory */
void fuzz_fill(fuzz *f, const fuzz_leaf *leaf, void *values, size_t n); /* what the leaf accepts, or any where odd */

/* ---- what happens ---- */

void fuzz_say(const fuzz *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The case's verdict: prints the seed and what was done, and ends the process. */
_Noreturn void fuzz_fail(const fuzz *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define fuzz_check(f, condition, ...)                  \
    do {                                               \
        if (!(condition)) fuzz_fail((f), __VA_ARGS__); \
    } while (0)

#define FUZZ_BIT(status) (1u << (status))
#define FUZZ_REFUSED                                                                            \
    (FUZZ_BIT(HL_INVALID_ARGUMENT) | FUZZ_BIT(HL_SHAPE_MISMATCH) | FUZZ_BIT(HL_TYPE_MISMATCH) | \
     FUZZ_BIT(HL_OUT_OF_RANGE) | FUZZ_BIT(HL_OUT_OF_MEMORY) | FUZZ_BIT(HL_UNSUPPORTED) | FUZZ_BIT(HL_EXISTS))

/* Fails unless the call may give this status, and words where it is not HL_OK. words: NULL where there are none. */
void fuzz_status(const fuzz *f, const char *call, hl_status status, unsigned allowed, const char *words);

/* ---- graphs ---- */

bool fuzz_small(const hl_tensor *tensor);                                        /* may be written and read */
hl_tensor *fuzz_made(fuzz *f, const char *call, hl_tensor *tensor, float bound); /* of every constructor */
float fuzz_bound(const fuzz *f, const hl_tensor *tensor);
hl_tensor *fuzz_leaf_of(fuzz *f, hl_shape shape, float bound);             /* a new float leaf */
hl_tensor *fuzz_pick(fuzz *f, size_t min_rank, size_t max_rank);           /* some float tensor; a leaf where none is */
hl_tensor *fuzz_want(fuzz *f, hl_shape shape, float bound);                /* a float tensor of this shape */
hl_tensor *fuzz_index(fuzz *f, hl_shape shape, int32_t low, int32_t high); /* integers in low..high */
hl_tensor *fuzz_argument(fuzz *f, hl_tensor *fitting);                     /* or any, where odd */
void fuzz_build(fuzz *f, size_t n_calls);
void fuzz_layer(fuzz *f);
void fuzz_attention(fuzz *f);
void fuzz_apply(fuzz *f);         /* any operator */
void fuzz_user_operator(fuzz *f); /* one of the caller's own */

/* ---- programs ---- */

typedef struct fuzz_runtimes {
    hl_runtime *runtime[FUZZ_RUNTIMES];
    hl_runtime_options options[FUZZ_RUNTIMES];
} fuzz_runtimes;

/* A refusal must be one that hl_program_create documents. */
hl_program *fuzz_program(fuzz *f, hl_runtime *runtime, hl_state *state, hl_tensor *const outputs[], size_t n);
void fuzz_write_all(fuzz *f, hl_program *program); /* every input of the program, by what it accepts */
void fuzz_use(fuzz *f, const fuzz_runtimes *runtimes);
void fuzz_same_bits(fuzz *f, const fuzz_runtimes *runtimes);
void fuzz_fused_and_apart(fuzz *f, const fuzz_runtimes *runtimes);
void fuzz_two_threads(fuzz *f, const fuzz_runtimes *runtimes);

/* ---- memory ---- */

/* After n_good more allocations, n_bad fail; SIZE_MAX: all go well, but for those that are too large for any case. */
void fuzz_memory_limit(size_t n_good, size_t n_bad);
size_t fuzz_memory_held(void); /* allocations that are not released */

#endif
