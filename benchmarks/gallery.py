"""Do five hundred cells scroll smoothly? The review gallery of a run, in Chromium, from its first cell to its last.

Run: python -m benchmarks.gallery [--cells 500] [--passes 3] [--look 5] [--json FILE]

`hemadiff serve` serves a store with one run of drawn cells. Every pass begins in a browser that has seen nothing. A
frame is dropped where the next comes later than a sixtieth of a second after it, rounded; the same page is also
watched while it stands still, since a busy machine drops frames there too. Beside that, the pictures are fetched as
fast as a browser's six connections can.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import numpy as np
from PIL import Image

from appliance.accounts.accounts import Account, Accounts
from appliance.accounts.roles import Role
from appliance.accounts.secret import hash_password
from appliance.frame import Frame, Point
from appliance.plan import Plan
from appliance.review.drawn_references import DRAWN, drawn_reference
from appliance.run import State
from appliance.store import Store
from appliance.tally import Tally
from benchmarks.viewers import served
from calibration import Scale
from models.cells import Cell, Detection, Opinion
from models.panel import Specimen, load_panel

RUN, PANEL, A_FIELD = "0123456789ab", "smear-13", 10
PASSWORD = "smear-under-oil"  # of a store that is thrown away
CONNECTIONS = 6  # of a browser to one server
DESK: Any = {"width": 1440, "height": 900}
ARGUMENTS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
SCROLL = """async ([per_s, still_s]) => {
  const page = document.scrollingElement, times = [], end = () => page.scrollHeight - innerHeight;
  performance.clearResourceTimings();
  const began = await new Promise(requestAnimationFrame);
  for (let now = began; ; ) {
    times.push(now);
    if (still_s ? now - began > 1000 * still_s : page.scrollTop >= end() - 1) break;
    if (!still_s) page.scrollTop = Math.min(end(), per_s * (now - began) / 1000);
    now = await new Promise(requestAnimationFrame);
  }
  const asked = performance.getEntriesByType("resource").filter((each) => each.name.includes("/cells/"));
  return { times, asked: asked.length, px: still_s ? 0 : end() };
}"""
WHOLE = """() => {
  const cells = [...document.querySelectorAll("#gallery img, .gallery img")];
  return [cells.length, cells.filter((each) => each.complete && each.naturalWidth).length];
}"""


@dataclass(frozen=True, slots=True)
class Frames:
    """What was drawn. seconds: from the first frame to the last.  longest_ms: between two.  dropped: a share of 1."""

    seconds: float
    frames: int
    longest_ms: float
    p95_ms: float
    dropped: float


@dataclass(frozen=True, slots=True)
class Pass:
    """One scroll through all. asked: pictures while it scrolled.  cells, whole: on the page, and with their picture."""

    scrolled: Frames
    still: Frames
    px: int
    asked: int
    cells: int
    whole: int


@click.command()
@click.option("--cells", default=500, show_default=True, type=click.IntRange(1, 5000))
@click.option("--passes", default=3, show_default=True, type=click.IntRange(1))
@click.option("--speed", default=2000.0, show_default=True, help="Pixels a second: a quick swipe.")
@click.option("--look", default=5.0, show_default=True, help="Seconds at the first cells before the swipe.")
@click.option("--json", "out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
def main(cells: int, passes: int, speed: float, look: float, out: Path | None) -> None:
    """Measure how the gallery scrolls."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "s.sqlite"
        numbers = make(store, cells)
        env = {
            **os.environ,
            "HEMADIFF_STORE__PATH": str(store),
            "HEMADIFF_INSTRUMENT__SOCKET": str(store.with_name("i.sock")),
            "PYTHONUNBUFFERED": "1",
        }
        with served(env) as address:
            found, cookie = scrolled(address, passes, speed, look)
            per_s = fetched(address, cookie, numbers)
    for each in found:
        click.echo(
            f"{each.px} px in {each.scrolled.seconds:.1f} s: {_said(each.scrolled)}; standing still: "
            f"{_said(each.still)}; {each.asked} pictures asked for, {each.whole} of {each.cells} shown at the end."
        )
    dropped = statistics.median(each.scrolled.dropped for each in found)
    longest = max(each.scrolled.longest_ms for each in found)
    click.echo(
        f"{cells} cells: {100 * dropped:.1f} % of frames dropped (median of {passes} passes), the longest frame "
        f"{longest:.0f} ms; {per_s:.0f} pictures a second. Load of the machine before: {load:.1f}."
    )
    if out is not None:
        said = {
            "cells": cells,
            "pictures_per_s": per_s,
            "load": load,
            "passes": [asdict(each) for each in found],
        }
        out.write_text(json.dumps(said, indent=1), "utf-8")


