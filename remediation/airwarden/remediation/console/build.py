"""The console, put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from airwarden.remediation.api.routes import Edge
from airwarden.remediation.case import Parts
from airwarden.remediation.console.desk import Back, Desk, Pages
from airwarden.remediation.console.gauges import Gauges
from airwarden.remediation.console.pages.dags import Dags
from airwarden.remediation.console.pages.incidents import Incidents
from airwarden.remediation.console.pages.looking import Looking
from airwarden.remediation.console.pages.now import Now
from airwarden.remediation.console.pages.playbooks import Playbooks
from airwarden.remediation.console.pages.rails import Rails
from airwarden.remediation.console.pages.signing import Signing
from airwarden.remediation.console.pulse import Pulse
from airwarden.remediation.console.reception import Reception
from airwarden.remediation.console.site import Page, Site
from airwarden.remediation.console_terms import ConsoleTerms
from airwarden.remediation.operators import Right


def on_the_edge(
    edge: Edge,
    parts: Parts,
    *,
    terms: Callable[[], ConsoleTerms],
    later: Callable[[], Sequence[str]],
) -> Back:
    """Return what the console stands on beside the API: the very same orders and operators."""
    return Back(
        parts=parts,
        operations=edge.operations,
        windowing=edge.windowing,
        promotion=edge.promotion,
        by_hand=edge.by_hand,
        operators=edge.operators,
        common_token=edge.api_token,
        terms=terms,
        elapsed=edge.elapsed,
        ready=edge.ready,
        later=later,
    )


def build_site(back: Back) -> Site:
    """Return the console."""
    reception = Reception(
        back.parts.journal, back.operators, back.common_token, back.terms, back.elapsed
    )
    desk = Desk.with_reception(back, reception)
    pages = [*_looked_at(desk), *_ordered(desk), *_doors(desk)]
    pulse = Pulse(back.parts.journal, back.elapsed)
    return Site(pages, reception, back.terms, pulse, Pages(desk).refused)


def _looked_at(desk: Desk) -> list[Page]:
    incidents, playbooks, dags = Incidents(desk), Playbooks(desk), Dags(desk)
    looking = Looking(desk)
    return [
        Page("GET", path, Right.READ, handler)
        for path, handler in (
            ("/", Now(desk, Gauges(desk.parts, desk.elapsed)).show),
            ("/incidents", incidents.listed),
            ("/incidents/{number}", incidents.show),
            ("/playbooks", playbooks.listed),
            ("/playbooks/{name}", playbooks.show),
            ("/rails", Rails(desk).show),
            ("/dags", dags.choose),
            ("/dags/{cluster}/{dag}", dags.show),
            ("/audit", looking.audit),
            ("/configuration", looking.configuration),
        )
    ]


def _ordered(desk: Desk) -> list[Page]:
    incidents, playbooks, rails = Incidents(desk), Playbooks(desk), Rails(desk)
    about_incidents = [
        Page("POST", f"/incidents/{{number}}/{name}", right, handler)
        for name, (right, handler) in incidents.orders.items()
    ]
    return [
        *about_incidents,
        Page("POST", "/playbooks/{name}/rehearse", Right.ORDER, playbooks.rehearse),
        Page("POST", "/playbooks/{name}/run", Right.APPROVE, playbooks.begin),
        Page("POST", "/playbooks/{name}/mode", Right.ORDER, playbooks.set_mode),
        Page("POST", "/rails/stop", Right.ORDER, rails.stop),
        Page("POST", "/rails/resume", Right.ARM, rails.resume),
        Page("POST", "/rails/maintenance", Right.ORDER, rails.maintain),
        Page("POST", "/rails/windows/{number}/end", Right.ORDER, rails.end_window),
    ]


def _doors(desk: Desk) -> list[Page]:
    signing = Signing(desk)
    return [
        Page("GET", "/sign-in", None, signing.show),
        Page("POST", "/sign-in", None, signing.enter),
        Page("GET", "/sign-in/oidc", None, signing.to_provider),
        Page("GET", "/sign-in/oidc/callback", None, signing.from_provider),
        Page("POST", "/sign-out", Right.READ, signing.leave),
        Page("GET", "/static/{name}", None, signing.file),
    ]
