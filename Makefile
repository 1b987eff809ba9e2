# Every target sets itself up from nothing but Python 3.11–3.13 and a package index.
# The first interpreter that really runs: a version manager's shim may be on the PATH and refuse.
PYTHON ?= $(shell for p in python3.12 python3.11 python3.13 python3; do $$p -c 1 >/dev/null 2>&1 && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || echo $(BIN)/uv)
VIDEO ?=
SEED ?= 1
SIZE ?= full
EXAMPLES ?= 200
HOURS ?= 1
# Each lane starts servers of its own; servers that you name yourself are one for all. Four, because
# tests wait for processes much of their time, and a lane that waits uses no processor.
LANES ?= $(if $(DATABASE_URL)$(REDIS_URL),0,4)
ONLY ?=

# Every process would compile our modules anew, and the tests start hundreds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo up test unit integration e2e faults lint check bench chaos fuzz soak nightly docs lock clean help

help: ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/'

# uv is taken from the machine, or put into the environment if there is none.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3,11) <= sys.version_info[:2] < (3,14) else "Cinemill needs Python 3.11, 3.12 or 3.13; set PYTHON=/path/to/python3.12")'
	$(PYTHON) -m venv $(VENV)
	@uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install -q --disable-pip-version-check uv

$(VENV)/.run: requirements.lock pyproject.toml | $(BIN)/python
	$(UV) pip install -q --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	$(UV) pip install -q --python $(BIN)/python --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	$(UV) pip install -q --compile-bytecode --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(VENV)/.run ## process one real video, from nothing to finished files (VIDEO=path uses your own)
	$(BIN)/python tools/demo.py $(VIDEO)

up: $(VENV)/.run ## run Cinemill until Ctrl-C
	$(BIN)/cinemill up

test: $(VENV)/.dev ## every test suite: unit, integration, faults (short), e2e (LANES=0: in one process; ONLY=marker)
	$(BIN)/python -m pytest -n $(LANES) --no-loadscope-reorder $(if $(ONLY),-m "$(ONLY)")

unit integration e2e faults: $(VENV)/.dev ## one test suite
	$(BIN)/python -m pytest tests/$@

check: lint ## lint, and the unit tests
	$(BIN)/python -m pytest -q tests/unit

lint: $(VENV)/.dev ## ruff, mypy --strict, import contracts, generated docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/reference.py --check

bench: $(VENV)/.dev ## measure performance and print a table
	$(BIN)/python -m bench

chaos: $(VENV)/.dev ## kill every process while it works (SEED=n SIZE=full|short)
	$(BIN)/python -m tests.faults.chaos --seed $(SEED) --size $(SIZE)

fuzz: $(VENV)/.dev ## many requests made of the OpenAPI document; no answer is a fault of ours (EXAMPLES=n)
	CINEMILL_TEST_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -n 0 tests/integration/api/test_generated_requests.py

soak: $(VENV)/.dev ## keep an instance under mixed load and print what grows per hour (HOURS=0.5)
	$(BIN)/python -m tests.faults.soak --hours $(HOURS)

nightly: $(VENV)/.dev ## slow tests: the long drill, 1,000 hostile files, long property tests
	$(BIN)/python -m tests.faults.chaos --seed $(SEED) --size full
	$(BIN)/python -m tests.faults.hostile --seed $(SEED) --count 1000
	CINEMILL_TEST_NIGHTLY=1 $(BIN)/python -m pytest -n $(LANES) --no-loadscope-reorder -m "nightly or property"

docs: $(VENV)/.dev ## regenerate the reference pages
	$(BIN)/python tools/reference.py

lock: ## update the lock files
	$(UV) pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url --no-header -q -o requirements.lock
	$(UV) pip compile pyproject.toml --group dev --universal --generate-hashes --no-emit-index-url --no-header -q -o requirements-dev.lock

clean: ## delete the virtual environment
	rm -rf $(VENV)
