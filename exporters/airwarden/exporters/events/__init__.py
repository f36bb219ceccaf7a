"""The event endpoint: what pipelines and other systems report by themselves.

`kinds.py` and `openlineage.py` say what an event may be and what it means; `intake.py` takes requests:
who, how much, how often, each event once.
"""

from __future__ import annotations

from airwarden.exporters.events.http import EventDoor
from airwarden.exporters.events.intake import EVENTS, LINEAGE, EventIntake, IntakeLimits, Place

__all__ = ["EVENTS", "LINEAGE", "EventDoor", "EventIntake", "IntakeLimits", "Place"]
