"""A global network, its specialists, and the second look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders_networks import SETTINGS, brightness_network, picture, write_card, write_cascade

from models.cascade import Cascade, load_cascade
from models.cells import Opinion, Patch
from models.errors import ModelRefused
from models.guidance import Guidance

MIDDLE = [(60.0, 60.0)]
LOW, HIGH = 0, 255


def cascade(folder: Path, outputs: dict[str, tuple[float, float]], *specialists: str) -> Cascade:
    brightness_network(folder, "cells", outputs)
    write_cascade(folder, *specialists)
    return load_cascade("smear-13", "blood", folder)


def only(answers: list[tuple[Patch, Opinion] | None]) -> tuple[Patch, Opinion]:
    """The answer about the one cell that was asked about."""
    (answer,) = answers
    assert answer is not None
    return answer


def test_a_certain_cell_is_named_from_one_view(tmp_path: Path) -> None:
    mine = cascade(tmp_path, {"monocyte": (0, 5), "lymphocyte": (0, 0)})
    patch, opinion = only(mine.examine(picture(HIGH), 0.2, MIDDLE))
    assert (opinion.label, opinion.views) == ("monocyte", 1)
    assert opinion.probability == opinion.probability_single_view > 0.99
    assert patch.shape == (96, 96, 3)


def test_a_doubtful_cell_is_looked_at_again_and_both_answers_are_kept(tmp_path: Path) -> None:
    mine = cascade(tmp_path, {"monocyte": (8, -4), "lymphocyte": (0, 0)})
    image = picture(LOW)
    image[:, 60:] = HIGH  # half the patch is bright: even odds; shifted views differ
    image[:, 107:] = LOW  # and more is lost to the right than is won
    _, opinion = only(mine.examine(image, 0.2, MIDDLE))
    views = [image[12:108, 12 + dx : 108 + dx] for dx in (0, -3, 3)]
    expected = mine.probabilities(np.stack(views)).mean(axis=0)
    assert opinion.views == 3
    np.testing.assert_allclose(opinion.probabilities, expected, atol=1e-6)
    np.testing.assert_allclose(opinion.single_view, mine.probabilities(views[0][None])[0], atol=1e-6)
    assert not np.allclose(opinion.probabilities, opinion.single_view)


def test_a_cell_that_stays_doubtful_is_unidentified(tmp_path: Path) -> None:
    mine = cascade(tmp_path, {"monocyte": (0, 0), "lymphocyte": (0, 0), "basophil": (0, 0)})
    _, opinion = only(mine.examine(picture(HIGH), 0.2, MIDDLE))
    assert opinion.label == "unidentified"
    assert opinion.probability == pytest.approx(1 / 3, abs=1e-4)


def test_what_the_network_cannot_identify_waits_for_a_person_however_sure_it_is(tmp_path: Path) -> None:
    mine = cascade(tmp_path, {"monocyte": (0, 0), "not_identifiable": (0, 6)})
    _, opinion = only(mine.examine(picture(HIGH), 0.2, MIDDLE))
    assert opinion.label == "unidentified"
    assert opinion.probability > 0.99


def test_a_shifted_view_that_leaves_the_picture_is_left_out(tmp_path: Path) -> None:
    mine = cascade(tmp_path, {"monocyte": (0, 0), "lymphocyte": (0, 0.1)})
    _, opinion = only(mine.examine(picture(HIGH, side=100), 0.2, [(49.0, 50.0)]))
    assert opinion.views == 2  # 49 - 48 leaves 1 px to the left, 3 to the right


def test_a_doubtful_cell_may_also_be_turned_and_mirrored() -> None:
    guidance = Guidance(below=0.8, shifts_px=((3, 0),), turned=True, identified_from=0.5)
    picture = np.random.default_rng(1).integers(0, 255, (120, 120, 3), dtype=np.uint8)
    views = guidance.views(picture, 60, 60, 96)
    centred = picture[12:108, 12:108]
    assert len({view.tobytes() for view in [centred, *views]}) == 1 + guidance.most_views == 9
    assert np.array_equal(views[0], picture[12:108, 15:111])
    for view in views[1:]:
        assert view.shape == centred.shape
        assert np.array_equal(np.sort(view, axis=None), np.sort(centred, axis=None))


def test_a_cell_whose_window_leaves_the_picture_has_no_opinion(tmp_path: Path) -> None:
    mine = cascade(tmp_path, {"monocyte": (0, 5), "lymphocyte": (0, 0)})
    answers = mine.examine(picture(HIGH), 0.2, [(20.0, 60.0), (60.0, 60.0), (60.0, 110.0)])
    assert [answer is None for answer in answers] == [True, False, True]


def test_a_deciding_specialist_shares_out_what_the_global_network_gave_to_its_labels(tmp_path: Path) -> None:
    brightness_network(tmp_path, "neutrophils", {"segmented_neutrophil": (0, 3), "band_neutrophil": (0, 0)})
    outputs = {"band_neutrophil": (0.0, 4.0), "segmented_neutrophil": (0.0, 3.9), "monocyte": (0.0, 0.0)}
    mine = cascade(tmp_path, outputs, '[[specialist]]\nnetwork = "neutrophils"\ntask = "decide"\n')
    plain = np.exp([4.0, 3.9, 0.0]) / np.exp([4.0, 3.9, 0.0]).sum()
    _, opinion = only(mine.examine(picture(HIGH), 0.2, MIDDLE))
    share = 1 / (1 + np.exp(-3.0))
    assert opinion.label == "segmented_neutrophil"
    expected = [(plain[0] + plain[1]) * (1 - share), (plain[0] + plain[1]) * share, plain[2]]
    np.testing.assert_allclose(opinion.probabilities, expected, atol=1e-5)


def test_a_specialist_is_not_asked_about_other_cells(tmp_path: Path) -> None:
    brightness_network(tmp_path, "neutrophils", {"segmented_neutrophil": (0, 3), "band_neutrophil": (0, 0)})
    outputs = {"band_neutrophil": (0.0, 1.0), "segmented_neutrophil": (0.0, 0.0), "monocyte": (0.0, 6.0)}
    mine = cascade(tmp_path, outputs, '[[specialist]]\nnetwork = "neutrophils"\ntask = "decide"\n')
    _, opinion = only(mine.examine(picture(HIGH), 0.2, MIDDLE))
    assert opinion.probabilities[0] > opinion.probabilities[1]


@pytest.mark.parametrize(("level", "findings"), [(HIGH, ("hypogranular",)), (LOW, ())])
def test_a_finding_is_added_and_changes_no_label(
    tmp_path: Path, level: int, findings: tuple[str, ...]
) -> None:
    brightness_network(tmp_path, "granules", {"hypogranular": (10, -5), "granular": (0, 0)})
    finder = (
        '[[specialist]]\nnetwork = "granules"\ntask = "find"\nfinding = "hypogranular"\n'
        'labels = ["segmented_neutrophil"]\nfound_from = 0.5\n'
    )
    mine = cascade(tmp_path, {"segmented_neutrophil": (0, 5), "monocyte": (0, 0)}, finder)
    _, opinion = only(mine.examine(picture(level), 0.2, MIDDLE))
    assert (opinion.label, opinion.findings) == ("segmented_neutrophil", findings)


SECOND = '[[specialist]]\nnetwork = "other"\ntask = "second opinion"\n'


def test_a_second_opinion_counts_as_much_as_the_first_on_a_doubtful_cell(tmp_path: Path) -> None:
    brightness_network(tmp_path, "other", {"monocyte": (0.0, 0.0), "lymphocyte": (0.0, 3.0)})
    mine = cascade(tmp_path, {"monocyte": (0.0, 1.0), "lymphocyte": (0.0, 0.0)}, SECOND)
    _, opinion = only(mine.examine(picture(HIGH), 0.2, MIDDLE))
    first, second = 1 / (1 + np.exp(-1.0)), 1 / (1 + np.exp(3.0))
    assert opinion.label_single_view == "monocyte"
    assert opinion.label == "lymphocyte"
    np.testing.assert_allclose(opinion.probabilities[0], (first + second) / 2, atol=1e-5)


def test_nobody_is_asked_about_a_cell_that_is_not_doubtful(tmp_path: Path) -> None:
    brightness_network(tmp_path, "other", {"monocyte": (0.0, 0.0), "lymphocyte": (0.0, 9.0)})
    mine = cascade(tmp_path, {"monocyte": (0.0, 3.0), "lymphocyte": (0.0, 0.0)}, SECOND)
    _, opinion = only(mine.examine(picture(HIGH), 0.2, MIDDLE))
    assert (opinion.label, opinion.views) == ("monocyte", 1)


def test_a_second_opinion_in_other_words_is_refused(tmp_path: Path) -> None:
    brightness_network(tmp_path, "other", {"lymphocyte": (0.0, 0.0), "monocyte": (0.0, 3.0)})
    with pytest.raises(ModelRefused, match="other gives a second opinion and has other outputs"):
        cascade(tmp_path, {"monocyte": (0.0, 1.0), "lymphocyte": (0.0, 0.0)}, SECOND)


def test_a_specialist_for_a_label_that_nobody_says_is_refused(tmp_path: Path) -> None:
    brightness_network(tmp_path, "neutrophils", {"segmented_neutrophil": (0, 3), "band_neutrophil": (0, 0)})
    with pytest.raises(ModelRefused, match='re-examines "band_neutrophil"'):
        cascade(
            tmp_path,
            {"segmented_neutrophil": (0, 0), "monocyte": (0, 0)},
            '[[specialist]]\nnetwork = "neutrophils"\ntask = "decide"\n',
        )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"um_per_px": 0.1}, r"96 px at 0\.1 µm/px.*96 px at 0\.2"),
        ({"settings": SETTINGS | {"patch_px": 64}}, r"64 px at 0\.2 µm/px.*96 px at 0\.2"),
    ],
    ids=["scale", "size"],
)
def test_a_specialist_that_was_trained_on_other_patches_is_refused(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    outputs = {"segmented_neutrophil": (0.0, 3.0), "band_neutrophil": (0.0, 0.0)}
    brightness_network(tmp_path, "neutrophils", outputs)
    write_card(tmp_path, "neutrophils", tuple(outputs), **changes)
    with pytest.raises(ModelRefused, match=f"specialist neutrophils takes patches of {said}"):
        cascade(tmp_path, outputs, '[[specialist]]\nnetwork = "neutrophils"\ntask = "decide"\n')


@pytest.mark.parametrize("key", [key for key in SETTINGS if "marrow" not in key])
def test_a_classifier_whose_card_leaves_a_setting_out_is_refused(tmp_path: Path, key: str) -> None:
    outputs = {"monocyte": (0.0, 5.0), "lymphocyte": (0.0, 0.0)}
    cascade(tmp_path, outputs)
    settings = dict(SETTINGS)
    del settings[key]
    write_card(tmp_path, "cells", tuple(outputs), settings=settings)
    with pytest.raises(ModelRefused, match=rf'cells\.json states no "{key}"'):
        load_cascade("smear-13", "blood", tmp_path)


def test_weights_that_do_not_fit_the_panel_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match='no label "plasma_cell"'):
        cascade(tmp_path, {"plasma_cell": (0, 0), "monocyte": (0, 0)})


def test_a_camera_that_is_too_coarse_is_refused(tmp_path: Path) -> None:
    mine = cascade(tmp_path, {"monocyte": (0, 5), "lymphocyte": (0, 0)})
    mine.refuse_too_coarse(0.22)
    with pytest.raises(
        ModelRefused, match=r"trained at 0\.20 µm/px; this image gives 0\.31, and 0\.22 is the most"
    ):
        mine.examine(picture(HIGH), 0.31, MIDDLE)


def test_a_panel_without_weights_is_refused_and_says_which_has_some() -> None:
    with pytest.raises(ModelRefused, match=r"no weights for the panel marrow-16.*smear-13"):
        load_cascade("marrow-16", "marrow")


def test_the_digest_names_every_network_that_decides(tmp_path: Path) -> None:
    mine = cascade(tmp_path, {"monocyte": (0, 5), "lymphocyte": (0, 0)})
    other = tmp_path / "other"
    other.mkdir()
    changed = cascade(other, {"monocyte": (0, 5.001), "lymphocyte": (0, 0)})
    assert mine.name != changed.name


def test_cells_are_resampled_to_the_scale_of_the_weights(tmp_path: Path) -> None:
    mine = cascade(tmp_path, {"monocyte": (0, 5), "lymphocyte": (0, 0)})
    image = picture(LOW, side=240)
    image[110:130, 110:130] = HIGH  # 2 µm at 0.1 µm/px
    patch, _ = only(mine.examine(image, 0.1, [(120.0, 120.0)]))
    assert (patch[:, :, 0] > 128).sum() == 100
