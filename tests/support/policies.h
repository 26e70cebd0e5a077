/* SPDX-License-Identifier: BSD-3-Clause
 *
 * All policies, from the public list, so that a test that goes over them leaves none out. */
#ifndef HL_TESTS_SUPPORT_POLICIES_H
#define HL_TESTS_SUPPORT_POLICIES_H

#include "headloom/runtime.h"

enum {
#define POLICIES_PLACE(name, value, text) PLACE_OF_##name,
    HL_POLICY_LIST(POLICIES_PLACE)
#undef POLICIES_PLACE
        N_POLICIES,
};

/* name: as the headers spell it. */
static const struct {
    hl_policy policy;
    const char *name;
} policies[N_POLICIES] = {
#define POLICIES_ENTRY(name, value, text) {HL_POLICY_##name, #name},
    HL_POLICY_LIST(POLICIES_ENTRY)
#undef POLICIES_ENTRY
};

#endif
