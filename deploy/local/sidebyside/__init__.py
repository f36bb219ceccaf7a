"""The same faults on the same platform, once with Airflow alone and once with Airwarden: `make bench-faults`.

Both sides run under supervisord with autorestart and liveness probes at the chart's timing. Airwarden runs at
its production defaults: only the playbooks' modes are set to auto.
"""
