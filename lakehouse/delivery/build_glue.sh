#!/usr/bin/env bash
# Build what a Glue job of this commit needs: wheel, entry scripts, declarations, the wheels of other
# projects in one archive, and the jar for MSK's IAM.
# usage: lakehouse/delivery/build_glue.sh <output folder>
# The same commit gives the same bytes, so that a release can be published again.
set -euo pipefail
mkdir -p "$1/jars"
output=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) || SOURCE_DATE_EPOCH=315532800
export SOURCE_DATE_EPOCH
python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
    --wheel-dir "$output" .
for script in ingestion/glue/[!_]*.py; do
    cp "$script" "$output"
done
cp "$(grep -l connectors: models/staging/*/_*__sources.yml)" "$output"
# Glue 6.0: Python 3.13 on x86, glibc 2.34 (Amazon Linux 2023).
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
    --only-binary :all: --python-version 3.13 --implementation cp \
    --platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 \
    --dest "$work" --requirement requirements/glue.txt
# As Glue takes wheels in one archive (AWS Glue Developer Guide, "Using Python libraries with AWS Glue", appendix A).
python - "$work" requirements/glue.txt "$output/dependencies.gluewheels.zip" <<'PYTHON'
import sys
import zipfile
from pathlib import Path

wheels, requirements, target = (Path(argument) for argument in sys.argv[1:])
pins = [line.split()[0] for line in requirements.read_text().splitlines() if line[:1].isalnum()]
with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
    archive.writestr(zipfile.ZipInfo("wheels/requirements.txt"), "\n".join(pins) + "\n")
    for wheel in sorted(wheels.iterdir()):
        archive.writestr(zipfile.ZipInfo(f"wheels/{wheel.name}"), wheel.read_bytes())
PYTHON
# The jar with everything in it; its version is that of requirements/jars/spark, which the tests run with.
mvn --batch-mode --quiet --file requirements/jars/spark/pom.xml dependency:copy-dependencies \
    -DincludeArtifactIds=aws-msk-iam-auth -Dclassifier=all -DoutputDirectory="$output/jars"
