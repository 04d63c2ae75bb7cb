# On a fresh machine, `make demo` shows the package and `make test` checks it. Both set up what they need.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready
# Number of pytest processes. Tests of different processes share no files, no environment and no server.
WORKERS ?= auto
# For some tests: make pytest PYTEST='-k retries -n 0'
PYTEST ?=

.DEFAULT_GOAL := help
.PHONY: test-long fuzz lowest help setup demo servers test soak lint types imports pytest bench bench-long bench-quick bench-scale format clean

help:
	@echo 'make demo      runs real jobs and measures them; needs no server'
	@echo 'make test      runs lint, types, import rules, and tests with coverage'
	@echo 'make test-long runs the tests that take minutes each'
	@echo 'make bench     compares the cost of a run with the alternatives; writes the numbers of docs/performance.md'
	@echo 'make bench-quick  prints the first of these tables, in a minute'
	@echo 'make bench-long   measures ten million runs of one process'
	@echo 'make bench-scale  calculates a fleet; writes the numbers of docs/scale.md'
	@echo 'make servers   builds InfluxDB 1 and 2, a collector, Telegraf and Kafka for the tests (once, about fifteen minutes)'
	@echo 'make soak      tries every fault of docs/reliability.md at length (at most 20 minutes); prints a table'
	@echo 'make fuzz      tries hostile input for ten minutes; make lowest tries the lowest versions of the libraries'
	@echo 'make audit     asks pip-audit about the libraries, where it can reach its data'
	@echo 'make setup     makes the virtual environment .venv (PYTHON=python3.12 selects another Python)'
	@echo 'make lint, make types, make imports, make pytest, make format, make clean'

setup: $(STAMP)

# If ensurepip is missing, `python3 -m venv` leaves a .venv without pip. It is made again.
$(STAMP): pyproject.toml scripts/otel-job-measure otel_job_measure/__main__.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@echo 'setting up .venv (about half a minute)'
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --editable '.[completion,otlp,otlp-grpc,web]' --group dev
	@touch $@

demo: setup
	@$(BIN)/otel-job-measure demo

servers:
	tests/servers/build.sh

test: lint types imports pytest

# Tests that take minutes each, with real programs.
test-long: setup
	$(BIN)/pytest -n $(WORKERS) --maxprocesses 2 -m long

# Ten minutes of hostile input for everything that reads what others write; `make test` tries some seconds of it.
fuzz: setup
	FUZZ_EXAMPLES=20000 timeout 1200 $(BIN)/pytest -q -n $(WORKERS) --maxprocesses 4 --timeout 1200 tests/fuzz

# The lowest version of each library that pyproject.toml allows.
lowest:
	tests/lowest.sh

# Known weaknesses of the installed libraries, where pip-audit can reach its data.
audit: setup
	@$(BIN)/python -m pip install --quiet pip-audit
	@$(BIN)/pip-audit

# SOAK='--only SIGKILL' tries some faults; SOAK='--markdown docs/reliability.md' writes the table to that page.
SOAK ?=
soak: setup
	$(BIN)/python -m soak $(SOAK)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy
	$(BIN)/pyright

imports: setup
	$(BIN)/lint-imports --no-logo

pytest: setup
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n $(WORKERS) --maxprocesses 4 $(PYTEST)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

bench: setup
	@$(BIN)/python -m pip install --quiet --group bench
	@$(BIN)/python -m benchmarks --command 'make bench' --docs docs

bench-long: setup
	@$(BIN)/python -m pip install --quiet --group bench
	@$(BIN)/python -m benchmarks --command 'make bench-long' --docs docs --long

bench-scale: setup
	@$(BIN)/python -m benchmarks.fleet --docs docs

bench-quick: setup
	@$(BIN)/python -m benchmarks --command 'make bench-quick' --quick

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
