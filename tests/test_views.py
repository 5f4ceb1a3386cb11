"""A cascade asks a picture for views, and names the same cells whoever cuts them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from builders_engines import ElsewhereEngine, HalfEngine
from builders_networks import brightness_network, write_cascade

from models.cascade import Cascade, load_cascade
from models.cascade_file import Precision
from models.cells import Patch
from models.detector import MULTIPLE_PX, NetworkDetector, Shrunk
from models.guidance import Guidance
from models.resample import window
from models.views import TURNS, HostPicture, View, centred, turned

SIDE = 96
DECIDES = '[[specialist]]\nnetwork = "neutrophils"\ntask = "decide"\n'
SECOND = '[[specialist]]\nnetwork = "other"\ntask = "second opinion"\n'
FINDS = (
    '[[specialist]]\nnetwork = "granules"\ntask = "find"\nfinding = "hypogranular"\n'
    'labels = ["segmented_neutrophil", "band_neutrophil"]\nfound_from = 0.5\n'
)
PLACES = [(60.0, 60.0), (20.0, 60.0), (90.4, 70.5), (152.0, 152.0)]


def noise(side: int = 200) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (side, side, 3), dtype=np.uint8)


def whole_cascade(folder: Path) -> Cascade:
    """A cascade with every kind of specialist, and cells that are all doubtful."""
    labels = {"segmented_neutrophil": (2.0, 0.1), "band_neutrophil": (-1.0, 1.1), "monocyte": (0.5, 0.0)}
    brightness_network(folder, "cells", labels)
    brightness_network(folder, "other", dict(labels, monocyte=(3.0, -1.0)))
    brightness_network(folder, "neutrophils", {"segmented_neutrophil": (5, -2), "band_neutrophil": (0, 0)})
    brightness_network(folder, "granules", {"hypogranular": (10, -5), "granular": (0, 0)})
    write_cascade(folder, DECIDES, SECOND, FINDS)
    return load_cascade("smear-13", "blood", folder)


class OneBufferPicture(HostPicture):
    """It cuts every batch into the same memory, as a GPU does."""

    buffer = np.zeros((256, SIDE, SIDE, 3), np.uint8)

    def cut(self, views: Sequence[View]) -> np.ndarray:
        self.buffer[...] = 0
        self.buffer[: len(views)] = HostPicture.cut(self, views)
        return self.buffer[: len(views)]


def test_the_turns_of_a_view_are_the_seven_other_symmetries_of_a_square() -> None:
    patch: Patch = noise(SIDE)
    mirrored = patch[:, ::-1]
    expected = [np.rot90(patch, n) for n in (1, 2, 3)] + [np.rot90(mirrored, n) for n in (0, 1, 2, 3)]
    for turn, right in zip(TURNS, expected, strict=True):
        np.testing.assert_array_equal(turned(patch, turn), right)


@pytest.mark.parametrize("x", [48.0, 48.5, 49.0, 50.5, 152.0, 152.5, 153.0])
def test_a_view_is_the_window_around_its_cell(x: float) -> None:
    picture = HostPicture(noise(), SIDE)
    view, expected = centred(x, 60.0, SIDE, 200, 200), window(noise(), x, 60.0, SIDE)
    if view is None or expected is None:
        assert view is expected is None
    else:
        np.testing.assert_array_equal(picture.cut([view])[0], expected)


def test_patches_to_keep_have_pixels_of_their_own() -> None:
    pixels = noise()
    patch = HostPicture(pixels, SIDE).patches([View(0, 0)])[0]
    before = patch.copy()
    pixels[...] = 0
    np.testing.assert_array_equal(patch, before)


def test_guidance_says_what_it_looks_at_in_the_order_of_its_views() -> None:
    guidance = Guidance(below=0.8, shifts_px=((3, 0), (-90, 0)), turned=True, identified_from=0.5)
    looks = guidance.looks(60.0, 60.0, SIDE, 200, 200)
    assert looks == [View(15, 12), *(View(12, 12, turn) for turn in TURNS)]


def test_a_picture_that_cuts_every_batch_into_the_same_memory_gives_the_same_answers(tmp_path: Path) -> None:
    cascade = whole_cascade(tmp_path)
    answers = cascade.examine(noise(), 0.2, PLACES)
    others = cascade.examine_in(OneBufferPicture(noise(), SIDE), PLACES)
    assert [answer is None for answer in answers] == [False, True, False, False]
    for one, other in zip(answers, others, strict=True):
        if one is not None and other is not None:
            np.testing.assert_array_equal(one[0], other[0])
            np.testing.assert_array_equal(one[1].probabilities, other[1].probabilities)
            assert one[1].findings == other[1].findings
            assert one[1].views > 1


def test_a_cascade_opens_every_network_where_it_is_told_to(tmp_path: Path) -> None:
    here, opened = whole_cascade(tmp_path), []

    def open_engine(path: Path) -> ElsewhereEngine:
        opened.append(path.stem)
        return ElsewhereEngine(path)

    there = load_cascade("smear-13", "blood", tmp_path, Precision.FLOAT, open_engine)
    assert opened == ["cells", "neutrophils", "other", "granules"]
    assert (there.engine, there.name) == ("Elsewhere 1, a device, float", here.name)
    for one, other in zip(
        here.examine(noise(), 0.2, PLACES), there.examine(noise(), 0.2, PLACES), strict=True
    ):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert one[1].label == other[1].label


def test_an_engine_that_computes_in_other_numbers_says_so(tmp_path: Path) -> None:
    whole_cascade(tmp_path)
    assert load_cascade("smear-13", "blood", tmp_path, Precision.FLOAT, HalfEngine).engine.endswith(", fp16")


def test_a_field_that_somebody_else_shrank_has_the_same_cells() -> None:
    detector = NetworkDetector()
    field = np.full((303, 401, 3), 225, np.uint8)
    yy, xx = np.mgrid[:303, :401]
    field[(yy - 150) ** 2 + (xx - 200) ** 2 < 22**2] = (90, 40, 130)
    padded = np.pad(field, ((0, -303 % MULTIPLE_PX), (0, -401 % MULTIPLE_PX), (0, 0)), mode="edge")
    shrunk = Shrunk(columns=401, rows=303, width=401, height=303, um_per_px=detector.um_per_px)
    found = detector.candidates(field, detector.um_per_px)
    assert found
    assert detector.candidates_in(padded[None], shrunk, 0.02) == found
