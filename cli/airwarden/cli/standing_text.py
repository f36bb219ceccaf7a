"""How everything stands, for a terminal of 80 columns or more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from airwarden.cli.incident_list import SEVERITY_STYLE, needs_person, state_of
from airwarden.cli.standing import MOST_INCIDENTS, AlertStanding, ClusterStanding, Standing
from airwarden.remediation.storytelling import lasted

_HEALTH = {"working": "bold green", "troubled": "bold red", "unknown": "bold yellow"}
#: Rows of one table; the rest is counted.
_ROWS = 8


def screen(found: Standing, *, live: bool = False) -> Group:
    """Return the screen.

    Args:
        found: What is shown.
        live: With a row for each worker, and how to leave.
    """
    parts: list[RenderableType] = [f"[dim]{found.at:%Y-%m-%d %H:%M:%S} UTC[/]"]
    for cluster in found.clusters:
        parts += [*_cluster(cluster, live=live)]
    parts += [*_remediator(found), *_alerts(found), *_incidents(found)]
    parts += [
        f"[bold yellow]not known[/]: {escape(one.system)}: {escape(one.why)}"
        for one in found.unknown
    ]
    if live:
        parts.append("[dim]q leaves[/]")
    return Group(*parts)


def _cluster(one: ClusterStanding, *, live: bool) -> Iterator[RenderableType]:
    yield Text()
    yield f"[bold]{escape(one.cluster)}[/]  [{_HEALTH[one.health]}]{one.health}[/]"
    facts = _table(show_header=False)
    facts.add_column(no_wrap=True, min_width=12)
    facts.add_column(overflow="fold")
    for name, said in _facts(one):
        facts.add_row(f"  {name}", said)
    yield facts
    if one.queues:
        yield _queues(one)
    if live and one.workers:
        yield _workers(one)


def _facts(one: ClusterStanding) -> Iterator[tuple[str, str]]:
    for component in one.components:
        well = component.up == component.known and not component.stopped
        said = f"{component.up} of {component.known} up"
        if component.stopped:
            said += f", {component.stopped} frozen or gone"
        if component.heartbeat_age_seconds is not None:
            said += f", oldest heartbeat {lasted(component.heartbeat_age_seconds)} ago"
        yield component.component, said if well else f"[red]{said}[/]"
    if one.scheduler_lag_seconds is not None:
        yield "scheduling", f"{lasted(one.scheduler_lag_seconds)} behind"
    if one.runs:
        yield (
            "DAG runs",
            ", ".join(f"{number} {state}" for state, number in sorted(one.runs.items())),
        )
    if one.workers:
        up = sum(worker.up for worker in one.workers)
        said = f"{up} of {len(one.workers)} answer"
        slots = sum(worker.slots or 0 for worker in one.workers)
        if slots:
            said += f", {sum(worker.active for worker in one.workers)} of {slots} slots busy"
        yield "workers", said if up == len(one.workers) else f"[red]{said}[/]"
    if one.blind:
        yield "not measured", f"[yellow]{escape(', '.join(one.blind))}[/]"
    if one.health == "unknown":
        yield "measured", "nothing: is the exporter running, and does Prometheus scrape it?"


def _queues(one: ClusterStanding) -> Table:
    table = _table()
    table.add_column("  queue", max_width=30, no_wrap=True, overflow="ellipsis")
    for head in ("waiting", "queued", "running", "workers", "busy"):
        table.add_column(head, justify="right", no_wrap=True)
    deepest = sorted(one.queues, key=lambda queue: (-(queue.waiting or queue.queued), queue.queue))
    for queue in deepest[:_ROWS]:
        busy = "" if queue.busy_ratio is None else f"{queue.busy_ratio:.0%}"
        table.add_row(
            f"  {escape(queue.queue)}",
            _number(queue.waiting),
            str(queue.queued),
            str(queue.running),
            "[red]0[/]" if queue.workers == 0 else _number(queue.workers),
            busy,
        )
    if len(deepest) > _ROWS:
        table.add_row(f"  [dim]and {len(deepest) - _ROWS} more[/]")
    return table


def _workers(one: ClusterStanding) -> Table:
    table = _table()
    table.add_column("  worker", max_width=44, no_wrap=True, overflow="ellipsis")
    table.add_column("answers", no_wrap=True)
    table.add_column("tasks", justify="right", no_wrap=True)
    table.add_column("slots", justify="right", no_wrap=True)
    first = sorted(one.workers, key=lambda worker: (worker.up, -worker.active, worker.hostname))
    for worker in first[:_ROWS]:
        answers = "yes" if worker.up else "[red]no[/]"
        row = (f"  {escape(worker.hostname)}", answers, str(worker.active), _number(worker.slots))
        table.add_row(*row)
    if len(first) > _ROWS:
        table.add_row(f"  [dim]and {len(first) - _ROWS} more[/]")
    return table


def _remediator(found: Standing) -> Iterator[RenderableType]:
    status = found.remediator
    if status is None:
        return
    yield Text()
    led = status.get("led_by") or ("this one" if status["leader"] else "")
    yield "[bold]remedies[/]  " + (
        f"led by {escape(str(led))}" if led else "[bold red]nobody leads: nothing is remedied[/]"
    )
    stops = [one for one in status["switches"] if one["scope"].partition("/")[0] == "kill"]
    file = status.get("kill_switch_file", "")
    if file:
        yield f"  [bold red]kill switch[/]: {escape(file)}"
    for switch in stops:
        name = switch["scope"].partition("/")[2] or "everything"
        where = "everywhere" if switch["cluster"] == "*" else f"in {switch['cluster']}"
        said = f"{name} is stopped {where}, by {switch['set_by']}: {switch['reason']}"
        yield f"  [bold red]kill switch[/]: {escape(said)}"
    if not stops and not file:
        yield "  kill switch: off"
    for window in status["windows"]:
        until = str(window["ends"])[:16].replace("T", " ")
        where = "everywhere" if window["cluster"] == "*" else f"in {window['cluster']}"
        yield f"  [yellow]{window['kind']}[/] {escape(where)} until {until} UTC"
    modes = _modes(status)
    if modes:
        yield f"  playbooks: {modes}"
    if status["in_flight"]:
        yield f"  under way: {escape(', '.join(one['target'] for one in status['in_flight']))}"


def _modes(status: Mapping[str, Any]) -> str:
    counted: dict[str, int] = {}
    for books in status.get("modes", {}).values():
        for mode in books.values():
            counted[mode] = counted.get(mode, 0) + 1
    order = ("auto", "approve", "shadow", "off")
    return ", ".join(f"{counted[mode]} {mode}" for mode in order if mode in counted)


def _alerts(found: Standing) -> Iterator[RenderableType]:
    if "Alertmanager" in {one.system for one in found.unknown}:
        return
    yield Text()
    heard = [one for one in found.alerts if not one.suppressed]
    said = f"{len(heard)} firing" if heard else "none firing"
    kept = len(found.alerts) - len(heard)
    yield f"[bold]alerts[/]  {said}" + (f", {kept} suppressed" if kept else "")
    if not heard:
        return
    table = _table(show_header=False, expand=True)
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for one in heard[:_ROWS]:
        table.add_row(*_alert(one, found.at))
    yield table
    if len(heard) > _ROWS:
        yield f"  [dim]and {len(heard) - _ROWS} more[/]"


def _alert(one: AlertStanding, now: datetime) -> tuple[str, str, str, str]:
    style = SEVERITY_STYLE.get(one.severity, "dim")
    since = lasted(max((now - one.since).total_seconds(), 0))
    what = f"{one.cluster}: {one.summary or one.alert}" if one.cluster else one.summary or one.alert
    return f"  [{style}]{escape(one.severity)}[/]", since, escape(one.alert), escape(what)


def _incidents(found: Standing) -> Iterator[RenderableType]:
    if found.remediator is None:
        return
    yield Text()
    waiting = sum(map(needs_person, found.incidents))
    many = "+" if len(found.incidents) == MOST_INCIDENTS else ""
    said = f"{len(found.incidents)}{many} open" if found.incidents else "none open"
    if waiting:
        said += f", [bold]{waiting} wait{'s' if waiting == 1 else ''} for a person[/]"
    yield f"[bold]incidents[/]  {said}"
    if not found.incidents:
        return
    table = _table(show_header=False, expand=True)
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    first = sorted(found.incidents, key=lambda one: not needs_person(one))
    for one in first[:_ROWS]:
        style = SEVERITY_STYLE.get(one["severity"], "dim")
        table.add_row(
            f"  {one['incident_id']}",
            f"[{style}]{escape(one['severity'])}[/]",
            state_of(one, found.at),
            escape(f"{one['cluster']}: {one['title']}"),
        )
    yield table
    if len(first) > _ROWS:
        yield f"  [dim]and {len(first) - _ROWS} more: airwarden incidents[/]"


def _table(*, show_header: bool = True, expand: bool = False) -> Table:
    return Table(
        box=None, pad_edge=False, show_header=show_header, header_style="dim", expand=expand
    )


def _number(value: int | None) -> str:
    return "" if value is None else str(value)
