#!/usr/bin/env bash
# Installs Chromium, in which the tests of the page look at it, and prints where it is (with --path it only prints).
source "$(dirname "${BASH_SOURCE[0]}")/building.sh"

if [[ "${1-}" != --path ]] && ! command -v chromium >/dev/null; then
    as_root_apt chromium || fail "install Chromium and run this again."
fi
command -v chromium
