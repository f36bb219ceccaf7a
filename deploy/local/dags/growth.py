"""The growth team's campaigns: five DAGs that share one release, which may be a bad one.

The release is the text of ``growth_release.txt`` beside this file, read when a task runs;
without the file it is good. With a bad one every task fails at once.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from airflow.sdk import DAG, dag, get_current_context, task

RELEASE_FILE = Path(__file__).with_name("growth_release.txt")
CAMPAIGNS = 5


def _campaign(number: int) -> DAG:
    @dag(
        dag_id=f"growth_campaign_{number}",
        schedule=None,
        start_date=datetime(2025, 1, 1),
        catchup=False,
        is_paused_upon_creation=False,
        max_active_tasks=64,
        default_args={"owner": "growth", "retries": 0},
        params={"audiences": 2},
        tags=["tier:medium", "team:growth", "type:analytics"],
    )
    def campaign() -> None:
        @task
        def audiences() -> list[int]:
            return list(range(int(get_current_context()["params"]["audiences"])))

        @task
        def send(audience: int) -> int:
            if RELEASE_FILE.exists() and RELEASE_FILE.read_text().strip() == "bad":
                raise KeyError("campaign_template")
            return audience

        send.expand(audience=audiences())

    return campaign()


for campaign_number in range(CAMPAIGNS):
    _campaign(campaign_number)
