#!/usr/bin/env bash
# Build the image of a release and keep it in a registry that all environments read, or find it there: what
# dev has tried is what prod runs. Prints the image's digest, by which it is taken from there.
# usage: lakehouse/delivery/build_image.sh <registry/repository> <release>
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
    docker build --pull --build-arg "RELEASE=$release" --tag "$image" . >&2
    docker push "$image" >&2
    found=$(digest)
fi
printf '%s\n' "$found"
