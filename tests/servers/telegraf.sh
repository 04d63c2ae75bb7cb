#!/usr/bin/env bash
# Builds Telegraf with the plugins of collector/telegraf.conf, and prints its path (with --path it only prints).
# What it needs: Python 3, Go >= 1.21 (else taken from PyPI). The first build takes about a minute.
source "$(dirname "${BASH_SOURCE[0]}")/building.sh"

readonly version=1.37.2
readonly module=github.com/influxdata/telegraf
# outputs.file shows what Telegraf makes of something where a test wants no database.
readonly plugins=inputs.internal,inputs.opentelemetry,outputs.file,outputs.health,outputs.influxdb_v2,outputs.prometheus_client,processors.starlark,secretstores.docker,serializers.influx
sum="$(cksum <<<"$plugins" | cut -d' ' -f1)"
readonly sum
readonly target="$cache/telegraf-$version-$sum/telegraf"

is_built() { [[ -x "$target" ]] && "$target" version >/dev/null 2>&1; }

build() {
    find_go
    say "building Telegraf $version with $(go env GOVERSION) (about a minute)"
    write_module "$module" "v$version" "$module/cmd/telegraf"
    CGO_ENABLED=0 go build -mod=mod -tags "custom,$plugins" \
        -ldflags "-s -w -X $module/internal.Version=$version" -o "$work/telegraf" "$module/cmd/telegraf" >&2
    keep "$work/telegraf" "$target"
    is_built || fail "the Telegraf that was built doesn't start."
}

build_once build "$@"
