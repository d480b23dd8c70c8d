# Everything starts here: `make run` and `make test` set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: help run test fuzz test-security test-faults soak figures figures-runs figures-robustness figures-gates test-browser test-compose engine lint format docs images locks clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' $(MAKEFILE_LIST)

run: $(VENV)/.installed ## Run the comparison on an embedded broker (ARGS="--profile notebook" and so on)
	$(BIN)/orchestrator run $(ARGS)

# In the order of testpaths, where the slow files come first, so that three processes end together.
test: $(VENV)/.dev ## Run the tests, but for those of faults, attacks, browsers and containers
	$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder $(ARGS)

fuzz: $(VENV)/.dev ## Try over 30,000 bad pictures, messages, results, addresses and command lines (15 minutes)
	FUZZ_SCALE=$(or $(FUZZ_SCALE),20) $(BIN)/pytest tests/fuzz --timeout 1800 -q $(ARGS)

test-browser: $(VENV)/.dev ## Open reports in headless Chromium (needs Debian's chromium, and npm for axe-core)
	$(BIN)/pytest tests/browser $(ARGS)

test-compose: $(VENV)/.dev engine ## Bring the stack up in real containers (needs a Docker engine with Compose)
	$(BIN)/pytest tests/compose $(ARGS)

figures: $(VENV)/.bench ## Measure speed and answers, and write docs/measurements (two and a half hours; ARGS=--quick for ten, and no docs)
	$(BIN)/python benchmarks/figures.py $(ARGS)

figures-runs: $(VENV)/.dev engine ## The same for whole runs, ten times over, and fleets in containers (40 minutes; needs a Docker engine)
	$(BIN)/python benchmarks/figures.py --group runs $(ARGS)

figures-robustness: $(VENV)/.dev ## The same for faults, bad input, kills, a long batch and half an hour of rounds (an hour and a half)
	$(BIN)/python benchmarks/figures.py --group robustness $(ARGS)

figures-gates: $(VENV)/.dev ## The same for a hundred real gates of one code (three and a half hours)
	$(BIN)/python benchmarks/figures.py --group gates $(ARGS)

test-security: $(VENV)/.dev ## Attack workers and the orchestrator through the broker, and try TLS and the rights of each role
	$(BIN)/pytest tests/security --numprocesses 3 --dist loadfile $(ARGS)

test-faults: $(VENV)/.dev ## Break brokers, workers and runs in every way, ten times (an hour)
	FAULT_TIMES=$(or $(FAULT_TIMES),10) $(BIN)/pytest tests/faults $(ARGS)

soak: $(VENV)/.dev ## Run rounds for half an hour and check that nothing grows
	$(BIN)/python benchmarks/system/soak.py $(ARGS)

engine:
	@docker info >/dev/null 2>&1 || ! test -x ../shared/docker/engine || ../shared/docker/engine

lint: $(VENV)/.dev ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Settings of the user's own pip that would install elsewhere, or nothing, are set aside; indexes and proxies stay.
PIP := PIP_USER=0 PIP_TARGET= PIP_PREFIX= PIP_ROOT= PIP_DRY_RUN=0 PIP_NO_DEPS=0 PIP_REQUIRE_HASHES=0 \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --constraint constraints.txt

$(VENV)/.installed: pyproject.toml constraints.txt requirements/worker.txt requirements/orchestrator.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Breakeven needs Python 3.11 or newer; name one with: make PYTHON=python3.12 run" >&2; exit 3; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) >/dev/null 2>&1 || { echo "$(PYTHON) cannot make the virtual environment $(VENV); install its venv module (Debian: apt-get install python3-venv) or name another Python with: make PYTHON=python3.12 run" >&2; exit 3; }
	@echo "Installing Breakeven into $(VENV), about a minute the first time ..." >&2
	@$(PIP) --editable . || { echo "The installation failed; pip says why above" >&2; exit 3; }
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	@echo "Installing the tools for tests into $(VENV) ..." >&2
	@$(PIP) --editable '.[dev]' || { echo "The installation failed; pip says why above" >&2; exit 3; }
	@touch $@

$(VENV)/.bench: $(VENV)/.dev
	@$(PIP) --editable '.[dev,bench]' || { echo "The installation failed; pip says why above" >&2; exit 3; }
	@touch $@

locks: ## Pin what the container images install, with hashes, from constraints.txt (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --constraint constraints.txt requirements/worker.txt --output-file requirements/worker.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --constraint constraints.txt requirements/worker.txt requirements/orchestrator.txt --output-file requirements/orchestrator.lock
	sed -n 's/^requires = \["\(setuptools==[0-9.]*\)"\]/\1/p' pyproject.toml | uv pip compile --quiet --generate-hashes --no-header --no-annotate - --output-file requirements/build.lock

docs: $(VENV)/.dev ## Write docs/reference/commands.md, docs/result.schema.json and the list in docs/measurements/README.md
	$(BIN)/python docs/make_reference.py
	$(BIN)/python benchmarks/shared/claims.py

images: $(VENV)/.dev ## Measure again and take the pictures of docs/images (needs Debian's chromium)
	$(BIN)/python docs/make_images.py

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
