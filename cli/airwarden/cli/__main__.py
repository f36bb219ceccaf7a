"""`python -m airwarden.cli`, as the program starts itself."""

from __future__ import annotations

from airwarden.cli.main import main

main()
