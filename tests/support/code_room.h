/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Room for generated code without a program: what a test of operators gives to what it prepares. */
#ifndef HL_TESTS_SUPPORT_CODE_ROOM_H
#define HL_TESTS_SUPPORT_CODE_ROOM_H

#include <check.h>

#include "ops/kernels/gemm.h"
#include "runtime/code.h"

typedef struct code_room {
    hl__code_lease lease;
    struct hl_code code;
} code_room;

static inline void code_room_open(code_room *room) {
    *room = (code_room){.lease = {.code = hl__code_create(HL__CODE_BYTES)}};
    ck_assert_ptr_nonnull(room->lease.code);
    room->code = (struct hl_code){.place = hl__code_place, .room = &room->lease};
}

/* Nothing that was prepared in it may run any more. */
static inline void code_room_close(code_room *room) {
    hl__code_end(&room->lease);
    hl__code_destroy(room->lease.code);
}

#endif
