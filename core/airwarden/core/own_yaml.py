"""Reading the YAML that Airwarden carries or has written itself: shipped playbooks, presets, its own rules."""

from __future__ import annotations

from typing import Any

import yaml

#: libyaml reads ten times as fast; PyYAML is built without it on some platforms.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_own(text: str) -> Any:
    """Return what a text of ours says.

    Not for what people or other systems wrote: libyaml has no guard against nesting without end.
    """
    return yaml.load(text, Loader=_LOADER)  # noqa: S506 - a safe loader
