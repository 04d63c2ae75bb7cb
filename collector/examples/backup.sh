#!/bin/sh
# A job in shell: it does its work, then tells of it in one request with OTLP/JSON. $1 is where OTLP is taken over HTTP.
# It needs curl, and from the system no more than POSIX and /dev/urandom.
random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

# The clock here knows seconds only. Rows of two runs with one timestamp would overwrite each other, so a random number stands
# for the nanoseconds; the end has the next one.
nanoseconds=$(($(od -An -N4 -tu4 /dev/urandom) % 999999998))
began=$(printf '%s%09d' "$(date +%s)" "$nanoseconds")
true # the work
status=$?
ended=$(printf '%s%09d' "$(date +%s)" "$((nanoseconds + 1))")

code=1
[ "$status" -eq 0 ] || code=2
curl --silent --show-error --fail --max-time 10 --output /dev/null --header 'Content-Type: application/json' --data @- \
    "$1/v1/traces" <<JSON
{"resourceSpans": [{
  "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "backups"}}]},
  "scopeSpans": [{"spans": [{
    "traceId": "$(random 16)", "spanId": "$(random 8)", "name": "backup", "kind": 1,
    "startTimeUnixNano": "$began", "endTimeUnixNano": "$ended", "status": {"code": $code},
    "attributes": [{"key": "scheduling.job.name", "value": {"stringValue": "backup"}}]
  }]}]
}]}
JSON
exit "$status" # whether or not it could be told
