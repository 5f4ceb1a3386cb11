"""The objectives of the simulated turret: how large a pixel is, how deep is in focus, and what each does wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from appliance.errors import ApplianceRefused

GREEN_UM = 0.55
OIL, AIR = 1.515, 1.0
# A Gaussian of this many λ/NA has the width of the Airy disc's core (Zhang, Zerubia and Olivo-Marin 2007,
# Appl. Opt. 46:1819).
DIFFRACTION = 0.21
CORNER_PX = 867.0
"""How far from the middle field curvature, vignetting and lateral colour are stated: the corner of 1388×1040 px."""


@dataclass(frozen=True, slots=True)
class Objective:
    """A lens before the simulated sensor.

    um_per_px: on the slide.  aperture: numerical.  index: of what lies between lens and slide.
    curvature_um: how much higher the stage must be for the corner than for the middle.
    corner_light: share of the middle's light that reaches the corner.
    red_px, blue_px: how much farther out red and blue lie than green at the corner.
    parfocal_um: how much higher the stage must be than for a lens with 0.
    """

    name: str
    um_per_px: float
    aperture: float
    index: float = AIR
    curvature_um: float = 0.0
    corner_light: float = 0.85
    red_px: float = 0.0
    blue_px: float = 0.0
    parfocal_um: float = 0.0

    @property
    def diffraction_um(self) -> float:
        """Standard deviation of a point's picture in focus."""
        return DIFFRACTION * GREEN_UM / self.aperture

    @property
    def depth_um(self) -> float:
        """Depth of field, λ·n/NA² (wave-optical part; Inoué and Spring 1997, Video Microscopy, 2.5)."""
        return GREEN_UM * self.index / self.aperture**2

    @property
    def cone(self) -> float:
        """Radius of a point's disc per µm out of focus.

        Such that at half the depth of field the disc is as wide as the diffraction: 0.84 NA/n, a condenser that is
        closed a little.
        """
        return 4 * DIFFRACTION * self.aperture / self.index

    def blur_um(self, away_um: float) -> float:
        """Return the standard deviation of a point's picture so far out of focus (a disc's is half its radius)."""
        return float((self.diffraction_um**2 + (self.cone * away_um / 2) ** 2) ** 0.5)


def _turret(*objectives: Objective) -> Mapping[str, Objective]:
    return MappingProxyType({objective.name: objective for objective in objectives})


OBJECTIVES = _turret(
    Objective("100x", 0.10, 1.25, OIL, curvature_um=0.25, corner_light=0.80, red_px=0.6, blue_px=-0.5),
    Objective(
        "50x", 0.20, 0.95, OIL, curvature_um=0.5, corner_light=0.82, red_px=0.4, blue_px=-0.4, parfocal_um=3.0
    ),
    Objective(
        "40x", 0.25, 0.65, curvature_um=1.0, corner_light=0.84, red_px=0.5, blue_px=0.3, parfocal_um=-4.0
    ),
    Objective("20x", 0.50, 0.40, curvature_um=2.0, corner_light=0.86, parfocal_um=6.0),
    Objective("10x", 1.00, 0.25, curvature_um=4.0, corner_light=0.88, parfocal_um=9.0),
    Objective("4x", 2.50, 0.10, curvature_um=12.0, corner_light=0.90, parfocal_um=15.0),
    Objective("overview", 10.0, 0.02, corner_light=0.75),
)
"""By name. The overview is a camera of its own beside the turret; it sees most of a slide at once."""


def objective_named(name: str, turret: Mapping[str, Objective] = OBJECTIVES) -> Objective:
    """Return an objective of the turret. Raises ApplianceRefused for a name that is not there."""
    if name not in turret:
        raise ApplianceRefused(
            f'The simulated microscope has no objective "{name}". Choose one of {", ".join(turret)}.'
        )
    return turret[name]
