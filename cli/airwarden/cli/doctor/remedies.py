"""Which playbooks could act on a cluster, and which would only page: what their actions need, and what is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from airwarden.cli.doctor.finding import Finding, Outcome
from airwarden.cli.remediating import playbook_set, site_actions
from airwarden.core.errors import WrongInputError
from airwarden.core.settings import Cluster, Settings
from airwarden.remediation.actions.base import Action
from airwarden.remediation.decide.correlate import LoadedPlaybook
from airwarden.remediation.playbook import ActionStep

#: What an action needs → the setting that gives it.
_SETTINGS = {
    "broker": "clusters[].broker",
    "commands": "remediator.commands",
    "database": "clusters[].metadata_database",
    "host": "clusters[].host",
    "kubernetes": "clusters[].host.kubernetes",
    "prometheus": "prometheus.url",
    "session_ender": "clusters[].metadata_database.terminator_dsn_file",
    "webhooks": "remediator.webhooks",
    "workers": "clusters[].broker, and clusters[].workers.inspect",
}


def probe_remedies(settings: Settings) -> Iterator[Finding]:
    """Yield one line a cluster and playbook that acts; nothing is reached for it."""
    try:
        books, actions = playbook_set(settings), site_actions(settings)
    except WrongInputError as error:
        yield Finding("remedies", error.place, Outcome.FAILED, error.message, error.hint)
        return
    for cluster in settings.clusters:
        there = available(settings, cluster)
        for name, loaded in sorted(books.by_name.items()):
            if loaded.playbook.ordered:
                yield _finding(f"{cluster.name}: remedies", name, loaded, actions, there)


def available(settings: Settings, cluster: Cluster) -> Mapping[str, bool]:
    """Return what an action can need → whether the settings give it in a cluster."""
    database = cluster.metadata_database
    return {
        "airflow": True,
        "breakers": True,
        "ledger": True,
        "causes": True,
        "broker": cluster.broker is not None,
        "commands": bool(settings.remediator.commands),
        "database": database is not None,
        "host": cluster.host is not None,
        "kubernetes": cluster.host is not None and cluster.host.kubernetes is not None,
        "prometheus": settings.prometheus.url is not None,
        "session_ender": database is not None and database.terminator_dsn is not None,
        "webhooks": bool(settings.remediator.webhooks),
        "workers": cluster.broker is not None and cluster.workers.inspect,
    }


def _finding(
    system: str,
    name: str,
    loaded: LoadedPlaybook,
    actions: Mapping[str, Action],
    there: Mapping[str, bool],
) -> Finding:
    steps = [step for step in loaded.playbook.all_steps if isinstance(step, ActionStep)]
    named = list(dict.fromkeys(step.action for step in steps))
    wanting = {
        action: sorted(need for need in actions[action].needs if not there[need])
        for action in named
    }
    # What a playbook may go without is no want of it, but is said.
    needed = {step.action for step in steps if not step.optional}
    lacking = {action: needs for action, needs in wanting.items() if needs and action in needed}
    spared = {action: needs for action, needs in wanting.items() if needs and action not in needed}
    if not lacking:
        danger = max(actions[action].danger for action in named if action not in spared)
        without = "".join(
            f"; without {action}, which needs {', '.join(needs)}"
            for action, needs in spared.items()
        )
        sentence = f"could act, danger {danger}; mode {loaded.mode}{without}"
        return Finding(system, name, Outcome.OK, sentence)
    what = "; ".join(f"{action} needs {', '.join(needs)}" for action, needs in lacking.items())
    keys = sorted({_SETTINGS[need] for needs in lacking.values() for need in needs})
    all_of_it = len(lacking) + len(spared) == len(named)
    so = "a page with the diagnosis" if all_of_it else "acts in part, then a page"
    return Finding(system, name, Outcome.OFF, f"{so}: {what}", ", ".join(keys))
