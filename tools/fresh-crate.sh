#!/usr/bin/env bash
# The lines of the front page of crates/denoised-weights, each as the main function of a new crate outside the workspace that
# depends on denoised-weights alone: they must compile, edit a photo and fine-tune an adapter.
#
#     tools/fresh-crate.sh [FOLDER]
#
# FOLDER is removed at the end; without it, a temporary folder is used. CARGO_TARGET_DIR and the repository's Cargo.lock are
# shared with the workspace.
set -euo pipefail
cd "$(dirname "$0")/.."
repository=$PWD
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$repository/target}
work=${1:-$(mktemp -d)}
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/src/bin"

# The visible lines of the code blocks of the front page: those of rustdoc that do not begin with "# ".
awk -v out="$work/src/bin" '
    /^\/\/! ```$/ {
        inside = !inside
        if (inside) {
            file = out "/page" ++pages ".rs"
            print "fn main() -> Result<(), Box<dyn std::error::Error>> {" > file
        } else {
            print "    Ok(())\n}" > file
        }
        next
    }
    inside && !/^\/\/! # / { sub(/^\/\/! ?/, "    "); print > file }
' crates/denoised-weights/src/lib.rs
[ -f "$work/src/bin/page2.rs" ]
for page in "$work"/src/bin/page*.rs; do
    lines=$(grep -vc -e '^ *$' -e '^fn main' -e '^    Ok(())$' -e '^}$' "$page")
    echo "$(basename "$page"): $lines lines"
    [ "$lines" -le 15 ]
done

{
    cat <<TOML
[package]
name = "fresh-crate"
version = "0.0.0"
edition = "2024"

[dependencies]
denoised-weights = { path = "$repository/crates/denoised-weights", features = ["flex"] }

# Only for the time that this script takes: Burn is not compiled again if its dependencies have the features and the
# profile that they have in the repository's workspace. The workspace's own crates are, and need no optimisation here.
[workspace]
members = ["same-features"]

[profile.release.package]
fused-ops.opt-level = 3
$(for crate in "$repository"/crates/*; do
    [ "$(basename "$crate")" = fused-ops ] || echo "$(basename "$crate").opt-level = 0"
done)
TOML
    sed -n '/^\[profile.release.package\]/,/^$/p' Cargo.toml | grep -E 'gemm|moxcms|pxfm|rustls|ureq'
    sed -n '/^\[profile.release\]/,/^$/p' Cargo.toml
} >"$work/Cargo.toml"
mkdir -p "$work/same-features/src"
touch "$work/same-features/src/lib.rs"
cat >"$work/same-features/Cargo.toml" <<TOML
[package]
name = "same-features"
version = "0.0.0"
edition = "2024"

[dependencies]
bytes = "*"
ciborium = "*"
futures-core = "*"
log = { version = "*", features = ["std"] }
portable-atomic = "*"
serde_core = "*"
TOML
cp Cargo.lock "$work/Cargo.lock"

# What the lines read: the shipped model, a photo, a folder of pairs.
ln -s "$repository/assets" "$work/assets"
photos=("$repository"/assets/photos/*.jpg)
cp "${photos[0]}" "$work/photo.jpg"
mkdir -p "$work/pairs/input" "$work/pairs/target"
cp "${photos[@]:0:8}" "$work/pairs/input"
cp "${photos[@]:0:8}" "$work/pairs/target"

cd "$work"
cargo build --release --offline --workspace --bins
for page in page1 page2; do
    "$CARGO_TARGET_DIR/release/$page"
done
cmp -n 8 sketch.png <(printf '\x89PNG\r\n\x1a\n')
size=$(stat -c %s adapter.safetensors)
echo "sketch.png: $(stat -c %s sketch.png) bytes; adapter.safetensors: $size bytes"
[ "$size" -gt 80000 ]
