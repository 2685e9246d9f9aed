# Everything runs in .venv, which is made on first use with the first Python of 3.11 or newer.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$p && break; done)
BIN := .venv/bin
JOBS ?= 2
CAPTURE := pcaps/first-light.pcapng

.DEFAULT_GOAL := help
.PHONY: help demo test lint check thorough bench docs format clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/ready: pyproject.toml setup.cfg
	@test -n "$(PYTHON)" || { echo "pktlab needs Python 3.11 or newer; install one, or name it: make PYTHON=..." >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "$(PYTHON) lacks venv; on Debian: apt-get install python3-venv" >&2; exit 2; }
	@echo "making .venv with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch .venv/ready

demo: .venv/ready  ## dissect a real capture, judge every checksum, explain one
	@$(BIN)/pktlab dissect $(CAPTURE)
	@echo
	@$(BIN)/pktlab checksum verify $(CAPTURE) || test $$? -eq 1
	@echo
	@$(BIN)/pktlab checksum explain $(CAPTURE) --frame 28 --protocol udp

test thorough: export PYTHONDONTWRITEBYTECODE =   # the programs that the tests start read what is compiled already

test: .venv/ready  ## run the tests and the doctests
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -m "not thorough"

thorough: .venv/ready  ## run the long tests too
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup

lint: .venv/ready  ## format, lint, types, import contracts
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

check: lint test  ## what CI runs

bench: .venv/ready  ## time pktlab against its peers
	@$(BIN)/python -m benchmarks

docs: .venv/ready  ## show the public interface and where the handbook is
	@$(BIN)/python -m pydoc pktlab | cat
	@echo "handbook: docs/"

format: .venv/ready  ## put the code into its format
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

clean:  ## remove .venv and caches
	@rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
