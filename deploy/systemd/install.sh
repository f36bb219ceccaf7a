#!/bin/sh
# Install Airwarden on a host that runs systemd: `make install`.
#
#   DESTDIR=/tmp/package  install below that folder, for a package; nothing is started or reloaded
#   PREFIX=/opt/airwarden the environment with the locked versions
#   PYTHON=python3.11     what it is made with
#   FILES_ONLY=1          units, user and settings without the environment
#
# A second run brings the environment and the units up to date and leaves all settings as they are.
set -eu
cd "$(dirname "$0")/../.."

DESTDIR=${DESTDIR:-}
PREFIX=${PREFIX:-/opt/airwarden}
PYTHON=${PYTHON:-python3}
from=deploy/systemd

if [ -z "$DESTDIR" ] && [ "$(id -u)" != 0 ]; then
    echo "install: run it as root, or give DESTDIR" >&2
    exit 2
fi

environment() {
    home=$DESTDIR$PREFIX
    [ -x "$home/bin/python" ] || "$PYTHON" -m venv "$home"
    pip="$home/bin/python -m pip --quiet --disable-pip-version-check"
    # What was locked is checked by its hash; our own wheel is built from this checkout.
    $pip install --require-hashes --requirement deploy/runtime.lock
    $pip install --no-deps --force-reinstall .
    # A program that was installed below DESTDIR names that folder in its first line.
    sed -i "1s|^#!.*|#!$PREFIX/bin/python|" "$home/bin/airwarden"
}

units() {
    install -d "$DESTDIR/usr/lib/systemd/system" "$DESTDIR/usr/lib/sysusers.d" "$DESTDIR/usr/lib/tmpfiles.d"
    for unit in airwarden-exporter.service airwarden-remediator.service; do
        sed "s|/opt/airwarden/|$PREFIX/|" $from/$unit >"$DESTDIR/usr/lib/systemd/system/$unit"
        chmod 0644 "$DESTDIR/usr/lib/systemd/system/$unit"
    done
    install -m 0644 $from/airwarden.sysusers "$DESTDIR/usr/lib/sysusers.d/airwarden.conf"
    install -m 0644 $from/airwarden.tmpfiles "$DESTDIR/usr/lib/tmpfiles.d/airwarden.conf"
}

settings() {
    install -d -m 0750 "$DESTDIR/etc/airwarden"
    install -d -m 0700 "$DESTDIR/etc/airwarden/secrets"
    [ -e "$DESTDIR/etc/airwarden/airwarden.yaml" ] ||
        install -m 0640 $from/airwarden.yaml "$DESTDIR/etc/airwarden/airwarden.yaml"
    [ -e "$DESTDIR/etc/airwarden/airwarden.env" ] ||
        install -m 0600 $from/airwarden.env "$DESTDIR/etc/airwarden/airwarden.env"
}

[ "${FILES_ONLY:-0}" = 1 ] || environment
units
settings
[ -z "$DESTDIR" ] || exit 0

systemd-sysusers airwarden.conf
systemd-tmpfiles --create airwarden.conf
# No manager in a chroot or a container: then the host's next start reads the units.
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
fi
echo "install: fill in /etc/airwarden/airwarden.yaml, then: systemctl enable --now airwarden-exporter airwarden-remediator"
echo "install: what runs already has the old version until: systemctl restart airwarden-exporter airwarden-remediator"
