/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hl_runtime_describe. It stands here because the runtime does not know what operators are made of. */
#include "runtime/describe.h"
#include "headloom/runtime.h"
#include "headloom/version.h"
#include "ops/gemm.h"
#include "ops/ops.h"

size_t hl_runtime_describe(const hl_runtime *runtime, char *text, size_t size) {
    hl__text made = {.text = text, .size = size};
    if (size > 0) text[0] = '\0';
    if (!runtime) return 0;
    char message[160] = "";
    hl__text_add(&made, "headloom %s\n", hl_version_string());
    hl__runtime_describe(runtime, &made);
    hl__text_add(&made, "kernels: %s", hl__isa_name(hl__isa_chosen()));
    if (hl__isa_status(message, sizeof message) != HL_OK) hl__text_add(&made, " (%s)", message);
    hl__text_add(&made, ", products by %s\n", hl__gemm_kind());
    return made.length;
}
