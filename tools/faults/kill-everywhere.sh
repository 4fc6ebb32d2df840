#!/usr/bin/env bash
# Kills each program at each system call that changes a folder or syncs a file, one after another: at the first of them,
# then in a fresh folder at the second, and so on. After each kill the same command must end with the same result. Needs
# strace. By hand, it takes long:
#
#   cargo build --release --examples && tools/faults/kill-everywhere.sh [PROGRAM...]
#
# STEP=7 takes only every seventh call, for programs with many. ERROR=ENOSPC lets the call fail instead, which the program has to report: exit status 1, and the error on stderr.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tools/faults/programs.sh
. tools/faults/programs.sh
calls=mkdir,rename,renameat,renameat2,unlink,unlinkat,rmdir,fsync,ftruncate,link,linkat
[ -z "${ERROR:-}" ] || calls=mkdir,rename,renameat,renameat2,fsync,ftruncate,pwrite64
fault=${ERROR:+error=$ERROR}
fault=${fault:-signal=KILL}
inputs
failures=0
[ $# = 0 ] || programs=("$@")
for program in "${programs[@]}"; do
    reference "$program"
    out=$work/cut
    rm -rf "$out"
    command_of "$program" "$out"
    strace -f -qq -o "$work/trace" -e trace="$calls" "${command[@]}" >"$work/log" 2>&1
    tried=0
    while read -r count call; do
        for n in $(seq 1 "${STEP:-1}" "$count"); do
            rm -rf "$out"
            code=0
            # The group keeps the shell's own word on the kill away.
            { strace -f -qq -o /dev/null -e trace="$call" -e "inject=$call:$fault:when=$n" "${command[@]}" >"$work/cut-log" 2>&1 || code=$?; } 2>/dev/null
            tried=$((tried + 1))
            if [ -n "${ERROR:-}" ]; then
                [ "$code" = 0 ] || [ "$code" = 1 ] || {
                    echo "$program: exit status $code at $call $n: $(tail -n 3 "$work/cut-log")"
                    failures=$((failures + 1))
                }
            fi
            if ! { whole "$program" "$out" && same "$program" "$out"; } 2>"$work/why"; then
                echo "$program: $call number $n of $count: $(cat "$work/why")"
                failures=$((failures + 1))
            fi
        done
    done < <(grep -oE '^[0-9]+ +[a-z0-9]+\(' "$work/trace" | grep -oE '[a-z0-9]+\($' | tr -d '(' | sort | uniq -c)
    echo "$program: $tried times $fault, $failures failures so far"
done
[ "$failures" = 0 ]
