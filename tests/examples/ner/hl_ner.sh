#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# hl-ner as a user calls it: the table of all rungs, sentences from standard input, a picture, the schemes of tags, what
# is refused, and output that cannot be written.
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

# As many lines come out as go in.
tagged=$(printf 'We went to Paris.\n\nThen home .' | "$program" tag --rung a --data "$work/data" --epochs 1 --quiet 2>"$work/log")
[ "$(tr -d '[]' <<<"$tagged" | sed -E 's/(PER|LOC|ORG) //g')" = $'We went to Paris .\n\nThen home .' ] ||
    complain "the words of the sentences are not those of the input:" "$tagged"
grep -q '^a ' "$work/log" || complain "no table on standard error:" "$(cat "$work/log")"

tag() { "$program" tag --rung - --data "$work/data" --epochs 1 --quiet 2>"$work/log"; }
code=0
printf 'good line .\n\xff\xfe\nanother\0 one .\nlast one .\n' | tag >"$work/out" || code=$?
[ $code = 1 ] || complain "lines that are no text: exit code $code"
for named in 'line 2: .*UTF-8' 'line 3: .*NUL' '2 of 4 lines were not tagged'; do
    grep -q "$named" "$work/log" || complain "'$named' is not said of bad lines:" "$(cat "$work/log")"
done
[ "$(grep -c . "$work/out") $(wc -l <"$work/out")" = "2 4" ] || complain "good lines are missing:" "$(cat "$work/out")"

# The same entities in another scheme give the same table, seconds aside.
rows() { # folder
    "$program" ladder --rung - --epochs 2 --threads 1 --quiet --data "$1" </dev/null |
        awk '$1 == "floor" {print $(NF - 2), $(NF - 1)} $1 == "-" {print $(NF - 3), $(NF - 2)}'
}
wanted=$(rows "$work/data")
grep -qE '^[1-9]' <<<"$wanted" || complain "no row with a score above 1 to compare schemes by:" "$wanted"
for scheme in iob1 bioes; do
    mkdir "$work/$scheme"
    for part in train dev test; do
        awk -F'\t' -v OFS='\t' -v scheme=$scheme '
            function finish(i, continued) {
                for (i = 1; i <= n; i++) {
                    continued = i < n && tag[i + 1] == "I-" substr(tag[i], 3)
                    if (scheme == "bioes" && !continued) {
                        if (tag[i] ~ /^B/) sub(/^B/, "S", out[i]); else sub(/^I/, "E", out[i])
                    } else if (scheme == "iob1" && tag[i] ~ /^B/ && substr(tag[i], 3) != substr(tag[i - 1], 3)) {
                        sub(/^B/, "I", out[i])
                    }
                    print i, token[i], out[i], "-", "-"
                }
                n = 0
            }
            /^[0-9]/ {token[++n] = $2; tag[n] = out[n] = $3; next}
            {finish(); print}
            END {finish()}' "$work/data/en_ewt-ud-$part.iob2" >"$work/$scheme/en_ewt-ud-$part.iob2"
    done
    cmp -s "$work/data/en_ewt-ud-train.iob2" "$work/$scheme/en_ewt-ud-train.iob2" && complain "nothing was written in $scheme"
    found=$(rows "$work/$scheme")
    [ "$found" = "$wanted" ] || complain "in $scheme:" "$found" "instead of:" "$wanted"
done

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
refused 2 "'-x' is no option" ladder -x
refused 2 "lacks its value, or takes none" ladder --quiet=3
refused 2 "--rate takes a number" ladder --rate 1e-60
refused 2 "--data takes a name" ladder --data ''
refused 2 "rung '-' has no attention" ladder --rung - --draw "$work/x.svg"
refused 2 "must end in .svg or .png" tag --draw "$work/heads.gif"
refused 2 "/nowhere/heads.svg: No such file" ladder --draw /nowhere/heads.svg
refused 2 "no words" ladder --sentence ' '
refused 2 "not UTF-8" ladder --sentence $'caf\xe9'
refused 2 "tag needs --draw for --sentence" tag --sentence 'Ada .'
refused 1 '/nowhere/en_ewt-ud-train.iob2' ladder --data /nowhere

# What cannot be written, or read: known before anything is trained (an epoch more than could be waited for), but on a
# disk that turns out to be full.
fails() { # what must be said, command...
    local code=0
    timeout 60 "${@:2}" 2>"$work/log" || code=$?
    [ $code = 1 ] || complain "${*:2}: exit code $code, not 1"
    grep -qE "$1" "$work/log" || complain "${*:2}: no '$1' in:" "$(cat "$work/log")"
}
long=(--data "$shipped" --epochs 10000 --quiet)
fails 'the table: No space' "$program" ladder "${long[@]}" </dev/null >/dev/full
fails 'standard output: No space' "$program" --help >/dev/full
fails 'standard output: .*reading only' "$program" ladder "${long[@]}" </dev/null >&-
fails 'standard output: .*reading only' "$program" ladder "${long[@]}" 1</dev/null
fails 'standard input: .*read' "$program" tag "${long[@]}" <&-
fails 'standard input: Is a directory' "$program" tag "${long[@]}" </
echo 'Ada met Bela .' >"$work/in"
fails 'standard output: No space' "$program" tag --rung - --data "$work/data" --epochs 1 --quiet <"$work/in" >/dev/full
mkfifo "$work/pipe"
: <"$work/pipe" & # a reader that goes away at once
exec 3>"$work/pipe"
wait $!
fails 'standard output: Broken pipe' "$program" ladder "${long[@]}" </dev/null >&3
exec 3>&-
ln -s /dev/full "$work/full.svg"
fails 'full.svg: No space' "$program" ladder --rung a --data "$work/data" --epochs 1 --quiet --draw "$work/full.svg" </dev/null >"$work/out"

# A damaged line of the last file is found before the first is trained on.
cp "$work/data/en_ewt-ud-test.iob2" "$work/whole"
spoilt() { # what must be said, program of sed
    sed "$2" "$work/whole" >"$work/data/en_ewt-ud-test.iob2"
    fails "en_ewt-ud-test.iob2:$1" "$program" ladder --data "$work/data" --epochs 10000 --quiet </dev/null >"$work/out"
}
spoilt '[0-9]+: expected 5 columns' '$s/$/1\tone\tO/'
spoilt '[0-9]+: unknown tag' '0,/\tB-/s//\tB-CITY-/'
spoilt '[0-9]+: .* UTF-8' '/^1\t/s/$/\xe9/'
spoilt '[0-9]+: .* as in IOB' '0,/\tB-/s//\tI-/'
printf '1\tParis\tB-CITY\t-\tme\n\n' >"$work/data/en_ewt-ud-train.iob2"
refused 1 'en_ewt-ud-train.iob2:1: ' ladder --data "$work/data"
exit $failed
