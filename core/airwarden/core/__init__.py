"""Values, settings, thresholds, the metric catalogue and the ports that every part uses.

Nothing here does I/O or imports a client library, so any part and any test can use all of it.
"""
