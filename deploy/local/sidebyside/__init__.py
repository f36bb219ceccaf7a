"""The same faults at the same time on two platforms, Airflow alone and with Airwarden: `make bench-faults`.

Both sides run under supervisord with autorestart and liveness probes at the chart's timing. Airwarden runs at
its production defaults: only the playbooks' modes are set to auto. Each side has a platform of its own (state
folder, ports, database, broker), so both see the same machine in the same minute.
"""
