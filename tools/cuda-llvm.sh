#!/usr/bin/env bash
# Installs the LLVM that the feature `cuda` links, from PyPI: CubeCL generates PTX with it, and its build otherwise downloads one
# from GitHub.
#
#   tools/cuda-llvm.sh              into ${XDG_DATA_HOME:-~/.local/share}/tracel/tracel-llvm-23.1.0-4
#
# tracel-llvm-bundler, which downloads one when it is built, keeps what is in that folder. The packages are mlc-llvm-static and, for
# the NVPTX back end, mlc-llvm-static-extra-targets (LLVM 23.1.1, static): 92 MB to download, 242 MB on the disk. Linux on x86-64
# with Python 3, pip, unzip and a C++ compiler. Nothing of it is needed where the programs run.
set -euo pipefail

bundle=23.1.0-4 # tracel-llvm-bundler's version in Cargo.lock
version=23.1.1.post0
wheels=(
    "mlc-llvm-static==$version --hash=sha256:dcfec888abfaa418be77d41af585805f31463584cf9c90582992c00f392c1ac5"
    "mlc-llvm-static-extra-targets==$version --hash=sha256:c36e834d9a4e9cf9759f27fece65711ece7a2fc2b5a96dbb15d66f5e9e787929"
)
dir=${XDG_DATA_HOME:-$HOME/.local/share}/tracel/tracel-llvm-$bundle

die() {
    echo "cuda-llvm: $*" >&2
    exit 1
}

if [ -e "$dir/.tracel-llvm-installed" ]; then
    echo "cuda-llvm: $dir is installed"
    exit
fi
[ ! -e "$dir" ] || die "$dir is incomplete; remove it"
[ "$(uname -sm)" = "Linux x86_64" ] || die "the packages are for Linux on x86-64, not for $(uname -sm)"
mkdir -p "$(dirname "$dir")"
work=$(mktemp -d "$dir.XXXXXX")
trap 'rm -rf "$work"' EXIT

printf '%s\n' "${wheels[@]}" >"$work/requirements.txt"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
    --python-version 3.12 --implementation py --abi none --platform manylinux_2_28_x86_64 \
    --dest "$work" --requirement "$work/requirements.txt"
unzip -q "$work/mlc_llvm_static-$version-"*.whl 'mlc_llvm_static/static/*' -x '*/lib/clang/*' -d "$work"
unzip -q "$work/mlc_llvm_static_extra_targets-$version-"*.whl 'mlc_llvm_static/static/lib/libLLVMNVPTX*.a' -d "$work"
llvm=$work/mlc_llvm_static/static

# LLVM's lists of back ends, cut down to the two that are linked. The other lists name X86 alone: NVPTX has no assembler.
for list in Targets:TARGET AsmPrinters:ASM_PRINTER; do
    printf 'LLVM_%s(NVPTX) LLVM_%s(X86)\n#undef LLVM_%s\n' "${list#*:}" "${list#*:}" "${list#*:}" \
        >"$llvm/include/llvm/Config/${list%:*}.def"
done

# The bundler asks llvm-config, which is a Python program in these packages: its answers are kept in a shell script.
ask() { MLC_LLVM_STATIC_PROFILE=native python3 "$llvm/bin/llvm-config.py" --link-static "$@"; }
libs="-lLLVMNVPTXCodeGen -lLLVMNVPTXDesc -lLLVMNVPTXInfo $(ask --libs)"
system=$(ask --system-libs)
flags=$(ask --cxxflags | sed 's/-I[^ ]*//')
cat >"$llvm/bin/llvm-config" <<END
#!/bin/sh
# Written by tools/cuda-llvm.sh.
root=\$(cd "\$(dirname "\$0")/.." && pwd) || exit
for question; do
    case \$question in
    --link-static) ;;
    --version) echo ${version%.post*} ;;
    --prefix) echo "\$root" ;;
    --libdir) echo "\$root/lib" ;;
    --includedir) echo "\$root/include" ;;
    --libs) echo "$libs" ;;
    --system-libs) echo "$system" ;;
    --cxxflags) echo "-I\$root/include $flags" ;;
    --cflags) echo "-I\$root/include" ;;
    --targets-built) echo "NVPTX X86" ;;
    *) echo "llvm-config: no answer to \$question" >&2; exit 1 ;;
    esac
done
END
chmod +x "$llvm/bin/llvm-config"

# Link a program now: the build would only find out after half an hour.
cat >"$work/link.cc" <<'END'
#include <llvm-c/Target.h>
int main() { LLVMInitializeNVPTXTarget(); LLVMInitializeNVPTXAsmPrinter(); LLVMInitializeX86Target(); }
END
# shellcheck disable=SC2086 # The libraries are words.
c++ -I"$llvm/include" "$work/link.cc" -L"$llvm/lib" -Wl,--gc-sections $libs $system -o "$work/link" && "$work/link" ||
    die "a program does not link with this LLVM"

echo "mlc-llvm-static $version" >"$llvm/.tracel-llvm-installed"
mv "$llvm" "$dir"
echo "cuda-llvm: installed in $dir"
