#!/usr/bin/env bash
# What `.ci/run` only type-checks: devices of other processes (`serve_device`, tools/remote-device.sh), and the numerical tests on
# wgpu through Mesa's software OpenGL, which as root on Debian it installs. By hand, after changes to devices or to layers:
#
#   tools/other-devices.sh
#
# The features change Burn, so nearly every crate is compiled once more, by the profile `quick`: about ten minutes on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq libegl1 libegl-mesa0 libgl1-mesa-dri >/dev/null
fi
variant=(--profile quick --workspace
    --features "test-device/wgpu denoised-weights-examples/wgpu denoised-weights-examples/remote")
cargo build "${variant[@]}" --example train_generator --example serve_device
BIN=target/quick/examples tools/remote-device.sh
export VK_DRIVER_FILES=/none VK_ICD_FILENAMES=/none
generator=target/quick/examples/train_generator
listed=$("$generator" --list-devices)
if grep -q '^wgpu.*llvmpipe' <<<"$listed"; then
    said=$("$generator" --zoo assets/zoo --steps 1 --out out/ci-wgpu --device wgpu 2>&1) && refused=no || refused=yes
    echo "$said"
    [ "$refused" = yes ]
    grep -q 'ends loops after 65,535 rounds' <<<"$said"
fi
TEST_DEVICE=wgpu cargo test "${variant[@]}" --lib --test it -- \
    clip_vision:: diffusers_tests:: discriminator:: export:: gan_losses:: minilm:: module_space:: network:: penalties:: \
    pix2pix:: pretrainer:: resize:: sampling:: static_encoder:: torch_parity::
