"""Where fields come from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from appliance.errors import ApplianceRefused
from appliance.frame import Frame, SkippedField
from calibration import Scale

if TYPE_CHECKING:
    from appliance.plan import Plan


class Camera(Protocol):
    """Fields in the order of a plan. One that cannot be had is a SkippedField, never left out."""

    @property
    def name(self) -> str:
        """What status and results call it."""

    @property
    def simulated(self) -> bool:
        """Whether its pictures are painted."""

    @property
    def scale(self) -> Scale:
        """The one scale of all its frames."""

    @property
    def planned(self) -> int | None:
        """How many fields the plan has; None where it has no end."""

    @property
    def digest(self) -> str:
        """Names all of its fields and their order: a count goes on only where it is the same."""

    def fields(self, first: int = 0) -> Iterator[Frame | SkippedField]:
        """Every field from number ``first`` on: the same ones in the same order on every call.

        Raises ApplianceError when the camera itself is lost.
        """

    def close(self) -> None:
        """Let go of what the camera holds. May be called twice."""


def open_camera(plan: Plan) -> Camera:
    """Return the camera that a plan names: ``folder:DIR`` or ``painted[:SEED]``.

    Raises ApplianceRefused or CalibrationRefused: no such camera, no image, no scale.
    """
    kind, _, rest = plan.camera.partition(":")
    if kind == "folder" and rest:
        return _folder_camera(Path(rest), plan)
    if kind == "painted" and (not rest or rest.isdecimal()):
        return _painted_smear(int(rest or 0), plan)
    raise ApplianceRefused(
        f'There is no camera "{plan.camera}". Give folder:DIR (images) or painted[:SEED] (a simulated smear).'
    )


def _painted_smear(seed: int, plan: Plan) -> Camera:
    from appliance.painted_smear import PaintedSmear

    camera = PaintedSmear(seed)
    painted = camera.scale.um_per_px
    if plan.um_per_px is not None and abs(plan.um_per_px - painted) > 1e-9:
        raise ApplianceRefused(
            f"A painted smear has {painted:g} µm/px, not {plan.um_per_px:g}. Leave the pixel size out."
        )
    return camera


def _folder_camera(folder: Path, plan: Plan) -> Camera:
    from appliance.folder_camera import FolderCamera

    if plan.um_per_px is not None:
        return FolderCamera(folder, plan.order, Scale.stated(plan.um_per_px))
    if plan.calibration is not None:
        from calibration.file import read_calibration

        calibration = read_calibration(Path(plan.calibration))
        return FolderCamera(folder, plan.order, calibration.scale, calibration.region)
    return FolderCamera(folder, plan.order)
