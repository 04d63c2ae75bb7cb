#!/usr/bin/env bash
# Installs Checkov, which judges the policies of Kubernetes' manifests offline, and prints its path (with --path it only
# prints).
# What it needs: Python 3. The first call takes about a minute.
source "$(dirname "${BASH_SOURCE[0]}")/building.sh"

readonly version=3.3.30
readonly target="$cache/checkov-$version/checkov"

is_built() { [[ -x "$target" ]]; }

build() {
    say "installing Checkov $version (about a minute)"
    # A pip of its own, because not every Python has one; Checkov's many packages stay apart from those of the tests.
    python3 -m venv venv && venv/bin/python -m pip install --quiet --target packages "checkov==$version" >&2 ||
        fail "Checkov $version cannot be installed from PyPI."
    rm -rf venv
    printf '#!/bin/sh\nPYTHONPATH=%q exec %q -m checkov.main "$@"\n' "${target%/*}/packages" "$(command -v python3)" >checkov
    chmod 755 checkov
    rm -rf "${target%/*}"
    mv "$work" "${target%/*}"
    chmod 755 "${target%/*}"
}

build_once build "$@"
