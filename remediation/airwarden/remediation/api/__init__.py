"""The HTTP edge: takes alerts, answers operators, shows metrics and health. Loopback only by default."""
