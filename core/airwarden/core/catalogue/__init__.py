"""The metric catalogue's data, one module per part of the platform; use `airwarden.core.metrics`."""
