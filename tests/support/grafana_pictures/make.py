"""`make pictures`: the dashboards, drawn with Grafana's own components in a headless Chromium, for the documentation.

A small fleet lives behind a real exporter and a real Prometheus, which gets a past; what each panel asks is
asked, and `app.tsx` gives the answers to the components of @grafana/ui. Needs Node.js, npm and Chromium. What is not
Grafana's in these pictures: the page around the panels, and the way from an answer to a data frame.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.fleet.mover import Mover, Pace
from bench.fleet.shape import Shape, fleet
from bench.fleet.store import copy, fleet_server
from bench.panels import backfill, one_dag, past_is_there
from bench.rule_evaluation import last_hour
from support.dashboards import Json, dashboards
from support.filled import FILLED_SCRAPE, filled
from support.panels import Panel, answer, asking, with_values
from support.redis import RedisServer
from support.repository import ROOT

HERE = Path(__file__).parent
PICTURES = ROOT / "docs" / "images"
#: How large the fleet is, and how many seconds it lives before it is looked at.
_FACTOR, _LIVES = 0.02, 90.0
#: So many runs a second, and so quick, that some of every kind end within that time.
_PACE = Pace(per_day=2 * 86_400, speed=300, trouble=3)
#: Those that would only say here that they have no source.
_EMPTY = ("airwarden-business", "airwarden-kubernetes")
#: Pixels; what a dashboard has further down is left out.
_WIDTH, _HEIGHT = 1560, 1900


def bundle() -> Path:
    """Return the folder with the page's script and sheet; made again when its recipe changes."""
    recipe = (HERE / "package.json").read_bytes() + (HERE / "app.tsx").read_bytes()
    folder = ROOT / ".cache" / f"grafana-pictures-{hashlib.sha256(recipe).hexdigest()[:12]}"
    if (folder / "app.js").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "app.tsx"):
        shutil.copy(HERE / name, folder)
    quiet = ["--silent", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    subprocess.run(["npm", "install", "--legacy-peer-deps", *quiet], cwd=folder, check=True)
    loaders = ("svg=text", "png=dataurl", "ttf=empty", "woff2=dataurl")
    subprocess.run(
        ["node_modules/.bin/esbuild", "app.tsx", "--bundle", "--outfile=app.js", "--jsx=automatic",
         '--define:process.env.NODE_ENV="production"', "--minify", "--log-level=error",
         *(f"--loader:.{one}" for one in loaders)],
        cwd=folder, check=True,
    )  # fmt: skip
    return folder


@contextlib.contextmanager
def platform() -> Iterator[tuple[httpx.Client, list[Panel]]]:
    """Yield a Prometheus that has seen a fleet live, and the panels that ask it."""
    shape, redis = Shape(_FACTOR), RedisServer()
    with (
        tempfile.TemporaryDirectory() as folder,
        # Not the folder of the full size, which a benchmark may have.
        fleet_server(ROOT / ".cache" / "fleet-of-pictures") as server,
        copy(server, shape, print) as database,
        filled(database, redis, Path(folder), scrape=FILLED_SCRAPE, history=last_hour) as made,
        httpx.Client(base_url=made.prometheus.url, timeout=60, trust_env=False) as client,
    ):
        mover, over = Mover(database.dsn, fleet(shape), _PACE), threading.Event()
        lives = threading.Thread(
            target=mover.live, args=(1_000_000,), kwargs={"within": 3600, "stopped": over}
        )
        lives.start()
        try:
            time.sleep(_LIVES)
            panels = asking(one_dag(client))
            _say("lived; its past is written")
            backfill(client, Path(folder) / "prometheus" / "data", panels)
            past_is_there(client)
            yield client, panels
        finally:
            over.set()
            lives.join()
            mover.close()
    redis.child.stop()


def answers(client: httpx.Client, panels: list[Panel], uid: str, end: float) -> Json:
    """Return panel → the answer to each of its queries."""
    found: Json = {}
    for panel in panels:
        if panel.dashboard == uid:
            bodies = (
                answer(client, panel, expression, instant=instant, end=end)
                for expression, instant in panel.queries
            )
            found[str(panel.number)] = [list(with_values(one["data"]["result"])) for one in bodies]
    return found


def draw(page: Page, folder: Path, stage: Json, file: Path) -> None:
    """Write the picture of one dashboard."""
    # An origin of its own: a page without one may keep nothing, and Grafana's components keep a little.
    html = "<!doctype html><html><body><div id='root'></div></body></html>"
    page.route("**/*", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto("http://airwarden.invalid/")
    page.add_style_tag(path=str(folder / "app.css"))
    page.evaluate("stage => { window.stage = stage; }", stage)
    page.add_script_tag(path=str(folder / "app.js"))
    page.wait_for_function("window.drawn === true", timeout=60_000)
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": _WIDTH, "height": min(height, _HEIGHT)})
    page.screenshot(path=str(file))


def _say(what: str) -> None:
    """Tell whoever waits what is done."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {what}\n")
    sys.stdout.flush()


def main() -> int:
    """Draw the dashboards in light, and the overview in dark too."""
    folder = bundle()
    _say("bundled")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    faults: list[str] = []
    with platform() as (client, panels), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": _WIDTH, "height": 900})
        page.on("pageerror", lambda error: faults.append(str(error)))
        end = time.time()
        for dashboard in dashboards():
            uid = dashboard["uid"]
            if uid in _EMPTY:
                continue
            span = max(one.span for one in panels if one.dashboard == uid)
            stage = {
                "dashboard": dashboard,
                "answers": answers(client, panels, uid, end),
                "from": (end - span) * 1000,
                "to": end * 1000,
            }
            for theme in ("light", "dark") if uid == "airwarden-overview" else ("light",):
                file = PICTURES / f"dashboard-{uid.removeprefix('airwarden-')}-{theme}.png"
                draw(page, folder, {**stage, "dark": theme == "dark"}, file)
                _say(str(file.relative_to(ROOT)))
        browser.close()
    sys.stdout.write("".join(f"fault: {one}\n" for one in faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
