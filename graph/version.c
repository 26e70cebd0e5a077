/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The library's version at run time. */
#include "headloom/version.h"

#include <stddef.h>

void hl_version(int *major, int *minor, int *patch) {
    if (major != NULL) *major = HL_VERSION_MAJOR;
    if (minor != NULL) *minor = HL_VERSION_MINOR;
    if (patch != NULL) *patch = HL_VERSION_PATCH;
}

const char *hl_version_string(void) { return HL_VERSION_STRING; }
