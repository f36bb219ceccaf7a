"""Collectors that measure one Airflow platform, the snapshot they fill, and the `/metrics` server."""
