"""A small instrument that speaks the real channel over a real socket and says what a test tells it to say."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from builders_people import belongs_to, cookie_at
from PIL import Image

from appliance.broadcast import Broadcast
from appliance.channel import ChannelServer
from appliance.channel_client import InstrumentClient
from appliance.config import Config
from appliance.errors import ApplianceRefused
from appliance.field_source import SlideSurvey
from appliance.frame import Frame, Point, SkippedField
from appliance.plan import Plan
from appliance.region_map import FoundRegion, RegionMap, Tiles
from appliance.rules import Overrides, Rules
from appliance.service_desk import DESK, at_desk
from appliance.store import Store
from appliance.store_lock import is_held
from appliance.tally import Tally
from appliance.view import RunFacts, cell_view, field_view, run_view
from calibration import Scale
from models.cells import Cell, Detection, Opinion
from models.panel import Specimen, load_panel
from web.app import create_app
from web.hub import Hub
from web.server import make_server

BLOOD = {
    "segmented_neutrophil": 0.52, "band_neutrophil": 0.06, "lymphocyte": 0.27, "monocyte": 0.08,
    "eosinophil": 0.03, "basophil": 0.01, "metamyelocyte": 0.015, "erythroblast": 0.015,
}  # fmt: skip


def instrument_view(**changes: Any) -> dict[str, Any]:
    return {
        "engine": "ONNX Runtime 1.22, CPU", "weights": "smear-13 v1 (3f9c2ab1)", "camera": "folder: smear",
        "simulated": False, "calibration": "command line: 0.1 µm/px", "version": "0.1.0",
        "can_start": True, "why_not": None, "run": None, **changes,
    }  # fmt: skip


def counted(total: int, unidentified: int = 4, specimen: str = "blood", panel: str = "smear-13") -> Tally:
    """A tally of about ``total`` cells that count, with a few of everything else."""
    rules = Rules.resolve(load_panel(panel), Specimen(specimen), Overrides())
    names = [name for name, share in BLOOD.items() for _ in range(round(total * share))]
    names += ["platelet"] * 12 + ["artefact"] * 5 + ["unidentified"] * unidentified
    return Tally(rules).adding([*names, None, None])


def cells(first: int, labels: list[str], tally: Tally, views: int = 1) -> list[dict[str, Any]]:
    """Cells as a change carries them, oldest first."""
    return [
        dict(cell_view(first + n, label, 0.42 if label == "unidentified" else 0.97, views, tally))
        for n, label in enumerate(labels)
    ]


def a_run(state: str = "counting", tally: Tally | None = None, run: str = "c0ffee00", **changes: Any) -> Any:
    tally = tally if tally is not None else counted(200)
    facts = {
        "run": run, "state": state, "reason": None,
        "ended": state in ("completed", "insufficient", "stopped", "failed"),
        "min_cells": 300, "max_cells": 500, "aim": 300,
        "engine": "ONNX Runtime 1.22, CPU", "weights": "smear-13 v1 (3f9c2ab1)", "um_per_px": 0.1,
        "calibration": "command line: 0.1 µm/px", "simulated": False, "camera": "folder: smear",
        "fields_counted": 41, "fields_planned": 292, "skipped": {"cut short": 1},
        "started": "2026-03-02T14:03:12+00:00", "version": "0.1.0", **changes,
    }  # fmt: skip
    latest = facts.pop("latest", [])
    return dict(run_view(RunFacts(**facts), tally, latest))


class FakeInstrument:
    """Serves the channel at ``path``; ``asked`` is what it was asked for, beside status."""

    def __init__(self, path: Path, run: Any = None, store: Path | None = None, **changes: Any) -> None:
        """store: where it puts on record what it is asked to (`DESK`); otherwise it only remembers being asked."""
        self.store = store
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.refusal: str | None = None
        self.silent = threading.Event()
        self.view = instrument_view(**changes)
        self.run = run
        self.broadcast = Broadcast(self._snapshot())
        self.channel = ChannelServer(path)
        self.channel.serve(self.broadcast, self._answer)

    def shows(self, run: Any, new: list[dict[str, Any]] | None = None, **changes: Any) -> None:
        """Tell everyone of a change of the run, or of its first appearance."""
        self.view = {**self.view, **changes}
        self.run = run
        bare = {key: value for key, value in run.items() if key != "latest"}
        change = {"event": "run", "instrument": self.view, "run": bare, "cells": new or []}
        self.broadcast.publish(change, self._snapshot())

    def dies(self) -> None:
        self.broadcast.close()
        self.channel.close()

    def _snapshot(self) -> dict[str, Any]:
        return {"event": "snapshot", "instrument": self.view, "run": self.run}

    def _answer(self, ask: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if ask == "status":
            return dict(self.broadcast.snapshot())
        if self.refusal:
            raise ApplianceRefused(self.refusal)
        self.asked.append((ask, arguments))
        if self.store is not None and ask in DESK:
            with Store(self.store) as opened:
                return at_desk(opened, ask, arguments)
        return {"run": "c0ffee00"}


def settings(folder: Path, count: Any = None, **web: Any) -> Config:
    """A configuration whose store and socket are in ``folder`` and whose camera is simulated."""
    return Config(
        store={"path": folder / "hemadiff.sqlite"},
        instrument={"socket": folder / "i.sock"},
        camera={"source": "simulated"},
        count=count or {},
        web=web,
    )


def a_stored_cell(path: Path) -> tuple[int, Any]:
    """A store of one run, one field and one cell: the cell's number and its patch."""
    opinion = Opinion("lymphocyte", 0.97, np.float32([0.97]), "lymphocyte", 0.97, np.float32([0.97]), 1)
    patch = np.random.default_rng(1).integers(0, 255, (96, 96, 3), np.uint8)
    frame = Frame(
        0, "a.png", np.zeros((99, 99, 3), np.uint8), Point(0, 0), 0, None, None, Scale.stated(0.1).id
    )
    with Store(path) as store:
        now = datetime.now(UTC)
        plan = Plan(camera="simulated")
        store.create_run("c0ffee00", plan, Scale.stated(0.1), "CPU", "smear-13", True, None, now, digest="")
        cell = Cell(Detection(48, 48, 6.0, 0.9), 4.8, 4.8, patch, opinion)
        (number,) = store.commit_field(
            "c0ffee00", frame, [cell], Tally(plan.rules()).adding(["lymphocyte"]), now
        )
    return number, patch


