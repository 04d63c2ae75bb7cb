#!/usr/bin/env bash
# Installs Redis, RabbitMQ and cron, which the tests of schedulers start themselves, and prints where they are (with
# --path it only prints). The packages' own services stay off.
source "$(dirname "${BASH_SOURCE[0]}")/building.sh"

readonly rabbitmq=/usr/lib/rabbitmq/bin/rabbitmq-server
are_there() { command -v redis-server >/dev/null && command -v cron >/dev/null && [[ -x "$rabbitmq" ]]; }

if [[ "${1-}" != --path ]] && ! are_there; then
    # Debian starts a package's service unless this script says 101.
    policy=/usr/sbin/policy-rc.d
    if [[ ! -e "$policy" && -w "${policy%/*}" ]]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        trap 'rm -f "$policy"' EXIT
    fi
    as_root_apt redis-server rabbitmq-server cron || fail "install Redis, RabbitMQ and cron and run this again."
fi
command -v redis-server
command -v cron
printf '%s\n' "$rabbitmq"
