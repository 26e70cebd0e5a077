#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Who may know whom: each folder includes only what the architecture allows.
#   includes.sh SOURCE_TREE
set -euo pipefail
cd "$1"
failed=0

# "file:line:header" of each include below the folders.
includes() {
    find "$@" -name '*.[ch]' -exec grep -HnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]' {} + |
        sed -E 's/^([^:]*:[0-9]*):[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]([^>"]*)[>"].*/\1:\2/'
}

report() { # reason, offending lines
    [ -z "$2" ] && return
    printf '%s:\n%s\n' "$1" "$2"
    failed=1
}

# Headers of the project that a folder may include; all others are of the system.
ours='(headloom|runtime|ops|graph|nn|examples|bench|tests)/'
allow() { # folder, pattern
    [ -d "$1" ] || { echo "no folder $1"; failed=1; return; }
    report "$1 may not include" "$(includes "$1" | grep -E ":[0-9]+:$ours" | grep -Ev ":[0-9]+:($2)" || true)"
}
allow include 'headloom/'
allow runtime 'runtime/|headloom/(status|types|runtime)\.h$'
allow ops 'ops/|headloom/(status|types|options|operator)\.h$'
allow graph 'graph/|runtime/|ops/|headloom/'
allow nn 'nn/|headloom/'
[ ! -d examples ] || allow examples 'examples/|headloom/'

# Within graph, only the program and what links it see tasks and operators at once.
both=
for file in graph/*.[ch]; do
    case $file in graph/program*.c | graph/link*.c) continue ;; esac
    if grep -qE '#include "runtime/(run|task)\.h"' "$file" && grep -qE '#include "ops/' "$file"; then
        both="$both$file "
    fi
done
report "include both the runtime and the operators" "$both"

# Threads and the topology are the runtime's business.
report "only runtime and bench may include" \
    "$(includes ops graph nn | grep -E ':[0-9]+:(omp|hwloc|threads)(\.h|/)|:[0-9]+:pthread\.h' |
        grep -vE '^graph/[a-z_]+\.[ch]:[0-9]+:pthread\.h$' || true)"
report "omp parallel stands only in runtime" \
    "$(grep -rnE '#[[:space:]]*pragma[[:space:]]+omp[[:space:]]+parallel' --include='*.[ch]' ops graph nn || true)"
folders=(runtime ops graph nn)
[ ! -d bench ] || folders+=(bench)
report "omp task stands only in bench/peers" \
    "$(grep -rnE '#[[:space:]]*pragma[[:space:]]+omp[[:space:]]+task' --include='*.[ch]' "${folders[@]}" |
        grep -v '^bench/peers/' || true)"
report "more than one parallel region in runtime" \
    "$(grep -rnE '#[[:space:]]*pragma[[:space:]]+omp[[:space:]]+parallel' --include='*.[ch]' runtime | tail -n +2)"

exit $failed
