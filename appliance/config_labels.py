"""The labels that a laboratory's settings name, checked when they are read and not only when a count begins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from appliance.rules import known_ranges, known_watched
from models.errors import ModelRefused
from models.panel import Specimen, did_you_mean, load_panel, panel_names

if TYPE_CHECKING:
    from appliance.config import Config
    from appliance.config_sources import Key


def unknown_labels(config: Config) -> Iterator[tuple[Key, str]]:
    """Every key of [laboratory.*.reference] and [laboratory.*.watched] that no panel has, with what is wrong.

    The nearest name is one of the [count] panel. A label of another panel is not refused here: a command may
    choose that panel, and a count that does not is refused when it begins.
    """
    for specimen in Specimen:
        own = config.laboratory.marrow if specimen is Specimen.MARROW else config.laboratory.blood
        for table, names, known_in in (
            ("reference", own.reference, known_ranges),
            ("watched", own.watched, known_watched),
        ):
            for name in names:
                if any(name in known_in(load_panel(panel), specimen) for panel in panel_names()):
                    continue
                try:
                    meant = did_you_mean(name, known_in(load_panel(config.count.panel), specimen))
                except ModelRefused:
                    meant = ""  # the panel is refused by name when a count begins
                where = f"[laboratory.{specimen}.{table}]"
                yield ("laboratory", specimen.value, table, name), f'{where} has no label "{name}".{meant}'
