/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Element types, shapes and statuses in numbers and words. */
#include "headloom/types.h"

#include <stdio.h>

const char *hl_status_string(hl_status status) {
    switch (status) {
#define TEXT(name, value, text) \
    case name: return text;
        HL_STATUS_LIST(TEXT)
#undef TEXT
    }
    return "not a status of this library";
}

size_t hl_dtype_bytes(hl_dtype dtype) { return dtype == HL_F32 || dtype == HL_I32 ? 4 : 0; }

const char *hl_dtype_name(hl_dtype dtype) {
    switch (dtype) {
    case HL_NONE: return "none";
    case HL_F32: return "f32";
    case HL_I32: return "i32";
    }
    return "unknown";
}

static size_t rank_of(const hl_shape *shape) { return shape->rank < HL_MAX_RANK ? shape->rank : HL_MAX_RANK; }

size_t hl_shape_elements(const hl_shape *shape) {
    size_t elements = 1;
    for (size_t i = 0; i < rank_of(shape); i++)
        if (__builtin_mul_overflow(elements, shape->extent[i], &elements)) return 0;
    return elements;
}

char *hl_shape_text(const hl_shape *shape, char *text, size_t size) {
    size_t at = 0;
    if (size == 0) return text;
    int length = snprintf(text, size, "[");
    for (size_t i = 0; i < rank_of(shape) && length >= 0; i++) {
        at += (size_t)length;
        if (at >= size) return text;
        length = snprintf(text + at, size - at, i ? ", %zu" : "%zu", shape->extent[i]);
    }
    if (length < 0) return text;
    at += (size_t)length;
    if (at < size) snprintf(text + at, size - at, "]");
    return text;
}