SLIDE_AT = Point(5000.0, 4000.0)
FIELD_UM = 140.0, 100.0


def a_surveyed_slide() -> SlideSurvey:
    """A slide of 20 × 10 mm, its corner at `SLIDE_AT` of the stage, with two regions to count in."""
    tiles = Tiles(SLIDE_AT.x_um, SLIDE_AT.y_um, 250.0)
    regions = (
        FoundRegion("trail of a marrow particle", tiles, tuple((row, 40, 63) for row in range(10, 22))),
        FoundRegion("many nucleated cells", tiles, tuple((row, 20, 29) for row in range(24, 30))),
    )
    rows = tuple("." * 10 + "T" * 10 + "g" * 50 + "f" * 10 for _ in range(40))
    found = RegionMap(tiles, rows, regions, "overview at 25 µm/px", ("A remark on this slide.",))
    y, x = np.mgrid[0:400, 0:800]
    smear = np.stack([235 - 40 * np.exp(-((x - 300) ** 2 + (y - 200) ** 2) / 6e4)] * 3, axis=-1)
    jpeg = io.BytesIO()
    Image.fromarray(smear.astype(np.uint8)).save(jpeg, "JPEG")
    return SlideSurvey(found.to_json(), jpeg.getvalue(), SLIDE_AT.x_um, SLIDE_AT.y_um, 25.0)


def on_slide(number: int, skipped: str | None = None) -> dict[str, Any]:
    """The field of that number, fifteen a row, in the first region of `a_surveyed_slide`."""
    row, column = divmod(number, 15)
    place = Point(15_100.0 + column * FIELD_UM[0], 6_600.0 + row * FIELD_UM[1])
    return dict(field_view(number, place, None if skipped else FIELD_UM, skipped))


