"""A fleet in Airflow's real schema: filled in one go, and moved on as Airflow would move it.

`shape` says what it looks like, `fill` fills a database, `mover` lets it live, `truth` counts by brute
force what happened, `store` keeps filled servers between runs. `python -m bench.fleet` is the front.
"""
