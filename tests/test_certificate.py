"""A calibration's certificate: one page that says what is on record, the same for the same record."""

from __future__ import annotations

import warnings
from datetime import timedelta
from typing import Any

import pytest
from builders_calibration import MADE, RULER, record, values

from appliance.certificate import BOX, _shown, certificate_pdf
from calibration.measured import Measured
from calibration.record import CalibrationRecord, Evidence, Ruler

NOW = MADE + timedelta(days=1)
MANY: dict[str, Any] = {f"value_{n}": Measured(float(n + 1), 0.1, "µm") for n in range(30)}
LONG = record(values=values(**MANY), note="word " * 200)


def pdf(made: CalibrationRecord, before: CalibrationRecord | None = None) -> bytes:
    return certificate_pdf(made, before, in_force=True, now=NOW)


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is written onto pages, in order."""
    from matplotlib.figure import Figure

    written: list[str] = []
    draw = Figure.text

    def noted(self: Figure, x: float, y: float, s: str, **style: Any) -> Any:
        written.append(s)
        return draw(self, x, y, s, **style)

    monkeypatch.setattr(Figure, "text", noted)
    return written


def test_it_is_one_page_however_much_there_is_to_say() -> None:
    far = record(
        0.25, values=values(0.25, **{name: Measured(99.0, 0.1, "µm") for name in MANY}), note="n " * 900
    )
    made = pdf(far, LONG)
    assert made.startswith(b"%PDF-")
    assert made.count(b"/Type /Page ") == 1


def test_it_is_the_same_for_the_same_record() -> None:
    made = pdf(LONG)
    assert pdf(LONG) == made
    assert b"CreationDate" not in made


def test_the_pixel_size_is_its_first_value(texts: list[str]) -> None:
    pdf(record(values={"exposure_us": Measured(8000, 0, "µs"), **values()}))
    assert texts.index("pixel size") < texts.index("exposure")


def test_it_says_whether_the_rulers_own_uncertainty_is_in_the_claim(texts: list[str]) -> None:
    pdf(record())
    pdf(record(ruler=Ruler("grid", 10.0, pitch_uncertainty_um=0.004)))
    told = " ".join(texts)
    assert f"pitch {RULER.pitch_um:g} µm (taken as exact)" in told
    assert "pitch 10 µm ± 0.004 µm" in told


def test_characters_that_the_page_cannot_show_are_boxes_and_that_is_said(texts: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pdf(record(by="李 Hooke"))
    assert any(f"by {BOX} Hooke" in text for text in texts)
    assert any(
        "stands for a character that this page cannot show" in text.replace("\n", " ") for text in texts
    )
    assert _shown("Ångström µm ± Ω") == "Ångström µm ± Ω"


def test_a_damaged_picture_is_named_and_the_rest_is_written() -> None:
    cut = Evidence("ruler", "The ruler.", record().evidence[0].png[:40])
    assert pdf(record(evidence=(cut,))).startswith(b"%PDF-")
