#!/usr/bin/env bash
# Fetches Kafka from Maven Central, and prints the folder of its jar files (with --path it only prints).
# What it needs: Java >= 17 and Maven (else from apt, as root). It takes a few seconds.
source "$(dirname "${BASH_SOURCE[0]}")/building.sh"

manifest="$(cd "$(dirname "${BASH_SOURCE[0]}")/kafka" && pwd)/pom.xml"
version="$(sed -n 's:^  <version>\(.*\)</version>:\1:p' "$manifest")"
readonly manifest version
readonly target="$cache/kafka-$version"

is_built() { [[ -f "$target/kafka_2.13-$version.jar" ]] && compgen -G "$target/slf4j-simple-*.jar" >/dev/null; }

build() {
    if ! command -v java >/dev/null || ! command -v mvn >/dev/null; then
        as_root_apt default-jre-headless maven || fail "install Java 17 or newer and Maven, and run this again."
    fi
    say "fetching Kafka $version (44 MB)"
    mvn --quiet --batch-mode --file "$manifest" dependency:copy-dependencies -DincludeScope=runtime \
        -DoutputDirectory="$work/jars" >&2
    rm -rf "$target"
    mv "$work/jars" "$target"
    is_built || fail "the download has no broker."
}

build_once build "$@"
