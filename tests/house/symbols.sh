#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The shared and the static library show hl_ names and nothing else: no hl__ name, and nothing of libxsmm, which
# would stand in for a program's own.
#   symbols.sh NM SHARED_LIBRARY STATIC_LIBRARY
set -euo pipefail
nm=$1 shared=$2 static=$3
failed=0

check() { # what, names
    local foreign
    foreign=$(grep -Ev '^hl_[a-z0-9]' <<<"$2" || true)
    if [ -n "$foreign" ]; then
        printf '%s shows names that are not ours:\n%s\n' "$1" "$foreign"
        failed=1
    fi
    # The check sees something at all.
    for name in hl_version hl_graph_create hl_program_run hl_runtime_create; do
        grep -qx "$name" <<<"$2" || { echo "$1 does not show $name"; failed=1; }
    done
}

check "$shared" "$("$nm" -D --defined-only "$shared" | awk '{print $3}')"
check "$static" "$("$nm" -g --defined-only "$static" | awk 'NF == 3 {print $3}')"
exit $failed
