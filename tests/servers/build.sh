#!/usr/bin/env bash
# Builds the real programs that the tests talk to, one after the other, and prints where each is: InfluxDB, an
# OpenTelemetry Collector, Telegraf, and the packages of a job in Node.js. Later calls return at once.
set -euo pipefail
here="$(dirname "${BASH_SOURCE[0]}")"
for program in influxd collector telegraf node; do
    "$here/$program.sh"
done
