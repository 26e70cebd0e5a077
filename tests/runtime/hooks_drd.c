/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What DRD is told. It knows no atomic operations but the processor's locked ones. */
#include <valgrind/drd.h>

#include "tests/runtime/hooks.h"

void hooks_drd_before(const volatile void *object, size_t bytes, bool releases) {
    ANNOTATE_BENIGN_RACE_SIZED(object, bytes, "atomic");
    if (releases) ANNOTATE_HAPPENS_BEFORE(object);
}

void hooks_drd_after(const volatile void *object, bool acquires) {
    if (acquires) ANNOTATE_HAPPENS_AFTER(object);
}
