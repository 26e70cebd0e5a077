/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What stands between the atomic operations of a runtime that was compiled with HEADLOOM_HOOKS: a generator that lets
 * other threads go first, so that schedules are hostile, and words to Valgrind's tools about what orders what. */
#ifndef HL_TESTS_RUNTIME_HOOKS_H
#define HL_TESTS_RUNTIME_HOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From now on, each thread's sequence of pauses follows from the seed and from its place in the order in which threads
 * came to their first operation. 0, as in the beginning: no pauses. */
void hooks_seed(uint64_t seed);

/* To one of Valgrind's tools; nothing where it does not run. The word at object is only touched by atomic operations;
 * with releases, what its thread did so far happens before whatever a thread does after it has acquired from there. */
void hooks_helgrind_before(const volatile void *object, size_t bytes, bool releases);
void hooks_helgrind_after(const volatile void *object, bool acquires);
void hooks_drd_before(const volatile void *object, size_t bytes, bool releases);
void hooks_drd_after(const volatile void *object, bool acquires);

#endif
