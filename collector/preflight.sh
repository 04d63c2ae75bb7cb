#!/bin/sh
# Asks InfluxDB whether the token may write to each bucket, and writes nothing. Run it before you trust a configuration, with
# the variables of agent.yaml or telegraf.conf: INFLUXDB_URL, INFLUXDB_ORG, INFLUXDB_BUCKET, INFLUXDB_SPANS_BUCKET, and
# INFLUXDB_TOKEN or INFLUXDB_TOKEN_FILE. It exits with 1 if a bucket would refuse rows.
set -u
: "${INFLUXDB_URL:?is missing}" "${INFLUXDB_ORG:?is missing}" "${INFLUXDB_BUCKET:?is missing}"
if [ -n "${INFLUXDB_TOKEN_FILE:-}" ]; then
    INFLUXDB_TOKEN=$(cat "$INFLUXDB_TOKEN_FILE") || exit 1
fi
: "${INFLUXDB_TOKEN:?is missing, and so is INFLUXDB_TOKEN_FILE}"

failed=0
for bucket in "$INFLUXDB_BUCKET" ${INFLUXDB_SPANS_BUCKET:+"$INFLUXDB_SPANS_BUCKET"}; do
    # A body of a comment is checked like any other. The token comes on stdin, since every user can see a command's arguments.
    said=$(printf 'header = "Authorization: Token %s"\n' "$INFLUXDB_TOKEN" |
        curl --silent --show-error --max-time 20 --config - --get --request POST --data-urlencode "org=$INFLUXDB_ORG" \
            --data-urlencode "bucket=$bucket" --header 'Content-Type: text/plain' --write-out '\n%{http_code}' \
            "${INFLUXDB_URL%/}/api/v2/write" 2>&1)
    if [ "$(printf %s "$said" | tail -n 1)" = 204 ]; then
        echo "$bucket: takes rows"
    else
        echo "$bucket: refuses rows: $said" >&2
        failed=1
    fi
done
exit "$failed"
