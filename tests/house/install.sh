#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What is installed can be used: a small program outside of the tree is built against it by pkg-config and by
# find_package, shared and static, and runs; so do the examples from their installed sources. hl-ner finds the library
# beside itself, also after all of it was moved; hl-bench holds its own.
#   install.sh BUILD_FOLDER CMAKE COMPILER [TOOL...]     tools: those that are built
set -euo pipefail
build=$1 cmake=$2 compiler=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
cp -r "$here/consumer" "$work/consumer"
"$cmake" --install "$build" --prefix "$prefix" >/dev/null
for file in include/headloom/headloom.h include/headloom/version.h share/doc/headloom/LICENSE \
    share/doc/headloom/examples/quickstart/quickstart.c share/doc/headloom/examples/ner/data/LICENSE.txt; do
    [ -f "$prefix/$file" ] || { echo "$file is not installed"; exit 1; }
done
if find "$prefix" -name '*.in' | grep .; then echo "templates are installed"; exit 1; fi

cd "$work"
pc() { PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name headloom.pc)") pkg-config "$@"; }
library=$(dirname "$(find "$prefix" -name libheadloom.so)")
version=$(pc --modversion headloom)
needed=$(readelf -d "$library/libheadloom.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
if grep -vE '^(libhwloc|libgomp|libomp|libgcc_s|libc|libm|libdl|libpthread|ld-linux[a-z0-9-]*)\.so' <<<"$needed"; then
    echo "the library needs more than hwloc, the compiler's libraries and the system's"
    exit 1
fi

run() { # kind, program
    local needed output
    needed=$(readelf -d "$2" | grep -c 'NEEDED.*libheadloom' || true)
    case $1 in
        shared) [ "$needed" = 1 ] || { echo "$2 does not need the shared library"; exit 1; } ;;
        static) [ "$needed" = 0 ] || { echo "$2 needs the shared library"; exit 1; } ;;
    esac
    output=$(LD_LIBRARY_PATH=$library "$2") || { echo "$2 fails with $?"; exit 1; }
    [ "$output" = "headloom $version" ] || { echo "$2 says '$output'"; exit 1; }
    echo "$2: $output"
}

# shellcheck disable=SC2046 # flags are words
"$compiler" -Wall -Werror consumer/consumer.c -o pc_shared $(pc --cflags --libs headloom)
run shared ./pc_shared
# shellcheck disable=SC2046
"$compiler" -Wall -Werror consumer/consumer.c -o pc_private $(pc --static --cflags --libs headloom)
run shared ./pc_private
# shellcheck disable=SC2046
"$compiler" -Wall -Werror consumer/consumer.c -o pc_static $(pc --static --cflags --libs headloom-static)
run static ./pc_static

"$cmake" -S consumer -B cmake -G Ninja -DCMAKE_C_COMPILER="$compiler" -DCMAKE_PREFIX_PATH="$prefix"
"$cmake" --build cmake
run shared cmake/shared
run static cmake/static

examples=$prefix/share/doc/headloom/examples
# shellcheck disable=SC2046
"$compiler" "$examples/quickstart/quickstart.c" -o quickstart $(pc --cflags --libs headloom)
[ "$(readelf -d quickstart | grep -c 'NEEDED.*libheadloom')" = 1 ] || { echo "quickstart does not use the library"; exit 1; }
# shellcheck disable=SC2046
"$compiler" -D_GNU_SOURCE -I"$prefix/share/doc/headloom" "$examples"/ner/*.c -o ner \
    $(pc --cflags --libs headloom cairo) -lunistring -lm
LD_LIBRARY_PATH=$library ./ner --help | grep -q 'usage: hl-ner' || { echo "the tagger, built from its sources, fails"; exit 1; }

"$cmake" --install "$build" --prefix "$work/tools" --component headloom_tools >/dev/null
"$cmake" --install "$build" --prefix "$work/tools" --component headloom_library >/dev/null
[ "$(cd "$work/tools" && find . -name '*.[ah]')" = "" ] || { echo "programs need no headers"; exit 1; }
mv "$work/tools" "$work/moved"
for tool in "$@"; do
    found=$(ldd "$work/moved/bin/$tool" | awk '/libheadloom/ {print $3}')
    case $tool in
        hl-bench) [ -z "$found" ] || { echo "$tool needs '$found'"; exit 1; } ;;
        *) [ "$(realpath "$found")" = "$(realpath "$(find "$work/moved" -name 'libheadloom.so.*.*.*')")" ] ||
            { echo "$tool finds '$found' instead of the library beside it"; exit 1; } ;;
    esac
    "$work/moved/bin/$tool" --help >/dev/null || { echo "$tool --help fails with $?"; exit 1; }
done
