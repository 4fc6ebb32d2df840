#!/usr/bin/env bash
# Kills `collect`, `train_generator` and `refine_generator` at random moments until they get through, and compares what
# they leave with an uninterrupted run's: it has to be the same, byte for byte.
#
#   cargo build --release --examples && tools/kill-resume.sh [SEED]
set -euo pipefail
cd "$(dirname "$0")/.."
RANDOM=${1:-1}
bin=target/release/examples
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Runs "$@" and kills it after 0.3 to 2.3 s, again and again; a run longer than all tries fails.
until_done() {
    local kills=0
    while [ "$kills" -lt 60 ]; do
        local limit="$((RANDOM % 20 / 10)).$((RANDOM % 10))"
        # The limit grows, so that a slow machine gets through too.
        limit=$(awk "BEGIN { print 0.3 + $limit + 0.3 * $kills }")
        if timeout -s KILL "$limit" "$@" >>"$work/log" 2>&1; then
            echo "$kills kills: $(basename "$1")"
            return 0
        fi
        kills=$((kills + 1))
    done
    tail -n 5 "$work/log"
    echo "never got through: $*" >&2
    return 1
}

collect() { echo "$bin/collect" --only oil-painting,red-fog --epochs 3 --keep 2 --n-train 16 --n-validation 4 --out "$1"; }
# shellcheck disable=SC2046
$(collect "$work/zoo") >>"$work/log" 2>&1
# shellcheck disable=SC2046
until_done $(collect "$work/zoo-cut")
diff -r "$work/zoo" "$work/zoo-cut"

train() { echo "$bin/train_generator" --zoo "$work/zoo" --steps 24 --batch-size 32 --channels 32 --save-every 2 --out "$1"; }
# shellcheck disable=SC2046
$(train "$work/generator") >>"$work/log" 2>&1
# shellcheck disable=SC2046
until_done $(train "$work/generator-cut")
diff -r "$work/generator" "$work/generator-cut"

stream() { echo "$bin/train_generator" --zoo "$work/zoo" --steps 24 --batch-size 32 --channels 32 --save-every 2 --stream --early-stop 3 --evaluate-every 3 --validation-prompts 1 --out "$1"; }
# shellcheck disable=SC2046
$(stream "$work/streamed") >>"$work/log" 2>&1
# shellcheck disable=SC2046
until_done $(stream "$work/streamed-cut")
diff -r "$work/streamed" "$work/streamed-cut"

refine() { echo "$bin/refine_generator" --zoo "$work/zoo" --generator "$work/generator" --steps 24 --save-every 2 --out "$1"; }
# shellcheck disable=SC2046
$(refine "$work/refined") >>"$work/log" 2>&1
# shellcheck disable=SC2046
until_done $(refine "$work/refined-cut")
diff -r "$work/refined" "$work/refined-cut"
echo "interrupted and whole runs left the same files"
