#!/usr/bin/env bash
# The playground in a real headless Chromium: prompts, uploads, trainings, hostile files, two clients, reloads, a server
# that ends. It is skipped, with a line that says so, if there is no Chromium or no playwright-core to be had.
#
#     tools/playground-browser.sh [SERVER]
#
# SERVER is the playground's program; without it, it is built. PLAYGROUND_SHOTS=DIR also takes screenshots there.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
    echo "skipped: the playground was not tested in a browser: $1"
    exit 0
}

command -v node >/dev/null || skip "there is no node"
chromium=$(command -v chromium || command -v chromium-browser || true)
if [ -z "$chromium" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    (apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium) >/dev/null 2>&1 || true
    chromium=$(command -v chromium || true)
fi
[ -n "$chromium" ] || skip "chromium is not installed and cannot be"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp tools/playground/browser.mjs tools/playground/package.json "$work"
npm install --prefix "$work" --no-audit --no-fund --silent >/dev/null 2>&1 || skip "npm cannot install playwright-core"

server=${1:-}
if [ -z "$server" ]; then
    cargo build --release --example playground
    server=${CARGO_TARGET_DIR:-target}/release/examples/playground
fi
CHROMIUM=$chromium SERVER=$(realpath "$server") WORK=$work node "$work/browser.mjs"
