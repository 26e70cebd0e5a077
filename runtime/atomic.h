/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The runtime's atomic operations. Each names its site, what it touches and its memory order, and is C11's operation of
 * that name and nothing else. Sites are names of their own so that a test can weaken one at a time and say which, and a
 * model can speak of the same ones.
 *
 * Tests compile the runtime once more with HEADLOOM_HOOKS: each operation then stands between two calls that the test
 * defines, which make schedules hostile, or tell Valgrind what is ordered by what. */
#ifndef HL_RUNTIME_ATOMIC_H
#define HL_RUNTIME_ATOMIC_H

#include <stdatomic.h>

#ifdef HEADLOOM_HOOKS
#include <stddef.h>

void hl__before_atomic(const volatile void *object, size_t bytes, memory_order order_of_write);
void hl__after_atomic(const volatile void *object, memory_order order_of_read);

#define HL__HOOKED_LOAD(object, order, operation)                          \
    ({                                                                     \
        hl__before_atomic(object, sizeof *(object), memory_order_relaxed); \
        __auto_type hl__result = operation;                                \
        hl__after_atomic(object, order);                                   \
        hl__result;                                                        \
    })
#define HL__HOOKED_STORE(object, order, operation)          \
    ({                                                      \
        hl__before_atomic(object, sizeof *(object), order); \
        operation;                                          \
        hl__after_atomic(object, memory_order_relaxed);     \
    })
#define HL__HOOKED_BOTH(object, order, operation)           \
    ({                                                      \
        hl__before_atomic(object, sizeof *(object), order); \
        __auto_type hl__result = operation;                 \
        hl__after_atomic(object, order);                    \
        hl__result;                                         \
    })
#define HL__HOOKED_EXCHANGE(object, success, failure, operation)  \
    ({                                                            \
        hl__before_atomic(object, sizeof *(object), success);     \
        _Bool hl__result = operation;                             \
        hl__after_atomic(object, hl__result ? success : failure); \
        hl__result;                                               \
    })
#else
#define HL__HOOKED_LOAD(object, order, operation) operation
#define HL__HOOKED_STORE(object, order, operation) operation
#define HL__HOOKED_BOTH(object, order, operation) operation
#define HL__HOOKED_EXCHANGE(object, success, failure, operation) operation
#endif

/* order, success, failure: relaxed, acquire, release, acq_rel, seq_cst. */
#define hl__atomic_load(site, object, order) \
    HL__HOOKED_LOAD(object, memory_order_##order, atomic_load_explicit(object, memory_order_##order))

#define hl__atomic_store(site, object, value, order) \
    HL__HOOKED_STORE(object, memory_order_##order, atomic_store_explicit(object, value, memory_order_##order))

#define hl__atomic_fetch_add(site, object, value, order) \
    HL__HOOKED_BOTH(object, memory_order_##order, atomic_fetch_add_explicit(object, value, memory_order_##order))

#define hl__atomic_fetch_sub(site, object, value, order) \
    HL__HOOKED_BOTH(object, memory_order_##order, atomic_fetch_sub_explicit(object, value, memory_order_##order))

#define hl__atomic_exchange_if(site, object, expected, value, success, failure)                                  \
    HL__HOOKED_EXCHANGE(object, memory_order_##success, memory_order_##failure,                                  \
                        atomic_compare_exchange_strong_explicit(object, expected, value, memory_order_##success, \
                                                                memory_order_##failure))

/* May fail for no reason: for loops. */
#define hl__atomic_exchange_if_weak(site, object, expected, value, success, failure)                           \
    HL__HOOKED_EXCHANGE(object, memory_order_##success, memory_order_##failure,                                \
                        atomic_compare_exchange_weak_explicit(object, expected, value, memory_order_##success, \
                                                              memory_order_##failure))

#endif
