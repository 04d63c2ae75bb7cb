#!/usr/bin/env bash
# Builds the real programs that the tests talk to, one after the other, and prints where each is: InfluxDB 2 and the
# oldest and newest 1.x, the parser of InfluxDB 3, an OpenTelemetry Collector, Telegraf, the packages of a job in
# Node.js, Checkov, BusyBox, Redis, RabbitMQ, cron and Chromium. Later calls return at once.
set -euo pipefail
here="$(dirname "${BASH_SOURCE[0]}")"
"$here/influxd.sh"
"$here/influxd1.sh" 1.8.10
"$here/influxd1.sh" 1.13.2
for program in lp3 collector telegraf node kafka manifests checkov shells brokers chromium; do
    "$here/$program.sh"
done
