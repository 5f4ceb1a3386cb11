"""One digest for everything that decides what a cell is: what a verification of an engine is of."""

from __future__ import annotations

import hashlib
from pathlib import Path

from models.card import BUNDLED, read_card
from models.cascade_file import Precision, bundled_recipe

DETECTOR = "detector"


def weights_digest(panel: str, folder: Path = BUNDLED) -> str:
    """Return a SHA-256 over a panel's cascade, its float networks and the detector. Raises ModelRefused.

    Every engine but the processor's runs the float networks.
    """
    recipe = bundled_recipe(panel, folder).at(Precision.FLOAT)
    named_in = f"{panel}.toml"
    networks = (recipe.network, *(specialist.network for specialist in recipe.specialists))
    cards = [read_card(name, folder, named_in) for name in networks]
    digest = hashlib.sha256(recipe.text.encode())
    for card in (*cards, read_card(DETECTOR, folder)):
        digest.update(card.sha256.encode())
    return digest.hexdigest()
