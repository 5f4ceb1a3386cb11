"""Sets to label: small fields with drawn cells, and people who label them."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from builders_store import at

from appliance.labelling.pictures import crop_png
from appliance.labelling.sets import LabelSets
from appliance.patches import to_png
from appliance.service_desk import DESK
from appliance.store import Store

WIDTH, HEIGHT, UM_PER_PX = 800, 600, 0.1
PLACES = ((200, 200), (600, 200), (400, 420))


@cache
def a_field(seed: int = 0, places: tuple[tuple[int, int], ...] = PLACES) -> bytes:
    """A PNG with a violet disc for each cell; seed: each has a ground of its own."""
    pixels = np.full((HEIGHT, WIDTH, 3), (244, 232, 226), np.uint8)
    pixels[:8, :8, 0] = seed
    for place in places:
        cv2.circle(pixels, place, 60, (196, 170, 214), -1)
        cv2.circle(pixels, place, 34, (92, 46, 140), -1)
    return to_png(pixels)


def labelling_store(path: Path) -> Store:
    store = Store(path)
    store.db.conn.execute("PRAGMA synchronous = OFF")  # no power cut here, and many small transactions
    return store


def asked(store: Store, what: str, seconds: float = 0, by: str = "anna", **arguments: Any) -> dict[str, Any]:
    """Ask as the instrument's writer thread does."""
    return DESK[what](store, at(seconds), by=by, **arguments)


def a_set(
    store: Store, name: str = "Marrow 2026", wanted: int = 2, specimen: str = "blood", **changes: Any
) -> str:
    said = {"panel": "smear-13", "labels": ["plasma_cell"], **changes}
    return str(asked(store, "make_label_set", name=name, specimen=specimen, wanted=wanted, **said)["set"])


def with_field(store: Store, set_id: str, seed: int = 0, smear: str = "1") -> int:
    picture = b64encode(a_field(seed)).decode()
    said = {"set": set_id, "picture": picture, "um_per_px": UM_PER_PX, "smear": smear}
    return int(asked(store, "add_label_field", **said)["field"])


def said_of(
    store: Store, field: int, by: str, labels: dict[tuple[int, int], str | None], finish: bool = True
) -> None:
    """Let somebody label a field: a label for each place."""
    for (x, y), label in labels.items():
        marked(store, field, by, x, y, label)
    if finish:
        asked(store, "finish_label_field", by=by, field=field, seconds=10)


def marked(store: Store, field: int, by: str, x: float, y: float, label: str | None) -> None:
    crop = b64encode(crop_png(LabelSets(store).picture(field), UM_PER_PX, x, y)).decode()
    asked(store, "mark_label_cell", by=by, field=field, x=x, y=y, label=label, crop=crop)


def settled_field(store: Store, set_id: str, seed: int = 0, smear: str = "1", **labels: str) -> int:
    """A field that two people agree on: a lymphocyte, a monocyte and a plasma cell."""
    field = with_field(store, set_id, seed, smear)
    said = dict(zip(PLACES, ("lymphocyte", "monocyte", "plasma_cell"), strict=True))
    said_of(store, field, "anna", dict(said))
    said_of(store, field, "ben", dict(said))
    return field
