"""A plan is made for the batches that the instrument really runs."""

from __future__ import annotations

import numpy as np
import pytest

from models.engines.engine import NetworkShape
from models.engines.profiles import (
    BATCHES,
    FieldSize,
    fastest,
    field_size,
    most_at_a_time,
    profiles_of,
    shapes_to_hold,
)
from models.resample import to_scale

CLASSIFIER = NetworkShape("images", 96, 96, ("output",))
DETECTOR = NetworkShape("images", None, None, ("output",))
FIELD = FieldSize(512, 624)


@pytest.mark.parametrize("um_per_px", [0.05, 0.0693, 0.1, 0.183])
def test_a_field_is_as_large_as_the_detector_sees_it(um_per_px: float) -> None:
    small = to_scale(np.zeros((301, 407, 3), np.uint8), um_per_px, 0.4)
    size = field_size((407, 301), um_per_px, 0.4)
    assert size.height - small.shape[0] in range(16)
    assert size.width - small.shape[1] in range(16)
    assert (size.height % 16, size.width % 16) == (0, 0)


def test_a_classifiers_plan_takes_every_batch_up_to_the_largest() -> None:
    profiles = profiles_of(CLASSIFIER, [])
    assert all(fastest(profiles, (count, 96, 96, 3)) is not None for count in range(1, BATCHES[-1] + 1))


@pytest.mark.parametrize(
    ("count", "usual"), [(1, 1), (2, 8), (8, 8), (9, 64), (64, 64), (65, 256), (256, 256)]
)
def test_a_batch_runs_under_the_smallest_profile_that_holds_it(count: int, usual: int) -> None:
    profiles = profiles_of(CLASSIFIER, [])
    index = fastest(profiles, (count, 96, 96, 3))
    assert index is not None
    assert profiles[index].usual[0] == usual


def test_more_than_the_largest_batch_fits_no_profile() -> None:
    assert fastest(profiles_of(CLASSIFIER, []), (257, 96, 96, 3)) is None


def test_a_field_that_a_new_calibration_made_a_little_larger_needs_no_new_plan() -> None:
    assert fastest(profiles_of(DETECTOR, [FIELD]), (1, 528, 640, 3)) == 0


def test_a_field_of_another_camera_needs_a_new_plan() -> None:
    assert fastest(profiles_of(DETECTOR, [FIELD]), (1, 768, 1024, 3)) is None


def test_a_field_runs_under_the_profile_that_was_made_for_its_size() -> None:
    profiles = profiles_of(DETECTOR, [FieldSize(528, 640), FIELD])
    index = fastest(profiles, (1, 528, 640, 3))
    assert index is not None
    assert profiles[index].usual == (1, 528, 640, 3)


def test_fields_come_one_at_a_time() -> None:
    assert most_at_a_time(profiles_of(DETECTOR, [FIELD]), 512, 624) == 1


def test_patches_of_another_size_are_never_taken() -> None:
    assert most_at_a_time(profiles_of(CLASSIFIER, []), 64, 64) == 0


def test_a_plan_is_of_use_when_it_takes_all_that_its_network_is_given() -> None:
    assert shapes_to_hold(DETECTOR, [FIELD, FIELD]) == ((1, 512, 624, 3),)
    assert [shape[0] for shape in shapes_to_hold(CLASSIFIER, [FIELD])] == list(BATCHES)
