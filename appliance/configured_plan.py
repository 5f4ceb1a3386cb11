"""The plan that the settings describe, with what a command says beside them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.errors import ApplianceRefused
from appliance.plan import Plan

if TYPE_CHECKING:
    from appliance.config import Config


def plan_from_config(config: Config, **said: Any) -> Plan:
    """Return the plan of a run.

    said: fields of `Plan`; one that is None leaves the settings in force. A scale that was said takes the place
    of a calibration in the settings. Raises ApplianceRefused where no camera is set, or no run can do this.
    """
    said = {key: value for key, value in said.items() if value is not None}
    camera, count = config.camera, config.count
    source = said.pop("camera", camera.source)
    if source is None:
        raise ApplianceRefused(
            "No camera is set. Give [camera] source in the settings, or hemadiff count --camera folder:DIR."
        )
    specimen = said.pop("specimen", count.specimen)
    laboratory = config.laboratory.marrow if specimen == "marrow" else config.laboratory.blood
    settings: dict[str, Any] = {
        "order": camera.order,
        "um_per_px": camera.um_per_px,
        "calibration": None if camera.calibration is None else str(camera.calibration.resolve()),
        **{name: getattr(count, name) for name in COUNT if name != "specimen"},
        "reference": laboratory.reference,
        "watched": laboratory.watched,
        "me_formula": getattr(laboratory, "me_formula", None),
    }
    if "um_per_px" in said or settings["um_per_px"] is not None:
        settings["calibration"] = None
    return Plan(camera=_whole_path(source), specimen=specimen, **{**settings, **said})


COUNT = (
    "panel",
    "specimen",
    "min_cells",
    "max_cells",
    "detector",
    "merge_band_and_segmented",
    "monocytes_in_me",
)


def _whole_path(camera: str) -> str:
    """A run may be resumed from anywhere, so its folder is on record with its whole path."""
    kind, _, folder = camera.partition(":")
    if kind == "folder" and folder:
        return f"folder:{Path(folder).expanduser().resolve()}"
    return camera
