#!/usr/bin/env bash
# Packs what tools/cuda-build.sh built, for a machine to which little can be carried.
#
#   tools/gpu-pack.sh [BUILT [PACK]]     out/cuda into .gpu unless told otherwise
#
# PACK gets pieces of 15 MiB, libdevice (from PyPI if the build has none) among them; there, `tools/gpu-run.sh PACK OUT` unpacks
# and runs them. The binaries share half of their code, so all are compressed as one stream with a dictionary that spans them:
# 38 MB for the first and 15 for each further one, five minutes and 6 GB of memory. PROGRAMS="programs side_by_side" leaves the others
# out. BUILT/kernels.db, from tools/gpu-kernels.py, travels along.
set -euo pipefail
cd "$(dirname "$0")/.."
built=${1:-out/cuda}
pack=${2:-.gpu}
[ -x "$built/programs" ] || {
    echo "gpu-pack: $built/programs is missing: run tools/cuda-build.sh $built first" >&2
    exit 1
}
if [ ! -e "$built/nvvm/libdevice/libdevice.10.bc" ]; then
    wheel=$(mktemp -d)
    trap 'rm -rf "$wheel"' EXIT
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --platform manylinux2010_x86_64 --dest "$wheel" "nvidia-nvvm==13.0.*"
    unzip -q -j "$wheel"/*.whl '*/libdevice.10.bc' -d "$built/nvvm/libdevice"
fi
rm -rf "$pack"
mkdir -p "$pack"
# Links first, then the binaries in the order of their names.
read -r -a wanted <<<"${PROGRAMS:-$(cd "$built" && find . -maxdepth 1 -type f -executable -printf "%f ")}"
links=$(find "$built" -maxdepth 1 -type l -printf '%f ')
# shellcheck disable=SC2086 # The links are words.
tar -C "$built" -c $links nvvm "${wanted[@]}" |
    xz --threads=1 --lzma2=preset=4,dict=1GiB --stdout |
    split --bytes=15M --numeric-suffixes - "$pack/programs.tar.xz."
[ ! -e "$built/kernels.db" ] || xz --stdout "$built/kernels.db" >"$pack/kernels.db.xz"
du -bch "$pack"/*
