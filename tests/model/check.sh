#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Verifies one variant of a model, and that spin refutes each of its mutants. Exit code 77: there is no spin.
#   check.sh SOURCE_TREE FOLDER_FOR_FILES CC SPIN VARIANT         a line of `models`
#   check.sh SOURCE_TREE FOLDER_FOR_FILES CC SPIN VARIANT all     verifies that the variant's `equivalent` ones are that
#   check.sh SOURCE_TREE FOLDER_FOR_FILES CC SPIN sites           the models have the sites and orders of runtime/, and
#                                                                 something is said of each that can be weaker
set -euo pipefail
here=$1/tests/model runtime=$1/runtime folder=$2 cc=$3 spin=$4 variant=$5 all=${6:-}
if ! command -v "$spin" >/dev/null; then
    echo "The models are not checked: they need spin (a package of this name; scripts/install-packages installs it)."
    exit 77
fi
mkdir -p "$folder"
cd "$folder"
failed=0
complain() { echo "$1"; failed=1; }
without_comments() { sed -E 's/#.*//; /^ *$/d' "$1"; }

build() { # variant: makes ./run in a folder of that name
    local model=${1%%/*} flags=()
    [ "$model" = "$1" ] || IFS=, read -ra flags <<<"${1#*/}"
    mkdir -p "$1"
    (
        cd "$1"
        "$spin" -a "${flags[@]/#/-D}" "$here/$model.pml"
        "$cc" -O1 -w -DSAFETY -DNOREDUCE -DCOLLAPSE -DVECTORSZ=2048 -DMEMLIM=1000 -o run pan.c
    )
}

# Searches with the switches given. words: what is wrong (none: all states were seen, and each is in order).
search() { # variant, switches
    local output
    output=$(cd "$1" && SWITCHES=$2 ./run -m20000 -b -n -w22 2>&1) || true
    states=$(sed -nE 's/^ *([0-9]+) states, stored.*/\1/p' <<<"$output")
    seconds=$(sed -nE 's/^pan: elapsed time ([0-9.e+-]+) seconds.*/\1/p' <<<"$output")
    words=$(sed -nE 's/^pan:1: (.*)/\1/p' <<<"$output")
    if [ -z "$words" ] && { ! grep -q 'errors: 0$' <<<"$output" || grep -q 'not completed' <<<"$output"; }; then
        words="broke off: $(head -c 400 <<<"$output")"
    fi
}
refuted() { [ -n "$words" ] && ! grep -qE 'has_room|broke off|depth limit|too small|aborting' <<<"$words"; }

said() { grep -qhE " $1( |\$)" "$here/mutants" "$here/equivalent"; }

# Site and first order of every operation of the runtime.
sites_of_runtime() {
    cat "$runtime"/*.[ch] | tr -s '\n ' '  ' | sed 's/hl__atomic_/\n&/g' |
        grep -oE '^hl__atomic_[a-z_]+\([a-z_]+,[^;{]*' |
        sed -E 's/^hl__atomic_[a-z_]+\(([a-z_]+),/\1 /; s/ (relaxed|acquire|release|acq_rel|seq_cst)\b.*/ =\1/' |
        sed -E 's/^([a-z_]+) .*=/\1 /' | sort -u
}

# Name and order of every switch of a variant.
switches_of() {
    local model=${1%%/*} flags=()
    [ "$model" = "$1" ] || IFS=, read -ra flags <<<"${1#*/}"
    printf '#include "%s.pml"\nSWITCHES\n' "$model" | "$cc" -E -P -x c -I "$here" "${flags[@]/#/-D}" - |
        grep -oE 'SWITCH\([a-z_]+, [0-9]\)' | sed -E 's/SWITCH\((.*), ([0-9])\)/\1 \2/
            s/ 0$/ relaxed/; s/ 1$/ acquire/; s/ 2$/ release/; s/ 3$/ acq_rel/; s/ 7$/ seq_cst/'
}

check_sites() {
    local name site order
    sites_of_runtime >sites
    while read -r name; do switches_of "$name"; done < <(without_comments "$here/models") | sort -u >switches
    while read -r site order; do
        if [[ $site == drop_* || $site == swap_* ]]; then
            said "$site=on" || complain "nothing is said of $site"
            continue
        fi
        grep -qx "$site $order" sites || complain "the runtime has no $site that is $order"
        [ "$order" != relaxed ] || continue
        grep -qE " $site=" "$here/mutants" || said "$site=relaxed" || complain "nothing is said of a weaker $site"
        [ "$order" != acq_rel ] || { said "$site=acquire" && said "$site=release"; } ||
            complain "nothing is said of $site without acquire, or without release"
    done <switches
    echo "$(wc -l <switches) switches, $(wc -l <sites) sites in runtime/"
    exit $failed
}
[ "$variant" != sites ] || check_sites

build "$variant"
search "$variant" ''
[ -z "$words" ] || complain "$variant: $words"
echo "$variant: $states states, $seconds s"
n=0
while read -r name switch; do
    [ "$name" = "$variant" ] || continue
    search "$variant" "$switch"
    refuted || complain "$variant with $switch is not refuted: ${words:-all states are in order}"
    n=$((n + 1))
done < <(without_comments "$here/mutants")
echo "$n mutants refuted, unless said otherwise"
[ -n "$all" ] || exit $failed
while read -r name switch; do
    [ "$name" = "$variant" ] || continue
    search "$variant" "$switch"
    [ -z "$words" ] || complain "$variant with $switch is not equivalent: $words"
done < <(without_comments "$here/equivalent")
exit $failed
