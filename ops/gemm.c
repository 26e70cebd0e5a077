/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Behind the seam for products: libxsmm's generated kernels where the build has them, else the portable kernel of the
 * chosen instruction set. Generated kernels are cached by libxsmm, so the same shape is generated once. */
#include "ops/gemm.h"

#include <stdint.h>
#include <string.h>

#include "ops/ops.h"
#include "ops/portable.h"

/* True where rows lie one behind the other: the generator must never see anything else (it would exit). */
static bool rows_fit(const hl__gemm_shape *s) {
    return s->lda >= (s->transpose_a ? s->m : s->k) && s->ldb >= s->n && s->ldc >= s->n;
}

#ifdef HL__XSMM
#include <libxsmm.h>

/* Each block of rows of a kernel that fetches asks for all of the next B once more, which took 9 percent of a product
 * of 128 x 256 x 192: so only the first rows fetch (Zen 5: 245 instead of 230 GFLOP/s, in a walk over 768 x 768
 * weights). */
#define FETCHING_ROWS 24

/* Generated code moves its pointers by 32-bit immediates: no operand may span 2 GiB. */
static bool spans_fit(const hl__gemm_shape *s) {
    size_t limit = INT32_MAX / sizeof(float), rows_a = s->transpose_a ? s->k : s->m;
    return s->lda <= limit / rows_a && s->ldb <= limit / s->k && s->ldc <= limit / s->m;
}

/* Row-major C = A B is column-major C' = B' A', so our transposed A is the generator's transposed B. Generated code
 * keeps to HEADLOOM_ISA like all other kernels; the initialisation would forget that, so it comes first (any number of
 * times, from any thread). */
static void *generate(const hl__gemm_shape *s) {
    libxsmm_init();
    if (hl__isa_chosen() == HL__ISA_BASELINE) libxsmm_set_target_archid(LIBXSMM_X86_SSE3);
    if (hl__isa_chosen() == HL__ISA_AVX2) libxsmm_set_target_archid(LIBXSMM_X86_AVX2);
    libxsmm_blasint lda = (libxsmm_blasint)s->ldb, ldb = (libxsmm_blasint)s->lda, ldc = (libxsmm_blasint)s->ldc;
    const float alpha = 1, beta = s->accumulate ? 1 : 0;
    const int flags = s->transpose_a ? LIBXSMM_GEMM_FLAG_TRANS_B : LIBXSMM_GEMM_FLAG_NONE;
    const int prefetch = s->fetch ? LIBXSMM_GEMM_PREFETCH_AL2 : LIBXSMM_GEMM_PREFETCH_NONE; /* its A is our B */
    libxsmm_smmfunction kernel =
        libxsmm_smmdispatch((libxsmm_blasint)s->n, (libxsmm_blasint)s->m, (libxsmm_blasint)s->k, &lda, &ldb, &ldc,
                            &alpha, &beta, &flags, &prefetch);
    void *generated;
    memcpy(&generated, &kernel, sizeof generated); /* C has no conversion from a function pointer */
    return generated;
}

static hl_status prepare_generated(const hl__gemm_shape *shape, hl__gemm *gemm) {
    if (shape->m == 0 || shape->n == 0 || shape->k == 0) return HL_OK;
    if (!spans_fit(shape)) return HL_UNSUPPORTED;
    hl__gemm_shape first = *shape, rest = *shape;
    first.m = !shape->fetch ? 0 : shape->m < FETCHING_ROWS ? shape->m : FETCHING_ROWS;
    rest.m -= first.m;
    rest.fetch = false;
    if (shape->pack) rest.ldb = rest.n;
    if (first.m > 0) gemm->fetching = generate(&first);
    if (rest.m > 0) gemm->generated = generate(&rest);
    bool made = (first.m == 0 || gemm->fetching) && (rest.m == 0 || gemm->generated);
    return made ? HL_OK : HL_UNSUPPORTED;
}

/* Generated code leaves the upper halves of the vector registers in use; code for the baseline set (ours and the
 * caller's) then ran at a quarter of its speed, 6.8 instead of 30 GFLOP/s in the portable kernel. */
__attribute__((target("avx"))) static void clear_upper_halves(void) { __builtin_ia32_vzeroupper(); }

/* B is in cache when it is copied: the first rows have passed it. */
static const float *packed(const hl__gemm_shape *s, const float *b, float *scratch) {
    if (!s->pack || s->m <= FETCHING_ROWS) return b;
    for (size_t p = 0; p < s->k; p++) memcpy(scratch + p * s->n, b + p * s->ldb, s->n * sizeof *b);
    return scratch;
}

static void run_generated(const hl__gemm *gemm, const float *a, const float *b, float *c, const float *next_b,
                          float *scratch) {
    libxsmm_smmfunction kernel;
    if (gemm->fetching) {
        memcpy(&kernel, &gemm->fetching, sizeof kernel);
        kernel(b, a, c, next_b, a, c);
        b = packed(&gemm->shape, b, scratch);
        a += FETCHING_ROWS * (gemm->shape.transpose_a ? 1 : gemm->shape.lda);
        c += FETCHING_ROWS * gemm->shape.ldc;
    }
    memcpy(&kernel, &gemm->generated, sizeof kernel);
    if (kernel) kernel(b, a, c);
    if (hl__isa_chosen() != HL__ISA_BASELINE) clear_upper_halves();
}

const char *hl__gemm_kind(void) { return "libxsmm"; }
#else
static hl_status prepare_generated(const hl__gemm_shape *shape, hl__gemm *gemm) {
    (void)shape;
    (void)gemm;
    return HL_OK;
}

static void run_generated(const hl__gemm *gemm, const float *a, const float *b, float *c, const float *next_b,
                          float *scratch) {
    (void)next_b;
    (void)scratch;
    gemm->portable(&gemm->shape, a, b, c);
}

const char *hl__gemm_kind(void) { return "portable"; }
#endif

hl_status hl__gemm_prepare(const hl__gemm_shape *shape, hl__gemm *gemm) {
    *gemm = (hl__gemm){.portable = hl__kernels_for(hl__isa_chosen())->gemm, .shape = *shape};
    return rows_fit(shape) ? prepare_generated(shape, gemm) : HL_UNSUPPORTED;
}

void hl__gemm_run(const hl__gemm *gemm, const float *a, const float *b, float *c) {
    hl__gemm_run_fetching(gemm, a, b, c, b, NULL);
}

void hl__gemm_run_fetching(const hl__gemm *gemm, const float *a, const float *b, float *c, const float *next_b,
                           float *scratch) {
    if (gemm->generated || gemm->fetching) run_generated(gemm, a, b, c, next_b, scratch);
    else gemm->portable(&gemm->shape, a, b, c);
}

void hl__transpose_block(const float *in, size_t ld_in, size_t rows, size_t columns, float *out, size_t ld_out) {
    hl__kernels_for(hl__isa_chosen())->transpose(in, ld_in, rows, columns, out, ld_out);
}
