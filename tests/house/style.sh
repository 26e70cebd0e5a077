#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# How files are written: a licence line first, at most 600 lines of at most 120 columns, nothing left over, heap memory
# from one place, no flag that gives the numbers away.
#   style.sh SOURCE_TREE
set -euo pipefail
export LC_ALL=C.UTF-8
cd "$1"
failed=0
report() { # reason, offenders
    [ -z "$2" ] && return
    printf '%s:\n%s\n' "$1" "$2"
    failed=1
}

folders=()
for folder in include runtime ops graph nn examples bench tests cmake scripts .ci; do
    [ ! -d "$folder" ] || folders+=("$folder")
done
mapfile -t c_files < <(find "${folders[@]}" -name '*.[ch]' -o -name '*.h.in' | sort)
mapfile -t files < <({
    printf '%s\n' "${c_files[@]}"
    find "${folders[@]}" -name CMakeLists.txt -o -name '*.cmake' -o -name '*.in' -o -name '*.sh'
    for folder in scripts .ci; do [ ! -d "$folder" ] || find "$folder" -type f; done
    for file in CMakeLists.txt .clang-format .clang-tidy .editorconfig .gitignore; do [ ! -f "$file" ] || echo "$file"; done
} | sort -u)
mapfile -t library < <(find runtime ops graph nn -name '*.[ch]' | sort)
[ ${#c_files[@]} -gt 20 ] || { echo "found only ${#c_files[@]} C files in $PWD"; exit 1; }

# One process for all files: a test runs this script once for each rule.
report "no SPDX line at the top of" "$(awk 'FNR > 2 {nextfile}
    /SPDX-License-Identifier: BSD-3-Clause/ {good[FILENAME] = 1}
    END {for (i = 1; i < ARGC; i++) if (!(ARGV[i] in good)) print ARGV[i]}' "${files[@]}")"
report "a C file opens with its licence line, then says what lives in it" "$(awk 'FNR > 3 {nextfile}
    FNR == 1 && $0 == "/* SPDX-License-Identifier: BSD-3-Clause" {good[FILENAME]++}
    FNR == 2 && $0 == " *" {good[FILENAME]++}
    FNR == 3 && /^ \* [^ ]/ {good[FILENAME]++}
    END {for (i = 1; i < ARGC; i++) if (good[ARGV[i]] != 3) print ARGV[i]}' "${c_files[@]}")"
report "more than 600 lines" "$(wc -l "${files[@]}" | awk '$2 != "total" && $1 > 600')"
report "a function of more than 65 lines" "$(awk 'FNR == 1 {begun = 0}
    /^[a-z].*\) \{$/ {begun = FNR}
    /^ +.*\) \{$/ && !begun && before ~ /^[a-z].*,$/ {begun = FNR}
    /^}/ {if (begun && FNR - begun > 65) print FILENAME ":" begun; begun = 0}
    {before = $0}' "${c_files[@]}")"
report "more than 120 columns" "$(grep -nE '^.{121,}$' "${c_files[@]}" || true)"
report "tabs or blanks at the end of a line" "$(grep -nP '\t|[ \t]+$' "${c_files[@]}" || true)"
# The words are written so that this file does not find itself.
report "left over" "$(grep -nE 'TO[D]O|FIX[M]E|XX[X]|^[[:space:]]*#[[:space:]]*if[[:space:]]+0' "${files[@]}" || true)"
report "gives the numbers away" "$(grep -nE -e '-ff[a]st-math|-Of[a]st|-funsafe-m[a]th|-fassoc[i]ative-math' "${files[@]}" || true)"
report "heap memory of the library comes through runtime/memory.h" \
    "$(grep -nE '\b(malloc|calloc|realloc|free|strdup|aligned_alloc|posix_memalign)\(' "${library[@]}" |
        grep -v '^runtime/memory\.c:' || true)"
report "atomic operations of the runtime go through runtime/atomic.h" \
    "$(grep -nE '\batomic_(load|store|exchange|compare_exchange|fetch|flag|thread_fence)[a-z_]*\(' runtime/*.[ch] |
        grep -v '^runtime/atomic\.h:' || true)"
report "the library never prints, exits or aborts" \
    "$(grep -nE '\b(printf|puts|perror|exit|abort)\(|\bfprintf\((stderr|stdout)' "${library[@]}" || true)"
# C evaluates the arguments of a function in any order, so the message may be fetched before the call; a macro that
# names its arguments in order, in capitals, may be given both.
report "a message is fetched in the argument list of the call that it explains" \
    "$(grep -lzP '\b[a-z]\w*\(hl_\w+\([^;]*?\),\s*hl_\w+_error\(' "${c_files[@]}" || true)"
exit $failed
