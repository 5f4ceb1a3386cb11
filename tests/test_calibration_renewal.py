"""A calibration of which a part is measured anew keeps the rest, says which is which, and grows no younger by it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from builders_calibration import EXPIRES, MADE, RULER, picture, record, values

from calibration import CalibrationRefused
from calibration.measured import Measured
from calibration.record import CalibrationRecord, Evidence, Residuals
from calibration.renewal import Anew, renewed

LATER = MADE + timedelta(days=60)
LIGHT = {
    "exposure_us": Measured(9000.0, 0.0, "µs"),
    "red_gain": Measured(1.5, 0.001, ""),
    "dark_level": Measured(3.0, 0.1, "of 255"),
}
MAP = {
    "stage_um_per_px_x": Measured(0.2002, 0.0002, "µm/px"),
    "stage_um_per_px_y": Measured(0.1998, 0.0002, "µm/px"),
    "stage_rotation_deg": Measured(1.2, 0.01, "°"),
}
BACKLASH = {"backlash_x_um": Measured(6.1, 0.2, "µm")}


def whole(**changes: Any) -> CalibrationRecord:
    """A calibration in force: light, pixel size, stage map and backlash."""
    given: dict[str, Any] = {
        "values": {**values(), **LIGHT, **MAP, **BACKLASH},
        "parts": {"flat_field": b"old"},
        "residuals": {"pixel_size": Residuals((0, 1), "line", (0.1, -0.1), "µm")},
        "evidence": [Evidence.of(name, "Seen.", picture()) for name in ("ruler", "blank")],
    }
    return record(**{**given, **changes})


def anew(measured: dict[str, Measured], **changes: Any) -> Anew:
    given: dict[str, Any] = {"made": LATER, "by": "M. Malpighi", "expires": LATER + timedelta(days=365)}
    return Anew(**{**given, "values": measured, **changes})


NEW_LAMP = anew(
    {"exposure_us": Measured(4000.0, 0.0, "µs"), "red_gain": Measured(1.2, 0.001, "")},
    parts={"flat_field": b"new"},
    evidence=[Evidence.of("blank", "Seen now.", picture(1))],
    residuals={"linearity": Residuals((1,), "µs", (0.0,), "of 255")},
    note="A new lamp.",
)


def test_what_was_measured_anew_takes_the_place_of_the_last() -> None:
    new = renewed(whole(), NEW_LAMP)
    assert (new.values["exposure_us"].value, new.values["red_gain"].value) == (4000.0, 1.2)
    assert new.parts == {"flat_field": b"new"}
    assert [each.caption for each in new.evidence if each.name == "blank"] == ["Seen now."]
    assert (new.by, new.made) == ("M. Malpighi", LATER)


def test_all_else_is_taken_over_with_its_evidence_residuals_and_ruler() -> None:
    last = whole()
    new = renewed(last, NEW_LAMP)
    assert new.um_per_px == last.um_per_px
    assert [new.values[name] for name in (*MAP, *BACKLASH)] == [*MAP.values(), *BACKLASH.values()]
    assert set(new.residuals) == {"pixel_size", "linearity"}
    assert {each.name for each in new.evidence} == {"ruler", "blank"}
    assert (new.ruler, new.setup) == (RULER, last.setup)


def test_no_value_outlives_those_that_were_measured_with_it() -> None:
    assert "dark_level" not in renewed(whole(), NEW_LAMP).values, "it belongs to the flat field that is gone"
    grid = whole(values={**whole().values, "um_per_px_x": Measured(0.2, 0.0002, "µm/px")})
    assert "um_per_px_x" not in renewed(grid, anew(values(0.2001))).values


def test_the_note_says_what_is_new_and_from_which_calibration_the_rest_is() -> None:
    last = whole()
    assert renewed(last, NEW_LAMP).note == (
        f"Measured now: flat field. From {last.id} of 2026-03-01: pixel size, stage map, backlash. A new lamp."
    )


def test_what_was_taken_over_twice_is_said_to_be_of_the_first() -> None:
    first = whole()
    second = renewed(first, NEW_LAMP)
    third = renewed(second, anew(BACKLASH, made=LATER + timedelta(days=1)))
    assert third.note == (
        f"Measured now: backlash. From {first.id} of 2026-03-01: pixel size, stage map. "
        f"From {second.id} of 2026-04-30: flat field."
    )


def test_a_note_of_the_engineers_is_no_origin() -> None:
    last = whole(note="From cal-000000000000 of 2020-01-01: pixel size. So they say.")
    assert f"From {last.id} of 2026-03-01: pixel size" in renewed(last, NEW_LAMP).note


@pytest.mark.parametrize(
    ("expires", "until"),
    [
        (EXPIRES, EXPIRES),
        (None, LATER + timedelta(days=365)),
        (LATER + timedelta(days=900), LATER + timedelta(days=365)),
    ],
)
def test_it_expires_when_the_older_does(expires: Any, until: Any) -> None:
    assert renewed(whole(expires=expires), NEW_LAMP).expires == until


def test_an_expired_calibration_lends_nothing() -> None:
    with pytest.raises(CalibrationRefused, match=r"expired on 2026-04-01, .* hemadiff calibrate all"):
        renewed(whole(expires=MADE + timedelta(days=31)), NEW_LAMP)


def test_a_pixel_size_that_fits_the_stage_map_keeps_it() -> None:
    new = renewed(whole(), anew(values(0.2004)))
    assert new.um_per_px.value == 0.2004
    assert new.values["stage_rotation_deg"] == MAP["stage_rotation_deg"]


def test_a_pixel_size_that_no_longer_fits_the_stage_map_is_refused() -> None:
    with pytest.raises(
        CalibrationRefused, match=r"does not fit the calibration in force.*hemadiff calibrate all"
    ):
        renewed(whole(), anew(values(0.2025)))


def test_a_stage_map_that_no_longer_fits_the_pixel_size_is_refused() -> None:
    stretched = {**MAP, "stage_um_per_px_x": Measured(0.25, 0.0002, "µm/px")}
    with pytest.raises(CalibrationRefused, match=r"x goes 0\.8 times as far as it is told"):
        renewed(whole(), anew(stretched))


def test_a_pixel_size_alone_takes_any_new_stage_map_that_fits_it() -> None:
    assert set(MAP) <= set(renewed(record(values=values()), anew(MAP)).values)
