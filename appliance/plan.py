"""What a run is asked to do: everything that, with the slide and the weights, decides its count."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from appliance.camera_source import FolderSource, SimulatedSource, parse_camera, parse_order
from appliance.errors import ApplianceRefused
from appliance.file_name import printable
from appliance.region_map import drawn_region
from appliance.rules import Overrides, Rules
from models.panel import Specimen, did_you_mean, load_panel

DETECTORS = ("network", "saliency")


@dataclass(frozen=True)
class Plan:
    """A run's order form.

    camera: "folder:/absolute/dir", "microscope" (the settings' own), "simulated" or "simulated:SEED".
    order: "natural" or "random:SEED".
    cells: a folder of real single cells that are blended into a simulated smear.
    region: corners (x, y, µm of the stage) of a region that a person drew, to count in instead of those found.
    at_reference: whether a person has put a stage without end switches at its reference, for this start alone.
    um_per_px: stated by a person; None where a calibration file or the images' metadata say it.
    um_per_px_source: where that person stated it ("command line", "settings").
    calibration: path of a calibration file, or the id of a calibration on record.
    qc: counted for quality control, and no result of a patient.
    reference, watched, me_formula: the laboratory's own for this specimen, as in `Overrides`.
    Raises ApplianceRefused for what no run can do.
    """

    camera: str
    order: str = "natural"
    cells: str | None = None
    region: Sequence[Sequence[float]] | None = None
    at_reference: bool = False
    um_per_px: float | None = None
    um_per_px_source: str = "stated"
    calibration: str | None = None
    panel: str = "smear-13"
    specimen: Specimen = Specimen.BLOOD
    min_cells: int = 300
    max_cells: int = 500
    detector: str = "network"
    merge_band_and_segmented: bool = False
    monocytes_in_me: bool = True
    qc: bool = False
    reference: Mapping[str, Sequence[float]] = field(default_factory=dict)
    watched: Mapping[str, Sequence[float]] = field(default_factory=dict)
    me_formula: str | None = None

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        _check_camera(self.camera)
        parse_order(self.order)
        _check_numbers(self)
        _check_kinds(self)
        _check_cells(self)
        _check_region(self)
        object.__setattr__(self, "specimen", _specimen(self.specimen))

    def rules(self) -> Rules:
        """Return the rules in force. Raises ModelRefused or ApplianceRefused where they do not fit."""
        return Rules.resolve(
            load_panel(self.panel),
            self.specimen,
            Overrides(
                merge_band_and_segmented=self.merge_band_and_segmented,
                monocytes_in_me=self.monocytes_in_me,
                reference=self.reference,
                watched=self.watched,
                me_formula=self.me_formula,
            ),
        )

    def to_json(self) -> str:
        """Return the plan as a JSON object."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Return the plan that `to_json` wrote. Raises ApplianceRefused for anything else."""
        try:
            table = json.loads(text)
        except ValueError as error:
            raise ApplianceRefused(f"This plan is not JSON ({error}).") from error
        return cls.from_table(table)

    @classmethod
    def from_table(cls, table: object) -> Plan:
        """Return the plan of a decoded JSON object. Raises ApplianceRefused for unknown or missing keys."""
        if not isinstance(table, dict):
            raise ApplianceRefused("A plan is a JSON object.")
        known = tuple(f.name for f in fields(cls))
        for key in table:
            if key not in known:
                raise ApplianceRefused(f'A plan has no key "{key}".{did_you_mean(str(key), known)}')
        if "camera" not in table:
            raise ApplianceRefused('A plan needs a camera: "folder:DIR", "microscope" or "simulated".')
        return cls(**table)


def _check_camera(camera: object) -> None:
    source = parse_camera(camera)
    if isinstance(source, FolderSource) and not source.folder.is_absolute():
        raise ApplianceRefused(
            f'The camera "{printable(str(camera))}" needs a folder with its whole path: folder:/DIR.'
        )


def _check_cells(plan: Plan) -> None:
    if plan.cells is not None and not isinstance(parse_camera(plan.camera), SimulatedSource):
        raise ApplianceRefused("Cells are blended into a simulated smear only. Leave them out.")


def _check_region(plan: Plan) -> None:
    if plan.region is None:
        return
    if isinstance(parse_camera(plan.camera), FolderSource):
        raise ApplianceRefused(
            "A region is drawn on a slide under a microscope, not on a folder. Leave it out."
        )
    drawn_region(plan.region)


def _check_numbers(plan: Plan) -> None:
    for name in ("min_cells", "max_cells"):
        value: object = getattr(plan, name)
        if type(value) is not int or value < 1:
            raise ApplianceRefused(f"{name} is {value}; it must be a whole number from 1.")
    if plan.min_cells > plan.max_cells:
        raise ApplianceRefused(
            f"min_cells ({plan.min_cells}) is more than max_cells ({plan.max_cells}). "
            f"Lower the one or raise the other."
        )
    scale: object = plan.um_per_px
    if scale is not None and not (
        isinstance(scale, int | float) and not isinstance(scale, bool) and math.isfinite(scale) and scale > 0
    ):
        raise ApplianceRefused(
            f"um_per_px is {scale}; it must be a positive number of micrometres per pixel."
        )


def _check_kinds(plan: Plan) -> None:
    if plan.detector not in DETECTORS:
        raise ApplianceRefused(
            f'There is no detector "{plan.detector}".{did_you_mean(str(plan.detector), DETECTORS)}'
        )
    for name in ("at_reference", "merge_band_and_segmented", "monocytes_in_me", "qc"):
        if not isinstance(getattr(plan, name), bool):
            raise ApplianceRefused(f"{name} must be true or false.")
    for name in ("calibration", "me_formula", "cells"):
        if not isinstance(getattr(plan, name), str | None):
            raise ApplianceRefused(f"{name} must be a text.")
    if not isinstance(plan.um_per_px_source, str):
        raise ApplianceRefused("um_per_px_source must be a text.")
    for name in ("reference", "watched"):
        table: Any = getattr(plan, name)
        if not isinstance(table, Mapping) or not all(isinstance(v, list | tuple) for v in table.values()):
            raise ApplianceRefused(f"{name} must give a list of numbers for each label.")
        object.__setattr__(plan, name, {key: tuple(value) for key, value in table.items()})
    if not isinstance(plan.panel, str):
        raise ApplianceRefused("panel must be the name of a panel.")


def _specimen(value: object) -> Specimen:
    try:
        return Specimen(str(value))
    except ValueError:
        names = tuple(Specimen)
        raise ApplianceRefused(f'There is no specimen "{value}".{did_you_mean(str(value), names)}') from None
