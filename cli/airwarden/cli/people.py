"""Who may say what to the remediator, and when it holds still: both as the settings say."""

from __future__ import annotations

from airwarden.adapters.secrets import read_secret
from airwarden.core.errors import WrongInputError
from airwarden.core.settings import Settings
from airwarden.remediation.decide import calendar
from airwarden.remediation.decide.calendar import Kind, Window
from airwarden.remediation.decide.correlate import PlaybookSet
from airwarden.remediation.operators import Operator, Operators, Role, digest

#: As whom Prometheus reads the metrics, where it has to say so.
SCRAPER = "prometheus"


def operators(settings: Settings) -> Operators:
    """Return who has a token of their own; raises WrongInputError where one cannot be read."""
    known: dict[bytes, Operator] = {}
    by_chat: dict[str, Operator] = {}
    passwords: dict[str, tuple[Operator, str]] = {}
    if (token := settings.remediator.metrics_token) is not None:
        shown = read_secret(token, place="remediator.metrics_token").get_secret_value()
        known[digest(shown)] = Operator(SCRAPER, person=False, role=Role.VIEWER)
    for name, wanted in settings.remediator.operators.items():
        place = f"remediator.operators.{name}"
        mine = bytes.fromhex(wanted.token_sha256 or "")
        if wanted.token is not None:
            mine = digest(read_secret(wanted.token, place=f"{place}.token").get_secret_value())
        if mine in known:
            raise WrongInputError(f"has the token of {known[mine].name}", place=place)
        role = Role(wanted.role) if wanted.role else None
        one = Operator(name, frozenset(wanted.groups), person=wanted.person, role=role)
        if mine:
            known[mine] = one
        if wanted.password_hash is not None:
            passwords[name] = (one, wanted.password_hash)
        if wanted.slack_user in by_chat:
            taken = by_chat[wanted.slack_user].name
            raise WrongInputError(f"is {taken}'s already", place=f"{place}.slack_user")
        if wanted.slack_user:
            by_chat[wanted.slack_user] = one
    return Operators(
        known,
        approvers=frozenset(settings.remediator.approvers),
        admins=frozenset(settings.remediator.admins),
        by_chat=by_chat,
        passwords=passwords,
    )


def windows(settings: Settings, playbooks: PlaybookSet) -> tuple[Window, ...]:
    """Return the windows that the settings name; raises WrongInputError where one is wrong."""
    found: list[Window] = []
    for index, wanted in enumerate(settings.windows):
        if unknown := sorted(set(wanted.playbooks) - playbooks.by_name.keys()):
            raise WrongInputError(
                f"there is no playbook {unknown[0]!r}",
                place=f"windows[{index}].playbooks",
                hint="docs/reference/playbooks.md lists ours",
            )
        one = Window(
            kind=Kind(wanted.kind.value),
            starts=wanted.starts,
            lasts=wanted.lasts,
            tz=wanted.timezone,
            rrule=wanted.repeats,
            cluster=wanted.cluster,
            playbooks=wanted.playbooks,
            reason=wanted.reason,
            name=wanted.name,
        )
        try:
            found.append(calendar.check(one))
        except WrongInputError as error:
            place = f"windows[{index}].{error.place}"
            raise WrongInputError(error.message, place=place, hint=error.hint) from None
    return tuple(found)
