"""The plan that the settings describe, with what a command says beside them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from appliance.camera_source import MICROSCOPE, FolderSource, SimulatedSource, is_sensor, parse_camera
from appliance.counting_scale import planned_scale
from appliance.errors import ApplianceRefused
from appliance.plan import Plan
from calibration import CalibrationRefused
from models import ModelRefused

if TYPE_CHECKING:
    from appliance.config import CameraSection, Config


def plan_from_config(config: Config, **said: Any) -> Plan:
    """Return the plan of a run.

    said: fields of `Plan`; one that is None leaves the settings in force. A scale or a calibration that was said
    takes the place of either in the settings. A simulated microscope has its own scale and order, whatever the
    settings say. Raises ApplianceRefused where no camera is set, or no run can do this.
    """
    said = {key: value for key, value in said.items() if value is not None}
    camera, count = config.camera, config.count
    source = said.pop("camera", camera.source)
    if source is None:
        raise ApplianceRefused(
            "No camera is set. Give [camera] source in the settings, or hemadiff count --camera folder:DIR."
        )
    if is_sensor(source):
        if source != camera.source:  # how it is locked, and the stage, stand in the settings
            raise ApplianceRefused(
                f'The camera of a microscope is set in the settings: give [camera] source = "{source}" there, with the '
                "[stage] and the [microscope], and leave --camera out."
            )
        source = MICROSCOPE
    elif source == MICROSCOPE and not (camera.source and is_sensor(camera.source)):
        raise ApplianceRefused(
            "The microscope's camera is not set. Give [camera] source in the settings, as in picamera2."
        )
    specimen = said.pop("specimen", count.specimen)
    laboratory = config.laboratory.marrow if specimen == "marrow" else config.laboratory.blood
    settings: dict[str, Any] = {
        **_camera_settings(camera, source, said),
        **{name: getattr(count, name) for name in COUNT if name != "specimen"},
        "reference": laboratory.reference,
        "watched": laboratory.watched,
        "me_formula": getattr(laboratory, "me_formula", None),
        **(_for_qc(config.qc.cells, said) if said.get("qc") else {}),
    }
    return Plan(camera=_whole_path(source), specimen=specimen, **{**settings, **said})


QC_SPARE = 10  # one cell more for so many that a control needs: some finds are no cells
COUNT = (
    "panel",
    "specimen",
    "min_cells",
    "max_cells",
    "detector",
    "merge_band_and_segmented",
    "monocytes_in_me",
)


def _for_qc(cells: int, said: Mapping[str, Any]) -> dict[str, int]:
    """Return how many cells a count for quality control aims at, where nobody says so."""
    aim = max(cells + math.ceil(cells / QC_SPARE), said.get("min_cells", 0))
    aim = min(aim, said.get("max_cells", aim))
    return {"min_cells": aim, "max_cells": aim}


def _camera_settings(camera: CameraSection, source: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the settings say of scale and order, as far as it is in force; and who says the scale."""
    simulated = isinstance(parse_camera(source), SimulatedSource)
    scale: dict[str, Any] = {}
    if "um_per_px" in said:
        scale["um_per_px_source"] = "command line"
    elif "calibration" in said or simulated:
        pass
    elif camera.um_per_px is not None:
        scale = {"um_per_px": camera.um_per_px, "um_per_px_source": "settings"}
    elif camera.calibration is not None:
        scale["calibration"] = str(camera.calibration.resolve())
    return scale if simulated else {"order": camera.order, **scale}


def _whole_path(camera: str) -> str:
    """A run may be resumed from anywhere, so its folder is on record with its whole path."""
    source = parse_camera(camera)
    return f"folder:{source.folder.expanduser().resolve()}" if isinstance(source, FolderSource) else camera


def plan_or_why_not(configured: Callable[[], Plan]) -> tuple[Plan | None, str | None]:
    """Return the plan of the settings, or why they give none. configured: gives it, or raises the refusal."""
    try:
        plan = configured()
        plan.rules()
        planned_scale(plan)
    except (ApplianceRefused, CalibrationRefused, ModelRefused) as refusal:
        return None, str(refusal)
    return plan, None
