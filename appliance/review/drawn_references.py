"""Drawn cells to compare with, until a laboratory has signed cells of its own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from appliance.errors import ApplianceRefused
from appliance.patches import to_png
from appliance.simulator.grain import Grain
from appliance.simulator.looks import LOOKS
from appliance.simulator.sprites import DRAWN_UM_PER_PX, put
from appliance.simulator.white_cells import DrawnCells

DRAWN = 6
"""How many of each label there are."""
GLASS = (240, 233, 238)
SIDE_PX = 192  # 19.2 µm, as wide as a cell's patch
SEED = 13
OTHER_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "neutrophil": ("segmented_neutrophil", "band_neutrophil"),
        "immature_granulocyte": ("metamyelocyte", "myelocyte", "promyelocyte"),
        "nrbc": ("erythroblast",),
        "proerythroblast": ("pronormoblast",),
        "basophilic_erythroblast": ("basophilic_normoblast",),
        "polychromatic_erythroblast": ("polychromatic_normoblast",),
        "orthochromatic_erythroblast": ("orthochromatic_normoblast",),
        "smudge": ("smudge_cell",),
    }
)
"""Labels of panels that are drawn under another name, or by turns under several."""


def drawn_count(label: str) -> int:
    """Return how many drawings of a label there are; 0 of one that nobody drew."""
    return DRAWN if label in LOOKS or label in OTHER_NAMES else 0


@lru_cache(maxsize=256)
def drawn_reference(label: str, number: int) -> bytes:
    """Return a drawing as a PNG of 192×192 px, 19.2 µm wide. number: from 0.

    Raises ApplianceRefused where there is none.
    """
    if not 0 <= number < drawn_count(label):
        raise ApplianceRefused(f'There is no drawing {number} of a cell "{label}".')
    names = OTHER_NAMES.get(label, (label,))
    name, variant = names[number % len(names)], number // len(names)
    light = np.ones((SIDE_PX, SIDE_PX, 3), np.float32)
    put(light, _cells().sprite(name, variant).stamp(DRAWN_UM_PER_PX), SIDE_PX / 2, SIDE_PX / 2)
    return to_png(np.clip(light * np.array(GLASS, np.float32), 0, 255).astype(np.uint8))


@lru_cache(maxsize=1)
def _cells() -> DrawnCells:
    return DrawnCells(SEED, Grain(np.random.default_rng(SEED)))
