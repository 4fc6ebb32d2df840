#!/usr/bin/env bash
# Kills the programs that take long (kill -9) at random moments and starts the same command again, and compares what it
# leaves in the end with an uninterrupted run's: the same files with the same bytes (times aside), and none more.
#
#   cargo build --release --examples && tools/kill-resume.sh [KILLS [SEED [PROGRAM...]]]
#
# KILLS of each program (default 1). The programs are in tools/faults/programs.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/faults/programs.sh
. tools/faults/programs.sh
wanted=${1:-1}
RANDOM=${2:-1}
[ $# -le 2 ] || programs=("${@:3}")
inputs
all=0
for program in "${programs[@]}"; do
    reference "$program"
    out=$work/cut
    rm -rf "$out"
    kills=0 completed=0 tries=0
    while [ "$kills" -lt "$wanted" ]; do
        tries=$((tries + 1))
        if [ "$tries" -gt $((20 * wanted + 50)) ]; then
            echo "$program: ends before it can be killed" >&2
            exit 1
        fi
        command_of "$program" "$out"
        code=0
        # Anywhere in an uninterrupted run; what goes on from a state may end sooner.
        a_while
        # The group keeps the shell's own word on the kill away.
        { timeout --foreground --preserve-status -s KILL "$seconds" "${command[@]}" >"$work/log" 2>&1 || code=$?; } 2>/dev/null
        case $code in
        0)
            same "$program" "$out"
            rm -rf "$out"
            completed=$((completed + 1))
            ;;
        137) kills=$((kills + 1)) ;;
        *)
            tail -n 5 "$work/log" >&2
            echo "$program: exit status $code after $kills kills" >&2
            exit 1
            ;;
        esac
    done
    whole "$program" "$out"
    same "$program" "$out"
    all=$((all + kills))
    echo "$program: $kills kills, $((completed + 1)) runs through, each with the result of an uninterrupted one"
done
echo "$all kills survived"
