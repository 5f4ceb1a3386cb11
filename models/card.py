"""The part of a model card that a machine reads: what a network expects and what its outputs mean."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from models.errors import ModelRefused

BUNDLED = Path(str(files("models"))) / "weights"


@dataclass(frozen=True, slots=True)
class Card:
    """What must be known to run a network.

    path: the ONNX file, whose SHA-256 the card states and `read_card` has checked.
    um_per_px: its canonical scale.  outputs: what each output channel is.
    settings: numbers fitted with it (temperature of a classifier, score threshold of a detector).
    sources: of its images and of its first weights, each with its licence.
    quantised_from: the SHA-256 of the float network whose eight-bit twin it is; None for a float network.
    """

    name: str
    path: Path
    sha256: str
    um_per_px: float
    outputs: tuple[str, ...]
    settings: dict[str, float]
    sources: tuple[str, ...] = ()
    quantised_from: str | None = None

    def setting(self, key: str) -> float:
        """Return a fitted number. Raises ModelRefused where the card does not state it."""
        if key not in self.settings:
            raise ModelRefused(
                f'The card {self.path.with_suffix(".json")} states no "{key}" under "settings". '
                "Install the weights again, or train them again."
            )
        return self.settings[key]


def read_card(name: str, folder: Path = BUNDLED) -> Card:
    """Return the card of a network, its weights' digest checked.

    Raises ModelRefused where the card or the weights are missing, damaged or do not belong together.
    """
    path = folder / f"{name}.onnx"
    try:
        stated: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        card = Card(
            name=name,
            path=path,
            sha256=stated["sha256"],
            um_per_px=float(stated["um_per_px"]),
            outputs=tuple(stated["outputs"]),
            settings={key: float(value) for key, value in stated["settings"].items()},
            sources=tuple(stated.get("sources", ())),
            quantised_from=stated.get("quantised_from"),
        )
    except OSError as error:
        raise ModelRefused(f"The network {name} is incomplete: {error}. Install Hemadiff again.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelRefused(
            f"The card of network {name} is damaged: {error!r}. Install Hemadiff again."
        ) from error
    if digest != card.sha256:
        raise ModelRefused(
            f"{path} is not the file that its card describes (SHA-256 {digest[:12]}, expected {card.sha256[:12]}). "
            "Install the weights again."
        )
    return card
