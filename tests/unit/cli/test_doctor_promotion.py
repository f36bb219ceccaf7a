"""What doctor says of playbooks that act before they have earned it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airwarden.cli.doctor import systems
from airwarden.cli.doctor.finding import Finding, Outcome
from airwarden.core.errors import UnavailableError
from airwarden.core.settings import Settings, parse

CARD = {"playbook": "pool-hold", "cluster": "prod", "mode": "auto", "override": ""}


def findings(
    monkeypatch: pytest.MonkeyPatch, folder: Path, answer: Any, mode: str
) -> list[Finding]:
    class Asked:
        def __init__(self, _settings: Settings) -> None:
            pass

        def get(self, path: str) -> Any:
            assert path == "playbooks"
            if isinstance(answer, Exception):
                raise answer
            return {"playbooks": answer}

    monkeypatch.setattr(systems, "Operator", Asked)
    settings = parse(f"remediator: {{mode: {mode}}}", source="a.yaml", environ={}, base=folder)
    return list(systems.probe_remediator(settings))


def test_an_override_stands_out_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cards = [CARD, {**CARD, "override": "the settings: proved elsewhere"}]
    (_, found) = findings(monkeypatch, tmp_path, cards, "auto")[-2:]
    assert found.outcome is Outcome.EXCESS
    assert "auto without having earned it, by the settings: proved elsewhere" in found.sentence
    assert found.mend == "airwarden scorecard pool-hold"


def test_what_cannot_be_asked_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = UnavailableError("the remediator does not answer")
    found = findings(monkeypatch, tmp_path, gone, "approve")[-1]
    assert (found.outcome, "not known" in found.sentence) == (Outcome.LIMITED, True)
    assert findings(monkeypatch, tmp_path, [CARD], "auto")[-1].outcome is Outcome.OK
    assert findings(monkeypatch, tmp_path, gone, "shadow")[-1].subject == "mode"
