"""The camera that sees the whole slide, guided: where it looks beside the objective, and at which height; on a smear.

The objective sees far less than one picture of that camera. So it looks at many neighbouring fields, which are laid
together on the stage's axes, and the whole is found in the other's picture.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.calibrating.looking import contrast_of, focused
from appliance.calibrating.mosaic import Mosaic, Tile
from appliance.calibrating.stage import BELOW_UM, SMEAR, on_detail
from appliance.calibrating.steps import Finding, GoTo, Known, Lay, Lens, Routine, Take, Tell
from calibration.errors import CalibrationRefused
from calibration.focus_checks import FEWEST_PAIRS, measure_focus_depth, measure_parfocal
from calibration.focus_curve import Sample
from calibration.lens_offset import LEAST_SIDE_PX, Look, measure_lens_offset
from calibration.measured import Measured
from calibration.record import Evidence
from calibration.stage_map import StageMap
from firmware_bridge.point import Point

FINER = 2  # than the camera's pixels is what is compared: registration goes between pixels
SPARE = 1.15  # of the least side that can be compared
MOST_FIELDS = 160
SHADE_PX = 20.0
APART_UM = (
    (0, 0),
    (400, 0),
    (0, 400),
    (-400, 0),
    (0, -400),
    (400, 400),
    (-400, -400),
    (400, -400),
    (-400, 400),
)
OFFSETS, HEIGHTS = 3, 21
OVERLAP = 0.9  # of what a turned field shows upright, from one to the next


def lenses(known: Known, found: StageMap, overview: Lens) -> Routine[Finding]:
    """Measure where the overview camera looks, from the objective's axis, and how much higher it is in focus.

    Raises CalibrationRefused where the objective sees too little of what it sees, or they share nothing.
    """
    yield Lay("smear", SMEAR)
    known, place = yield from on_detail(known)
    side_um = SPARE * LEAST_SIDE_PX * overview.um_per_px / FINER
    fields = _fields(known, place, found, side_um)
    yield Tell(
        f"Looking with both cameras at {OFFSETS} places; the objective takes {len(fields)} pictures of each."
    )
    pairs = []
    for dx_um, dy_um in APART_UM[:OFFSETS]:
        at = Point(place.x_um + dx_um, place.y_um + dy_um, place.z_um)
        coarse = yield from _coarse(known, at, overview)
        fine = yield from _fine(known, at, found, overview, side_um)
        pairs.append((around(coarse, fine), fine))
    offset = measure_lens_offset(pairs)
    values = {"overview_aside_x_um": offset.x, "overview_aside_y_um": offset.y}
    said = [
        f"The overview camera looks {offset.x} along x and {offset.y} along y from where the objective does."
    ]
    higher = yield from _higher(known, place, overview)
    if higher is None:
        said.append("It is in focus at every height that is safe here.")
    else:
        values["overview_parfocal_um"] = higher
        said.append(f"It is in focus {higher} higher than the objective.")
    yield GoTo(Point(place.x_um, place.y_um, known.heights.nearest(place.z_um - known.take_up_um).z_um))
    yield GoTo(place)
    return Finding(
        (*said, "Passed."),
        values,
        evidence=[
            Evidence.of("overview", "What the overview camera saw.", pairs[0][0].pixels),
            Evidence.of("overview_fields", "The same part, as the objective saw it.", pairs[0][1].pixels),
        ],
        settings={
            "[microscope.overview] aside_um": f"[{offset.x.value:.1f}, {offset.y.value:.1f}]",
        },
        place=place,
    )


def _fields(known: Known, middle: Point, found: StageMap, side_um: float) -> list[Point]:
    """Return where the objective looks to see a square whole, each row upward along x, rows upward along y."""
    width, height = known.setting.width_px, known.setting.height_px
    across = np.abs(found.matrix)
    # The largest upright rectangle, shaped as a picture, that a turned picture shows whole.
    share = min(
        width / (across[0, 0] * width + across[0, 1] * height),
        height / (across[1, 0] * width + across[1, 1] * height),
    )
    columns, rows = (math.ceil(side_um / (OVERLAP * share * px)) for px in (width, height))
    if columns * rows > MOST_FIELDS:
        raise CalibrationRefused(
            f"The objective sees so little of the overview camera's picture that it takes {columns * rows} fields to "
            f"compare both, and {MOST_FIELDS} are the most. Calibrate without that camera (--no-overview), and give "
            "[microscope.overview] aside_um by hand."
        )
    xs, ys = (
        [(n - (count - 1) / 2) * OVERLAP * share * px for n in range(count)]
        for count, px in ((columns, width), (rows, height))
    )
    return [Point(middle.x_um + x, middle.y_um + y, middle.z_um) for y in ys for x in xs]


def _fine(known: Known, at: Point, found: StageMap, overview: Lens, side_um: float) -> Routine[Look]:
    """Lay together what the objective sees of a square."""
    mosaic = Mosaic(at, side_um, overview.um_per_px / FINER, found.matrix)
    row_um: float | None = None
    for place in _fields(known, at, found, side_um):
        if place.y_um != row_um:
            below = -BELOW_UM if row_um is None else 0.0
            yield GoTo(Point(place.x_um - BELOW_UM, place.y_um + below, place.z_um))
            row_um = place.y_um
        there: Point = yield GoTo(place)
        mosaic.add(Tile.of((yield Take()).pixels, there, mosaic.um_per_px / known.um_per_px))
    return mosaic.look()


def _coarse(known: Known, at: Point, overview: Lens) -> Routine[Look]:
    """What the overview camera sees where it is believed to look at a place."""
    x_um, y_um = at.x_um - overview.aside_um[0], at.y_um - overview.aside_um[1]
    yield GoTo(Point(x_um - BELOW_UM, y_um - BELOW_UM, at.z_um))
    there: Point = yield GoTo(Point(x_um, y_um, at.z_um))
    pixels: NDArray[np.uint8] = (yield Take(overview=True)).pixels
    finer = np.asarray(cv2.resize(pixels, None, fx=FINER, fy=FINER, interpolation=cv2.INTER_CUBIC), np.uint8)
    return Look(finer, there.x_um, there.y_um, np.eye(2) * FINER / overview.um_per_px)


def around(coarse: Look, fine: Look) -> Look:
    """Return the part of a picture that shows what another does, as if the stage had stood for it; both upright.

    By normalised correlation: it need not be in the middle, only in the picture.
    """
    height, width = fine.pixels.shape[:2]
    if height > coarse.pixels.shape[0] or width > coarse.pixels.shape[1]:
        return coarse
    score = cv2.matchTemplate(_detail(coarse), _detail(fine), cv2.TM_CCOEFF_NORMED)
    top, left = (int(each) for each in np.unravel_index(int(score.argmax()), score.shape))
    rows, columns = coarse.pixels.shape[:2]
    x_px, y_px = left + (width - columns) / 2, top + (height - rows) / 2
    return Look(
        coarse.pixels[top : top + height, left : left + width],
        coarse.x_um + x_px * coarse.um_per_px,
        coarse.y_um + y_px * coarse.um_per_px,
        coarse.matrix,
    )


def _detail(look: Look) -> NDArray[np.float32]:
    """A picture without what changes slowly: light and shading."""
    light = look.pixels[..., 1].astype(np.float32)
    return np.asarray(light - cv2.GaussianBlur(light, (0, 0), SHADE_PX), dtype=np.float32)


def _higher(known: Known, place: Point, overview: Lens) -> Routine[Measured | None]:
    """How much higher the stage stands when the overview camera is in focus; None where that makes no difference."""
    first = yield from _overview_peak(known, place, overview)
    if first is None:
        return None
    yield Tell("Focusing with both.")
    objective: list[float] = []
    camera: list[float] = []
    for dx_um, dy_um in APART_UM:
        try:
            at = yield from focused(known, Point(place.x_um + dx_um, place.y_um + dy_um, place.z_um))
        except CalibrationRefused as refusal:
            yield Tell(f"Not here: {refusal}")
            continue
        peak = yield from _overview_peak(known, at, overview)
        if peak is not None:
            objective.append(at.z_um)
            camera.append(peak)
        if len(camera) == FEWEST_PAIRS:
            break
    return measure_parfocal(objective, camera).offset


def _overview_peak(known: Known, at: Point, overview: Lens) -> Routine[float | None]:
    """The height at which the overview camera is in focus, looked for over all heights that are safe."""
    x_um, y_um = at.x_um - overview.aside_um[0], at.y_um - overview.aside_um[1]
    low = known.heights.lowest_um + known.take_up_um
    yield GoTo(Point(x_um, y_um, known.heights.lowest_um))
    samples = []
    for z_um in np.linspace(low, known.heights.highest_um, HEIGHTS):
        there: Point = yield GoTo(Point(x_um, y_um, known.heights.nearest(float(z_um)).z_um))
        samples.append(Sample(there.z_um, contrast_of((yield Take(overview=True)), overview.um_per_px)))
    try:
        return measure_focus_depth(samples).peak.value
    except CalibrationRefused:
        return None
