# Everything starts here: `make run` and `make test` set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: help run test fuzz test-faults soak bench test-browser test-compose lint format docs images clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' $(MAKEFILE_LIST)

run: $(VENV)/.installed ## Run the comparison on an embedded broker (ARGS="--profile notebook" and so on)
	$(BIN)/orchestrator run $(ARGS)

test: $(VENV)/.installed ## Run the tests
	$(BIN)/pytest --numprocesses 3 --dist loadfile $(ARGS)

fuzz: $(VENV)/.installed ## Bad pictures, messages, results, addresses and command lines: over 20,000 of them (ten minutes)
	FUZZ_SCALE=$(or $(FUZZ_SCALE),20) $(BIN)/pytest tests/fuzz --timeout 1800 -q $(ARGS)

test-browser: $(VENV)/.installed ## Open reports in headless Chromium (needs Debian's chromium, and npm for axe-core)
	$(BIN)/pytest tests/browser $(ARGS)

test-compose: $(VENV)/.installed ## Bring the stack up in real containers (needs a Docker engine with Compose)
	@docker info >/dev/null 2>&1 || ! test -x ../shared/docker/engine || ../shared/docker/engine
	$(BIN)/pytest tests/compose $(ARGS)

bench: $(VENV)/.bench ## Measure our own figures against peers and limits, and write docs/performance.md (20 minutes)
	$(BIN)/python benchmarks/performance.py $(ARGS)

test-faults: $(VENV)/.installed ## Hurt brokers, workers and runs, each in every way, ten times (an hour)
	FAULT_TIMES=$(or $(FAULT_TIMES),10) $(BIN)/pytest tests/faults -m "slow_fault or not slow_fault" $(ARGS)

soak: $(VENV)/.installed ## Half an hour of rounds, to see that no part of it grows
	$(BIN)/python benchmarks/soak.py $(ARGS)

lint: $(VENV)/.installed ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed ## Put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Breakeven needs Python 3.11 or newer; name one with: make PYTHON=python3.12 run" >&2; exit 3; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(VENV)/.bench: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,bench]'
	@touch $@

docs: $(VENV)/.installed ## Write docs/commands.md and docs/result.schema.json from the code
	$(BIN)/python docs/make_reference.py

images: $(VENV)/.installed ## Measure anew and take the pictures of docs/images (needs Debian's chromium)
	$(BIN)/python docs/make_images.py

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
