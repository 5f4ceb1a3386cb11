"""What was found in a field, where a page draws it over the field's picture."""

from __future__ import annotations

from typing import Any

from flask import abort

from appliance.store import Store
from appliance.store_records import RunRecord


def field_finds(store: Store, run: RunRecord, number: int, *, blind: bool = False) -> dict[str, Any]:
    """Return a field's size and its cells, in px of the frame: centre, radius and label.

    blind: for somebody who must not see labels now.
    """
    rows = store.rows(
        "SELECT id, width, height FROM fields WHERE run = ? AND number = ? AND skipped IS NULL",
        run.id,
        number,
    )
    if not rows:
        abort(404, f"Field {number} of this run was not counted.")
    cells = store.rows(
        "SELECT id, x, y, radius_um, label FROM cells WHERE field = ? ORDER BY id", rows[0]["id"]
    )
    return {
        "number": number,
        "width": rows[0]["width"],
        "height": rows[0]["height"],
        "cells": [
            {
                "cell": cell["id"],
                "x": round(cell["x"], 1),
                "y": round(cell["y"], 1),
                "radius": round(cell["radius_um"] / run.scale.um_per_px, 1),
                "label": None if blind else cell["label"],
            }
            for cell in cells
        ],
    }
