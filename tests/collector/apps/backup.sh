#!/bin/sh
# A job in shell: it does its work, then tells of it in one request with OTLP/JSON. $1 is where OTLP is taken over HTTP.
began=$(date +%s%N)
true # the work
status=$?
ended=$(date +%s%N)
[ "$status" -eq 0 ] && code=1 || code=2
random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
curl --silent --show-error --fail --output /dev/null --header 'Content-Type: application/json' --data @- \
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
