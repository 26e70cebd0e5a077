#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A forbidden include makes includes.sh fail and is named: planted one by one in a copy of the tree.
#   includes_planted.sh SOURCE_TREE
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
for folder in include runtime ops graph nn; do cp -r "$1/$folder" "$copy/"; done
mkdir -p "$copy/examples/planted" "$copy/bench/commands" "$copy/bench/peers"
echo '#pragma omp task' >"$copy/bench/peers/allowed.c"

failed=0
bash "$here/includes.sh" "$copy" || { echo "the copy itself fails"; exit 1; }

plant() { # file, line
    printf '%s\n' "$2" >"$copy/$1"
    if output=$(bash "$here/includes.sh" "$copy"); then
        echo "$1 with '$2' was accepted"
        failed=1
    elif ! grep -q "$1" <<<"$output"; then
        printf '%s with "%s": the message does not name the file:\n%s\n' "$1" "$2" "$output"
        failed=1
    fi
    rm "$copy/$1"
}
plant ops/planted.c '#include "graph/graph.h"'
plant ops/planted.c '#include "runtime/memory.h"'
plant ops/planted.h '#include <runtime/memory.h>'
plant ops/planted.c '#include "headloom/graph.h"'
plant ops/planted.c '#include <omp.h>'
plant ops/planted.c '#pragma omp parallel for'
plant runtime/z_planted.c '#pragma omp parallel'
plant runtime/planted.c '#pragma omp task if (0)'
plant graph/planted.c '#pragma omp taskwait'
plant bench/commands/planted.c '# pragma omp task'
plant runtime/planted.c '#include "ops/op.h"'
plant runtime/planted.c '  #  include "graph/graph.h"'
plant runtime/planted.c '#include "nn/common.h"'
plant nn/planted.c '#include "graph/graph.h"'
plant nn/planted.c '#include "ops/op.h"'
plant graph/planted.c '#include "nn/common.h"'
plant graph/planted.c '#include "runtime/run.h"
#include "ops/ops.h"'
plant include/headloom/planted.h '#include "graph/graph.h"'
plant examples/planted/planted.c '#include "graph/graph.h"'
exit $failed
