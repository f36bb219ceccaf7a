"""What unit tests of the remediation share."""

from __future__ import annotations

from support.memory_path import memory_path

__all__ = ["memory_path"]
