#!/usr/bin/env bash
# Build the plugin of MSK Connect: Debezium for SQL Server as it is released, our transforms
# (infra/connectors/transforms), the jar for MSK's IAM, and AWS's configuration providers, which read secrets at run time. The latter are on no package registry:
# download "msk-config-providers-…-with-dependencies.zip" from the releases of aws-samples/msk-config-providers.
# usage: lakehouse/delivery/build_connect_plugin.sh <configuration providers.zip> <output folder>
# The same input gives the same bytes: MSK Connect keeps one content under one name.
set -euo pipefail
cd "$(dirname "$0")/../.."
providers=$1
output=$2
[ -f "$providers" ] || { echo "error: there is no file $providers" >&2; exit 1; }

version_of() { sed -n "s:.*<$1.version>\(.*\)</$1.version>.*:\1:p" requirements/jars/pom.xml; }
version=$(version_of debezium)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/plugin" "$work/compile" "$output"
mvn --batch-mode --quiet --file requirements/jars/pom.xml --non-recursive dependency:copy \
    "-Dartifact=io.debezium:debezium-connector-sqlserver:$version:tar.gz:plugin" "-DoutputDirectory=$work" >&2
tar --extract --gzip --file "$work/debezium-connector-sqlserver-$version-plugin.tar.gz" --directory "$work/plugin"
mvn --batch-mode --quiet --file requirements/jars/spark/pom.xml dependency:copy-dependencies \
    -DincludeArtifactIds=aws-msk-iam-auth -Dclassifier=all "-DoutputDirectory=$work/plugin" >&2
# Kafka's own jars are the worker's: only the compiler needs them.
mvn --batch-mode --quiet --file requirements/jars/connect/pom.xml dependency:copy-dependencies \
    -DincludeGroupIds=org.apache.kafka "-DoutputDirectory=$work/compile" >&2
infra/connectors/transforms/build "$work/compile" "$work/plugin/retail-lakehouse-transforms.jar"

python - "$work/plugin" "$providers" "$output/debezium-connector-sqlserver-$version-transforms-$(version_of transforms).zip" <<'PYTHON'
import sys
import zipfile
from pathlib import Path

folder, providers, target = (Path(argument) for argument in sys.argv[1:])
files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
with zipfile.ZipFile(providers) as archive:
    jars = [name for name in archive.namelist() if name.endswith(".jar")]
    if not jars:
        sys.exit(f"error: {providers} holds no jar")
    files |= {f"config-providers/{name}": archive.read(name) for name in jars}
with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
    for name in sorted(files):
        archive.writestr(zipfile.ZipInfo(name), files[name])
print(target)
PYTHON
