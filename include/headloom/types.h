/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Element types and shapes. */
#ifndef HEADLOOM_TYPES_H
#define HEADLOOM_TYPES_H

#include <stddef.h>
#include <stdint.h>

#include "headloom/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum hl_dtype {
    HL_NONE = 0, /* an operand that is absent */
    HL_F32 = 1,  /* IEEE 754 binary32 */
    HL_I32 = 2,  /* two's-complement 32-bit integer: indices, lengths, counters */
} hl_dtype;

/* Bytes of one element; 0 for HL_NONE and for values that are no type. */
HL_PUBLIC size_t hl_dtype_bytes(hl_dtype dtype);
HL_PUBLIC const char *hl_dtype_name(hl_dtype dtype);

#define HL_MAX_RANK 6

/* Extents, outermost first; the last axis is contiguous. Rank 0 is a scalar (one element). */
typedef struct hl_shape {
    size_t rank;
    size_t extent[HL_MAX_RANK];
} hl_shape;

#define HL_SHAPE(...) ((hl_shape){.rank = sizeof((size_t[]){__VA_ARGS__}) / sizeof(size_t), .extent = {__VA_ARGS__}})
#define HL_SCALAR ((hl_shape){.rank = 0})

/* Number of elements; 0 where an extent is 0 or the product does not fit size_t. */
HL_PUBLIC size_t hl_shape_elements(const hl_shape *shape);

/* Writes "[4, 512, 768]" into text (at most size bytes, always terminated); returns text. */
HL_PUBLIC char *hl_shape_text(const hl_shape *shape, char *text, size_t size);
#define HL_SHAPE_TEXT 160

#ifdef __cplusplus
}
#endif
#endif
