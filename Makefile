# `make help` lists what there is. Every target does its own set-up; done once, it is skipped.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory --silent

BIN := .venv/bin
PYTHON := $(BIN)/python
# dbt would send usage statistics; nothing here talks to anyone but your own services.
export DBT_SEND_ANONYMOUS_USAGE_STATS := false

.PHONY: demo
demo: setup ## the whole pipeline once: shop, Debezium, Kafka, lake, star schema, reconciled
	@$(PYTHON) -m playground demo

.PHONY: test
test: lint ## lint, then all tests but the long ones (TESTS=path chooses)
	@if command -v terraform >/dev/null; then $(MAKE) -f infra/infra.mk checkov; fi
	@scripts/test "not long and not aws" $(TESTS)

.PHONY: test-long
test-long: setup ## the proofs that take minutes
	@scripts/test long $(TESTS)

.PHONY: test-aws
test-aws: setup ## does a real Redshift do what the tests' stand-in does? Skipped where there is none
	@$(BIN)/pytest -m aws -rs tests/aws

.PHONY: lint lint-python lint-sql
lint: setup ## ruff, mypy, imports, yamllint, dbt's own warnings, sqlfluff
	@mkdir -p build/lint
	@$(MAKE) --jobs 2 lint-python lint-sql
lint-python:
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports --cache-dir build/lint > build/lint/imports.log || { cat build/lint/imports.log; exit 1; }
	@$(BIN)/yamllint --strict .
lint-sql:
	@export LAKEHOUSE_DUCKDB=:memory: DBT_TARGET_PATH=build/lint DBT_LOG_PATH=build/lint; \
		$(BIN)/dbt --quiet --warn-error parse --no-partial-parse && \
		$(BIN)/sqlfluff lint --disable-progress-bar models analyses tests/data/[!g]*/

.PHONY: up
up: setup ## start the services and the shop in the background, to play with
	@$(PYTHON) -m playground up

.PHONY: down
down: setup ## stop them; the data stays in data/
	@$(PYTHON) -m playground down

.PHONY: bench
bench: setup ## how fast landing, history and the whole pipeline are on this machine
	@$(PYTHON) -m benchmarks.landing 20000000 3
	@$(PYTHON) -m benchmarks.recovery
	@$(PYTHON) -m benchmarks.history
	@$(PYTHON) -m benchmarks.history --keys 10000000 --recent
	@$(PYTHON) -m benchmarks.pipeline --events 1000000
	@$(PYTHON) -m benchmarks.pipeline --events 10000000 --latency-seconds 0

.PHONY: redshift-sql
redshift-sql: setup ## the SQL that Redshift would be sent, a file per node, in build/redshift-sql
	@rm -rf build/redshift-sql
	@$(PYTHON) -m tests.redshift.sent_sql build/redshift-sql
	@find build/redshift-sql -name '*.sql' | wc -l | xargs printf '%s files in build/redshift-sql\n'

.PHONY: docs
docs: setup ## the documentation and the column lineage as a static site
	@$(BIN)/lakehouse docs

.PHONY: lock
lock: ## choose the newest allowed versions again: requirements/requirements.txt
	@scripts/lock

.PHONY: clean
clean: ## remove what running leaves behind: data, dbt's target, logs, caches
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m playground down; fi
	rm -rf data/* target logs build dbt_packages .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf spark-warehouse metastore_db derby.log

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

# Set-up. Each step leaves a stamp, newer than what it was made from.
.PHONY: setup
setup: ## install everything that the other targets need
	@$(MAKE) --jobs 2 .venv/.project dbt_packages/.installed .jars/.transforms
	@$(MAKE) .jars/.archived

.PHONY: jars
jars: .jars/.transforms

.venv/bin/python:
	@scripts/setup venv

.venv/.packages: requirements/requirements.txt | .venv/bin/python
	@scripts/setup packages
	@touch $@

# What is installed beside the packages: the project, and what of packages/ is Python.
.venv/.project: pyproject.toml $(wildcard packages/*/pyproject.toml packages/*/*/pyproject.toml) .venv/.packages
	@scripts/setup project
	@touch $@

dbt_packages/.installed: packages.yml package-lock.yml .venv/.packages
	@scripts/setup dbt_packages
	@touch $@

.jars/.copied: $(wildcard requirements/jars/pom.xml requirements/jars/*/pom.xml)
	@scripts/setup jars
	@touch $@

.jars/.transforms: .jars/.copied $(shell find infra/connectors/transforms -type f)
	@scripts/setup transforms
	@touch $@

.jars/.archived: .venv/.packages .jars/.copied
	@scripts/setup archive
	@touch $@