def make(path: Path, cells: int) -> list[int]:
    """Make a store with one run that ended and somebody who reviews; return the numbers of its cells."""
    now, scale, rng = datetime.now(UTC), Scale.stated(0.1), np.random.default_rng(13)
    plan = Plan(camera="folder:/smear", um_per_px=0.1, specimen=Specimen.BLOOD, panel=PANEL)
    panel, tally = load_panel(PANEL), Tally(plan.rules())
    looks = [_patch(label, n) for label in panel.names for n in range(DRAWN) if _drawn(label)]
    with Store(path) as store:
        store.db.conn.execute("PRAGMA synchronous = OFF")  # no power cut here
        Accounts(store).add(Account("kim", Role.REVIEWER, hash_password(PASSWORD), None, False, 0, now))
        store.create_run(
            RUN, plan, scale, "CPU", "smear-13", False, cells // A_FIELD, now, digest="drawn",
            outputs=tuple(panel.outputs),
        )  # fmt: skip
        numbers: list[int] = []
        for field in range(-(-cells // A_FIELD)):
            some = [looks[int(rng.integers(len(looks)))] for _ in range(min(A_FIELD, cells - len(numbers)))]
            frame = Frame(
                field, f"{field}.png", np.zeros((9, 9, 3), np.uint8), Point(0, 0), 0, None, None, scale.id
            )
            tally = tally.adding([label for label, _ in some])
            made = [_cell(label, patch, rng, len(panel.outputs)) for label, patch in some]
            numbers += [each for each in store.commit_field(RUN, frame, made, tally, now) if each is not None]
        store.set_state(RUN, State.COMPLETED, "Enough cells are counted.", now)
    return numbers


def fetched(address: str, cookie: str, numbers: Sequence[int]) -> float:
    """Fetch every picture over a browser's connections, twice; return how many a second came the second time."""
    for _ in range(2):
        began = time.monotonic()
        threads = [
            threading.Thread(target=_fetch, args=(address, cookie, numbers[each::CONNECTIONS]))
            for each in range(CONNECTIONS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return len(numbers) / (time.monotonic() - began)


def scrolled(address: str, passes: int, speed: float, look_s: float) -> tuple[list[Pass], str]:
    """Scroll through the gallery so often, each time in a browser that has seen nothing; return a cookie too."""
    from playwright.sync_api import sync_playwright

    found, cookie = [], ""
    if (browser := shutil.which("chromium")) is None:
        raise SystemExit("There is no Chromium to scroll in. Install it: sudo apt-get install chromium")
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser, args=list(ARGUMENTS))
        for _ in range(passes):
            page = chromium.new_context(viewport=DESK).new_page()
            page.set_default_timeout(120_000)
            page.goto(f"{address}/sign-in")
            page.get_by_label("Name").fill("kim")
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(f"{address}/")
            page.goto(f"{address}/runs/{RUN}/review")
            page.locator("[data-cell] img").first.wait_for()
            page.wait_for_timeout(1000 * look_s)
            still = page.evaluate(SCROLL, [0, 2])
            moved = page.evaluate(SCROLL, [speed, 0])
            page.wait_for_load_state("networkidle")
            cells, whole = page.evaluate(WHOLE)
            found.append(
                Pass(_frames(moved), _frames(still), round(moved["px"]), moved["asked"], cells, whole)
            )
            cookie = "; ".join(f"{each['name']}={each['value']}" for each in page.context.cookies())
            page.context.close()
        chromium.close()
    return found, cookie


def _fetch(address: str, cookie: str, numbers: Sequence[int]) -> None:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    for number in numbers:
        connection.request("GET", f"/cells/{number}.png", headers={"Cookie": cookie})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"The picture {number} was answered with {answer.status}.")
    connection.close()


def _frames(said: Any) -> Frames:
    gaps = np.diff(said["times"])
    due = gaps.sum() * 60 / 1000
    lost = np.maximum(0, np.round(gaps * 60 / 1000) - 1).sum()
    return Frames(
        float(gaps.sum() / 1000), len(gaps), float(gaps.max()), float(np.percentile(gaps, 95)),
        float(lost / max(1.0, due)),
    )  # fmt: skip


def _said(frames: Frames) -> str:
    return (
        f"{frames.frames} frames, {100 * frames.dropped:.1f} % dropped, the longest {frames.longest_ms:.0f} ms, "
        f"95 % within {frames.p95_ms:.0f} ms"
    )


def _drawn(label: str) -> bool:
    from appliance.review.drawn_references import drawn_count

    return drawn_count(label) > 0


def _patch(label: str, number: int) -> tuple[str, np.ndarray]:
    """A drawn cell at the size of a count's patch, with a camera's noise: so it compresses as a real one does."""
    drawn = Image.open(io.BytesIO(drawn_reference(label, number))).convert("RGB").resize((96, 96))
    noise = np.random.default_rng(number).normal(0, 3, (96, 96, 3))
    return label, np.clip(np.asarray(drawn) + noise, 0, 255).astype(np.uint8)


def _cell(label: str, patch: np.ndarray, rng: np.random.Generator, outputs: int) -> Cell:
    sure, views = float(rng.uniform(0.55, 0.999)), np.full(outputs, 1 / outputs, np.float32)
    opinion = Opinion(label, sure, views, label, sure, views, 1)
    return Cell(Detection(48.0, 48.0, 6.0, 0.97), 4.8, 4.8, patch, opinion)


if __name__ == "__main__":
    main()
