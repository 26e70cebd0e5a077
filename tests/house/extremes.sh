#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Every operator goes through the row of extreme numbers (tests/support/op_check.h): a file of tests/ops that names it
# calls op_extremes, or the runner of a kind of operators, which does. An operator without numbers that could be extreme
# is listed here.
#   extremes.sh SOURCE_TREE
set -euo pipefail
cd "$1"
failed=0
for op in $(sed -n 's/^HL_OPERATOR(\(.*\))/\1/p' ops/op_list.h); do
    case $op in
    advance) continue ;; # a count
    esac
    files=$(grep -lw "HL__OP_$op" tests/ops/*.c)
    if ! grep -Eq 'op_extremes\(|run_(unary|binary|sum)_tests\(' $files; then
        echo "$op: none of its tests calls op_extremes"
        failed=1
    fi
done
exit $failed
