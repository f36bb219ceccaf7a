#!/bin/sh
# Compile the lock files from what pyproject.toml and airflow.in ask for.
#
# Airflow's is apart, because Airflow and Airwarden live in separate virtual environments: neither may pin the
# other's dependencies. Versions already locked are kept unless UPGRADE=1 is given. No registry's
# address is written, so that the same files serve behind any mirror.
set -eu
cd "$(dirname "$0")/../.."

uv=${UV:-.venv/bin/uv}
[ -x "$uv" ] || uv=uv
command -v "$uv" >/dev/null || {
    echo "lock: uv is missing; 'make venv' installs it" >&2
    exit 1
}

upgrade=
[ "${UPGRADE:-0}" = 1 ] && upgrade=--upgrade

compile() { # source, lock file, further options
    source=$1 target=$2
    shift 2
    # shellcheck disable=SC2086 # $upgrade is one option or none
    "$uv" pip compile "$source" --output-file "$target" --python-version 3.11 \
        --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --no-annotate --quiet \
        $upgrade "$@" >/dev/null
    if grep -n '://' "$target" >&2; then
        echo "lock: $target names an address; remove the direct reference" >&2
        exit 1
    fi
    echo "lock: $target, $(grep -c '==' "$target") packages"
}

# Airwarden's own set holds for every Python and system it may be installed on; Airflow's for this one.
compile pyproject.toml requirements.lock --group dev --universal
compile deploy/local/airflow.in deploy/local/airflow.lock
compile deploy/local/kubernetes.in deploy/local/kubernetes.lock --no-deps
# What the image and `make install` install: of the first, what runs and nothing that tests.
compile pyproject.toml deploy/runtime.lock --universal --constraint requirements.lock
