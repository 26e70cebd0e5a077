/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The deque with a race planted: nothing that its owner does is published. Linked in front of the real one, it must
 * make whoever looks for races report one. */
#include "runtime/atomic.h"

#undef hl__atomic_store
#define hl__atomic_store(site, object, value, order) atomic_store_explicit(object, value, memory_order_relaxed)
#include "runtime/deque.c"
