#!/usr/bin/env bash
# Build the image of a release and keep it in a registry that all environments read, or find it there: what
# dev has tried is what prod runs. Prints the image's digest, by which it is taken from there.
# usage: PYTHON_DIGEST=sha256:… lakehouse/delivery/build_image.sh <registry/repository> <release>
set -euo pipefail
cd "$(dirname "$0")/../.."
release=$2
# A tag that was moved is another image.
image="$1:$release-$(git rev-parse HEAD)"

digest() { docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$image" 2>&1; }
if ! found=$(digest); then
    case $found in
        *"not found"*) ;;
        *) echo "error: the registry does not say whether it has $image: $found" >&2; exit 1 ;;
    esac
    if ! [[ ${PYTHON_DIGEST:-} =~ ^sha256:[0-9a-f]{64}$ ]]; then
        echo "error: PYTHON_DIGEST, the digest of the Dockerfile's base image, is '${PYTHON_DIGEST:-}':" \
            "set the repository's variable (docs/runbooks/deployment.md, step 2)" >&2
        exit 1
    fi
    docker build --pull --build-arg "RELEASE=$release" --build-arg "PYTHON_DIGEST=$PYTHON_DIGEST" --tag "$image" . >&2
    docker push "$image" >&2
    found=$(digest)
fi
printf '%s\n' "$found"
