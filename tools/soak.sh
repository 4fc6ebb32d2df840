#!/usr/bin/env bash
# Runs `collect` and `train_generator` one after the other, again and again, and samples the memory of each process
# once a second: it must not grow while a process runs, nor from one round to the next.
#
#   cargo build --release --examples && nice -n 19 tools/soak.sh [SECONDS] [SAMPLES.csv]
#
# BIN=DIR takes the programs from another folder, so that a build meanwhile does not replace them. Prints the table of
# docs/reliability.md; `tools/soak.sh --summary SAMPLES.csv` prints it again.
set -euo pipefail
cd "$(dirname "$0")/.."

# Least squares over the last four fifths of each process: its first fifth loads and warms up.
summary() {
    awk -F, '
        function slope(n, sx, sy, sxx, sxy) { d = n * sxx - sx * sx; return d > 0 ? (n * sxy - sx * sy) / d : 0 }
        NR == 1 { next }
        {
            key = $2 SUBSEP $1; kinds[$2]; last[key] = $3; if ($1 > rounds) rounds = $1
            n[key]++; t[key, n[key]] = $3; rss[key, n[key]] = $4
            if ($5 > peak[key]) peak[key] = $5
        }
        END {
            for (kind in kinds) {
                processes = samples = total = worst = rn = rx = ry = rxx = rxy = 0; first = ""
                for (r = 1; r <= rounds; r++) {
                    key = kind SUBSEP r
                    if (!(key in n)) continue
                    processes++; samples += n[key]
                    if (first == "") first = peak[key]
                    end = peak[key]
                    rn++; rx += r; ry += peak[key]; rxx += r * r; rxy += r * peak[key]
                    m = sx = sy = sxx = sxy = 0
                    for (i = 1; i <= n[key]; i++) if (t[key, i] >= last[key] / 5) {
                        m++; x = t[key, i]; y = rss[key, i]; sx += x; sy += y; sxx += x * x; sxy += x * y
                    }
                    s = slope(m, sx, sy, sxx, sxy) * 60 / 1024
                    total += s; if (s > worst) worst = s
                    for (i = 1; i <= n[key]; i++) {
                        part = int(5 * t[key, i] / (last[key] + 1))
                        fifth[kind, part] += rss[key, i]; count[kind, part]++
                    }
                }
                printf "%s: %d processes, %d samples; within a process %+.2f MiB a minute (mean), %+.2f (worst); ", kind, processes, samples, total / processes, worst
                printf "mean of each fifth of a process"
                for (part = 0; part < 5; part++) printf " %.0f", fifth[kind, part] / count[kind, part] / 1024
                printf " MiB; peak %.1f MiB in the first round, %.1f in the last, %+.3f MiB a round\n", first / 1024, end / 1024, slope(rn, rx, ry, rxx, rxy) / 1024
            }
        }' "$1" | sort
}

if [ "${1:-}" = --summary ]; then
    summary "$2"
    exit
fi
seconds=${1:-3600}
samples=${2:-target/soak.csv}
bin=${BIN:-target/release/examples}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export RAYON_NUM_THREADS=${RAYON_NUM_THREADS:-1}
mkdir -p "$(dirname "$samples")"
echo "round,program,seconds,rss_kib,peak_kib" >"$samples"

# Runs a program and notes its resident memory every second until it ends.
watch() {
    local started pid status rss peak
    started=$SECONDS
    "$@" >"$work/log" 2>&1 &
    pid=$!
    # A process that has ended has no memory to speak of.
    while status=$(cat "/proc/$pid/status" 2>/dev/null) && rss=$(awk '/^VmRSS/ { print $2 }' <<<"$status") && [ -n "$rss" ]; do
        peak=$(awk '/^VmHWM/ { print $2 }' <<<"$status")
        echo "$round,$(basename "$1"),$((SECONDS - started)),$rss,$peak" >>"$samples"
        sleep 1
    done
    if ! wait "$pid"; then
        tail -n 20 "$work/log" >&2
        echo "round $round: $* failed" >&2
        exit 1
    fi
}

round=0
while [ "$SECONDS" -lt "$seconds" ]; do
    round=$((round + 1))
    rm -rf "$work/zoo" "$work/generator"
    watch "$bin/collect" --epochs 1 --keep 1 --n-train 16 --n-validation 4 --out "$work/zoo"
    watch "$bin/train_generator" --zoo "$work/zoo" --steps 1500 --batch-size 32 --channels 32 --save-every 50 --out "$work/generator"
done
echo "$round rounds in $SECONDS s"
summary "$samples"
