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
BUNDLED_NETWORKS = ("cells", "cells-int8", "cells-residual", "detector")


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


def read_card(name: str, folder: Path = BUNDLED, named_in: str = "the cascade's file") -> Card:
    """Return the card of a network, its weights' digest checked.

    named_in: what names the network, for a refusal.
    Raises ModelRefused where the card or the weights are missing, damaged or do not belong together.
    """
    path, said_in = folder / f"{name}.onnx", folder / f"{name}.json"
    remedy = _remedy(name, folder, named_in)
    try:
        stated: dict[str, Any] = json.loads(said_in.read_text(encoding="utf-8"))
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
        raise ModelRefused(
            f"The network {name} is incomplete: {error.filename}: {error.strerror}. {remedy}"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelRefused(
            f"The card of network {name} is damaged: {said_in}{_fault(error)}. {remedy}"
        ) from error
    if digest != card.sha256:
        raise ModelRefused(
            f"{path} is not the file that its card describes (SHA-256 {digest[:12]}, expected {card.sha256[:12]}). "
            f"{remedy}"
        )
    return card


def _remedy(name: str, folder: Path, named_in: str) -> str:
    """What to do about a network that cannot be used: a person's own comes with no installation."""
    if folder == BUNDLED and name in BUNDLED_NETWORKS:
        return "Install Hemadiff again."
    return f"Put network and card there, as they were made, or correct its name in {named_in}."


def _fault(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f", line {error.lineno}: {error.msg}"
    if isinstance(error, KeyError):
        return f' states no "{error.args[0]}"'
    if isinstance(error, UnicodeDecodeError):
        return " is no UTF-8 text"
    return " does not have the form of a card"
