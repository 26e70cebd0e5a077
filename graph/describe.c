/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl_runtime_describe. It stands here because the runtime does not know what operators are made of. */
#include <string.h>

#include "headloom/runtime.h"
#include "headloom/version.h"
#include "ops/kernels/gemm.h"
#include "ops/ops.h"
#include "runtime/code.h"
#include "runtime/describe.h"

static const char *words_of(hl__code_lack lack) {
    switch (lack) {
    case HL__CODE_FULL: return "there is no more room";
    case HL__CODE_NO_MEMORY: return "there was no memory";
    case HL__CODE_FORBIDDEN: return "memory may not become executable";
    case HL__CODE_NOT_TO_BE_GENERATED: return "the generator has none for a shape";
    default: return "";
    }
}

/* Kernels that programs hold at the moment, and why there are no more of them. */
static void add_code(hl__text *text, const hl_runtime *runtime) {
    hl__code_counts counts = hl__code_count(hl__runtime_code(runtime));
    hl__text_add(text, "generated kernels: %zu, %zu KiB of at most %zu\n", counts.pieces, counts.bytes >> 10,
                 counts.most_bytes >> 10);
    if (counts.lacks == 0) return;
    hl__text_add(text, "portable kernels in place of generated ones: %zu times, the last since %s", counts.lacks,
                 words_of(counts.lack));
    hl__text_add(text, counts.error ? " (%s)\n" : "\n", strerror(counts.error));
}

size_t hl_runtime_describe(const hl_runtime *runtime, char *text, size_t size) {
    hl__text made = {.text = text, .size = size};
    if (size > 0) text[0] = '\0';
    if (!runtime) return 0;
    char message[160] = "";
    hl__text_add(&made, "headloom %s\n", hl_version_string());
    hl__runtime_describe(runtime, &made);
    hl__text_add(&made, "kernels: %s", hl__isa_name(hl__isa_chosen()));
    if (hl__isa_status(message, sizeof message) != HL_OK) hl__text_add(&made, " (%s)", message);
    hl__text_add(&made, ", products by %s\n", hl__gemm_name());
    add_code(&made, runtime);
    return made.length;
}
