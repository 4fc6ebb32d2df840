#!/usr/bin/env bash
# What programs do on a full disk, in a folder that is read-only, beside a second process on the same folder, and while
# the clock jumps. Each has to end with the result of an undisturbed run, or with exit status 1 and an error that says
# what to do, after which the same command ends with that result. No temporary file may be left.
#
#   cargo build --release --examples && tools/faults.sh [full|read-only|two|clock ...]
#
# The first two need to mount a small tmpfs (root); elsewhere a limit on file sizes stands for the full disk and file
# modes for the read-only one. The last needs `faketime`. PROGRAMS="collect train" takes only these, MOUNT=no mounts nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/faults/programs.sh
. tools/faults/programs.sh
disk=$work/disk
mkdir "$disk"
trap 'umount "$disk" 2>/dev/null || true; rm -rf "$work"' EXIT
[ -z "${PROGRAMS:-}" ] || read -r -a programs <<<"$PROGRAMS"
RANDOM=1
mounts=no
if [ "${MOUNT:-yes}" = yes ] && mount -t tmpfs -o size=1m tmpfs "$disk" 2>/dev/null; then
    umount "$disk"
    mounts=yes
fi
inputs
faults=0

# Runs `command`, which must fail with exit status 1 and say $1.
must_fail() {
    local code=0
    "${command[@]}" >"$work/log" 2>&1 || code=$?
    if [ "$code" != 1 ] || ! grep -q "$1" "$work/log"; then
        tail -n 5 "$work/log" >&2
        echo "${command[0]}: exit status $code, and not 1 with «$1»" >&2
        return 1
    fi
    faults=$((faults + 1))
}

# The disk is full after an eighth, a half, ... of what the program needs; then it gets larger.
full_tmpfs() {
    local program=$1 kib share failed=0
    kib=$(peak_of "$program")
    for share in 2 10 25 50 75 95; do
        mount -t tmpfs -o "size=$((kib * share / 100 + 8))k" tmpfs "$disk"
        command_of "$program" "$disk/out"
        if "${command[@]}" >"$work/log" 2>&1; then
            same "$program" "$disk/out"
        else
            must_fail 'make room there'
            failed=$((failed + 1))
            mount -o remount,size=1g "$disk"
            whole "$program" "$disk/out"
            same "$program" "$disk/out"
        fi
        umount "$disk"
    done
    echo "full disk: $program: $failed of 6 sizes too small, then the same result"
    [ "$failed" -gt 0 ]
}

# Blocks of a tmpfs that a run fills at most, in KiB.
peak_of() {
    local program=$1 pid now peak=0
    mount -t tmpfs -o size=1g tmpfs "$disk"
    command_of "$program" "$disk/out"
    "${command[@]}" >"$work/log" 2>&1 &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        now=$(df -k --output=used "$disk" | tail -n 1)
        [ "$now" -le "$peak" ] || peak=$now
        sleep 0.01
    done
    wait "$pid"
    now=$(df -k --output=used "$disk" | tail -n 1)
    [ "$now" -le "$peak" ] || peak=$now
    umount "$disk"
    echo "$peak"
}

# Without a mount: no file may be larger than half the largest.
full_limit() {
    local program=$1 kib
    kib=$(($(find "$work/$program" -type f -printf '%s\n' | sort -n | tail -n 1) / 2048))
    rm -rf "$work/cut"
    command_of "$program" "$work/cut"
    local inner=("${command[@]}")
    command=(bash -c 'trap "" XFSZ; ulimit -f "$1"; shift; exec "$@"' limited "$kib" "${inner[@]}")
    must_fail 'make room there'
    whole "$program" "$work/cut"
    same "$program" "$work/cut"
    echo "full disk: $program: no file above $kib KiB, then the same result"
}

full() {
    local program
    for program in "${programs[@]}"; do
        reference "$program"
        if [ $mounts = yes ]; then full_tmpfs "$program"; else full_limit "$program"; fi
    done
}

# Runs $1 for a while and kills it, so that there is something to go on from.
half() {
    command_of "$1" "$2"
    a_while
    { timeout --foreground --preserve-status -s KILL "$seconds" "${command[@]}" >"$work/log" 2>&1 || true; } 2>/dev/null
}

