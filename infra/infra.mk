# Tools of the infrastructure tests that need an environment of their own: checkov pins an old boto3.
#   make -f infra/infra.mk checkov

PYTHON ?= python3

.PHONY: checkov checkov-lock

checkov: .venv/checkov/bin/checkov

.venv/checkov/bin/checkov: requirements/checkov.txt
	$(PYTHON) -m venv .venv/checkov
	.venv/checkov/bin/pip install --quiet --require-hashes --only-binary :all: -r requirements/checkov.txt

checkov-lock:
	uv pip compile --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		requirements/checkov.in -o requirements/checkov.txt
