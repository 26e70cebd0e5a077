/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The whole public API of Headloom. */
#ifndef HEADLOOM_HEADLOOM_H
#define HEADLOOM_HEADLOOM_H

#include "headloom/graph.h"
#include "headloom/nn.h"
#include "headloom/operator.h"
#include "headloom/options.h"
#include "headloom/profile.h"
#include "headloom/program.h"
#include "headloom/runtime.h"
#include "headloom/state.h"
#include "headloom/status.h"
#include "headloom/types.h"
#include "headloom/version.h"

#endif