read-only() {
    local program
    if [ $mounts = no ] && [ "$(id -u)" = 0 ]; then
        echo "read-only folders: skipped; root writes to them, and nothing can be mounted"
        return
    fi
    for program in "${programs[@]}"; do
        reference "$program"
        for begun in no yes; do
            if [ $mounts = yes ]; then
                mount -t tmpfs -o size=1g tmpfs "$disk"
            else
                chmod -R u+w "$disk" && rm -rf "${disk:?}/out"
            fi
            [ $begun = no ] || half "$program" "$disk/out"
            if [ $mounts = yes ]; then mount -o remount,ro "$disk"; else chmod -R a-w "$disk"; fi
            command_of "$program" "$disk/out"
            must_fail 'give write access there'
            if [ $mounts = yes ]; then mount -o remount,rw "$disk"; else chmod -R u+w "$disk"; fi
            whole "$program" "$disk/out"
            same "$program" "$disk/out"
            [ $mounts = no ] || umount "$disk"
        done
        echo "read-only folder: $program: refused when empty and when begun, then the same result"
    done
    # What is only read may be read-only.
    chmod -R a-w "$work/zoo" "$work/generator" "$work/photos"
    if [ $mounts = yes ]; then
        mount --bind "$work/zoo" "$disk"
        mount -o remount,bind,ro "$disk"
        rm -rf "$work/cut"
        command_of train "$work/cut"
        command=("${command[@]/#"$work/zoo"/$disk}")
        "${command[@]}" >"$work/log" 2>&1
        reference train
        same train "$work/cut"
        umount "$disk"
        echo "read-only zoo: train reads it"
    fi
    chmod -R u+w "$work/zoo" "$work/generator" "$work/photos"
}

two() {
    local program first second codes killed
    for program in "${programs[@]}"; do
        reference "$program"
        codes=
        for killed in no yes; do
            rm -rf "$work/cut"
            command_of "$program" "$work/cut"
            "${command[@]}" >"$work/first" 2>&1 &
            first=$!
            "${command[@]}" >"$work/second" 2>&1 &
            second=$!
            if [ $killed = yes ]; then
                a_while
                sleep "$seconds"
                kill -KILL "$first" 2>/dev/null || true
            fi
            code=0
            wait "$first" 2>/dev/null || code=$?
            codes+=" $code"
            other=0
            wait "$second" || other=$?
            codes+=" $other"
            for name in first second; do
                [ "$name" = first ] || code=$other
                case $code in
                0 | 137) ;;
                1)
                    if ! grep -qE 'another (process|run)|wait' "$work/$name"; then
                        tail -n 3 "$work/$name" >&2
                        echo "$program beside another" >&2
                        return 1
                    fi
                    ;;
                *)
                    tail -n 3 "$work/$name" >&2
                    echo "$program beside another: exit status $code" >&2
                    return 1
                    ;;
                esac
            done
            # Where one of them went through, its result is there already.
            if [ "$other" = 0 ]; then same "$program" "$work/cut"; fi
            whole "$program" "$work/cut"
            same "$program" "$work/cut"
            faults=$((faults + 1))
        done
        echo "two processes: $program: exit statuses$codes (both left alone, one killed), then the same result"
    done
}

clock() {
    local program library jumps
    library=$(find /usr/lib -name 'libfaketime*.so.1' 2>/dev/null | grep -v MT | head -n 1 || true)
    if [ -z "$library" ]; then
        echo "clock jumps: skipped, faketime is not installed"
        return
    fi
    for program in "${programs[@]}"; do
        reference "$program"
        # Only the wall clock, as when somebody sets it; then the monotonic one too, which no kernel does.
        for monotonic in 1 0; do
            rm -rf "$work/cut"
            echo '@2000-01-01 00:00:00' >"$work/now"
            command_of "$program" "$work/cut"
            (
                while sleep 0.1; do
                    echo "@$((1990 + RANDOM % 60))-0$((1 + RANDOM % 9))-01 00:00:00" >"$work/now.new"
                    mv "$work/now.new" "$work/now"
                done
            ) &
            jumps=$!
            code=0
            LD_PRELOAD=$library DONT_FAKE_MONOTONIC=$monotonic FAKETIME_NO_CACHE=1 FAKETIME_TIMESTAMP_FILE=$work/now \
                timeout 120 "${command[@]}" >"$work/log" 2>&1 || code=$?
            kill "$jumps"
            wait "$jumps" 2>/dev/null || true
            if [ "$code" != 0 ]; then
                tail -n 3 "$work/log" >&2
                echo "$program while the clock jumps: exit status $code" >&2
                return 1
            fi
            same "$program" "$work/cut"
            faults=$((faults + 1))
        done
        echo "clock jumps between 1990 and 2049 ten times a second: $program: the same result"
    done
}

[ $# -gt 0 ] || set -- full read-only two clock
for what in "$@"; do
    "$what"
done
echo "$faults faults survived"
