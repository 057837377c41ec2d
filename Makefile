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

# A project of `lakehouse init` has neither the playground nor the proofs of the code. Before its first
# table and mart dbt has settings and tests that nothing uses.
LINTS := lint-sql
PREPARED := .jars/.transforms
PARSE := --warn-error-options '{"error": "all", "silence": ["UnusedResourceConfigPath"]}' parse
-include playground/playground.mk tests/tests.mk

.PHONY: test
test: lint ## lint, then all tests but the long ones (TESTS=path chooses)
	@if command -v terraform >/dev/null; then $(MAKE) -f infra/infra.mk tools; fi
	@scripts/test "not long and not aws" $(TESTS)

.PHONY: lint lint-sql
lint: setup ## generated files, yamllint, dbt's own warnings, sqlfluff
	@mkdir -p build/lint
	@$(MAKE) --jobs 2 $(LINTS)
lint-sql:
	@$(BIN)/lakehouse declarations generate --check
	@$(BIN)/yamllint --strict .
	@compgen -G 'models/staging/*/logs' > /dev/null || exit 0; \
		export LAKEHOUSE_DUCKDB=:memory: DBT_TARGET_PATH=build/lint DBT_LOG_PATH=build/lint; \
		$(BIN)/dbt --quiet $(PARSE) --no-partial-parse && \
		$(BIN)/sqlfluff lint --disable-progress-bar models analyses tests/data/[!g]*/

.PHONY: docs
docs: setup ## the documentation and the column lineage as a static site
	@$(BIN)/lakehouse docs

.PHONY: lock
lock: ## choose the newest allowed versions again: requirements/requirements.txt
	@scripts/lock

.PHONY: clean
clean: ## remove what running leaves behind: data, dbt's target, logs, caches
	rm -rf data/* target logs build dbt_packages .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf spark-warehouse metastore_db derby.log

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Set-up. Each step leaves a stamp, newer than what it was made from.
.PHONY: setup
setup: ## install everything that the other targets need
	@$(MAKE) --jobs 2 .venv/.project dbt_packages/.installed $(PREPARED)

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
