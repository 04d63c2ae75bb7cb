#!/usr/bin/env bash
# Builds the program in manifests/, which makes the resources of a kustomization and has Kubernetes' own Pod Security
# check judge their pods, and prints its path (with --path it only prints).
# What it needs: Go >= 1.21 (else taken from PyPI). The first build takes about a minute.
source "$(dirname "${BASH_SOURCE[0]}")/building.sh"

sources="$(cd "$(dirname "${BASH_SOURCE[0]}")/manifests" && pwd)"
sum="$(cat "$sources/main.go" "$sources/go.mod" "$sources/go.sum" | cksum | cut -d' ' -f1)"
readonly sources sum
readonly target="$cache/manifests-$sum/manifests"

is_built() { [[ -x "$target" ]]; }

build() {
    find_go
    say "building the check of Kubernetes' manifests with $(go env GOVERSION) (about a minute)"
    cp "$sources"/* .
    CGO_ENABLED=0 go build -ldflags '-s -w' -o "$work/manifests" . >&2
    keep "$work/manifests" "$target"
}

build_once build "$@"
