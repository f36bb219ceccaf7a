"""Grafana dashboards as Python, generated to `dashboards/grafana/`."""
