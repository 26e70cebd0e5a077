#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What is installed can be used: a small program outside of the tree is built against it by pkg-config and by
# find_package, shared and static, and runs.
#   install.sh BUILD_FOLDER CMAKE COMPILER
set -euo pipefail
build=$1 cmake=$2 compiler=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
cp -r "$here/consumer" "$work/consumer"
"$cmake" --install "$build" --prefix "$prefix" >/dev/null
for file in include/headloom/headloom.h include/headloom/version.h share/doc/headloom/LICENSE; do
    [ -f "$prefix/$file" ] || { echo "$file is not installed"; exit 1; }
done
if find "$prefix" -name '*.in' | grep .; then echo "templates are installed"; exit 1; fi

cd "$work"
pc() { PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name headloom.pc)") pkg-config "$@"; }
library=$(dirname "$(find "$prefix" -name libheadloom.so)")
version=$(pc --modversion headloom)

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
