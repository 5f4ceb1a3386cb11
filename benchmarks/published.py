"""The published method, done as published: saliency on every field, VGG-16 on one cell at a time, PyTorch eager.

Its architecture is enough to time it, so its weights are random. It is treated kindly: one network a cell (the
second stage is left out), no guidance, and our own detector's speed, which works at 0.4 µm/px.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from models.resample import to_scale, window
from models.saliency import SaliencyDetector
from models.training.vgg16 import SIDE_PX, Vgg16, to_yuv

LABELS = 10  # the stages of Choi 2017
PATCH_UM_PER_PX = 0.20


class PublishedMethod:
    """A field in, the label number of each whole cell out."""

    def __init__(self, threads: int, device: str = "cpu") -> None:
        """Build the network with random weights, for so many threads. device: "cuda" for a GPU."""
        torch.set_num_threads(threads)
        torch.manual_seed(1)
        self.detector = SaliencyDetector()
        self.network = Vgg16(LABELS).eval().to(device)
        self.device = device

    def analyse(self, pixels: NDArray[np.uint8], um_per_px: float) -> list[int]:
        """Return one label number for each cell whose window lies in the field."""
        found = self.detector.detect(pixels, um_per_px)
        return self.name_at(pixels, um_per_px, [(cell.x, cell.y) for cell in found])

    def name_at(
        self, pixels: NDArray[np.uint8], um_per_px: float, centres: Sequence[tuple[float, float]]
    ) -> list[int]:
        """Return one label number for each place (x, y in px) whose window lies in the field, one after the other."""
        scaled = to_scale(pixels, um_per_px, PATCH_UM_PER_PX)
        ratio_x, ratio_y = scaled.shape[1] / pixels.shape[1], scaled.shape[0] / pixels.shape[0]
        patches = (window(scaled, x * ratio_x, y * ratio_y, SIDE_PX) for x, y in centres)
        return [self.classify(patch[None])[0] for patch in patches if patch is not None]

    def classify(self, patches: NDArray[np.uint8]) -> list[int]:
        """Return the label number of each of N×96×96×3 patches, in one batch."""
        batch = torch.from_numpy(np.stack([to_yuv(patch) for patch in patches])).to(self.device)
        with torch.inference_mode():
            return [int(label) for label in self.network(batch).argmax(dim=1)]
