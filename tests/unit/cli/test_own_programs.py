"""What the settings and the environment put out of bounds or let block."""

from __future__ import annotations

import pytest

from airwarden.cli.remediating import own_programs, playbook_set
from airwarden.core.errors import WrongInputError
from airwarden.core.settings import Settings


@pytest.mark.parametrize(
    ("environment", "targets"),
    [
        ({}, []),
        (
            {"SUPERVISOR_PROCESS_NAME": "healer", "SUPERVISOR_GROUP_NAME": "healer"},
            ["process/healer"],
        ),
        ({"SUPERVISOR_PROCESS_NAME": "aw", "SUPERVISOR_GROUP_NAME": "ops"}, ["process/ops:aw"]),
    ],
)
def test_the_program_that_supervisord_runs_us_as_is_ours(
    environment: dict[str, str], targets: list[str]
) -> None:
    assert own_programs(environment) == targets


def test_settings_reach_the_set_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPERVISOR_PROCESS_NAME", "healer")
    monkeypatch.setenv("SUPERVISOR_GROUP_NAME", "healer")
    found = playbook_set(
        Settings.model_validate(
            {
                "remediator": {
                    "block_on": [{"alertname": "NodePressure"}],
                    "protect": ["pool/payments"],
                },
                "playbooks": {"scheduler-restart": {"block_on": [{"alertname": "Failover"}]}},
            }
        )
    )
    assert set(found.protect) == {"process/healer", "pool/payments"}
    assert found.block_on_of("worker-silent") == ({"alertname": "NodePressure"},)
    assert found.block_on_of("scheduler-restart") == (
        {"alertname": "NodePressure"},
        {"alertname": "Failover"},
    )


@pytest.mark.parametrize("place", ["remediator", "playbooks"])
def test_a_label_set_without_a_label_would_block_for_ever_and_is_refused(place: str) -> None:
    empty: dict[str, list[dict[str, str]]] = {"block_on": [{}]}
    body = {"remediator": empty} if place == "remediator" else {"playbooks": {"broker-out": empty}}
    with pytest.raises(WrongInputError, match="names no label"):
        playbook_set(Settings.model_validate(body))
