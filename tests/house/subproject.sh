#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Headloom within another project, by add_subdirectory and by FetchContent: the library alone is built, nothing but what
# it needs is looked for, and the project around it keeps its settings, names, tests and installation to itself.
#   subproject.sh SOURCE_TREE CMAKE COMPILER
set -euo pipefail
tree=$(cd "$1" && pwd) cmake=$2 compiler=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# pkg-config knows of hwloc alone.
mkdir "$work/pkgconfig"
cp "$(pkg-config --variable=pcfiledir hwloc)/hwloc.pc" "$work/pkgconfig"
export PKG_CONFIG_LIBDIR=$work/pkgconfig PKG_CONFIG_PATH=

configure() { # build folder, options...
    "$cmake" -S "$here/parent" -B "$work/$1" -G Ninja -DCMAKE_C_COMPILER="$compiler" -DHEADLOOM_TREE="$tree" \
        -DHEADLOOM_XSMM=OFF "${@:2}" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
}
configure fetched -DFETCH=ON -DFETCHCONTENT_SOURCE_DIR_HEADLOOM="$tree" -DFETCHCONTENT_FULLY_DISCONNECTED=ON
configure added
"$cmake" --build "$work/added" --parallel 2 >"$work/log" 2>&1 || { tail -50 "$work/log"; exit 1; }
for kind in shared static; do
    "$work/added/$kind" || { echo "$kind fails with $?"; exit 1; }
done
"$cmake" --install "$work/added" --prefix "$work/prefix" >/dev/null
[ "$(cd "$work/prefix" && find . -type f)" = ./bin/shared ] || {
    echo "not only the program of the project around Headloom is installed:"
    find "$work/prefix" -type f
    exit 1
}
