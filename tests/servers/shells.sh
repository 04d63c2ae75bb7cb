#!/usr/bin/env bash
# Installs BusyBox, whose `sh` is that of Alpine, and prints where it is (with --path it only prints). The tests run the
# installed script under it too. Also installs zsh and fish, in which the tests press the tabulator key.
source "$(dirname "${BASH_SOURCE[0]}")/building.sh"

if [[ "${1-}" != --path ]]; then
    command -v busybox >/dev/null || as_root_apt busybox-static || fail "install BusyBox and run this again."
    for shell in zsh fish; do
        command -v "$shell" >/dev/null || as_root_apt "$shell" || fail "install $shell and run this again."
    done
fi
command -v busybox
