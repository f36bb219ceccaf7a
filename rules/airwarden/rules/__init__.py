"""Typed alerts and recording rules, rendered to Prometheus and Alertmanager configuration."""