def put_field(store: Store, field: dict[str, Any], tally: Tally, run: str = "c0ffee00") -> None:
    """Put a field of a slide on record, without cells."""
    place, now = Point(field["x_um"], field["y_um"]), datetime.now(UTC)
    if field["skipped"]:
        skip = SkippedField(field["number"], "field", field["skipped"], "It was skipped.", place)
        store.commit_skip(run, skip, now)
    else:
        size = round(FIELD_UM[1] / 0.1), round(FIELD_UM[0] / 0.1)
        pixels = np.broadcast_to(np.uint8(0), (*size, 3))
        frame = Frame(field["number"], "field", pixels, place, 0, None, None, Scale.stated(0.1).id)
        store.commit_field(run, frame, [], tally, now)


def a_stored_slide(path: Path, fields: list[dict[str, Any]], survey: SlideSurvey | None = None) -> None:
    """A store of one run on a slide, with these fields on record."""
    with Store(path) as store:
        now, plan = datetime.now(UTC), Plan(camera="simulated", specimen="blood")
        store.create_run(
            "c0ffee00", plan, Scale.stated(0.1), "CPU", "smear-13", True, None, now, digest="",
            record_number="H-1234",
        )  # fmt: skip
        store.set_ready("c0ffee00", 292, survey or a_surveyed_slide(), now)
        for field in fields:
            put_field(store, field, Tally(plan.rules()))


@contextlib.contextmanager
def served(config: Any, hub: Hub | None = None, viewers: int = 96, port: int = 0) -> Iterator[str]:
    """Serve the page as the product does, on a port of its own unless one is given; yield its address."""
    hub = hub or a_hub(config)
    hub.start()
    app = create_app(config, hub)
    server = make_server(app, "127.0.0.1", port, viewers)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.effective_port}"
        belongs_to(address, config.store.path)
        yield address
    finally:
        hub.close()
        server.task_dispatcher.shutdown(timeout=5)  # type: ignore[attr-defined]
        server.close()
        for channel in list(server.active_channels.values()):  # as when the process ends
            channel.handle_close()
        thread.join(10)  # until then its poll keeps the address taken


@contextlib.contextmanager
def hemadiff_serve(folder: Path, *arguments: str, **environment: str) -> Iterator[tuple[str, Any]]:
    """``hemadiff serve`` as a process, its store in ``folder``; yield the page's address and the process."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("HEMADIFF_")}
    env |= {
        "HEMADIFF_STORE__PATH": str(folder / "s.sqlite"),
        "HEMADIFF_SIMULATOR__RATE": "20",
        "PYTHONUNBUFFERED": "1",
        **environment,
    }
    command = [
        sys.executable,
        "-c",
        "from appliance.cli import main; main()",
        "serve",
        "--port",
        "0",
        *arguments,
    ]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            line = process.stdout.readline()
            address = re.search(r"http://[^ ]+", line)
            assert address, f"no address: {line}{(folder / 'log').read_text()}"
            belongs_to(address.group().rstrip("/"), folder / "s.sqlite")
            yield address.group().rstrip("/"), process
        finally:
            process.terminate()
            process.wait(timeout=30)


def instrument_pid(folder: Path) -> int | None:
    """The process that holds the store's lock."""
    if not is_held(folder / "s.sqlite.lock"):
        return None
    return int((folder / "s.sqlite.lock").read_text())


def a_hub(config: Any, **changes: Any) -> Hub:
    client = InstrumentClient(config.socket_path)
    return Hub(client.follow, client.status, **changes)


def read_json(address: str) -> Any:
    """What a page says to somebody who has signed in."""
    request = urllib.request.Request(address, headers={"Cookie": f"hemadiff={cookie_at(address)}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def until(true: Callable[[], Any], what: str, within_s: float = 120) -> Any:
    """Wait for something that has no event to wait for; fail by its name when it never comes."""
    end, pause_s = time.monotonic() + within_s, 0.005
    while not (value := true()):
        if time.monotonic() > end:
            raise AssertionError(f"This never happened: {what}.")
        time.sleep(pause_s)
        pause_s = min(1.5 * pause_s, 0.2)  # whoever waits long does not keep busy who is waited for
    return value
