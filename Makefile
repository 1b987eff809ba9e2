# Every target sets itself up from nothing but Python 3.11–3.13 and a package index.
# The first interpreter that really runs: a version manager's shim may be on the PATH and refuse.
PYTHON ?= $(shell for p in python3.12 python3.11 python3.13 python3; do $$p -c 1 >/dev/null 2>&1 && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null || echo $(BIN)/uv)
VIDEO ?=
SEED ?= 1
SIZE ?= full
LANES ?= 0

.PHONY: demo up test unit integration e2e faults check bench chaos docs lock clean help

help: ## this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/'

# uv is taken from the machine, or put into the environment if there is none.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3,11) <= sys.version_info[:2] < (3,14) else "Cinemill needs Python 3.11, 3.12 or 3.13; set PYTHON=/path/to/python3.12")'
	$(PYTHON) -m venv $(VENV)
	@command -v uv >/dev/null 2>&1 || $(BIN)/python -m pip install -q --disable-pip-version-check uv

$(VENV)/.run: requirements.lock pyproject.toml | $(BIN)/python
	$(UV) pip install -q --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	$(UV) pip install -q --python $(BIN)/python --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	$(UV) pip install -q --compile-bytecode --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(VENV)/.run ## one real film through the whole mill (VIDEO=path takes yours)
	$(BIN)/python tools/demo.py $(VIDEO)

up: $(VENV)/.run ## the mill, until Ctrl-C
	$(BIN)/cinemill up

test: $(VENV)/.dev ## every test suite: unit, integration, faults (short), e2e (LANES=2: in two processes)
	$(BIN)/python -m pytest -n $(LANES) --no-loadscope-reorder

unit integration e2e faults: $(VENV)/.dev ## one suite
	$(BIN)/python -m pytest tests/$@

check: $(VENV)/.dev ## ruff, mypy --strict, import contracts, generated docs, unit tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/reference.py --check
	$(BIN)/python -m pytest -q tests/unit

bench: $(VENV)/.dev ## the figures' table, ratios in one run
	$(BIN)/python -m bench

chaos: $(VENV)/.dev ## kill every part while it works (SEED=n SIZE=full|short)
	$(BIN)/python -m tests.faults.chaos --seed $(SEED) --size $(SIZE)

docs: $(VENV)/.dev ## write the generated reference pages
	$(BIN)/python tools/reference.py

lock: ## resolve the lock files anew
	$(UV) pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url --no-header -q -o requirements.lock
	$(UV) pip compile pyproject.toml --group dev --universal --generate-hashes --no-emit-index-url --no-header -q -o requirements-dev.lock

clean: ## forget the environment
	rm -rf $(VENV)
