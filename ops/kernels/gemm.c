/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Behind the seam for products: libxsmm's generated kernels where the build has them and they are faster, else the
 * portable kernel of the chosen instruction set. Of libxsmm only the generator is used, which writes code into a buffer
 * of ours and neither allocates nor keeps anything: its dispatcher keeps kernels for ever, 65,520 of them, ends the
 * process or reads through a null pointer where memory may not become executable, and takes 128 KiB of stack. */
#include "ops/kernels/gemm.h"

#include <stdint.h>
#include <string.h>

#include "ops/kernels/portable.h"
#include "ops/ops.h"

/* True where rows lie one behind the other. */
static bool rows_fit(const hl__gemm_shape *s) {
    return s->lda >= (s->transpose_a ? s->m : s->k) && s->ldb >= s->n && s->ldc >= s->n;
}

#ifdef HL__XSMM
#include <libxsmm_cpuid.h>
#include <libxsmm_generator.h>

/* Each block of rows of a kernel that fetches asks for all of the next B once more, which took 9 percent of a product
 * of 128 x 256 x 192: so only the first rows fetch (Zen 5: 245 instead of 230 GFLOP/s, in a walk over 768 x 768
 * weights). */
#define FETCHING_ROWS 24

/* Where the portable kernel is the faster one. Its time over that of generated code, for the shapes of a block of width
 * 768 (Zen 4, one core, in cache): AVX2 tokens 0.97 to 1.00, gradients of weights 0.85 to 0.88, attention 0.91, its
 * backward pass 1.09 to 1.12; baseline gradients 0.80, attention and the products with a transposed matrix 1.02
 * to 1.09; AVX-512 1.01 to 1.09 throughout. In the block as a whole, AVX2: projections forward 0.89, their dX 0.97,
 * gradients of weights 0.94 to 1.08. */
static const bool prefers_portable[HL__N_ISAS][HL__N_GEMM_KINDS] = {
    [HL__ISA_BASELINE] = {[HL__GEMM_WEIGHT_GRADIENT] = true},
    [HL__ISA_AVX2] = {[HL__GEMM_TOKENS] = true,
                      [HL__GEMM_TOKENS_TRANSPOSED] = true,
                      [HL__GEMM_WEIGHT_GRADIENT] = true,
                      [HL__GEMM_ATTENTION] = true},
};

static const unsigned int architectures[HL__N_ISAS] = {[HL__ISA_BASELINE] = LIBXSMM_X86_SSE3,
                                                       [HL__ISA_AVX2] = LIBXSMM_X86_AVX2,
                                                       [HL__ISA_AVX512] = LIBXSMM_X86_AVX512_CORE};

/* Generated code moves its pointers by 32-bit immediates: no operand may span 2 GiB. */
static bool spans_fit(const hl__gemm_shape *s) {
    size_t limit = INT32_MAX / sizeof(float), rows_a = s->transpose_a ? s->k : s->m;
    return s->lda <= limit / rows_a && s->ldb <= limit / s->k && s->ldc <= limit / s->m;
}

/* Columns for which generated code adds up in the order of k, as the portable kernel does. With AVX-512 a block of one
 * vector of columns and less than 12 rows has two or four sums an element, one for every second or fourth k. Columns
 * are taken 64 at a time, 6 rows a block, and what is left in as few vectors as hold it; up to 16 columns alone have
 * blocks of 12 rows or more where there are so many. (First rows that fetch are not fewer, or they are all.) */
static size_t columns_in_order(const hl__gemm_shape *s, hl__isa isa) {
    size_t rest = s->n % 64;
    bool one_vector = isa == HL__ISA_AVX512 && rest >= 1 && rest <= 16;
    return one_vector && (s->n > 64 || s->m < 12) ? s->n - rest : s->n;
}

/* What the code for a product follows from: no gaps between members, since bytes are compared. */
typedef struct kernel_key {
    uint32_t isa, m, n, k, lda, ldb, ldc;
    uint32_t transpose_a, accumulate, fetch;
} kernel_key;

/* Row-major C = A B is column-major C' = B' A', so our transposed A is the generator's transposed B, and what it calls
 * A is our B. */
static size_t generate(const void *key, void *buffer, size_t bytes) {
    const kernel_key *s = key;
    const int flags = s->transpose_a ? LIBXSMM_GEMM_FLAG_TRANS_B : LIBXSMM_GEMM_FLAG_NONE;
    const int prefetch = s->fetch ? LIBXSMM_GEMM_PREFETCH_AL2 : LIBXSMM_GEMM_PREFETCH_NONE;
    libxsmm_descriptor_blob blob;
    const libxsmm_gemm_descriptor *product = libxsmm_sgemm_descriptor_init(
        &blob, (libxsmm_blasint)s->n, (libxsmm_blasint)s->m, (libxsmm_blasint)s->k, (libxsmm_blasint)s->ldb,
        (libxsmm_blasint)s->lda, (libxsmm_blasint)s->ldc, 1, s->accumulate ? 1 : 0, flags, prefetch);
    if (!product) return 0;
    libxsmm_generated_code code = {.generated_code = buffer,
                                   .buffer_size = (unsigned int)bytes,
                                   .code_type = 2, /* binary */
                                   .arch = architectures[s->isa]};
    libxsmm_generator_gemm_kernel(&code, product);
    return code.last_error ? 0 : code.code_size;
}

