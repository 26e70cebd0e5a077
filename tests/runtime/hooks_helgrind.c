/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What Helgrind is told. It knows no atomic operations but the processor's locked ones. */
#include <valgrind/helgrind.h>

#include "tests/runtime/hooks.h"

void hooks_helgrind_before(const volatile void *object, size_t bytes, bool releases) {
    VALGRIND_HG_DISABLE_CHECKING(object, bytes);
    if (releases) ANNOTATE_HAPPENS_BEFORE(object);
}

void hooks_helgrind_after(const volatile void *object, bool acquires) {
    if (acquires) ANNOTATE_HAPPENS_AFTER(object);
}
