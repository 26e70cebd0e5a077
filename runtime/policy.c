/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of policies, made from HL_POLICY_LIST. */
#include "runtime/policy.h"

const hl__policy *hl__policy_find(hl_policy policy) {
    switch (policy) {
#define POLICY_CASE(name, value, text) \
    case HL_POLICY_##name: return &hl__policy_##name;
        HL_POLICY_LIST(POLICY_CASE)
#undef POLICY_CASE
    }
    return NULL;
}