static const void *place(const struct hl_code *code, const hl__gemm_shape *s, hl__isa isa) {
    const kernel_key key = {.isa = (uint32_t)isa,
                            .m = (uint32_t)s->m,
                            .n = (uint32_t)s->n,
                            .k = (uint32_t)s->k,
                            .lda = (uint32_t)s->lda,
                            .ldb = (uint32_t)s->ldb,
                            .ldc = (uint32_t)s->ldc,
                            .transpose_a = s->transpose_a,
                            .accumulate = s->accumulate,
                            .fetch = s->fetch};
    return code->place(code->room, &key, sizeof key, generate);
}

static void prepare_generated(const struct hl_code *code, const hl__gemm_shape *shape, hl__gemm *gemm) {
    hl__isa isa = hl__isa_chosen();
    if (!code || shape->m == 0 || shape->n == 0 || shape->k == 0 || !spans_fit(shape)) return;
    if (prefers_portable[isa][shape->kind]) return;
    hl__gemm_shape first = *shape, rest = *shape;
    first.m = !shape->fetch ? 0 : shape->m < FETCHING_ROWS ? shape->m : FETCHING_ROWS;
    rest.m -= first.m;
    first.n = rest.n = columns_in_order(rest.m > 0 ? &rest : &first, isa);
    if (rest.n == 0) return;
    rest.fetch = false;
    if (shape->pack) rest.ldb = shape->n;
    const void *fetching = first.m > 0 ? place(code, &first, isa) : NULL;
    const void *generated = rest.m > 0 ? place(code, &rest, isa) : NULL;
    if ((first.m > 0 && !fetching) || (rest.m > 0 && !generated)) return;
    gemm->fetching = fetching;
    gemm->generated = generated;
    gemm->columns = first.n;
}

typedef void generated_kernel(const float *b, const float *a, float *c, const float *next_b, const float *next_a,
                              const float *next_c);

/* C has no conversion to a function pointer. */
static generated_kernel *kernel_at(const void *entry) {
    generated_kernel *kernel;
    memcpy(&kernel, &entry, sizeof kernel);
    return kernel;
}

/* Generated code leaves the upper halves of the vector registers in use; code for the baseline set (ours and the
 * caller's) then ran at a quarter of its speed, 6.8 instead of 30 GFLOP/s in the portable kernel. */
__attribute__((target("avx"))) static void clear_upper_halves(void) { __builtin_ia32_vzeroupper(); }

/* B is in cache when it is copied: the first rows have passed it. */
static const float *packed(const hl__gemm_shape *s, const float *b, float *scratch) {
    for (size_t p = 0; p < s->k; p++) memcpy(scratch + p * s->n, b + p * s->ldb, s->n * sizeof *b);
    return scratch;
}

/* Columns behind those of generated code. */
static void run_rest(const hl__gemm *gemm, const float *a, const float *b, float *c) {
    hl__gemm_shape rest = gemm->shape;
    rest.n -= gemm->columns;
    gemm->portable(&rest, a, b + gemm->columns, c + gemm->columns, NULL, NULL);
}

static void run_generated(const hl__gemm *gemm, const float *a, const float *b, float *c, const float *next_b,
                          float *scratch) {
    const hl__gemm_shape *s = &gemm->shape;
    const float *a_rest = a, *b_rest = b;
    float *c_rest = c;
    if (gemm->fetching) {
        kernel_at(gemm->fetching)(b, a, c, next_b, a, c);
        if (s->pack && gemm->generated) b_rest = packed(s, b, scratch);
        a_rest += FETCHING_ROWS * (s->transpose_a ? 1 : s->lda);
        c_rest += FETCHING_ROWS * s->ldc;
    }
    if (gemm->generated) kernel_at(gemm->generated)(b_rest, a_rest, c_rest, b_rest, a_rest, c_rest);
    if (hl__isa_chosen() != HL__ISA_BASELINE) clear_upper_halves();
    if (gemm->columns < s->n) run_rest(gemm, a, b, c);
}

const char *hl__gemm_name(void) { return "libxsmm"; }
#else
static void prepare_generated(const struct hl_code *code, const hl__gemm_shape *shape, hl__gemm *gemm) {
    (void)code;
    (void)shape;
    (void)gemm;
}

static void run_generated(const hl__gemm *gemm, const float *a, const float *b, float *c, const float *next_b,
                          float *scratch) {
    gemm->portable(&gemm->shape, a, b, c, next_b, scratch);
}

const char *hl__gemm_name(void) { return "portable"; }
#endif

hl_status hl__gemm_prepare(const struct hl_code *code, const hl__gemm_shape *shape, hl__gemm *gemm) {
    *gemm = (hl__gemm){.portable = hl__kernels_for(hl__isa_chosen())->gemm, .shape = *shape};
    if (!rows_fit(shape)) return HL_UNSUPPORTED;
    prepare_generated(code, shape, gemm);
    return HL_OK;
}

void hl__gemm_run(const hl__gemm *gemm, const float *a, const float *b, float *c) {
    hl__gemm_run_fetching(gemm, a, b, c, gemm->shape.fetch ? b : NULL, NULL);
}

void hl__gemm_run_fetching(const hl__gemm *gemm, const float *a, const float *b, float *c, const float *next_b,
                           float *scratch) {
    if (gemm->generated || gemm->fetching) run_generated(gemm, a, b, c, next_b, scratch);
    else gemm->portable(&gemm->shape, a, b, c, next_b, scratch);
}

void hl__transpose_block(const float *in, size_t ld_in, size_t rows, size_t columns, float *out, size_t ld_out) {
    hl__kernels_for(hl__isa_chosen())->transpose(in, ld_in, rows, columns, out, ld_out);
}
