#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# hl-ner as a user calls it: the table of all rungs, sentences from standard input, a picture, and what is refused.
#   hl_ner.sh HL_NER DATA_FOLDER
set -euo pipefail
program=$1 shipped=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
complain() {
    printf '%s\n' "$@"
    failed=1
}

# The first sentences of each file, so that an epoch is over soon.
mkdir "$work/data"
for part in train dev test; do
    awk -v most=150 '/^$/ && ++n == most {print; exit} {print}' "$shipped/en_ewt-ud-$part.iob2" \
        >"$work/data/en_ewt-ud-$part.iob2"
done

table=$("$program" ladder --data "$work/data" --epochs 1 --quiet --draw "$work/heads.svg" --threads 2 </dev/null)
for sign in floor - a b c d; do
    grep -qE -- "^$sign +[a-z].* [0-9]+\.[0-9] +[0-9]+\.[0-9]" <<<"$table" || complain "no row '$sign' in:" "$table"
done
grep -q 'Angela Merkel' <<<"$(tr -d '[]' <<<"$table" | sed 's/PER //')" || complain "no sentence behind:" "$table"
[ -s "$work/heads.svg" ] || complain "no picture was drawn"

tagged=$(printf 'We went to Paris.\n\nThen home .\n' | "$program" tag --rung a --data "$work/data" --epochs 1 --quiet 2>"$work/log")
[ "$(tr -d '[]' <<<"$tagged" | sed -E 's/(PER|LOC|ORG) //g')" = $'We went to Paris .\nThen home .' ] ||
    complain "the words of the sentences are not those of the input:" "$tagged"
grep -q '^a ' "$work/log" || complain "no table on standard error:" "$(cat "$work/log")"

printf 'good line .\n\xff\xfe\nanother one .\n' | "$program" tag --rung - --data "$work/data" --epochs 1 --quiet \
    >"$work/out" 2>"$work/log" || complain "one bad line ended it all"
grep -q 'line 2' "$work/log" || complain "the bad line is not named:" "$(cat "$work/log")"
[ "$(wc -l <"$work/out")" = 2 ] || complain "good lines are missing:" "$(cat "$work/out")"

refused() { # exit code, words, arguments...
    local code=0 output
    output=$("$program" "${@:3}" 2>&1 </dev/null) || code=$?
    [ "$code" = "$1" ] || complain "hl-ner ${*:3}: exit code $code, not $1"
    grep -qF -- "$2" <<<"$output" || complain "hl-ner ${*:3}: no '$2' in:" "$output"
}
refused 0 'usage: hl-ner' --help
refused 2 'ladder or tag'
refused 2 "'climb' is no command" climb
refused 2 'one command at a time' ladder tag
refused 2 "'--bogus' is no option" ladder --bogus
refused 2 "lacks its value" ladder --epochs
refused 2 "--epochs takes a whole number from 1 to 10000, not '0'" ladder --epochs 0
refused 2 "--epochs takes a whole number from 1 to 10000, not '3x'" ladder --epochs 3x
refused 2 "--rate takes a number from 0 to 10, not 'fast'" ladder --rate fast
refused 2 "--rung is one of" ladder --rung e
refused 1 '/nowhere/en_ewt-ud-train.iob2' ladder --data /nowhere
printf '1\tParis\tB-CITY\t-\tme\n\n' >"$work/data/en_ewt-ud-train.iob2"
refused 1 'en_ewt-ud-train.iob2:1: ' ladder --data "$work/data"
exit $failed
