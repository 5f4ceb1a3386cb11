"""What an operator may choose to count: panels whose weights are here, whole, and fine enough for the camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.configured_plan import plan_from_config
from appliance.counting_scale import planned_scale
from appliance.errors import ApplianceError, ApplianceRefused
from calibration import CalibrationRefused
from models import ModelRefused
from models.card import BUNDLED, read_card
from models.cascade_file import COARSEST, bundled_recipe
from models.panel import Specimen, load_panel, panel_names

if TYPE_CHECKING:
    from appliance.config import Config


@dataclass(frozen=True, slots=True)
class Countable:
    """A panel and a specimen that it counts.

    own: whether the settings say so.  why_not: a sentence where it cannot be counted here; else empty.
    """

    panel: str
    title: str
    specimen: Specimen
    why_not: str
    own: bool


def countables(config: Config) -> Sequence[Countable]:
    """Return every bundled panel with each of its specimens: the settings' own first, then what can be counted.

    It opens no camera and loads no network: the instrument does both at the start, and has the last word.
    """
    um_per_px = _um_per_px(config)
    own = config.count.panel, Specimen(config.count.specimen)
    titles = {name: load_panel(name).title for name in panel_names()}
    pairs = {own, *((name, specimen) for name in titles for specimen in load_panel(name).specimens)}
    found = [
        Countable(
            name,
            titles.get(name, name),
            specimen,
            _why_not(config, name, specimen, um_per_px),
            (name, specimen) == own,
        )
        for name, specimen in sorted(pairs)
    ]
    return sorted(found, key=lambda one: (not one.own, one.panel != own[0], bool(one.why_not)))


def _um_per_px(config: Config) -> float | None:
    """The camera's scale, where it is known without opening it."""
    try:
        return planned_scale(plan_from_config(config), config).um_per_px
    except (ApplianceError, ApplianceRefused, CalibrationRefused):
        return None


def _why_not(config: Config, panel: str, specimen: Specimen, um_per_px: float | None) -> str:
    try:
        _refuse_unfit(panel, um_per_px)
        plan_from_config(config, panel=panel, specimen=str(specimen)).rules()
    except (ApplianceRefused, ModelRefused) as refusal:
        return str(refusal)
    return ""


def _refuse_unfit(panel: str, um_per_px: float | None) -> None:
    """Raise ModelRefused where a panel has no weights or damaged ones, or the camera is too coarse for them."""
    canonical = _canonical_um_per_px(panel, _files(BUNDLED))
    if um_per_px is not None and um_per_px > canonical * COARSEST + 1e-9:
        raise ModelRefused(
            f"The weights for {panel} were trained at {canonical:.2f} µm/px; this camera gives {um_per_px:.3g}, and "
            f"{canonical * COARSEST:.2f} is the most they can use. Use a higher magnification."
        )


def _files(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return the name, size and time of every file in a folder of weights: what changes where they do."""
    if not folder.is_dir():
        return ()
    stats = ((entry.name, entry.stat()) for entry in folder.iterdir())
    return tuple(sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats))


@lru_cache(maxsize=32)
def _canonical_um_per_px(panel: str, files: tuple[tuple[str, int, int], ...]) -> float:
    """Return the scale of a panel's weights, each of which is what its card describes and says what the panel knows.

    files: those that there are, as they are now: weights that are damaged or replaced later are read again.
    """
    recipe = bundled_recipe(panel, BUNDLED)
    whole = read_card(recipe.network, BUNDLED, named_in=f"{panel}.toml")
    others = [
        recipe.quantised,
        *(name for each in recipe.specialists for name in (each.network, each.quantised)),
    ]
    for network in filter(None, others):
        read_card(network, BUNDLED, named_in=f"{panel}.toml")
    for output in whole.outputs:
        load_panel(panel).final(output)
    return whole.um_per_px
