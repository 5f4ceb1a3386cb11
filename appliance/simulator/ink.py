"""What stains absorb: optical densities of a May-Grünwald-Giemsa stain, red, green and blue.

A unit of an ink on bright glass lets exp(-density) of the light through; what overlaps is multiplied, so its
densities add up (Beer–Lambert). The numbers were read off published micrographs of each structure, relative to
their background, as 8-bit pictures show them; a power law between light and picture keeps products products.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]
Light = NDArray[np.float32]
Ink = tuple[float, float, float]

HAEMOGLOBIN: Ink = (0.215, 0.325, 0.185)
PLASMA: Ink = (0.020, 0.030, 0.012)
CHROMATIN: Ink = (1.12, 1.92, 0.42)
PARACHROMATIN: Ink = (0.52, 0.88, 0.22)
YOUNG_CHROMATIN: Ink = (0.92, 1.58, 0.30)
BASOPHILIA: Ink = (0.62, 0.60, 0.13)  # ribosomes: blue
ACIDOPHILIA: Ink = (0.13, 0.24, 0.07)  # the pink of a ripe granulocyte's cytoplasm
GREY_BLUE: Ink = (0.36, 0.42, 0.16)  # a monocyte's cytoplasm
SPECIFIC: Ink = (0.42, 0.66, 0.16)  # a neutrophil's fine lilac granules
AZUROPHIL: Ink = (0.95, 1.85, 0.40)
EOSIN: Ink = (0.22, 0.66, 0.52)
METACHROMATIC: Ink = (1.30, 2.10, 0.55)  # a basophil's granules
SMUDGED: Ink = (0.42, 0.80, 0.14)
PRECIPITATE: Ink = (1.5, 2.2, 0.9)
SOOT: Ink = (1.6, 1.6, 1.5)


def densities(ink: Ink) -> NDArray[np.float32]:
    """Return an ink as an array of 3."""
    return np.asarray(ink, dtype=np.float32)


def passed(amount: Grey, ink: Ink) -> Light:
    """Return the light that passes so much of one ink: H×W to H×W×3."""
    return np.asarray(np.exp(-amount[..., None] * densities(ink)), dtype=np.float32)
