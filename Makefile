# `make help` lists what can be done. Every target installs what it needs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Compiled modules are kept, as caches are. Otherwise each worker and each command of the tests compiles all it imports.
unexport PYTHONDONTWRITEBYTECODE

UV := $(shell command -v uv 2>/dev/null || echo .stack/tools/bin/uv)
RUN := $(UV) run --no-sync
SECURE_OPTION := $(if $(filter 1,$(SECURE)),--secure)$(if $(filter 0,$(SECURE)),--plain)
SERVICE_FREE := tests/unit tests/property tests/dags
# Worker processes of pytest: as many as cores for tests that compute, twice as many if nothing else runs beside them, as
# some wait; two for tests that mostly wait for services.
SPREAD := --dist=loadfile --numprocesses

# The page of the uploader (web/), built into its package. PAGE=0 leaves it out: the uploader then says so at /.
PAGE ?= 1
PAGE_BUILT := uploader/page/index.html
PAGE_PACKAGES := web/node_modules/.package-lock.json
PAGE_SOURCES := $(shell find web -name node_modules -prune -o -type f -print)
NPM := $(RUN) npm --prefix web --loglevel error
NPM_FAILED := { echo "The page was not built: npm failed (see above). It needs the npm registry; to go on without the page: make setup PAGE=0" >&2; exit 1; }

.PHONY: help
help: ## List the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk 'BEGIN {FS = ":.*## "} {printf "  make %-15s %s\n", $$1, $$2}'

.stack/tools/bin/uv:
	python3 -m venv .stack/tools
	.stack/tools/bin/pip install --quiet --disable-pip-version-check uv

.PHONY: setup
setup: $(if $(filter .stack/%,$(UV)),$(UV)) ## Install Python packages into .venv (and uv, where it is missing), build the page
	@$(UV) sync --locked --all-extras --group bench --group docs --group readers --quiet
	@$(if $(filter 0,$(PAGE)),,$(MAKE) --no-print-directory --silent $(PAGE_BUILT))

$(PAGE_PACKAGES): web/package.json web/package-lock.json
	@$(NPM) ci --ignore-scripts > /dev/null || $(NPM_FAILED)
	@touch $@

$(PAGE_BUILT): $(PAGE_PACKAGES) $(PAGE_SOURCES)
	@$(NPM) run --silent build -- --logLevel warn || $(NPM_FAILED)

.PHONY: demo
demo: setup ## Start the local stack, upload a real CSV, show its objects and the proof (SECURE=1: all encrypted)
	@$(RUN) csvpipe demo $(SECURE_OPTION)

.PHONY: up
up: setup ## Start the local stack: Kafka, MinIO, NiFi, Airflow, uploader (SECURE=1: all encrypted)
	@$(RUN) csvpipe stack up $(SECURE_OPTION)

.PHONY: down
down: setup ## Stop the local stack; data stays
	@$(RUN) csvpipe stack down

.PHONY: docs
docs: setup ## Build the documentation site into build/site
	$(RUN) python docs/.site/fetch_mermaid.py
	@NO_MKDOCS_2_WARNING=1 $(RUN) mkdocs build

# Each step prints when it has ended, so that two that run at the same time do not mix their lines.
SIDE_BY_SIDE := $(MAKE) --no-print-directory --jobs=$(shell nproc) --output-sync=target
LINT := lint-site lint-types lint-code lint-page

.PHONY: lint
lint: setup ## ruff, mypy --strict, import-linter, the documentation site, the types and the style of the page
	@$(SIDE_BY_SIDE) $(LINT)

.PHONY: $(LINT)
lint-site: setup
	@NO_MKDOCS_2_WARNING=1 $(RUN) mkdocs build

lint-types: setup
	$(RUN) mypy

lint-code: setup
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) lint-imports --no-cache

lint-page: setup
	$(if $(filter 0,$(PAGE)),,$(NPM) run --silent check)
	$(if $(filter 0,$(PAGE)),,$(NPM) run --silent lint)

# Both parts run, whatever the first one finds.
.PHONY: audit
audit: setup ## Look for known vulnerabilities of the locked packages, of the page as well; needs the network
	@$(MAKE) --no-print-directory --keep-going audit-python audit-page

