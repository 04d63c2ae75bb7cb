# What the two generations of InfluxDB share: their query language is written in Rust. Sourced after building.sh.

readonly pkg_config_version=v0.2.14

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

# build_influxd ARGUMENT...: builds cmd/influxd of $module at $version as $work/influxd, with these arguments.
build_influxd() {
    find_rust
    find_c
    write_rustc_wrapper
    find_go
    GOBIN="$work/bin" go install "github.com/influxdata/pkg-config@$pkg_config_version" >&2
    export PKG_CONFIG="$work/bin/pkg-config" RUSTC_WRAPPER="$work/rustc-wrapper"
    build_influxd_go "$@"
}

# build_influxd_go ARGUMENT...: the same of a version that is all Go.
build_influxd_go() {
    find_go
    say "building InfluxDB $version with $(go env GOVERSION) (up to five minutes)"
    mkdir -p module check
    cd module
    write_module "$module" "v$version" "$module/cmd/influxd"
    go mod tidy >&2
    go build -mod=mod "$@" -o "$work/influxd" "$module/cmd/influxd" >&2
}
