# Kiti: `make help` lists the commands.
SHELL := /bin/bash
PYTHON ?= python3
PORT ?= 8000
HOST := 127.0.0.1
DATA_DIR ?=
VENV := .venv
BIN := $(VENV)/bin
CHROMIUM := /usr/bin/chromium
# Byte code stays out of the source tree.
export PYTHONPYCACHEPREFIX := $(CURDIR)/$(VENV)/cache/pycache
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.DEFAULT_GOAL := help
.PHONY: help run test check fmt lint types layers migrations dependencies security bench peers lock

help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /make \1|/' | column -t -s '|'

run: $(VENV)/.ready ## set up everything and serve the whole product (PORT=8000 DATA_DIR=.kiti)
	@$(if $(DATA_DIR),KITI_DATA_DIR='$(DATA_DIR)') exec $(BIN)/kiti demo --host $(HOST) --port $(PORT)

test: $(VENV)/.ready-dev browser ## run every test
	@$(BIN)/pytest -n 2 --dist loadgroup $(TESTS)

check: fmtcheck lint types layers migrations dependencies security test ## all that must hold before a commit lands

.PHONY: fmtcheck browser
fmtcheck: $(VENV)/.ready-dev
	@$(BIN)/ruff format --check src tests bench

fmt: $(VENV)/.ready-dev ## format the code and mend what lint can mend
	@$(BIN)/ruff format src tests bench
	@$(BIN)/ruff check --fix src tests bench

lint: $(VENV)/.ready-dev ## lint
	@$(BIN)/ruff check src tests bench

types: $(VENV)/.ready-dev ## check types
	@$(BIN)/basedpyright

layers: $(VENV)/.ready-dev ## check who imports whom
	@$(BIN)/lint-imports --cache-dir $(VENV)/cache/import_linter

migrations: $(VENV)/.ready-dev ## lint the migrations
	@$(BIN)/squawk --config .squawk.toml src/kiti/migrations/*.sql

dependencies: $(VENV)/.ready-dev ## check that dependencies are declared and used
	@$(BIN)/deptry .

security: $(VENV)/.ready-dev ## look for insecure code
	@$(BIN)/bandit --quiet -c pyproject.toml -r src

bench: $(VENV)/.ready-dev ## measure, each figure beside its reference
	@$(BIN)/python -m bench $(BENCH)

PEERS := $(VENV)/peers
peers: $(VENV)/.ready-dev ## drive gateways and SDKs that others wrote (fetches them; needs node and npm)
	@$(PYTHON) -m venv $(PEERS)/localstripe && $(PEERS)/localstripe/bin/pip install -q localstripe==1.15.10
	@$(PYTHON) -m venv $(PEERS)/getpaid && $(PEERS)/getpaid/bin/pip install -q --ignore-requires-python \
	  python-getpaid-simulator==3.2.0 python-getpaid-stripe==0.2.1
	@npm install --silent --ignore-scripts --no-save --prefix $(PEERS)/node \
	  stripe-stateful-mock@0.0.16 flutterwave-node-v3@1.4.1
	@$(BIN)/pytest tests/peers/peer_stripe.py tests/peers/peer_node.py

lock: ## pin every dependency again (needs uv)
	uv pip compile pyproject.toml --group build --generate-hashes --universal --python-version 3.11 \
	  --no-emit-index-url --no-header --no-annotate --upgrade --quiet -o requirements.lock
	uv pip compile pyproject.toml --group build --group dev --generate-hashes --universal \
	  --python-version 3.11 --no-emit-index-url --no-header --no-annotate --upgrade --quiet -o requirements-dev.lock

# The virtual environment: made again when the lock changes.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'Kiti needs Python 3.11 or later: make run PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo 'Kiti needs the venv module: apt-get install python3-venv' >&2; exit 1; }
	@touch $@

$(VENV)/.ready: $(VENV)/.made requirements.lock pyproject.toml
	@echo 'Installing Kiti into $(VENV) …'
	@$(BIN)/pip install --quiet --require-hashes --requirement requirements.lock
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements-dev.lock
	@echo 'Installing the tools of development into $(VENV) …'
	@$(BIN)/pip install --quiet --require-hashes --requirement requirements-dev.lock
	@touch $@

# Debian's chromium, for the tests that use a browser.
browser:
	@[ -x $(CHROMIUM) ] || { \
	  if [ "$$(id -u)" = 0 ]; then sudo=; elif sudo -n true 2>/dev/null; then sudo='sudo -n'; \
	  else echo 'The browser tests need chromium: sudo apt-get install chromium' >&2; exit 1; fi; \
	  echo 'Installing chromium …'; \
	  $$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq chromium >/dev/null; }
