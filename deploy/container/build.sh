#!/bin/sh
# Build the image without a container engine, on a Debian of our own: `make image-test`.
#
# As root: buildah runs each step in a chroot. What takes minutes (Debian's base, the wheels) is kept in
# .cache/image and made again when what it was made from differs. The image is localhost/airwarden:test
# in the storage below that folder.
set -eu
cd "$(dirname "$0")/../.."

SUITE=bookworm
BASE_PACKAGES=python3,python3-venv,ca-certificates
kept=$PWD/.cache/image
storage="--storage-driver vfs --root $kept/storage --runroot $kept/run"

say() { echo "image: $*" >&2; }

[ "$(id -u)" = 0 ] || {
    say "buildah's chroot isolation needs root"
    exit 2
}
missing=
for program in buildah debootstrap; do
    command -v $program >/dev/null || missing="$missing $program"
done
if [ -n "$missing" ]; then
    say "installing Debian packages:$missing"
    mkdir -p "$kept"
    # shellcheck disable=SC2086 # a list of words is meant
    { apt-get -o DPkg::Lock::Timeout=300 update -q &&
        DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
            install -q -y --no-install-recommends $missing; } >"$kept/apt.log" 2>&1 || {
        tail -n 15 "$kept/apt.log" >&2
        exit 2
    }
fi
mkdir -p "$kept"

built_from() { # what it was made from, as one word
    cat "$@" | sha256sum | cut -d' ' -f1
}

# The base: as small as Debian comes, with the Python that it brings.
stamp=$(printf '%s %s' $SUITE $BASE_PACKAGES | sha256sum | cut -d' ' -f1)
# shellcheck disable=SC2086 # $storage is a list of options
if [ "$(cat "$kept/base.made-from" 2>/dev/null)" != "$stamp" ] ||
    ! buildah $storage inspect --type image localhost/airwarden-base >/dev/null 2>&1; then
    say "making a base of Debian $SUITE"
    rm -rf "$kept/base"
    debootstrap --variant=minbase --include=$BASE_PACKAGES $SUITE "$kept/base" >"$kept/debootstrap.log" 2>&1 || {
        tail -n 15 "$kept/debootstrap.log" >&2
        exit 2
    }
    rm -rf "$kept/base/var/cache/apt/archives" "$kept/base/var/lib/apt/lists"
    container=$(buildah $storage from scratch)
    buildah $storage add -q "$container" "$kept/base" / >/dev/null
    buildah $storage commit -q --rm "$container" localhost/airwarden-base >/dev/null
    rm -rf "$kept/base"
    echo "$stamp" >"$kept/base.made-from"
fi

# The wheels, by this machine's own way to its registry: in the build there is none.
stamp=$(built_from deploy/runtime.lock requirements.lock)
if [ "$(cat "$kept/wheels.made-from" 2>/dev/null)" != "$stamp" ]; then
    say "fetching the wheels of deploy/runtime.lock"
    mkdir -p "$kept/wheels"
    awk '/^[a-z]/ { keep = /^(hatchling|packaging|pathspec|pluggy|trove-classifiers)==/ } keep' \
        requirements.lock >"$kept/build.lock"
    # The base's Python is 3.11 like this one's, and may be an earlier patch of it that needs more.
    sed "s/ ; python_full_version < '3\.11\.[0-9]*'//" deploy/runtime.lock >"$kept/runtime.lock"
    for lock in "$kept/runtime.lock" "$kept/build.lock"; do
        .venv/bin/python -m pip --quiet --disable-pip-version-check download --no-deps \
            --only-binary :all: --require-hashes --requirement "$lock" --dest "$kept/wheels"
    done
    echo "$stamp" >"$kept/wheels.made-from"
fi

# The context: what is under version control or will be, and the wheels.
rm -rf "$kept/context"
mkdir -p "$kept/context"
git ls-files -z --cached --others --exclude-standard -- ':!tests' ':!docs' |
    xargs -0 cp --no-dereference --parents --target-directory "$kept/context"
cp -r "$kept/wheels" "$kept/context/deploy/container/wheels"
say "building the image"
# shellcheck disable=SC2086
buildah $storage bud --isolation chroot --format docker --layers=false --rm --force-rm \
    --build-arg BASE=localhost/airwarden-base --build-arg PIP_NO_INDEX=1 \
    --build-arg REVISION="$(git rev-parse HEAD)" \
    --file deploy/Dockerfile --tag localhost/airwarden:test "$kept/context" >"$kept/build.log" 2>&1 || {
    tail -n 20 "$kept/build.log" >&2
    exit 1
}
rm -rf "$kept/context"
say "localhost/airwarden:test is built"
