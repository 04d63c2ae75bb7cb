#!/usr/bin/env bash
# influxd1.sh VERSION: builds a real InfluxDB 1.x server that the tests write to, and prints its path (with --path it
# only prints). As with influxd.sh, the server is built from its Go module. From 1.9 on it needs the same tools; 1.8 has
# no Rust in it.
source "$(dirname "${BASH_SOURCE[0]}")/building.sh"
source "$(dirname "${BASH_SOURCE[0]}")/building_flux.sh"

readonly version="${1:?influxd1.sh VERSION}"
readonly module=github.com/influxdata/influxdb
readonly target="$cache/influxd-$version/influxd"

is_built() { [[ -x "$target" ]] && "$target" version >/dev/null 2>&1; }

build() {
    local flags=(-ldflags "-s -w -X main.version=$version")
    if [[ "$version" == 1.8.* ]]; then build_influxd_go "${flags[@]}"; else build_influxd "${flags[@]}"; fi
    "$work/influxd" version >&2 || fail "the server that was built doesn't start."
    keep "$work/influxd" "$target"
}

build_once build "${@:2}"
