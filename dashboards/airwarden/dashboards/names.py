"""What dashboards there are: their identity for ever, their title, the question each answers.

Links, the alerts' `dashboard_url` and bookmarks contain the identity: it never changes.
"""

from __future__ import annotations

from dataclasses import dataclass

#: The variables of every dashboard, in the order shown. `ds` is the data source.
VARIABLES = ("ds", "cluster", "tier", "team", "type", "queue", "window")


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard.

    Attributes:
        uid: Its identity, also the name of its file.
        name: Its title, without the `Airwarden / ` before it.
        question: What it answers, as a sentence.
    """

    uid: str
    name: str
    question: str

    @property
    def title(self) -> str:
        """The title as Grafana lists it."""
        return f"Airwarden / {self.name}"

    @property
    def url(self) -> str:
        """Where Grafana shows it, with nothing chosen."""
        return f"/d/{self.uid}"

    def link(self, **chosen: str) -> str:
        """Return its address with the reader's time range and variables, which Grafana fills in.

        Args:
            chosen: Variable → value in the place of the reader's; given twice, both would count.
        """
        kept = (f"${{{name}:queryparam}}" for name in VARIABLES if name not in chosen)
        given = (f"var-{name}={value}" for name, value in chosen.items())
        return f"{self.url}?{'&'.join(['${__url_time_range}', *kept, *given])}"


OVERVIEW = Board(
    "airwarden-overview",
    "Overview",
    "Is the platform well, does it meet its targets, and what is being done about it?",
)
SCHEDULER = Board(
    "airwarden-scheduler",
    "Scheduler",
    "Is work scheduled when it is due, and if not, which scheduler, DAG file or trigger is it?",
)
TASKS = Board(
    "airwarden-tasks",
    "Task execution and queues",
    "Do tasks start soon, end well and in time, and what holds back or fails those that do not?",
)
POOLS = Board(
    "airwarden-pools",
    "Pools and starvation",
    "Which pools are full, who waits for them, and what else holds tasks back?",
)
DATABASE = Board(
    "airwarden-database",
    "Metadata database",
    "Is the metadata database quick, does it have connections left, and who holds or blocks it?",
)
WORKERS = Board(
    "airwarden-workers",
    "Broker and workers",
    "Does the broker pass tasks on, do workers take them, and is there room for more?",
)
KUBERNETES = Board(
    "airwarden-kubernetes",
    "Kubernetes",
    "Do the pods run, why not, how do they start and end, and is there room for more of them?",
)
TYPES = Board(
    "airwarden-types",
    "Pipelines by type",
    "How do ETL, ML training, analytics, data quality, reporting and ad hoc pipelines do, each?",
)
DAG = Board(
    "airwarden-dag",
    "One DAG",
    "How does one DAG do, and is it alone with its trouble?",
)
DATA = Board(
    "airwarden-data",
    "Data freshness and quality",
    "Which data is late or about to be, and which is not good enough?",
)
BUSINESS = Board(
    "airwarden-business",
    "Business",
    "What does the state of the pipelines mean for revenue, models, reports, cost and users?",
)
REMEDIATION = Board(
    "airwarden-remediation",
    "Remediation",
    "What does Airwarden do, what holds it back, how soon does it heal, and what may it be trusted with?",
)
OBJECTIVES = Board(
    "airwarden-objectives",
    "SLOs",
    "Which objectives are met, how much of each error budget is left, and how fast does it go?",
)
ITSELF = Board(
    "airwarden-itself",
    "Airwarden itself",
    "Can the other dashboards be believed: does Airwarden measure, decide, record and tell?",
)

BOARDS: tuple[Board, ...] = (
    OVERVIEW,
    SCHEDULER,
    TASKS,
    POOLS,
    DATABASE,
    WORKERS,
    KUBERNETES,
    TYPES,
    DAG,
    DATA,
    BUSINESS,
    REMEDIATION,
    OBJECTIVES,
    ITSELF,
)
