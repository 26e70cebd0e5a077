#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Every C file looks as .clang-format says.
#   format.sh SOURCE_TREE [CLANG_FORMAT]
set -euo pipefail
cd "$1"
folders=()
for folder in include runtime ops graph nn examples bench tests; do [ ! -d "$folder" ] || folders+=("$folder"); done
find "${folders[@]}" -name '*.[ch]' -print0 | sort -z | xargs -0 "${2:-clang-format}" --dry-run -Werror
