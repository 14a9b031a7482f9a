# Heardback: everything goes through here. `make run` and `make test` need Python 3.11+ and make.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
KAFKA  ?= embedded
PROJECTS := shared local $(wildcard services/*-service)
PACKAGES := heardback heardback_local trigger_service dispatch_service response_service \
            closeloop_service insights_service
READY  := $(VENV)/ready
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help run test check smoke bench setup lock contracts kafka clean

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup ## Start everything, with simulated customers; Ctrl-C stops it
	@$(BIN)/heardback demo --kafka $(KAFKA) $(ARGS)

# The tests start a hundred processes of the services: none has to compile them again.
test: export PYTHONDONTWRITEBYTECODE :=
test: setup ## Run every test (ARGS=path: only those; KAFKA=apache: the integration tests on Apache Kafka)
ifeq ($(KAFKA),apache)
	@HEARDBACK_TEST_KAFKA=apache $(BIN)/python -m pytest tests/integration shared/tests/test_embedded_broker.py $(ARGS)
else ifneq ($(ARGS),)
	@$(BIN)/python -m pytest $(ARGS)
else
	@$(BIN)/python -m pytest --numprocesses=2 --dist=worksteal --ignore=tests/integration
	@$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile tests/integration
endif

check: setup ## Lint, types, architecture, contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy $(patsubst %,-p %,$(PACKAGES))
	@$(BIN)/lint-imports
	@$(BIN)/python -m heardback_local.contracts --check

smoke: setup ## One customer through the whole loop, on ports and a folder of its own
	@$(BIN)/heardback smoke $(ARGS)

bench: setup ## Measure against the raw limit and peers, some 15 minutes (see bench/README.md)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt \
		|| echo "FastStream can't be installed here: its peers are left out."
	@$(BIN)/python -m bench $(ARGS)

setup: $(READY) ## Make .venv with everything in it

$(READY): requirements.txt $(wildcard */pyproject.toml services/*/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Heardback needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 …")'
	@echo "Setting up $(VENV) (once, about a minute) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(patsubst %,-e ./%,$(PROJECTS))
	@touch $@

lock: ## Resolve requirements.in into requirements.txt, with hashes and without URLs
	@$(BIN)/python -m pip install --quiet pip-tools
	@$(BIN)/pip-compile --quiet --no-emit-options --strip-extras --generate-hashes --allow-unsafe \
		--no-header --no-annotate --output-file - requirements.in > requirements.new
	@sed '/^-e /d; /^#/d' requirements.new > requirements.txt
	@rm requirements.new

contracts: setup ## Write the contract documents anew (AsyncAPI, OpenAPI)
	@$(BIN)/python -m heardback_local.contracts

kafka: setup ## Fetch Apache Kafka (Java 17+ and Maven) for KAFKA=apache
	@$(BIN)/python -m heardback.embedded.apache_kafka

clean: ## Remove the venv, the local state and caches
	@rm -rf $(VENV) .heardback .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name '*.egg-info' -prune -exec rm -rf {} +
