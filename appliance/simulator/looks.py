"""What each kind of nucleated cell looks like on a stained smear.

Diameters, nucleus:cytoplasm ratios and descriptions after Carr and Rodak, Clinical Hematology Atlas, and the
European LeukemiaNet's consensus on blasts (Zini et al. 2010); the ten stages after Choi et al. 2017, table 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from appliance.simulator import ink
from appliance.simulator.ink import Ink
from appliance.simulator.nuclei import Shape, band, budding, folded, indented, lobed, rounded


@dataclass(frozen=True, slots=True)
class Granules:
    """ink: their colour.  per_um2: how many to a µm² of cytoplasm.  radius_um: of one.  over_nucleus: 0 to 1."""

    ink: Ink
    per_um2: float
    radius_um: float
    strength: float = 1.0
    over_nucleus: float = 0.0


@dataclass(frozen=True, slots=True)
class Look:
    """How a kind of cell is drawn.

    diameter_um: smallest and largest usual.  nucleus: its shape; None for none.
    cytoplasm: inks and their amounts.  rim: how much deeper the cytoplasm's border is.
    halo: how much paler it is beside the nucleus (the Golgi zone), 0 to 1.
    chromatin: its ink.  dense: its amount.  open_: how much of it is paler.  clump_px: the size of its pattern.
    nucleoli, vacuoles: how many at most.  ragged: how uneven the outline is.  blebs: how many at most.
    spilt: whether nothing is left of it but bare chromatin.
    """

    diameter_um: tuple[float, float]
    nucleus: Shape | None
    cytoplasm: tuple[tuple[Ink, float], ...]
    chromatin: Ink = ink.CHROMATIN
    dense: float = 1.0
    open_: float = 0.5
    clump_px: float = 1.7
    granules: tuple[Granules, ...] = ()
    rim: float = 0.15
    halo: float = 0.0
    nucleoli: int = 0
    vacuoles: int = 0
    ragged: float = 0.02
    blebs: int = 0
    spilt: bool = False


_LILAC = Granules(ink.SPECIFIC, 2.2, 0.15, 0.55)
_RIPE = ((ink.ACIDOPHILIA, 0.85),)

BLAST = Look(
    (14, 18), rounded(0.80, 0.87, 0.9, 0.5), ((ink.BASOPHILIA, 0.95),), ink.YOUNG_CHROMATIN, 0.95, 0.42, 1.2,
    rim=0.5, halo=0.3, nucleoli=4, ragged=0.025,
)  # fmt: skip
PROMYELOCYTE = Look(
    (15, 20), rounded(0.62, 0.72, 0.88, 0.7), ((ink.BASOPHILIA, 0.55), (ink.ACIDOPHILIA, 0.3)),
    ink.YOUNG_CHROMATIN, 1.0, 0.45, 1.2, (Granules(ink.AZUROPHIL, 1.5, 0.19, 0.9, 0.5),),
    rim=0.35, halo=0.5, nucleoli=2,
)  # fmt: skip
MYELOCYTE = Look(
    (12.5, 16.5), rounded(0.66, 0.74, 0.78, 0.95), ((ink.BASOPHILIA, 0.22), (ink.ACIDOPHILIA, 0.6)),
    open_=0.6, clump_px=1.2, rim=0.2, halo=0.25,
    granules=(Granules(ink.SPECIFIC, 2.4, 0.16, 0.7, 0.25), Granules(ink.AZUROPHIL, 0.25, 0.19, 0.7, 0.3)),
)  # fmt: skip
METAMYELOCYTE = Look(
    (12.5, 15.5), indented(0.74, 0.82, 0.20, 0.6), ((ink.BASOPHILIA, 0.08), (ink.ACIDOPHILIA, 0.8)),
    open_=0.5, clump_px=1.7, granules=(_LILAC, Granules(ink.AZUROPHIL, 0.08, 0.18, 0.6, 0.2)),
)  # fmt: skip
BAND = Look((12, 14.5), band, _RIPE, open_=0.38, clump_px=1.7, granules=(_LILAC,))
SEGMENTED = Look(
    (12, 14.5), lobed(3, 5, 0.40, 0.48, 0.35), _RIPE, open_=0.34, clump_px=1.7, granules=(_LILAC,)
)
EOSINOPHIL = Look(
    (12.5, 15), lobed(2, 2, 0.40, 0.46, 0.4), ((ink.ACIDOPHILIA, 0.6), (ink.EOSIN, 0.55)),
    open_=0.45, clump_px=1.7, granules=(Granules(ink.EOSIN, 2.3, 0.36, 0.7),),
)  # fmt: skip
BASOPHIL = Look(
    (10.5, 13.5), lobed(2, 3, 0.50, 0.36, 1.6), ((ink.ACIDOPHILIA, 0.7),), ink.YOUNG_CHROMATIN, 0.85, 0.5, 2.5,
    (Granules(ink.METACHROMATIC, 1.5, 0.36, 1.0, 0.9),),
)  # fmt: skip
MONOCYTE = Look(
    (14, 18.5), folded, ((ink.GREY_BLUE, 0.85),), ink.YOUNG_CHROMATIN, 0.95, 0.62, 1.7,
    (Granules(ink.SPECIFIC, 1.5, 0.12, 0.5),), rim=0.15, vacuoles=6, ragged=0.055,
)  # fmt: skip
LYMPHOCYTE = Look(
    (9, 11.5), rounded(0.85, 0.92, 0.92, 0.6), ((ink.BASOPHILIA, 0.85),), dense=1.12, open_=0.3, clump_px=2.5,
    rim=0.4, ragged=0.03, blebs=2,
)  # fmt: skip
PLASMA_CELL = Look(
    (12, 17), rounded(0.48, 0.55, 0.9, 1.0), ((ink.BASOPHILIA, 1.25),), dense=1.05, open_=0.6, clump_px=4.0,
    rim=0.25, halo=0.75, vacuoles=2,
)  # fmt: skip
PRONORMOBLAST = Look(
    (15, 20), rounded(0.78, 0.85, 0.95, 0.3), ((ink.BASOPHILIA, 1.6),), ink.CHROMATIN, 0.82, 0.38, 1.2,
    rim=0.35, halo=0.25, nucleoli=2, ragged=0.03,
)  # fmt: skip
BASOPHILIC = Look(
    (12, 15), rounded(0.70, 0.77, 0.96, 0.3), ((ink.BASOPHILIA, 1.7),), dense=1.05, open_=0.45, clump_px=2.5, rim=0.3
)  # fmt: skip
POLYCHROMATIC = Look(
    (10, 13), rounded(0.58, 0.66, 0.96, 0.4), ((ink.BASOPHILIA, 0.55), (ink.HAEMOGLOBIN, 0.8)), dense=1.25, open_=0.5,
    clump_px=4.0, rim=0.25,
)  # fmt: skip
ORTHOCHROMATIC = Look(
    (8.5, 10.5), rounded(0.42, 0.5, 0.95, 0.75), ((ink.BASOPHILIA, 0.12), (ink.HAEMOGLOBIN, 1.15)),
    dense=1.55, open_=0.12, clump_px=4.0, rim=0.15,
)  # fmt: skip
MEGAKARYOCYTE = Look(
    (35, 55), budding, ((ink.ACIDOPHILIA, 0.9), (ink.BASOPHILIA, 0.25)), dense=1.1, open_=0.35, clump_px=4.0,
    granules=(Granules(ink.SPECIFIC, 1.6, 0.2, 0.7),), ragged=0.05, rim=0.1,
)  # fmt: skip
SMUDGE = Look((13, 20), None, (), ink.SMUDGED, 0.75, ragged=0.16, spilt=True)
PLATELET = Look(
    (1.9, 3.8), None, ((ink.BASOPHILIA, 0.2), (ink.ACIDOPHILIA, 0.5)),
    granules=(Granules(ink.AZUROPHIL, 4.0, 0.22, 0.75),), ragged=0.10,
)  # fmt: skip
GIANT_PLATELET = replace(
    PLATELET, diameter_um=(5.0, 8.0), granules=(Granules(ink.AZUROPHIL, 2.6, 0.24, 0.7),)
)

LOOKS: Mapping[str, tuple[Look, ...]] = MappingProxyType(
    {
        "blast": (BLAST,),
        "myeloblast": (BLAST,),
        "promyelocyte": (PROMYELOCYTE,),
        "myelocyte": (MYELOCYTE,),
        "metamyelocyte": (METAMYELOCYTE,),
        "band_neutrophil": (BAND,),
        "segmented_neutrophil": (SEGMENTED,),
        "eosinophil": (EOSINOPHIL,),
        "basophil": (BASOPHIL,),
        "monocyte": (MONOCYTE,),
        "lymphocyte": (LYMPHOCYTE,),
        "plasma_cell": (PLASMA_CELL,),
        "erythroblast": (POLYCHROMATIC, ORTHOCHROMATIC, BASOPHILIC),
        "pronormoblast": (PRONORMOBLAST,),
        "basophilic_normoblast": (BASOPHILIC,),
        "polychromatic_normoblast": (POLYCHROMATIC,),
        "orthochromatic_normoblast": (ORTHOCHROMATIC,),
        "megakaryocyte": (MEGAKARYOCYTE,),
        "smudge_cell": (SMUDGE,),
        "platelet": (*(PLATELET,) * 23, GIANT_PLATELET),
    }
)
"""By label; where there are several, each drawn cell is one of them."""
