#!/bin/sh
# Makes what is not there yet: secrets of this workstation's own, in a volume that the services read. Then
# writes the configuration of Prometheus, Alertmanager and Grafana. Run by the service `prepare` at each start.
set -eu
secrets=${SECRETS:-/run/airwarden}
generated=${GENERATED:-/generated}
umask 022

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

secret() { # name
    [ -s "$secrets/$1" ] || random >"$secrets/$1"
}

for name in exporter-token webhook-token api-token metrics-token jwt-secret session-key postgres-password airflow-password airflow-admin; do
    secret $name
done
# Fernet wants 32 bytes in base64 for the web.
[ -s "$secrets/fernet-key" ] || python3 -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode(), end="")' >"$secrets/fernet-key"

database="airflow:$(cat "$secrets/postgres-password")@postgres:5432/airflow"
printf 'postgresql+psycopg2://%s' "$database" >"$secrets/airflow-database"
printf 'db+postgresql://%s' "$database" >"$secrets/airflow-results"
# On a workstation as Airflow's own role; elsewhere by one that may only read (`airwarden doctor --sql`).
printf 'postgresql://%s' "$database" >"$secrets/observer-dsn"
printf '{"admin": "%s", "airwarden": "%s"}' "$(cat "$secrets/airflow-admin")" "$(cat "$secrets/airflow-password")" \
    >"$secrets/airflow-passwords.json"

exec airwarden build --config "${AIRWARDEN_CONFIG:-/etc/airwarden/airwarden.yaml}" --out "$generated"
