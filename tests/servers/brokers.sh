#!/usr/bin/env bash
# Installs Redis, RabbitMQ and cron, which the tests of schedulers start themselves, and systemd for its checks of units.
# Prints where they are (with --path it only prints). The packages' own services stay off.
source "$(dirname "${BASH_SOURCE[0]}")/building.sh"

readonly rabbitmq=/usr/lib/rabbitmq/bin/rabbitmq-server
are_there() {
    for program in redis-server cron systemd-analyze; do command -v "$program" >/dev/null || return; done
    [[ -x "$rabbitmq" ]]
}

if [[ "${1-}" != --path ]] && ! are_there; then
    # Debian starts a package's service unless this script says 101.
    policy=/usr/sbin/policy-rc.d
    if [[ ! -e "$policy" && -w "${policy%/*}" ]]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        trap 'rm -f "$policy"' EXIT
    fi
    as_root_apt redis-server rabbitmq-server cron systemd || fail "install Redis, RabbitMQ, cron and systemd and run this again."
fi
command -v redis-server
command -v cron
command -v systemd-analyze
printf '%s\n' "$rabbitmq"
