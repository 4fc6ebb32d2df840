#!/usr/bin/env bash
# Devices that other processes lend (`serve_device`), on this machine: a training whose batches two of them share has the
# losses of one on one device; a server that is killed ends the training with an error that says so, and the training
# goes on without it from the step that it was at.
#
#   cargo build --release --examples --features denoised-weights-examples/remote && tools/remote-device.sh
#
# BIN=DIR takes the programs from another folder.
# shellcheck disable=SC2016 # Backticks are messages'.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/faults/programs.sh
. tools/faults/programs.sh
pids=() first='' second='' third='' guarded=''
trap 'kill -9 "${pids[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT
# Other than what the user's own servers ask for.
unset DEVICE_TOKEN

fail() {
    echo "remote-device: $*" >&2
    tail -n 5 "$work/log" >&2
    exit 1
}

# Starts a server with the arguments $2...; its address goes into the variable $1, its process into `pid`.
serve() {
    local -n address=$1
    local log tries=0
    log=$(mktemp -p "$work")
    "$bin/serve_device" --listen 127.0.0.1:0 "${@:2}" >"$log" 2>&1 &
    pid=$!
    pids+=("$pid")
    until address=$(sed -n 's/^lending .* at //p' "$log") && [ -n "$address" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] || {
            cp "$log" "$work/log"
            fail 'the server does not start'
        }
        sleep 0.05
    done
}

# A training of $1 steps, saved every $every, into $work/$2 with the arguments $3...
every=1000
train() {
    "$bin/train_generator" --zoo assets/zoo --concepts 2 --batch-size 32 --channels 32 --save-every $every \
        --steps "$1" --out "$work/$2" "${@:3}" >"$work/log" 2>&1
}

# Fails unless exit status $1 is 1 and the log says $2.
ended() {
    if [ "$1" != 1 ] || ! grep -q -- "$2" "$work/log"; then fail "exit status $1, and not 1 with «$2»"; fi
}

# Fails unless the command $2... ends with exit status 1 and says $1.
must_fail() {
    local code=0
    "${@:2}" >"$work/log" 2>&1 || code=$?
    ended "$code" "$1"
}

losses() { sed -nE 's/.*"step":([0-9]+),"loss":([-0-9.e]+).*/\1 \2/p' "$work/$1/metrics.jsonl"; }

# Fails unless training $1 has as many steps as training $2 and losses within 1e-4 of its.
same_losses() {
    paste -d ' ' <(losses "$1") <(losses "$2") | awk -v name="$1" '
        NF != 4 || $1 != $3 { print name ": other steps at line " NR; bad = 1; exit }
        { d = $2 - $4; if (d < 0) d = -d; if (d > worst) worst = d; n++; last = $2 }
        NR == 1 { first = $2 }
        END {
            if (bad || !n) exit 1
            printf "%s: %d steps, loss %.4f to %.4f, at most %.1e from one device'\''s\n", name, n, first, last, worst
            exit worst > 1e-4
        }' || fail "$1: losses other than $2's"
}

train 40 alone || fail 'the training on one device failed'

serve first
serve second
train 40 beside --with-device "$first" --with-device "$second" || fail 'a training over three devices failed'
same_losses beside alone
train 40 away --device "$first" --with-device "$second" || fail 'a training on remote devices alone failed'
same_losses away alone

# Ends the server `pid` with kill -9 once the training `training` into $work/$1 did the command $2..., and waits for both.
killed() {
    local code=0
    until "${@:2}" 2>/dev/null; do
        kill -0 "$training" 2>/dev/null || fail "$1 ended before its server was killed"
        sleep 0.05
    done
    {
        kill -9 "$pid"
        wait "$pid"
    } 2>/dev/null || true
    wait "$training" || code=$?
    ended "$code" "$said"
    [ -d "$work/$1/state" ] || fail "$1: no state was saved"
    local at
    at=$(losses "$1" | wc -l)
    if [ "$at" = 0 ] || [ "$at" -ge $steps ]; then fail "$1: killed after $at of $steps steps"; fi
    echo "$1: a server was killed at step $at: $(sed -n 's/^error: //p' "$work/log" | cut -c 1-70)..."
}

# One of the two beside the main device is killed on the way.
steps=80
train $steps whole || fail 'the long training failed'
: >"$work/log" # What `killed` waits for is in the log before.
train $steps cut --with-device "$first" --with-device "$second" &
training=$!
pids+=("$training")
said="^error: --with-device $second: device 1 of .* failed"
killed cut grep -q '^generator' "$work/log"
train $steps cut || fail 'the training does not go on'
same_losses cut whole

# The main device is killed on the way.
serve third
every=2
train $steps lost --device "$third" &
training=$!
pids+=("$training")
# Where the training was when it noticed decides between the two.
said="^error: the work stopped while --device $third computed\|^error: reading .* from the device"
saved_once() { [ "$(losses lost | wc -l)" -gt $every ]; }
killed lost saved_once
every=1000
train $steps lost || fail 'the training does not go on without its device'
same_losses lost whole

# Who may come in.
must_fail 'start `serve_device` there' "$bin/train_generator" --zoo assets/zoo --steps 1 --out "$work/y" --device "$second"
must_fail 'hosts only 1 device' "$bin/train_generator" --zoo assets/zoo --steps 1 --out "$work/y" --device "$first/1"
must_fail 'set the environment variable DEVICE_TOKEN' "$bin/serve_device" --listen 0.0.0.0:0
must_fail 'choose another port' "$bin/serve_device" --listen "${first#remote:ws://}"
DEVICE_TOKEN=secret serve guarded --device flex --device flex
must_fail "set DEVICE_TOKEN to the server's" "$bin/train_generator" --zoo assets/zoo --steps 1 --out "$work/y" --device "$guarded"
DEVICE_TOKEN=secret train 40 second --with-device "$guarded/1" || fail 'the token is not taken'
same_losses second alone
echo "remote devices: done"
