#!/usr/bin/env bash
# Build what a Glue job of this commit needs: wheel, entry scripts, and the jar for MSK's IAM.
# usage: infra/delivery/build_glue.sh <output folder>
# The same commit gives the same bytes, so that a release can be published again.
set -euo pipefail
cd "$(dirname "$0")/../.."
output=$1

mkdir -p "$output/jars"
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) || SOURCE_DATE_EPOCH=315532800
export SOURCE_DATE_EPOCH
python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
    --wheel-dir "$output" .
cp infra/glue/*.py "$output"
# The jar with everything in it; its version is that of jars/spark, which the tests run with.
mvn --batch-mode --quiet --file jars/spark/pom.xml dependency:copy-dependencies \
    -DincludeArtifactIds=aws-msk-iam-auth -Dclassifier=all -DoutputDirectory="$PWD/$output/jars"
