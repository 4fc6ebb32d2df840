#!/usr/bin/env bash
# Runs what tools/cuda-build.sh built on a CUDA card: what it computes, how long the paper's steps take, and PyTorch beside it.
#
#   tools/gpu-run.sh BUILT [OUT]     OUT gets a log and a JSON file for each part; out/gpu unless told otherwise
#
# BUILT is the folder of tools/cuda-build.sh, or that of tools/gpu-pack.sh, which is unpacked first. PARTS="paper pytorch" takes some
# of the parts below, in that order, and LIMIT is the most seconds that one program may take. `pytorch` needs a python3 that has it.
# The exit status is 1 if one of them failed or was stopped.
# DEVICE=flex rehearses on a CPU, with PAPER="--batch 1 --steps 2" and SIZES=small.
#
#   tests     numerical tests on the card: forward, backward, training steps, round trips, against the fixtures of the CPU
#   paper     one fine-tuning step and one of pix2pix, 256x256, 16 pairs; all blocks of an adapter in one denoising step
#   pytorch   the same networks in PyTorch, by tools/pytorch_reference/compare.py
#   quickstart
#   profile   time per kernel of a few fine-tuning steps, by CubeCL's own profiler
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
built=${1:?"gpu-run: which folder did tools/cuda-build.sh or tools/gpu-pack.sh write?"}
out=${2:-out/gpu}
device=${DEVICE:-cuda}
limit=${LIMIT:-150}
read -r -a parts <<<"${PARTS:-tests paper pytorch quickstart profile}"
read -r -a paper <<<"${PAPER:---batch 16 --steps 25 --max-mib 64000}"
mkdir -p "$out"
out=$(realpath "$out")

pack=$(realpath "$built")
if [ -e "$pack/programs.tar.xz.00" ]; then
    pieces=("$pack"/programs.tar.xz.*)
    built=${UNPACKED:-$HOME/cuda}
    mkdir -p "$built"
    # Python's decompressor: xz need not be installed.
    [ -e "$built/programs" ] || cat "${pieces[@]}" | python3 -c 'import lzma, shutil, sys
with lzma.open(sys.stdin.buffer) as packed: shutil.copyfileobj(packed, sys.stdout.buffer, 1 << 20)' | tar -C "$built" -x
fi
built=$(realpath "$built")
# The folder of libdevice.10.bc: the toolkit's, if there is one, because PyTorch reads CUDA_PATH too.
for toolkit in "${CUDA_PATH:-}" /usr/local/cuda "$built"; do
    [ ! -e "$toolkit/nvvm/libdevice/libdevice.10.bc" ] || { export CUDA_PATH=$toolkit && break; }
done
export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/usr/local/nvidia/lib64:/usr/local/nvidia/lib
export TEST_DEVICE=$device PYTHONUNBUFFERED=1

# Kernels and what autotune found are kept for the next program, and for the next run if OUT stays.
mkdir -p "$out/kernels"
cd "$out/kernels"
if [ -e "$pack/kernels.db.xz" ] && [ ! -e default.db ]; then
    python3 -c 'import lzma, shutil, sys
with lzma.open(sys.stdin.buffer) as packed: shutil.copyfileobj(packed, sys.stdout.buffer, 1 << 20)' <"$pack/kernels.db.xz" >kernels.part
    mv kernels.part default.db
fi
[ -e cubecl.toml ] || cat >cubecl.toml <<END
[compilation]
cache = true
[environment]
path = "local"
END

failed=()
run() {
    local name=$1 status=0 started=$SECONDS
    shift
    timeout -k 5 "$limit" "$@" >"$out/$name.log" 2>&1 &
    wait $! || status=$?
    printf '%s: status %s, %s s: %s\n' "$name" "$status" $((SECONDS - started)) "$*" | tee -a "$out/summary.txt"
    [ "$status" = 0 ] || failed+=("$name")
    grep -E '^(step|losses|prediction|test result|error)|panicked|FAILED|failed' "$out/$name.log" | cut -c 1-200 | tail -n 12 || true
}

# A time limit on this script ends what it started too.
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
trap 'exit 143' TERM INT
if nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null | tee "$out/card.txt"; then
    nvidia-smi --query-gpu=timestamp,utilization.gpu,memory.used,power.draw --format=csv,nounits -lms 500 >"$out/use.csv" 2>&1 &
fi
for part in "${parts[@]}"; do
    echo "== $part ($SECONDS s)"
    case $part in
    tests)
        # They look for their fixtures where the sources were when they were built; elsewhere a link at that path does.
        for test in "$built"/test-*; do
            run "$(basename "$test")" "$test"
        done
        ;;
    paper)
        run paper "$built/paper_step" --device "$device" "${paper[@]}" --predict 5 --json "$out/paper.json"
        run pix2pix "$built/paper_step" --device "$device" "${paper[@]}" --pix2pix --json "$out/pix2pix.json"
        ;;
    pytorch)
        for task in ${TASKS:-gan predict predict-all unet-step matmul}; do
            arguments=()
            case $task in
            matmul) arguments=(--tasks matmul --batch 8192) ;;
            predict) arguments=(--tasks predict-paper) ;;
            predict-all) arguments=(--tasks predict-paper --batch 888) ;;
            gan) arguments=(--tasks gan-paper --batch 16) ;;
            unet-step) arguments=(--tasks unet-step-paper --batch 512) ;;
            *)
                echo "gpu-run: TASKS has $task: use gan, predict, predict-all, unet-step or matmul" >&2
                exit 2
                ;;
            esac
            [ "${SIZES:-}" != small ] || arguments=(--tasks "${arguments[1]/paper/compact}")
            sides=(eager compile)
            [ "$device" = flex ] || read -r -a sides <<<"${SIDES:-eager-tf32 compile-tf32}"
            run "pytorch-$task" python3 "$root/tools/pytorch_reference/compare.py" --device "${device/flex/cpu}" \
                --rust "$built/side_by_side" --dir "$built/side-by-side" --threads "$(nproc)" --repeats 7 \
                "${arguments[@]}" --sides "${sides[@]}" --json "$out/pytorch-$task.json" --table "$out/pytorch-$task.md"
            cat "$out/pytorch-$task.md" 2>/dev/null || tail -n 5 "$out/pytorch-$task.log"
        done
        ;;
    quickstart)
        run quickstart "$built/quickstart" --device "$device" --assets "$root/assets" --out "$out/quickstart" --json "$out/quickstart.json"
        tail -n 15 "$out/quickstart.log"
        ;;
    profile)
        CUBECL_DEBUG_OPTION=${PROFILE:-profile} run profile "$built/paper_step" --device "$device" --batch 16 --steps 4 --max-mib 64000
        ;;
    *)
        echo "gpu-run: $part: use tests, paper, pytorch, quickstart or profile" >&2
        exit 2
        ;;
    esac
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "gpu-run: failed or stopped: ${failed[*]} (logs in $out)" >&2
    exit 1
fi
