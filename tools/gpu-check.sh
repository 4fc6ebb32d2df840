#!/usr/bin/env bash
# The test suite, the benches and the paper's two times on a CUDA machine, and a report of them.
#
#   tools/gpu-check.sh [OUT]        OUT/report.md and the logs behind it; out/gpu-check unless told otherwise
#
# Needs the README's requirements, NVIDIA's driver, the CUDA toolkit and a network for the first build. PARTS="tests
# benches paper quickstart" takes only some of them. DEVICE=wgpu or vulkan takes another card, DEVICE=flex the CPU, to try
# the script: with PAPER="--batch 1 --steps 2 --predict 1" and BENCH=text it takes minutes. The exit status is 1 where a
# part failed; the report says which.
# shellcheck disable=SC2016 # Backticks are Markdown's.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-out/gpu-check}
device=${DEVICE:-cuda}
parts=${PARTS:-tests benches paper quickstart}
# An epoch of the paper: 400 pairs, 16 at a time (crates/finetune/src/recipe.rs).
read -r -a paper <<<"${PAPER:---batch 16 --steps 25 --predict 3 --max-mib 64000}"
mkdir -p "$out"
report=$out/report.md
failed=()

features=()
case $device in
flex) ;;
cuda | wgpu | vulkan) features=(--features "denoised-weights-examples/$device,test-device/$device") ;;
*)
    echo "gpu-check: DEVICE=$device: use cuda, wgpu, vulkan or flex" >&2
    exit 2
    ;;
esac
if [ "$device" = cuda ] && ! nvidia-smi >"$out/nvidia-smi.log" 2>&1; then
    echo "gpu-check: nvidia-smi does not run: install NVIDIA's driver and the CUDA toolkit, or set DEVICE" >&2
    exit 1
fi

# Runs the command behind the name of a part, with its output in OUT/NAME.log.
run() {
    local name=$1 started=$SECONDS
    shift
    printf '%s: %s\n' "$name" "$*"
    if "$@" >"$out/$name.log" 2>&1; then
        printf '| %s | passed | %s s | `%s` |\n' "$name" $((SECONDS - started)) "$*" >>"$report"
        return
    fi
    failed+=("$name")
    printf '| %s | **failed** | %s s | `%s` |\n' "$name" $((SECONDS - started)) "$*" >>"$report"
    tail -n 5 "$out/$name.log" >&2
}

wants() { [[ " $parts " == *" $1 "* ]]; }

{
    printf '# %s, %s\n\n' "$device" "$(date -u +%F)"
    printf -- '- commit %s\n- %s\n' "$(git describe --always --dirty 2>/dev/null || echo unknown)" "$(rustc --version)"
    printf -- '- CPU: %s, %s threads\n' "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)"
    [ "$device" != cuda ] || nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | sed 's/^/- GPU: /'
    printf '\n| part | | time, with the build | command |\n| --- | --- | --- | --- |\n'
} >"$report"

export TEST_DEVICE=$device
if wants tests; then
    run tests cargo test --release --workspace "${features[@]}"
fi
if wants benches; then
    run benches cargo bench --workspace "${features[@]}" --bench '*' -- ${BENCH:+"$BENCH"}
fi
if wants paper; then
    run paper cargo run --release "${features[@]}" --example paper_step -- --device "$device" "${paper[@]}"
fi
if wants quickstart; then
    run quickstart cargo run --release "${features[@]}" --example quickstart -- --device "$device" --out "$out/quickstart"
fi

# The median of the numbers on standard input, and nothing of none.
median() { sort -g | awk '{ v[NR] = $1 } END { if (NR) print v[int((NR + 1) / 2)] }'; }

if wants paper && [ -e "$out/paper.log" ]; then
    # Kernels are compiled in the first steps.
    step=$(sed -nE 's/^step [0-9]+: ([0-9.]+) s.*/\1/p' "$out/paper.log" | tail -n +2 | median)
    prediction=$(sed -nE 's/^prediction [0-9]+: .*, ([0-9.]+) s$/\1/p' "$out/paper.log" | tail -n 1)
    prediction=${prediction:+$prediction s}
    blocks=$(sed -nE 's/^prediction 1: ([0-9]+) blocks.*/\1/p' "$out/paper.log")
    batch=$(printf '%s\n' "${paper[@]}" | grep -A 1 -x -e --batch | tail -n 1)
    # Seconds of $1 epochs, where there was a step to measure.
    epochs() {
        [ -z "$step" ] || awk -v s="$step" -v b="${batch:-4}" -v n="$1" 'BEGIN { printf "%.1f s", s * 400 / b * n }'
    }
    fine=$(epochs 20) all=$(epochs 100)
    cat >>"$report" <<EOF

## Beside the paper

| | here | the paper, one H100 |
| --- | ---: | ---: |
| all blocks in one step (${blocks:-?}; the paper: 854) | ${prediction:-not measured} | 1.19 s |
| fine-tuning, 20 epochs of 400 pairs | ${fine:-not measured} | 42.1 s |
| E²GAN's training, 100 epochs of 400 pairs | ${all:-not measured} | 198.5 s |

The last prediction of \`paper.log\`; the median step but the first, ${step:-none} s for ${batch:-?} pairs, times 400 / ${batch:-?}
times the epochs. The networks' widths are this project's (docs/paper-map.md): the paper does not give them.
EOF
fi
if wants quickstart && [ -e "$out/quickstart.log" ]; then
    printf '\n## Quickstart\n\n```\n%s\n```\n' "$(grep -v '^ *\(Compiling\|Finished\|Running\|Downloaded\)' "$out/quickstart.log")" >>"$report"
fi
if wants benches && [ -e "$out/benches.log" ]; then
    printf '\n## Benches\n\n| bench | low | estimate | high |\n| --- | ---: | ---: | ---: |\n' >>"$report"
    # Criterion breaks the line behind a long name.
    awk '/time: +\[/ { name = $0; sub(/ *time:.*/, "", name); if (name == "") name = last
            gsub(/.*\[|\]/, ""); split($0, t, " ")
            printf "| %s | %s %s | %s %s | %s %s |\n", name, t[1], t[2], t[3], t[4], t[5], t[6] }
        { last = $0 }' "$out/benches.log" >>"$report"
fi
echo "$report"
if [ ${#failed[@]} -gt 0 ]; then
    echo "gpu-check: failed: ${failed[*]}" >&2
    exit 1
fi
