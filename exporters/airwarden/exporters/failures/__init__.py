"""Why task attempts failed: reports and logs in, one cause each out.

`rules.yaml` is the table; `classify.py` decides by it and is pure, as are `reports.py` (what the listener on
Airflow's side sends) and `logs.py` (what the end of a task's log says). `book.py` keeps reports that wait
and the latest verdicts, within bounds.
"""
