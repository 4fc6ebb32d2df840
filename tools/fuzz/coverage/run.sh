#!/usr/bin/env bash
# Runs coverage-guided fuzzers one after the other, SECONDS each, and prints a row of counts for each:
#   tools/fuzz/coverage/run.sh SECONDS [TARGET ...]
# Needs cargo-fuzz and a nightly toolchain. SANITIZER=address is slower and finds errors of unsafe code in libraries; the
# default is none. Logs and new inputs are in corpus/, inputs that fail in artifacts/.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:?"seconds for each target"}
shift
sanitizer=${SANITIZER:-none}
export RAYON_NUM_THREADS=1
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}

[ $# -gt 0 ] || mapfile -t all < <(cargo +nightly fuzz list --fuzz-dir .)
targets=("$@" "${all[@]}")
[ -n "${NO_BUILD:-}" ] || cargo +nightly fuzz build --fuzz-dir . --sanitizer "$sanitizer"
binaries=$CARGO_TARGET_DIR/$(rustc +nightly -vV | sed -n 's/^host: //p')/release

options() {
    case $1 in
        *_image | image_files) echo images 2048 ;;
        safetensors | lora_file | embedding_cache) echo tensors 2048 ;;
        pytorch) echo pickle 4096 ;;
        npz_*) echo numpy 4096 ;;
        zoo | static_encoder) echo tensors 4096 ;;
        clip_folder) echo json 12000 ;;
        chat_reply) echo json 1024 ;;
        *) echo json 4096 ;;
    esac
}

printf '| reader | executions | a second | edges | features | inputs kept | peak MiB | found |\n'
printf '| --- | --- | --- | --- | --- | --- | --- | --- |\n'
for target in "${targets[@]}"; do
    read -r words longest < <(options "$target")
    mkdir -p "corpus/$target" "artifacts/$target"
    # The keys and values of the seeds are words, too.
    { cat "dictionaries/$words"; grep -aoh '"[A-Za-z0-9_.:/-]\+"' "seeds/$target"/* | sort -u; } >"corpus/$target.words"
    status=passed
    "$binaries/$target" "corpus/$target" "seeds/$target" -dict="corpus/$target.words" -max_len="$longest" \
        -max_total_time="$seconds" -rss_limit_mb=1024 -malloc_limit_mb=256 -timeout=20 -print_final_stats=1 \
        -artifact_prefix="artifacts/$target/" >"corpus/$target.log" 2>&1 &
    wait $! || status="**failed**"
    rm -rf "/dev/shm/fuzz-$!"
    stat() { sed -n "s/^stat::$1: *//p" "corpus/$target.log"; }
    counts=$(grep -o 'cov: [0-9]* ft: [0-9]* corp: [0-9]*' "corpus/$target.log" | tail -n 1 | tr -dc '0-9 ' | xargs)
    read -r edges features kept <<<"$counts"
    printf '| %s | %s | %s | %s | %s | %s | %s | %s |\n' "$target" "$(stat number_of_executed_units)" \
        "$(stat average_exec_per_sec)" "$edges" "$features" "$kept" "$(stat peak_rss_mb)" "$status"
done
