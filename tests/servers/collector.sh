#!/usr/bin/env bash
# Builds the OpenTelemetry Collector of collector/builder.yaml, and prints its path (with --path it only prints).
# What it needs: Python 3, Go >= 1.21 (else taken from PyPI). The first build takes about two minutes.
source "$(dirname "${BASH_SOURCE[0]}")/building.sh"

manifest="$(cd "$(dirname "${BASH_SOURCE[0]}")/../../collector" && pwd)/builder.yaml"
version="$(sed -n 's/^ *version: *//p' "$manifest")"
sum="$(cksum <"$manifest" | cut -d' ' -f1)"
readonly manifest version sum
readonly target="$cache/otelcol-$version-$sum/otelcol-jobs"

is_built() { [[ -x "$target" ]] && "$target" --version >/dev/null 2>&1; }

build() {
    find_go
    say "building the OpenTelemetry Collector $version with $(go env GOVERSION) (about two minutes)"
    GOBIN="$work/bin" go install "go.opentelemetry.io/collector/cmd/builder@v$version" >&2
    CGO_ENABLED=0 bin/builder --config "$manifest" >&2
    keep "$work/otelcol-jobs/otelcol-jobs" "$target"
    is_built || fail "the collector that was built doesn't start."
}

build_once build "$@"
