"""`python -m localplatform.endpoints --port N --record FILE`: serve both on loopback."""

from __future__ import annotations

import argparse
from pathlib import Path

import uvicorn

from localplatform.endpoints.app import Endpoints, create_app


def main() -> None:
    """Serve until ended by a signal."""
    parser = argparse.ArgumentParser(prog="localplatform.endpoints", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="loopback port to listen on")
    parser.add_argument("--record", type=Path, help="file that gets one JSON line per request")
    arguments = parser.parse_args()
    app = create_app(Endpoints(arguments.record))
    uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()
