"""Prometheus and Alertmanager: whether each address answers, and what is wrong where one does not."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator

from airwarden.cli import composition
from airwarden.cli.doctor.finding import Finding, Outcome
from airwarden.cli.up import programs
from airwarden.core.errors import AirwardenError, UnavailableError, WrongInputError
from airwarden.core.platform import Sample
from airwarden.core.ports import Prometheus
from airwarden.core.settings import Settings
from airwarden.core.settings.access import MonitoringServer


def probe_monitoring(settings: Settings) -> Iterator[Finding]:
    """Yield whether Prometheus and Alertmanager answer, address by address."""
    wanted = settings.prometheus
    if not wanted.urls:
        yield _started_by_up("prometheus", "prometheus.url", ("prometheus",))
    yield from _each("prometheus", "queries", wanted, lambda url: _scraping(settings, url))
    alertmanager = settings.alertmanager
    if not alertmanager.urls:
        yield _started_by_up("alertmanager", "alertmanager.url", programs.ALERTMANAGER)
    yield from _each("alertmanager", "alerts", alertmanager, lambda url: _alerting(settings, url))
    yield from _receiver(settings)


def prometheus(settings: Settings) -> Prometheus | None:
    """Return who is asked for more; None where none is configured, or it cannot be spoken to at all."""
    try:
        return composition.prometheus(settings)
    except WrongInputError as error:
        return _Unreachable(str(error))


class _Unreachable:
    """A Prometheus that cannot be asked, because what signs in there cannot be read."""

    def __init__(self, why: str) -> None:
        self._why = why

    def query(self, expression: str) -> list[Sample]:
        raise UnavailableError(f"cannot be asked for {expression}: {self._why}")


def _scraping(settings: Settings, url: str) -> str:
    asked = composition.prometheus(settings, url)
    if asked is not None and asked.query("count(airwarden_build_info)"):
        return "answers, and scrapes an Airwarden exporter"
    return "answers; it scrapes no Airwarden exporter yet"


def _alerting(settings: Settings, url: str) -> str:
    asked = composition.alertmanager(settings, url)
    return f"answers; {len(asked.alerts()) if asked is not None else 0} alerts are active"


def _receiver(settings: Settings) -> Iterator[Finding]:
    """Yield whether the poll asks for a receiver that there is: it finds nothing for ever otherwise."""
    wanted = settings.alertmanager.receiver
    if settings.remediator.webhook_token is None:
        return
    try:
        asked = composition.alertmanager(settings)
        known = asked.receivers() if asked is not None else [wanted]
    except AirwardenError:
        return  # said of its address
    if wanted not in known:
        yield Finding(
            "alertmanager",
            "receiver",
            Outcome.LIMITED,
            f"no receiver is called {wanted!r}: the poll finds no alert that a webhook did not deliver",
            f"alertmanager.receiver is one of {', '.join(known)}; or load what airwarden build writes",
        )


def _each(
    section: str, subject: str, wanted: MonitoringServer, ask: Callable[[str], str]
) -> Iterator[Finding]:
    for url in wanted.urls:
        about = subject if len(wanted.urls) == 1 else f"{subject} at {url}"
        try:
            yield Finding(section, about, Outcome.OK, ask(url))
        except WrongInputError as error:
            yield Finding(section, about, Outcome.FAILED, str(error), error.hint or error.place)
        except AirwardenError as error:
            mend = _mend(section, wanted, str(error))
            yield Finding(section, about, Outcome.FAILED, str(error), mend)


#: What an error says, and what mends it; `{0}` is the section. The first that fits.
_MENDS = (
    (r"(?i)no org id", "give {0}.tenant: several share this server"),
    (r"HTTP request to an HTTPS server", "write https:// in {0}.url"),
    (
        r"(?i)wrong.version.number|record.layer.failure",
        "it speaks no TLS: write http:// in {0}.url",
    ),
    (
        r"(?i)(hostname|IP address) mismatch|doesn't match",
        "its certificate is for another name: give that in {0}.tls.server_name",
    ),
    (
        r"(?i)certificate_verify_failed|certificate verify failed",
        "who signed its certificate is not trusted: give that authority in {0}.tls.ca_file",
    ),
    (
        r"(?i)certificate.required|bad.certificate|unknown.ca|handshake.failure",
        "it wants a certificate of ours, signed by whom it trusts: {0}.tls.cert_file and key_file",
    ),
    (r"(Code|HTTP) 403", "what {0}.auth signs in as may not read there"),
    (r"(Code|HTTP) 404", "is {0}.url its base address, with the path below which it serves?"),
)


def _mend(section: str, wanted: MonitoringServer, message: str) -> str:
    """Return what would mend an error of a client."""
    for pattern, mend in _MENDS:
        if re.search(pattern, message):
            return mend.format(section)
    if re.search(r"(Code|HTTP) 401", message):
        if wanted.auth is None:
            return (
                f"it asks who we are: give {section}.auth (username, password_file; or token_file)"
            )
        way = "token" if wanted.auth.token is not None else "user or password"
        return f"it does not know the {way} of {section}.auth"
    return f"check {section}.url"


def _started_by_up(system: str, key: str, names: tuple[str, ...]) -> Finding:
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        return Finding(
            system,
            "address",
            Outcome.LIMITED,
            f"not configured, and {names[0]} is not on PATH: airwarden up cannot start its own",
            f"install it (Debian: apt-get install {names[-1]}), or set {key}",
        )
    return Finding(
        system, "address", Outcome.OFF, f"not configured: airwarden up starts {path}", key
    )
