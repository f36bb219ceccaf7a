"""A real Airflow platform on one machine: the only code that builds, breaks and stops one.

Demo, tests and benchmarks start it with ``python -m localplatform up`` or
:func:`localplatform.lifecycle.up`; everything it needs to be reached is in
``platform.json`` (:class:`localplatform.layout.Platform`). Nothing of the product
imports this package.
"""
