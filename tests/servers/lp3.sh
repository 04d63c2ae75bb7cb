#!/usr/bin/env bash
# Builds a program around the line protocol parser of InfluxDB 3, and prints its path (with --path it only prints).
# What it needs: Rust (else from apt, as root). The build takes some seconds.
source "$(dirname "${BASH_SOURCE[0]}")/building.sh"
source "$(dirname "${BASH_SOURCE[0]}")/building_flux.sh"

source_folder="$(cd "$(dirname "${BASH_SOURCE[0]}")/lp3" && pwd)"
sum="$(cat "$source_folder"/Cargo.toml "$source_folder"/src/main.rs | cksum | cut -d' ' -f1)"
readonly source_folder sum
readonly target="$cache/lp3-$sum/lp3"

is_built() { [[ -x "$target" ]] && [[ "$(printf 'm f=1i 2\n' | "$target")" == *'"time_ns":2'* ]]; }

build() {
    find_rust
    cp -r "$source_folder" "$work/lp3"
    # Of each crate the newest version that this Rust can compile.
    CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS=fallback CARGO_TARGET_DIR="$work/target" cargo build --quiet --release --manifest-path "$work/lp3/Cargo.toml" >&2
    keep "$work/target/release/lp3" "$target"
    is_built || fail "the parser that was built doesn't work."
}

build_once build "$@"
