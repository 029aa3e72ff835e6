# `make demo` sets everything up and runs the main job; `make test` sets everything up and passes all checks.
# Both need only python3 (3.11 or newer), pip and make, work from any state, and may be run again and again.
# `make web` makes the page of `unetkit export --format html`; it needs Node 20 or newer with npm, and so does no other.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
DEMO := demo

PAGE := src/unetkit/export/browser/page.html
HAS_NODE := $(shell command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' && echo yes)

.PHONY: demo test lint types layers web test-web pytest test-timm docs clean

demo: $(VENV)/.core
	$(BIN)/unetkit demo --out $(DEMO) --no-open

test: lint types layers test-web docs pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

layers: $(VENV)/.dev
	$(BIN)/lint-imports

web: $(PAGE)

$(PAGE): web/node_modules/.ready web/build.mjs $(wildcard web/src/*)
	cd web && npm run --silent build

web/node_modules/.ready: web/package.json web/package-lock.json web/.npmrc
	cd web && npm ci --silent
	touch $@

ifeq ($(HAS_NODE),yes)
test-web: $(PAGE)
	cd web && npm run --silent types && npm run --silent test
else
test-web:
	@echo "no Node 20 or newer with npm: the page of 'unetkit export --format html' is neither made nor tested"
endif

# two processes of one thread each: the tests are many and small, and OpenMP threads of neighbours wait for each other
pytest: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --durations=10

# what needs timm, in an environment that has it: make test-timm PYTHON=/path/to/python
test-timm:
	UNETKIT_REQUIRE_TIMM=1 PYTHONPATH=src $(PYTHON) -m pytest tests/models/test_timm.py tests/models/test_registry.py -k timm

docs: $(VENV)/.dev
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

clean:
	rm -rf $(VENV) $(DEMO) docs/_build .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache web/node_modules $(dir $(PAGE))

# torch comes first and alone: another package must not pull in a build of its own
$(VENV)/.torch: constraints.txt
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(PIP) torch
	touch $@

$(VENV)/.core: $(VENV)/.torch pyproject.toml
	$(PIP) --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.core pyproject.toml
	$(PIP) --editable ".[dev,docs]"
	touch $@
