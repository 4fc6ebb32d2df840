#!/usr/bin/env bash
# Builds what runs on a CUDA card into one folder that can be carried to another machine: the example programs (links to one
# binary), `side_by_side` of the comparison with PyTorch, and the numerical tests.
#
#   tools/cuda-build.sh [OUT]       out/cuda unless told otherwise
#
# Needs no CUDA toolkit and no card, but LLVM's NVPTX back end, which tools/cuda-llvm.sh installs. About an hour of processor time.
# Where the programs run they need glibc 2.35, NVIDIA's driver 580 or newer, and libdevice.10.bc, which CUDA's toolkit has
# (PyPI: nvidia-nvvm) and which lies in OUT if it was found here.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-out/cuda}
tools/cuda-llvm.sh

# A folder of its own: DOCS_RS, which checks without LLVM, and another CUDA version compile most of Burn again.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target/cuda}
# Without a toolkit at hand cudarc has to be told which version of CUDA to bind: the oldest that the driver may have.
export CUDARC_CUDA_VERSION=${CUDARC_CUDA_VERSION:-13000}
build=(--release --workspace --features denoised-weights-examples/cuda --features test-device/cuda)
cargo build "${build[@]}" --example programs --bin side_by_side
messages=$(mktemp)
trap 'rm -f "$messages"' EXIT
cargo test "${build[@]}" --test it --no-run --message-format json-render-diagnostics >"$messages"

mkdir -p "$out"
strip -o "$out/programs" "$CARGO_TARGET_DIR/release/examples/programs"
strip -o "$out/side_by_side" "$CARGO_TARGET_DIR/release/side_by_side"
for program in $(sed -n 's/^    ("\([a-z_]*\)", .*/\1/p' examples/devices/programs.rs); do
    ln -sf programs "$out/$program"
done
for crate in finetune gan-baselines lora-gan weight-diffusion; do
    test=$(sed -n "s|.*crates/$crate/Cargo.toml.*\"executable\":\"\([^\"]*\)\".*|\1|p" "$messages")
    strip -o "$out/test-$crate" "$test"
done
# CubeCL keeps compiled kernels by the id of the build. They are the same in all of these.
objcopy --dump-section .note.gnu.build-id="$messages" "$out/programs" /dev/null
for binary in "$out"/side_by_side "$out"/test-*; do
    objcopy --update-section .note.gnu.build-id="$messages" "$binary"
done

if libdevice=$(ls {"${CUDA_PATH:-/usr/local/cuda}",/usr/local/cuda*}/nvvm/libdevice/libdevice.10.bc 2>/dev/null | head -n 1) &&
    [ -n "$libdevice" ]; then
    install -D -m 644 "$libdevice" "$out/nvvm/libdevice/libdevice.10.bc"
fi
du -shL "$out"
