# Two commands do everything on a fresh machine: `make demo` shows it, `make test` checks it.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready
# Processes of pytest. Tests share no files, no environment and no server with those of another process.
WORKERS ?= auto
# For one test: make pytest PYTEST='-k retries -n 0'
PYTEST ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo servers test soak lint types imports pytest bench bench-long bench-quick bench-scale format clean

help:
	@echo 'make demo      real jobs, measured, with no server at all'
	@echo 'make test      lint, types, import rules, tests with coverage'
	@echo 'make bench     what a run costs beside everything else one could use; writes the numbers of docs/performance.md'
	@echo 'make bench-quick  the first of these tables, in a minute'
	@echo 'make bench-long, make bench-scale  ten million runs; a fleet: writes the numbers of docs/scale.md'
	@echo 'make servers   builds InfluxDB, a collector and Telegraf for the tests (once, about ten minutes)'
	@echo 'make soak      every fault of docs/reliability.md at length (at most 20 minutes), with its table'
	@echo 'make setup     the virtual environment .venv (PYTHON=python3.12 for another Python)'
	@echo 'make lint, make types, make imports, make pytest, make format, make clean'

setup: $(STAMP)

# A venv without pip is what `python3 -m venv` leaves behind where ensurepip is missing: it is made again.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@echo 'setting up .venv (about half a minute)'
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --editable '.[otlp,otlp-grpc]' --group dev
	@touch $@

demo: setup
	@$(BIN)/otel-job-measure demo

servers:
	tests/servers/build.sh

test: lint types imports pytest

# SOAK='--only SIGKILL' for some; SOAK='--markdown docs/reliability.md' writes the table there.
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
