# The two commands of this project: `make demo` and `make test`. Both need git, make and Python 3.11 or
# newer and nothing else: what they use is installed into folders of this checkout.

PYTHON ?= python3
BIN := .venv/bin
SERVER := examples/corpus-server-app
UV := $(CURDIR)/$(BIN)/uv

# A caller's environment must not decide which one uv and pip fill.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME UV_PROJECT_ENVIRONMENT

.PHONY: help demo test targets lint bench hosts docs picture clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

demo: $(BIN)/uv ## fill in a corpus of real media through corpus-client, from nothing
	@UV="$(UV)" sh examples/demo.sh

test: .venv/.installed $(SERVER)/.venv/.installed ## run all tests
	@# Tests that measure time would fail on a busy machine: those marked quiet run alone.
	$(BIN)/pytest -q -n auto -m "not quiet"
	$(BIN)/pytest -q -n 0 -m quiet
	cd $(SERVER) && "$(UV)" run --quiet --group test pytest -q -n auto

targets: .venv/.installed ## set up sshd, podman and accounts (as root, from packages), and try targets over them
	sh tests/targets/machine.sh
	$(BIN)/pytest -q -n auto tests/targets; code=$$?; sh tests/targets/machine.sh stop; exit $$code

lint: .venv/.installed ## ruff, mypy --strict, bandit, dead code, import contract
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/bandit -q -c pyproject.toml -r corpus_backfill_plugin
	$(BIN)/vulture
	$(BIN)/pytest -q tests/test_imports.py

bench: .venv/.installed $(SERVER)/.venv/.installed ## measure the plugin's cost: counts, and ratios in one run
	$(BIN)/python -m benchmarks

hosts: .venv/.installed ## the same cases in every host, version and Python that is here
	$(BIN)/nox -s hosts

docs: .venv/.installed ## write the generated parts of docs/
	$(BIN)/corpus-backfill specs docs > docs/command-reference.md

picture: .venv/.installed ## draw the README's pictures from a real run (after make demo)
	$(BIN)/python docs/picture.py

clean: ## remove what the other targets made
	rm -rf .venv .nox .cache examples/.demo examples/*/.venv

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

.venv/.installed: pyproject.toml | $(BIN)/uv
	$(UV) pip install --quiet --python $(BIN)/python --group dev --editable .
	@touch $@

$(SERVER)/.venv/.installed: $(SERVER)/pyproject.toml | $(BIN)/uv
	cd $(SERVER) && "$(UV)" sync --quiet --group test
	@touch $@
