#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# No variable outside of functions changes, but for those that each thread has for itself: the objects of the library hold
# none but constants. A static variable of a function has a dot in its name.
#   variables.sh COMPILER OBJDUMP OBJECT...
set -euo pipefail
compiler=$1 objdump=$2
shift 2
variables() { # object...: "object: variable" of each that can change
    "$objdump" -t "$@" | awk '/file format/ {file = $1}
        {sub(/ \.(hidden|internal|protected) /, " ")}
        NF < 4 || $NF ~ /\./ {next} # the names of sections, too, have dots
        $(NF - 2) ~ /^\.(data|bss)/ && $(NF - 2) !~ /^\.data\.rel\.ro/ {
            print file, $NF
        }'
}

# The check sees what it looks for.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/planted.c" <<'END'
static int changed = 1;
static const char *pointer = "";
_Thread_local int threads_own;
static int *const constant = &changed;
__attribute__((visibility("hidden"))) int zero;
const int fixed = 3;
int next(void);
int next(void) {
    static int inner;
    return changed++ + zero + threads_own++ + *constant + *pointer++ + inner++;
}
END
"$compiler" -O0 -fPIC -c "$work/planted.c" -o "$work/planted.o"
seen=$(variables "$work/planted.o" | awk '{print $2}' | sort | tr '\n' ' ')
[ "$seen" = "changed pointer zero " ] || { echo "planted variables are seen as: $seen"; exit 1; }

[ $# -gt 20 ] || { echo "only $# objects are looked at"; exit 1; }
found=$(variables "$@")
[ -z "$found" ] || { printf 'variables outside of functions that can change:\n%s\n' "$found"; exit 1; }
