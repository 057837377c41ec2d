# The proofs of the code, and what measures it.

LINTS += lint-python
PARSE := --warn-error parse

.PHONY: lint-python
lint-python:
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports --cache-dir build/lint > build/lint/imports.log || { cat build/lint/imports.log; exit 1; }

test: browser

.PHONY: browser
browser:
	@scripts/setup browser

.PHONY: test-long
test-long: setup ## the proofs that take minutes
	@scripts/test long $(TESTS)

.PHONY: test-aws
test-aws: setup ## does a real Redshift do what the tests' stand-in does, do topics and jobs run? Skipped where there is none
	@$(BIN)/pytest -m aws -rs tests/aws

.PHONY: bench
bench: setup ## how fast landing, history and the whole pipeline are on this machine
	@$(PYTHON) -m benchmarks.landing 20000000 3
	@$(PYTHON) -m benchmarks.recovery
	@$(PYTHON) -m benchmarks.history
	@$(PYTHON) -m benchmarks.history --keys 10000000
	@$(PYTHON) -m benchmarks.history --keys 10000000 --recent
	@$(PYTHON) -m benchmarks.files
	@$(PYTHON) -m benchmarks.pipeline --events 1000000
	@$(PYTHON) -m benchmarks.pipeline --events 10000000 --latency-seconds 0

.PHONY: redshift-sql
redshift-sql: setup ## the SQL that Redshift would be sent, a file per node, in build/redshift-sql
	@rm -rf build/redshift-sql
	@$(PYTHON) -m tests.redshift.sent_sql build/redshift-sql
	@find build/redshift-sql -name '*.sql' | wc -l | xargs printf '%s files in build/redshift-sql\n'
