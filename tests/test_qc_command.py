"""`hemadiff qc` on what was marked on the page, and its chart as a file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from builders_commands import at_home, hemadiff
from builders_qc import RUN, a_qc_run, gone_over, marked

from appliance.store import Store

BY = ("--by", "M. Malpighi")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = at_home(tmp_path, monkeypatch)
    monkeypatch.setenv("HEMADIFF_QC__CELLS", "7")
    a_qc_run(path, begun=datetime.now(UTC))
    with Store(path) as opened:
        gone_over(opened, 0, 1)
        marked(opened, 2, "missed", x=200, y=700)
    return path


def test_a_control_takes_the_numbers_that_were_marked_on_the_page(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(store) as opened:
        gone_over(opened, 2)
    monkeypatch.setenv("HEMADIFF_QC__LEAST_LOCATED_PERCENT", "85")
    said = hemadiff("qc", "record", *BY, "--run", RUN[:6])
    assert (said.exit_code, said.output.startswith("Passed. 6 of 7 cells located")) == (0, True)


def test_a_control_of_fields_that_are_not_all_gone_over_is_refused(store: Path) -> None:
    said = hemadiff("qc", "record", *BY, "--run", RUN)
    assert (said.exit_code, "1 of 3 fields are not gone over yet" in said.output) == (2, True)


def test_the_numbers_may_be_typed_without_a_page(store: Path) -> None:
    said = hemadiff("qc", "record", *BY, "--run", RUN, "--missed", 1, "--false", 0)
    assert "6 of 7 cells located" in said.output


def test_the_chart_is_written_to_a_file(store: Path, tmp_path: Path) -> None:
    hemadiff("qc", "record", *BY, "--located", 150, "--missed", 50, "--false", 1)
    file = tmp_path / "history.svg"
    assert hemadiff("qc", "history", "--svg", file).exit_code == 0
    assert "of which 1 failed" in "".join(ElementTree.parse(file).getroot().itertext())
    assert hemadiff("qc", "history", "--svg", "-").stdout == file.read_text()
    assert hemadiff("qc", "history", "--svg", file, "--json").exit_code == 2
