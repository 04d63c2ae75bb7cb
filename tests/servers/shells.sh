#!/usr/bin/env bash
# Installs BusyBox, whose `sh` is that of Alpine, and prints where it is (with --path it only prints). The tests run the
# installed script under it too.
source "$(dirname "${BASH_SOURCE[0]}")/building.sh"

if [[ "${1-}" != --path ]] && ! command -v busybox >/dev/null; then
    as_root_apt busybox-static || fail "install BusyBox and run this again."
fi
command -v busybox
