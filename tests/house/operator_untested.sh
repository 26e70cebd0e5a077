#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# An operator in ops/op_list.h without its source or without its test stops the configuration with a message that names
# it: tried on a copy of the tree.
#   operator_untested.sh SOURCE_TREE CMAKE COMPILER
set -euo pipefail
tree=$1 cmake=$2 compiler=$3
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
for entry in CMakeLists.txt README.md LICENSE CONTRIBUTING.md cmake docs include runtime ops graph nn tests; do
    cp -r "$tree/$entry" "$copy/"
done

configure() {
    rm -rf "$copy/build"
    "$cmake" -S "$copy" -B "$copy/build" -G Ninja -DCMAKE_C_COMPILER="$compiler" -DHEADLOOM_BENCH=OFF \
        -DHEADLOOM_EXAMPLES=OFF -DHEADLOOM_XSMM=OFF >"$copy/log" 2>&1
}
failed=0
refused() { # what must be named
    if configure; then
        echo "configured although $1 is missing"
        failed=1
    elif ! grep -q "operator planted: $1 is missing" "$copy/log"; then
        echo "refused, but $1 is not named:"
        cat "$copy/log"
        failed=1
    fi
}

configure || { echo "the copy itself is refused:"; cat "$copy/log"; exit 1; }
echo 'HL_OPERATOR(planted)' >>"$copy/ops/op_list.h"
refused ops/planted.c
refused tests/ops/test_planted.c
sed 's/softmax/planted/g' "$tree/ops/softmax.c" >"$copy/ops/planted.c"
refused tests/ops/test_planted.c
sed 's/softmax/planted/g' "$tree/tests/ops/test_softmax.c" >"$copy/tests/ops/test_planted.c"
configure || { echo "refused although the operator is complete:"; cat "$copy/log"; failed=1; }
exit $failed
