"""Grafana dashboards as Python: what is generated here is committed under `dashboards/grafana/`.

Nothing here does I/O except `generate`'s own command, and nothing imports grafanalib before a
dashboard is built.
"""
