#!/bin/sh
# Build a release into dist/ and push its image: sh scripts/release.sh VERSION [IMAGE]
# Without an image's name only dist/ is made: wheel, sdist, both lists of packages, and the changelog's section.
set -eu
cd "$(dirname "$0")/.."
version=$1 image=${2:-}

notes=$(awk -v version="$version" '/^## /{inside = $2 == version; next} inside' CHANGELOG.md)
[ -n "$notes" ] || { echo "release: CHANGELOG.md has no section $version" >&2; exit 1; }

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
python3 -m venv "$tools"
"$tools/bin/pip" -q install build==1.3.0 cyclonedx-bom==7.5.0
"$tools/bin/python" -m build
for built in dist/*.whl dist/*.tar.gz; do
    case $built in
    *"-$version-"* | *"-$version.tar.gz") ;;
    *) echo "release: $built is not of version $version: build from a clean clone of the tag" >&2; exit 1 ;;
    esac
done
"$tools/bin/cyclonedx-py" requirements requirements/runtime.txt -o dist/sbom.python.json
(cd public && npm sbom --package-lock-only --sbom-format cyclonedx --omit dev) > dist/sbom.web.json
printf '%s\n' "$notes" > dist/notes.md

[ -z "$image" ] || docker buildx build --platform linux/amd64,linux/arm64 --build-arg "VERSION=$version" \
    -t "$image:$version" -t "$image:latest" --push .