.PHONY: audit-python audit-page
audit-python:
	@mkdir -p build
	$(UV) export --locked --all-extras --all-groups --no-emit-project --quiet --output-file build/requirements.txt
	$(UV) tool run pip-audit@2.10.0 --strict --disable-pip --require-hashes --requirement build/requirements.txt

audit-page:
	$(if $(filter 0,$(PAGE)),,$(NPM) audit)

.PHONY: format
format: setup ## Format the code and mend what ruff can mend
	$(RUN) ruff format .
	$(RUN) ruff check --fix .
	$(if $(filter 0,$(PAGE)),,$(NPM) run format)

.PHONY: check
check: setup ## Everything that needs no service, in about two minutes; properties with a quarter of their examples
	@$(SIDE_BY_SIDE) $(LINT) test-page
	$(RUN) pytest $(SPREAD)=$(shell expr 2 \* $$(nproc)) --hypothesis-profile=quick $(SERVICE_FREE)

.PHONY: test-page
test-page: setup
	$(if $(filter 0,$(PAGE)),,$(NPM) test --silent)

.PHONY: test
test: lint test-page ## Everything: check, and the tests on the real services
	$(RUN) csvpipe stack prepare
	$(RUN) python -m tests.support.browser.chromium
	$(RUN) pytest $(SPREAD)=$(shell nproc) $(SERVICE_FREE)
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target test-services test-stacks

# The lanes of `test`: they run side by side, as both mostly wait, and should end at about the same time. Within a lane
# the services of one run of pytest are gone before those of the next start. A new folder of tests joins the lane that
# ends first.
.PHONY: test-services test-stacks
test-services:
	$(RUN) pytest $(SPREAD)=2 tests/integration
	$(RUN) pytest tests/browser
	$(RUN) pytest tests/e2e

test-stacks:
	$(RUN) pytest tests/deploy
	$(RUN) pytest tests/chaos
	$(RUN) pytest tests/secure_stack

.PHONY: coverage
coverage: setup ## Branch coverage of the product by the service-free tests and tests/integration: htmlcov/index.html
	$(RUN) csvpipe stack prepare
	$(RUN) coverage erase
	$(RUN) coverage run -m pytest $(SPREAD)=2 $(SERVICE_FREE) tests/integration
	$(RUN) coverage combine --quiet
	$(RUN) coverage html --quiet
	$(RUN) coverage report

# Not part of `test`: it compiles an API server, 6 to 7 minutes on two cores the first time.
.PHONY: test-kubernetes
test-kubernetes: setup ## The overlays on a real API server, by the commands of docs/how-to/kubernetes.md
	$(RUN) python -m tests.support.kubernetes.cluster
	$(RUN) pytest tests/cluster

.PHONY: chaos
chaos: setup ## One job of the sequencer, killed 50 times in each mode
	$(RUN) csvpipe stack prepare
	CSVPIPE_CHAOS_KILLS=50 $(RUN) pytest tests/chaos

.PHONY: bench
bench: setup ## Benchmarks; they print tables and take their time
	$(RUN) python -m benchmarks.scan
	$(RUN) python -m benchmarks.upload
	$(RUN) python -m benchmarks.resumable --tusd
	$(RUN) python -m benchmarks.attacks
	$(RUN) python -m benchmarks.slow_clients
	$(RUN) python -m benchmarks.landing
	$(RUN) python -m benchmarks.sequence

# A project of its own: what it takes away in the end is its own volumes, and never yours.
.PHONY: e2e-compose
e2e-compose: setup ## Both pipelines in the containers of docker-compose.yml; needs Docker with Compose 2.24 or newer
	export COMPOSE_PROJECT_NAME=csvpipe-e2e; \
	trap 'docker compose --profile "*" down --volumes' EXIT; \
	docker compose --profile core up --build --wait --wait-timeout 900; \
	$(RUN) pytest tests/compose

.PHONY: generate
generate: setup ## Write docs/openapi.json, the reference pages, contracts/schemas/ and .env.example
	$(RUN) python -m csvpipe.generate
