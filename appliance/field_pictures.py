"""The pictures of the fields that were counted: in the store with the field, and gone after seven days.

For whoever reviews a count, goes over a quality control, or labels cells. A picture is 1,400 px wide at most and no
finer than the networks look: a person sees cells as well in it as in the frame.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.errors import ApplianceError, ApplianceRefused
from appliance.store_file import iso

if TYPE_CHECKING:
    from appliance.store import Store

FINEST_UM_PER_PX = 0.20
WIDEST_PX = 1400
QUALITY = 90  # of a JPEG
KEPT = timedelta(days=7)


def picture_of(pixels: NDArray[np.uint8], um_per_px: float) -> bytes:
    """Return the JPEG of a frame for a person to go over. pixels: uint8, H×W×3, RGB.

    Raises ApplianceError where it cannot be made.
    """
    height, width = pixels.shape[:2]
    share = min(1.0, WIDEST_PX / width, um_per_px / FINEST_UM_PER_PX)
    if share < 1.0:
        size = max(1, round(width * share)), max(1, round(height * share))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    made, data = cv2.imencode(
        ".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    )
    if not made:
        raise ApplianceError("The field's picture could not be made.")
    return data.tobytes()


class FieldPictures:
    """The pictures in a store; what reads works on one that was opened read-only too."""

    def __init__(self, store: Store) -> None:
        """Read and write there, in the thread to which the store belongs."""
        self._store = store

    def keep(self, run: str, number: int, jpeg: bytes, at: datetime) -> None:
        """Put the picture of a field on record, which was committed in the same `atomic`."""
        (field,) = self._store.rows("SELECT id FROM fields WHERE run = ? AND number = ?", run, number)
        with self._store.atomic():
            self._store.insert(
                "field_pictures", {"field": field["id"], "run": run, "jpeg": jpeg, "at": iso(at)}
            )

    def picture(self, run: str, number: int) -> bytes:
        """Return the JPEG of a field. number: its place in the plan. Raises ApplianceRefused where there is none."""
        rows = self._store.rows(
            "SELECT jpeg FROM field_pictures JOIN fields ON fields.id = field_pictures.field "
            "WHERE fields.run = ? AND fields.number = ?",
            run,
            number,
        )
        if not rows:
            raise ApplianceRefused(f"There is no picture of field {number} of the count {run}.")
        return bytes(rows[0]["jpeg"])

    def numbers(self, run: str) -> list[int]:
        """Return the fields that have a picture, in the plan's order."""
        rows = self._store.rows(
            "SELECT fields.number FROM field_pictures JOIN fields ON fields.id = field_pictures.field "
            "WHERE field_pictures.run = ? ORDER BY fields.number",
            run,
        )
        return [row["number"] for row in rows]

    def runs(self) -> list[str]:
        """Return the counts that have pictures, the newest first."""
        rows = self._store.rows(
            "SELECT run FROM field_pictures GROUP BY run ORDER BY max(field) DESC",
        )
        return [row["run"] for row in rows]

    def forget(self, run: str) -> None:
        """Delete the pictures of a count."""
        with self._store.atomic():
            self._store.db.conn.execute("DELETE FROM field_pictures WHERE run = ?", (run,))

    def forget_old(self, now: datetime) -> None:
        """Delete every picture that was kept for longer than seven days."""
        with self._store.atomic():
            self._store.db.conn.execute("DELETE FROM field_pictures WHERE at < ?", (iso(now - KEPT),))
