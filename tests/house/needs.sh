#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Whatever the configuration needs and does not find, it names with the package to install, and each such package is in
# scripts/packages.
#   needs.sh SOURCE_TREE CMAKE COMPILER
set -euo pipefail
tree=$1 cmake=$2 compiler=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# pkg-config knows of these modules alone.
only() {
    rm -rf "$work/pkgconfig"
    mkdir "$work/pkgconfig"
    for module in "$@"; do
        printf 'Name: %s\nDescription: a stand-in\nVersion: 99\n' "$module" >"$work/pkgconfig/$module.pc"
    done
}
refused() { # package, options...
    rm -rf "$work/build"
    if PKG_CONFIG_LIBDIR=$work/pkgconfig PKG_CONFIG_PATH= "$cmake" -S "$tree" -B "$work/build" -G Ninja \
        -DCMAKE_C_COMPILER="$compiler" -DHEADLOOM_XSMM=OFF -DHEADLOOM_TESTS=OFF -DHEADLOOM_BENCH=OFF \
        -DHEADLOOM_EXAMPLES=OFF "${@:2}" >"$work/log" 2>&1; then
        echo "configured without $1"
        failed=1
    elif ! tr -s ' \n' ' ' <"$work/log" | grep -q "please install $1 "; then
        echo "refused, but $1 is not named:"
        cat "$work/log"
        failed=1
    fi
    for package in ${1%% for*}; do
        grep -q "^$package " "$tree/scripts/packages" || { echo "$package is not in scripts/packages"; failed=1; }
    done
}
only
refused libhwloc-dev
only hwloc
refused check -DHEADLOOM_TESTS=ON
refused libjansson-dev -DHEADLOOM_BENCH=ON
refused libcairo2-dev -DHEADLOOM_EXAMPLES=ON
refused pkg-config -DCMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON
refused libomp-dev -DCMAKE_DISABLE_FIND_PACKAGE_OpenMP=ON
header=$(find /usr/include /usr/local/include -path '*/Random123/philox.h' -print -quit 2>/dev/null)
[ -z "$header" ] || refused librandom123-dev -DCMAKE_IGNORE_PATH="${header%/Random123/philox.h}"
exit $failed
