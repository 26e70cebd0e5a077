#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# scripts/install-packages in four worlds, played by stand-ins for the system's commands: everything installed, one
# package missing with and without sudo, and a system without apt.
#   packages.sh SOURCE_TREE
set -euo pipefail
script=$1/scripts/install-packages
world=$(mktemp -d)
trap 'rm -rf "$world"' EXIT
for tool in bash dirname grep cat env; do ln -s "$(command -v "$tool")" "$world/$tool"; done
failed=0

stand_in() { # command, body
    printf '#!/usr/bin/env bash\n%s\n' "$2" >"$world/$1"
    chmod +x "$world/$1"
}
outcome() { # name, expected exit code, expected words, words that must not come
    local code=0 output
    : >"$world/calls"
    output=$(PATH=$world WORLD=$world bash "$script" 2>&1) || code=$?
    output+=$'\n'$(cat "$world/calls")
    [ "$code" = "$2" ] || { echo "$1: exit code $code, not $2: $output"; failed=1; }
    grep -qE -- "$3" <<<"$output" || { echo "$1: no '$3' in: $output"; failed=1; }
    if [ -n "$4" ] && grep -qE -- "$4" <<<"$output"; then echo "$1: '$4' in: $output"; failed=1; fi
}

outcome "without apt" 1 'libhwloc-dev' 'apt-get install'

stand_in apt-get 'echo "apt-get $*" >>"$WORLD/calls"'
stand_in dpkg 'echo amd64'
stand_in id 'echo 1000'
stand_in dpkg-query 'echo installed'
outcome "all installed" 0 '^$' '[a-z]'

stand_in dpkg-query '[[ "$*" != *libhwloc-dev* ]] || exit 1; echo installed'
outcome "one missing, no sudo" 1 'missing.*libhwloc-dev' '^apt-get'

stand_in sudo 'echo "sudo $*" >>"$WORLD/calls"; exec "$@"'
outcome "one missing, sudo" 0 '^apt-get install .*--no-install-recommends libhwloc-dev$' 'libxsmm'
outcome "one missing, sudo" 0 '^sudo env DEBIAN_FRONTEND=noninteractive apt-get update' ''

stand_in id 'echo 0'
outcome "one missing, root" 0 '^apt-get install .*libhwloc-dev$' '^sudo'

stand_in dpkg 'echo arm64'
stand_in dpkg-query '[[ "$*" != *libxsmm-dev* ]] || exit 1; echo installed'
outcome "no libxsmm elsewhere than on amd64" 0 '^$' '[a-z]'
exit $failed
