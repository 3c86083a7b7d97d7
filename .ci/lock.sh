#!/bin/bash
# Writes requirements.lock and requirements-dev.lock: versions and hashes of all files of each release.
# The machine's own pip settings (mirrors, constraints, local wheels) are kept out of it.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset PIP_FIND_LINKS PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_CONSTRAINT
export PIP_CONFIG_FILE=/dev/null

if [ ! -x .venv/bin/pip-compile ]; then
    python3.11 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet pip-tools
    compile=$work/venv/bin/pip-compile
else
    compile=.venv/bin/pip-compile
fi

options=(--quiet --generate-hashes --no-header --no-annotate --strip-extras --allow-unsafe --resolver=backtracking
         --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options
         --build-deps-for editable "$@")
[ -f requirements.lock ] && cp requirements.lock "$work/run.lock"
"$compile" "${options[@]}" --output-file "$work/run.lock" pyproject.toml
[ -f requirements-dev.lock ] && cp requirements-dev.lock "$work/dev.lock"
"$compile" "${options[@]}" --extra dev --constraint "$work/run.lock" --output-file "$work/dev.lock" pyproject.toml

sed -i '/^#/d; /^$/d' "$work/run.lock" "$work/dev.lock"
if grep -nE '://|^-|(^|[[:space:]])/(opt|tmp|root|home)/' "$work/run.lock" "$work/dev.lock"; then
    echo "The lock names a host or a path of this machine; nothing was written." >&2
    exit 1
fi
cp "$work/run.lock" requirements.lock
cp "$work/dev.lock" requirements-dev.lock
echo "Wrote requirements.lock and requirements-dev.lock."
