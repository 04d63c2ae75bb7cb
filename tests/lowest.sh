#!/usr/bin/env bash
# Tries the package with the lowest version of each library that pyproject.toml allows: makes a virtual environment
# (.venv-lowest) and runs the tests of delivery and of the schedulers' adapters in it. `make lowest` runs it, and so does
# CI. RQ before 2.2 works too, but its worker ends when it tries a killed job again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly venv=.venv-lowest
"${PYTHON:-python3}" -m venv --clear "$venv"
mapfile -t lowest < <(
    "$venv/bin/python" - <<'PYTHON'
import re
import tomllib

project = tomllib.load(open("pyproject.toml", "rb"))["project"]
extras = project["optional-dependencies"]
for each in [*project["dependencies"], *extras["otlp"], *extras["otlp-grpc"]]:
    if found := re.match(r"([A-Za-z0-9-]+)>=([0-9.]+)", each):
        print(f"{found[1]}=={found[2]}")
PYTHON
)
"$venv/bin/python" -m pip install --quiet --upgrade 'pip>=25.1'
"$venv/bin/python" -m pip install --quiet --editable '.[otlp,otlp-grpc]' "${lowest[@]}" \
    hypothesis pytest pytest-randomly pytest-timeout pysocks
"$venv/bin/python" -m pytest -q -p no:cacheprovider tests/delivery/test_{influx_tiny,influx_ways,hostile_servers,secrets}.py \
    tests/delivery/test_otlp_{http,grpc}.py tests/points/test_line_protocol.py
"$venv/bin/python" -m pip install --quiet 'apscheduler==3.11.0' 'celery[redis]==5.3.0' 'rq==2.2.0' 'setuptools<81' \
    'opentelemetry-instrumentation-celery==0.56b0'
# Celery 5.3 calls what newer clients of Redis deprecate, and leaves their connections open.
"$venv/bin/python" -m pytest -q -p no:cacheprovider -W 'ignore:Call to deprecated:DeprecationWarning' \
    -W ignore::ResourceWarning -W ignore::pytest.PytestUnraisableExceptionWarning \
    tests/integrations/test_{rq,celery,celery_seldom,apscheduler}.py \
    -k 'seldom or tried_again or name or batch or conforms and (threadpool or processpool or prefork or Worker) and not RabbitMQ and not Simple'
