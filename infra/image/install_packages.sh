#!/bin/sh
# Install the pinned packages into a Python environment of their own.
# usage: install_packages.sh <prefix> <requirements with hashes>
# A second run with the same requirements does nothing.
set -eu
prefix=$1
requirements=$2

wanted=$(sha256sum <"$requirements")
if [ "$(cat "$prefix/installed.sha256" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi
python3 -m venv --clear "$prefix"
# The list is complete, and dbt-core names a parser that it never imports: so no dependencies.
"$prefix/bin/python" -m pip install --quiet --disable-pip-version-check \
    --no-deps --require-hashes --only-binary :all: --requirement "$requirements"
printf '%s\n' "$wanted" >"$prefix/installed.sha256"
