"""The pictures by which an engine is judged: a simulated smear from a fixed seed, and the laboratory's signed cells.

Drawn as the run's camera would see them: an engine is verified with frames of the size and scale that it will count.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from appliance.expected_frames import FrameSize
from appliance.review.case import open_case
from appliance.review.signature import Status, signatures
from appliance.simulator.instrument import OBJECTIVE, SETTING, counting_scale
from appliance.simulator.microscope import CellInFrame, Microscope
from appliance.simulator.mixture import LEFT_SHIFTED_BLOOD, MARROW_CHOI_10, blood
from appliance.simulator.smear import Smear
from appliance.simulator.trail import Trail
from appliance.simulator.view import View
from appliance.store import Store
from appliance.store_place import is_there
from models.card import BUNDLED, read_card
from models.cascade_file import bundled_recipe
from models.engines.reference_set import ReferenceCell, ReferenceSet
from models.panel import UNIDENTIFIED
from models.resample import to_scale
from models.views import HostPicture, centred

SEED = 2018
FIELDS = 24
SMEAR_UM = (6_000.0, 3_000.0)
WHITE_PER_MM2 = 1_800.0  # far more than in any patient: a field then has a dozen cells
ENOUGH_CELLS = 6  # in a field that is taken
OWN_CELLS = 100  # at most: each is shown as every symmetry shows it
DRAWN_SIZE = FrameSize(SETTING.width_px, SETTING.height_px, counting_scale().um_per_px)
"""Of the simulated camera: where nobody knows what the run's will give."""

SIGNED = (Status.FINAL, Status.AMENDED)


def reference_pictures(
    panel: str, frames: FrameSize = DRAWN_SIZE, own: Sequence[ReferenceCell] = (), count: int = FIELDS
) -> ReferenceSet:
    """Return the reference set of a panel: the same for the same frames and own cells.

    frames: what the run's will be.  own: the laboratory's own cells.  count: of fields.
    """
    card = read_card(bundled_recipe(panel, BUNDLED).network)
    fields, cells = [], list(own)
    for pixels, there in _fields(panel, frames, count):
        fields.append(pixels)
        canonical = HostPicture(
            to_scale(pixels, frames.um_per_px, card.um_per_px), int(card.setting("patch_px"))
        )
        across, down = canonical.width / frames.width, canonical.height / frames.height
        for each in there:
            at = (each.x_px * across, each.y_px * down)
            view = centred(*at, canonical.side, canonical.width, canonical.height)
            if view is not None:
                cells.append(ReferenceCell(canonical.patches([view])[0], each.cell.label))
    return ReferenceSet(tuple(fields), frames.um_per_px, tuple(cells), len(own))


def signed_cells(path: Path, panel: str, at_most: int = OWN_CELLS) -> list[ReferenceCell]:
    """Return cells of a laboratory's signed runs with the labels that were signed, of the newest runs first.

    path: of the store; without one there are none.  panel: of the runs.  Simulated runs are left out.
    """
    if not is_there(path):
        return []
    found: list[ReferenceCell] = []
    with closing(Store.read_only(path)) as store:
        for run in store.runs():
            if run.problem is not None or run.simulated:
                continue
            record = store.run(run.id)
            signed = [each for each in signatures(store, record.id) if each.status in SIGNED]
            if not signed or record.plan.panel != panel:
                continue
            for cell in open_case(store, record.id).until(signed[-1].after).cells:
                if len(found) == at_most:
                    return found
                label = None if cell.label == UNIDENTIFIED else cell.label
                found.append(ReferenceCell(_pixels(store.patch(cell.id)), label))
    return found


def _pixels(png: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"), np.uint8)


def _fields(
    panel: str, frames: FrameSize, count: int
) -> Iterator[tuple[NDArray[np.uint8], list[CellInFrame]]]:
    """Fields of the smear with enough cells in them, in reading order, and those cells, in the field's pixels."""
    shares = MARROW_CHOI_10 if panel == "marrow-choi-10" else LEFT_SHIFTED_BLOOD
    smear = Smear(SEED, blood(white_per_mm2=WHITE_PER_MM2, shares=shares, bubbles=0, clots=0), *SMEAR_UM)
    microscope, drawn_at = Microscope(smear, seed=SEED), DRAWN_SIZE.um_per_px
    width_um, height_um = frames.width * frames.um_per_px, frames.height * frames.um_per_px
    width, height = math.ceil(width_um / drawn_at), math.ceil(height_um / drawn_at)
    places = (
        (float(left), float(top))
        for top in np.arange(0.0, SMEAR_UM[1] - height_um, height_um)
        for left in np.arange(0.0, SMEAR_UM[0] - width_um, width_um)
    )
    for left, top in places:
        whole = [cell for cell in smear.truth(left, top, width_um, height_um) if cell.countable]
        if len(whole) < ENOUGH_CELLS:
            continue
        place = microscope.mount.stage_place(left + width * drawn_at / 2, top + height * drawn_at / 2)
        view = View(
            OBJECTIVE, Trail.still(place), width, height, SETTING.exposure_us, SETTING.gain, microscope.sensor.own_gains
        )  # fmt: skip
        pixels = to_scale(microscope.render(view), drawn_at, frames.um_per_px)
        larger = drawn_at / frames.um_per_px
        cells = [
            CellInFrame(each.cell, each.x_px * larger, each.y_px * larger, each.radius_px * larger)
            for each in microscope.truth(place, OBJECTIVE, width, height)
            if each.cell.countable
        ]
        yield np.ascontiguousarray(pixels[: frames.height, : frames.width]), cells
        count -= 1
        if not count:
            return
