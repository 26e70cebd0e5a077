#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Each rule of style.sh refuses a file that breaks it: planted one by one in a copy of the tree.
#   style_planted.sh SOURCE_TREE
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
for folder in include runtime ops graph nn cmake; do cp -r "$1/$folder" "$copy/"; done
top=$'/* SPDX-License-Identifier: BSD-3-Clause\n *\n * Planted. */\n'

failed=0
plant() { # file, text
    printf '%s\n' "$2" >"$copy/$1"
    if output=$(bash "$here/style.sh" "$copy"); then
        printf '%s was accepted with:\n%s\n' "$1" "$2"
        failed=1
    elif ! grep -q "$1" <<<"$output"; then
        printf '%s is not named:\n%s\n' "$1" "$output"
        failed=1
    fi
    rm "$copy/$1"
}
bash "$here/style.sh" "$copy" >/dev/null || { echo "the copy itself fails: see house.style"; exit 1; }
plant ops/planted.c 'int planted;'
plant ops/planted.c '/* SPDX-License-Identifier: BSD-3-Clause */'
plant cmake/planted.cmake 'set(planted ON)'
# Put together here, so that this file breaks no rule itself.
to_do=$(printf 'TO%s' DO) dead=$(printf '#%s 0' if) fast=$(printf -- '-f%s-math' fast)
plant graph/planted.c "$top/* $to_do: later */"
plant graph/planted.c "$top$dead"
plant graph/planted.c "$top$(printf '/* %0130d */' 0)"
plant nn/planted.c "$top$(yes '/* line */' | head -600)"
plant ops/planted.c "${top}void planted(int x,
             int y) {
$(yes '    x += y;' | head -66)
}"
plant cmake/planted.cmake "# SPDX-License-Identifier: BSD-3-Clause
set(flags $fast)"
plant graph/planted.c "${top}void *planted(void) { return malloc(1); }"
plant runtime/planted.c "${top}void planted(void) { abort(); }"
plant runtime/planted.c "${top}int planted(_Atomic int *x) { return atomic_load(x); }"
plant graph/planted.c "${top}void planted(hl_program *p) {
    check(hl_program_run(p),
          hl_program_error(p));
}"
exit $failed
