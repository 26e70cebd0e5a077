/* SPDX-License-Identifier: BSD-3-Clause
 *
 * For the oracles of operators that move elements along one axis: any tensor seen as [A, V, B], A and B standing for
 * all axes before and behind it. */
#ifndef HL_TESTS_SUPPORT_AXIS_VIEW_H
#define HL_TESTS_SUPPORT_AXIS_VIEW_H

#include "headloom/types.h"

typedef struct axis_view {
    size_t A, V, B;
} axis_view;

static inline axis_view axis_view_of(const hl_shape *shape, size_t axis) {
    axis_view view = {1, shape->extent[axis], 1};
    for (size_t i = 0; i < axis; i++) view.A *= shape->extent[i];
    for (size_t i = axis + 1; i < shape->rank; i++) view.B *= shape->extent[i];
    return view;
}

/* Element (a, v, b). */
static inline size_t axis_view_at(const axis_view *view, size_t a, size_t v, size_t b) {
    return (a * view->V + v) * view->B + b;
}

#endif
