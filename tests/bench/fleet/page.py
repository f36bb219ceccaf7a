"""docs/reference/benchmarks.md: several scripts write a part of it each, and leave the others' alone."""

from __future__ import annotations

import re

from support.postgres import ROOT

#: Written by `scheduler_loop.py`.
LOOP_HEADING = "## A scheduler's loop with the exporter on and off"
#: Written by `backtest_planted.py` and `build_speed.py`.
BACKTEST_HEADING = "## Thirty days through the rules"
BUILD_HEADING = "## Building everything for 15,000 DAGs"
#: Written by `rule_evaluation.py`.
RULES_HEADING = "## All rules, evaluated by a real Prometheus"
#: Written by `first_report.py`.
FIRST_REPORT_HEADING = "## From nothing to a report"
#: Written by `panels.py` and `console.py`.
PANELS_HEADING = "## Every panel, asked of a real Prometheus"
CONSOLE_HEADING = "## The console, with ten thousand incidents"
#: Sections that have scripts of their own.
OTHERS = (
    LOOP_HEADING, BACKTEST_HEADING, BUILD_HEADING, RULES_HEADING, FIRST_REPORT_HEADING,
    PANELS_HEADING, CONSOLE_HEADING,
)  # fmt: skip
PAGE = ROOT / "docs" / "reference" / "benchmarks.md"


def write_section(heading: str, text: str) -> None:
    """Replace a section, or add it at the end.

    Args:
        heading: Its line, `## …`.
        text: The whole section, heading included.
    """
    parts = re.split(r"^(?=## )", PAGE.read_text(), flags=re.MULTILINE)
    kept = [part for part in parts if not part.startswith(heading + "\n")]
    PAGE.write_text("\n\n".join(part.strip() for part in [*kept, text]) + "\n")


def write_all_but(headings: tuple[str, ...], text: str) -> None:
    """Replace the page, but for sections that other scripts write.

    Args:
        headings: Of those sections.
        text: The rest of the page.
    """
    parts = re.split(r"^(?=## )", PAGE.read_text(), flags=re.MULTILINE) if PAGE.exists() else []
    kept = [part for part in parts if part.startswith(tuple(f"{h}\n" for h in headings))]
    PAGE.write_text("\n\n".join(part.strip() for part in [text, *kept]) + "\n")
