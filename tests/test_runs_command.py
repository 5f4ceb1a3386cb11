"""Past counts can be listed, shown and exported, each time with what they may be used for."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from builders_store import OUTPUTS, at, counted_run, create, unreadable
from click.testing import CliRunner, Result

from appliance.cli import cli
from appliance.frame import SkippedField
from appliance.run import State
from appliance.run_export import COLUMNS, to_csv
from appliance.store import Store

RESEARCH_USE_ONLY = "Research use only. Not for diagnosis."
RUN = "0123456789ab"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store that the settings name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "counts.sqlite"
    monkeypatch.setenv("HEMADIFF_STORE__PATH", str(path))
    return path


def hemadiff(*words: str) -> Result:
    return CliRunner().invoke(cli, words, prog_name="hemadiff")


def exported(*words: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(hemadiff("runs", "export", RUN, "--csv", *words).stdout)))


def test_before_the_first_count_the_list_says_so_and_makes_no_store(path: Path) -> None:
    result = hemadiff("runs", "list")
    assert result.exit_code == 0
    assert "No counts yet" in result.stdout
    assert not path.exists()


def test_runs_are_listed_newest_first(path: Path) -> None:
    counted_run(path, "aa01")
    with Store(path) as store:
        create(store, "bb02", seconds=60, simulated=True)
    lines = hemadiff("runs", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["bb02", "aa01"]
    assert "(simulated)" in lines[1]
    assert "preparing" in lines[2]
    assert lines[-1] == RESEARCH_USE_ONLY


def test_a_run_is_shown_with_its_limits_and_how_it_was_made(path: Path) -> None:
    counted_run(path)
    with Store(path) as store:
        store.commit_skip(RUN, SkippedField(3, "3.png", "cut short", "3.png: cut short."), at(3))
        store.set_state(RUN, State.INSUFFICIENT, "The plan has no more fields.", at(4))
    shown = hemadiff("runs", "show", "0123").stdout
    assert "Insufficient. The plan has no more fields." in shown
    lymphocytes = next(line for line in shown.splitlines() if "Lymphocyte" in line)
    assert lymphocytes.replace("│", " ").split()[:4] == ["Lymphocyte", "3", "75.0", "19.4–99.4"]
    assert "3.png: cut short." in shown
    assert "Erythroblasts per 100 white cells: 25.0" in shown
    assert "Unidentified: 1" in shown
    assert "1 at the border" in shown
    assert "3 fields counted; 1 skipped: 1 cut short" in shown
    assert "ONNX Runtime, CPU" in shown
    assert "smear-13 v1 (abc123)" in shown
    assert re.search(r"Begun 2026-03-01 \d\d:\d\d with hemadiff \d", shown)
    assert RESEARCH_USE_ONLY in shown


def test_a_run_without_a_counted_cell_has_dashes_for_percentages(path: Path) -> None:
    with Store(path) as store:
        create(store, RUN)
    shown = hemadiff("runs", "show", RUN).stdout
    lymphocytes = next(line for line in shown.splitlines() if "Lymphocyte" in line)
    assert lymphocytes.replace("│", " ").split()[:4] == ["Lymphocyte", "0", "–", "–"]


def test_a_run_of_another_version_is_listed_plainly_and_hides_no_other(path: Path) -> None:
    counted_run(path, "aa01")
    counted_run(path, "bb02")
    unreadable(path, "aa01")
    result = hemadiff("runs", "list")
    assert result.exit_code == 0
    lines = {line.split()[0]: line.split() for line in result.stdout.splitlines()[1:]}
    assert lines["bb02"][3:7] == ["blood", "preparing", "4", "1"]
    assert 'aa01 cannot be read by this version: There is no panel "smear-12".' in result.stdout
    shown = hemadiff("runs", "show", "aa01")
    assert shown.exit_code == 2
    assert "smear-12" in shown.stderr


def test_a_marrow_shows_all_its_erythroid_cells_and_the_ranges_of_its_measures(path: Path) -> None:
    counted_run(path, specimen="marrow", reference={"me_ratio": [2, 4]})
    shown = hemadiff("runs", "show", RUN).stdout
    assert "Erythroid cells: 20.0 % (95 % limits 0.5–71.6), reference 18–32." in shown
    assert "M:E 1.00" in shown
    assert "), reference 2–4." in shown
    row = {row["label"]: row for row in exported()}["erythroid_total"]
    assert (row["kind"], row["count"], row["value"], row["unit"]) == ("measure", "1", "20.0", "%")
    assert (row["reference_low"], row["reference_high"], row["loinc"]) == ("18.0", "32.0", "40689-2")
    whole = json.loads(hemadiff("runs", "export", RUN).stdout)
    assert whole["erythroid_percent"] == 20.0
    assert whole["measure_reference"] == {"me_ratio": [2, 4], "erythroid_total": [18, 32]}
    assert whole["loinc"]["erythroid_total"] == "40689-2"


def test_the_range_of_erythroblasts_per_hundred_stands_beside_them(path: Path) -> None:
    counted_run(path, reference={"nrbc_per_100": [0, 120]})
    assert "Erythroblasts per 100 white cells: 25.0, reference 0–120." in hemadiff("runs", "show", RUN).stdout


def test_a_run_that_nobody_knows_is_refused(path: Path) -> None:
    counted_run(path)
    for command in ("show", "export"):
        result = hemadiff("runs", command, "zz")
        assert result.exit_code == 2
        assert result.stderr == 'There is no run "zz". The list of runs names them all.\n'


def test_showing_without_a_store_is_refused(path: Path) -> None:
    result = hemadiff("runs", "show", RUN)
    assert result.exit_code == 2
    assert "There is no store" in result.stderr


def test_csv_has_a_row_per_label_with_limits_and_its_use(path: Path) -> None:
    counted_run(path)
    table = {row["label"]: row for row in exported()}
    row = table["lymphocyte"]
    assert (row["kind"], row["count"], row["value"], row["low"], row["high"]) == (
        "counted",
        "3",
        "75.0",
        "19.412",
        "99.3691",
    )
    assert table["blast"]["count"] == "0"
    assert table["platelet"]["kind"] == "not counted"
    assert table["unidentified"]["count"] == "1"
    assert table["nrbc_per_100"]["value"] == "25.0"
    assert "me_ratio" not in table
    (note,) = {row["note"] for row in table.values()}
    assert note.startswith(f"{RESEARCH_USE_ONLY} The run {RUN} is preparing.")


def test_every_row_of_a_csv_says_whose_camera_it_was_and_whether_simulated(path: Path) -> None:
    counted_run(path)
    whole = json.loads(hemadiff("runs", "export", RUN, "--json").stdout)
    said = {(row["simulated"], row["camera"]) for row in exported()}
    assert said == {(str(whole["simulated"]).lower(), whole["camera"])}


def test_only_verified_codes_are_exported(path: Path) -> None:
    counted_run(path, specimen="marrow")
    codes = {row["label"]: row["loinc"] for row in exported()}
    assert codes["me_ratio"] == "11138-5"
    assert codes["counted"] == "38257-2"
    assert codes["lymphocyte"] == "11108-8"
    assert codes["blast"] == "", "nobody has verified one"


def test_no_code_of_blood_is_exported_while_none_is_verified(path: Path) -> None:
    counted_run(path)
    assert {row["loinc"] for row in exported()} == {""}
    assert json.loads(hemadiff("runs", "export", RUN).stdout)["loinc"] == {}


def test_json_has_the_run_its_differential_and_every_cell(path: Path) -> None:
    counted_run(path)
    run = json.loads(hemadiff("runs", "export", RUN, "--json").stdout)
    assert run["use"] == RESEARCH_USE_ONLY
    assert (run["run"], run["counted"], run["unidentified"], run["at_border"]) == (RUN, 4, 1, 1)
    assert run["not_counted"] == {"erythroblast": 1, "platelet": 1}
    assert run["fields"] == {"counted": 3, "planned": 40, "skipped": {}}
    assert [cell["label"] for cell in run["cells"]].count("lymphocyte") == 3
    first, border = run["cells"][0], run["cells"][4]
    assert set(first["probabilities"]) == set(OUTPUTS)
    assert first["image"] == "field 0.png"
    assert first["counted"]
    assert first["radius_um"] == 5.1, "in micrometres, where x and y are pixels"
    assert "radius" not in first
    assert (border["label"], border["probabilities"], border["counted"]) == (None, None, False)


def test_an_export_says_nothing_of_the_patient(path: Path) -> None:
    counted_run(path, record_number="B26-0417")
    for form in ("--csv", "--json"):
        assert "B26-0417" not in hemadiff("runs", "export", RUN, form).stdout


def test_an_export_to_a_file_is_whole_or_not_there(path: Path, tmp_path: Path) -> None:
    counted_run(path)
    target = tmp_path / "out.json"
    assert hemadiff("runs", "export", RUN, "-o", str(target)).stdout == ""
    assert json.loads(target.read_text(encoding="utf-8"))["run"] == RUN
    result = hemadiff("runs", "export", RUN, "-o", str(tmp_path / "gone" / "out.json"))
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_reading_runs_leaves_the_store_as_it_was(path: Path) -> None:
    counted_run(path)
    before = path.read_bytes()
    for words in (("list",), ("show", RUN), ("export", RUN)):
        assert hemadiff("runs", *words).exit_code == 0
    assert path.read_bytes() == before


@pytest.mark.parametrize("words", [["list"], ["show", RUN], ["export", RUN]])
def test_a_path_that_can_hold_no_store_is_refused_and_not_called_empty(
    path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    path.mkdir()
    result = hemadiff("runs", *words)
    assert result.exit_code == 2
    assert f"The store {path} is a folder. Give the path of a file with [store] path." in result.stderr
    below = path.parent / "notes.txt" / "h.sqlite"
    below.parent.touch()
    monkeypatch.setenv("HEMADIFF_STORE__PATH", str(below))
    result = hemadiff("runs", *words)
    assert result.exit_code == 2
    assert f"The store {below} cannot be read: Not a directory." in result.stderr


@pytest.mark.parametrize("number", ["=HYPERLINK(1)", "+1", "-1", "@A1"])
def test_a_samples_number_that_a_spreadsheet_would_compute_is_text_in_a_table(number: str) -> None:
    table = to_csv([{**dict.fromkeys(COLUMNS), "sample": number}])
    (row,) = csv.DictReader(io.StringIO(table))
    assert row["sample"] == f"'{number}"
