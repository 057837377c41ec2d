# Tools of the infrastructure tests that need an environment of their own: checkov pins an old boto3,
# iam-simulate is a program of Node, tflint one of Go.
#   make -f infra/infra.mk tools

PYTHON ?= python3
SIMULATOR := .venv/iam-simulate/node_modules/.package-lock.json

.PHONY: tools checkov-lock

tools: .venv/checkov/bin/checkov $(if $(shell command -v npm),$(SIMULATOR)) \
	$(if $(shell command -v go),.venv/bin/tflint)

.venv/checkov/bin/checkov: requirements/checkov.txt
	$(PYTHON) -m venv .venv/checkov
	.venv/checkov/bin/pip install --quiet --require-hashes --only-binary :all: -r requirements/checkov.txt

$(SIMULATOR): requirements/iam-simulate/package-lock.json
	mkdir -p .venv/iam-simulate
	cp requirements/iam-simulate/*.json .venv/iam-simulate/
	npm ci --prefix .venv/iam-simulate --ignore-scripts --no-audit --no-fund --silent
	touch $@

.venv/bin/tflint: requirements/tflint/go.mod requirements/tflint/go.sum
	cd requirements/tflint && go build -o ../../$@ github.com/terraform-linters/tflint

checkov-lock:
	uv pip compile --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		requirements/checkov.in -o requirements/checkov.txt
