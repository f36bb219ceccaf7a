"""How long it takes until people are paged when the journal is gone, silent, read-only or full.

`python tests/bench/journal_gone.py` prints one line a fault, with production's patience (20 s).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.journal_faults import JOURNAL_FAULTS, PAGED_WITHIN, page_without_journal
from support.postgres import PostgresServer


def main() -> int:
    """Measure and print; 1 if the promise is not kept."""
    server = PostgresServer()
    print("| journal | page left after, s | promised, s |")
    print("|---|---|---|", flush=True)
    kept = True
    try:
        with tempfile.TemporaryDirectory(prefix="airwarden-journal-") as folder:
            for number, name in enumerate(JOURNAL_FAULTS):
                took = page_without_journal(Path(folder) / str(number), name, server)
                print(f"| {name} | {took:.0f} | {PAGED_WITHIN:g} |", flush=True)
                kept &= took < PAGED_WITHIN
    finally:
        server.stop()
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
