# Sourced by the scripts about faults: the programs with settings that take a second or two, and how their results are
# compared. BIN=DIR takes the programs from another folder; THREADS=N gives each N threads.
# shellcheck shell=bash

bin=${BIN:-target/release/examples}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A program that is added here is killed, starved of disk and locked out like the others.
# shellcheck disable=SC2034
programs=(collect train stream refine pretrain quickstart compare edit prepare shards loras)

# The command of program $1 that writes to folder $2, in the array `command`.
command_of() {
    case $1 in
    collect) command=("$bin/collect" --only oil-painting,red-fog --epochs 2 --keep 2 --n-train 8 --n-validation 4) ;;
    train) command=("$bin/train_generator" --zoo "$work/zoo" --steps 12 --batch-size 32 --channels 32 --save-every 2) ;;
    stream) command=("$bin/train_generator" --zoo "$work/zoo" --steps 12 --batch-size 32 --channels 32 --save-every 2 --stream --early-stop 3 --evaluate-every 3 --validation-prompts 1) ;;
    refine) command=("$bin/refine_generator" --zoo "$work/zoo" --generator "$work/generator" --steps 12 --save-every 2) ;;
    pretrain) command=("$bin/pretrain_base" --steps 3 --n-photos 2 --save-every 1) ;;
    quickstart) command=("$bin/quickstart" --preset compact --methods zero,denoised --epochs 1 --n-train 8 --n-test 4) ;;
    compare) command=("$bin/compare" --limit 2 --seeds 1 --methods pix2pix,zero,denoised --pix2pix-epochs 2 --epochs 1 --start-epochs 1 --n-train 8 --n-test 4) ;;
    edit) command=("$bin/edit_photos" --photos "$work/photos" --prompts "$work/prompts.txt" --size 64 --yes) ;;
    prepare) command=("$bin/prepare_pairs" --only oil-painting,red-fog --n-train 12 --n-test 4) ;;
    shards) command=("$bin/prepare_pairs" --only oil-painting,red-fog --n-train 12 --n-test 4 --layout webdataset) ;;
    loras) command=("$bin/lora_files" collect "$work/adapters") ;;
    *)
        echo "no program $1" >&2
        return 1
        ;;
    esac
    command+=(--out "$2")
}

# Runs program $1 to its end in folder $2; its output goes to $work/log.
whole() {
    command_of "$1" "$2"
    if ! "${command[@]}" >"$work/log" 2>&1; then
        tail -n 5 "$work/log" >&2
        echo "$1: the same command fails" >&2
        return 1
    fi
}

# What the programs read.
inputs() {
    local photo number file
    mkdir "$work/photos" "$work/adapters"
    for number in $(seq 200); do
        for file in etching.safetensors etching.txt; do
            cp "crates/denoised-weights/tests/fixtures/lora-files/kohya/$file" "$work/adapters/${file/./-$number.}"
        done
    done
    for photo in $(find assets/photos -name '*.png' -o -name '*.jpg' -o -name '*.webp' | sort | head -n 40); do
        cp "$photo" "$work/photos"
    done
    printf '%s\n' 'oil painting' 'red fog' 'teal charcoal sketch' 'chalk drawing' >"$work/prompts.txt"
    whole collect "$work/zoo"
    whole train "$work/generator"
}

# $work/PROGRAM holds what an uninterrupted run leaves; sets `milliseconds` to what it took.
reference() {
    if [ ! -d "$work/$1" ]; then
        local started
        started=$(date +%s%N)
        whole "$1" "$work/$1"
        echo $((($(date +%s%N) - started) / 1000000)) >"$work/$1.milliseconds"
    fi
    # shellcheck disable=SC2034
    milliseconds=$(cat "$work/$1.milliseconds")
}

# Sets `seconds` to a random share of `milliseconds`. (A subshell would draw from another sequence.)
a_while() {
    local thousandths=$((RANDOM * milliseconds / 32768 + 10))
    printf -v seconds '%d.%03d' $((thousandths / 1000)) $((thousandths % 1000))
}

# A copy of folder $1 in $2 without what hangs on the clock: seconds, the picture of curves over them, and compare's
# report, which is made of its runs.
without_times() {
    rm -rf "$2"
    cp -r "$1" "$2"
    find "$2" -name 'curves.svg' -exec truncate -s 0 {} +
    if [ -e "$2/protocol.json" ]; then truncate -s 0 "$2"/report.* "$2/speedup.svg"; fi
    find "$2" -name '*.json' -exec sed -i -E '/"([a-z_]*seconds[a-z_]*|median_speedup_over_zero)": /d' {} +
}

# Fails unless folder $2 holds what program $1 leaves undisturbed: the same files with the same bytes, and none more.
same() {
    without_times "$work/$1" "$work/expected"
    without_times "$2" "$work/found"
    if ! diff -r "$work/expected" "$work/found" >"$work/diff"; then
        head -n 5 "$work/diff" >&2
        echo "$1: another result" >&2
        return 1
    fi
}
