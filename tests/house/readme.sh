#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Code shown in README.md and CONTRIBUTING.md is the tree's. Before a fenced block stands a line
#   <!-- shown: path -->   the block is that file
#   <!-- from: path -->    the block is some lines of that file
#   readme.sh SOURCE_TREE [--update]      --update: puts the files into the blocks that show one
set -euo pipefail
cd "$1"
pages=(README.md CONTRIBUTING.md)
if [ "${2:-}" = --update ]; then
    for page in "${pages[@]}"; do
        awk '/^<!-- shown: .* -->$/ {file = $3}
             file && /^```/ {
                 if (++fence == 1) {print; while ((getline line < file) > 0) print line; next}
                 fence = 0; file = ""
             }
             !fence {print}' "$page" >"$page.new"
        mv "$page.new" "$page"
    done
fi

failed=0
complain() { echo "$1"; failed=1; }
n_shown=0
for page in "${pages[@]}"; do
    while IFS=: read -r number line; do
        read -r _ kind file _ <<<"$line"
        n_shown=$((n_shown + 1))
        block=$(tail -n +$((number + 1)) "$page" | awk '/^```/ {fence++; next} fence == 1 {print}')
        if [ ! -f "$file" ]; then
            complain "$page:$number shows $file, which is not there"
        elif [ -z "$block" ]; then
            complain "$page:$number shows nothing of $file"
        elif [ "$kind" = shown: ]; then
            diff -u --label "$file" --label "$page:$number" "$file" - <<<"$block" || failed=1
        elif [[ $'\n'$(cat "$file")$'\n' != *$'\n'"$block"$'\n'* ]]; then
            complain "$page:$number shows lines that are not in $file:"$'\n'"$block"
        fi
    done < <(grep -nE '^<!-- (shown|from): .* -->$' "$page")
done
[ "$n_shown" -gt 1 ] || complain "$n_shown blocks of code are shown: their marks are lost"
exit $failed
