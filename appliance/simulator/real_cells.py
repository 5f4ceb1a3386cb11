"""Real cells in place of drawn ones: cut out of labelled photographs that no network learnt from."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from appliance.errors import ApplianceRefused
from appliance.simulator.cutting import CutOut, NotCut, cut_out
from appliance.simulator.looks import LOOKS
from appliance.simulator.sprites import Sprite
from appliance.simulator.white_cells import DrawnCells
from models.data import LabelledCell, labelled_cells, read_rgb

SPLIT = "test"
KEPT = 250  # about 120 MB


class RealCells:
    """One variant of a label for each of its images; an image whose cell cannot be cut out hands over to the next.

    What was not asked for as real (smudge cells) stays drawn.
    digest: of the list of images.  left_out: images that were asked for and not used, and why.
    """

    def __init__(
        self, folder: Path, sources: Sequence[str], labels: Sequence[str], drawn: DrawnCells
    ) -> None:
        """Read the list. Raises ApplianceRefused where it is not there or has no image of a label.

        folder: holds ``cells.csv`` (``cells`` in the folder of labelled images).  sources: which to use; empty for all.
        """
        if folder.name != "cells" or not (folder / "cells.csv").is_file():
            raise ApplianceRefused(
                f'{folder} is no folder "cells" with a cells.csv. Name the one in the folder of labelled images.'
            )
        self._root = folder.parent
        self._drawn = drawn
        listed = labelled_cells(self._root)
        self._images: dict[str, list[LabelledCell]] = {
            label: [
                cell
                for cell in listed
                if cell.label == label and cell.split == SPLIT and (not sources or cell.source in sources)
            ]
            for label in labels
        }
        for label, images in self._images.items():
            if not images:
                raise ApplianceRefused(
                    f'{folder} has no {SPLIT} image of "{label}"'
                    + (f" from {', '.join(sources)}" if sources else "")
                    + ". Leave the label out of the shares, or draw the cells."
                )
        self.digest = hashlib.sha256((folder / "cells.csv").read_bytes()).hexdigest()[:12]
        self.left_out: dict[str, str] = {}
        self._radii: dict[tuple[str, int], float] = {}
        self._cut: OrderedDict[tuple[str, int], Sprite] = OrderedDict()

    def variants(self, label: str) -> int:
        """Return how many images of a label there are."""
        return len(self._images[label]) if label in self._images else self._drawn.variants(label)

    def spacing_um(self, label: str, variant: int) -> float:
        """Return the radius of the largest usual cell of a label: its own is known only when it is cut out.

        So real cells touch or lie a little apart. They do not overlap: in a smear they flatten against each other.
        """
        if label not in self._images:
            return self._drawn.spacing_um(label, variant)
        return LOOKS[label][0].diameter_um[1] / 2

    def radius_um(self, label: str, variant: int) -> float:
        """Return the radius of a disc of the cell's area."""
        if label not in self._images:
            return self._drawn.radius_um(label, variant)
        if (label, variant) not in self._radii:
            self.sprite(label, variant)
        return self._radii[label, variant]

    def sprite(self, label: str, variant: int) -> Sprite:
        """Return a cell, cut out."""
        if label not in self._images:
            return self._drawn.sprite(label, variant)
        key = (label, variant)
        if key not in self._cut:
            _, cut = self._used(label, variant)
            self._radii[key] = cut.radius_um
            self._cut[key] = Sprite(cut.light, cut.radius_um)
            if len(self._cut) > KEPT:
                self._cut.popitem(last=False)
        self._cut.move_to_end(key)
        return self._cut[key]

    def source(self, label: str, variant: int) -> str:
        """Return the image that a variant is cut from, relative to the folder that holds ``cells``."""
        return self._path(self._used_image(label, variant)) if label in self._images else ""

    def _used_image(self, label: str, variant: int) -> LabelledCell:
        self.radius_um(label, variant)  # decides which images are left out
        images = self._images[label]
        return next(
            image
            for image in (images[(variant + k) % len(images)] for k in range(len(images)))
            if self._path(image) not in self.left_out
        )

    def _used(self, label: str, variant: int) -> tuple[LabelledCell, CutOut]:
        images = self._images[label]
        for k in range(len(images)):
            image = images[(variant + k) % len(images)]
            name = self._path(image)
            if name in self.left_out:
                continue
            try:
                return image, cut_out(read_rgb(image.path), image.um_per_px)
            except NotCut as why:
                self.left_out[name] = str(why)
        raise ApplianceRefused(
            f'No image of "{label}" could be cut out. Draw the cells, or look at the images.'
        )

    def _path(self, image: LabelledCell) -> str:
        return image.path.relative_to(self._root).as_posix()
